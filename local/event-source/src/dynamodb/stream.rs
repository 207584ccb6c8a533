//! The port for reading the stream of one table: what DescribeStream, GetShardIterator and
//! GetRecords offer. The records are the SDK's, because only their text and a few fields are used.

use aws_sdk_dynamodbstreams::types::Record;
use drover_core::base::error::Unavailable;

use super::sequence::SequenceNumber;

/// A shard as DescribeStream lists it. Whether the shard is closed is not part of it: some services
/// state an ending sequence number for open shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedShard {
    /// The shard.
    pub id: String,
    /// The shard that is read completely before this one. It may no longer be listed.
    pub parent: Option<String>,
}

/// Where a new iterator starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// At the oldest record that the shard still holds.
    TrimHorizon,
    /// After the newest record.
    Latest,
    /// After this record.
    After(SequenceNumber),
}

/// The result of GetRecords.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The records, in order; empty pages are normal.
    pub records: Vec<Record>,
    /// The iterator for the next page; `None`: the shard is closed and completely read.
    pub next: Option<String>,
}

/// Why a shard cannot be read from an iterator or a sequence number.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The iterator is too old. A new iterator continues after the last record.
    #[error("the iterator has expired")]
    Expired,
    /// The stream no longer holds the records at this place.
    #[error("the records are trimmed")]
    Trimmed,
    /// The stream does not know the shard.
    #[error("the shard does not exist")]
    Gone,
    /// The stream does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The stream of one table.
pub trait Stream: Send + Sync + 'static {
    /// The ARN of the stream. A recreated stream has another ARN.
    fn arn(&self) -> &str;

    /// The name of the table's partition key.
    fn partition_key(&self) -> &str;

    /// All shards, in any order.
    fn shards(&self) -> impl Future<Output = Result<Vec<ListedShard>, Unavailable>> + Send;

    /// An iterator of this shard.
    fn iterator(
        &self,
        shard: &str,
        start: &StartAt,
    ) -> impl Future<Output = Result<String, StreamError>> + Send;

    /// At most so many records, from 1 to 1,000.
    fn records(
        &self,
        iterator: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Page, StreamError>> + Send;
}
