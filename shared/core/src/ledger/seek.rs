//! The keyframe that a fold begins with: the last one that holds at or before a position. [`Seek`]
//! reads the page that owns the position, then backwards until it has met a keyframe that holds.

use crate::base::time::Timestamp;
use crate::ledger::{Head, Page, PageRange, Previous, has_expired};

/// What is read at once on the way back.
const PAGES: usize = 16;

/// A search on its way.
#[derive(Clone, Debug)]
pub(super) struct Seek {
    /// The owner has at least this key.
    target: Vec<u8>,
    /// Pages next to each other, in order; the last one is the owner.
    pub(super) found: Vec<Page>,
}

/// Where a search stands.
#[derive(Debug)]
pub(super) enum Sought {
    /// It needs these pages.
    Pages(PageRange),
    /// The first page found is a keyframe that holds.
    Holds,
    /// The history before the pages found is gone, and none of them holds.
    Gone,
    /// A page is missing that did not expire: a transaction is only partly visible.
    Partly,
}

impl Seek {
    /// Begins at the page that owns `target`.
    pub(super) fn from(target: Vec<u8>) -> (Self, PageRange) {
        let range = PageRange::from(target.clone(), 1);
        (Self { target, found: Vec::new() }, range)
    }

    /// Takes the pages that it needed, none of which is newer than the head.
    pub(super) fn take(&mut self, head: &Head, now: Timestamp, pages: Vec<Page>) -> Sought {
        match self.found.first().and_then(|first| first.previous.clone()) {
            None => self.owner(head, now, pages.into_iter().next()),
            Some(expected) => self.back(head, now, expected, pages),
        }
    }

    fn owner(&mut self, head: &Head, now: Timestamp, page: Option<Page>) -> Sought {
        let Some(page) = page.filter(|page| page.key() <= head.sealed.as_ref()) else {
            return missing(head.page_expires_at, now);
        };
        let before = page.previous.as_ref();
        match before.filter(|before| before.key.to_bytes() >= self.target) {
            // The owner is missing.
            Some(before) if !before.is_gone(now) => Sought::Partly,
            _ if page.is_gone(now) => Sought::Gone,
            Some(_) => {
                self.found.push(page);
                Sought::Gone
            }
            None => self.with(head, page),
        }
    }

    fn back(
        &mut self,
        head: &Head,
        now: Timestamp,
        mut expected: Previous,
        pages: Vec<Page>,
    ) -> Sought {
        if pages.is_empty() {
            return missing(expected.expires_at, now);
        }
        for page in pages {
            if page.key() != Some(&expected.key) {
                return missing(expected.expires_at, now);
            }
            if page.is_gone(now) {
                return Sought::Gone;
            }
            match self.with(head, page) {
                Sought::Pages(_) => {}
                ended => return ended,
            }
            match self.found.first().and_then(|first| first.previous.clone()) {
                Some(previous) => expected = previous,
                None => return Sought::Gone,
            }
        }
        Sought::Pages(PageRange::up_to(expected.key.to_bytes(), PAGES))
    }

    /// Puts a page before those that were found.
    fn with(&mut self, head: &Head, page: Page) -> Sought {
        let holds = page.holds(head);
        let before = page.previous.as_ref().map(|previous| previous.key.to_bytes());
        self.found.insert(0, page);
        match before {
            _ if holds => Sought::Holds,
            Some(before) => Sought::Pages(PageRange::up_to(before, PAGES)),
            None => Sought::Gone,
        }
    }
}

fn missing(expires_at: i64, now: Timestamp) -> Sought {
    if has_expired(expires_at, now) { Sought::Gone } else { Sought::Partly }
}
