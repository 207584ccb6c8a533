//! Dead letters, again: after what was wrong has been mended, a run takes the letters that match a
//! filter through the pipeline once more, each with its original `ingested_at`, so that it is decided
//! as the first attempt would have been; one whose time of receipt cannot be true, by the time of its
//! refusal.
//!
//! A run goes through its owner's letters in the order of their ids, up to those that were filed when
//! it started. A letter is marked only after its event is in the ledger: whatever stops a run in
//! between, the event is found as a duplicate when the letter comes again. The run's record is saved
//! after each batch, with the place to go on from, so a run that was paused, or whose invocation
//! died, is resumed. One run at a time for each owner, by a lease; nothing depends on it but the
//! counts, because ledger and letters are written under conditions of their own.
//!
//! A dry run is the same over an [`overlay`] of the store, and marks nothing.
//!
//! - [`request`]: what a run is asked for, and what it refuses
//! - [`run`]: its record, which is the audit trail
//! - [`list`]: letters and counts, without a run
//! - `control`: start, resume, cancel, show; `lease`: who works on a run
//! - `drive`: the loop over a run at `runner`; `steps`: how letters are cut into steps; `batch`: those of one
//!   step; `through`: their records, through the pipeline; `mark`: what is written about them; `foreign`: letters that stand for whole batches of records
//! - `views`: views before and after
//! - [`overlay`]: a store that keeps writes to itself

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
use crate::ports::{Letters, Objects, Ports, Reread};

pub use self::action::Action;
pub use self::control::{cancel, recent, resume, show, start};
pub use self::request::{Filter, Refusal, RunRequest};
pub use self::run::{Phase, Run};
pub use self::views::{ViewPair, view_digest};

/// What letters are in, and what their events go into.
pub trait ReplayPorts: Ports + Letters {}

impl<W: Ports + Letters> ReplayPorts for W {}

/// Where records are read again that the event source gave up.
pub trait Sources: Reread + Objects {}

impl<S: Reread + Objects> Sources for S {}

/// Where runs work.
#[derive(Clone, Copy, Debug)]
pub struct RunContext<'a, W, S> {
    /// What letters are in, and what their events go into.
    pub ports: &'a W,
    /// Where records are read again.
    pub sources: &'a S,
    /// What a run has for its work.
    pub limits: RunLimits,
}

/// What a run has for its work.
#[derive(Clone, Copy, Debug)]
pub struct RunLimits {
    /// The sizes of ledger items.
    pub item_limits: ItemLimits,
    /// How many subjects run together.
    pub concurrency: usize,
    /// Bytes of the heads that a run remembers.
    pub cache_bytes: usize,
    /// How long the topics hold their records that letters come from.
    pub retention: TopicRetention,
}

/// A run as it stands when an invocation ends, and what there is to count.
#[derive(Clone, Debug, PartialEq)]
pub struct RunProgress {
    /// The run.
    pub run: Run,
    /// The views that this invocation read, before and after. The run's record has their digests.
    pub views: Vec<ViewPair>,
    /// What happened in this invocation.
    pub tally: Tally,
}

impl From<Unavailable> for Refusal {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}
