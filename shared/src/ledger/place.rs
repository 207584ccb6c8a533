//! Where entries go. `Draft` is a head on its way to the next version, with the pages that change
//! with it: entries after the last page go into the tail, entries before it into the pages that own
//! them, which is a correction and carries the view forward through every later page.
//!
//! All of it is in memory; what comes out is written all or nothing, or thrown away.

use std::sync::Arc;

use crate::error::{Code, Rejection};
use crate::event::Entry;
use crate::id::Position;
use crate::ledger::cut::{halved, page_write};
use crate::ledger::dialogue::Terms;
use crate::ledger::{Head, Page, PageWrite, Repair};
use crate::mutant::{Mutant, on};
use crate::view::{Specs, View, fold};

/// What became of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
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
    pub(crate) outcome: Outcome,
}

/// An entry that waits for its place.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) index: usize,
    pub(crate) entry: Arc<Entry>,
}

/// A run of stored pages, as a correction reads them.
pub(crate) struct Run {
    /// The smallest key that was asked for, as bytes.
    pub(crate) from: Vec<u8>,
    pub(crate) pages: Vec<Page>,
    /// Whether no page of the subject stands after it.
    pub(crate) reaches_end: bool,
}

impl Run {
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
pub(crate) struct Draft<'a> {
    terms: &'a Terms,
    /// The watermark before this commit: what counts as settled.
    settled_until: Option<i64>,
    pub(crate) head: Head,
    pub(crate) pages: Vec<PageWrite>,
    pub(crate) placed: Vec<Placed>,
    /// Whether there is anything to write.
    pub(crate) changed: bool,
    /// Everything at or before it is gone, because pages expired (see [`Draft::skip_gaps`]).
    pub(crate) gone_through: Option<Position>,
    /// How many entries were inserted.
    pub(crate) inserted: usize,
    inserted_bytes: usize,
    page_bytes: usize,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(head: Head, sealed_now: bool, terms: &'a Terms) -> Self {
        let lateness = terms.policy.lateness_seconds;
        let settled_until =
            head.watermark.map(|watermark| watermark.plus_seconds(-lateness).micros());
        Self {
            terms,
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
    pub(crate) fn correct(&mut self, run: Run, waiting: &mut &[Waiting]) {
        let pages = self.skip_gaps(run, waiting);
        let version = self.head.version + 1;
        let mut carried: Option<(Position, View)> = None;
        for mut page in pages {
            if self.is_full() {
                break;
            }
            let Some(key) = page.key().cloned() else { continue };
            let opening = carried.take().map(|(_, view)| view).or_else(|| self.repaired(&page));
            let mut rewrite = opening.is_some();
            if let Some(view) = opening {
                page.opening = view;
            }
            rewrite |= self.insert_owned(&mut page.entries, &key, waiting);
            if rewrite {
                let replaced = std::mem::replace(&mut page.version, version);
                carried = Some((key, self.rewrite(page, replaced)));
            }
        }
        if let Some((last, view)) = carried {
            self.close(last, view);
        }
    }

    /// Drops the pages that stand before a missing predecessor: DynamoDB deletes expired pages in
    /// no order, and history begins after the last gap. Waiting entries before it are rejected, and
    /// so is a repair that had not come further: what it would repair is gone.
    fn skip_gaps(&mut self, run: Run, waiting: &mut &[Waiting]) -> Vec<Page> {
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
                outcome: Outcome::Rejected(beyond_retention()),
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

    /// Inserts the waiting entries up to `key` into a page; says whether it changed.
    fn insert_owned(
        &mut self,
        entries: &mut Vec<Arc<Entry>>,
        key: &Position,
        waiting: &mut &[Waiting],
    ) -> bool {
        let before = self.inserted;
        while let Some((first, rest)) = waiting.split_first() {
            if first.entry.position > *key || self.slice_ends_before(&first.entry) {
                break;
            }
            self.place(entries, first, Arrival::Correction);
            *waiting = rest;
        }
        self.inserted > before
    }

    /// Queues a changed page, halved where it is too large, in place of its `replaced` version;
    /// gives the view after it.
    fn rewrite(&mut self, page: Page, replaced: u64) -> View {
        let key = page.key().cloned();
        let (parts, closing) = halved(page, self.terms);
        for (part, bytes) in parts {
            self.page_bytes += bytes.len();
            let replaces = Some(replaced).filter(|_| part.key() == key.as_ref());
            self.pages.extend(page_write(&part, bytes, replaces, self.terms.policy));
        }
        self.changed = true;
        closing
    }

    /// The correction ends at `last`: at the last page, or with a repair for the next commit.
    fn close(&mut self, last: Position, view: View) {
        self.head.revision = self.head.revision.max(self.terms.specs.revision);
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
            _ if self.guarded_too_late(&waiting.entry) => Outcome::Rejected(beyond_retention()),
            Ok(at) => match entries.get(at) {
                Some(there) if there.same_content(&waiting.entry) => Outcome::Duplicate,
                _ => Outcome::Rejected(payload_mismatch()),
            },
            Err(at) => {
                entries.insert(at, Arc::clone(&waiting.entry));
                self.account_for(&waiting.entry);
                Outcome::Applied(arrival)
            }
        };
        self.placed.push(Placed { index: waiting.index, position: position.clone(), outcome });
    }

    /// The mutant of a guard that comes after the watermark.
    fn guarded_too_late(&mut self, entry: &Entry) -> bool {
        let refused = on(Mutant::WatermarkBeforeGuard) && self.terms.policy.guard(entry).is_err();
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
        self.inserted > 0 && self.inserted_bytes + entry.plain_size() > self.terms.shape.slice_bytes
    }

    fn is_full(&self) -> bool {
        let shape = self.terms.shape;
        self.pages.len() >= shape.carry_pages || self.page_bytes >= shape.carry_bytes
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
