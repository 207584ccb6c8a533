//! From events to a conditional write. [`Commit`] is a step machine: it asks ([`Ask`]), the store
//! answers ([`Answer`]), until it is done or gives up. It holds no lock and leaves no marker: a
//! writer that dies between two steps leaves a state that the next one goes on from, and an event
//! whose write had an unknown outcome is found as a duplicate when it comes again.
//!
//! One round: take the head (cached or read), seal what it froze, read the pages that own late
//! entries, place as many of the waiting entries as one slice takes, write the new head under the
//! condition of the old version. An entry has its outcome once its round is written: its history is
//! whole then. Rounds go on until every entry is placed. What is left is to bring views up to date where
//! that is due (`carry`); it may fail without harm, and the next commit does it.

use std::sync::Arc;

use crate::base::error::{Reason, Unavailable};
use crate::base::id::Position;
use crate::base::limits;
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::ledger::carry::{self, Carry};
use crate::ledger::codec::{Malformed, Unwritable, decode_head, decode_page};
use crate::ledger::dialogue::{Answer, Ask, CommitParams, EntryOutcome, Step, WriteAnswer};
use crate::ledger::place::{NextHead, Placed, Waiting};
use crate::ledger::seal::{encode_with_freeze, seal};
use crate::ledger::touch::Touch;
use crate::ledger::{Activity, Head, LedgerWrite, Page, PageWrite, StoredHead, StoredPage};
use crate::view::Specs;

mod carrying;
mod late;
mod touching;

/// One subject's events on their way into its history.
#[derive(Debug)]
pub struct Commit {
    params: CommitParams,
    /// Sorted by position; the first arrival of a position stands first.
    waiting: Vec<Waiting>,
    outcomes: Vec<Option<EntryOutcome>>,
    /// When the newest of the entries was received.
    received: Timestamp,
    carrying: Carrying,
    /// Why a head is written though no entry waits, until it is written.
    touch: Option<Touch>,
    restarts_view: bool,
    attempts: u32,
    /// What kept the last attempt from being written.
    trouble: Option<Reason>,
    state: State,
}

/// Whether views are brought up to date once every entry is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrying {
    /// If that is due.
    IfDue,
    /// In any case, as often as other writers are faster.
    Always,
    /// Now, and once.
    Now,
}

/// What the next answer is about. Each state holds all that the next step needs.
#[derive(Debug)]
enum State {
    /// With the round whose fate is unknown, if there is one.
    NeedsHead(Option<Box<Plan>>),
    NeedsSpecs(Box<Resume>),
    Sealing {
        head: Box<Head>,
        rest: Vec<PageWrite>,
    },
    /// The pages from the last keyframe on.
    NeedsRun(Box<NextHead>),
    /// The page that owns the first waiting entry.
    NeedsOwner(Box<NextHead>),
    /// The page that must own it, and the head that belongs to that page.
    NeedsTogether(Box<NextHead>),
    /// The keyframe that a carry begins with.
    Seeking(Box<Carry>),
    /// The pages that a carry folds.
    Folding(Box<Carry>),
    Writing(Box<Plan>),
    Pausing(Option<Box<Plan>>),
    Finished,
}

/// What goes on once specs are there.
#[derive(Debug)]
enum Resume {
    Head(Arc<Head>),
    Run(NextHead, Vec<Page>),
    Owner(NextHead, Page),
    Seek(Carry, Vec<Page>),
    Fold(Carry, Vec<Page>),
}

