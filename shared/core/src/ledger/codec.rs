//! The bytes of heads and pages. Compact, because a write unit is one kilobyte: numbers are
//! columns of varints, times are deltas, UUIDs and digests are 16 bytes, and every text
//! goes through one zstd frame, so that a payload costs what is new in it.
//!
//! ```text
//! head   format:u8=1 flags:u8 frozen:u16le version epoch revision
//!        [watermark:time] [sealed:position] [forgotten:position] [good:position] columns texts
//! page   format:u8=2 flags:u8 version [previous:position] columns texts
//! columns  count (names of types) (names of contracts)
//!          scale:u8 | 4 with sequences | 8 with contract versions,
//!          then per entry: observed_at - the one before, ingested_at - observed_at,
//!          the form of the id, the type, the contract (the last three: once, where all are equal),
//!          [sequence - the one before] [contract version, once where all are equal]
//!          then the ids of forms 1 (UUID), 2 (digest) and 4 (digest of the record), 16 bytes each
//! texts    plain length, method:u8 (0 plain, 1 zstd), to the end: length-prefixed view (and the
//!          repair's), then ids of form 0 and payloads, each ended by a line feed
//! ```
//!
//! Numbers without a type are LEB128 varints, signed ones zigzag. A change of this layout is a
//! new format byte; what this version cannot read is [`Malformed`], never a guess.

use std::sync::Arc;

use crate::base::id::Position;
use crate::base::limits;
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::ledger::{Head, Page, Repair};
use crate::view::View;

mod columns;
mod texts;
mod wire;

use columns::{Columns, write_entries};
use texts::{pack, unpack};
pub use wire::Malformed;
use wire::{Reader, VIEW_ROOM, Writer, event_id, instant};

const HEAD_FORMAT: u8 = 1;
const PAGE_FORMAT: u8 = 2;
/// What most items take, so that writing one allocates once.
const ITEM_ROOM: usize = 1024;
/// Where `frozen` stands in a head, so that it can be set without encoding again.
const FROZEN_AT: std::ops::Range<usize> = 2..4;

mod flag {
    pub(super) const WATERMARK: u8 = 1;
    pub(super) const SEALED: u8 = 2;
    pub(super) const REPAIR: u8 = 4;
    pub(super) const FORGOTTEN: u8 = 8;
    pub(super) const PREVIOUS: u8 = 1;
}

impl Head {
    /// About what it takes in memory, in bytes: what caches count.
    pub fn memory(&self) -> usize {
        // As heads of ten events of telemetry were seen to take.
        const ENTRY: usize = 240;
        const HEAD: usize = 512;
        let entries: usize = self.tail.iter().map(|entry| entry.plain_size() + ENTRY).sum();
        let repair = self.repair.as_ref().map_or(0, |repair| view_size(&repair.view));
        HEAD + entries + 2 * (view_size(&self.base) + repair)
    }
}

/// The bytes of a head.
pub fn encode_head(head: &Head) -> Vec<u8> {
    let mut out = Writer::with_room(ITEM_ROOM);
    out.byte(HEAD_FORMAT);
    out.byte(
        present(head.watermark.is_some(), flag::WATERMARK)
            | present(head.sealed.is_some(), flag::SEALED)
            | present(head.repair.is_some(), flag::REPAIR)
            | present(head.forgotten.is_some(), flag::FORGOTTEN),
    );
    out.bytes(&frozen_field(head.frozen));
    out.number(head.version);
    out.number(head.epoch);
    out.number(head.revision);
    if let Some(watermark) = head.watermark {
        out.signed(watermark.micros());
    }
    if let Some(sealed) = &head.sealed {
        write_position(&mut out, sealed);
    }
    if let Some(forgotten) = &head.forgotten {
        write_position(&mut out, forgotten);
    }
    let mut texts = Writer::for_texts(&head.tail);
    write_view(&mut texts, &head.base);
    if let Some(repair) = &head.repair {
        write_position(&mut out, &repair.good);
        write_view(&mut texts, &repair.view);
    }
    write_entries(&mut out, &mut texts, &head.tail);
    pack(&mut out, &texts.into_bytes());
    out.into_bytes()
}

/// Sets how many tail entries are frozen in an encoded head.
pub(crate) fn set_frozen(bytes: &mut [u8], frozen: usize) {
    if let Some(field) = bytes.get_mut(FROZEN_AT) {
        field.copy_from_slice(&frozen_field(frozen));
    }
}

