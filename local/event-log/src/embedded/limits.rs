//! The limits and the retention of the log.

use std::time::Duration;

/// The number of partitions of every topic.
pub const PARTITIONS: u32 = 4;
/// The maximum size of a record: key, value and headers together.
pub const RECORD_BYTES: usize = 1024 * 1024;
/// The maximum number of topics in one file.
pub const TOPICS: usize = 256;
/// The maximum size of the write queue. Further calls wait for room.
pub const QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// How often the reader polls for records of other processes.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Permits of the queue are in KiB.
pub(super) const PERMIT_BYTES: usize = 1024;

/// The retention: records are deleted when they are old or the file is large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Only records that this consumer group has committed are deleted, in its topics. `None`: the records
    /// of all topics are deleted, whatever was committed.
    pub group: Option<String>,
    /// Younger records stay, within `bytes`.
    pub age: Duration,
    /// If the content of the file is larger, the oldest of these records are deleted, whatever
    /// their age.
    pub bytes: u64,
}
