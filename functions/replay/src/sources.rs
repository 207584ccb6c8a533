//! The sources of a replay on Lambda: the event log, if there is one, and AWS for the rest.

use drover_core::base::error::Unavailable;
use drover_core::dead_letter::object::Object;
use drover_core::dead_letter::origin::Offsets;
use drover_core::dead_letter::reread::Again;
use drover_core::intake::record::Receipt;
use drover_core::ports::{Objects, Reread};

use crate::levels::{BufferLevels, Levels};

/// Combines AWS (objects and fill levels) with an event log.
#[derive(Clone, Debug)]
pub struct WithEventLog<A, R> {
    /// Reads objects and the buffer's fill level.
    pub aws: A,
    /// Rereads offsets, if there is an event log.
    pub event_log: R,
}

impl<A: Send + Sync, R: Reread> Reread for WithEventLog<A, R> {
    async fn reread(
        &self,
        offsets: &Offsets,
        given_up: Receipt,
    ) -> Result<Option<Again>, Unavailable> {
        self.event_log.reread(offsets, given_up).await
    }
}

impl<A: Objects, R: Send + Sync> Objects for WithEventLog<A, R> {
    async fn object(&self, bucket: &str, key: &str) -> Result<Object, Unavailable> {
        self.aws.object(bucket, key).await
    }
}

impl<A: BufferLevels, R: Send + Sync> BufferLevels for WithEventLog<A, R> {
    async fn buffer_levels(&self) -> Result<Levels, Unavailable> {
        self.aws.buffer_levels().await
    }
}
