//! The port of the feeds.

use std::future::Future;

use crate::base::error::Unavailable;
use crate::base::time::Timestamp;
use crate::outputs::record::FeedRecord;

/// Sends records of feeds to topics.
pub trait FeedTarget: Send + Sync {
    /// Sends records to a topic and returns one result for each, in order. The records of one key arrive in
    /// the given order; behind one that fails, none should arrive. Behind one that is refused they may, unless
    /// that is taken when it is sent alone. A record with `Ok` is durable; any other may arrive nevertheless, but
    /// not after a record of a later call.
    fn publish(
        &self,
        topic: &str,
        records: &[FeedRecord],
        deadline: Timestamp,
    ) -> impl Future<Output = Vec<Result<(), NotPublished>>> + Send;
}

/// Why a record was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPublished {
    /// The topic never accepts this record.
    #[error(transparent)]
    Refused(Unavailable),
    /// The topic does not exist, or may not be written to. Other topics are not affected.
    #[error(transparent)]
    Closed(Unavailable),
    /// The target did not answer, or failed. All its topics are affected.
    #[error(transparent)]
    Unavailable(Unavailable),
}

impl NotPublished {
    /// The failure itself.
    pub fn into_unavailable(self) -> Unavailable {
        match self {
            Self::Refused(unavailable)
            | Self::Closed(unavailable)
            | Self::Unavailable(unavailable) => unavailable,
        }
    }
}
