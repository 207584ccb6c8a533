//! The state of a run in progress, shared by its parts.

use super::lease::renew;
use super::overlay::Overlay;
use super::run::Run;
use super::views::Watched;
use super::{ReplayPorts, RunContext, Sources};
use crate::base::cost::Units;
use crate::base::error::{Reason, Unavailable};
use crate::base::metrics::Tally;
use crate::base::time::Timestamp;
use crate::dead_letter::letter::{Lease, Letter, Owner, StoredRun};
use crate::dead_letter::opened::{Opened, open};
use crate::intake::record::TopicRetention;
use crate::pipeline::Pipeline;

/// Time by which the lease must outlast a step.
const LEASE_MARGIN_SECONDS: i64 = 5;

/// A run whose lease this invocation holds.
pub(super) struct HeldRun<'a, W, S> {
    pub(super) context: RunContext<'a, W, S>,
    pub(super) owner: &'a Owner,
    pub(super) deadline: Timestamp,
    pub(super) lease: Lease,
}

/// A run in progress.
pub(super) struct Runner<'a, W, S> {
    pub(super) ports: &'a W,
    pub(super) sources: &'a S,
    pub(super) owner: &'a Owner,
    pub(super) run: Run,
    pub(super) pipeline: Pipeline,
    /// The overlay of a dry run.
    pub(super) overlay: Option<Overlay<'a, W>>,
    pub(super) views: Watched,
    pub(super) tally: Tally,
    /// The retention of the topics.
    pub(super) retention: TopicRetention,
    /// When to stop starting new work.
    pub(super) deadline: Timestamp,
    pub(super) lease: Lease,
    pub(super) version: u64,
    /// The record of a put whose answer was lost.
    pub(super) unanswered: Option<StoredRun>,
    pub(super) started: Timestamp,
    /// Number of letters processed in this invocation.
    pub(super) taken: u64,
}

impl<W: ReplayPorts, S: Sources> Runner<'_, W, S> {
    /// Opens a letter.
    pub(super) fn open(&self, letter: &Letter, frame: &[u8]) -> Opened {
        open(self.owner, letter, frame, self.retention)
    }

    /// The time limit of the next work: the deadline or the end of the lease.
    pub(super) async fn until(&mut self) -> Result<Timestamp, Unavailable> {
        if !renew(self.ports, self.owner, &mut self.lease).await? {
            let message = "another invocation has taken the lease";
            return Err(Unavailable::new(Reason::Contention, message));
        }
        Ok(self.deadline.min(self.lease.until.plus_seconds(-LEASE_MARGIN_SECONDS)))
    }

    /// Counts the cost of reading and writing letters for their owner.
    pub(super) fn charge(&mut self, units: Units) {
        self.tally.of(self.owner.tenant()).add_units(units);
    }
}
