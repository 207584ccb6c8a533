//! Where entries go. `NextHead` is a head on its way to the next version, with the pages that change
//! with it: entries after the last page go into the tail, an entry before it goes into the page that
//! owns it, and into no other, however many stand behind it.
//!
//! Close to the end, where no keyframe stands behind the entry, the view is folded again at once
//! (`NextHead::correct`). Further back it is out of date from the entry on (`NextHead::insert`),
//! until a carry.
//!
//! All of it is in memory; what comes out is written all or nothing, or thrown away.

use std::sync::Arc;

use crate::base::error::{Code, Rejection};
use crate::base::id::Position;
use crate::base::limits;
use crate::base::time::Timestamp;
pub use crate::event::Arrival;
use crate::event::{Entry, Placing};
use crate::ledger::codec::{Unwritable, position_size};
use crate::ledger::dialogue::{CommitParams, EntryOutcome};
use crate::ledger::frame::{Running, writes};
use crate::ledger::seal::page_item_size;
use crate::ledger::touch::Touch;
use crate::ledger::{Frame, Head, Page, PageWrite, Policy, Stale};
use crate::view::{Specs, View, fold};

/// The outcome of one waiting entry, by its index among what the commit was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) index: usize,
    pub(crate) outcome: EntryOutcome,
}

/// An entry that waits for its place.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) index: usize,
    pub(crate) entry: Arc<Entry>,
}

/// A head on its way to the next version.
#[derive(Clone, Debug)]
pub(crate) struct NextHead {
    /// What was settled before this commit; `None`: nothing, or this commit made its epoch already.
    released: Option<Timestamp>,
    pub(crate) head: Head,
    pub(crate) pages: Vec<PageWrite>,
    /// In the order of the waiting entries, without a gap.
    pub(crate) placed: Vec<Placed>,
    /// Whether there is anything to write.
    pub(crate) changed: bool,
    /// How many entries were inserted.
    pub(crate) inserted: usize,
    inserted_bytes: usize,
    note_bytes: usize,
    page_bytes: usize,
    /// The epoch that this commit made; 0: none.
    epoch: u64,
    /// Whether the view cannot be folded at once.
    pub(crate) only_inserts: bool,
    policy: Policy,
    slice_bytes: usize,
}

/// How a page went into a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// All that belongs there has its outcome.
    Whole,
    /// The transaction or the slice has no room for more.
    Full,
}

impl NextHead {
    pub(crate) fn new(mut head: Head, sealed_now: bool, params: &CommitParams) -> Self {
        head.note.clear();
        head.carried = None;
        head.touched = None;
        Self {
            released: head.released,
            head,
            pages: Vec::new(),
            placed: Vec::new(),
            changed: sealed_now,
            inserted: 0,
            inserted_bytes: 0,
            note_bytes: 0,
            page_bytes: 0,
            epoch: 0,
            only_inserts: false,
            policy: params.policy,
            slice_bytes: params.item_limits.slice_bytes,
        }
    }

    /// The view is folded again from the last keyframe on, with the waiting entries of these pages, which
    /// are all from it to the last one. `false`: the transaction has no room for it, and nothing changed.
    pub(crate) fn correct(
        &mut self,
        run: Vec<Page>,
        waiting: &[Waiting],
        params: &CommitParams,
    ) -> Result<bool, Unwritable> {
        let before = self.clone();
        let Some(mut running) = run.first().and_then(Running::before) else { return Ok(false) };
        let version = self.head.version + 1;
        for page in run {
            let (Some(key), replaced) = (page.key().cloned(), page.version) else { continue };
            let mut rewritten = page;
            let rest = waiting.get(self.placed.len()..).unwrap_or_default();
            let inserts =
                !self.insert_owned(&mut rewritten.entries, &key, rest, usize::MAX).is_empty();
            if !inserts && running.agrees(&rewritten, params.item_limits) {
                running.pass(&rewritten, &params.specs);
                continue;
            }
            let parts = running.parts(Page { version, ..rewritten }, params.cutting());
            let writes = writes(parts, replaced)?;
            if !self.has_room_for(&writes, params) {
                *self = before;
                return Ok(false);
            }
            self.queue(writes, params);
        }
        if self.inserted > before.inserted {
            let view = running.view.ok_or(Unwritable("a view that is not known"))?;
            self.head.base = Arc::new(view);
            self.head.frame = running.frame;
        }
        Ok(true)
    }

