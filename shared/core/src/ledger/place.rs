//! Where entries go. `NextHead` is a head on its way to the next version, with the pages that change
//! with it: entries after the last page go into the tail, entries before it into the pages that own
//! them, which is a correction and carries the view forward through every later page.
//!
//! All of it is in memory; what comes out is written all or nothing, or thrown away.

use std::sync::Arc;

use crate::base::error::{Code, Rejection};
use crate::base::id::Position;
use crate::base::mutant::{Mutant, on};
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::ledger::dialogue::CommitParams;
use crate::ledger::seal::{halved, page_item_size, page_write};
use crate::ledger::{Head, Page, PageWrite, Repair};
use crate::view::{Specs, View, fold};

/// What became of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryOutcome {
    /// It is in the history now.
    Applied(Arrival),
    /// It was there already, with the same content.
    Duplicate,
    /// It cannot be applied as it is.
    Rejected(Rejection),
}

/// How an applied entry arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Newer than everything before it.
    InOrder,
    /// Into the tail, before newer entries.
    Late,
    /// Into a page: a correction.
    Correction,
}

/// The outcome of one waiting entry, by its index among what the commit was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) index: usize,
    pub(crate) position: Position,
    pub(crate) outcome: EntryOutcome,
}

/// An entry that waits for its place.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) index: usize,
    pub(crate) entry: Arc<Entry>,
}

/// A run of stored pages, as a correction reads them.
pub(crate) struct PageRun {
    /// The smallest key that was asked for, as bytes.
    pub(crate) from: Vec<u8>,
    pub(crate) pages: Vec<Page>,
    /// Whether no page of the subject stands after it.
    pub(crate) reaches_end: bool,
}

impl PageRun {
    /// The last hole in it, under a head that has pages up to `sealed`: how many pages stand before
    /// it, and the position that it goes up to.
    pub(crate) fn hole(&self, sealed: Option<&Position>) -> Option<(usize, Position)> {
        if self.reaches_end && self.pages.last().and_then(Page::key) != sealed {
            return Some((self.pages.len(), sealed?.clone()));
        }
        let at = last_gap(&self.from, &self.pages)?;
        Some((at, self.pages.get(at)?.previous.clone()?))
    }
}

/// A head on its way to the next version.
pub(crate) struct NextHead<'a> {
    params: &'a CommitParams,
    /// The watermark before this commit: what counts as settled.
    settled_until: Option<i64>,
    pub(crate) head: Head,
    pub(crate) pages: Vec<PageWrite>,
    pub(crate) placed: Vec<Placed>,
    /// Whether there is anything to write.
    pub(crate) changed: bool,
    /// Everything at or before it is gone, because pages expired (see [`NextHead::skip_gaps`]).
    pub(crate) gone_through: Option<Position>,
    /// How many entries were inserted.
    pub(crate) inserted: usize,
    inserted_bytes: usize,
    page_bytes: usize,
}

/// How a page went into a transaction.
enum Taken {
    /// It stays as it is.
    Unchanged,
    /// It is written with all that belongs there; the view after it.
    Rewritten(View),
    /// It is written with some of it, and the transaction has no room for more; likewise.
    InPart(View),
    /// It is left for the next transaction.
    NoRoom,
}

/// See [`NextHead::progress`].
struct Progress {
    settled_until: Option<i64>,
    epoch: u64,
    watermark: Option<Timestamp>,
    placed: usize,
    changed: bool,
    inserted: usize,
    inserted_bytes: usize,
}

impl<'a> NextHead<'a> {
    pub(crate) fn new(head: Head, sealed_now: bool, params: &'a CommitParams) -> Self {
        let lateness = params.policy.lateness_seconds;
        let settled_until =
            head.watermark.map(|watermark| watermark.plus_seconds(-lateness).micros());
        Self {
            params,
            settled_until,
            head,
            pages: Vec::new(),
            placed: Vec::new(),
            changed: sealed_now,
            gone_through: None,
            inserted: 0,
            inserted_bytes: 0,
            page_bytes: 0,
        }
    }

    /// Places waiting entries into the run of pages that owns them and carries the view forward,
    /// as far as one transaction allows.
    pub(crate) fn correct(&mut self, run: PageRun, waiting: &mut &[Waiting]) {
        let pages = self.skip_gaps(run, waiting);
        let mut carried: Option<(Position, View)> = None;
        for page in pages {
            let Some(key) = page.key().cloned() else { continue };
            let opening = carried.as_ref().map(|(_, view)| view.clone());
            let opening = opening.or_else(|| self.repaired(&page));
            let (closing, ends) = match self.take(&page, &key, opening, waiting) {
                Taken::Unchanged => continue,
                Taken::Rewritten(closing) => (closing, false),
                Taken::InPart(closing) => (closing, true),
                Taken::NoRoom => break,
            };
            carried = Some((key, closing));
            if ends {
                break;
            }
        }
        if let Some((last, view)) = carried {
            self.close(last, view);
        }
    }

