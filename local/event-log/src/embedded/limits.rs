//! How much the log takes, and how long it keeps it.

use std::time::Duration;

/// Partitions of every topic.
pub const PARTITIONS: u32 = 4;
/// The largest record: key, value and headers together.
pub const RECORD_BYTES: usize = 1024 * 1024;
/// The most topics of one file.
pub const TOPICS: usize = 256;
/// What may wait to be written; who has more waits with it.
pub const QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// How often the reader looks for what other processes have appended.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Permits of the queue are KiB.
pub(super) const PERMIT_BYTES: usize = 1024;

/// What is deleted in the end: records that a group has done with, once they are old or many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The group. Other groups' offsets count for nothing here.
    pub group: String,
    /// Records younger than this stay.
    pub age: Duration,
    /// But not when the file's content is more than this; then the oldest go first.
    pub bytes: u64,
}
