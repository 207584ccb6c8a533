//! What the source of a record may acknowledge.

use crate::base::error::Code;

/// Where one record is when the invocation ends. All but the last are acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It is in the history now.
    Applied,
    /// It was there already.
    Duplicate,
    /// It is in the dead-letter queue.
    DeadLettered(Code),
    /// It is in the buffer queue.
    Buffered,
    /// Its source must send it again.
    Returned,
}
