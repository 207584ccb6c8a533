//! Switches that break one rule of the algorithm each, so that a test can show that the model test
//! would notice. They exist in test builds of this crate only: everywhere else [`on`] is a constant
//! `false`, and the compiler removes what stands behind it.

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "some of the rules are the memory store's, which not every build has")]
pub(crate) enum Mutant {
    /// Heads are written whatever version is stored.
    NoVersionCondition,
    /// A page is sealed over one that exists.
    BlindPagePut,
    /// A correction replaces pages whatever version of them is stored.
    BlindCorrection,
    /// Pages that are missing are taken for expired at once.
    HoleBelievedAtOnce,
    /// Views that are out of date are trusted.
    TrustsStaleBase,
    /// A late event moves the start of what is out of date forward.
    StaleMovesForward,
    /// Only bytes make keyframes, and no time does.
    KeyframesByBytesOnly,
    /// The upper half of a page is never made a keyframe.
    UpperHalvesWithoutKeyframe,
    /// A fold is not held against the head's count.
    FoldIgnoresCount,
    /// A carry writes whatever head is stored.
    CarryWithoutCondition,
    /// A head does not say what its commit inserted into pages.
    NoteLeftOut,
    /// A late event is acknowledged before its page is written.
    AckBeforePage,
    /// An entry is inserted though it is there already.
    NoDedup,
    /// Entries of one instant stand in the order of arrival.
    ArrivalOrderTies,
    /// A record that the clock guard rejects moves the watermark all the same.
    WatermarkBeforeGuard,
    /// A rejection is acknowledged though its dead letter was not taken.
    AckBeforeDeadLetter,
    /// Only the first unfinished record of a subject is sent again.
    DropRestOfSubject,
    /// A reader takes pages that are newer than its head.
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
