//! One record of a stream, as the mapping keeps it: its text for events, and its place.

use aws_sdk_dynamodbstreams::types::{AttributeValue, Record};
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::hash::fnv1a;

use super::event::record_json;
use super::sequence::SequenceNumber;
use crate::batch::Ordered;

/// A record that is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) sequence: SequenceNumber,
    /// The place among the records that this run reads from the shard.
    pub(super) offset: i64,
    /// When the item was written, in milliseconds since 1970; negative if unknown.
    pub(super) created_at: i64,
    /// The record in an event.
    pub(super) json: String,
}

impl Ordered for Change {
    fn offset(&self) -> i64 {
        self.offset
    }

    fn timestamp(&self) -> i64 {
        self.created_at
    }
}

/// A record as read: before it is known whether it is sent.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) sequence: SequenceNumber,
    pub(super) created_at: i64,
    /// The size that the service states, in bytes.
    pub(super) bytes: usize,
    /// The hash of the partition key.
    pub(super) key: u64,
    /// `None`: the filters exclude the record.
    pub(super) json: Option<String>,
}

impl Read {
    /// # Errors
    /// The record has no sequence number or no partition key, or contains an unknown type. Such a
    /// record must not be skipped, so the page is read again.
    pub(super) fn new(
        record: &Record,
        partition_key: &str,
        stream_arn: &str,
        is_wanted: bool,
    ) -> Result<Self, Unavailable> {
        let incomplete = || Unavailable::new(Reason::Bug, "a stream record is incomplete");
        let change = record.dynamodb().ok_or_else(incomplete)?;
        let sequence = change.sequence_number().and_then(SequenceNumber::parse);
        let key = change.keys().and_then(|keys| keys.get(partition_key));
        let json = is_wanted.then(|| record_json(record, stream_arn)).transpose();
        let created_at = change.approximate_creation_date_time();
        Ok(Self {
            sequence: sequence.ok_or_else(incomplete)?,
            created_at: created_at.map_or(-1, |at| at.secs().saturating_mul(1_000)),
            bytes: change.size_bytes().and_then(|bytes| bytes.try_into().ok()).unwrap_or(0),
            key: hash(key.ok_or_else(incomplete)?),
            json: json.map_err(|error| incomplete().caused_by(error))?,
        })
    }
}

/// Checkpoints of lanes depend on it, so it must never change.
fn hash(key: &AttributeValue) -> u64 {
    match key {
        AttributeValue::S(text) | AttributeValue::N(text) => fnv1a(text.as_bytes()),
        AttributeValue::B(bytes) => fnv1a(bytes.as_ref()),
        // No other type may be a key.
        _ => 0,
    }
}
