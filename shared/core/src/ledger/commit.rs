//! From events to a conditional write. [`Commit`] is a step machine: it asks ([`Ask`]), the store
//! answers ([`Answer`]), until it is done or gives up. It holds no lock and leaves no marker: a
//! writer that dies between two steps leaves a state that the next one goes on from, and an event
//! whose write had an unknown outcome is found as a duplicate when it comes again.
//!
//! One round: take the head (cached or read), seal what it froze, read the pages that a correction
//! or an open repair needs, place as many of the waiting entries as one slice takes, write the new
//! head under the condition of the old version. Rounds go on until every entry is placed and no
//! repair is open, because a record must not be acknowledged before its history is whole.

use std::sync::Arc;

use crate::base::error::{Reason, Unavailable};
use crate::base::id::Position;
use crate::base::limits;
use crate::base::mutant::{Mutant, on};
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::ledger::codec::{Malformed, decode_head, decode_page};
use crate::ledger::dialogue::{Answer, Ask, CommitParams, Step, WriteAnswer};
use crate::ledger::place::{EntryOutcome, NextHead, PageRun, Placed, Waiting, beyond_retention};
use crate::ledger::seal::{encode_with_freeze, seal};
use crate::ledger::{
    Activity, Head, LedgerWrite, Page, PageRange, PageWrite, StoredHead, StoredPage, key_after,
};
use crate::view::Specs;

/// One subject's events on their way into its history.
#[derive(Debug)]
pub struct Commit {
    params: CommitParams,
    /// Sorted by position; the first arrival of a position stands first.
    waiting: Vec<Waiting>,
    /// Outcomes that hold once no repair is open.
    provisional: Vec<Placed>,
    /// Outcomes that hold.
    outcomes: Vec<Option<EntryOutcome>>,
    attempts: u32,
    /// What kept the last attempt from being written.
    trouble: Option<Reason>,
    /// The version of the head under which pages were missing when last looked at.
    hole_at: Option<u64>,
    state: State,
}

/// What the next answer is about. Each state holds all that the next step needs.
#[derive(Debug)]
enum State {
    /// With the round whose fate is unknown, if there is one.
    NeedsHead(Option<Box<Plan>>),
    NeedsSpecs {
        head: Arc<Head>,
        sealed_now: bool,
    },
    Sealing {
        head: Head,
        rest: Vec<PageWrite>,
    },
    NeedsPages {
        head: Head,
        sealed_now: bool,
        from: Vec<u8>,
    },
    Writing(Box<Plan>),
    Pausing(Option<Box<Plan>>),
    Finished(Option<Arc<Head>>),
}

/// A round that waits for the answer to its write.
#[derive(Debug)]
struct Plan {
    head: Head,
    bytes: Vec<u8>,
    /// Whether pages change with the head. Their entries do not show in it: another correction can
    /// leave the same head, so this one is known by its own answer only.
    corrects: bool,
    placed: Vec<Placed>,
    gone_through: Option<Position>,
}

/// Why a commit ended before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Outcomes that hold all the same; `None`: unavailable.
    pub outcomes: Vec<Option<EntryOutcome>>,
    /// What stood in the way.
    pub unavailable: Unavailable,
}

