//! Entries as columns: names once, times as deltas in the coarsest unit that is exact, ids as 16
//! bytes where they are UUIDs or digests. Their texts go elsewhere, to be compressed.

use std::sync::Arc;

use uuid::Uuid;

use super::wire::{Malformed, Reader, Writer, event_id, instant};
use crate::base::id::{EventId, Position};
use crate::base::time::Timestamp;
use crate::event::{Arrival, Entry, IdOrigin, Placing};

/// How an event id is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum IdForm {
    /// As text.
    Text = 0,
    /// A UUID in lower case with hyphens: its 16 bytes.
    Uuid = 1,
    /// 32 lower-case hexadecimal digits: their 16 bytes.
    Digest = 2,
    /// The digest of the record: the 16 bytes of its 32 lower-case hexadecimal digits.
    ///
    /// There is no form 3. It was a digest that the entry itself could give again, and is refused.
    Record = 4,
}

impl IdForm {
    fn of(entry: &Entry) -> (Self, [u8; 16]) {
        let digest = match entry.id_origin {
            IdOrigin::Given => Self::Digest,
            IdOrigin::Record => Self::Record,
        };
        Self::of_id(entry.position.event_id.as_str(), digest)
    }

    /// The form of an id, and its bytes; `digest` is the form of 32 hexadecimal digits.
    pub(super) fn of_id(text: &str, digest: Self) -> (Self, [u8; 16]) {
        const NO_BYTES: [u8; 16] = [0; 16];
        // Without an early end, many bytes are looked at in one step.
        let lower = text.bytes().fold(true, |lower, byte| lower & !byte.is_ascii_uppercase());
        match (text.len(), lower) {
            (36, true) => Uuid::try_parse(text)
                .map_or((Self::Text, NO_BYTES), |uuid| (Self::Uuid, uuid.into_bytes())),
            (32, true) => Uuid::try_parse(text)
                .map_or((Self::Text, NO_BYTES), |uuid| (digest, uuid.into_bytes())),
            _ => (Self::Text, NO_BYTES),
        }
    }

    /// The id with these bytes, which a text is not.
    pub(super) fn id(self, bytes: Uuid) -> EventId {
        EventId::trusted(match self {
            Self::Text | Self::Uuid => bytes.hyphenated().to_string(),
            Self::Digest | Self::Record => bytes.simple().to_string(),
        })
    }

    const fn in_bytes(self) -> bool {
        match self {
            Self::Text => false,
            Self::Uuid | Self::Digest | Self::Record => true,
        }
    }

    const fn origin(self) -> IdOrigin {
        match self {
            Self::Text | Self::Uuid | Self::Digest => IdOrigin::Given,
            Self::Record => IdOrigin::Record,
        }
    }

    pub(super) fn read(number: u64) -> Result<Self, Malformed> {
        match number {
            0 => Ok(Self::Text),
            1 => Ok(Self::Uuid),
            2 => Ok(Self::Digest),
            4 => Ok(Self::Record),
            _ => Err(Malformed("an unknown form of id")),
        }
    }
}

/// Columns that most entries say nothing in. Each is written only where its bit is set in the byte of
/// the scale.
mod extra {
    pub(super) const SCALE: u64 = 3;
    pub(super) const SEQUENCES: u64 = 4;
    pub(super) const CONTRACT_VERSIONS: u64 = 8;
    pub(super) const PLACINGS: u64 = 16;
    pub(super) const ALL: u64 = SCALE | SEQUENCES | CONTRACT_VERSIONS | PLACINGS;
}

/// Units of time that columns count in: the coarsest in which every time is whole.
const SCALES: [i64; 3] = [1_000_000, 1_000, 1];

/// The index of their scale.
fn scale_of(entries: &[Arc<Entry>]) -> usize {
    if are_whole::<{ SCALES[0] }>(entries) {
        0
    } else if are_whole::<{ SCALES[1] }>(entries) {
        1
    } else {
        2
    }
}

/// The scale is a constant, because a division by any number takes several times longer.
fn are_whole<const SCALE: i64>(entries: &[Arc<Entry>]) -> bool {
    entries.iter().all(|entry| {
        entry.position.observed_at.micros() % SCALE == 0 && entry.ingested_at.micros() % SCALE == 0
    })
}

