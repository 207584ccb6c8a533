//! Tried records as text for people. Pure: no terminal, no clock.

use std::fmt::Write as _;

use drover_core::base::error::Rejection;
use drover_core::intake::trial::{Trial, TrialOutcome, TriedEvent};

use super::tried::Tried;
use crate::commands::text::{printable, table};

/// The maximum characters of a payload on a line.
const PAYLOAD_CHARACTERS: usize = 80;
const COLUMNS: [&str; 8] =
    ["element", "subject", "observed_at", "sequence", "event_id", "type", "reads", "payload"];

/// For each record a table of its events, then a line for each rejection.
pub(super) fn text(tried: &[Tried]) -> String {
    let mut out = String::new();
    for record in tried {
        if !out.is_empty() {
            out.push('\n');
        }
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", printable(&record.file));
        record_lines(&mut out, &record.trials);
    }
    out
}

fn record_lines(out: &mut String, trials: &[Trial]) {
    let rows: Vec<_> = trials.iter().filter_map(row).collect();
    if !rows.is_empty() {
        table(out, COLUMNS, &rows);
    }
    for trial in trials {
        let _ = match &trial.outcome {
            TrialOutcome::Accepted(_) => Ok(()),
            TrialOutcome::Ignored => writeln!(out, "  ignored: {}", place(trial.element)),
            TrialOutcome::Rejected { rejection, .. } => {
                writeln!(out, "  rejected: {}: {}", place(trial.element), reason(rejection))
            }
        };
    }
}

fn place(element: Option<u32>) -> String {
    element.map_or_else(|| "the record".to_owned(), |number| format!("element {number}"))
}

/// `schema_violation at /a/b: the message`.
pub(in crate::commands) fn reason(rejection: &Rejection) -> String {
    let separator = if path(rejection).is_some() { " " } else { ": " };
    format!("{}{separator}{}", rejection.code, located(rejection))
}

/// `at /a/b: the message`, or the message alone.
pub(super) fn located(rejection: &Rejection) -> String {
    let message = printable(&rejection.message);
    path(rejection)
        .map_or_else(|| message.clone(), |path| format!("at {}: {message}", printable(path)))
}

fn path(rejection: &Rejection) -> Option<&str> {
    rejection.path.as_deref().filter(|path| !path.is_empty())
}

fn row(trial: &Trial) -> Option<[String; 8]> {
    let tried = match &trial.outcome {
        TrialOutcome::Accepted(event) => event,
        TrialOutcome::Rejected { event, .. } => event.as_ref()?,
        TrialOutcome::Ignored => return None,
    };
    let entry = &tried.event.entry;
    Some([
        trial.element.map_or_else(|| "-".to_owned(), |number| number.to_string()),
        printable(&tried.event.subject.subject().to_string()),
        entry.position.observed_at.to_string(),
        entry.position.sequence.to_string(),
        printable(entry.position.event_id.as_str()),
        printable(&entry.event_type),
        reads(tried),
        shortened(&entry.payload),
    ])
}

/// `temperature=21.5 celsius, status=on, location=52.5,13.4, skipped: level`, or `-`.
fn reads(tried: &TriedEvent) -> String {
    let measures = tried.measures.iter().map(|measure| match &measure.unit {
        Some(unit) => format!("{}={} {}", measure.name, measure.value, printable(unit)),
        None => format!("{}={}", measure.name, measure.value),
    });
    let status = tried.status.iter().map(|status| format!("status={}", printable(status)));
    let location = tried
        .location
        .iter()
        .map(|(latitude, longitude)| format!("location={latitude},{longitude}"));
    let skipped = tried.event.skipped.iter().map(|name| format!("skipped: {name}"));
    let all: Vec<String> = measures.chain(status).chain(location).chain(skipped).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}

fn shortened(payload: &str) -> String {
    let mut text = printable(payload);
    if let Some((end, _)) = text.char_indices().nth(PAYLOAD_CHARACTERS) {
        text.truncate(end);
        text.push('…');
    }
    text
}
