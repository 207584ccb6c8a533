//! A subject as text for people and as JSON for programs. Pure: no terminal, no clock.

#[cfg(test)]
mod tests;

use std::fmt::{Display, Write as _};

use drover_core::base::id::{Position, SubjectKey};
use drover_core::base::time::Timestamp;
use drover_core::event::Entry;
use drover_core::ledger::codec::{encode_head, encode_page};
use drover_core::ledger::{Head, Page, Stale};
use serde::Serialize;
use serde_json::value::RawValue;

use super::inspected::Inspected;
use crate::commands::text::{printable, table};

/// The maximum characters of a payload on a line.
const PAYLOAD_CHARACTERS: usize = 80;

/// For people: the head, one line for each page, and one line for each of the newest entries.
pub(super) fn text(key: &SubjectKey, inspected: &Inspected, limit: usize) -> String {
    let mut out = format!("{} {}\n\n", key.tenant(), key.subject());
    head_lines(&mut out, inspected);
    let pages = &inspected.snapshot.pages;
    if !pages.is_empty() {
        out.push('\n');
        let rows = pages.iter().map(page_row).collect::<Vec<_>>();
        let titles = ["page up to", "entries", "bytes", "version", "keyframe", "expires"];
        table(&mut out, titles, &rows);
    }
    let (left_out, entries) = newest(inspected, limit);
    out.push('\n');
    let rows = entries.into_iter().map(entry_row).collect::<Vec<_>>();
    table(&mut out, ["observed_at", "event_id", "type", "ingested_at", "payload"], &rows);
    if left_out > 0 {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "({left_out} earlier entries, --limit shows more)");
    }
    out
}

fn head_lines(out: &mut String, inspected: &Inspected) {
    let head = &inspected.snapshot.head;
    let from = |stale: &Stale| {
        format!("from {}, {} events since {}", stale.from, stale.inserts, stale.since)
    };
    let lines = [
        ("version", head.version.to_string()),
        ("epoch", head.epoch.to_string()),
        ("watermark", or_none(head.watermark)),
        ("settled until", or_none(head.released)),
        ("entries", head.count.to_string()),
        ("sealed", or_none(head.sealed.as_ref())),
        ("stale", or_none(head.stale.as_deref().map(from))),
        ("noted", head.note.len().to_string()),
        ("keyframes", head.frame.map_or(0, |frame| frame.number).to_string()),
        ("era", head.era.to_string()),
        ("generation", head.generation.to_string()),
        ("frozen", head.frozen.to_string()),
        ("bytes", encode_head(head).map_or(0, |bytes| bytes.len()).to_string()),
    ];
    for (name, value) in lines {
        let _ = writeln!(out, "  {name:<14} {value}");
    }
}

fn page_row(page: &Page) -> [String; 6] {
    let key = or_none(page.key());
    let bytes = encode_page(page).map_or(0, |bytes| bytes.len());
    let keyframe = page.keyframe.as_ref();
    [
        key,
        page.entries.len().to_string(),
        bytes.to_string(),
        page.version.to_string(),
        keyframe.map_or_else(String::new, |keyframe| format!("after {}", keyframe.count)),
        or_none(Timestamp::from_millis(page.gone_at().saturating_mul(1_000))),
    ]
}

fn entry_row(entry: &Entry) -> [String; 5] {
    [
        entry.position.observed_at.to_string(),
        entry.position.event_id.to_string(),
        printable(&entry.event_type),
        entry.ingested_at.to_string(),
        shortened(&entry.payload),
    ]
}

/// The number of omitted entries, and the newest entries in order.
fn newest(inspected: &Inspected, limit: usize) -> (usize, Vec<&Entry>) {
    let entries: Vec<&Entry> = inspected.snapshot.entries().map(AsRef::as_ref).collect();
    let left_out = entries.len().saturating_sub(limit);
    (left_out, entries.into_iter().skip(left_out).collect())
}

fn shortened(payload: &str) -> String {
    let mut text = printable(payload);
    if let Some((snapshot, _)) = text.char_indices().nth(PAYLOAD_CHARACTERS) {
        text.truncate(snapshot);
        text.push('…');
    }
    text
}

fn or_none(value: Option<impl Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

#[derive(Serialize)]
struct SubjectJson<'a> {
    tenant: &'a str,
    kind: &'a str,
    id: &'a str,
    head: HeadJson<'a>,
    pages: Vec<PageJson<'a>>,
    entry_count: usize,
    entries: Vec<EntryJson<'a>>,
}

