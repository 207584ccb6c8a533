//! The disposition of a record: whether its source may acknowledge it, and where it is now.

use crate::base::error::Code;

/// Where a record is when the invocation ends. The source acknowledges every record except
/// [`Returned`](Self::Returned) records. A record of several elements gets the greatest disposition of its
/// elements, in the order of this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disposition {
    /// The contract or the route ignores the record.
    Ignored,
    /// The history already contained the event.
    Duplicate,
    /// The event was added to the history.
    Applied,
    /// The record is in the dead-letter queue.
    DeadLettered(Code),
    /// The record is in the buffer queue.
    Buffered,
    /// The source must send the record again.
    Returned,
}
