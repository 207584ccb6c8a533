//! The texts for people.

use serde_json::json;

use super::super::answer::tests::run as read_run;
use super::super::answer::{Answer, Letters};
use super::*;

fn read_letters(answer: &Value) -> Letters {
    match Answer::read(answer.to_string().as_bytes()).unwrap() {
        Answer::Letters(letters) => letters,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_shows_the_outcomes_of_its_letters_and_the_changed_subjects() {
    let expected = "\
replay 0190: done
  started    2026-01-01T00:00:00.000Z
  ended      2026-01-01T00:00:01.000Z
  by         ann@cli
  examined   5

  outcome         letters
  applied         3
  unknown_tenant  2

changed
  device/d-1
";
    assert_eq!(run(&read_run(json!({})), None), expected);
}

#[test]
fn a_paused_run_says_how_to_continue() {
    let paused = json!({
        "phase": "paused", "reason": "unavailable: the table does not answer", "ended_at": null,
    });
    let text = run(&read_run(paused.clone()), Some("newco"));
    assert!(
        text.starts_with("replay 0190: paused (unavailable: the table does not answer)\n"),
        "{text}"
    );
    let advice = "\ncontinue with: drover replay resume 0190 --tenant newco\n";
    assert!(text.ends_with(advice), "{text}");
    let text = run(&read_run(paused), None);
    assert!(text.ends_with("\ncontinue with: drover replay resume 0190\n"), "{text}");
    let cancelled = run(&read_run(json!({ "phase": "cancelled" })), None);
    assert!(!cancelled.contains("resume"), "{cancelled}");
}

#[test]
fn a_dry_run_says_that_nothing_was_written_and_shows_views_as_differences() {
    let before = json!({ "event_count": 1, "status": { "value": "idle" } });
    let after = json!({ "event_count": 2, "status": { "value": "idle" }, "epoch": 1 });
    let text = run(
        &read_run(json!({
            "dry_run": true,
            "views": [
                { "subject": "device/d-1", "before_digest": "b1", "after_digest": "a1", "before": before, "after": after },
                { "subject": "device/d-2", "before_digest": null, "after_digest": "a2", "before": null, "after": { "event_count": 1 } },
                { "subject": "device/d-3", "before_digest": "b1", "after_digest": "b1", "before": before, "after": before },
            ],
        })),
        None,
    );
    assert!(text.starts_with("dry run 0190: done, nothing was written\n"), "{text}");
    let expected = "
would change
  device/d-1

device/d-1
  + /epoch: 1
  ~ /event_count: 1 -> 2

device/d-2 (new)
  + /event_count: 1

device/d-3
  no changes
";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn views_of_another_invocation_are_shown_as_digests() {
    let text = run(
        &read_run(json!({ "views": [
            { "subject": "device/d-1", "before_digest": null, "after_digest": "a1" },
            { "subject": "device/d-2", "before_digest": "a2", "after_digest": "a2" },
        ] })),
        None,
    );
    assert!(text.contains("\ndevice/d-1 (changed; a run stores digests only)\n"), "{text}");
    assert!(text.contains("  before     none\n  after      a1\n"), "{text}");
    assert!(text.contains("\ndevice/d-2 (no changes; a run stores digests only)\n"), "{text}");
}

#[test]
fn a_large_difference_shows_the_first_fields_and_counts_the_rest() {
    let after: BTreeMap<String, u32> =
        (0..FIELDS + 3).map(|field| (format!("f{field:03}"), 1)).collect();
    let text = run(
        &read_run(
            json!({ "views": [{ "subject": "device/d-1", "before_digest": null, "after_digest": "a1", "before": null, "after": after }] }),
        ),
        None,
    );
    assert_eq!(text.matches("  + /f").count(), FIELDS, "{text}");
    assert!(text.ends_with("  and 3 more\n"), "{text}");
}

#[test]
fn every_run_is_one_line() {
    let dry = json!({ "replay_id": "0191", "dry_run": true, "phase": "paused" });
    let text = runs(&[read_run(dry), read_run(json!({}))]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[1].starts_with("  0191       dry run  paused  "), "{text}");
    assert!(lines[2].ends_with("  ann@cli  5         3 applied, 2 unknown_tenant"), "{text}");
    assert_eq!(runs(&[]), "no runs\n");
}

#[test]
fn letters_are_counted_and_listed_with_their_source() {
    let letter = |source: Value, path: Value, message: &str| {
        json!({
            "id": "0190", "code": "missing_field", "path": path, "message": message,
            "contract": null, "source": source, "ingested_at": "2026-01-01T00:00:00.000Z",
            "rejected_at": "2026-01-01T00:00:01.000Z", "replay_count": 1, "state": "open",
        })
    };
    let kafka = json!({ "kind": "kafka", "topic": "t", "partition": 1, "offset": 7 });
    let http = json!({ "kind": "http", "request_id": "r", "index": 2 });
    let answer = json!({
        "total": 9, "complete": true, "counts": { "missing_field": 9 }, "next_cursor": "0189",
        "letters": [
            letter(kafka, json!("/timestamp"), "no such field"),
            letter(http, Value::Null, "\u{1b}[2J"),
            letter(json!({ "kind": "message" }), Value::Null, "none"),
        ],
    });
    let expected = "\
9 open

  code           open
  missing_field  9

  id    rejected_at               state  replays  code           source              message
  0190  2026-01-01T00:00:01.000Z  open   1        missing_field  t-1@7               no such field at /timestamp
  0190  2026-01-01T00:00:01.000Z  open   1        missing_field  r#2                 \u{fffd}[2J
  0190  2026-01-01T00:00:01.000Z  open   1        missing_field  {\"kind\":\"message\"}  none

more letters: --cursor 0189
";
    assert_eq!(letters(&read_letters(&answer)), expected);
}

#[test]
fn incomplete_counts_are_marked() {
    let answer = json!({
        "total": 10_000, "complete": false, "counts": {}, "letters": [], "next_cursor": null,
    });
    assert_eq!(letters(&read_letters(&answer)), "10000 open among the newest\n");
}

#[test]
fn a_letter_shows_its_content_as_text_if_possible() {
    let answer = json!({
        "id": "0190", "code": "missing_field", "path": null, "message": "no such field",
        "contract": "telemetry", "subject": null, "source": { "topic": "t", "partition": 1, "offset": 7 },
        "ingested_at": "2026-01-01T00:00:00.000Z", "rejected_at": "2026-01-01T00:00:01.000Z",
        "replay_count": 1, "state": "open", "filed_at": "2026-01-01T00:00:02.000Z", "trace": null,
        "tried": null, "content": "whole", "key": null, "payload": "e30=",
        "headers": [["tenant", "bmV3Y28="], ["odd", "/w=="]],
    });
    let text = match Answer::read(answer.to_string().as_bytes()).unwrap() {
        Answer::Letter(open) => letter(&open),
        other => panic!("{other:?}"),
    };
    let lines: Vec<&str> = text.lines().collect();
    for expected in [
        "  source     t-1@7",
        "  key        none",
        "  payload    {}",
        "  header     tenant: newco",
        "  header     odd: /w== (base64)",
    ] {
        assert!(lines.contains(&expected), "{expected}: {text}");
    }
}

#[test]
fn the_source_of_a_letter_is_short_for_every_kind() {
    let partition = json!({"topic": "telemetry", "partition": 1, "first": 5, "last": 9});
    for (source_of, expected) in [
        (json!({"kind": "kafka", "topic": "t", "partition": 0, "offset": 7}), "t-0@7"),
        (json!({"kind": "http", "request_id": "r", "index": 2}), "r#2"),
        (json!({"kind": "batch", "condition": "c", "partitions": [partition]}), "telemetry-1@5..9"),
        (
            json!({"kind": "batch", "condition": "c", "partitions": [partition, partition]}),
            "telemetry-1@5..9 and 1 more",
        ),
        (json!({"kind": "object", "bucket": "b", "key": "k"}), "s3://b/k"),
        (json!({"kind": "message", "message_id": "m"}), "message m"),
        (json!({"kind": "other"}), r#"{"kind":"other"}"#),
    ] {
        assert_eq!(source(&source_of), expected);
    }
}
