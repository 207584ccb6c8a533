//! Episodes as text for people, and as JSON for programs. Pure: no terminal, no clock.

use std::fmt::Write as _;

use drover_core::base::severity::Severity;
use drover_core::base::time::Timestamp;
use drover_core::intake::rules::Facts;
use drover_core::view::rules::{Episode, Value};
use serde_json::json;

use super::found::{Found, Subject};
use crate::commands::text::{printable, table};

const COLUMNS: [&str; 7] = ["rule", "severity", "opened", "closed", "why", "value", "summary"];

/// One row for each episode.
struct Row {
    rule: String,
    severity: Severity,
    opened: Timestamp,
    closed: Option<Timestamp>,
    why: &'static str,
    value: Option<Value>,
    summary: String,
}

/// For each subject a table of its episodes, then a line for each rejection.
pub(super) fn text(found: &Found) -> String {
    let mut out = String::new();
    for subject in &found.subjects {
        // Writing to a String cannot fail.
        let id = printable(&subject.id.to_string());
        let (events, rows) = (subject.events, rows(found, subject));
        let _ = writeln!(out, "{id}  {}", counted(events, "event"));
        if rows.is_empty() {
            out.push_str("  no episodes\n");
        } else {
            table(&mut out, COLUMNS, &rows.iter().map(Row::cells).collect::<Vec<_>>());
        }
    }
    for (count, what) in [(found.ignored, "ignored record"), (found.duplicates, "duplicate")] {
        if count > 0 {
            let _ = writeln!(out, "{}", counted(count, what));
        }
    }
    for line in &found.rejected {
        let _ = writeln!(out, "rejected: {line}");
    }
    if out.is_empty() {
        out.push_str("no records\n");
    }
    out
}

/// `{"subjects":[{"subject","events","episodes":[…]}],"ignored","duplicates","rejected":[…]}`.
pub(super) fn json(found: &Found) -> Result<String, serde_json::Error> {
    let subjects = found.subjects.iter().map(|subject| {
        let episodes: Vec<_> = rows(found, subject).iter().map(Row::to_json).collect();
        json!({"subject": subject.id.to_string(), "events": subject.events, "episodes": episodes})
    });
    let answer = json!({
        "subjects": subjects.collect::<Vec<_>>(),
        "ignored": found.ignored,
        "duplicates": found.duplicates,
        "rejected": found.rejected,
    });
    Ok(serde_json::to_string_pretty(&answer)? + "\n")
}

/// The episodes, and the silence that begins after the last event if nothing follows.
fn rows(found: &Found, subject: &Subject) -> Vec<Row> {
    let episodes = subject.episodes.iter().map(|episode| row(found, subject, episode));
    let silent = subject.silent.iter().map(|(rule, from)| {
        let severity = severity_of(found, rule);
        let summary = summary(found, subject, rule, (severity, None, *from));
        Row {
            rule: rule.to_string(),
            severity,
            opened: *from,
            closed: None,
            why: "if nothing follows",
            value: None,
            summary,
        }
    });
    episodes.chain(silent).collect()
}

fn row(found: &Found, subject: &Subject, episode: &Episode) -> Row {
    let Episode { rule, version: _, opened, closed, severity, value } = episode;
    let shown = (*severity, value.as_ref(), opened.at);
    Row {
        rule: rule.to_string(),
        severity: *severity,
        opened: opened.at,
        closed: closed.as_ref().map(|(moment, _)| moment.at),
        why: closed.as_ref().map_or("open", |(_, ending)| ending.as_str()),
        value: value.clone(),
        summary: summary(found, subject, rule, shown),
    }
}

fn severity_of(found: &Found, rule: &str) -> Severity {
    found.rules.rule(rule).map_or_else(Severity::default, |(_, meaning)| meaning.severity())
}

fn summary(
    found: &Found,
    subject: &Subject,
    rule: &str,
    (severity, value, opened): (Severity, Option<&Value>, Timestamp),
) -> String {
    let Some((document, meaning)) = found.rules.rule(rule) else { return String::new() };
    let declared = found.contracts.get(&document.contract);
    let measures = declared.map(|declared| declared.spec.measures.as_slice()).unwrap_or_default();
    let measure = document.measure.as_deref();
    let of_contract = measures.iter().find(|one| Some(&*one.name) == measure);
    let unit = document.unit.as_deref().or(of_contract.and_then(|one| one.unit.as_deref()));
    meaning.summary.line(&Facts {
        tenant: found.rules.tenant.as_str(),
        subject: (subject.id.kind().as_str(), subject.id.id()),
        rule,
        measure,
        value,
        unit: unit.filter(|_| value.is_some()),
        severity,
        opened_at: &opened.to_string(),
    })
}

impl Row {
    fn cells(&self) -> [String; 7] {
        let dash = || "-".to_owned();
        [
            self.rule.clone(),
            self.severity.as_str().to_owned(),
            self.opened.to_string(),
            self.closed.map_or_else(dash, |closed| closed.to_string()),
            self.why.to_owned(),
            self.value.as_ref().map_or_else(dash, shown),
            printable(&self.summary),
        ]
    }

    fn to_json(&self) -> serde_json::Value {
        let value = self.value.as_ref().map(|value| match value {
            Value::Number(number) => json!(number),
            Value::Text(text) => json!(text),
        });
        json!({
            "rule": self.rule, "severity": self.severity, "opened_at": self.opened,
            "closed_at": self.closed, "why": self.why, "value": value, "summary": self.summary,
        })
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => printable(text),
    }
}

/// `1 event`, `2 events`.
fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
