//! What a sweep did, and how it ended.

use std::collections::BTreeMap;

use crate::base::cost::Units;
use crate::base::error::Unavailable;
use crate::outputs::timers::Minute;

/// The result of a sweep.
#[derive(Debug)]
pub struct Swept {
    /// How it ended.
    pub end: SweepEnd,
    /// The first minute that is not finished. `None`: the sweep did not get the lease.
    pub next: Option<Minute>,
    /// What it did.
    pub tally: Tally,
}

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// The number of finished minutes.
    pub minutes: u64,
    /// The number of due timers with each outcome.
    pub timers: BTreeMap<TimerOutcome, u64>,
    /// The cost, except that of failed calls.
    pub units: Units,
}

impl Tally {
    /// Counts due timers.
    pub(super) fn count(&mut self, outcome: TimerOutcome, number: u64) {
        if number > 0 {
            *self.timers.entry(outcome).or_default() += number;
        }
    }
}

/// What became of a due timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerOutcome {
    /// The subject was touched: its events are settled.
    Released,
    /// The views of the subject were updated.
    Carried,
    /// The subject was touched: its history and state are sent again.
    Resent,
    /// The subject was touched: its silence opens or closes an alert.
    Looked,
    /// The subject was touched: an alert whose pause is over is sent again.
    Woken,
    /// There was nothing to do.
    Finished,
    /// It is not time yet: the timer was moved.
    Moved,
    /// Another minute is armed: the entry was dropped.
    Outdated,
    /// The subject could not be looked at, or its tenant is suspended: the timer was moved.
    Failed,
    /// This version cannot read its items, for example of a kind that a newer version knows. They stay until
    /// they expire.
    Unreadable,
}

impl TimerOutcome {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Carried => "carried",
            Self::Resent => "resent",
            Self::Looked => "looked",
            Self::Woken => "woken",
            Self::Finished => "finished",
            Self::Moved => "moved",
            Self::Outdated => "outdated",
            Self::Failed => "failed",
            Self::Unreadable => "unreadable",
        }
    }
}

/// How a sweep ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SweepEnd {
    /// Every minute that may be swept is finished.
    CaughtUp,
    /// At its deadline.
    Deadline,
    /// Another sweep is running, and this one did nothing.
    Held,
    /// Another sweep has taken the lease, because this one was too slow.
    LeaseLost,
    /// Something failed that concerns everyone.
    Failed(Unavailable),
}

impl From<Unavailable> for SweepEnd {
    fn from(unavailable: Unavailable) -> Self {
        Self::Failed(unavailable)
    }
}
