//! Reads what the images of a head do not hold, as the history is now: it may be newer than the record that
//! asks for it. Then a later record tells of the same entries again, which is allowed.
//!
//! [`Finding`] finds the entries at the positions of a note. An entry that is not there yet belongs to a
//! transaction that is only partly visible, and is read again; an entry that has expired or was forgotten is
//! left out. [`Walk`] reads a part of the history in bounded portions.

use std::sync::Arc;

use crate::base::error::{Reason, Unavailable};
use crate::base::id::Position;
use crate::base::limits;
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::ledger::range_read::{self, HistoryRange, Order, Portion, RangeReading};
use crate::ledger::read::{Answer, Ask};
use crate::outputs::changes::Interval;

/// Entries at certain positions on their way.
#[derive(Debug)]
pub struct Finding {
    /// Sorted.
    wanted: Vec<Position>,
    /// How many of them have been looked at to the end.
    done: usize,
    found: Vec<Arc<Entry>>,
    range: HistoryRange,
    now: Timestamp,
    attempts: u32,
    /// `None`: it waits before it reads the same range again.
    reading: Option<RangeReading>,
}

/// Where a [`Finding`] stands.
#[derive(Debug)]
pub enum FindingStep {
    /// It waits for an answer to this.
    Ask(Ask),
    /// The entries that are kept, in order.
    Done(Vec<Arc<Entry>>),
}

/// A part of a history that has still to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    range: HistoryRange,
    now: Timestamp,
}

/// A portion of a part on its way.
#[derive(Debug)]
pub struct Walk {
    rest: Rest,
    reading: RangeReading,
}

/// Where a [`Walk`] stands.
#[derive(Debug)]
pub enum WalkStep {
    /// It waits for an answer to this.
    Ask(Box<Walk>, Ask),
    /// The next entries, in order, and what comes behind them, if anything does.
    Portion(Vec<Arc<Entry>>, Option<Rest>),
}

impl Finding {
    /// Starts to read the entries at these positions, which are sorted.
    pub fn start(wanted: Vec<Position>, now: Timestamp) -> (Self, FindingStep) {
        let range = part(None, wanted.last().map(|last| last.observed_at), limits::FOUND_ENTRIES);
        let (done, found, attempts) = (0, Vec::new(), 1);
        Self { wanted, done, found, range, now, attempts, reading: None }.read_on()
    }

    /// Takes the answer to the last question.
    ///
    /// # Errors
    /// Unavailable when an entry does not show in time, when writers are faster too often, or before bytes
    /// that make no sense.
    pub fn answer(mut self, answer: Answer) -> Result<(Self, FindingStep), Unavailable> {
        let Some(reading) = self.reading.take() else { return Ok(self.read_on()) };
        match reading.answer(answer)? {
            (reading, range_read::Step::Ask(ask)) => {
                self.reading = Some(reading);
                Ok((self, FindingStep::Ask(ask)))
            }
            // Forgotten.
            (_, range_read::Step::Done(None)) => {
                self.done = self.wanted.len();
                Ok(self.read_on())
            }
            (_, range_read::Step::Done(Some(portion))) => self.with_portion(&portion),
        }
    }

    /// Reads from the next position on, unless there is none.
    fn read_on(mut self) -> (Self, FindingStep) {
        let Some(next) = self.wanted.get(self.done) else {
            let found = std::mem::take(&mut self.found);
            return (self, FindingStep::Done(found));
        };
        self.range.from = Some(next.observed_at);
        let (reading, ask) = RangeReading::start(self.range.clone(), self.now);
        self.reading = Some(reading);
        (self, FindingStep::Ask(ask))
    }

    fn with_portion(mut self, portion: &Portion) -> Result<(Self, FindingStep), Unavailable> {
        let gone_up_to = portion.gone_up_to.as_ref().max(portion.head.forgotten.as_ref());
        while let Some(next) = self.wanted.get(self.done) {
            if portion.next.as_ref().is_some_and(|end| next > end) {
                break;
            }
            match portion.entries.binary_search_by(|entry| entry.position.cmp(next)) {
                Ok(at) => self.found.extend(portion.entries.get(at).cloned()),
                Err(_) if Some(next) <= gone_up_to => {}
                Err(_) => return self.wait(),
            }
            self.done += 1;
        }
        self.range.beyond = portion.next.clone();
        Ok(self.read_on())
    }

    fn wait(mut self) -> Result<(Self, FindingStep), Unavailable> {
        self.attempts += 1;
        if self.attempts > limits::READ_ATTEMPTS {
            let message = "what was written with the head does not show";
            return Err(Unavailable::new(Reason::Contention, message));
        }
        let attempt = self.attempts;
        Ok((self, FindingStep::Ask(Ask::Pause { attempt })))
    }
}

impl Rest {
    /// An interval, as it is at this time; `None`: everything that is kept.
    pub fn of(interval: Option<Interval>, now: Timestamp) -> Self {
        let after = interval.and_then(|interval| interval.after);
        let up_to = interval.map(|interval| interval.up_to);
        let range = part(after.map(Timestamp::just_after), up_to, limits::WALK_ENTRIES);
        Self { range, now }
    }

    /// Starts to read the next portion.
    pub fn read(self) -> (Walk, Ask) {
        let (reading, ask) = RangeReading::start(self.range.clone(), self.now);
        (Walk { rest: self, reading }, ask)
    }
}

impl Walk {
    /// Takes the answer to the last question.
    ///
    /// # Errors
    /// Unavailable when writers were faster too often, or before bytes that make no sense.
    pub fn answer(self, answer: Answer) -> Result<WalkStep, Unavailable> {
        let Self { rest, reading } = self;
        match reading.answer(answer)? {
            (reading, range_read::Step::Ask(ask)) => {
                Ok(WalkStep::Ask(Box::new(Self { rest, reading }), ask))
            }
            // Forgotten.
            (_, range_read::Step::Done(None)) => Ok(WalkStep::Portion(Vec::new(), None)),
            (_, range_read::Step::Done(Some(portion))) => {
                let Portion { entries, next, .. } = *portion;
                let range = |beyond| HistoryRange { beyond: Some(beyond), ..rest.range };
                let rest = next.map(|next| Rest { range: range(next), now: rest.now });
                Ok(WalkStep::Portion(entries, rest))
            }
        }
    }
}

/// From an instant to another one, both inclusive.
fn part(from: Option<Timestamp>, up_to: Option<Timestamp>, entries: usize) -> HistoryRange {
    HistoryRange {
        from,
        to: up_to.map(Timestamp::just_after),
        order: Order::Ascending,
        beyond: None,
        event_type: None,
        entries,
        bytes: limits::WALK_BYTES,
    }
}