#[derive(Serialize)]
struct HeadJson<'a> {
    version: u64,
    epoch: u64,
    watermark: Option<Timestamp>,
    settled_until: Option<Timestamp>,
    sealed: Option<PositionJson<'a>>,
    entry_count: u64,
    era: u64,
    generation: u64,
    keyframes: u64,
    /// The position from which stored views are stale. `None`: all views are current.
    stale: Option<StaleJson<'a>>,
    /// What the last commit inserted into pages.
    note: Vec<PositionJson<'a>>,
    /// The start of the keyframes that the last commit wrote in a carry.
    carried_from: Option<PositionJson<'a>>,
    frozen: usize,
    bytes: usize,
}

#[derive(Serialize)]
struct StaleJson<'a> {
    from: PositionJson<'a>,
    since: Timestamp,
    inserts: u64,
}

#[derive(Serialize)]
struct PageJson<'a> {
    key: Option<PositionJson<'a>>,
    entries: usize,
    bytes: usize,
    version: u64,
    /// Of a keyframe: how many entries there are before it.
    keyframe_after: Option<u64>,
    /// In seconds since 1970.
    expires_at: i64,
}

#[derive(Serialize)]
struct EntryJson<'a> {
    #[serde(flatten)]
    position: PositionJson<'a>,
    #[serde(rename = "type")]
    event_type: &'a str,
    contract: &'a str,
    /// 0: the built-in contract.
    contract_version: u32,
    ingested_at: Timestamp,
    payload: &'a RawValue,
}

#[derive(Serialize)]
struct PositionJson<'a> {
    observed_at: Timestamp,
    sequence: u64,
    event_id: &'a str,
}

/// For programs: the same data, with whole payloads.
pub(super) fn json(
    key: &SubjectKey,
    inspected: &Inspected,
    limit: usize,
) -> Result<String, serde_json::Error> {
    let (left_out, entries) = newest(inspected, limit);
    let subject = SubjectJson {
        tenant: key.tenant().as_str(),
        kind: key.subject().kind().as_str(),
        id: key.subject().id(),
        head: head_json(&inspected.snapshot.head),
        pages: inspected.snapshot.pages.iter().map(page_json).collect(),
        entry_count: left_out + entries.len(),
        entries: entries.into_iter().map(entry_json).collect::<Result<_, _>>()?,
    };
    Ok(serde_json::to_string_pretty(&subject)? + "\n")
}

fn head_json(head: &Head) -> HeadJson<'_> {
    HeadJson {
        version: head.version,
        epoch: head.epoch,
        watermark: head.watermark,
        settled_until: head.released,
        sealed: head.sealed.as_ref().map(position_json),
        entry_count: head.count,
        era: head.era,
        generation: head.generation,
        keyframes: head.frame.map_or(0, |frame| frame.number),
        stale: head.stale.as_deref().map(stale_json),
        note: head.note.iter().map(position_json).collect(),
        carried_from: head.carried.as_deref().map(|carried| position_json(&carried.from)),
        frozen: head.frozen,
        bytes: encode_head(head).map_or(0, |bytes| bytes.len()),
    }
}

fn stale_json(stale: &Stale) -> StaleJson<'_> {
    let Stale { from, since, inserts, .. } = stale;
    StaleJson { from: position_json(from), since: *since, inserts: *inserts }
}

fn page_json(page: &Page) -> PageJson<'_> {
    PageJson {
        key: page.key().map(position_json),
        entries: page.entries.len(),
        bytes: encode_page(page).map_or(0, |bytes| bytes.len()),
        version: page.version,
        keyframe_after: page.keyframe.as_ref().map(|keyframe| keyframe.count),
        expires_at: page.gone_at(),
    }
}

fn entry_json(entry: &Entry) -> Result<EntryJson<'_>, serde_json::Error> {
    Ok(EntryJson {
        position: position_json(&entry.position),
        event_type: &entry.event_type,
        contract: &entry.contract,
        contract_version: entry.contract_version,
        ingested_at: entry.ingested_at,
        payload: serde_json::from_str(&entry.payload)?,
    })
}

fn position_json(position: &Position) -> PositionJson<'_> {
    let Position { observed_at, sequence, event_id } = position;
    PositionJson { observed_at: *observed_at, sequence: *sequence, event_id: event_id.as_str() }
}
