//! Logs as a reader of events sees them: topics of partitions of records with offsets, and the
//! offsets that a group of readers has done with.
//!
//! [`Log`] is the port. What it takes from Kafka, and no more: records of a partition are read in
//! the order of their offsets, offsets may have gaps, and old records may be gone. Who reads which
//! partition is not its business: an event source reads all of them, so there are no members and no
//! rebalances.
//!
//! [`embedded`] is a log in one file, and `chunk` how it writes records. [`topic`] is the name of a
//! topic.

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

/// A record on its way into a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// When its producer made it, in milliseconds since 1970.
    pub timestamp: i64,
    /// The key, which decides about the partition.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// In order; a name may occur twice, and a value be null.
    pub headers: Vec<(String, Option<Bytes>)>,
}

impl NewRecord {
    /// What it counts for against the largest record: its key, its value and its headers.
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
    /// What it counts for in the bounds of a fetch.
    pub fn bytes(&self) -> usize {
        size(self.key.as_ref(), self.value.as_ref(), &self.headers)
    }
}

fn size(key: Option<&Bytes>, value: Option<&Bytes>, headers: &[(String, Option<Bytes>)]) -> usize {
    let length = |bytes: Option<&Bytes>| bytes.map_or(0, Bytes::len);
    let headers = headers.iter().map(|(name, value)| name.len() + length(value.as_ref()));
    length(key) + length(value) + headers.sum::<usize>()
}

/// A record as a stream keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its place in the partition.
    pub offset: i64,
    /// Milliseconds since 1970; -1 for none.
    pub timestamp: i64,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// In order; a name may occur twice, and a value be null.
    pub headers: Vec<(String, Option<Bytes>)>,
}

/// Who set a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer.
    CreateTime,
    /// The broker.
    LogAppendTime,
}

/// Where to read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The offset of the first record that is wanted.
    pub offset: i64,
}

/// The most that one fetch gives, and how long it waits for a first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Records.
    pub records: usize,
    /// Bytes of keys, values and headers. A first record is given whatever its size.
    pub bytes: usize,
    /// How long to wait where there is nothing yet; zero: not at all.
    pub wait: Duration,
}

/// What a fetch gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// In the order of their offsets, none below the one that was asked for. Empty when nothing came
    /// in time.
    pub records: Vec<StoredRecord>,
    /// Where to read on: behind the last of `records` and behind whatever was skipped, such as
    /// markers of transactions. Never below the offset that was asked for, but for an offset beyond
    /// the end of the partition, which is brought back to the end, and for a topic that was deleted
    /// and made anew, which is read from its start.
    pub next: i64,
    /// The lowest offset that the partition still holds. Where it is above the offset that was asked
    /// for, the records between are gone.
    pub start: i64,
    /// One more than the highest offset.
    pub end: i64,
}

/// A stream that can be read again from any offset that it holds.
pub trait Log: Send + Sync + 'static {
    /// The topics that there are now, without the stream's own.
    fn topics(&self) -> impl Future<Output = Result<Vec<String>, Unavailable>> + Send;

    /// The partitions of a topic, in order; none where there is no such topic.
    fn partitions(&self, topic: &str)
    -> impl Future<Output = Result<Vec<i32>, Unavailable>> + Send;

    /// Reads one partition from an offset on. Partitions are fetched beside each other; one
    /// partition is never fetched twice at once. May be dropped at any moment, and repeated. A
    /// result may also come early and empty.
    fn fetch(
        &self,
        from: Position<'_>,
        bounds: Bounds,
    ) -> impl Future<Output = Result<Fetched, Unavailable>> + Send;

    /// What the group has done with: by partition, the offset of the first record that it has not.
    /// A partition that it never committed is missing, and is read from its start.
    fn committed(
        &self,
        group: &str,
        topic: &str,
    ) -> impl Future<Output = Result<BTreeMap<i32, i64>, Unavailable>> + Send;

    /// Commits such offsets. When it returns they are durable.
    fn commit(
        &self,
        group: &str,
        topic: &str,
        offsets: &BTreeMap<i32, i64>,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
