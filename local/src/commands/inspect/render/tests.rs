//! The output for one subject, for people and for programs.

use std::sync::Arc;

use drover_core::base::id::{EventId, SubjectId, TenantId};
use drover_core::base::scope::TenantScope;
use drover_core::event::IdOrigin;
use drover_core::view::View;
use serde_json::{Value, json};

use drover_core::ledger::read::Snapshot;

use super::*;

fn entry(second: i64, payload: &str) -> Arc<Entry> {
    let at = |second: i64| Timestamp::from_millis(second * 1_000).unwrap();
    Arc::new(Entry {
        position: Position {
            observed_at: at(second),
            sequence: 0,
            event_id: EventId::parse(&format!("e-{second}")).unwrap(),
        },
        id_origin: IdOrigin::Given,
        event_type: Arc::from("temperature"),
        contract: Arc::from("telemetry"),
        contract_version: 0,
        ingested_at: at(second + 1),
        payload: Arc::from(payload),
    })
}

/// One page of two entries and a tail of one.
fn subject() -> (SubjectKey, Inspected) {
    let key = TenantScope::by_operator(TenantId::parse("demo").unwrap())
        .subject(SubjectId::parse("device/d-1").unwrap());
    let page = Page {
        version: 2,
        previous: None,
        opening: View::default(),
        entries: vec![entry(1, "{}"), entry(2, r#"{"n":12345678901234567890}"#)],
    };
    let head = Head {
        version: 3,
        watermark: Some(Timestamp::from_millis(100_000).unwrap()),
        sealed: page.key().cloned(),
        tail: vec![entry(100, &format!("{{\"note\":\"\u{9b}{}\"}}", "é".repeat(90)))],
        ..Head::default()
    };
    (key, Inspected { snapshot: Snapshot { head, pages: vec![page] }, lateness_seconds: 60 })
}

#[test]
fn people_see_head_pages_and_the_newest_entries() {
    let (key, inspected) = subject();
    let shown = text(&key, &inspected, 2);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], "demo device/d-1");
    assert!(shown.contains("  version        3\n"), "{shown}");
    assert!(shown.contains("  settled until  1970-01-01T00:00:40.000Z\n"), "{shown}");
    assert!(shown.contains("  sealed         1970-01-01T00:00:02.000Z e-2\n"), "{shown}");
    assert!(shown.contains("  repair         none\n"), "{shown}");
    assert!(shown.contains("  1970-01-01T00:00:02.000Z e-2  2        "), "{shown}");
    assert!(!shown.contains("e-1 "), "{shown}");
    assert!(shown.ends_with("(1 earlier entries, --limit shows more)\n"), "{shown}");
}

#[test]
fn a_payload_is_cut_to_a_line_and_cannot_control_the_terminal() {
    let (key, inspected) = subject();
    let shown = text(&key, &inspected, 1);
    let line = shown.lines().find(|line| line.contains(" e-100 ")).unwrap();
    assert!(line.ends_with("é…"), "{line}");
    assert!(line.contains("{\"note\":\"\u{fffd}é"), "{line}");
}

#[test]
fn programs_get_whole_payloads_with_every_digit() {
    let (key, inspected) = subject();
    let shown = json(&key, &inspected, 50).unwrap();
    assert!(shown.contains("12345678901234567890"), "{shown}");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["entry_count"], 3);
    assert_eq!(shown["entries"][0]["event_id"], "e-1");
    assert_eq!(shown["entries"][0]["ingested_at"], "1970-01-01T00:00:02.000Z");
    assert_eq!(shown["head"]["repair_after"], Value::Null);
    let key =
        json!({ "observed_at": "1970-01-01T00:00:02.000Z", "sequence": 0, "event_id": "e-2" });
    assert_eq!(shown["pages"][0]["key"], key);
    assert_eq!(shown["pages"][0]["entries"], 2);
}

#[test]
fn a_subject_without_pages_has_no_table_of_pages() {
    let (key, mut inspected) = subject();
    inspected.snapshot.pages.clear();
    assert!(!text(&key, &inspected, 50).contains("page up to"));
}
