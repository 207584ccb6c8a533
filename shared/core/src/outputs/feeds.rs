//! What is sent to the feeds `ordered` and `settled` for one commit, in order.
//!
//! `ordered` gets each event once it is committed. It only grows: whoever keeps a set that is sorted by
//! `ce_sequence` has the history. `settled` gets each event once it is settled, in final order. Before
//! events that come later than that it gets a correction, so that whoever appends what is new, and inserts
//! only what a correction announces, has the settled history.
//!
//! [`Delivery`] is a step machine: it says what to read ([`Step::Ask`]) and what to send ([`Step::Send`]).
//! It may be dropped anywhere and started again with the same commit or an earlier one: what is sent twice
//! has the same source and id. Commits of one subject are delivered in order, one after the other.

use std::sync::Arc;

use crate::base::error::{Reason, Unavailable};
use crate::base::id::SubjectKey;
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::intake::tenant::{Feed, Feeds};
use crate::ledger::read;
use crate::outputs::changes::{Cause, Changes, Correction, Extent, Settled};
use crate::outputs::history::{Finding, FindingStep, Rest, Walk, WalkStep};
use crate::outputs::record::{FeedRecord, Origin};

/// The records of one commit on their way.
#[derive(Debug)]
pub struct Delivery {
    origin: Origin,
    changes: Changes,
    has_ordered: bool,
    has_settled: bool,
    now: Timestamp,
    state: State,
}

/// What the next answer is about.
#[derive(Debug)]
enum State {
    /// The entries that went into pages.
    Finding(Finding),
    /// The settled entries that the images do not hold, or the whole history.
    Walking(Walk),
    /// These records are being sent; then this part of the history is read.
    Sending(Option<Rest>),
    Finished,
}

/// Where a delivery stands.
#[derive(Debug)]
pub enum Step {
    /// It waits for an answer to this.
    Ask(read::Ask),
    /// These records are to be sent, in order and before anything else of this subject.
    Send(Vec<FeedRecord>),
    /// Everything was sent.
    Done,
}

/// What a delivery is told.
#[derive(Debug)]
pub enum Answer {
    /// To [`Step::Ask`].
    Read(read::Answer),
    /// To [`Step::Send`]: all of them have arrived.
    Sent,
}

impl Delivery {
    /// Starts at this time to tell of the changes of a subject in these feeds.
    pub fn start(
        subject: &SubjectKey,
        feeds: &Feeds,
        changes: Changes,
        now: Timestamp,
    ) -> (Self, Step) {
        let delivery = Self {
            origin: Origin::of(subject, &changes),
            has_ordered: feeds.has(Feed::Ordered),
            has_settled: feeds.has(Feed::Settled),
            changes,
            now,
            state: State::Finished,
        };
        if !delivery.has_ordered && !delivery.has_settled {
            return (delivery, Step::Done);
        }
        match delivery.changes.extent {
            Extent::Whole => delivery.begin_whole(),
            Extent::Commit => {
                let (finding, step) = Finding::start(delivery.changes.deep.clone(), now);
                delivery.with_finding(finding, step)
            }
        }
    }

    /// Takes the answer to the last step.
    ///
    /// # Errors
    /// Unavailable when what the commit wrote does not show in time, when writers are faster too often, or
    /// before bytes that make no sense. Then the commit is delivered again, from the start.
    pub fn answer(mut self, answer: Answer) -> Result<(Self, Step), Unavailable> {
        match (std::mem::replace(&mut self.state, State::Finished), answer) {
            (State::Finding(finding), Answer::Read(answer)) => {
                let (finding, step) = finding.answer(answer)?;
                Ok(self.with_finding(finding, step))
            }
            (State::Walking(walk), Answer::Read(answer)) => {
                let step = walk.answer(answer)?;
                Ok(self.with_walk(step))
            }
            (State::Sending(rest), Answer::Sent) => Ok(self.read_on(rest)),
            _ => Err(Unavailable::new(Reason::Bug, "an answer to another question")),
        }
    }

    fn with_finding(mut self, finding: Finding, step: FindingStep) -> (Self, Step) {
        match step {
            FindingStep::Ask(ask) => {
                self.state = State::Finding(finding);
                (self, Step::Ask(ask))
            }
            FindingStep::Done(found) => self.send_commit(found),
        }
    }

    /// Everything that the commit added is known.
    fn send_commit(self, mut added: Vec<Arc<Entry>>) -> (Self, Step) {
        added.extend(self.changes.entered.iter().cloned());
        added.sort_by(|one, other| one.position.cmp(&other.position));
        let mut records: Vec<FeedRecord> = Vec::new();
        if self.has_ordered {
            records.extend(added.iter().map(|entry| self.origin.ordered(entry)));
        }
        let mut rest = None;
        if self.has_settled {
            let correction = self.changes.correction.iter();
            records.extend(correction.map(|correction| self.origin.correction(correction)));
            let late =
                added.iter().filter(|entry| self.changes.is_late(entry.position.observed_at));
            records.extend(late.map(|entry| self.origin.settled(entry)));
            match &self.changes.settled {
                Settled::Known(entries) => {
                    records.extend(entries.iter().map(|entry| self.origin.settled(entry)));
                }
                Settled::Unread(interval) => rest = Some(Rest::of(Some(*interval), self.now)),
            }
        }
        self.send(records, rest)
    }

    /// Everything that is kept is told, whatever the commit added.
    fn begin_whole(self) -> (Self, Step) {
        let correction = self.changes.correction.as_ref();
        let correction = correction.filter(|one| self.has_settled && one.cause != Cause::Resent);
        let records = correction.map(|correction| self.origin.correction(correction));
        let rest = Rest::of(None, self.now);
        self.send(records.into_iter().collect(), Some(rest))
    }

    fn with_walk(mut self, step: WalkStep) -> (Self, Step) {
        match step {
            WalkStep::Ask(walk, ask) => {
                self.state = State::Walking(*walk);
                (self, Step::Ask(ask))
            }
            WalkStep::Portion(entries, rest) => {
                let records = self.records_of(&entries);
                self.send(records, rest)
            }
        }
    }

    fn records_of(&mut self, entries: &[Arc<Entry>]) -> Vec<FeedRecord> {
        let is_whole = self.changes.extent == Extent::Whole;
        let mut records: Vec<FeedRecord> = Vec::new();
        if is_whole && self.has_ordered {
            records.extend(entries.iter().map(|entry| self.origin.ordered(entry)));
        }
        if self.has_settled {
            records.extend(self.resent(entries));
            let settled =
                entries.iter().filter(|entry| self.changes.is_settled(entry.position.observed_at));
            records.extend(settled.map(|entry| self.origin.settled(entry)));
        }
        records
    }

    /// Before the first entry of a history that is sent again: where it begins is known only now.
    fn resent(&mut self, entries: &[Arc<Entry>]) -> Option<FeedRecord> {
        let first = entries.first()?;
        let correction = self.changes.correction.take_if(|one| one.cause == Cause::Resent)?;
        let from = Some(first.position.clone());
        Some(self.origin.correction(&Correction { from, ..correction }))
    }

    fn send(mut self, records: Vec<FeedRecord>, rest: Option<Rest>) -> (Self, Step) {
        if records.is_empty() {
            return self.read_on(rest);
        }
        self.state = State::Sending(rest);
        (self, Step::Send(records))
    }

    fn read_on(mut self, rest: Option<Rest>) -> (Self, Step) {
        let Some(rest) = rest else { return (self, Step::Done) };
        let (walk, ask) = rest.read();
        self.state = State::Walking(walk);
        (self, Step::Ask(ask))
    }
}
