//! Runs and letters as text for people. Pure: no terminal, no clock.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use drover_core::replay::{Action, Phase};
use serde_json::Value;

use super::answer::{Letter, Letters, Next, OpenLetter, Run, View};
use super::difference::{Change, changes};
use crate::commands::text::{printable, table};

/// The maximum number of changed fields shown for a view.
const FIELDS: usize = 40;

/// A run: the outcomes of the letters, the changed subjects, and how to continue.
pub(super) fn run(run: &Run, tenant: Option<&str>) -> String {
    let mut out = format!("{}\n", headline(run));
    let pairs = [("started", &run.started_at)].into_iter();
    let pairs = pairs.chain(run.ended_at.as_ref().map(|ended_at| ("ended", ended_at)));
    // Writing to a String cannot fail, here and below.
    for (name, value) in pairs {
        let _ = writeln!(out, "  {name:<10} {}", printable(value));
    }
    let _ = writeln!(out, "  {:<10} {}", "by", printable(&run.by));
    let _ = writeln!(out, "  {:<10} {}", "examined", run.examined);
    if !run.outcomes.is_empty() {
        out.push('\n');
        let row = |(outcome, count): (&String, &u64)| [printable(outcome), count.to_string()];
        table(&mut out, ["outcome", "letters"], &run.outcomes.iter().map(row).collect::<Vec<_>>());
    }
    changed(&mut out, run);
    run.views.iter().for_each(|pair| view(&mut out, pair));
    if let Some(advice) = advice(run, tenant) {
        let _ = writeln!(out, "\n{advice}");
    }
    out
}

/// The newest runs, one line each.
pub(super) fn runs(runs: &[Run]) -> String {
    if runs.is_empty() {
        return "no runs\n".to_owned();
    }
    let row = |run: &Run| {
        [
            printable(&run.replay_id),
            what(run).to_owned(),
            phase(run.phase).to_owned(),
            printable(&run.started_at),
            printable(&run.by),
            run.examined.to_string(),
            printable(&counts(&run.outcomes)),
        ]
    };
    let mut out = String::new();
    let names = ["replay_id", "action", "phase", "started_at", "by", "examined", "outcomes"];
    table(&mut out, names, &runs.iter().map(row).collect::<Vec<_>>());
    out
}

/// The counts of the open letters, and one line for each listed letter.
pub(super) fn letters(list: &Letters) -> String {
    let bound = if list.complete { "" } else { " among the newest" };
    let mut out = format!("{} open{bound}\n", list.total);
    if !list.counts.is_empty() {
        out.push('\n');
        let row = |(code, count): (&String, &u64)| [printable(code), count.to_string()];
        table(&mut out, ["code", "open"], &list.counts.iter().map(row).collect::<Vec<_>>());
    }
    if !list.letters.is_empty() {
        out.push('\n');
        let names = ["id", "rejected_at", "state", "replays", "code", "source", "message"];
        table(&mut out, names, &list.letters.iter().map(letter_row).collect::<Vec<_>>());
    }
    if let Some(cursor) = &list.next_cursor {
        let _ = writeln!(out, "\nmore letters: --cursor {}", printable(cursor));
    }
    out
}

/// One letter with its content, as text if possible.
pub(super) fn letter(open: &OpenLetter) -> String {
    let line = &open.line;
    let mut out = format!("{}\n", printable(&line.id));
    let none = || "none".to_owned();
    let bytes = |base64: &Option<String>| base64.as_deref().map_or_else(none, content);
    let fields = [
        ("state", line.state.clone()),
        ("code", line.code.clone()),
        ("message", message(line)),
        ("contract", open.contract.clone().unwrap_or_else(none)),
        ("subject", open.subject.clone().unwrap_or_else(none)),
        ("source", source(&line.source)),
        ("ingested", open.ingested_at.clone()),
        ("rejected", line.rejected_at.clone()),
        ("replays", line.replay_count.to_string()),
        ("content", open.content.clone()),
        ("key", bytes(&open.key)),
        ("payload", bytes(&open.payload)),
    ];
    let headers =
        open.headers.iter().map(|(name, value)| ("header", format!("{name}: {}", content(value))));
    for (name, value) in fields.into_iter().chain(headers) {
        let _ = writeln!(out, "  {name:<10} {}", printable(&value));
    }
    out
}

/// The decoded text; if the bytes are not text, the base64.
fn content(base64: &str) -> String {
    let bytes = base64_simd::STANDARD.decode_to_vec(base64).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.unwrap_or_else(|| format!("{base64} (base64)"))
}

/// Counts on one line.
pub(super) fn counts(counts: &BTreeMap<String, u64>) -> String {
    let counts = counts.iter().map(|(name, count)| format!("{count} {name}"));
    counts.collect::<Vec<_>>().join(", ")
}

