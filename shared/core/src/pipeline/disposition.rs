//! What the source of a record may acknowledge.

use crate::base::error::Code;

/// Where one record is when the invocation ends. All but the last are acknowledged. A record of several
/// elements is where the one is that is furthest down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disposition {
    /// Its contract or its route ignores it.
    Ignored,
    /// It was there already.
    Duplicate,
    /// It is in the history now.
    Applied,
    /// It is in the dead-letter queue.
    DeadLettered(Code),
    /// It is in the buffer queue.
    Buffered,
    /// Its source must send it again.
    Returned,
}
