//! What the two queues take.

use crate::base::id::TenantId;

/// A text on its way into a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whose it is: the message group of a fair queue. `None`: the operator's.
    pub tenant: Option<TenantId>,
    /// JSON.
    pub body: String,
}
