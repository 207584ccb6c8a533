//! A run at work: what every part of it has in hand.

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

/// A lease must hold for as long as a step may take.
const LEASE_MARGIN_SECONDS: i64 = 5;

/// What an invocation has in hand that works on a run.
pub(super) struct HeldRun<'a, W, S> {
    pub(super) context: RunContext<'a, W, S>,
    pub(super) owner: &'a Owner,
    pub(super) deadline: Timestamp,
    pub(super) lease: Lease,
}

/// A run at work.
pub(super) struct Runner<'a, W, S> {
    pub(super) ports: &'a W,
    pub(super) sources: &'a S,
    pub(super) owner: &'a Owner,
    pub(super) run: Run,
    pub(super) pipeline: Pipeline,
    /// Of a dry run.
    pub(super) overlay: Option<Overlay<'a, W>>,
    pub(super) views: Watched,
    pub(super) tally: Tally,
    /// How long topics hold their records.
    pub(super) retention: TopicRetention,
    /// When to begin nothing more.
    pub(super) deadline: Timestamp,
    pub(super) lease: Lease,
    pub(super) version: u64,
    /// The record whose put had no answer.
    pub(super) unanswered: Option<StoredRun>,
    pub(super) started: Timestamp,
    /// Letters of this invocation.
    pub(super) taken: u64,
}

impl<W: ReplayPorts, S: Sources> Runner<'_, W, S> {
    /// A letter with its content.
    pub(super) fn open(&self, letter: &Letter, frame: &[u8]) -> Opened {
        open(self.owner, letter, frame, self.retention)
    }

    /// Until when the next thing may work: as long as there is time, and the lease holds.
    pub(super) async fn until(&mut self) -> Result<Timestamp, Unavailable> {
        if !renew(self.ports, self.owner, &mut self.lease).await? {
            let message = "another invocation has taken the lease";
            return Err(Unavailable::new(Reason::Contention, message));
        }
        Ok(self.deadline.min(self.lease.until.plus_seconds(-LEASE_MARGIN_SECONDS)))
    }

    /// What reading and writing letters costs is their owner's.
    pub(super) fn charge(&mut self, units: Units) {
        self.tally.of(self.owner.tenant()).add_units(units);
    }
}
