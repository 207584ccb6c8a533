//! The context of an invocation.

use std::time::SystemTime;

/// What Lambda passes to a function besides the event.
#[derive(Clone, Debug)]
pub struct InvocationContext {
    /// The id of this invocation, also in the header of the response.
    pub request_id: String,
    /// When the invocation times out.
    pub deadline: SystemTime,
}
