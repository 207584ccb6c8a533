//! What consumers make of the records, and what they must hold.

use std::collections::BTreeMap;

use drover_core::outputs::record::{CORRECTION, FeedRecord};
use serde_json::Value;

use super::world::{DEVICES, World};
use crate::tests::fixture::times;

fn text<'a>(record: &'a FeedRecord, name: &str) -> &'a str {
    record.attribute(name).unwrap_or_default()
}

fn data(record: &FeedRecord) -> Value {
    serde_json::from_str(record.data.as_deref().unwrap_or_default()).expect("JSON")
}

/// A log that appends what is new, and inserts only what a correction announces.
fn log(records: &[&FeedRecord]) -> Vec<String> {
    let (mut log, mut announced) = (Vec::<String>::new(), None);
    for record in records {
        if text(record, "type") == CORRECTION {
            announced = data(record)["from"].as_str().map(str::to_owned);
            continue;
        }
        let sequence = text(record, "sequence").to_owned();
        if let Err(at) = log.binary_search(&sequence)
            && (at == log.len() || announced.as_ref().is_some_and(|from| *from <= sequence))
        {
            log.insert(at, sequence);
        }
    }
    log
}

fn same(what: &str, held: &[i64], history: &[i64]) -> Result<(), String> {
    if held == history { Ok(()) } else { Err(format!("{what}: {held:?} and not {history:?}")) }
}

impl World {
    /// Holds the consumers of every device against its history.
    pub(super) fn check(&self) -> Result<(), String> {
        let taken = self.topics.taken.lock().unwrap();
        for ((tenant, device), committed) in DEVICES.iter().zip(&self.committed) {
            let history: Vec<i64> = committed.iter().copied().collect();
            let key = format!("{tenant}/device/{device}");
            let prefix = if *tenant == "acme" { "acme" } else { "drover" };
            let of = |feed: &str| -> Vec<&FeedRecord> {
                let topic = format!("{prefix}.{feed}");
                let mine = taken.iter().filter(|(to, record)| *to == topic && record.key == key);
                mine.map(|(_, record)| record).collect()
            };
            let ordered = of("ordered");
            let set: BTreeMap<&str, ()> =
                ordered.iter().map(|record| (text(record, "sequence"), ())).collect();
            let set: Vec<String> = set.into_keys().map(str::to_owned).collect();
            same(&format!("ordered {key}"), &times(&set), &history)?;
            same(&format!("settled {key}"), &times(&log(&of("settled"))), &history)?;
            if *tenant == "demo" && !history.is_empty() {
                views(&key, &of("views"), history.len())?;
            }
        }
        Ok(())
    }
}

fn views(key: &str, records: &[&FeedRecord], events: usize) -> Result<(), String> {
    let sequences: Vec<&str> = records.iter().map(|record| text(record, "sequence")).collect();
    if !sequences.is_sorted() {
        return Err(format!("views {key}: an older view replaces a newer one: {sequences:?}"));
    }
    let last = data(records.last().ok_or_else(|| format!("views {key}: none was sent"))?);
    if last["event_count"] == events && last["stale"] == false {
        return Ok(());
    }
    Err(format!("views {key}: {last} after {events} events"))
}