pub(super) fn write_entries(out: &mut Writer, texts: &mut Writer, entries: &[Arc<Entry>]) {
    out.number(entries.len() as u64);
    if entries.is_empty() {
        return;
    }
    let types = out.names(entries.iter().map(|entry| &entry.event_type));
    let contracts = out.names(entries.iter().map(|entry| &entry.contract));
    let extras = extras(entries);
    write_times(out, entries, extras);
    let forms: Vec<(IdForm, [u8; 16])> = entries.iter().map(|entry| IdForm::of(entry)).collect();
    out.column(forms.iter().map(|(form, _)| *form as u64));
    out.column(types.into_iter());
    out.column(contracts.into_iter());
    if extras & extra::SEQUENCES != 0 {
        write_sequences(out, entries);
    }
    if extras & extra::CONTRACT_VERSIONS != 0 {
        out.column(entries.iter().map(|entry| u64::from(entry.contract_version)));
    }
    if extras & extra::PLACINGS != 0 {
        write_placings(out, entries);
    }
    for (form, bytes) in &forms {
        if form.in_bytes() {
            out.bytes(bytes);
        }
    }
    for (entry, (form, _)) in entries.iter().zip(&forms) {
        if *form == IdForm::Text {
            texts.line(entry.position.event_id.as_str());
        }
    }
    for entry in entries {
        texts.line(&entry.payload);
    }
}

/// The extra columns that these entries need.
fn extras(entries: &[Arc<Entry>]) -> u64 {
    let bit = |needs: fn(&Entry) -> bool, bit| {
        if entries.iter().any(|entry| needs(entry)) { bit } else { 0 }
    };
    bit(|entry| entry.position.sequence != 0, extra::SEQUENCES)
        | bit(|entry| entry.contract_version != 0, extra::CONTRACT_VERSIONS)
        | bit(|entry| entry.placing != Placing::default(), extra::PLACINGS)
}

/// Differences: sequences of one producer are large and close to each other.
fn write_sequences(out: &mut Writer, entries: &[Arc<Entry>]) {
    let mut before = 0u64;
    for entry in entries {
        let sequence = entry.position.sequence;
        out.signed(sequence.wrapping_sub(before).cast_signed());
        before = sequence;
    }
}

/// With an epoch.
const MADE_EPOCH: u64 = 4;

/// Of the entries alone that were not just appended.
fn write_placings(out: &mut Writer, entries: &[Arc<Entry>]) {
    let special = |entry: &&Arc<Entry>| entry.placing != Placing::default();
    out.number(entries.iter().filter(special).count() as u64);
    let mut before = 0;
    for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| special(entry)) {
        let Placing { arrival, epoch } = entry.placing;
        let arrival = match arrival {
            Arrival::InOrder => 0,
            Arrival::Late => 1,
            Arrival::Correction => 2,
        };
        out.number((at - before) as u64);
        out.number(arrival | if epoch == 0 { 0 } else { MADE_EPOCH });
        if epoch != 0 {
            out.number(epoch);
        }
        before = at;
    }
}

fn read_placings(input: &mut Reader<'_>, count: usize) -> Result<Vec<Placing>, Malformed> {
    let mut placings = vec![Placing::default(); count];
    let mut at = 0usize;
    for _ in 0..input.count()? {
        at = at.saturating_add(input.count()?);
        let (code, none) = (input.number()?, Malformed("a placing of no entry"));
        let arrival = match code & !MADE_EPOCH {
            0 => Arrival::InOrder,
            1 => Arrival::Late,
            2 => Arrival::Correction,
            _ => return Err(Malformed("an unknown arrival")),
        };
        let epoch = if code & MADE_EPOCH == 0 { 0 } else { input.number()? };
        *placings.get_mut(at).ok_or(none)? = Placing { arrival, epoch };
    }
    Ok(placings)
}

fn write_times(out: &mut Writer, entries: &[Arc<Entry>], extras: u64) {
    let scale = scale_of(entries);
    out.number(scale as u64 | extras);
    match scale {
        0 => write_times_in::<{ SCALES[0] }>(out, entries),
        1 => write_times_in::<{ SCALES[1] }>(out, entries),
        _ => write_times_in::<{ SCALES[2] }>(out, entries),
    }
}

fn write_times_in<const SCALE: i64>(out: &mut Writer, entries: &[Arc<Entry>]) {
    let mut before = 0;
    for entry in entries {
        let observed = entry.position.observed_at.micros() / SCALE;
        out.signed(observed - before);
        out.signed(entry.ingested_at.micros() / SCALE - observed);
        before = observed;
    }
}

/// Everything about entries but their texts.
#[derive(Default)]
pub(super) struct Columns {
    times: Vec<(Timestamp, Timestamp)>,
    forms: Vec<IdForm>,
    types: Vec<Arc<str>>,
    contracts: Vec<Arc<str>>,
    sequences: Vec<u64>,
    contract_versions: Vec<u32>,
    placings: Vec<Placing>,
    uuids: Vec<Uuid>,
}

