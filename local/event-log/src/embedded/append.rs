//! The result of an append: the locations of the records, or the error.

use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};

use super::limits::{RECORD_BYTES, TOPICS};
use crate::TopicName;

/// The location of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordLocation {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// Why an append failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// A record is too large. No record of the call was appended.
    #[error("record larger than {RECORD_BYTES} bytes of key, value and headers: bytes=`{bytes}`")]
    TooLarge {
        /// The index of the record in the call, from 0.
        index: usize,
        /// The size of the record.
        bytes: usize,
    },
    /// The topic does not exist and the file has the maximum number of topics.
    #[error("more than {TOPICS} topics in the event log: topic=`{topic}`")]
    TooManyTopics {
        /// The topic that does not exist.
        topic: TopicName,
    },
    /// The file failed. The records may or may not have been appended.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl AppendError {
    /// Treats every error as a fault of the event log.
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
    Unavailable::new(Reason::Unreachable, "the event log has stopped").of(Dependency::EventLog)
}
