//! What becomes of a record.

use crate::base::error::Code;

/// What became of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It is in the history now.
    Applied,
    /// It was there already.
    Duplicate,
    /// Its contract or its route says that it is no event.
    Ignored,
    /// It is in the dead-letter queue.
    DeadLettered(Code),
    /// It is in the buffer queue.
    Buffered,
    /// Its source must send it again.
    Returned,
}
