//! Messages of the two queues.

use crate::base::id::TenantId;

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The tenant, which is the message group of the fair queue. `None`: the operator.
    pub tenant: Option<TenantId>,
    /// JSON.
    pub body: String,
}
