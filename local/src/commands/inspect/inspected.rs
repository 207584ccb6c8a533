//! What is shown.

use drover_core::ledger::read::Snapshot;

/// A subject's whole history, and what its tenant says about it.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// Head and pages.
    pub snapshot: Snapshot,
    /// How far behind the watermark something counts as settled.
    pub lateness_seconds: i64,
}
