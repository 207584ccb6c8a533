//! A consistent snapshot of one subject, though writers go on. [`Reading`] reads the head, then the
//! pages that the question needs. A page that is newer than the head means that a correction came in
//! between, and everything is read again; without that check, histories would be torn. The other way
//! round, the pages of a transaction may show after its head: the head says how many entries there are
//! and what its own commit inserted, and a reader that does not find them waits and reads again.
//!
//! A view comes from the last keyframe that holds. Pages after `sealed` are not part of history yet,
//! pages before a missing predecessor that expired are gone, and so are expired pages that are not
//! deleted yet. What was forgotten is not looked at. History comes whole here;
//! [`range_read`](super::range_read) reads bounded parts of it.

use std::sync::Arc;

use crate::base::error::{Reason, Unavailable};
use crate::base::id::{Position, time_prefix};
use crate::base::limits;
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::ledger::codec::{Malformed, decode_head, decode_page};
use crate::ledger::place::live;
use crate::ledger::seek::{Seek, Sought};
use crate::ledger::{
    Head, Keyframe, Page, PageRange, StoredHead, StoredPage, has_expired, key_after,
};
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
    /// Wait a little, the longer the more attempts there were, then go on.
    Pause {
        /// Attempts so far, from 1.
        attempt: u32,
    },
}

/// What a store says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Ask::Head`].
    Head(Option<StoredHead>),
    /// To [`Ask::Pages`].
    Pages(Vec<StoredPage>),
    /// To [`Ask::Pause`].
    Paused,
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
    /// What has expired by now is gone.
    now: Timestamp,
    state: State,
    /// The limit of the last range that was asked for.
    asked_for: usize,
    attempts: u32,
}

#[derive(Debug)]
enum State {
    Head,
    /// The keyframe that a view begins with.
    Seeking(Head, Seek),
    Pages(Head, Gathered),
}

/// Pages next to each other.
#[derive(Debug, Default)]
struct Gathered {
    /// The key that was asked for first.
    from: Vec<u8>,
    pages: Vec<Page>,
    /// The key of the last page that was met, also if it is gone.
    last: Option<Position>,
    /// Whether pages were dropped because those behind them are gone.
    has_gap: bool,
}

impl Reading {
    /// Starts at this time: the head comes first.
    pub fn start(question: Question, now: Timestamp) -> (Self, Ask) {
        (Self { question, now, state: State::Head, asked_for: 0, attempts: 1 }, Ask::Head)
    }

    /// Takes the answer to the last question.
    ///
    /// # Errors
    /// Unavailable when writers were faster too often, or before bytes that make no sense.
    pub fn answer(mut self, answer: Answer) -> Result<(Self, Step), Unavailable> {
        match (answer, std::mem::replace(&mut self.state, State::Head)) {
            (Answer::Head(None), _) => Ok((self, Step::Done(None))),
            (Answer::Head(Some(stored)), _) => {
                let head = decode_head(&stored.bytes).map_err(broken)?;
                if head.is_forgotten() {
                    return Ok((self, Step::Done(None)));
                }
                Ok(self.with_head(head))
            }
            (Answer::Pages(stored), State::Seeking(head, seek)) => match inside(&head, &stored)? {
                Some(pages) => self.with_sought(head, seek, pages),
                None => self.restart(),
            },
            (Answer::Pages(stored), State::Pages(head, gathered)) => {
                match inside(&head, &stored)? {
                    Some(pages) => self.with_pages(head, gathered, pages, stored.len()),
                    None => self.restart(),
                }
            }
            (Answer::Paused | Answer::Pages(_), _) => Ok((self, Step::Ask(Ask::Head))),
        }
    }

    fn with_head(mut self, head: Head) -> (Self, Step) {
        let whole = |head| {
            let snapshot = Snapshot { head, pages: Vec::new() };
            Step::Done(Some(Box::new(snapshot)))
        };
        let Some(sealed) = head.sealed.as_ref().map(Position::to_bytes) else {
            return (self, whole(head));
        };
        let stale = head.stale.as_ref().map(|stale| stale.from.to_bytes());
        let sought = match self.question {
            Question::History { from, .. } => {
                let from = from.map(time_prefix).map_or(Vec::new(), Vec::from);
                let from = from.max(head.first_page_key());
                if from > sealed {
                    return (self, whole(head));
                }
                let gathered = Gathered { from: from.clone(), ..Gathered::default() };
                return self.ask_pages(head, gathered, from);
            }
            Question::Live => stale,
            Question::AsOf(instant) => {
                let owner = time_prefix(instant.just_after()).to_vec().max(head.first_page_key());
                match (stale, owner <= sealed) {
                    (Some(stale), true) => Some(stale.min(owner)),
                    (None, true) => Some(owner),
                    (stale, false) => stale,
                }
            }
        };
        let Some(target) = sought else { return (self, whole(head)) };
        let (seek, range) = Seek::from(target);
        self.state = State::Seeking(head, seek);
        (self, Step::Ask(Ask::Pages(range)))
    }

