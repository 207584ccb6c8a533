//! Ports to what ingest and the registry need.

use std::future::Future;

use crate::base::error::Unavailable;
use crate::base::time::Timestamp;
use crate::intake::document::{DocumentName, StoredDocument};
use crate::intake::event_log::{NotSent, Outgoing};
use crate::intake::request::{Claim, Claimed};

/// Reads stored documents, one at a time and strongly consistent.
pub trait Documents: Send + Sync {
    /// The document of that name, if there is one.
    ///
    /// # Errors
    /// Where the store gave no answer.
    fn document(
        &self,
        name: &DocumentName,
    ) -> impl Future<Output = Result<Option<StoredDocument>, Unavailable>> + Send;
}

/// Where claims are kept.
pub trait Requests: Send + Sync {
    /// Puts a claim, unless one that is still believed is there: one received after
    /// [`Claim::stale`].
    fn claim(&self, claim: &Claim) -> impl Future<Output = Result<Claimed, Unavailable>> + Send;
}

/// What makes events durable.
pub trait EventLog: Send + Sync {
    /// Sends events; the answer has one result for each, in order. What is `Ok` is durable.
    fn send(
        &self,
        events: &[Outgoing],
        deadline: Timestamp,
    ) -> impl Future<Output = Vec<Result<(), NotSent>>> + Send;
}
