//! The parts of heads and pages: spans of time, frames, positions, the start of what is out of date, views.

use std::num::NonZeroU8;

use super::columns::IdForm;
use super::wire::{Malformed, Reader, Unwritable, VIEW_ROOM, Writer, event_id, instant};
use crate::base::id::{EventId, Position};
use crate::base::limits;
use crate::base::time::Timestamp;
use crate::ledger::touch::Touch;
use crate::ledger::{Frame, SECONDS_PER_DAY, Stale};
use crate::view::View;
use crate::view::rules::RuleStates;

const _: () = assert!(
    limits::PAGE_PLAIN_BYTES + limits::VIEW_BYTES + RuleStates::LARGEST + 2 * limits::RECORD_BYTES
        < limits::UNPACKED_BYTES
);

const VIEW_FORMAT: u8 = 1;
const VIEW_FORMAT_WITH_RULES: u8 = 2;

const RANGE: Malformed = Malformed("a number out of its range");

/// In the byte of a touch: the time of [`Head::looked_until`](crate::ledger::Head::looked_until) follows.
const LOOKED: u8 = 128;

/// What most heads do not have.
#[derive(Default)]
pub(super) struct Era {
    pub(super) era: u64,
    pub(super) generation: u64,
    pub(super) touched: Option<Touch>,
    pub(super) looked_until: Option<Timestamp>,
}

pub(super) fn read_era(input: &mut Reader<'_>) -> Result<Era, Malformed> {
    let (era, generation, byte) = (input.number()?, input.number()?, input.byte()?);
    let looked_until = if byte & LOOKED != 0 { Some(read_time(input)?) } else { None };
    let unknown = Malformed("an unknown reason of a touch");
    let touched = NonZeroU8::new(byte & !LOOKED)
        .map(|byte| Touch::of_byte(byte, looked_until).ok_or(unknown));
    Ok(Era { era, generation, touched: touched.transpose()?, looked_until })
}

pub(super) fn write_touch(
    out: &mut Writer,
    touched: Option<Touch>,
    looked_until: Option<Timestamp>,
) {
    let byte = touched.map_or(0, |touch| touch.byte().get());
    match looked_until {
        None => out.byte(byte),
        Some(until) => {
            out.byte(byte | LOOKED);
            out.signed(until.micros());
        }
    }
}

pub(super) fn less(from: i64, span: i64) -> Result<i64, Malformed> {
    from.checked_sub(span).ok_or(RANGE)
}

pub(super) fn more(from: i64, span: i64) -> Result<i64, Malformed> {
    from.checked_add(span).ok_or(RANGE)
}

/// A difference, in whole units where it is so many.
pub(super) fn write_span(out: &mut Writer, span: i64, unit: i64) {
    if span % unit == 0 {
        out.byte(0);
        out.signed(span / unit);
    } else {
        out.byte(1);
        out.signed(span);
    }
}

pub(super) fn read_span(input: &mut Reader<'_>, unit: i64) -> Result<i64, Malformed> {
    match input.byte()? {
        0 => input.signed()?.checked_mul(unit).ok_or(RANGE),
        1 => input.signed(),
        _ => Err(Malformed("an unknown kind of span")),
    }
}

pub(super) fn write_expiry(out: &mut Writer, expires_at: i64, position: &Position) {
    let from = position.observed_at.whole_seconds();
    write_span(out, expires_at.wrapping_sub(from), SECONDS_PER_DAY);
}

pub(super) fn read_expiry(input: &mut Reader<'_>, position: &Position) -> Result<i64, Malformed> {
    more(position.observed_at.whole_seconds(), read_span(input, SECONDS_PER_DAY)?)
}

pub(super) fn write_frame(out: &mut Writer, frame: &Frame, sealed: &Position, expires_at: i64) {
    write_frame_at(out, frame, sealed.observed_at.whole_seconds(), expires_at);
}

pub(super) fn write_frame_at(out: &mut Writer, frame: &Frame, last: i64, expires_at: i64) {
    out.number(frame.number);
    out.number(frame.bytes);
    out.signed(last.wrapping_sub(frame.since));
    write_span(out, expires_at.wrapping_sub(frame.expires_at), SECONDS_PER_DAY);
}

pub(super) fn read_frame(
    input: &mut Reader<'_>,
    sealed: &Position,
    expires_at: i64,
) -> Result<Frame, Malformed> {
    FrameSpans::read(input)?.at(sealed.observed_at.whole_seconds(), expires_at)
}

/// A frame before the entries are known that its times are counted from.
pub(super) struct FrameSpans {
    number: u64,
    bytes: u64,
    since: i64,
    expires: i64,
}