    /// Takes a page into the transaction with the waiting entries that belong there, and with its
    /// halves, if there is room for all of them. The first page takes fewer entries where there is
    /// not, so that every transaction brings something forward: a page with one more entry is
    /// halved about as often as its entries can be halved, which always fits.
    pub(crate) fn insert(
        &mut self,
        page: &Page,
        waiting: &[Waiting],
        params: &CommitParams,
    ) -> Result<Taken, Unwritable> {
        let Some(key) = page.key().cloned() else { return Ok(Taken::Full) };
        let mut most = usize::MAX;
        loop {
            let before = self.clone();
            let mut rewritten = page.clone();
            let rest = waiting.get(self.placed.len()..).unwrap_or_default();
            let inserted = self.insert_owned(&mut rewritten.entries, &key, rest, most);
            let taken = self.placed.len() - before.placed.len();
            let all = rest.get(taken).is_none_or(|next| next.entry.position > key);
            if let Some(first) = inserted.first() {
                rewritten.version = self.head.version + 1;
                let parts = page.running().parts(rewritten, params.cutting());
                let writes = writes(parts, page.version)?;
                let is_first = self.pages.is_empty();
                if !(self.has_room_for(&writes, params) || is_first && taken <= 1) {
                    *self = before;
                    if !is_first {
                        return Ok(Taken::Full);
                    }
                    most = taken / 2;
                    continue;
                }
                self.queue(writes, params);
                let received = rest.iter().take(taken).map(|waiting| waiting.entry.ingested_at);
                let since = received.min().unwrap_or(Timestamp::MIN);
                let inserts = inserted.len() as u64;
                let Frame { number, expires_at, .. } = page.frame;
                let from = first.clone();
                self.outdate(Stale { from, since, inserts, number, expires_at });
            }
            return Ok(if all { Taken::Whole } else { Taken::Full });
        }
    }

    /// Views are out of date from an insertion on.
    fn outdate(&mut self, new: Stale) {
        self.head.stale = Some(Box::new(match self.head.stale.take() {
            None => new,
            Some(stale) => Stale {
                from: stale.from.min(new.from),
                since: stale.since.min(new.since),
                inserts: stale.inserts + new.inserts,
                number: stale.number.min(new.number),
                expires_at: stale.expires_at.min(new.expires_at),
            },
        }));
    }

    /// Everything that waits at or before `gone` has expired.
    pub(crate) fn reject_up_to(&mut self, gone: &Position, waiting: &[Waiting]) {
        let rest = waiting.get(self.placed.len()..).unwrap_or_default();
        for waiting in rest.iter().take_while(|waiting| waiting.entry.position <= *gone) {
            let outcome = EntryOutcome::Rejected(beyond_retention());
            self.placed.push(Placed { index: waiting.index, outcome });
        }
    }

    /// Inserts the waiting entries up to `key` into a page, of at most so many; the positions that
    /// were not there before.
    fn insert_owned(
        &mut self,
        entries: &mut Vec<Arc<Entry>>,
        key: &Position,
        waiting: &[Waiting],
        most: usize,
    ) -> Vec<Position> {
        let mut positions = Vec::new();
        for waiting in waiting.iter().take(most) {
            let position = &waiting.entry.position;
            let note = position_size(position);
            let noted = self.note_bytes > 0 && self.note_bytes + note > limits::NOTE_BYTES;
            if *position > *key || noted || self.slice_ends_before(&waiting.entry) {
                break;
            }
            let inserted = self.inserted;
            self.place(entries, waiting, Arrival::Correction);
            if self.inserted > inserted {
                self.note_bytes += note;
                positions.push(position.clone());
            }
        }
        self.head.note.extend_from_slice(&positions);
        positions
    }

    fn has_room_for(&self, parts: &[PageWrite], params: &CommitParams) -> bool {
        let item_limits = params.item_limits;
        self.pages.len() + parts.len() <= item_limits.write_pages
            && self.page_bytes + size(parts, params) <= item_limits.write_bytes
    }

    fn queue(&mut self, parts: Vec<PageWrite>, params: &CommitParams) {
        self.page_bytes += size(&parts, params);
        self.pages.extend(parts);
        self.changed = true;
    }