impl Commit {
    /// Starts with these entries, in order of arrival, and the head that is believed to be stored.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub fn start(
        params: CommitParams,
        entries: Vec<Arc<Entry>>,
        cached: Option<Arc<Head>>,
    ) -> Result<(Self, Step), Failed> {
        let mut outcomes = vec![None; entries.len()];
        let mut waiting: Vec<Waiting> = Vec::with_capacity(entries.len());
        for ((index, entry), outcome) in entries.into_iter().enumerate().zip(&mut outcomes) {
            match params.policy.guard(&entry) {
                Err(rejection) if !on(Mutant::WatermarkBeforeGuard) => {
                    *outcome = Some(EntryOutcome::Rejected(rejection));
                }
                _ => waiting.push(Waiting { index, entry }),
            }
        }
        waiting.sort_by(|left, right| left.entry.position.cmp(&right.entry.position));
        let (provisional, state) = (Vec::new(), State::NeedsHead(None));
        let mut commit = Self {
            params,
            waiting,
            provisional,
            outcomes,
            attempts: 0,
            trouble: None,
            hole_at: None,
            state,
        };
        match cached {
            _ if commit.waiting.is_empty() => {
                commit.state = State::Finished(cached);
                Ok((commit, Step::Done))
            }
            Some(head) => commit.with_head(head),
            None => Ok((commit, Step::Ask(Ask::Head))),
        }
    }

    /// Takes the answer to the last question.
    ///
    /// # Errors
    /// [`Failed`] when it gives up: after too many lost attempts, or before bytes that make no
    /// sense. What was written stays written.
    pub fn answer(mut self, answer: Answer) -> Result<(Self, Step), Failed> {
        match (std::mem::replace(&mut self.state, State::NeedsHead(None)), answer) {
            (State::NeedsHead(Some(plan)), Answer::Head(stored)) => {
                self.with_write(plan, WriteAnswer::Lost(stored))
            }
            (State::NeedsHead(None), Answer::Head(stored)) => self.with_stored(stored),
            (State::NeedsSpecs { head, sealed_now }, Answer::Specs(specs)) => {
                self.with_specs(head, sealed_now, specs)
            }
            (State::Sealing { head, rest }, Answer::Sealed) => self.seal_next(head, rest),
            (State::NeedsPages { head, sealed_now, from }, Answer::Pages(pages)) => {
                self.with_pages(head, sealed_now, from, &pages)
            }
            (State::Writing(plan), Answer::Write(answer)) => self.with_write(plan, answer),
            (State::Pausing(plan), Answer::Paused) => {
                self.state = State::NeedsHead(plan);
                Ok((self, Step::Ask(Ask::Head)))
            }
            _ => self.fail(Reason::Bug, "an answer to another question"),
        }
    }

    /// The outcomes, by the index of the entries given; the head, for the next commit.
    pub fn finish(self) -> (Vec<Option<EntryOutcome>>, Option<Arc<Head>>) {
        match self.state {
            State::Finished(head) => (self.outcomes, head),
            _ => (self.outcomes, None),
        }
    }

    /// Ends it where it stands, because the store did not answer.
    pub fn give_up(self, unavailable: Unavailable) -> Failed {
        Failed { outcomes: self.outcomes, unavailable }
    }

    /// Ends it where it stands, because the time is over. Where something kept it from being written until
    /// then, that is the cause.
    pub fn run_out_of_time(self, unavailable: Unavailable) -> Failed {
        match self.trouble {
            Some(trouble) => self.give_up_after(trouble),
            None => self.give_up(unavailable),
        }
    }

    fn with_stored(self, stored: Option<StoredHead>) -> Result<(Self, Step), Failed> {
        let Some(stored) = stored else { return self.with_head(Arc::default()) };
        match decode_head(&stored.bytes) {
            Ok(head) => self.with_head(Arc::new(head)),
            Err(malformed) => self.fail_malformed(malformed),
        }
    }

    /// A round begins: what the head froze gets sealed.
    fn with_head(mut self, head: Arc<Head>) -> Result<(Self, Step), Failed> {
        if head.frozen == 0 {
            return self.with_sealed(Head::clone(&head), false);
        }
        if let Some(ask) = self.missing_specs(head.revision, head.tail.iter().take(head.frozen)) {
            self.state = State::NeedsSpecs { head, sealed_now: false };
            return Ok((self, Step::Ask(ask)));
        }
        let (mut pages, sealed) = seal(&head, &self.params);
        pages.reverse();
        self.seal_next(sealed, pages)
    }

    fn with_specs(
        mut self,
        head: Arc<Head>,
        sealed_now: bool,
        specs: Specs,
    ) -> Result<(Self, Step), Failed> {
        self.params.specs = specs;
        self.attempts += 1;
        if self.attempts > limits::COMMIT_ATTEMPTS {
            return self.fail(Reason::Bug, "the specs of its contracts never sufficed");
        }
        if sealed_now { self.with_sealed(Head::clone(&head), true) } else { self.with_head(head) }
    }

    fn missing_specs<'a>(
        &self,
        revision: u64,
        entries: impl IntoIterator<Item = &'a Arc<Entry>>,
    ) -> Option<Ask> {
        let specs = &self.params.specs;
        let mut contracts = specs.missing(entries);
        if contracts.is_empty() && revision <= specs.revision {
            return None;
        }
        contracts.extend(specs.by_contract.keys().cloned());
        Some(Ask::Specs { contracts, at_least: revision.max(specs.revision) })
    }

    fn seal_next(mut self, head: Head, mut rest: Vec<PageWrite>) -> Result<(Self, Step), Failed> {
        let Some(page) = rest.pop() else { return self.with_sealed(head, true) };
        self.state = State::Sealing { head, rest };
        Ok((self, Step::Ask(Ask::Seal(page))))
    }

    /// Nothing is frozen any more: pages are needed for a repair or for entries before them.
    fn with_sealed(mut self, head: Head, sealed_now: bool) -> Result<(Self, Step), Failed> {
        let Some(from) = self.pages_from(&head) else {
            return self.place(head, sealed_now, None);
        };
        let range = PageRange::from(from.clone(), self.params.item_limits.carry_pages);
        self.state = State::NeedsPages { head, sealed_now, from };
        Ok((self, Step::Ask(Ask::Pages(range))))
    }

    /// Where the run of pages begins that this round needs, if it needs one.
    fn pages_from(&self, head: &Head) -> Option<Vec<u8>> {
        let sealed = head.sealed.as_ref()?;
        let first = self.waiting.first().map(|waiting| &waiting.entry.position);
        let deep = first.filter(|position| *position <= sealed).map(Position::to_bytes);
        let repair = head.repair.as_ref().map(|repair| key_after(&repair.good));
        [deep, repair].into_iter().flatten().min()
    }

    fn with_pages(
        mut self,
        head: Head,
        sealed_now: bool,
        from: Vec<u8>,
        stored: &[StoredPage],
    ) -> Result<(Self, Step), Failed> {
        let Some(sealed) = head.sealed.as_ref().map(Position::to_bytes) else {
            return self.fail(Reason::Corrupt, "pages of a head without pages");
        };
        let inside = stored.iter().filter(|page| page.key <= sealed);
        let pages: Vec<Page> = match inside.map(|page| decode_page(&page.bytes)).collect() {
            Ok(pages) => pages,
            Err(malformed) => return self.fail_malformed(malformed),
        };
        if pages.iter().any(|page| page.version > head.version) {
            // A writer was faster: this head is old.
            return self.again(None, Reason::Contention);
        }
        // What is placed among them is folded with them, and may be of a contract that no page has.
        let placed = self.waiting.iter().map(|waiting| &waiting.entry);
        let entries = pages.iter().flat_map(|page| &page.entries).chain(placed);
        if let Some(ask) = self.missing_specs(head.revision, entries) {
            self.state = State::NeedsSpecs { head: Arc::new(head), sealed_now };
            return Ok((self, Step::Ask(ask)));
        }
        let reaches_end =
            stored.len() < self.params.item_limits.carry_pages || pages.len() < stored.len();
        let run = PageRun { from, pages, reaches_end };
        let hole = run.hole(head.sealed.as_ref()).map(|(_, up_to)| up_to);
        if hole.is_some() && hole != head.forgotten && self.hole_at != Some(head.version) {
            self.hole_at = Some(head.version);
            if !on(Mutant::HoleBelievedAtOnce) {
                return self.settle();
            }
        }
        self.place(head, sealed_now, Some(run))
    }

    /// Pages are missing. Those that expired are missing for good; those of a transaction that
    /// is being applied are seen a moment after its head.
    fn settle(mut self) -> Result<(Self, Step), Failed> {
        self.attempts += 1;
        if self.attempts > limits::COMMIT_ATTEMPTS {
            return Err(self.give_up_after(Reason::Contention));
        }
        self.state = State::Pausing(None);
        Ok((self, Step::Ask(Ask::Settle)))
    }

    /// Places what this round takes, and writes it, or goes on where there is nothing to write.
    fn place(
        mut self,
        head: Head,
        sealed_now: bool,
        run: Option<PageRun>,
    ) -> Result<(Self, Step), Failed> {
        let mut next_head = NextHead::new(head, sealed_now, &self.params);
        let mut waiting = self.waiting.as_slice();
        if let Some(run) = run {
            next_head.correct(run, &mut waiting);
        }
        next_head.extend_tail(&mut waiting);
        let NextHead { mut head, pages, placed, changed, gone_through, inserted, .. } = next_head;
        if !changed {
            let stuck = placed.is_empty();
            self.account_for(&head, placed, gone_through);
            return if stuck {
                self.again(None, Reason::Contention)
            } else {
                self.next_round(Arc::new(head))
            };
        }
        head.version += 1;
        let activity = Activity::of(&self.params.key, head.watermark.unwrap_or(Timestamp::MIN));
        let bytes = encode_with_freeze(&mut head, &self.params, &activity, inserted);
        let corrects = !pages.is_empty();
        let write = LedgerWrite {
            expected: head.version.checked_sub(1).filter(|version| *version > 0),
            head: StoredHead { version: head.version, bytes: bytes.clone() },
            activity,
            pages,
        };
        self.state = State::Writing(Box::new(Plan { head, bytes, corrects, placed, gone_through }));
        Ok((self, Step::Ask(Ask::Write(write))))
    }

    fn with_write(mut self, plan: Box<Plan>, answer: WriteAnswer) -> Result<(Self, Step), Failed> {
        match answer {
            WriteAnswer::Lost(Some(stored)) if plan.corrects || stored.bytes != plan.bytes => {
                self.attempts += 1;
                self.trouble = Some(Reason::Contention);
                if self.attempts > limits::COMMIT_ATTEMPTS {
                    return Err(self.give_up_after(Reason::Contention));
                }
                self.with_stored(Some(stored))
            }
            WriteAnswer::Lost(None) => self.again(None, Reason::Contention),
            WriteAnswer::Unknown(reason) => self.again(Some(plan), reason),
            // Stored by this write, or by one whose answer was lost.
            WriteAnswer::Written | WriteAnswer::Lost(Some(_)) => {
                let Plan { head, placed, gone_through, .. } = *plan;
                self.account_for(&head, placed, gone_through);
                self.next_round(Arc::new(head))
            }
        }
    }

    /// Takes the outcomes of a round over. They hold once no repair is open: an entry before a gap
    /// that showed up only while its correction was carried on is beyond retention after all.
    fn account_for(&mut self, head: &Head, placed: Vec<Placed>, gone: Option<Position>) {
        if !placed.is_empty() {
            // Attempts count against standing still, not against many slices.
            self.attempts = 0;
            self.trouble = None;
        }
        self.waiting.drain(..placed.len());
        for earlier in &mut self.provisional {
            if gone.as_ref().is_some_and(|gone| earlier.position <= *gone) {
                earlier.outcome = EntryOutcome::Rejected(beyond_retention());
            }
        }
        self.provisional.extend(placed);
        if head.repair.is_some() && !on(Mutant::AckWithRepairOpen) {
            return;
        }
        for Placed { index, outcome, .. } in self.provisional.drain(..) {
            if let Some(slot) = self.outcomes.get_mut(index) {
                *slot = Some(outcome);
            }
        }
    }

    fn next_round(mut self, head: Arc<Head>) -> Result<(Self, Step), Failed> {
        let whole = head.repair.is_none() || on(Mutant::AckWithRepairOpen);
        if self.waiting.is_empty() && whole {
            self.state = State::Finished(Some(head));
            return Ok((self, Step::Done));
        }
        self.with_head(head)
    }

    /// Reads the head again; from the second time on after a pause.
    fn again(mut self, unknown: Option<Box<Plan>>, reason: Reason) -> Result<(Self, Step), Failed> {
        self.attempts += 1;
        self.trouble = Some(reason);
        let attempt = self.attempts;
        if attempt > limits::COMMIT_ATTEMPTS {
            return Err(self.give_up_after(reason));
        }
        if attempt == 1 && unknown.is_none() {
            self.state = State::NeedsHead(None);
            return Ok((self, Step::Ask(Ask::Head)));
        }
        self.state = State::Pausing(unknown);
        Ok((self, Step::Ask(Ask::Pause { attempt })))
    }

    fn fail(self, reason: Reason, message: &str) -> Result<(Self, Step), Failed> {
        Err(self.give_up(Unavailable::new(reason, message)))
    }

    fn give_up_after(self, trouble: Reason) -> Failed {
        let message = match trouble {
            Reason::Contention => "other writers won every attempt at this subject",
            _ => "every attempt to write this subject failed",
        };
        self.give_up(Unavailable::new(trouble, message))
    }

    fn fail_malformed(self, malformed: Malformed) -> Result<(Self, Step), Failed> {
        Err(self.give_up(Unavailable::new(Reason::Corrupt, malformed.to_string())))
    }
}
