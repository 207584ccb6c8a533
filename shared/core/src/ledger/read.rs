//! A consistent cut of one subject, though writers go on. [`Reading`] reads the head, then the pages
//! that the question needs; a page that is newer than the head means that a correction came in
//! between, and everything is read again. Without that check, histories would be torn.
//!
//! Pages after `sealed` are not part of history yet, and pages before a missing predecessor are gone.
//! What was forgotten is not looked at.
//! History comes whole here; [`range_read`](super::range_read) reads bounded parts of it.

use std::sync::Arc;

use crate::base::error::{Reason, Unavailable};
use crate::base::id::{Position, time_prefix};
use crate::base::limits;
use crate::base::mutant::{Mutant, on};
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::ledger::codec::{Malformed, decode_head, decode_page};
use crate::ledger::place::live;
use crate::ledger::{Head, Page, PageRange, Repair, StoredHead, StoredPage, key_after};
use crate::view::{Specs, View, fold};

/// What is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// What is needed for the view after everything.
    Live,
    /// What is needed for the view after everything observed at or before this instant.
    AsOf(Timestamp),
    /// Every entry observed in `from..to`; an open end is `None`.
    History {
        /// Inclusive.
        from: Option<Timestamp>,
        /// Exclusive.
        to: Option<Timestamp>,
    },
}

/// What a reader wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The head, strongly consistent.
    Head,
    /// Pages, strongly consistent.
    Pages(PageRange),
}

/// What a store says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Ask::Head`].
    Head(Option<StoredHead>),
    /// To [`Ask::Pages`].
    Pages(Vec<StoredPage>),
}

/// Where a reading stands.
#[derive(Debug)]
pub enum Step {
    /// It waits for an answer to this.
    Ask(Ask),
    /// What was asked for; `None`: nothing was ever written of this subject.
    Done(Option<Box<Snapshot>>),
}

/// One subject as it was at one version.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The head.
    pub head: Head,
    /// The pages that the question needs, in order, each joined to the one before.
    pub pages: Vec<Page>,
}

/// One question on its way to its answer.
#[derive(Debug)]
pub struct Reading {
    question: Question,
    head: Option<Head>,
    pages: Vec<Page>,
    /// The limit of the last range that was asked for.
    asked_for: usize,
    attempts: u32,
}

impl Reading {
    /// Starts: the head comes first.
    pub fn start(question: Question) -> (Self, Ask) {
        (Self { question, head: None, pages: Vec::new(), asked_for: 0, attempts: 1 }, Ask::Head)
    }

    /// Takes the answer to the last question.
    ///
    /// # Errors
    /// Unavailable when writers were faster too often, or before bytes that make no sense.
    pub fn answer(self, answer: Answer) -> Result<(Self, Step), Unavailable> {
        match answer {
            Answer::Head(None) => Ok((self, Step::Done(None))),
            Answer::Head(Some(stored)) => {
                let head = decode_head(&stored.bytes).map_err(broken)?;
                if head.is_forgotten() {
                    return Ok((self, Step::Done(None)));
                }
                Ok(self.with_head(head))
            }
            Answer::Pages(stored) => self.with_pages(&stored),
        }
    }

    fn with_head(mut self, head: Head) -> (Self, Step) {
        match first_key(self.question, &head) {
            Some(from) => {
                self.head = Some(head);
                self.pages.clear();
                let range = self.next_range(from);
                (self, Step::Ask(Ask::Pages(range)))
            }
            None => (self, Step::Done(Some(Box::new(Snapshot { head, pages: Vec::new() })))),
        }
    }

    fn with_pages(mut self, stored: &[StoredPage]) -> Result<(Self, Step), Unavailable> {
        let Some(head) = self.head.take() else { return Ok((self, Step::Ask(Ask::Head))) };
        let sealed = head.sealed.as_ref().map(Position::to_bytes).unwrap_or_default();
        for page in stored.iter().filter(|page| page.key <= sealed) {
            let page = decode_page(&page.bytes).map_err(broken)?;
            if page.version > head.version && !on(Mutant::ReaderIgnoresPageVersion) {
                return self.restart();
            }
            if page.previous.as_ref() != self.pages.last().and_then(Page::key) {
                // A gap: everything before it is gone.
                self.pages.clear();
            }
            self.pages.push(page);
        }
        let last = self.pages.last().and_then(Page::key);
        let enough = last.is_some_and(|key| is_enough(self.question, &head, key));
        // Writers seal pages while this reads: what follows `sealed` is not waited for.
        let at_end = stored.last().is_none_or(|page| page.key >= sealed);
        if stored.len() < self.asked_for || at_end || enough {
            if last != head.sealed.as_ref() && !enough {
                self.pages.clear();
            }
            let pages = std::mem::take(&mut self.pages);
            return Ok((self, Step::Done(Some(Box::new(Snapshot { head, pages })))));
        }
        let from = last.map(key_after).unwrap_or_default();
        self.head = Some(head);
        let range = self.next_range(from);
        Ok((self, Step::Ask(Ask::Pages(range))))
    }

