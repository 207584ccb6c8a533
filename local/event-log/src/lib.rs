//! Event logs as a reader sees them: topics of partitions of records with offsets, and the
//! committed offsets of consumer groups.
//!
//! [`Log`] is the port. It takes from Kafka only this: records of a partition are read in the order
//! of their offsets, offsets may have gaps, and old records may be deleted. Partition assignment is
//! left out: an event source reads all partitions, so there are no members and no rebalances.
//!
//! [`embedded`] is a log in one file, and `chunk` its encoding of records. [`topic`] is the name of
//! a topic.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use drover_core::base::error::Unavailable;

mod chunk;
pub mod embedded;
pub mod topic;

pub use embedded::Embedded;
pub use topic::TopicName;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// A record to append.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// The creation time, in milliseconds since 1970.
    pub timestamp: i64,
    /// The key, which determines the partition.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// In order; a name may occur twice, and a value may be null.
    pub headers: Vec<(String, Option<Bytes>)>,
}

impl NewRecord {
    /// The size of key, value and headers, which [`embedded::RECORD_BYTES`] limits.
    pub fn bytes(&self) -> usize {
        size(self.key.as_ref(), self.value.as_ref(), &self.headers)
    }

    #[cfg(test)]
    fn at(self, offset: i64) -> StoredRecord {
        let Self { timestamp, key, value, headers } = self;
        let timestamp_type = TimestampType::CreateTime;
        StoredRecord { offset, timestamp, timestamp_type, key, value, headers }
    }
}

impl StoredRecord {
    /// The size that counts towards the bounds of a fetch.
    pub fn bytes(&self) -> usize {
        size(self.key.as_ref(), self.value.as_ref(), &self.headers)
    }
}

fn size(key: Option<&Bytes>, value: Option<&Bytes>, headers: &[(String, Option<Bytes>)]) -> usize {
    let length = |bytes: Option<&Bytes>| bytes.map_or(0, Bytes::len);
    let headers = headers.iter().map(|(name, value)| name.len() + length(value.as_ref()));
    length(key) + length(value) + headers.sum::<usize>()
}

/// A record as the log stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// The position in the partition.
    pub offset: i64,
    /// Milliseconds since 1970; -1 without a timestamp.
    pub timestamp: i64,
    /// Whether the producer or the broker set the timestamp.
    pub timestamp_type: TimestampType,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// In order; a name may occur twice, and a value may be null.
    pub headers: Vec<(String, Option<Bytes>)>,
}

/// The source of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer.
    CreateTime,
    /// The broker.
    LogAppendTime,
}

/// The position at which a fetch starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The offset of the first record to read.
    pub offset: i64,
}

/// The maximum size of one fetch, and how long it waits for a first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The maximum number of records.
    pub records: usize,
    /// The maximum bytes of keys, values and headers. The first record is returned whatever its
    /// size.
    pub bytes: usize,
    /// How long to wait if there are no records yet; zero: not at all.
    pub wait: Duration,
}

/// The result of a fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// In the order of their offsets, none below the requested offset. Empty if no record arrived
    /// in time.
    pub records: Vec<StoredRecord>,
    /// The next offset to read: after the last of `records` and after skipped offsets, such as
    /// transaction markers. Never below the requested offset, with two exceptions: an offset beyond
    /// the end of the partition is reset to the end, and a topic that was deleted and recreated is
    /// read from its start.
    pub next: i64,
    /// The lowest offset that the partition still holds. If it is above the requested offset, the
    /// records between them are deleted.
    pub start: i64,
    /// One more than the highest offset.
    pub end: i64,
}

/// A log that can be read repeatedly from any offset that it holds.
pub trait Log: Send + Sync + 'static {
    /// The existing topics, without the log's internal topics.
    fn topics(&self) -> impl Future<Output = Result<Vec<String>, Unavailable>> + Send;

    /// The partitions of a topic, in order; empty if the topic does not exist.
    fn partitions(&self, topic: &str)
    -> impl Future<Output = Result<Vec<i32>, Unavailable>> + Send;

    /// Reads one partition from an offset. Several partitions may be fetched concurrently; one
    /// partition is never fetched twice at once. The future may be dropped at any moment, and the
    /// fetch repeated. A result may also come early and empty.
    fn fetch(
        &self,
        from: Position<'_>,
        bounds: Bounds,
    ) -> impl Future<Output = Result<Fetched, Unavailable>> + Send;

    /// The committed offsets of the group: by partition, the offset of the first record that is not
    /// processed. A partition without a committed offset is missing, and is read from its start.
    fn committed(
        &self,
        group: &str,
        topic: &str,
    ) -> impl Future<Output = Result<BTreeMap<i32, i64>, Unavailable>> + Send;

    /// Commits such offsets. They are durable when this returns.
    fn commit(
        &self,
        group: &str,
        topic: &str,
        offsets: &BTreeMap<i32, i64>,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
