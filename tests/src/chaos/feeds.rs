//! What consumers of the feeds hold at the end, as `docs/feeds.md` tells them to consume: of `ordered` a set
//! sorted by `ce_sequence`, of `settled` a log that inserts only what a correction announces, of `views` the
//! last record of each key.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use drover_core::base::time::Timestamp;
use serde_json::{Value, json};

use super::check::{Reader, same};
use super::event::{Accepted, Drawn, rfc3339};

/// The relay may be behind for a while.
pub(super) const WITHIN: Duration = Duration::from_secs(120);
pub(super) const LOOK: Duration = Duration::from_millis(500);

/// The records of the feeds, by topic, in order: each with `key`, `headers` and `value`.
#[derive(Debug)]
pub struct Feeds {
    /// `drover.ordered`
    pub ordered: Vec<Value>,
    /// `drover.settled`
    pub settled: Vec<Value>,
    /// `drover.views`
    pub views: Vec<Value>,
}

/// Checks what consumers of a tenant's feeds hold, once the relay has caught up. `program` reads the topics
/// in the data folder.
///
/// # Errors
/// The last mismatch, with both sides.
pub async fn tenant(
    program: &Path,
    data: &Path,
    reader: &Reader,
    accepted: &Accepted,
) -> Result<(), String> {
    let mut devices: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (position, event) in accepted {
        devices.entry(&position.0).or_default().push(expected(event));
    }
    let mut views = BTreeMap::new();
    for device in devices.keys() {
        views.insert(*device, reader.get(&format!("/api/v1/subjects/device/{device}")).await?);
    }
    let check = || {
        let feeds = Feeds::read(program, data)?;
        devices.iter().try_for_each(|(device, history)| {
            let key = format!("{}/device/{device}", reader.tenant.id);
            feeds.check(&key, history, views.get(device).unwrap_or(&Value::Null))
        })
    };
    let started = Instant::now();
    loop {
        match check() {
            Err(_) if started.elapsed() < WITHIN => tokio::time::sleep(LOOK).await,
            checked => return checked,
        }
    }
}

impl Feeds {
    fn read(program: &Path, data: &Path) -> Result<Self, String> {
        let read = |topic| consume(program, data, topic);
        Ok(Self {
            ordered: read("drover.ordered")?,
            settled: read("drover.settled")?,
            views: read("drover.views")?,
        })
    }

    /// Holds what consumers have of a subject against its history, `[observed_at, event_id, payload]` in order,
    /// and against its view as the API answers it.
    ///
    /// # Errors
    /// The mismatch, with both sides.
    pub fn check(&self, key: &str, history: &[Value], view: &Value) -> Result<(), String> {
        let of = |records: &[Value]| -> Vec<Value> {
            records.iter().filter(|record| text(record, "/key") == key).cloned().collect()
        };
        let time = |pointer: &str, value: &Value| Timestamp::parse_rfc3339(text(value, pointer));
        let settled_until = time("/settled_until", view);
        let settled = history.iter().filter(|event| time("/0", event) <= settled_until);
        let settled: Vec<&Value> = settled.collect();
        same(&format!("ordered {key}"), &json!(ordered(&of(&self.ordered))), &json!(history))?;
        same(&format!("settled {key}"), &json!(log(&of(&self.settled))), &json!(settled))?;
        let last = of(&self.views).last().and_then(|record| record.get("value").cloned());
        let mut view = view.clone();
        if let Some(view) = view.as_object_mut() {
            // A view that is out of date is not sent.
            view.insert("stale".to_owned(), json!(false));
        }
        same(&format!("views {key}"), &last.unwrap_or_default(), &view)
    }
}

/// The records of a topic, as the program prints them.
pub(super) fn consume(program: &Path, data: &Path, topic: &str) -> Result<Vec<Value>, String> {
    let mut command = Command::new(program);
    command.args(["consume", topic, "--json", "--data"]).arg(data);
    let output = command.output().map_err(|fault| format!("drover consume: {fault}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let record =
        |line: &str| serde_json::from_str(line).map_err(|fault| format!("{fault}: {line}"));
    text.lines().map(record).collect()
}

/// The history of a consumer that keeps a set sorted by `ce_sequence`.
pub fn ordered(records: &[Value]) -> Vec<Value> {
    let set: BTreeMap<&str, &Value> =
        records.iter().map(|record| (header(record, "ce_sequence"), record)).collect();
    set.into_values().map(shown).collect()
}

/// The history of a consumer that appends, and inserts only what a correction announces.
pub fn log(records: &[Value]) -> Vec<Value> {
    let mut log: Vec<(&str, &Value)> = Vec::new();
    let mut announced: Option<&str> = None;
    for record in records {
        if header(record, "ce_type") == "drover.correction" {
            announced = record.pointer("/value/from").and_then(Value::as_str);
            continue;
        }
        let sequence = header(record, "ce_sequence");
        let Err(at) = log.binary_search_by(|(known, _)| (*known).cmp(sequence)) else { continue };
        if at == log.len() || announced.is_some_and(|from| from <= sequence) {
            log.insert(at, (sequence, record));
        }
    }
    log.into_iter().map(|(_, record)| shown(record)).collect()
}

/// An event as a record has it: when it was observed, its id, and its payload.
fn shown(record: &Value) -> Value {
    let id = header(record, "ce_id").rsplit('/').next().unwrap_or_default();
    json!([header(record, "ce_time"), id, record.get("value")])
}

fn expected(event: &Drawn) -> Value {
    json!([rfc3339(event.position.1), event.position.2, { "value": event.value }])
}

fn header<'a>(record: &'a Value, name: &str) -> &'a str {
    text(record, &format!("/headers/{name}"))
}

fn text<'a>(record: &'a Value, pointer: &str) -> &'a str {
    record.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
