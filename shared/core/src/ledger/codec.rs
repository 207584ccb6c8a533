//! The bytes of heads and pages. Compact, because a write unit is one kilobyte: numbers are
//! columns of varints, times are deltas, UUIDs and digests are 16 bytes, what says nothing takes at
//! most a bit, and every text goes through one zstd frame, so that a payload costs what is new in it.
//!
//! ```text
//! head   format:u8=5 flags:u8 frozen:u16le version epoch count kept-days
//!        [era generation touched:u8 | 128 with looked-until [looked-until:time]]
//!        [watermark:time watermark-released:span]
//!        [sealed:position page-expires-at:span] [frame] [stale] [note] [carried]
//!        [forgotten:position]
//!        columns texts
//! page   format:u8=4 flags:u8 version expires-at:span [previous]
//!        frame [count generation] columns texts
//! previous  time since it:span, sequence, form:u8 of the id (0, 1 or 2), the id, expires-at:span
//! frame  number bytes, seconds since its first entry, seconds until it expires:span
//! stale  from:position since:time inserts number, seconds until it expires:span
//! note   count, positions
//! carried  from:position, the versions since the first commit of the carry
//! columns  count (names of types) (names of contracts)
//!          scale:u8 | 4 with sequences | 8 with contract versions | 16 with placings,
//!          then per entry: observed_at - the one before, ingested_at - observed_at,
//!          the form of the id, the type, the contract (the last three: once, where all are equal),
//!          [sequence - the one before] [contract version, once where all are equal] [placings]
//!          then the ids of forms 1 (UUID), 2 (digest) and 4 (digest of the record), 16 bytes each
//! placings  count, then for each entry that was not appended or made an epoch: entries since the one
//!          before, arrival | 4 with an epoch, [epoch]
//! texts    plain length, method:u8 (0 plain, 1 zstd), to the end: a head's base or a keyframe's
//!          opening (length, format:u8: 1 postcard, 2 postcard and states of rules), then ids of
//!          form 0 and payloads, each ended by a line feed
//! position  time, sequence, form:u8 of the id (0, 1 or 2), the id
//! span   kind:u8, then whole units (days or seconds) after 0, the exact number after 1
//! ```
//!
//! Numbers without a type are LEB128 varints, signed ones zigzag. A change of this layout is a
//! new format byte; what this version cannot read is [`Malformed`], never a guess.

use std::sync::Arc;

use crate::base::id::Position;
use crate::base::time::Timestamp;
use crate::ledger::{Carried, Head, Keyframe, Page, Previous, SECONDS_PER_DAY};

mod columns;
mod encoded_entries;
mod parts;
mod texts;
mod wire;

use columns::{Columns, write_entries};
pub(crate) use encoded_entries::EncodedEntries;
use parts::{
    Era, FrameSpans, less, more, read_era, read_expiry, read_frame, read_identity, read_note,
    read_position, read_span, read_stale, read_time, read_view, write_expiry, write_frame,
    write_frame_at, write_identity, write_position, write_span, write_touch, write_view,
};
pub(crate) use parts::{position_size, view_size};
use texts::{Effort, pack, unpack};
pub use wire::{Malformed, Unwritable};
use wire::{Reader, Writer, instant};

const HEAD_FORMAT: u8 = 5;
const PAGE_FORMAT: u8 = 4;
const MICROS_PER_SECOND: i64 = 1_000_000;
/// What most items take, so that writing one allocates once.
const ITEM_ROOM: usize = 1024;
/// Where `frozen` stands in a head, so that it can be set without encoding again.
const FROZEN_AT: std::ops::Range<usize> = 2..4;

mod flag {
    pub(super) const WATERMARK: u8 = 1;
    pub(super) const SEALED: u8 = 2;
    pub(super) const FRAME: u8 = 4;
    pub(super) const FORGOTTEN: u8 = 8;
    pub(super) const STALE: u8 = 16;
    pub(super) const NOTE: u8 = 32;
    pub(super) const ERA: u8 = 64;
    pub(super) const CARRIED: u8 = 128;
    pub(super) const PREVIOUS: u8 = 1;
    pub(super) const KEYFRAME: u8 = 2;
}

impl Head {
    /// About what it takes in memory, in bytes: what caches count.
    pub fn memory(&self) -> usize {
        // As heads of ten events of telemetry were seen to take.
        const ENTRY: usize = 240;
        const HEAD: usize = 512;
        const NOTED: usize = 80;
        let entries: usize = self.tail.iter().map(|entry| entry.plain_size() + ENTRY).sum();
        HEAD + entries + NOTED * self.note.len() + 2 * view_size(&self.base)
    }
}

