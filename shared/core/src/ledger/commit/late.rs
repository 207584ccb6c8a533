//! The steps of late entries: the page that owns them is read, or all pages from the last keyframe on.

use std::sync::Arc;

use super::{Commit, Failed, Resume, State};
use crate::base::error::Reason;
use crate::base::id::{Position, time_prefix};
use crate::base::limits;
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::ledger::dialogue::{Ask, Step};
use crate::ledger::place::{NextHead, Taken};
use crate::ledger::{Frame, Head, Page, PageRange, StoredHead, StoredPage, has_expired};

/// The most pages that one round inserts into: they are read one after the other.
const OWNERS: usize = 16;

impl Commit {
    /// Reads the page that the next waiting entry belongs into, or the pages that it is folded
    /// with; or ends the round.
    pub(super) fn place(mut self, mut next: NextHead) -> Result<(Self, Step), Failed> {
        let waiting = self.waiting.get(next.placed.len()).map(|waiting| &waiting.entry.position);
        let (Some(sealed), Some(first)) = (&next.head.sealed, waiting) else {
            return self.write(next);
        };
        if first > sealed || next.pages.len() >= OWNERS {
            return self.write(next);
        }
        let last_frame = next
            .head
            .frame
            .filter(|_| next.head.stale.is_none() && next.pages.is_empty() && !next.only_inserts);
        // Before the first keyframe of all there is none either.
        let is_behind =
            |frame: &Frame| frame.number == 1 || first.observed_at.whole_seconds() >= frame.since;
        let since = last_frame.filter(is_behind);
        let since = since.and_then(|frame| Timestamp::from_micros(frame.since * 1_000_000));
        let range = match since {
            Some(since) => {
                PageRange::from(time_prefix(since).to_vec(), self.params.item_limits.read_pages)
            }
            None => PageRange::from(first.to_bytes(), 1),
        };
        next.only_inserts |= since.is_none();
        let next = Box::new(next);
        self.state = match since {
            Some(_) => State::NeedsRun(next),
            None => State::NeedsOwner(next),
        };
        Ok((self, Step::Ask(Ask::Pages(range))))
    }

    /// Places late entries into the pages from the last keyframe on, and folds the view again. Whatever
    /// is not as simple as that is inserted page by page.
    pub(super) fn with_run(
        mut self,
        mut next: NextHead,
        pages: Vec<Page>,
    ) -> Result<(Self, Step), Failed> {
        let run = run_from_keyframe(&next.head, &pages);
        let first = self.waiting.get(next.placed.len()).map(|waiting| &waiting.entry.position);
        let fits = |run: &&[Page]| {
            let first_page = run.first();
            let before = first_page.and_then(|page| page.previous.as_ref());
            before.is_none_or(|before| first > Some(&before.key))
                && first_page.is_some_and(|page| page.is_open(self.params.now))
        };
        let Some(run) = run.filter(fits).map(<[Page]>::to_vec) else {
            next.only_inserts = true;
            return self.place(next);
        };
        let counted = run.first().and_then(|page| page.keyframe.as_ref()).map(|one| one.count);
        let entries: usize = run.iter().map(|page| page.entries.len()).sum();
        let count = counted.unwrap_or(0) + (entries + next.head.tail.len()) as u64;
        if count != next.head.count {
            // Some pages of a transaction do not show yet.
            return self.again(None, Reason::Contention);
        }
        let entries = run.iter().flat_map(|page| &page.entries).chain(self.late(&next.head));
        if let Some(ask) = self.missing_specs(entries) {
            self.state = State::NeedsSpecs(Box::new(Resume::Run(next, run)));
            return Ok((self, Step::Ask(ask)));
        }
        match next.correct(run, &self.waiting, &self.params) {
            Ok(true) => self.write(next),
            Ok(false) => {
                next.only_inserts = true;
                self.place(next)
            }
            Err(unwritable) => self.fail_unwritable(unwritable),
        }
    }