    fn with_sought(
        mut self,
        head: Head,
        mut seek: Seek,
        pages: Vec<Page>,
    ) -> Result<(Self, Step), Unavailable> {
        let has_gap = match seek.take(&head, self.now, pages) {
            Sought::Pages(range) => {
                self.state = State::Seeking(head, seek);
                return Ok((self, Step::Ask(Ask::Pages(range))));
            }
            Sought::Partly => return self.wait(),
            Sought::Holds => false,
            Sought::Gone => true,
        };
        let pages = seek.found;
        let last = pages.last().and_then(Page::key).cloned();
        let from = last.as_ref().map_or(head.first_page_key(), key_after);
        let gathered = Gathered { from: from.clone(), pages, last, has_gap };
        if self.has_enough(&head, &gathered) {
            return self.finish(head, gathered);
        }
        Ok(self.ask_pages(head, gathered, from))
    }

    fn ask_pages(mut self, head: Head, gathered: Gathered, from: Vec<u8>) -> (Self, Step) {
        self.asked_for = limits::FOLD_PAGES;
        self.state = State::Pages(head, gathered);
        (self, Step::Ask(Ask::Pages(PageRange::from(from, limits::FOLD_PAGES))))
    }

    fn with_pages(
        self,
        head: Head,
        mut gathered: Gathered,
        pages: Vec<Page>,
        answered: usize,
    ) -> Result<(Self, Step), Unavailable> {
        // Writers seal pages while this reads: what follows `sealed` is not waited for.
        let is_end = answered < self.asked_for || pages.len() < answered;
        for page in pages {
            if gathered.take(page, self.now).is_err() {
                return self.wait();
            }
        }
        if self.has_enough(&head, &gathered) {
            return self.finish(head, gathered);
        }
        if !is_end {
            let from = gathered.last.as_ref().map(key_after).unwrap_or_default();
            return Ok(self.ask_pages(head, gathered, from));
        }
        // The last page is missing.
        if !has_expired(head.page_expires_at, self.now) {
            return self.wait();
        }
        gathered.pages.clear();
        gathered.has_gap = true;
        self.finish(head, gathered)
    }

    /// Whether later pages cannot matter.
    fn has_enough(&self, head: &Head, gathered: &Gathered) -> bool {
        let Some(last) = &gathered.last else { return false };
        head.sealed.as_ref() == Some(last)
            || match self.question {
                Question::Live => false,
                Question::AsOf(instant) => last.observed_at > instant,
                Question::History { to, .. } => to.is_some_and(|to| last.observed_at >= to),
            }
    }

    fn finish(self, head: Head, gathered: Gathered) -> Result<(Self, Step), Unavailable> {
        let Gathered { pages, last, has_gap, .. } = gathered;
        let reaches_end = last == head.sealed;
        let snapshot = Snapshot { head, pages };
        if snapshot.misses_noted() || reaches_end && !has_gap && snapshot.misses_counted() {
            return self.wait();
        }
        Ok((self, Step::Done(Some(Box::new(snapshot)))))
    }

    fn restart(mut self) -> Result<(Self, Step), Unavailable> {
        self.attempts += 1;
        if self.attempts > limits::READ_ATTEMPTS {
            return Err(Unavailable::new(Reason::Contention, "writers were faster every time"));
        }
        Ok((self, Step::Ask(Ask::Head)))
    }

    /// A transaction is only partly visible.
    fn wait(mut self) -> Result<(Self, Step), Unavailable> {
        self.attempts += 1;
        if self.attempts > limits::READ_ATTEMPTS {
            let message = "what was written with the head does not show";
            return Err(Unavailable::new(Reason::Contention, message));
        }
        let attempt = self.attempts;
        Ok((self, Step::Ask(Ask::Pause { attempt })))
    }
}