/// Whether a head has a format that is newer than any that this version reads.
pub fn is_of_newer_format(head: &[u8]) -> bool {
    head.first().is_some_and(|format| *format > HEAD_FORMAT)
}

/// The bytes of a head.
///
/// # Errors
/// [`Unwritable`]: its base cannot be encoded.
pub fn encode_head(head: &Head) -> Result<Vec<u8>, Unwritable> {
    let mut out = Writer::with_room(ITEM_ROOM);
    let is_marked = head.touched.is_some() || head.looked_until.is_some();
    let has_era = head.era != 0 || head.generation != 0 || is_marked;
    out.byte(HEAD_FORMAT);
    out.byte(
        present(head.watermark.is_some(), flag::WATERMARK)
            | present(head.sealed.is_some(), flag::SEALED)
            | present(head.frame.is_some(), flag::FRAME)
            | present(head.forgotten.is_some(), flag::FORGOTTEN)
            | present(head.stale.is_some(), flag::STALE)
            | present(!head.note.is_empty(), flag::NOTE)
            | present(has_era, flag::ERA)
            | present(head.carried.is_some(), flag::CARRIED),
    );
    out.bytes(&frozen_field(head.frozen));
    out.number(head.version);
    out.number(head.epoch);
    out.number(head.count);
    out.signed(head.kept_days);
    if has_era {
        out.number(head.era);
        out.number(head.generation);
        write_touch(&mut out, head.touched, head.looked_until);
    }
    if let Some(watermark) = head.watermark {
        out.signed(watermark.micros());
        // A head with a watermark always has it, but for one that a test made.
        let released = head.released.unwrap_or(Timestamp::MIN);
        write_span(&mut out, watermark.micros() - released.micros(), MICROS_PER_SECOND);
    }
    if let Some(sealed) = &head.sealed {
        write_position(&mut out, sealed);
        write_expiry(&mut out, head.page_expires_at, sealed);
        if let Some(frame) = &head.frame {
            write_frame(&mut out, frame, sealed, head.page_expires_at);
        }
    }
    if let Some(stale) = &head.stale {
        write_position(&mut out, &stale.from);
        out.signed(stale.since.micros());
        out.number(stale.inserts);
        out.number(stale.number);
        write_expiry(&mut out, stale.expires_at, &stale.from);
    }
    if !head.note.is_empty() {
        out.number(head.note.len() as u64);
        head.note.iter().for_each(|position| write_position(&mut out, position));
    }
    if let Some(carried) = &head.carried {
        write_position(&mut out, &carried.from);
        out.number(head.version.wrapping_sub(carried.since_version));
    }
    if let Some(forgotten) = &head.forgotten {
        write_position(&mut out, forgotten);
    }
    let mut texts = Writer::for_texts(&head.tail);
    write_view(&mut texts, &head.base)?;
    write_entries(&mut out, &mut texts, &head.tail);
    pack(&mut out, &texts.into_bytes(), Effort::Low);
    Ok(out.into_bytes())
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
    let has = |flag: u8| flags & flag != 0;
    let frozen = usize::from(u16::from_le_bytes(input.array()?));
    let (version, epoch) = (input.number()?, input.number()?);
    let (count, kept_days) = (input.number()?, input.signed()?);
    let Era { era, generation, touched, looked_until } =
        if has(flag::ERA) { read_era(&mut input)? } else { Era::default() };
    let watermark = optional(has(flag::WATERMARK), || read_time(&mut input))?;
    let released = match watermark {
        Some(watermark) => {
            Some(instant(less(watermark.micros(), read_span(&mut input, MICROS_PER_SECOND)?)?)?)
        }
        None => None,
    };
    let sealed = optional(has(flag::SEALED), || read_position(&mut input))?;
    let (mut page_expires_at, mut frame) = (0, None);
    if let Some(sealed) = &sealed {
        page_expires_at = read_expiry(&mut input, sealed)?;
        frame = optional(has(flag::FRAME), || read_frame(&mut input, sealed, page_expires_at))?;
    }
    let stale = optional(has(flag::STALE), || read_stale(&mut input))?.map(Box::new);
    let note = if has(flag::NOTE) { read_note(&mut input)? } else { Vec::new() };
    let carried = optional(has(flag::CARRIED), || {
        let (from, ago) = (read_position(&mut input)?, input.number()?);
        Ok(Box::new(Carried { from, since_version: version.wrapping_sub(ago) }))
    })?;
    let forgotten = optional(has(flag::FORGOTTEN), || read_position(&mut input))?;
    let columns = Columns::read(&mut input)?;
    let texts = unpack(&mut input)?;
    let mut texts = Reader::new(&texts);
    let base = Arc::new(read_view(&mut texts)?);
    let tail = columns.entries(&mut texts)?;
    if frozen > tail.len() {
        return Err(Malformed("more entries are frozen than there are"));
    }
    Ok(Head {
        version,
        epoch,
        era,
        generation,
        touched,
        looked_until,
        watermark,
        released,
        sealed,
        frame,
        page_expires_at,
        kept_days,
        count,
        base,
        tail,
        frozen,
        stale,
        note,
        carried,
        forgotten,
    })
}

