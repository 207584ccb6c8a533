//! Where a letter came from: a record that was rejected, records that the event source gave up, or a
//! queue message that nobody here wrote.

use serde::{Deserialize, Serialize};

use crate::intake::record::Source;

/// Where a letter came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Origin {
    /// One record.
    Record(Source),
    /// Something else.
    Other(Other),
}

/// What is no record of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Other {
    /// Records that the event source gave up, by their places.
    Batch {
        /// Why, in Lambda's word.
        condition: String,
        /// Where they stand.
        partitions: Vec<Offsets>,
    },
    /// An object in S3 that says the same, with the records.
    Object {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// A queue message of a shape that is not known.
    Message {
        /// Its id.
        message_id: String,
    },
}

/// Offsets of one partition, both included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offsets {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first.
    pub first: i64,
    /// The last.
    pub last: i64,
}
