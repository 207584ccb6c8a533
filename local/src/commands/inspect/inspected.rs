//! The data that `inspect` shows.

use drover_core::ledger::read::Snapshot;

/// A subject's whole history, and its tenant's lateness.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// Head and pages.
    pub snapshot: Snapshot,
    /// The lateness in seconds: entries this far behind the watermark are settled.
    pub lateness_seconds: i64,
}