    /// The waiting entries that belong into pages.
    pub(super) fn late<'a>(&'a self, head: &'a Head) -> impl Iterator<Item = &'a Arc<Entry>> {
        let waiting = self.waiting.iter().map(|waiting| &waiting.entry);
        waiting.take_while(|entry| Some(&entry.position) <= head.sealed.as_ref())
    }

    /// Inserts into one page what belongs there.
    pub(super) fn with_owner(
        mut self,
        mut next: NextHead,
        page: Option<Page>,
    ) -> Result<(Self, Step), Failed> {
        let first = self.waiting.get(next.placed.len()).map(|waiting| &waiting.entry.position);
        let Some((key, page)) = page.and_then(|page| Some((page.key().cloned()?, page))) else {
            let (sealed, expires_at) = (next.head.sealed.clone(), next.head.page_expires_at);
            let Some(sealed) = sealed else {
                return self.fail(Reason::Corrupt, "pages of a head without pages");
            };
            return self.without_page(next, sealed, expires_at);
        };
        if let Some(before) = page.previous.as_ref().filter(|before| Some(&before.key) >= first) {
            let (key, expires_at) = (before.key.clone(), before.expires_at);
            return self.without_page(next, key, expires_at);
        }
        if !page.is_open(self.params.now) {
            next.reject_up_to(&key, &self.waiting);
            return self.place(next);
        }
        let entries = page.entries.iter().chain(self.late(&next.head));
        if let Some(ask) = self.missing_specs(entries) {
            self.state = State::NeedsSpecs(Box::new(Resume::Owner(next, page)));
            return Ok((self, Step::Ask(ask)));
        }
        match next.insert(&page, &self.waiting, &self.params) {
            Ok(Taken::Whole) => self.place(next),
            Ok(Taken::Full) => self.write(next),
            Err(unwritable) => self.fail_unwritable(unwritable),
        }
    }

    /// The page of this key is missing. It is gone, if it expired; else a transaction is only partly
    /// visible, and the page is read together with its head.
    pub(super) fn without_page(
        mut self,
        mut next: NextHead,
        key: Position,
        expires_at: i64,
    ) -> Result<(Self, Step), Failed> {
        if has_expired(expires_at, self.params.now) {
            next.reject_up_to(&key, &self.waiting);
            return self.place(next);
        }
        self.attempts += 1;
        if self.attempts > limits::COMMIT_ATTEMPTS {
            return Err(self.give_up_after(Reason::Contention));
        }
        self.state = State::NeedsTogether(Box::new(next));
        Ok((self, Step::Ask(Ask::Together(key.to_bytes()))))
    }

    pub(super) fn with_together(
        mut self,
        next: NextHead,
        head: Option<StoredHead>,
        page: Option<StoredPage>,
    ) -> Result<(Self, Step), Failed> {
        if head.as_ref().map(|head| head.version) != Some(next.head.version) {
            self.trouble = Some(Reason::Contention);
            return self.with_stored(head);
        }
        let Some(page) = page else {
            return self.fail(Reason::Corrupt, "a page is missing that did not expire");
        };
        match self.decoded(&next.head, &[page]) {
            Ok(Some(pages)) => self.with_owner(next, pages.into_iter().next()),
            Ok(None) => self.again(None, Reason::Contention),
            Err(malformed) => self.fail_malformed(malformed),
        }
    }
}

/// The pages from the last keyframe to the last page, if these are all of them.
fn run_from_keyframe<'a>(head: &Head, pages: &'a [Page]) -> Option<&'a [Page]> {
    let start = pages.iter().rposition(|page| page.keyframe.is_some())?;
    let run = pages.get(start..)?;
    let linked = run.windows(2).all(|pair| match pair {
        [page, next] => next.previous.as_ref().map(|previous| &previous.key) == page.key(),
        _ => false,
    });
    let reaches_end = run.last().and_then(Page::key) == head.sealed.as_ref();
    (linked && reaches_end).then_some(run)
}