    /// Takes a page into the transaction with the waiting entries that belong there, and with its
    /// halves, if there is room for all of them. The first page takes fewer entries where there is
    /// not, so that every transaction brings the correction forward: a page with one more entry is
    /// halved about as often as its entries can be halved, which always fits.
    fn take(
        &mut self,
        page: &Page,
        key: &Position,
        opening: Option<View>,
        waiting: &mut &[Waiting],
    ) -> Taken {
        let mut most = waiting.len();
        loop {
            let (before, mut rest) = (self.progress(), *waiting);
            let mut rewritten = page.clone();
            let inserts = self.insert_owned(&mut rewritten.entries, key, &mut rest, most);
            if opening.is_none() && !inserts {
                *waiting = rest;
                return Taken::Unchanged;
            }
            rewritten.version = self.head.version + 1;
            if let Some(view) = &opening {
                rewritten.opening.clone_from(view);
            }
            let (parts, closing) = self.parts(rewritten, page.version);
            let (is_first, taken) = (self.pages.is_empty(), waiting.len() - rest.len());
            if self.has_room_for(&parts) || is_first && taken <= 1 {
                let in_part = taken == most && taken < waiting.len();
                self.queue(parts);
                *waiting = rest;
                return if in_part { Taken::InPart(closing) } else { Taken::Rewritten(closing) };
            }
            self.back_to(before);
            if !is_first {
                return Taken::NoRoom;
            }
            most = taken / 2;
        }
    }

    /// Drops the pages that stand before a missing predecessor: DynamoDB deletes expired pages in
    /// no order, and history begins after the last gap. Waiting entries before it are rejected, and
    /// so is a repair that had not come further: what it would repair is gone.
    fn skip_gaps(&mut self, run: PageRun, waiting: &mut &[Waiting]) -> Vec<Page> {
        let hole = run.hole(self.head.sealed.as_ref());
        let mut pages = run.pages;
        let Some((before, gone_through)) = hole else { return pages };
        pages.drain(..before);
        if self.head.repair.as_ref().is_some_and(|repair| repair.good < gone_through) {
            self.head.repair = None;
            self.changed = true;
        }
        while let Some((first, rest)) = waiting.split_first() {
            if first.entry.position > gone_through {
                break;
            }
            self.placed.push(Placed {
                index: first.index,
                position: first.entry.position.clone(),
                outcome: EntryOutcome::Rejected(beyond_retention()),
            });
            *waiting = rest;
        }
        self.gone_through = Some(gone_through);
        pages
    }

    /// The opening of the page that a repair has to go on with.
    fn repaired(&self, page: &Page) -> Option<View> {
        let repair = self.head.repair.as_ref()?;
        (page.previous.as_ref() == Some(&repair.good)).then(|| repair.view.clone())
    }

    /// Inserts the waiting entries up to `key` into a page, at most so many; says whether it
    /// changed.
    fn insert_owned(
        &mut self,
        entries: &mut Vec<Arc<Entry>>,
        key: &Position,
        waiting: &mut &[Waiting],
        most: usize,
    ) -> bool {
        let before = self.inserted;
        for _ in 0..most {
            let Some((first, rest)) = waiting.split_first() else { break };
            if first.entry.position > *key || self.slice_ends_before(&first.entry) {
                break;
            }
            self.place(entries, first, Arrival::Correction);
            *waiting = rest;
        }
        self.inserted > before
    }

    /// The writes of a changed page in place of its `replaced` version, halved where it is too
    /// large, and the view after it.
    fn parts(&self, page: Page, replaced: u64) -> (Vec<PageWrite>, View) {
        let key = page.key().cloned();
        let (parts, closing) = halved(page, self.params);
        let write = |(part, bytes): (Page, Vec<u8>)| {
            let replaces = Some(replaced).filter(|_| part.key() == key.as_ref());
            page_write(&part, bytes, replaces, self.params.policy)
        };
        (parts.into_iter().filter_map(write).collect(), closing)
    }

    fn has_room_for(&self, parts: &[PageWrite]) -> bool {
        let item_limits = self.params.item_limits;
        self.pages.len() + parts.len() <= item_limits.write_pages
            && self.page_bytes + self.size(parts) <= item_limits.write_bytes
    }

    fn queue(&mut self, parts: Vec<PageWrite>) {
        self.page_bytes += self.size(&parts);
        self.pages.extend(parts);
        self.changed = true;
    }

    fn size(&self, parts: &[PageWrite]) -> usize {
        parts.iter().map(|part| page_item_size(&self.params.key, part)).sum()
    }

    /// What placing entries changes, so that it can be taken back.
    fn progress(&self) -> Progress {
        Progress {
            settled_until: self.settled_until,
            epoch: self.head.epoch,
            watermark: self.head.watermark,
            placed: self.placed.len(),
            changed: self.changed,
            inserted: self.inserted,
            inserted_bytes: self.inserted_bytes,
        }
    }

