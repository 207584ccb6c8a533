//! When and how views that are out of date are brought up to date. A [`Carry`] folds from the last
//! keyframe that holds to the end, rewrites the keyframes on the way, adds those that are missing, and
//! gives the head the view after the last page.
//!
//! The fold is held against the head's count before anything is written: pages of a transaction may
//! show after its head, and a fold without them would be wrong for good.

use std::sync::Arc;

use crate::base::id::Position;
use crate::base::limits::{self, ItemLimits};
use crate::base::time::Timestamp;
use crate::ledger::codec::Unwritable;
use crate::ledger::dialogue::CommitParams;
use crate::ledger::frame::{self, Cutting, Running, writes};
use crate::ledger::seal::page_item_size;
use crate::ledger::seek::Seek;
use crate::ledger::{Carried, Head, Page, PageRange, PageWrite, has_expired, key_after};

/// Write units that each late event adds to what a carry may cost. More makes views fresher and late
/// events dearer: with what the event itself takes, a backlog stays within ten units for each event.
const PAID_UNITS: u64 = 1;
/// Write units of a keyframe that is written in a transaction, about.
const KEYFRAME_UNITS: u64 = 4;
/// The most write units of one transaction of a carry: far below what one key may take in a second.
const MOST_UNITS: usize = 400;
/// Bytes.
const WRITE_UNIT: usize = 1024;

/// Whether a commit that placed everything should bring views up to date. `received` is when the newest
/// of its events was received: what is decided by it, a replay decides again. Each line is a reason of
/// its own:
///
/// - what the fold needs will soon begin to expire, and then the view would be lost;
/// - late events since the last carry have paid for it;
/// - a reader would have to fold too much;
/// - it has been out of date for an hour.
pub(super) fn is_due(head: &Head, received: Timestamp, params: &CommitParams) -> bool {
    let Some(stale) = &head.stale else { return false };
    let number = head.frame.map_or(0, |frame| frame.number);
    let behind = number.saturating_sub(stale.number);
    let expires_at = stale.expires_at.saturating_sub(limits::CARRY_BEFORE_SECONDS);
    let ItemLimits { frame_bytes, stale_bytes, .. } = params.item_limits;
    params.now.whole_seconds() >= expires_at
        || stale.inserts * PAID_UNITS > behind * KEYFRAME_UNITS
        || behind.saturating_mul(frame_bytes) > stale_bytes
        || received >= stale.since.plus_seconds(limits::CARRY_AFTER_SECONDS)
}

/// Views on their way up to date.
#[derive(Debug)]
pub(super) struct Carry {
    /// The head, with what it froze sealed.
    pub(super) head: Head,
    carried: Carried,
    pub(super) seek: Seek,
    /// The key of the last page that was met.
    last: Option<Position>,
    fold: Option<Running>,
    /// What has to be written: the parts of a page, and the version that they replace.
    changed: Vec<(Vec<frame::Part>, u64)>,
    /// The history that was out of date is gone, or the last keyframe that held is: the first one that
    /// is left counts as holding.
    pub(super) is_floor: bool,
}

/// A page is missing that did not expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Partly;

/// One transaction of a carry.
pub(super) struct Part {
    /// Without its version.
    pub(super) head: Head,
    pub(super) pages: Vec<PageWrite>,
}

impl Carry {
    /// Begins; `None`: nothing is out of date.
    pub(super) fn begin(head: Head) -> Option<(Self, PageRange)> {
        let from = head.stale.as_ref()?.from.clone();
        let (seek, range) = Seek::from(from.to_bytes());
        let carried = Carried { from, since_version: head.version + 1 };
        let (changed, is_floor) = (Vec::new(), false);
        Some((Self { head, carried, seek, last: None, fold: None, changed, is_floor }, range))
    }

    /// Goes on from the pages that the search found; `floor`: none of them holds.
    pub(super) fn found(
        &mut self,
        is_floor: bool,
        now: Timestamp,
        cutting: Cutting<'_>,
    ) -> Result<(), Partly> {
        self.is_floor = is_floor;
        std::mem::take(&mut self.seek.found)
            .into_iter()
            .try_for_each(|page| self.feed(page, now, cutting))
    }

    /// The pages that come next; `None`: there are no more.
    pub(super) fn next_pages(&self, item_limits: ItemLimits) -> Option<PageRange> {
        if self.last.is_some() && self.last == self.head.sealed {
            return None;
        }
        let from = match (&self.last, &self.head.stale) {
            (Some(last), _) => key_after(last),
            (None, Some(stale)) => stale.from.to_bytes(),
            (None, None) => return None,
        };
        Some(PageRange::from(from, item_limits.read_pages))
    }

