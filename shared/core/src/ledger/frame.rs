//! Which pages are keyframes, and how a page is halved. A page is a keyframe where otherwise too many
//! bytes of entries, or too much time, would have none: bytes bound what a fold has to read, and time
//! bounds what retention can take away before it takes a keyframe.

use std::sync::Arc;

use crate::base::id::Position;
use crate::base::limits::{self, ItemLimits};
use crate::event::Entry;
use crate::ledger::codec::{EncodedEntries, Unwritable, encode_page_of};
use crate::ledger::{Frame, Keyframe, Page, PageWrite, Previous, StoredPage, expiry};
use crate::view::{Specs, View, fold};

/// What holds just before a page, on the way from a keyframe to the end.
#[derive(Clone, Debug)]
pub(super) struct Running {
    /// The view; `None`: it is not known, so that no page can become a keyframe.
    pub(super) view: Option<View>,
    /// How many entries there are.
    pub(super) count: u64,
    /// The last keyframe; `None`: there is none.
    pub(super) frame: Option<Frame>,
    /// Which versions of contracts and rules the view is folded by.
    pub(super) generation: u64,
}

/// A page on its way into a write. Its entries are encoded once: their size decides about keyframes.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) page: Page,
    entries: EncodedEntries,
}

/// What pages are cut by.
#[derive(Clone, Copy)]
pub(super) struct Cutting<'a> {
    pub(super) specs: &'a Specs,
    pub(super) item_limits: ItemLimits,
    /// How long after its last entry a new page is kept, in days; `None`: the page was stored before, and
    /// its halves expire when it would have. Later pages say when their keyframe expires, and halves that
    /// expired before then would make a gap behind it.
    pub(super) kept_days: Option<i64>,
}

impl Running {
    /// Before a keyframe, with the view that it carries.
    pub(super) fn before(page: &Page) -> Option<Self> {
        let keyframe = page.keyframe.as_ref()?;
        let number = page.frame.number.saturating_sub(1);
        Some(Self {
            view: Some(keyframe.opening.clone()),
            count: keyframe.count,
            frame: Some(Frame { number, ..page.frame }),
            generation: keyframe.generation,
        })
    }

    /// Whether a page with these entries has to be a keyframe.
    fn needs_keyframe(&self, entries: &[Arc<Entry>], bytes: u64, item_limits: ItemLimits) -> bool {
        let (Some(frame), Some(last)) = (&self.frame, entries.last()) else { return true };
        let seconds = last.position.observed_at.whole_seconds().saturating_sub(frame.since);
        frame.bytes + bytes > item_limits.frame_bytes || seconds > limits::FRAME_SECONDS
    }

    /// Whether a stored page may stay as it is: its opening is right, or it needs none.
    pub(super) fn agrees(&self, page: &Page, item_limits: ItemLimits) -> bool {
        match &page.keyframe {
            Some(keyframe) => {
                Some(&keyframe.opening) == self.view.as_ref()
                    && keyframe.count == self.count
                    && keyframe.generation == self.generation
            }
            None => !self.needs_keyframe(&page.entries, size(&page.entries), item_limits),
        }
    }

    /// Goes on behind a page that stays as it is.
    pub(super) fn pass(&mut self, page: &Page, specs: &Specs) {
        self.view = self.view.take().map(|view| fold(view, &page.entries, specs));
        self.count += page.entries.len() as u64;
        self.frame = match (self.frame, &page.keyframe) {
            (Some(frame), None) => {
                Some(Frame { bytes: frame.bytes + size(&page.entries), ..frame })
            }
            _ => Some(page.frame),
        };
    }

