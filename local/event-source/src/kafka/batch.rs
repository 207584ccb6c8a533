//! A batch of one partition, and what becomes of it after an attempt. No I/O: the time and the
//! random number are arguments.
//!
//! An event may hold records of several partitions, but what became of them is decided for each
//! partition alone, so that one that fails never holds up another. (Whether Lambda keeps such a
//! batch together when it tries again is not documented.)
//!
//! Every further attempt counts against the limit, a partial one too; halving does not, as for
//! Kinesis. The wait before the next attempt grows as long as nothing is gained: it begins anew when
//! the first record is another one than before.

use std::collections::BTreeSet;
use std::time::Duration;

use drover_event_log::StoredRecord;

use super::answer::Failure;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What comes again after a partial failure: AWS does not say which of the two Lambda does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// Everything from the lowest offset that was named.
    #[default]
    Resume,
    /// What was named, and nothing else.
    Listed,
}

/// What is done with a batch after a function error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFunctionError {
    /// It comes again as it is.
    #[default]
    SendAgain,
    /// It comes again in two halves, one after the other.
    Bisect,
}

/// When a mapping tries again, and when it gives up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// How a partial failure is read.
    pub reading: Reading,
    /// After a function error.
    pub on_function_error: OnFunctionError,
    /// How often a batch is tried again before it is given up; `None`: without end.
    pub retries: Option<u32>,
    /// How old a record may be that is still sent; `None`: of any age.
    pub oldest: Option<Duration>,
}

/// Records of one partition that are sent together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    /// In the order of their offsets.
    pub(super) records: Vec<StoredRecord>,
    /// The offset to go on from when all of them are handled.
    pub(super) next: i64,
    /// Attempts so far.
    pub(super) attempts: u32,
    /// Attempts since something was gained.
    setbacks: u32,
    /// When the next attempt may be made, in milliseconds since 1970.
    pub(super) due_at: i64,
}

/// How an attempt ended for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AttemptOutcome {
    /// All records are handled.
    Handled,
    /// All but these.
    Named(BTreeSet<i64>),
    /// None.
    Failed(Failure),
    /// There was no attempt and never will be: it is too large for a payload.
    TooLarge,
}

/// The instant of a decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moment {
    /// Milliseconds since 1970.
    pub(super) now: i64,
    /// From 0 to 1, for jitter.
    pub(super) random: f64,
}

/// What becomes of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Decision {
    /// What comes again, in this order.
    pub(super) again: Vec<Batch>,
    /// What is given up.
    pub(super) given_up: Vec<StoredRecord>,
    /// Everything below this offset is handled or given up.
    pub(super) done_until: i64,
}

impl Rules {
    /// Whether a record is no longer to be sent. One without a timestamp has no age.
    pub(super) fn is_too_old(&self, record: &StoredRecord, now: i64) -> bool {
        let Some(oldest) = self.oldest else { return false };
        let age = u64::try_from(now.saturating_sub(record.timestamp)).unwrap_or(0);
        record.timestamp >= 0 && Duration::from_millis(age) > oldest
    }
}

impl Batch {
    /// Records that nobody has tried yet, and where to go on after them.
    pub(super) fn fresh(records: Vec<StoredRecord>, next: i64) -> Self {
        Self { records, next, ..Self::default() }
    }

    /// The first offset that is not handled.
    pub(super) fn first(&self) -> i64 {
        self.records.first().map_or(self.next, |record| record.offset)
    }

    /// Decides after an attempt.
    pub(super) fn decide(mut self, outcome: AttemptOutcome, rules: &Rules, at: Moment) -> Decision {
        match outcome {
            AttemptOutcome::Handled => self.handled(),
            AttemptOutcome::Named(named) => self.without_the_handled(&named, rules, at),
            AttemptOutcome::TooLarge => self.given_up(),
            AttemptOutcome::Failed(failure) => {
                let halve = rules.on_function_error == OnFunctionError::Bisect
                    && failure == Failure::Function
                    && self.records.len() > 1;
                self.setbacks += 1;
                if halve { self.halved(at) } else { self.tried_once_more(rules, at) }
            }
        }
    }

    fn handled(self) -> Decision {
        Decision { done_until: self.next, ..Decision::default() }
    }

    fn given_up(self) -> Decision {
        Decision { again: Vec::new(), done_until: self.next, given_up: self.records }
    }

    fn without_the_handled(mut self, named: &BTreeSet<i64>, rules: &Rules, at: Moment) -> Decision {
        let before = self.first();
        let lowest = named.first().copied().unwrap_or(i64::MAX);
        match rules.reading {
            Reading::Resume => self.records.retain(|record| record.offset >= lowest),
            Reading::Listed => self.records.retain(|record| named.contains(&record.offset)),
        }
        self.setbacks = if self.first() == before { self.setbacks + 1 } else { 1 };
        self.tried_once_more(rules, at)
    }

    fn tried_once_more(mut self, rules: &Rules, at: Moment) -> Decision {
        self.attempts += 1;
        if self.records.is_empty() {
            return self.handled();
        }
        if rules.retries.is_some_and(|retries| self.attempts > retries) {
            return self.given_up();
        }
        self.due_at = at.now.saturating_add(wait(self.setbacks, at.random));
        Decision { done_until: self.first(), given_up: Vec::new(), again: vec![self] }
    }

    fn halved(mut self, at: Moment) -> Decision {
        let upper = self.records.split_off(self.records.len() / 2);
        let upper = Self { records: upper, ..self.clone_without_records() };
        self.next = upper.first();
        self.due_at = at.now.saturating_add(wait(self.setbacks, at.random));
        Decision { done_until: self.first(), given_up: Vec::new(), again: vec![self, upper] }
    }

    fn clone_without_records(&self) -> Self {
        let Self { records: _, next, attempts, setbacks, due_at } = *self;
        Self { records: Vec::new(), next, attempts, setbacks, due_at }
    }
}

/// Half of it is fixed and half is chance. In milliseconds.
fn wait(setbacks: u32, random: f64) -> i64 {
    let doubled = 2_u32.saturating_pow(setbacks.saturating_sub(1));
    let longest = FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT);
    let wait = longest.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0));
    i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
