//! A batch of ordered records, and the decision after an attempt. No I/O: the time and the random
//! number are arguments.
//!
//! Topics and table streams use it: a batch holds records of one partition of a topic, or of one
//! lane of a shard. A Kafka event may hold records of several partitions, but the outcome is decided for each partition
//! separately, so that a failing partition never blocks another. (AWS does not document whether
//! Lambda keeps such a batch together for a retry.)
//!
//! Every retry counts towards the limit, including a partial one. Bisecting does not count, as for
//! Kinesis. The delay before a retry grows while there is no progress, and restarts when the first
//! record of the batch changes.

use std::collections::BTreeSet;
use std::time::Duration;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A record with a place in an order.
pub(crate) trait Ordered {
    /// The place of the record among the records that are sent in order.
    fn offset(&self) -> i64;

    /// When the record was written, in milliseconds since 1970; negative if unknown.
    fn timestamp(&self) -> i64;
}

/// Which records are retried after a partial failure. AWS does not document which of the two Lambda
/// does for topics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// All records from the lowest listed offset.
    #[default]
    Resume,
    /// The listed records only.
    Listed,
}

/// The handling of a batch after a function error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFunctionError {
    /// The batch is retried unchanged.
    #[default]
    SendAgain,
    /// The batch is retried in two halves, one after the other.
    Bisect,
}

/// When a mapping retries, and when it discards records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Which records are retried after a partial failure.
    pub reading: Reading,
    /// The handling of a function error.
    pub on_function_error: OnFunctionError,
    /// The number of retries before a batch is discarded; `None`: unlimited.
    pub retries: Option<u32>,
    /// The maximum age of a record; older records are discarded. `None`: unlimited.
    pub oldest: Option<Duration>,
}

/// Records of one partition that are sent together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch<R> {
    /// In the order of their offsets.
    pub(crate) records: Vec<R>,
    /// The offset at which to continue when all records are handled.
    pub(crate) next: i64,
    /// Attempts so far.
    pub(crate) attempts: u32,
    /// Attempts since the last progress.
    setbacks: u32,
    /// The earliest time of the next attempt, in milliseconds since 1970.
    pub(crate) due_at: i64,
}

/// Why a whole batch failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The function reports an error (`X-Amz-Function-Error`).
    Function,
    /// The function's response is invalid.
    Senseless(&'static str),
    /// There is no response.
    NoAnswer,
}

/// The outcome of an attempt for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AttemptOutcome {
    /// All records are handled.
    Handled,
    /// All records but these are handled.
    Named(BTreeSet<i64>),
    /// No record is handled.
    Failed(Failure),
    /// The record is too large for a payload, so there is no attempt.
    TooLarge,
}

/// The time and the random number of a decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moment {
    /// Milliseconds since 1970.
    pub(crate) now: i64,
    /// From 0 to 1, for jitter.
    pub(crate) random: f64,
}

/// The decision about a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision<R> {
    /// The batches to retry, in this order.
    pub(crate) again: Vec<Batch<R>>,
    /// The discarded records.
    pub(crate) given_up: Vec<R>,
    /// Every record below this offset is handled or discarded.
    pub(crate) done_until: i64,
}

impl Rules {
    /// Whether a record is too old to be sent. A record without a timestamp has no age.
    pub(crate) fn is_too_old(&self, record: &impl Ordered, now: i64) -> bool {
        let Some(oldest) = self.oldest else { return false };
        let age = u64::try_from(now.saturating_sub(record.timestamp())).unwrap_or(0);
        record.timestamp() >= 0 && Duration::from_millis(age) > oldest
    }
}

impl<R: Ordered> Batch<R> {
    /// A batch of records without earlier attempts; `next` is the offset after them.
    pub(crate) fn fresh(records: Vec<R>, next: i64) -> Self {
        Self { records, next, attempts: 0, setbacks: 0, due_at: 0 }
    }

    /// The first offset that is not handled.
    pub(crate) fn first(&self) -> i64 {
        self.records.first().map_or(self.next, |record| record.offset())
    }

    /// Decides after an attempt.
    pub(crate) fn decide(
        mut self,
        outcome: AttemptOutcome,
        rules: &Rules,
        at: Moment,
    ) -> Decision<R> {
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

    fn handled(self) -> Decision<R> {
        Decision { again: Vec::new(), given_up: Vec::new(), done_until: self.next }
    }

    fn given_up(self) -> Decision<R> {
        Decision { again: Vec::new(), done_until: self.next, given_up: self.records }
    }

    fn without_the_handled(
        mut self,
        named: &BTreeSet<i64>,
        rules: &Rules,
        at: Moment,
    ) -> Decision<R> {
        let before = self.first();
        let lowest = named.first().copied().unwrap_or(i64::MAX);
        match rules.reading {
            Reading::Resume => self.records.retain(|record| record.offset() >= lowest),
            Reading::Listed => self.records.retain(|record| named.contains(&record.offset())),
        }
        self.setbacks = if self.first() == before { self.setbacks + 1 } else { 1 };
        self.tried_once_more(rules, at)
    }

    fn tried_once_more(mut self, rules: &Rules, at: Moment) -> Decision<R> {
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

    fn halved(mut self, at: Moment) -> Decision<R> {
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

/// The delay in milliseconds: half fixed, half random.
fn wait(setbacks: u32, random: f64) -> i64 {
    let doubled = 2_u32.saturating_pow(setbacks.saturating_sub(1));
    let longest = FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT);
    let wait = longest.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0));
    i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
