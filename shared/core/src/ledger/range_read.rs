//! A bounded part of one subject's history, either way round, though writers go on. [`RangeReading`]
//! reads the head and then only the pages that the part needs, a few at a time: forward from the
//! page that owns its beginning, backward from the tail down. It ends when it has as many entries
//! as were asked for or has looked at as many bytes, and says from where the next part goes on: a
//! position, so that a correction in between neither skips nor doubles what stayed.
//!
//! The rules are those of [`read`](super::read): a page newer than the head means that a correction
//! came in between, and everything is read again; pages after `sealed` are not history yet; where a
//! page is missing that expired, everything before it is gone. What the head's own commit inserted is
//! waited for; of earlier transactions a part cannot tell whether they are whole. Views that are out of
//! date do not matter: the history never is.

use std::sync::Arc;

use crate::base::error::{Reason, Unavailable};
use crate::base::id::Position;
use crate::base::limits;
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::ledger::codec::{decode_head, decode_page};
use crate::ledger::read::{Answer, Ask, broken};
use crate::ledger::{Head, Page, PageRange, Previous, StoredPage, has_expired, key_after};

mod window;

use self::window::Side;
pub use self::window::{HistoryRange, Order};

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Portion {
    /// The head that this part belongs to.
    pub head: Head,
    /// In the order that was asked for.
    pub entries: Vec<Arc<Entry>>,
    /// Where to go on, as [`HistoryRange::beyond`]; `None`: there is no more. There may be none either
    /// behind a position: whether there is, only the next part can say.
    pub next: Option<Position>,
    /// Whether everything that was asked for lies before what is kept.
    pub is_expired: bool,
    /// Everything at or before it has expired, as far as this part met what has; what was forgotten, the
    /// head says.
    pub gone_up_to: Option<Position>,
}

/// Where the reading of a part stands.
#[derive(Debug)]
pub enum Step {
    /// It waits for an answer to this.
    Ask(Ask),
    /// What was asked for; `None`: nothing was ever written of this subject.
    Done(Option<Box<Portion>>),
}

/// A part on its way.
#[derive(Debug)]
pub struct RangeReading {
    range: HistoryRange,
    /// What has expired by now is gone.
    now: Timestamp,
    state: State,
    taken: Taken,
    /// The limit of the last range that was asked for, and how many were asked for before it.
    asked_for: usize,
    rounds: u32,
    attempts: u32,
}

/// What the next answer is about.
#[derive(Debug)]
enum State {
    Head,
    /// Pages in order, and the key of the last one that was read.
    Forward(Head, Option<Position>),
    /// The page that owns the upper end.
    Owner(Head),
    /// Pages backwards; the first must be this one.
    Backward(Head, Previous),
}

/// What was read so far.
#[derive(Debug, Default)]
struct Taken {
    entries: Vec<Arc<Entry>>,
    bytes: usize,
    /// The last entry that was looked at.
    last: Option<Position>,
    /// The last position that was met of history that has expired.
    gone_up_to: Option<Position>,
}

/// Why no further entry is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The part has all that it may have.
    Full,
    /// The range has no more.
    Complete,
}