    /// A page as it is written, and goes on behind it: in halves, and halves of halves, until each
    /// fits. The upper part keeps the key, each lower one takes its own last position; the lowest
    /// part of a keyframe is the keyframe.
    pub(super) fn parts(&mut self, page: Page, cutting: Cutting<'_>) -> Vec<Part> {
        let Page { version, mut previous, expires_at, keyframe, entries, .. } = page;
        let mut was_keyframe = keyframe.is_some();
        let mut halves = Vec::new();
        halve(entries, cutting.item_limits, &mut halves);
        let (count, mut parts) = (halves.len(), Vec::with_capacity(halves.len()));
        for (at, entries) in halves.into_iter().enumerate() {
            let Some(last) = entries.last().map(|last| last.position.clone()) else { continue };
            let expires_at = match cutting.kept_days {
                Some(kept_days) if at + 1 < count => {
                    let earliest = previous.as_ref().map_or(i64::MIN, |page| page.expires_at);
                    expiry(last.observed_at, kept_days).max(earliest).min(expires_at)
                }
                Some(_) | None => expires_at,
            };
            let encoded = EncodedEntries::of(&entries);
            let bytes = encoded.size() as u64;
            let needs = self.needs_keyframe(&entries, bytes, cutting.item_limits);
            let is_keyframe = std::mem::take(&mut was_keyframe) || needs;
            let keyframe = self.view.clone().filter(|_| is_keyframe).map(|opening| Keyframe {
                opening,
                count: self.count,
                generation: self.generation,
            });
            let frame = self.frame_of(&entries, keyframe.is_some(), bytes, expires_at);
            self.view = self.view.take().map(|view| fold(view, &entries, cutting.specs));
            self.count += entries.len() as u64;
            self.frame = Some(frame);
            let before = previous.replace(Previous { key: last, expires_at });
            let page = Page { version, previous: before, expires_at, frame, keyframe, entries };
            parts.push(Part { page, entries: encoded });
        }
        parts
    }

    fn frame_of(
        &self,
        entries: &[Arc<Entry>],
        is_keyframe: bool,
        bytes: u64,
        expires_at: i64,
    ) -> Frame {
        match self.frame {
            Some(frame) if !is_keyframe => Frame { bytes: frame.bytes + bytes, ..frame },
            frame => Frame {
                number: frame.map_or(0, |frame| frame.number) + 1,
                since: entries
                    .first()
                    .map_or(0, |first| first.position.observed_at.whole_seconds()),
                bytes,
                expires_at,
            },
        }
    }
}

impl Page {
    /// Before a page whose opening is not known.
    pub(super) fn running(&self) -> Running {
        let bytes = self.frame.bytes.saturating_sub(size(&self.entries));
        let frame = Some(Frame { bytes, ..self.frame });
        Running::before(self).unwrap_or(Running { view: None, count: 0, frame, generation: 0 })
    }

    /// Whether late events may still go into it: no page from its keyframe on has expired.
    pub(super) fn is_open(&self, now: crate::base::time::Timestamp) -> bool {
        self.frame.expires_at > now.whole_seconds()
    }
}

impl Part {
    /// As it is stored; `replaces`: the version of the page of its key that must still be stored.
    /// `None`: it has no entries.
    pub(super) fn into_write(self, replaces: Option<u64>) -> Result<Option<PageWrite>, Unwritable> {
        let Self { page, entries } = self;
        let Some(key) = page.key().map(Position::to_bytes) else { return Ok(None) };
        let stored = StoredPage { key, bytes: encode_page_of(&page, &entries)? };
        let (version, expires_at) = (page.version, page.gone_at());
        Ok(Some(PageWrite { page: stored, version, replaces, expires_at }))
    }

    /// The same, written by another version of the head.
    pub(super) fn of_version(&self, version: u64) -> Self {
        let Self { page, entries } = self.clone();
        Self { page: Page { version, ..page }, entries }
    }
}

/// The writes of a page's parts in place of its `replaced` version.
pub(super) fn writes(parts: Vec<Part>, replaced: u64) -> Result<Vec<PageWrite>, Unwritable> {
    let count = parts.len();
    let write = |(at, part): (usize, Part)| {
        let replaces = Some(replaced).filter(|_| at + 1 == count);
        part.into_write(replaces).transpose()
    };
    parts.into_iter().enumerate().filter_map(write).collect()
}

fn size(entries: &[Arc<Entry>]) -> u64 {
    EncodedEntries::of(entries).size() as u64
}

fn halve(mut entries: Vec<Arc<Entry>>, item_limits: ItemLimits, halves: &mut Vec<Vec<Arc<Entry>>>) {
    if entries.len() < 2 || fits(&entries, item_limits) {
        halves.push(entries);
        return;
    }
    let upper = entries.split_off(entries.len() / 2);
    halve(entries, item_limits, halves);
    halve(upper, item_limits, halves);
}

/// Whether entries make one page. An opening does not count: two writers with different specs must
/// seal the same frozen entries into the same pages.
fn fits(entries: &[Arc<Entry>], item_limits: ItemLimits) -> bool {
    let plain: usize = entries.iter().map(|entry| entry.plain_size()).sum();
    plain <= item_limits.page_bytes
        || plain <= limits::PAGE_PLAIN_BYTES && size(entries) <= item_limits.page_bytes as u64
}