    /// Places waiting entries after the last page into the tail, as many as one slice takes.
    pub(crate) fn extend_tail(&mut self, waiting: &[Waiting]) {
        let mut tail = std::mem::take(&mut self.head.tail);
        for waiting in waiting.get(self.placed.len()..).unwrap_or_default() {
            let position = &waiting.entry.position;
            let is_sealed = self.head.sealed.as_ref().is_some_and(|sealed| position <= sealed);
            if is_sealed || self.slice_ends_before(&waiting.entry) {
                break;
            }
            let newest = tail.last().is_none_or(|last| last.position < *position);
            let arrival = if newest { Arrival::InOrder } else { Arrival::Late };
            self.place(&mut tail, waiting, arrival);
        }
        self.head.tail = tail;
    }

    /// Ends what goes into this commit: from now on its watermark counts. Of a subject that has fallen silent
    /// all of it does.
    pub(crate) fn release(&mut self) {
        let lateness = match self.head.touched {
            Some(Touch::Release) => 0,
            Some(Touch::Resend | Touch::Restored | Touch::Acted | Touch::Look(_)) | None => {
                self.policy.lateness_seconds
            }
        };
        let released = self.head.watermark.map(|watermark| watermark.plus_seconds(-lateness));
        self.head.released = self.head.released.max(released);
        let watermark = self.head.watermark;
        self.head.looked_until = self.head.looked_until.filter(|until| Some(*until) > watermark);
    }

    /// The head is written though no event came.
    pub(crate) fn touch(&mut self, touch: Touch) {
        self.head.touched = Some(touch);
        self.head.era += u64::from(touch == Touch::Restored);
        if let Touch::Look(until) = touch {
            self.head.looked_until = self.head.looked_until.max(Some(until));
        }
        self.changed = true;
    }

    /// Finds the place of one entry among sorted ones.
    fn place(&mut self, entries: &mut Vec<Arc<Entry>>, waiting: &Waiting, arrival: Arrival) {
        let outcome = match find(entries, &waiting.entry.position) {
            Ok(at) => match entries.get(at) {
                Some(there) if there.same_content(&waiting.entry) => EntryOutcome::Duplicate,
                _ => EntryOutcome::Rejected(payload_mismatch()),
            },
            Err(at) => {
                let epoch = self.account_for(&waiting.entry);
                entries.insert(at, placed(&waiting.entry, Placing { arrival, epoch }));
                EntryOutcome::Applied(arrival)
            }
        };
        self.placed.push(Placed { index: waiting.index, outcome });
    }

    /// Watermark, count, epoch and budget after one insertion; the epoch that it made, if it did.
    fn account_for(&mut self, entry: &Entry) -> u64 {
        let observed_at = entry.position.observed_at;
        let is_settled = self.released.is_some_and(|released| observed_at <= released);
        if is_settled && self.epoch == 0 {
            // Once a commit.
            self.head.epoch += 1;
            self.epoch = self.head.epoch;
        }
        self.head.watermark = self.head.watermark.max(Some(observed_at));
        self.head.count += 1;
        self.changed = true;
        self.inserted += 1;
        self.inserted_bytes += entry.plain_size();
        if is_settled { self.epoch } else { 0 }
    }

    /// A slice takes at least one entry, and else no more than its budget.
    fn slice_ends_before(&self, entry: &Entry) -> bool {
        self.inserted > 0 && self.inserted_bytes + entry.plain_size() > self.slice_bytes
    }
}

/// The entry with how it was placed: most need no copy.
fn placed(entry: &Arc<Entry>, placing: Placing) -> Arc<Entry> {
    if entry.placing == placing {
        return Arc::clone(entry);
    }
    Arc::new(Entry { placing, ..Entry::clone(entry) })
}

fn size(parts: &[PageWrite], params: &CommitParams) -> usize {
    parts.iter().map(|part| page_item_size(&params.key, part)).sum()
}

/// Where a position is, or where it belongs.
fn find(entries: &[Arc<Entry>], position: &Position) -> Result<usize, usize> {
    entries.binary_search_by(|entry| entry.position.cmp(position))
}

fn payload_mismatch() -> Rejection {
    Rejection::new(Code::PayloadMismatch, "this position was applied with another type or payload")
}

fn beyond_retention() -> Rejection {
    Rejection::new(Code::BeyondRetention, "the history that it belongs to has expired")
}

/// The live view of a head whose base is up to date.
pub(crate) fn live(head: &Head, specs: &Specs) -> View {
    fold(View::clone(&head.base), &head.tail, specs)
}
