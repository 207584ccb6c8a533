//! What consumers make of the topics, and what they must hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::base::id::{Position, SubjectKey};
use crate::event::Entry;
use crate::intake::tenant::Feed;
use crate::ledger::Head;
use crate::outputs::position_text::position_text;
use crate::outputs::record::{CORRECTION, FeedRecord};
use crate::view::View;

/// Entries by the text of their position.
pub(super) type Entries = BTreeMap<String, Arc<Entry>>;

pub(super) fn by_text<'a>(entries: impl IntoIterator<Item = &'a Arc<Entry>>) -> Entries {
    let text = |entry: &Arc<Entry>| (position_text(&entry.position), Arc::clone(entry));
    entries.into_iter().map(text).collect()
}

/// What a subject is at the end of a case.
pub(super) struct Ended {
    pub(super) head: Head,
    /// What readers get.
    pub(super) kept: Entries,
    /// The live view that readers get; `None`: the subject was forgotten.
    pub(super) view: Option<View>,
    /// Every entry that the ledger ever held.
    pub(super) ever: Entries,
}

/// Holds what each consumer has against what it must have.
pub(super) fn check(
    key: &SubjectKey,
    ended: &Ended,
    feeds: &crate::intake::tenant::Feeds,
    records: &[FeedRecord],
) -> Result<(), String> {
    let of = |feed| records.iter().filter(move |record| record.feed == feed);
    if feeds.has(Feed::Ordered) {
        ordered(ended, of(Feed::Ordered))?;
    }
    if feeds.has(Feed::Settled) {
        settled(ended, of(Feed::Settled))?;
    }
    if feeds.has(Feed::Views) {
        views(key, ended, of(Feed::Views))?;
    }
    Ok(())
}

fn ordered<'a>(ended: &Ended, records: impl Iterator<Item = &'a FeedRecord>) -> Result<(), String> {
    let set: BTreeMap<&str, &FeedRecord> =
        records.map(|record| (text(record, "sequence"), record)).collect();
    for (position, entry) in &ended.kept {
        let record = set.get(position.as_str());
        let record = record.ok_or_else(|| format!("ordered: {position} was never sent"))?;
        is_entry(record, entry)?;
    }
    Ok(())
}

/// A log that appends what is new, and inserts only what a correction announces.
#[derive(Default)]
struct Log<'a> {
    entries: Vec<(&'a str, &'a FeedRecord)>,
    /// The text of the position that the last correction began with, until something is appended.
    announced: Option<String>,
}

impl<'a> Log<'a> {
    fn take(&mut self, record: &'a FeedRecord) {
        if text(record, "type") == CORRECTION {
            let data: Value = serde_json::from_str(record.data.as_deref().unwrap_or_default())
                .expect("a correction is JSON");
            if matches!(data["cause"].as_str(), Some("forgotten" | "restored")) {
                self.entries.clear();
            }
            self.announced = data["from"].as_str().map(str::to_owned);
            return;
        }
        let position = text(record, "sequence");
        let Err(at) = self.entries.binary_search_by(|(known, _)| (*known).cmp(position)) else {
            return;
        };
        let is_announced = self.announced.as_deref().is_some_and(|from| from <= position);
        if at == self.entries.len() {
            self.announced = None;
            self.entries.push((position, record));
        } else if is_announced {
            self.entries.insert(at, (position, record));
        }
    }
}

fn settled<'a>(ended: &Ended, records: impl Iterator<Item = &'a FeedRecord>) -> Result<(), String> {
    let mut log = Log::default();
    records.for_each(|record| log.take(record));
    let is_settled = |entry: &Arc<Entry>| Some(entry.position.observed_at) <= ended.head.released;
    let held: BTreeMap<&str, &FeedRecord> = log.entries.iter().copied().collect();
    for (position, entry) in ended.kept.iter().filter(|(_, entry)| is_settled(entry)) {
        let record = held.get(position.as_str());
        let record = record.ok_or_else(|| format!("settled: {position} is missing"))?;
        is_entry(record, entry)?;
    }
    for (position, _) in log.entries {
        let entry = ended.ever.get(position).ok_or("settled: an event that never was")?;
        let is_known = |line: &Position| entry.position <= *line;
        let is_forgotten = ended.head.forgotten.as_ref().is_some_and(is_known);
        if !is_settled(entry) || is_forgotten {
            return Err(format!("settled: {position} does not belong there"));
        }
    }
    Ok(())
}

fn views<'a>(
    key: &SubjectKey,
    ended: &Ended,
    records: impl Iterator<Item = &'a FeedRecord>,
) -> Result<(), String> {
    let mut newest: Option<&FeedRecord> = None;
    for record in records {
        if newest.is_some_and(|newest| text(newest, "sequence") > text(record, "sequence")) {
            return Err("views: an older view replaces a newer one".to_owned());
        }
        newest = Some(record);
    }
    let newest = newest.ok_or("views: a view was never sent")?;
    is_view(key, &ended.head, ended.view.as_ref(), newest)
}

/// Whether a record has the view that the query API answers at this head.
pub(super) fn is_view(
    key: &SubjectKey,
    head: &Head,
    view: Option<&View>,
    record: &FeedRecord,
) -> Result<(), String> {
    let data = record.data.as_ref().map(|data| serde_json::from_str(data).expect("JSON"));
    let expected = view.map(|view| {
        let mut expected = view.to_json();
        let subject = key.subject();
        let own = json!({
            "kind": subject.kind().as_str(), "id": subject.id(), "version": head.version,
            "epoch": head.epoch, "settled_until": head.released, "stale": false,
        });
        expected.as_object_mut().expect("an object").extend(own.as_object().expect("so").clone());
        expected
    });
    if data != expected {
        return Err(format!("views: {data:?} and not {expected:?}"));
    }
    Ok(())
}

/// Whether an event that is sent just now is in the ledger, and settled, if that is said.
pub(super) fn sent_now(record: &FeedRecord, head: &Head, ever: &Entries) -> Result<(), String> {
    if record.feed == Feed::Views || text(record, "type") == CORRECTION {
        return Ok(());
    }
    let position = text(record, "sequence");
    let entry = ever.get(position).ok_or_else(|| format!("{position} is in no history"))?;
    if record.feed == Feed::Settled && Some(entry.position.observed_at) > head.released {
        return Err(format!("settled: {position} is not settled"));
    }
    is_entry(record, entry)
}

fn is_entry(record: &FeedRecord, entry: &Entry) -> Result<(), String> {
    let same = record.data.as_deref() == Some(&*entry.payload)
        && text(record, "type") == &*entry.event_type
        && text(record, "id") == position_text(&entry.position);
    if same { Ok(()) } else { Err(format!("{} was sent as {record:?}", entry.position)) }
}

fn text<'a>(record: &'a FeedRecord, name: &str) -> &'a str {
    record.attribute(name).unwrap_or_default()
}