impl Gathered {
    /// Takes the next page; an error where one before it is missing that did not expire.
    fn take(&mut self, page: Page, now: Timestamp) -> Result<(), ()> {
        let before = page.previous.as_ref();
        let is_next = match &self.last {
            Some(last) => before.map(|before| &before.key) == Some(last),
            None => before.is_none_or(|before| before.key.to_bytes() < self.from),
        };
        if !is_next && !before.is_some_and(|before| before.is_gone(now)) {
            return Err(());
        }
        let is_gone = page.is_gone(now);
        if is_gone || !is_next {
            // Everything before is gone.
            self.has_gap |= !self.pages.is_empty();
            self.pages.clear();
        }
        self.last = page.key().cloned();
        if !is_gone {
            self.pages.push(page);
        }
        Ok(())
    }
}

/// Pages up to the last one; `None`: a page is newer than the head.
fn inside(head: &Head, stored: &[StoredPage]) -> Result<Option<Vec<Page>>, Unavailable> {
    let sealed = head.sealed.as_ref().map(Position::to_bytes).unwrap_or_default();
    let pages = stored.iter().filter(|page| page.key <= sealed);
    let pages: Vec<Page> =
        pages.map(|page| decode_page(&page.bytes).map_err(broken)).collect::<Result<_, _>>()?;
    let newer = pages.iter().any(|page| page.version > head.version);
    Ok(Some(pages).filter(|_| !newer))
}

pub(crate) fn broken(malformed: Malformed) -> Unavailable {
    Unavailable::new(Reason::Corrupt, malformed.to_string())
}

impl Snapshot {
    /// The view after everything; of a snapshot for [`Question::Live`] or the whole history.
    pub fn live(&self, specs: &Specs) -> View {
        if self.head.stale.is_none() {
            return live(&self.head, specs);
        }
        let holding = self.pages.iter().rposition(|page| page.holds(&self.head));
        match holding.or_else(|| self.floor()).and_then(|at| self.fold_from(at)) {
            Some((keyframe, rest)) => fold(keyframe.opening.clone(), rest, specs),
            None => live(&self.head, specs),
        }
    }

    /// The view after everything observed at or before `instant`; `None` where that part of
    /// history has expired.
    pub fn as_of(&self, instant: Timestamp, specs: &Specs) -> Option<View> {
        let until = |entry: &&Arc<Entry>| entry.position.observed_at <= instant;
        let opens_before = |page: &Page| {
            page.previous.as_ref().is_none_or(|before| before.key.observed_at <= instant)
        };
        let holds = |page: &Page| page.holds(&self.head);
        let holding = self.pages.iter().rposition(|page| holds(page) && opens_before(page));
        let floor = || {
            let at = self.floor()?;
            let is_held = self.pages.iter().any(holds);
            (!is_held && self.pages.get(at).is_some_and(opens_before)).then_some(at)
        };
        if let Some(at) = holding.or_else(floor) {
            let (keyframe, rest) = self.fold_from(at)?;
            return Some(fold(keyframe.opening.clone(), rest.take_while(until), specs));
        }
        let sealed = self.head.sealed.as_ref();
        if sealed.is_some_and(|sealed| sealed.observed_at > instant) {
            return None;
        }
        let tail = self.head.tail.iter().take_while(until);
        Some(fold(View::clone(&self.head.base), tail, specs))
    }

    /// Every entry of the snapshot, in order.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.pages.iter().flat_map(|page| &page.entries).chain(&self.head.tail)
    }

    /// The first keyframe that is left. It counts as holding where none holds.
    fn floor(&self) -> Option<usize> {
        self.pages.iter().position(|page| page.keyframe.is_some())
    }

    fn fold_from(&self, at: usize) -> Option<(&Keyframe, impl Iterator<Item = &Arc<Entry>>)> {
        let pages = self.pages.get(at..)?;
        let keyframe = pages.first()?.keyframe.as_ref()?;
        Some((keyframe, pages.iter().flat_map(|page| &page.entries).chain(&self.head.tail)))
    }

    /// Whether something is not in these pages that the head's own commit inserted into them.
    fn misses_noted(&self) -> bool {
        let (Some(first), Some(last)) = (self.pages.first(), self.pages.last().and_then(Page::key))
        else {
            return false;
        };
        let before = first.previous.as_ref().map(|before| &before.key);
        let here = self.head.note.iter().filter(|noted| Some(*noted) > before && *noted <= last);
        let mut entries = self.pages.iter().flat_map(|page| &page.entries);
        // Both are sorted.
        here.into_iter().any(|noted| !entries.any(|entry| entry.position == *noted))
    }

    /// Whether there are not as many entries as the head says, as far as a keyframe tells.
    fn misses_counted(&self) -> bool {
        let Some(first) = self.pages.first() else { return false };
        let Some(keyframe) = &first.keyframe else { return false };
        let here = self.entries().count() as u64;
        first.holds(&self.head) && keyframe.count + here != self.head.count
    }
}