    /// Folds a page.
    pub(super) fn feed(
        &mut self,
        page: Page,
        now: Timestamp,
        cutting: Cutting<'_>,
    ) -> Result<(), Partly> {
        let key = page.key().cloned();
        let before = page.previous.as_ref();
        let is_next = match (&self.last, &self.head.stale) {
            (Some(last), _) => before.map(|before| &before.key) == Some(last),
            (None, Some(stale)) => before.is_none_or(|before| before.key < stale.from),
            (None, None) => true,
        };
        let is_gone = page.is_gone(now);
        if !is_next && !before.is_some_and(|before| before.is_gone(now)) {
            return Err(Partly);
        }
        if is_gone || !is_next {
            self.fall();
        }
        self.last = key;
        if is_gone {
            return Ok(());
        }
        if self.fold.is_none() {
            self.fold = Running::before(&page);
        }
        let Some(running) = &mut self.fold else { return Ok(()) };
        running.generation = self.head.generation;
        if running.agrees(&page, cutting.item_limits) {
            running.pass(&page, cutting.specs);
        } else {
            let replaced = page.version;
            self.changed.push((running.parts(page, cutting), replaced));
        }
        Ok(())
    }

    /// Everything before is gone.
    fn fall(&mut self) {
        self.is_floor = true;
        self.fold = None;
        self.changed.clear();
    }

    /// Ends the fold.
    pub(super) fn end(&mut self, now: Timestamp) -> Result<(), Partly> {
        if self.last != self.head.sealed {
            if !has_expired(self.head.page_expires_at, now) {
                return Err(Partly);
            }
            self.fall();
        }
        let Some(fold) = &self.fold else { return Ok(()) };
        let count = fold.count + self.head.tail.len() as u64;
        if self.is_floor {
            self.head.count = count;
        } else if count != self.head.count {
            return Err(Partly);
        }
        Ok(())
    }

    /// The next transaction.
    ///
    /// # Errors
    /// A view cannot be encoded.
    pub(super) fn next_part(&mut self, params: &CommitParams) -> Result<Part, Unwritable> {
        let mut head = self.head.clone();
        head.note.clear();
        head.carried = Some(Box::new(self.carried.clone()));
        head.touched = None;
        if std::mem::take(&mut self.is_floor) {
            head.epoch += 1;
        }
        let version = head.version + 1;
        let (mut pages, mut bytes, mut units) = (Vec::new(), 0, 0);
        let mut written = 0;
        for (parts, replaced) in &self.changed {
            let writes = writes_of(parts, version, *replaced)?;
            let sizes = writes.iter().map(|page| page_item_size(&params.key, page));
            let (more, more_units) = sizes.fold((0, 0), |(bytes, units), size| {
                (bytes + size, units + 2 * size.div_ceil(WRITE_UNIT))
            });
            let fits = pages.len() + writes.len() <= params.item_limits.write_pages
                && bytes + more <= params.item_limits.write_bytes
                && units + more_units <= MOST_UNITS;
            if !fits && written > 0 {
                break;
            }
            (bytes, units, written) = (bytes + more, units + more_units, written + 1);
            pages.extend(writes);
        }
        let rest = self.changed.split_off(written);
        let last_written = std::mem::replace(&mut self.changed, rest);
        if self.changed.is_empty() {
            self.settle(&mut head)?;
        } else if let Some(keyframe) = last_keyframe(&last_written) {
            move_stale(&mut head, keyframe);
        }
        Ok(Part { head, pages })
    }

    fn settle(&mut self, head: &mut Head) -> Result<(), Unwritable> {
        head.stale = None;
        if let Some(fold) = self.fold.take() {
            head.base = Arc::new(fold.view.ok_or(Unwritable("a view that is not known"))?);
            head.frame = fold.frame;
        }
        Ok(())
    }
}

fn writes_of(
    parts: &[frame::Part],
    version: u64,
    replaced: u64,
) -> Result<Vec<PageWrite>, Unwritable> {
    writes(parts.iter().map(|part| part.of_version(version)).collect(), replaced)
}

fn last_keyframe(written: &[(Vec<frame::Part>, u64)]) -> Option<&Page> {
    let parts = written.iter().flat_map(|(parts, _)| parts);
    parts.map(|part| &part.page).rev().find(|page| page.keyframe.is_some())
}

/// The keyframe holds, and the next one does not yet.
fn move_stale(head: &mut Head, keyframe: &Page) {
    let first = keyframe.entries.first().map(|first| first.position.clone());
    if let (Some(stale), Some(first)) = (&mut head.stale, first) {
        stale.from = first;
        stale.number = keyframe.frame.number;
        stale.expires_at = keyframe.frame.expires_at;
    }
}