impl FrameSpans {
    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (number, bytes, since) = (input.number()?, input.number()?, input.signed()?);
        Ok(Self { number, bytes, since, expires: read_span(input, SECONDS_PER_DAY)? })
    }

    pub(super) fn at(&self, last: i64, expires_at: i64) -> Result<Frame, Malformed> {
        let Self { number, bytes, since, expires } = *self;
        let (since, expires_at) = (less(last, since)?, less(expires_at, expires)?);
        Ok(Frame { number, since, bytes, expires_at })
    }
}

pub(super) fn read_stale(input: &mut Reader<'_>) -> Result<Stale, Malformed> {
    let (from, since) = (read_position(input)?, read_time(input)?);
    let (inserts, number) = (input.number()?, input.number()?);
    let expires_at = read_expiry(input, &from)?;
    Ok(Stale { from, since, inserts, number, expires_at })
}

pub(super) fn read_note(input: &mut Reader<'_>) -> Result<Vec<Position>, Malformed> {
    let count = input.count()?;
    let note: Vec<Position> = (0..count).map(|_| read_position(input)).collect::<Result<_, _>>()?;
    if note.is_empty() { Err(Malformed("a note without positions")) } else { Ok(note) }
}

pub(super) fn write_position(out: &mut Writer, position: &Position) {
    out.signed(position.observed_at.micros());
    write_identity(out, position);
}

/// What tells positions of one time apart.
pub(super) fn write_identity(out: &mut Writer, position: &Position) {
    out.number(position.sequence);
    let (form, bytes) = IdForm::of_id(position.event_id.as_str(), IdForm::Digest);
    out.byte(form as u8);
    if form == IdForm::Text {
        out.text(position.event_id.as_str());
    } else {
        out.bytes(&bytes);
    }
}

pub(super) fn read_position(input: &mut Reader<'_>) -> Result<Position, Malformed> {
    let observed_at = read_time(input)?;
    let (sequence, event_id) = read_identity(input)?;
    Ok(Position { observed_at, sequence, event_id })
}

pub(super) fn read_identity(input: &mut Reader<'_>) -> Result<(u64, EventId), Malformed> {
    let sequence = input.number()?;
    let event_id = match IdForm::read(u64::from(input.byte()?))? {
        IdForm::Text => event_id(input.text()?)?,
        form => form.id(uuid::Uuid::from_bytes(input.array()?)),
    };
    Ok((sequence, event_id))
}

/// About the bytes that a head takes to name a position.
pub(crate) fn position_size(position: &Position) -> usize {
    let mut out = Writer::default();
    write_position(&mut out, position);
    out.into_bytes().len()
}

pub(super) fn read_time(input: &mut Reader<'_>) -> Result<Timestamp, Malformed> {
    instant(input.signed()?)
}

pub(super) fn write_view(out: &mut Writer, view: &View) -> Result<(), Unwritable> {
    write_parts_of_view(out, view, &view.rules)
}

/// A view has one of two formats, so that a view without states of rules takes no byte for them.
pub(super) fn write_parts_of_view(
    out: &mut Writer,
    units: &impl serde::Serialize,
    rules: &RuleStates,
) -> Result<(), Unwritable> {
    let mut bytes = postcard::to_extend(units, Vec::with_capacity(VIEW_ROOM))
        .map_err(|_| Unwritable("a view"))?;
    let rules = rules.encode();
    bytes.extend_from_slice(&rules);
    out.number(bytes.len() as u64);
    out.byte(if rules.is_empty() { VIEW_FORMAT } else { VIEW_FORMAT_WITH_RULES });
    out.bytes(&bytes);
    Ok(())
}

pub(super) fn read_view(input: &mut Reader<'_>) -> Result<View, Malformed> {
    let length = input.count()?;
    let format = input.byte()?;
    let shape = |_| Malformed("a view of another shape");
    let (view, rules) = postcard::take_from_bytes::<View>(input.bytes(length)?).map_err(shape)?;
    match (format, rules) {
        (VIEW_FORMAT, []) => Ok(view),
        (VIEW_FORMAT_WITH_RULES, [_, ..]) => {
            let rules = RuleStates::decode(rules);
            let rules = rules.map_err(|_| Malformed("states of rules of another shape"))?;
            Ok(View { rules, ..view })
        }
        (VIEW_FORMAT | VIEW_FORMAT_WITH_RULES, _) => Err(Malformed("a view of another length")),
        _ => Err(Malformed("an unknown format byte of a view")),
    }
}

/// The plain size of a view: what it would take without compression.
pub(crate) fn view_size(view: &View) -> usize {
    let units = postcard::experimental::serialized_size(view).unwrap_or(limits::VIEW_BYTES);
    units + view.rules.encoded_size()
}
