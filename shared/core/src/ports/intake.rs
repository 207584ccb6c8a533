//! Ports for ingest and the registry.

use std::future::Future;

use crate::base::error::Unavailable;
use crate::base::time::Timestamp;
use crate::intake::document::{DocumentName, StoredDocument};
use crate::intake::event_log::{NotSent, Outgoing};
use crate::intake::request::{Claim, Claimed};

/// Reads stored documents, one at a time, with strong consistency.
pub trait Documents: Send + Sync {
    /// The document with this name, if it exists.
    ///
    /// # Errors
    /// The store does not answer.
    fn document(
        &self,
        name: &DocumentName,
    ) -> impl Future<Output = Result<Option<StoredDocument>, Unavailable>> + Send;
}

/// Stores claims of idempotency keys.
pub trait Requests: Send + Sync {
    /// Stores a claim unless a valid claim exists: one received after [`Claim::stale`].
    fn claim(&self, claim: &Claim) -> impl Future<Output = Result<Claimed, Unavailable>> + Send;
}

/// Makes events durable.
pub trait EventLog: Send + Sync {
    /// Sends events and returns one result for each, in order. An event with `Ok` is durable.
    fn send(
        &self,
        events: &[Outgoing],
        deadline: Timestamp,
    ) -> impl Future<Output = Vec<Result<(), NotSent>>> + Send;
}
