//! Switches that each break one rule of the algorithm, to verify that the model test detects the
//! fault. They exist only in test builds of this crate: elsewhere [`on`] is a constant `false`, and
//! the compiler removes the faulty code.

/// A rule to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "some of the rules are the memory store's, which not every build has")]
pub(crate) enum Mutant {
    /// Heads are written without the version condition.
    NoVersionCondition,
    /// A page is sealed over an existing page.
    BlindPagePut,
    /// A correction replaces pages without the version condition.
    BlindCorrection,
    /// Missing pages count as expired at once.
    HoleBelievedAtOnce,
    /// A duplicate entry is inserted.
    NoDedup,
    /// Entries with the same time are in order of arrival.
    ArrivalOrderTies,
    /// A record rejected by the clock guard moves the watermark.
    WatermarkBeforeGuard,
    /// A rejection is acknowledged although sending its dead letter failed.
    AckBeforeDeadLetter,
    /// Only the first unfinished record of a subject is returned.
    DropRestOfSubject,
    /// Records are acknowledged before a correction has reached the last page.
    AckWithRepairOpen,
    /// A reader accepts pages that are newer than its head.
    ReaderIgnoresPageVersion,
}

#[cfg(not(test))]
pub(crate) const fn on(_mutant: Mutant) -> bool {
    false
}

#[cfg(test)]
pub(crate) use switches::{on, with};

#[cfg(test)]
mod switches {
    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        static ON: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    pub(crate) fn on(mutant: Mutant) -> bool {
        ON.get() == Some(mutant)
    }

    /// Runs `body` on this thread with one rule broken.
    pub(crate) fn with<T>(mutant: Mutant, body: impl FnOnce() -> T) -> T {
        ON.set(Some(mutant));
        let result = body();
        ON.set(None);
        result
    }
}