fn headline(run: &Run) -> String {
    let id = printable(&run.replay_id);
    let reason = run.reason.as_deref().map(printable);
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let nothing_written = if run.dry_run { ", nothing was written" } else { "" };
    format!("{} {id}: {}{reason}{nothing_written}", what(run), phase(run.phase))
}

fn what(run: &Run) -> &'static str {
    match (run.action, run.dry_run) {
        (Action::Replay, false) => "replay",
        (Action::Replay, true) => "dry run",
        (Action::Park, _) => "park",
    }
}

const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Running => "running",
        Phase::Paused => "paused",
        Phase::Done => "done",
        Phase::Cancelled => "cancelled",
    }
}

/// How a person continues a run that does not continue by itself.
fn advice(run: &Run, tenant: Option<&str>) -> Option<String> {
    if run.next() == Next::Done || run.phase != Phase::Paused {
        return None;
    }
    let tenant =
        tenant.map_or_else(String::new, |tenant| format!(" --tenant {}", printable(tenant)));
    Some(format!("continue with: drover replay resume {}{tenant}", printable(&run.replay_id)))
}

fn changed(out: &mut String, run: &Run) {
    if run.changed.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", if run.dry_run { "would change" } else { "changed" });
    for subject in &run.changed {
        let _ = writeln!(out, "  {}", printable(subject));
    }
}

fn view(out: &mut String, view: &View) {
    let View { subject, before: Some(before), after: Some(after), .. } = view else {
        return digests(out, view);
    };
    let new = if before.is_null() { " (new)" } else { "" };
    let _ = writeln!(out, "\n{}{new}", printable(subject));
    let changes = changes(before, after);
    if changes.is_empty() {
        out.push_str("  no changes\n");
    }
    for Change { path, before, after } in changes.iter().take(FIELDS) {
        let path = printable(path);
        let _ = match (before, after) {
            (Some(before), Some(after)) => {
                writeln!(out, "  ~ {path}: {} -> {}", json(before), json(after))
            }
            (None, Some(after)) => writeln!(out, "  + {path}: {}", json(after)),
            (Some(before), None) => writeln!(out, "  - {path}: {}", json(before)),
            (None, None) => Ok(()),
        };
    }
    if let Some(more) = changes.len().checked_sub(FIELDS + 1) {
        let _ = writeln!(out, "  and {} more", more + 1);
    }
}

/// The digests of views that another invocation read.
fn digests(out: &mut String, view: &View) {
    let digest = |digest: &Option<String>| digest.as_deref().map_or("none".to_owned(), printable);
    let (before, after) = (&view.before_digest, &view.after_digest);
    let differs = if before == after { "no changes" } else { "changed" };
    let _ = writeln!(out, "\n{} ({differs}; a run stores digests only)", printable(&view.subject));
    let _ = writeln!(out, "  before     {}\n  after      {}", digest(before), digest(after));
}

fn json(value: &Value) -> String {
    printable(&value.to_string())
}

fn letter_row(letter: &Letter) -> [String; 7] {
    [
        printable(&letter.id),
        printable(&letter.rejected_at),
        printable(&letter.state),
        letter.replay_count.to_string(),
        printable(&letter.code),
        printable(&source(&letter.source)),
        printable(&message(letter)),
    ]
}

fn message(letter: &Letter) -> String {
    let path = letter.path.as_deref().filter(|path| !path.is_empty());
    let at = path.map_or_else(String::new, |path| format!(" at {path}"));
    format!("{}{at}", letter.message)
}

/// The source of a letter's record, in a short form that still identifies it.
fn source(source: &Value) -> String {
    let kafka = || {
        let (topic, partition) = (text(source, "topic")?, text(source, "partition")?);
        Some(format!("{topic}-{partition}@{}", text(source, "offset")?))
    };
    let http = || Some(format!("{}#{}", text(source, "request_id")?, text(source, "index")?));
    let object = || Some(format!("s3://{}/{}", text(source, "bucket")?, text(source, "key")?));
    let message = || Some(format!("message {}", text(source, "message_id")?));
    let known = kafka().or_else(http).or_else(|| batch(source)).or_else(object).or_else(message);
    known.unwrap_or_else(|| source.to_string())
}

/// The first partition of a batch, and the number of further partitions.
fn batch(source: &Value) -> Option<String> {
    let partitions = source.get("partitions")?.as_array()?;
    let first = partitions.first()?;
    let (topic, partition) = (text(first, "topic")?, text(first, "partition")?);
    let place = format!("{topic}-{partition}@{}..{}", text(first, "first")?, text(first, "last")?);
    let more = partitions.len() - 1;
    Some(if more > 0 { format!("{place} and {more} more") } else { place })
}

fn text(value: &Value, name: &str) -> Option<String> {
    match value.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
