//! The data that `inspect` shows.

use drover_core::ledger::read::Snapshot;

/// A subject's whole history.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// Head and pages.
    pub snapshot: Snapshot,
}
