//! The bytes of records.

use serde_json::{Value, json};

use super::*;
use crate::base::id::{EventId, Position, SubjectId, TenantId};
use crate::base::scope::TenantScope;
use crate::event::{IdOrigin, Placing};
use crate::outputs::changes::Cause;

const COMMIT: CommitId = CommitId { era: 1, version: 42 };

fn origin(subject: &str) -> Origin {
    let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
    Origin::at(&scope.subject(SubjectId::parse(subject).expect("a subject")), COMMIT, 3)
}

fn entry(arrival: Arrival) -> Entry {
    let at = |text| Timestamp::parse_rfc3339(text).expect("a time");
    let event_id = EventId::parse("e-1").expect("an id");
    Entry {
        position: Position { observed_at: at("2026-11-21T06:00:00Z"), sequence: 7, event_id },
        id_origin: IdOrigin::Given,
        event_type: "temperature".into(),
        contract: "telemetry".into(),
        contract_version: 2,
        ingested_at: at("2026-11-21T06:00:01.5Z"),
        payload: r#"{"value":21.50}"#.into(),
        placing: Placing { arrival, epoch: 0 },
    }
}

fn headers(record: &FeedRecord) -> Vec<(String, String)> {
    let text = |(name, value)| (name, String::from_utf8(value).expect("UTF-8"));
    record.headers().into_iter().map(text).collect()
}

fn structured(record: &FeedRecord) -> Value {
    serde_json::from_str(&record.structured().expect("JSON")).expect("JSON")
}

const POSITION: &str = "2026-11-21T06:00:00.000000Z/00000000000000000007/e-1";

#[test]
fn an_event_is_a_cloud_event_in_binary_mode() {
    let record = origin("device/d-1").ordered(&entry(Arrival::Late));
    assert_eq!((record.feed, record.key.as_str()), (Feed::Ordered, "demo/device/d-1"));
    assert_eq!(record.data.as_deref(), Some(r#"{"value":21.50}"#));
    let expected = [
        ("ce_specversion", "1.0"),
        ("ce_id", POSITION),
        ("ce_source", "/drover/demo/device/d-1"),
        ("ce_type", "temperature"),
        ("ce_drovercommit", "1.42"),
        ("ce_droverepoch", "3"),
        ("ce_time", "2026-11-21T06:00:00.000Z"),
        ("ce_recordedtime", "2026-11-21T06:00:01.500Z"),
        ("ce_sequence", POSITION),
        ("ce_droverplaced", "inserted"),
        ("content-type", "application/json"),
    ];
    assert_eq!(headers(&record), expected.map(|(name, text)| (name.into(), text.into())));
}

#[test]
fn an_event_is_a_cloud_event_as_json_and_keeps_its_numbers() {
    let record = origin("device/d-1").settled(&entry(Arrival::InOrder));
    let text = record.structured().expect("JSON");
    assert!(text.ends_with(r#""datacontenttype":"application/json","data":{"value":21.50}}"#));
    let json = structured(&record);
    assert_eq!(json["specversion"], "1.0");
    assert_eq!(
        (&json["id"], &json["time"]),
        (&json!(POSITION), &json!("2026-11-21T06:00:00.000Z"))
    );
    assert_eq!(json.get("droverplaced"), None);
    let names = record.attributes.iter();
    assert!(names.clone().all(|(name, _)| name.bytes().all(|one| one.is_ascii_lowercase())));
}

#[test]
fn where_an_event_was_placed_is_said_by_the_entry_whichever_commit_sends_it() {
    for (arrival, placed) in
        [(Arrival::InOrder, "appended"), (Arrival::Late, "inserted"), (Arrival::Correction, "deep")]
    {
        let record = origin("device/d-1").ordered(&entry(arrival));
        assert_eq!(record.attribute("droverplaced"), Some(placed));
    }
}

#[test]
fn ids_of_subjects_are_percent_encoded_in_the_source_and_not_in_the_key() {
    let record = origin("device/a/b %#ü~").settled(&entry(Arrival::InOrder));
    assert_eq!(record.attribute("source"), Some("/drover/demo/device/a%2Fb%20%25%23%C3%BC~"));
    assert_eq!(record.key, "demo/device/a/b %#ü~");
}

#[test]
fn a_correction_names_its_commit_and_where_it_begins() {
    let from = Some(entry(Arrival::Correction).position);
    let record =
        origin("device/d-1").correction(&Correction { epoch: 3, from, cause: Cause::Late });
    assert_eq!(record.feed, Feed::Settled);
    assert_eq!(record.attribute("id"), Some("c1.42"));
    assert_eq!(record.attribute("type"), Some("drover.correction"));
    let json = structured(&record);
    assert_eq!(json["data"], json!({"epoch": 3, "from": POSITION, "cause": "late"}));
    let forgotten = Correction { epoch: 4, from: None, cause: Cause::Forgotten };
    let json = structured(&origin("device/d-1").correction(&forgotten));
    assert_eq!(json["data"], json!({"epoch": 4, "from": null, "cause": "forgotten"}));
}

#[test]
fn a_view_has_a_version_that_sorts_and_is_null_once_the_subject_is_forgotten() {
    let record = origin("device/d-1").view(Some("{}".into()));
    assert_eq!(record.attribute("id"), Some("v1.42"));
    let sequence = "00000000000000000001.00000000000000000042";
    assert_eq!(record.attribute("sequence"), Some(sequence));
    let gone = origin("device/d-1").view(None);
    assert_eq!(gone.data, None);
    assert!(headers(&gone).iter().all(|(name, _)| name != "content-type"));
    assert_eq!(structured(&gone)["data"], Value::Null);
}