    fn back_to(&mut self, progress: Progress) {
        self.settled_until = progress.settled_until;
        self.head.epoch = progress.epoch;
        self.head.watermark = progress.watermark;
        self.placed.truncate(progress.placed);
        self.changed = progress.changed;
        self.inserted = progress.inserted;
        self.inserted_bytes = progress.inserted_bytes;
    }

    /// The correction ends at `last`: at the last page, or with a repair for the next commit.
    fn close(&mut self, last: Position, view: View) {
        self.head.revision = self.head.revision.max(self.params.specs.revision);
        if self.head.sealed.as_ref() == Some(&last) {
            self.head.base = Arc::new(view);
            self.head.repair = None;
        } else {
            self.head.repair = Some(Box::new(Repair { good: last, view }));
        }
    }

    /// Places waiting entries after the last page into the tail, as many as one slice takes.
    pub(crate) fn extend_tail(&mut self, waiting: &mut &[Waiting]) {
        let mut tail = std::mem::take(&mut self.head.tail);
        while let Some((first, rest)) = waiting.split_first() {
            let sealed = self.head.sealed.as_ref();
            if sealed.is_some_and(|sealed| first.entry.position <= *sealed)
                || self.slice_ends_before(&first.entry)
            {
                break;
            }
            let newest = tail.last().is_none_or(|last| last.position < first.entry.position);
            let arrival = if newest { Arrival::InOrder } else { Arrival::Late };
            self.place(&mut tail, first, arrival);
            *waiting = rest;
        }
        self.head.tail = tail;
    }

    /// Finds the place of one entry among sorted ones.
    fn place(&mut self, entries: &mut Vec<Arc<Entry>>, waiting: &Waiting, arrival: Arrival) {
        let position = &waiting.entry.position;
        let outcome = match find(entries, position) {
            _ if self.guarded_too_late(&waiting.entry) => {
                EntryOutcome::Rejected(beyond_retention())
            }
            Ok(at) => match entries.get(at) {
                Some(there) if there.same_content(&waiting.entry) => EntryOutcome::Duplicate,
                _ => EntryOutcome::Rejected(payload_mismatch()),
            },
            Err(at) => {
                entries.insert(at, Arc::clone(&waiting.entry));
                self.account_for(&waiting.entry);
                EntryOutcome::Applied(arrival)
            }
        };
        self.placed.push(Placed { index: waiting.index, position: position.clone(), outcome });
    }

    /// The mutant of a guard that comes after the watermark.
    fn guarded_too_late(&mut self, entry: &Entry) -> bool {
        let refused = on(Mutant::WatermarkBeforeGuard) && self.params.policy.guard(entry).is_err();
        if refused {
            self.head.watermark = self.head.watermark.max(Some(entry.position.observed_at));
            self.changed = true;
        }
        refused
    }

    /// Watermark, epoch and budget after one insertion.
    fn account_for(&mut self, entry: &Entry) {
        let observed_at = entry.position.observed_at;
        if self.settled_until.is_some_and(|until| observed_at.micros() <= until) {
            self.head.epoch += 1;
            // Once a commit: the next insertion of it finds nothing settled.
            self.settled_until = None;
        }
        self.head.watermark = self.head.watermark.max(Some(observed_at));
        self.changed = true;
        self.inserted += 1;
        self.inserted_bytes += entry.plain_size();
    }

    /// A slice takes at least one entry, and else no more than its budget.
    fn slice_ends_before(&self, entry: &Entry) -> bool {
        self.inserted > 0
            && self.inserted_bytes + entry.plain_size() > self.params.item_limits.slice_bytes
    }
}

/// The index of the last page whose predecessor should be in the run and is not.
fn last_gap(from: &[u8], pages: &[Page]) -> Option<usize> {
    (0..pages.len()).rev().find(|&at| {
        let before = at.checked_sub(1).and_then(|before| pages.get(before)).and_then(Page::key);
        let named = pages.get(at).and_then(|page| page.previous.as_ref());
        named.is_some_and(|named| named.to_bytes().as_slice() >= from && Some(named) != before)
    })
}

/// Where a position is, or where it belongs.
fn find(entries: &[Arc<Entry>], position: &Position) -> Result<usize, usize> {
    if on(Mutant::NoDedup) {
        return Err(entries.partition_point(|entry| entry.position < *position));
    }
    if on(Mutant::ArrivalOrderTies) {
        let known = entries.iter().position(|entry| entry.position == *position);
        let after = |entry: &Arc<Entry>| entry.position.observed_at <= position.observed_at;
        return known.ok_or_else(|| entries.partition_point(after));
    }
    entries.binary_search_by(|entry| entry.position.cmp(position))
}

fn payload_mismatch() -> Rejection {
    Rejection::new(Code::PayloadMismatch, "this position was applied with another type or payload")
}

pub(crate) fn beyond_retention() -> Rejection {
    Rejection::new(Code::BeyondRetention, "the history that it belongs to has expired")
}

/// The live view of a head without a repair.
pub(crate) fn live(head: &Head, specs: &Specs) -> View {
    fold(View::clone(&head.base), &head.tail, specs)
}
