//! What an invocation comes with.

use std::time::SystemTime;

/// What Lambda tells a function besides the event.
#[derive(Clone, Debug)]
pub struct InvocationContext {
    /// The id of this invocation, also in the answer's header.
    pub request_id: String,
    /// When the invocation is given up.
    pub deadline: SystemTime,
}