impl Columns {
    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = input.count()?;
        if count == 0 {
            return Ok(Self::default());
        }
        let (types, contracts) = (input.names()?, input.names()?);
        let scale = input.number()?;
        let (times, extras) =
            (read_times(input, count, scale & extra::SCALE)?, scale & !extra::SCALE);
        if extras & !extra::ALL != 0 {
            return Err(Malformed("an unknown column"));
        }
        let forms: Result<Vec<IdForm>, _> =
            input.column(count)?.into_iter().map(IdForm::read).collect();
        let forms = forms?;
        let types = pick(&types, input.column(count)?)?;
        let contracts = pick(&contracts, input.column(count)?)?;
        let sequences = match extras & extra::SEQUENCES {
            0 => vec![0; count],
            _ => read_sequences(input, count)?,
        };
        let contract_versions = match extras & extra::CONTRACT_VERSIONS {
            0 => vec![0; count],
            _ => {
                input.column(count)?.into_iter().map(contract_version).collect::<Result<_, _>>()?
            }
        };
        let placings = match extras & extra::PLACINGS {
            0 => vec![Placing::default(); count],
            _ => read_placings(input, count)?,
        };
        let in_bytes = forms.iter().filter(|form| form.in_bytes());
        let uuids: Result<Vec<Uuid>, _> =
            in_bytes.map(|_| input.array().map(Uuid::from_bytes)).collect();
        Ok(Self {
            times,
            forms,
            types,
            contracts,
            sequences,
            contract_versions,
            placings,
            uuids: uuids?,
        })
    }

    pub(super) fn entries(self, texts: &mut Reader<'_>) -> Result<Vec<Arc<Entry>>, Malformed> {
        let mut uuids = self.uuids.into_iter();
        let mut ids: Vec<(EventId, IdOrigin)> = Vec::with_capacity(self.forms.len());
        for form in &self.forms {
            let id = match form {
                IdForm::Text => event_id(texts.line()?)?,
                IdForm::Uuid | IdForm::Digest | IdForm::Record => {
                    form.id(uuids.next().ok_or(Malformed("an id without its bytes"))?)
                }
            };
            ids.push((id, form.origin()));
        }
        let contracts = self.contracts.into_iter().zip(self.contract_versions);
        let places = self.times.into_iter().zip(self.sequences);
        let columns = ids.into_iter().zip(places).zip(self.types).zip(contracts);
        columns
            .zip(self.placings)
            .map(|((((id, place), event_type), contract), placing)| {
                Ok(Arc::new(Entry { placing, ..entry(id, place, event_type, contract, texts)? }))
            })
            .collect()
    }
}

fn entry(
    (event_id, id_origin): (EventId, IdOrigin),
    ((observed_at, ingested_at), sequence): ((Timestamp, Timestamp), u64),
    event_type: Arc<str>,
    (contract, contract_version): (Arc<str>, u32),
    texts: &mut Reader<'_>,
) -> Result<Entry, Malformed> {
    let position = Position { observed_at, sequence, event_id };
    let payload = Arc::from(texts.line()?);
    Ok(Entry {
        position,
        id_origin,
        event_type,
        contract,
        contract_version,
        ingested_at,
        payload,
        placing: Placing::default(),
    })
}

fn read_sequences(input: &mut Reader<'_>, count: usize) -> Result<Vec<u64>, Malformed> {
    let mut before = 0u64;
    let mut next = || {
        before = before.wrapping_add(input.signed()?.cast_unsigned());
        Ok(before)
    };
    (0..count).map(|_| next()).collect()
}

fn contract_version(number: u64) -> Result<u32, Malformed> {
    u32::try_from(number).map_err(|_| Malformed("a contract version out of range"))
}

fn read_times(
    input: &mut Reader<'_>,
    count: usize,
    exponent: u64,
) -> Result<Vec<(Timestamp, Timestamp)>, Malformed> {
    const OUT_OF_RANGE: Malformed = Malformed("a time out of range");
    let exponent = usize::try_from(exponent).unwrap_or(usize::MAX);
    let scale = *SCALES.get(exponent).ok_or(Malformed("an unknown scale of time"))?;
    let in_scale = |time: i64| instant(time.checked_mul(scale).ok_or(OUT_OF_RANGE)?);
    let (mut times, mut before) = (Vec::with_capacity(count), 0i64);
    for _ in 0..count {
        let observed = before.checked_add(input.signed()?).ok_or(OUT_OF_RANGE)?;
        let ingested = observed.checked_add(input.signed()?).ok_or(OUT_OF_RANGE)?;
        times.push((in_scale(observed)?, in_scale(ingested)?));
        before = observed;
    }
    Ok(times)
}

fn pick(names: &[Arc<str>], indices: Vec<u64>) -> Result<Vec<Arc<str>>, Malformed> {
    let name = |index: u64| usize::try_from(index).ok().and_then(|at| names.get(at)).cloned();
    let picked: Option<Vec<Arc<str>>> = indices.into_iter().map(name).collect();
    picked.ok_or(Malformed("a name that is not in its table"))
}