    /// A view as of some time needs the page that owns it and no other, unless a repair is open.
    fn next_range(&mut self, from: Vec<u8>) -> PageRange {
        let repairs = self.head.as_ref().is_some_and(|head| head.repair.is_some());
        let owner_only = matches!(self.question, Question::AsOf(_)) && !repairs;
        self.asked_for = if owner_only { 1 } else { limits::READ_PAGES };
        PageRange::from(from, self.asked_for)
    }

    fn restart(mut self) -> Result<(Self, Step), Unavailable> {
        self.attempts += 1;
        if self.attempts > limits::READ_ATTEMPTS {
            return Err(Unavailable::new(Reason::Contention, "writers were faster every time"));
        }
        Ok((self, Step::Ask(Ask::Head)))
    }
}

/// The smallest page key that a question needs; `None`: no page at all.
fn first_key(question: Question, head: &Head) -> Option<Vec<u8>> {
    let sealed = head.sealed.as_ref()?;
    let repair = head.repair.as_ref().map(|repair| repair.good.to_bytes());
    let from = match question {
        Question::Live => return repair,
        Question::AsOf(instant) => {
            let owner = time_prefix(instant.just_after()).to_vec();
            repair.map_or(owner.clone(), |good| good.min(owner))
        }
        Question::History { from, .. } => from.map(time_prefix).map_or(Vec::new(), Vec::from),
    };
    let from = from.max(head.first_page_key());
    (from <= sealed.to_bytes()).then_some(from)
}

/// Whether later pages cannot matter.
fn is_enough(question: Question, head: &Head, last: &Position) -> bool {
    match question {
        Question::Live => head.sealed.as_ref() == Some(last),
        Question::AsOf(instant) => last.observed_at > instant,
        Question::History { to, .. } => to.is_some_and(|to| last.observed_at >= to),
    }
}

pub(crate) fn broken(malformed: Malformed) -> Unavailable {
    Unavailable::new(Reason::Corrupt, malformed.to_string())
}

impl Snapshot {
    /// The view after everything; of a cut for [`Question::Live`] or the whole history.
    pub fn live(&self, specs: &Specs) -> View {
        match self.repair() {
            None => live(&self.head, specs),
            Some(repair) => {
                let rest = self.after(&repair.good);
                fold(repair.view.clone(), rest.chain(&self.head.tail), specs)
            }
        }
    }

    /// The view after everything observed at or before `instant`; `None` where that part of
    /// history has expired.
    pub fn as_of(&self, instant: Timestamp, specs: &Specs) -> Option<View> {
        let until = |entry: &&Arc<Entry>| entry.position.observed_at <= instant;
        if let Some(repair) = self.repair().filter(|repair| repair.good.observed_at <= instant) {
            let rest = self.after(&repair.good).chain(&self.head.tail);
            return Some(fold(repair.view.clone(), rest.take_while(until), specs));
        }
        match (self.pages.first(), &self.head.sealed) {
            (Some(page), _) => {
                let entries = self.pages.iter().flat_map(|page| &page.entries);
                let gone = page.previous.as_ref().filter(|gone| gone.observed_at > instant);
                let view = || fold(page.opening.clone(), entries.take_while(until), specs);
                gone.is_none().then(view)
            }
            (None, Some(sealed)) if sealed.observed_at > instant => None,
            (None, _) => Some(fold(
                View::clone(&self.head.base),
                self.head.tail.iter().take_while(until),
                specs,
            )),
        }
    }

    /// Every entry of the cut, in order.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.pages.iter().flat_map(|page| &page.entries).chain(&self.head.tail)
    }

    /// The open repair, unless what it would repair has expired.
    fn repair(&self) -> Option<&Repair> {
        let repair = self.head.repair.as_deref()?;
        let next = |page: &Page| page.previous.as_ref() == Some(&repair.good);
        self.pages.iter().any(next).then_some(repair)
    }

    /// The entries in pages after a position.
    fn after(&self, position: &Position) -> impl Iterator<Item = &Arc<Entry>> {
        let pages = self.pages.iter().flat_map(|page| &page.entries);
        pages.filter(move |entry| entry.position > *position)
    }
}
