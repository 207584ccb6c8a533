//! Where a letter came from: a rejected record, records that the event source discarded, a commit
//! that could not be sent to a feed, a notification that a target did not take, or a foreign queue
//! message.

use serde::{Deserialize, Serialize};

use crate::intake::record::Source;

/// Where a letter came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Origin {
    /// One record.
    Record(Source),
    /// Another origin.
    Other(Other),
}

/// An origin that is not a single record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Other {
    /// Records that the event source discarded, by offset.
    Batch {
        /// Lambda's condition.
        condition: String,
        /// The records' offsets.
        partitions: Vec<Offsets>,
    },
    /// An S3 object with discarded records.
    Object {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// A commit of the letter's subject that could not be sent to a feed.
    Commit {
        /// `<era>.<version>`
        commit: String,
    },
    /// A notification that a target did not take.
    Notification {
        /// The alert.
        alert: String,
        /// The target.
        target: String,
    },
    /// A queue message of unknown format.
    Message {
        /// The message's id.
        message_id: String,
    },
}

/// A range of offsets of one partition, both ends inclusive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offsets {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first offset.
    pub first: i64,
    /// The last offset.
    pub last: i64,
}
