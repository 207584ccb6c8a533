//! What an append gives: where its records stand, or why they do not.

use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};

use super::limits::{RECORD_BYTES, TOPICS};
use crate::TopicName;

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordLocation {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// Why nothing was appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// A record is too large. None of the call is there.
    #[error("a record has at most {RECORD_BYTES} bytes of key, value and headers: bytes=`{bytes}`")]
    TooLarge {
        /// Which one of the call, from 0.
        index: usize,
        /// What it has.
        bytes: usize,
    },
    /// One more topic would be too many.
    #[error("the stream has at most {TOPICS} topics, and this would be one more: topic=`{topic}`")]
    TooManyTopics {
        /// The topic that is not there yet.
        topic: TopicName,
    },
    /// The file. The records may be there or not.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl AppendError {
    /// For those to whom every fault is the stream's.
    pub fn into_unavailable(self) -> Unavailable {
        match self {
            Self::Unavailable(unavailable) => unavailable,
            other @ (Self::TooLarge { .. } | Self::TooManyTopics { .. }) => {
                Unavailable::new(Reason::Bug, other.to_string()).of(Dependency::EventLog)
            }
        }
    }
}

pub(super) fn stopped() -> Unavailable {
    Unavailable::new(Reason::Unreachable, "the stream has stopped").of(Dependency::EventLog)
}