/// A round that waits for the answer to its write.
#[derive(Debug)]
struct Plan {
    head: Head,
    bytes: Vec<u8>,
    pages: Vec<PageWrite>,
    placed: Vec<Placed>,
    /// The carry that it is a part of.
    carry: Option<Carry>,
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
                Err(rejection) => {
                    *outcome = Some(EntryOutcome::Rejected(rejection));
                }
                Ok(()) => waiting.push(Waiting { index, entry }),
            }
        }
        waiting.sort_by(|left, right| left.entry.position.cmp(&right.entry.position));
        let received = waiting.iter().map(|waiting| waiting.entry.ingested_at).max();
        let commit = Self {
            params,
            waiting,
            outcomes,
            received: received.unwrap_or(Timestamp::MIN),
            carrying: Carrying::IfDue,
            touch: None,
            restarts_view: false,
            attempts: 0,
            trouble: None,
            state: State::NeedsHead(None),
        };
        match cached {
            _ if commit.waiting.is_empty() => commit.done(cached),
            Some(head) => commit.with_head(head),
            None => Ok((commit, Step::Ask(Ask::Head))),
        }
    }

    /// Starts to bring the views of a subject up to date, without any entry.
    pub fn carry(params: CommitParams) -> (Self, Step) {
        let commit = Self {
            params,
            waiting: Vec::new(),
            outcomes: Vec::new(),
            received: Timestamp::MIN,
            carrying: Carrying::Always,
            touch: None,
            restarts_view: false,
            attempts: 0,
            trouble: None,
            state: State::NeedsHead(None),
        };
        (commit, Step::Ask(Ask::Head))
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
            (State::NeedsSpecs(resume), Answer::Specs(specs)) => self.with_specs(*resume, specs),
            (State::Sealing { head, rest }, Answer::Sealed) => self.seal_next(*head, rest),
            (State::NeedsRun(next), Answer::Pages(stored)) => {
                match self.decoded(&next.head, &stored) {
                    Ok(Some(pages)) => self.with_run(*next, pages),
                    Ok(None) => self.again(None, Reason::Contention),
                    Err(malformed) => self.fail_malformed(malformed),
                }
            }
            (State::NeedsOwner(next), Answer::Pages(stored)) => {
                match self.decoded(&next.head, &stored) {
                    Ok(Some(pages)) => self.with_owner(*next, pages.into_iter().next()),
                    Ok(None) => self.again(None, Reason::Contention),
                    Err(malformed) => self.fail_malformed(malformed),
                }
            }
            (State::NeedsTogether(next), Answer::Together(head, page)) => {
                self.with_together(*next, head, page)
            }
            (State::Seeking(carry), Answer::Pages(stored)) => {
                match self.decoded(&carry.head, &stored) {
                    Ok(Some(pages)) => self.with_sought(*carry, pages),
                    Ok(None) => self.carry_later(None),
                    Err(malformed) => self.fail_malformed(malformed),
                }
            }
            (State::Folding(carry), Answer::Pages(stored)) => {
                match self.decoded(&carry.head, &stored) {
                    Ok(Some(pages)) => self.with_folded(*carry, pages),
                    Ok(None) => self.carry_later(None),
                    Err(malformed) => self.fail_malformed(malformed),
                }
            }
            (State::Writing(plan), Answer::Write(answer)) => self.with_write(plan, answer),
            (State::Pausing(plan), Answer::Paused) => {
                self.state = State::NeedsHead(plan);
                Ok((self, Step::Ask(Ask::Head)))
            }
            _ => self.fail(Reason::Bug, "an answer to another question"),
        }
    }

    /// Whether it folds the view again from the oldest keyframe, because no keyframe that was up to date
    /// was left: carries did not run in time. What has expired may be missing in the view.
    pub fn restarts_view(&self) -> bool {
        self.restarts_view
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

    /// A round begins: what the head froze gets sealed, unless nothing is left to do.
    fn with_head(mut self, head: Arc<Head>) -> Result<(Self, Step), Failed> {
        if self.has_nothing_to_do(&head) {
            return self.done(Some(head));
        }
        if head.frozen == 0 {
            return self.with_sealed(Head::clone(&head), false);
        }
        if let Some(ask) = self.missing_specs(head.tail.iter().take(head.frozen)) {
            self.state = State::NeedsSpecs(Box::new(Resume::Head(head)));
            return Ok((self, Step::Ask(ask)));
        }
        let (mut pages, sealed) = match seal(&head, &self.params) {
            Ok(done) => done,
            Err(unwritable) => return self.fail_unwritable(unwritable),
        };
        pages.reverse();
        self.seal_next(sealed, pages)
    }

    fn has_nothing_to_do(&self, head: &Head) -> bool {
        let is_carried = self.carrying == Carrying::IfDue || head.stale.is_none();
        let is_touched = self.touch.is_none_or(|touch| touch.is_idle(head));
        self.waiting.is_empty() && is_carried && is_touched
    }

    fn with_specs(mut self, resume: Resume, specs: Specs) -> Result<(Self, Step), Failed> {
        self.params.specs.add(specs);
        self.attempts += 1;
        if self.attempts > limits::COMMIT_ATTEMPTS {
            return self.fail(Reason::Bug, "the specs of its contracts never sufficed");
        }
        match resume {
            Resume::Head(head) => self.with_head(head),
            Resume::Run(next, pages) => self.with_run(next, pages),
            Resume::Owner(next, page) => self.with_owner(next, Some(page)),
            Resume::Seek(carry, pages) => self.with_sought(carry, pages),
            Resume::Fold(carry, pages) => self.with_folded(carry, pages),
        }
    }

    fn missing_specs<'a>(&self, entries: impl IntoIterator<Item = &'a Arc<Entry>>) -> Option<Ask> {
        let missing = self.params.specs.missing(entries);
        if missing.is_empty() { None } else { Some(Ask::Specs(missing)) }
    }

    fn seal_next(mut self, head: Head, mut rest: Vec<PageWrite>) -> Result<(Self, Step), Failed> {
        let Some(page) = rest.pop() else { return self.with_sealed(head, true) };
        self.state = State::Sealing { head: Box::new(head), rest };
        Ok((self, Step::Ask(Ask::Seal(page))))
    }

    /// Nothing is frozen any more.
    fn with_sealed(mut self, head: Head, sealed_now: bool) -> Result<(Self, Step), Failed> {
        if let Some(touch) = self.touch {
            return self.with_touch(touch, head, sealed_now);
        }
        if self.waiting.is_empty() {
            let Some((carry, range)) = Carry::begin(head) else { return self.done(None) };
            self.state = State::Seeking(Box::new(carry));
            return Ok((self, Step::Ask(Ask::Pages(range))));
        }
        let mut next = NextHead::new(head, sealed_now, &self.params);
        if let Some(forgotten) = next.head.forgotten.clone() {
            next.reject_up_to(&forgotten, &self.waiting);
        }
        self.place(next)
    }

    /// Pages up to the last one; `None`: a writer was faster, so that the head is old.
    fn decoded(&self, head: &Head, stored: &[StoredPage]) -> Result<Option<Vec<Page>>, Malformed> {
        let sealed = head.sealed.as_ref().map(Position::to_bytes).unwrap_or_default();
        let inside = stored.iter().filter(|page| page.key <= sealed);
        let pages: Vec<Page> =
            inside.map(|page| decode_page(&page.bytes)).collect::<Result<_, _>>()?;
        let is_newer = pages.iter().any(|page| page.version > head.version);
        Ok(Some(pages).filter(|_| !is_newer))
    }

    /// Writes what this round placed, or goes on where there is nothing to write.
    fn write(mut self, mut next: NextHead) -> Result<(Self, Step), Failed> {
        next.extend_tail(&self.waiting);
        if !next.changed {
            let NextHead { head, placed, .. } = next;
            let stuck = placed.is_empty();
            self.account_for(placed);
            return if stuck {
                self.again(None, Reason::Contention)
            } else {
                self.next_round(Arc::new(head))
            };
        }
        next.release();
        let NextHead { mut head, pages, placed, inserted, .. } = next;
        head.version += 1;
        let activity = self.activity(&head);
        let bytes = match self.encode(&mut head, &activity, inserted) {
            Ok(bytes) => bytes,
            Err(unwritable) => return self.fail_unwritable(unwritable),
        };
        self.write_plan(Plan { head, bytes, pages, placed, carry: None }, activity)
    }

    fn encode(
        &self,
        head: &mut Head,
        activity: &Activity,
        inserted: usize,
    ) -> Result<Vec<u8>, Unwritable> {
        encode_with_freeze(head, &self.params, activity, inserted)
    }

    fn activity(&self, head: &Head) -> Activity {
        Activity::of(&self.params.key, head.watermark.unwrap_or(Timestamp::MIN))
    }

    fn write_plan(mut self, plan: Plan, activity: Activity) -> Result<(Self, Step), Failed> {
        let write = LedgerWrite {
            expected: plan.head.version.checked_sub(1).filter(|version| *version > 0),
            head: StoredHead { version: plan.head.version, bytes: plan.bytes.clone() },
            activity,
            pages: plan.pages.clone(),
        };
        self.state = State::Writing(Box::new(plan));
        Ok((self, Step::Ask(Ask::Write(write))))
    }

    fn with_write(mut self, plan: Box<Plan>, answer: WriteAnswer) -> Result<(Self, Step), Failed> {
        // Where pages change with the head, their entries do not all show in it: another correction
        // can leave the same head, so this one is known by its own answer only.
        let is_other = |stored: &StoredHead| !plan.pages.is_empty() || stored.bytes != plan.bytes;
        match answer {
            WriteAnswer::Lost(Some(stored)) if is_other(&stored) => {
                if plan.carry.is_some() {
                    return self.carry_later(Some(stored));
                }
                self.attempts += 1;
                self.trouble = Some(Reason::Contention);
                if self.attempts > limits::COMMIT_ATTEMPTS {
                    return Err(self.give_up_after(Reason::Contention));
                }
                self.with_stored(Some(stored))
            }
            WriteAnswer::Lost(None) | WriteAnswer::Unknown(_) if plan.carry.is_some() => {
                self.carry_later(None)
            }
            WriteAnswer::Lost(None) => self.again(None, Reason::Contention),
            WriteAnswer::Unknown(reason) => self.again(Some(plan), reason),
            // Stored by this write, or by one whose answer was lost.
            WriteAnswer::Written | WriteAnswer::Lost(Some(_)) => {
                let Plan { head, placed, carry, .. } = *plan;
                self.account_for(placed);
                self.touch = None;
                match carry {
                    Some(carry) => self.carry_on(carry, head),
                    None => self.next_round(Arc::new(head)),
                }
            }
        }
    }

    /// Takes the outcomes of a round over.
    fn account_for(&mut self, placed: Vec<Placed>) {
        if !placed.is_empty() {
            // Attempts count against standing still, not against many slices.
            self.attempts = 0;
            self.trouble = None;
        }
        self.waiting.drain(..placed.len());
        for Placed { index, outcome } in placed {
            if let Some(slot) = self.outcomes.get_mut(index) {
                *slot = Some(outcome);
            }
        }
    }

    fn next_round(mut self, head: Arc<Head>) -> Result<(Self, Step), Failed> {
        if self.waiting.is_empty()
            && self.carrying == Carrying::IfDue
            && carry::is_due(&head, self.received, &self.params)
        {
            self.carrying = Carrying::Now;
        }
        self.with_head(head)
    }

    fn done(mut self, head: Option<Arc<Head>>) -> Result<(Self, Step), Failed> {
        if self.outcomes.iter().any(Option::is_none) {
            return self.fail(Reason::Bug, "an entry is left without an outcome");
        }
        let outcomes = std::mem::take(&mut self.outcomes).into_iter().flatten().collect();
        self.state = State::Finished;
        Ok((self, Step::Done { outcomes, head }))
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

    fn fail_unwritable(self, unwritable: Unwritable) -> Result<(Self, Step), Failed> {
        Err(self.give_up(Unavailable::new(Reason::Bug, unwritable.to_string())))
    }

    fn fail_malformed(self, malformed: Malformed) -> Result<(Self, Step), Failed> {
        Err(self.give_up(Unavailable::new(Reason::Corrupt, malformed.to_string())))
    }
}