/// Reads [`encode_head`].
///
/// # Errors
/// [`Malformed`] for anything that this version never writes.
pub fn decode_head(bytes: &[u8]) -> Result<Head, Malformed> {
    let mut input = Reader::new(bytes);
    let flags = read_start(&mut input, HEAD_FORMAT)?;
    let frozen = usize::from(u16::from_le_bytes(input.array()?));
    let (version, epoch, revision) = (input.number()?, input.number()?, input.number()?);
    let watermark = optional(flags & flag::WATERMARK != 0, || read_time(&mut input))?;
    let sealed = optional(flags & flag::SEALED != 0, || read_position(&mut input))?;
    let forgotten = optional(flags & flag::FORGOTTEN != 0, || read_position(&mut input))?;
    let good = optional(flags & flag::REPAIR != 0, || read_position(&mut input))?;
    let columns = Columns::read(&mut input)?;
    let texts = unpack(&mut input)?;
    let mut texts = Reader::new(&texts);
    let base = Arc::new(read_view(&mut texts)?);
    let repair = match good {
        Some(good) => Some(Box::new(Repair { good, view: read_view(&mut texts)? })),
        None => None,
    };
    let tail = columns.entries(&mut texts)?;
    if frozen > tail.len() {
        return Err(Malformed("more entries are frozen than there are"));
    }
    Ok(Head { version, epoch, revision, watermark, sealed, base, tail, frozen, repair, forgotten })
}

/// The bytes of a page.
pub fn encode_page(page: &Page) -> Vec<u8> {
    let mut out = Writer::with_room(ITEM_ROOM);
    out.byte(PAGE_FORMAT);
    out.byte(present(page.previous.is_some(), flag::PREVIOUS));
    out.number(page.version);
    if let Some(previous) = &page.previous {
        write_position(&mut out, previous);
    }
    let mut texts = Writer::for_texts(&page.entries);
    write_view(&mut texts, &page.opening);
    write_entries(&mut out, &mut texts, &page.entries);
    pack(&mut out, &texts.into_bytes());
    out.into_bytes()
}

/// Reads [`encode_page`].
///
/// # Errors
/// [`Malformed`] for anything that this version never writes.
pub fn decode_page(bytes: &[u8]) -> Result<Page, Malformed> {
    let mut input = Reader::new(bytes);
    let flags = read_start(&mut input, PAGE_FORMAT)?;
    let version = input.number()?;
    let previous = optional(flags & flag::PREVIOUS != 0, || read_position(&mut input))?;
    let columns = Columns::read(&mut input)?;
    let texts = unpack(&mut input)?;
    let mut texts = Reader::new(&texts);
    let opening = read_view(&mut texts)?;
    let entries = columns.entries(&mut texts)?;
    if entries.is_empty() {
        return Err(Malformed("a page without entries"));
    }
    Ok(Page { version, previous, opening, entries })
}

fn read_start(input: &mut Reader<'_>, format: u8) -> Result<u8, Malformed> {
    if input.byte()? != format {
        return Err(Malformed("an unknown format byte"));
    }
    input.byte()
}

const fn present(is: bool, flag: u8) -> u8 {
    if is { flag } else { 0 }
}

fn optional<T>(
    is: bool,
    read: impl FnOnce() -> Result<T, Malformed>,
) -> Result<Option<T>, Malformed> {
    if is { read().map(Some) } else { Ok(None) }
}

/// A slice holds far fewer entries than this field can count; were it full, fewer are frozen.
fn frozen_field(frozen: usize) -> [u8; 2] {
    u16::try_from(frozen).unwrap_or(u16::MAX).to_le_bytes()
}

fn write_position(out: &mut Writer, position: &Position) {
    out.signed(position.observed_at.micros());
    out.number(position.sequence);
    out.text(position.event_id.as_str());
}

fn read_position(input: &mut Reader<'_>) -> Result<Position, Malformed> {
    let (observed_at, sequence) = (read_time(input)?, input.number()?);
    Ok(Position { observed_at, sequence, event_id: event_id(input.text()?)? })
}

fn read_time(input: &mut Reader<'_>) -> Result<Timestamp, Malformed> {
    instant(input.signed()?)
}

fn write_view(out: &mut Writer, view: &View) {
    // A view is made of numbers, texts, maps and lists, which postcard writes without fail.
    let bytes = postcard::to_extend(view, Vec::with_capacity(VIEW_ROOM)).unwrap_or_default();
    out.number(bytes.len() as u64);
    out.bytes(&bytes);
}

fn read_view(input: &mut Reader<'_>) -> Result<View, Malformed> {
    let bytes = input.prefixed()?;
    postcard::from_bytes(bytes).map_err(|_| Malformed("a view of another shape"))
}

/// The encoded size of entries alone.
pub(crate) fn entries_size(entries: &[Arc<Entry>]) -> usize {
    let (mut out, mut texts) = (Writer::default(), Writer::default());
    write_entries(&mut out, &mut texts, entries);
    pack(&mut out, &texts.into_bytes());
    out.into_bytes().len()
}

/// The plain size of a view: what it would take without compression.
pub(crate) fn view_size(view: &View) -> usize {
    postcard::experimental::serialized_size(view).unwrap_or(limits::VIEW_BYTES)
}

#[cfg(test)]
mod tests;
