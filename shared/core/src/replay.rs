//! Replays dead letters: after the cause has been fixed, a run sends the letters that match a
//! filter through the pipeline again. Each letter keeps its original `ingested_at`, so the decision
//! is the same as on the first attempt. A letter with an impossible receipt time uses the time of
//! its first rejection.
//!
//! A run processes its owner's letters in order of id, up to the letters that were stored when it
//! started. A letter is marked only after its event is in the ledger: if a run is interrupted in
//! between, the event is detected as a duplicate when the letter is replayed again. The run's
//! record is saved with its cursor after each batch, so a run can be resumed after a pause or a
//! crash. A lease allows one run at a time for each owner. Only the counts depend on the lease,
//! because writes to ledger and letters have their own conditions.
//!
//! A dry run works on an [`overlay`] of the store and marks nothing.
//!
//! - [`request`]: the parameters of a run and their limits
//! - [`run`]: the record of a run, which is the audit trail
//! - [`list`]: lists and counts letters
//! - `control`: start, resume, cancel, show; `lease`: the lease of a run
//! - `drive`: the loop of a run, over a `runner`; `steps`: splits letters into steps; `batch`:
//!   processes the letters of a step; `through`: sends their records through the pipeline;
//!   `outcome`: marks letters; `batch_reference`: letters that stand for whole batches
//! - `views`: views before and after a run
//! - [`overlay`]: a store that keeps writes in memory

mod action;
mod batch;
mod batch_reference;
mod control;
mod drive;
pub mod filing;
mod lease;
pub mod list;
mod outcome;
pub mod overlay;
pub mod request;
pub mod run;
mod runner;
mod steps;
mod through;
mod views;

#[cfg(test)]
mod tests;

use crate::base::error::Unavailable;
use crate::base::limits::ItemLimits;
use crate::base::metrics::Tally;
use crate::intake::record::TopicRetention;
use crate::ports::{Letters, Notifications, Objects, Ports, Reread};

pub use self::action::Action;
pub use self::control::{cancel, recent, resume, show, start};
pub use self::request::{Filter, Refusal, RunRequest};
pub use self::run::{Phase, Run};
pub use self::views::{ViewPair, view_digest};

/// The ports of a replay: the pipeline's ports and the table of letters.
pub trait ReplayPorts: Ports + Letters + Notifications {}

impl<W: Ports + Letters + Notifications> ReplayPorts for W {}

/// Sources to reread discarded records from.
pub trait Sources: Reread + Objects {}

impl<S: Reread + Objects> Sources for S {}

/// The context of a run.
#[derive(Clone, Copy, Debug)]
pub struct RunContext<'a, W, S> {
    /// The ports.
    pub ports: &'a W,
    /// Sources to reread records from.
    pub sources: &'a S,
    /// Limits of a run.
    pub limits: RunLimits,
}

/// Limits of a run.
#[derive(Clone, Copy, Debug)]
pub struct RunLimits {
    /// The sizes of ledger items.
    pub item_limits: ItemLimits,
    /// Number of subjects processed concurrently.
    pub concurrency: usize,
    /// Bytes of heads that a run caches.
    pub cache_bytes: usize,
    /// The retention of the topics of the letters' records.
    pub retention: TopicRetention,
}

/// The state of a run at the end of an invocation, with the counts.
#[derive(Clone, Debug, PartialEq)]
pub struct RunProgress {
    /// The run.
    pub run: Run,
    /// The views that this invocation read, before and after the run. The run's record has their
    /// digests.
    pub views: Vec<ViewPair>,
    /// The counts of this invocation.
    pub tally: Tally,
}

impl From<Unavailable> for Refusal {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}
