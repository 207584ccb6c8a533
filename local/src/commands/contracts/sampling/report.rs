//! The outcomes of a sample as text for people, or as JSON. Pure: no terminal, no clock.

use std::fmt::Write as _;
use std::sync::Arc;

use drover_event_log::TopicName;
use serde_json::{Value, json};

use super::tally::{Example, Group, Kind, Tally};
use crate::commands::contracts::render::located;
use crate::commands::text::table;

const COLUMNS: [&str; 6] = ["outcome", "count", "partition", "offset", "element", "reason"];

/// The outcomes of a sample.
pub(super) struct Report<'a> {
    pub(super) topic: &'a TopicName,
    /// The name of the contract; `None`: ingest writes the topic.
    pub(super) contract: &'a Option<Arc<str>>,
    pub(super) tally: Tally,
}

impl Report<'_> {
    /// The number of records, and a line for each outcome with the place of an example.
    pub(super) fn text(&self) -> String {
        let Self { topic, contract, tally } = self;
        let by = contract.as_deref().map_or_else(
            || "events that ingest wrote".to_owned(),
            |contract| format!("by the contract {contract}"),
        );
        let records = tally.records;
        let noun = if records == 1 { "record" } else { "records" };
        let mut text = format!("{topic}: {records} {noun}, {by}\n");
        // Writing to a String cannot fail.
        if !tally.complete {
            let _ = writeln!(text, "the time is over, further records were not read");
        }
        let rows: Vec<_> = tally.groups().map(row).collect();
        if !rows.is_empty() {
            table(&mut text, COLUMNS, &rows);
        }
        text
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Result<String, serde_json::Error> {
        let Self { topic, contract, tally } = self;
        let outcomes: Vec<Value> = tally.groups().map(|group| outcome(topic, group)).collect();
        let report = json!({
            "topic": topic.as_str(), "contract": contract.as_deref(),
            "records": tally.records, "complete": tally.complete,
            "accepted": tally.count(Kind::Accepted), "ignored": tally.count(Kind::Ignored),
            "rejected": tally.count(Kind::Rejected), "outcomes": outcomes,
        });
        let mut text = serde_json::to_string_pretty(&report)?;
        text.push('\n');
        Ok(text)
    }
}

fn row((kind, code, group): (Kind, Option<&'static str>, &Group)) -> [String; 6] {
    let Group { count, example: Example { partition, offset, element, rejection } } = group;
    let dash = || "-".to_owned();
    [
        code.unwrap_or(name(kind)).to_owned(),
        count.to_string(),
        partition.to_string(),
        offset.to_string(),
        element.map_or_else(dash, |element| element.to_string()),
        rejection.as_ref().map_or_else(dash, located),
    ]
}

fn outcome(topic: &TopicName, (kind, code, group): (Kind, Option<&'static str>, &Group)) -> Value {
    let Group { count, example: Example { partition, offset, element, rejection } } = group;
    let mut example = json!({ "topic": topic.as_str(), "partition": partition, "offset": offset });
    if let Some(members) = example.as_object_mut() {
        members.extend(element.map(|element| ("element".to_owned(), json!(element))));
        if let Some(rejection) = rejection {
            members.extend(rejection.path.iter().map(|path| ("path".to_owned(), json!(path))));
            members.insert("message".to_owned(), json!(rejection.message));
        }
    }
    let mut outcome = json!({ "outcome": name(kind), "count": count, "example": example });
    if let Some(members) = outcome.as_object_mut() {
        members.extend(code.map(|code| ("code".to_owned(), json!(code))));
    }
    outcome
}

const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Accepted => "accepted",
        Kind::Ignored => "ignored",
        Kind::Rejected => "rejected",
    }
}