impl RangeReading {
    /// Starts at this time: the head comes first.
    pub fn start(range: HistoryRange, now: Timestamp) -> (Self, Ask) {
        let (state, taken) = (State::Head, Taken::default());
        (Self { range, now, state, taken, asked_for: 0, rounds: 0, attempts: 1 }, Ask::Head)
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
                self.taken = Taken::default();
                Ok(match self.range.order {
                    Order::Ascending => self.start_forward(head),
                    Order::Descending => self.start_backward(head),
                })
            }
            (Answer::Pages(stored), State::Forward(head, last)) => {
                self.forward(head, last, &stored)
            }
            (Answer::Pages(stored), State::Owner(head)) => self.owner(head, &stored),
            (Answer::Pages(stored), State::Backward(head, key)) => {
                self.backward(head, key, &stored)
            }
            (Answer::Pages(_) | Answer::Paused, _) => Ok((self, Step::Ask(Ask::Head))),
        }
    }

    fn start_forward(self, head: Head) -> (Self, Step) {
        let from = self.range.lowest().max(head.first_page_key());
        if head.sealed.as_ref().is_none_or(|sealed| sealed.to_bytes() < from) {
            return self.tail_forward(head);
        }
        self.ask_forward(head, None, from)
    }

    fn ask_forward(mut self, head: Head, last: Option<Position>, from: Vec<u8>) -> (Self, Step) {
        let range = PageRange::from(from, self.next_limit());
        self.state = State::Forward(head, last);
        (self, Step::Ask(Ask::Pages(range)))
    }

    fn forward(
        mut self,
        head: Head,
        mut last: Option<Position>,
        stored: &[StoredPage],
    ) -> Result<(Self, Step), Unavailable> {
        let sealed = head.sealed.as_ref().map(Position::to_bytes).unwrap_or_default();
        let mut end = None;
        for page in stored.iter().take_while(|page| page.key <= sealed) {
            let page = match decoded(page, &head)? {
                Seen::Page(page) => *page,
                Seen::Newer => return self.restart(),
                Seen::Partly => return self.wait(),
            };
            let before = page.previous.as_ref();
            let is_next = match &last {
                Some(last) => before.map(|before| &before.key) == Some(last),
                None => !self.begins_before(before),
            };
            if !is_next && !before.is_some_and(|before| before.is_gone(self.now)) {
                return self.wait();
            }
            let is_gone = page.is_gone(self.now);
            if is_gone {
                self.lose(page.key().cloned());
            } else if !is_next {
                self.lose(before.map(|before| before.key.clone()));
            }
            last = page.key().cloned();
            if is_gone {
                continue;
            }
            end = self.take(&page.entries);
            if end.is_some() {
                break;
            }
        }
        // Writers seal pages while this reads: what follows `sealed` is not waited for.
        let at_end =
            stored.len() < self.asked_for || stored.last().is_some_and(|page| page.key >= sealed);
        Ok(match (end, last) {
            (Some(end), _) => self.finish(head, end),
            (None, last) if at_end => {
                if last != head.sealed {
                    if !has_expired(head.page_expires_at, self.now) {
                        return self.wait();
                    }
                    self.lose(head.sealed.clone());
                }
                self.tail_forward(head)
            }
            (None, Some(last)) if !self.is_full() => {
                let from = key_after(&last);
                self.ask_forward(head, Some(last), from)
            }
            (None, _) => self.finish(head, End::Full),
        })
    }

    fn tail_forward(mut self, head: Head) -> (Self, Step) {
        let end = self.take(&head.tail).unwrap_or(End::Complete);
        self.finish(head, end)
    }

    fn start_backward(mut self, head: Head) -> (Self, Step) {
        if let Some(end) = self.take(head.tail.iter().rev()) {
            return self.finish(head, end);
        }
        match head.sealed.clone() {
            Some(sealed) if self.range.lowest() <= sealed.to_bytes() => {
                let (ceiling, first) = (self.range.ceiling(), head.first_page_key());
                if ceiling.as_ref().is_some_and(|ceiling| *ceiling < first) {
                    return self.finish(head, End::Complete);
                }
                let expires_at = head.page_expires_at;
                match ceiling.filter(|ceiling| *ceiling <= sealed.to_bytes()) {
                    Some(ceiling) => self.ask_owner(head, ceiling),
                    None => self.ask_backward(head, Previous { key: sealed, expires_at }),
                }
            }
            _ => self.finish(head, End::Complete),
        }
    }

    fn ask_owner(mut self, head: Head, ceiling: Vec<u8>) -> (Self, Step) {
        self.state = State::Owner(head);
        (self, Step::Ask(Ask::Pages(PageRange::from(ceiling, 1))))
    }

    fn owner(mut self, head: Head, stored: &[StoredPage]) -> Result<(Self, Step), Unavailable> {
        let sealed = head.sealed.as_ref().map(Position::to_bytes).unwrap_or_default();
        let Some(stored) = stored.first().filter(|page| page.key <= sealed) else {
            return self.missing(head.sealed.clone(), head.page_expires_at, head);
        };
        let page = match decoded(stored, &head)? {
            Seen::Page(page) => *page,
            Seen::Newer => return self.restart(),
            Seen::Partly => return self.wait(),
        };
        let ceiling = self.range.ceiling().unwrap_or_default();
        if let Some(before) = page.previous.as_ref().filter(|one| one.key.to_bytes() >= ceiling) {
            return self.missing(Some(before.key.clone()), before.expires_at, head);
        }
        if page.is_gone(self.now) {
            return self.missing(page.key().cloned(), i64::MIN, head);
        }
        let end = self.take(page.entries.iter().rev());
        Ok(match (end, page.previous) {
            (Some(end), _) => self.finish(head, end),
            (None, Some(previous)) => self.ask_backward(head, previous),
            (None, None) => self.finish(head, End::Complete),
        })
    }

    /// Everything at or before this key is gone.
    fn lose(&mut self, key: Option<Position>) {
        self.taken.entries.clear();
        self.taken.gone_up_to = key.max(self.taken.gone_up_to.take());
    }

    /// The page of this key, which is missing, and all before it are gone, if it expired.
    fn missing(
        mut self,
        key: Option<Position>,
        expires_at: i64,
        head: Head,
    ) -> Result<(Self, Step), Unavailable> {
        if !has_expired(expires_at, self.now) {
            return self.wait();
        }
        self.taken.gone_up_to = key;
        Ok(self.finish(head, End::Complete))
    }

    /// This page and those before it, unless this part is full already.
    fn ask_backward(mut self, head: Head, page: Previous) -> (Self, Step) {
        if self.is_full() {
            return self.finish(head, End::Full);
        }
        let range = PageRange::up_to(page.key.to_bytes(), self.next_limit());
        self.state = State::Backward(head, page);
        (self, Step::Ask(Ask::Pages(range)))
    }

    fn backward(
        mut self,
        head: Head,
        first: Previous,
        stored: &[StoredPage],
    ) -> Result<(Self, Step), Unavailable> {
        let mut expected = Some(first);
        for page in stored {
            let page = match decoded(page, &head)? {
                Seen::Page(page) => *page,
                Seen::Newer => return self.restart(),
                Seen::Partly => return self.wait(),
            };
            let Some(this) = expected else { return Ok(self.finish(head, End::Complete)) };
            if page.key() != Some(&this.key) {
                return self.missing(Some(this.key), this.expires_at, head);
            }
            if page.is_gone(self.now) {
                return self.missing(Some(this.key), i64::MIN, head);
            }
            if let Some(end) = self.take(page.entries.iter().rev()) {
                return Ok(self.finish(head, end));
            }
            expected = page.previous;
        }
        match expected {
            Some(next) if stored.len() == self.asked_for => Ok(self.ask_backward(head, next)),
            Some(missing) => self.missing(Some(missing.key), missing.expires_at, head),
            None => Ok(self.finish(head, End::Complete)),
        }
    }

    /// Whether the range reaches to what stands before a page.
    fn begins_before(&self, before: Option<&Previous>) -> bool {
        before.is_some_and(|before| before.key.to_bytes() >= self.range.lowest())
    }

    /// Looks at entries in turn; the end, if it is among them.
    fn take<'a>(&mut self, entries: impl IntoIterator<Item = &'a Arc<Entry>>) -> Option<End> {
        for entry in entries {
            match self.range.place(&entry.position) {
                Side::Before => continue,
                Side::Behind => return Some(End::Complete),
                Side::Inside => {}
            }
            if self.is_full() {
                return Some(End::Full);
            }
            let wanted = self.range.event_type.as_ref();
            if wanted.is_none_or(|wanted| *wanted == entry.event_type) {
                self.taken.entries.push(Arc::clone(entry));
            }
            self.taken.bytes += entry.plain_size();
            self.taken.last = Some(entry.position.clone());
        }
        None
    }

    fn is_full(&self) -> bool {
        self.taken.entries.len() >= self.range.entries.max(1)
            || self.taken.last.is_some() && self.taken.bytes >= self.range.bytes
    }

    /// Few pages where few entries are missing, and more with each round: how many entries a page
    /// has, and how many of them are wanted, is not known before.
    fn next_limit(&mut self) -> usize {
        const ENTRIES_PER_PAGE: usize = 8;
        const ROUNDS: u32 = 6;
        let missing = self.range.entries.saturating_sub(self.taken.entries.len());
        let pages = missing.div_ceil(ENTRIES_PER_PAGE).max(1) << self.rounds.min(ROUNDS);
        self.rounds += 1;
        self.asked_for = pages.min(limits::READ_PAGES);
        self.asked_for
    }

    fn finish(mut self, head: Head, end: End) -> (Self, Step) {
        let Taken { entries, last, gone_up_to, .. } = std::mem::take(&mut self.taken);
        let next = last.filter(|_| end == End::Full);
        let is_gone = gone_up_to.is_some() && entries.is_empty() && next.is_none();
        let is_expired = is_gone && self.range.to.is_some();
        let portion = Portion { head, entries, next, is_expired, gone_up_to };
        (self, Step::Done(Some(Box::new(portion))))
    }

    /// A transaction is only partly visible.
    fn wait(mut self) -> Result<(Self, Step), Unavailable> {
        self.attempts += 1;
        if self.attempts > limits::READ_ATTEMPTS {
            let message = "what was written with the head does not show";
            return Err(Unavailable::new(Reason::Contention, message));
        }
        (self.state, self.rounds) = (State::Head, 0);
        let attempt = self.attempts;
        Ok((self, Step::Ask(Ask::Pause { attempt })))
    }

    fn restart(mut self) -> Result<(Self, Step), Unavailable> {
        self.attempts += 1;
        if self.attempts > limits::READ_ATTEMPTS {
            return Err(Unavailable::new(Reason::Contention, "writers were faster every time"));
        }
        self.state = State::Head;
        self.rounds = 0;
        Ok((self, Step::Ask(Ask::Head)))
    }
}

/// What a reader meets.
enum Seen {
    Page(Box<Page>),
    /// It is newer than the head.
    Newer,
    /// It lacks something that the head's commit inserted.
    Partly,
}

fn decoded(stored: &StoredPage, head: &Head) -> Result<Seen, Unavailable> {
    let page = decode_page(&stored.bytes).map_err(broken)?;
    if page.version > head.version {
        return Ok(Seen::Newer);
    }
    let before = page.previous.as_ref().map(|before| &before.key);
    let noted =
        head.note.iter().filter(|noted| Some(*noted) > before && Some(*noted) <= page.key());
    let is_here =
        |noted: &Position| page.entries.binary_search_by(|entry| entry.position.cmp(noted)).is_ok();
    let is_whole = noted.clone().all(is_here);
    Ok(if is_whole { Seen::Page(Box::new(page)) } else { Seen::Partly })
}