/// The bytes of a page.
///
/// # Errors
/// [`Unwritable`]: its opening cannot be encoded.
pub fn encode_page(page: &Page) -> Result<Vec<u8>, Unwritable> {
    encode_page_of(page, &EncodedEntries::of(&page.entries))
}

/// The bytes of a page whose entries have been encoded.
///
/// # Errors
/// As [`encode_page`].
pub(crate) fn encode_page_of(page: &Page, entries: &EncodedEntries) -> Result<Vec<u8>, Unwritable> {
    let mut out = Writer::with_room(ITEM_ROOM);
    out.byte(PAGE_FORMAT);
    out.byte(
        present(page.previous.is_some(), flag::PREVIOUS)
            | present(page.keyframe.is_some(), flag::KEYFRAME),
    );
    out.number(page.version);
    let last = page.entries.last().map(|last| last.position.observed_at);
    let last = last.unwrap_or(Timestamp::MIN);
    let last_seconds = last.whole_seconds();
    write_span(&mut out, page.expires_at.wrapping_sub(last_seconds), SECONDS_PER_DAY);
    if let Some(previous) = &page.previous {
        write_span(&mut out, last.micros() - previous.key.observed_at.micros(), MICROS_PER_SECOND);
        write_identity(&mut out, &previous.key);
        write_span(&mut out, page.expires_at.wrapping_sub(previous.expires_at), SECONDS_PER_DAY);
    }
    write_frame_at(&mut out, &page.frame, last_seconds, page.expires_at);
    let Some(keyframe) = &page.keyframe else {
        out.bytes(entries.bytes());
        return Ok(out.into_bytes());
    };
    out.number(keyframe.count);
    out.number(keyframe.generation);
    let mut texts = Writer::for_texts(&page.entries);
    write_view(&mut texts, &keyframe.opening)?;
    write_entries(&mut out, &mut texts, &page.entries);
    pack(&mut out, &texts.into_bytes(), Effort::High);
    Ok(out.into_bytes())
}

/// Reads [`encode_page`].
///
/// # Errors
/// [`Malformed`] for anything that this version never writes.
pub fn decode_page(bytes: &[u8]) -> Result<Page, Malformed> {
    let mut input = Reader::new(bytes);
    let flags = read_start(&mut input, PAGE_FORMAT)?;
    let version = input.number()?;
    let kept = read_span(&mut input, SECONDS_PER_DAY)?;
    let previous = optional(flags & flag::PREVIOUS != 0, || {
        let span = read_span(&mut input, MICROS_PER_SECOND)?;
        let (sequence, event_id) = read_identity(&mut input)?;
        Ok((span, sequence, event_id, read_span(&mut input, SECONDS_PER_DAY)?))
    })?;
    let frame = FrameSpans::read(&mut input)?;
    let counted = optional(flags & flag::KEYFRAME != 0, || Ok((input.number()?, input.number()?)))?;
    let columns = Columns::read(&mut input)?;
    let texts = unpack(&mut input)?;
    let mut texts = Reader::new(&texts);
    let keyframe = match counted {
        Some((count, generation)) => {
            Some(Keyframe { opening: read_view(&mut texts)?, count, generation })
        }
        None => None,
    };
    let entries = columns.entries(&mut texts)?;
    let last = entries.last().ok_or(Malformed("a page without entries"))?;
    let last = last.position.observed_at;
    let expires_at = more(last.whole_seconds(), kept)?;
    let previous = match previous {
        Some((before, sequence, event_id, span)) => {
            let observed_at = instant(less(last.micros(), before)?)?;
            let key = Position { observed_at, sequence, event_id };
            Some(Previous { key, expires_at: less(expires_at, span)? })
        }
        None => None,
    };
    let frame = frame.at(last.whole_seconds(), expires_at)?;
    Ok(Page { version, previous, expires_at, frame, keyframe, entries })
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

#[cfg(test)]
mod tests;
