//! Envelopes read back as they were written, and what ingest never writes.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::intake::contract::sample::{compiled, record, scope};

fn event(value: &Value) -> Event {
    let contract = compiled("telemetry");
    contract
        .read(&record(&value.to_string(), &[]).parsed(), &scope())
        .expect("read")
        .expect("an event")
}

fn reread(event: &Event) -> Event {
    let bytes = write(event).expect("an envelope");
    let mut record = record("", &[]);
    record.value = Some(bytes);
    read(&record.parsed(), &scope()).expect("an event")
}

fn refuses(changes: &Value, code: Code, path: Option<&str>) {
    let mut value = json!({"v": 1, "tenant": "demo", "contract": "telemetry", "kind": "device",
        "id": "d", "event_id": "e", "type": "custom", "observed_at": "2026-11-21T06:00:00Z",
        "ingested_at": "2026-11-21T07:00:00Z", "payload": {}});
    for (name, change) in changes.as_object().expect("an object") {
        value[name] = change.clone();
    }
    let record = record(&value.to_string(), &[]);
    let rejection = read(&record.parsed(), &scope()).expect_err("a rejection");
    assert_eq!((rejection.code, rejection.path.as_deref()), (code, path), "{changes}");
}

#[test]
fn an_envelope_is_written_as_the_design_has_it() {
    let event = event(&json!({"device_id": "d/1", "event_type": "custom", "event_id": "e",
        "payload": {"b": 2, "a": 9_007_199_254_740_993_u64}, "timestamp": "2026-11-21T06:00:00Z"}));
    let bytes = write(&event).expect("an envelope");
    assert_eq!(
        String::from_utf8(bytes).expect("UTF-8"),
        r#"{"v":1,"tenant":"demo","contract":"telemetry","kind":"device","id":"d/1","event_id":"e","type":"custom","observed_at":"2026-11-21T06:00:00.000Z","ingested_at":"2026-11-21T07:00:00.000Z","payload":{"a":9007199254740993,"b":2}}"#
    );
}

#[test]
fn an_envelope_says_that_its_id_is_the_digest_of_the_record() {
    let event = event(&json!({"device_id": "d", "event_type": "custom", "payload": {},
        "timestamp": "2026-11-21T06:00:00Z"}));
    assert_eq!(event.entry.id_origin, IdOrigin::Record);
    let bytes = write(&event).expect("an envelope");
    assert!(String::from_utf8(bytes).expect("UTF-8").contains(r#","id_origin":"record","#));
    assert_eq!(reread(&event), event);
}

#[test]
fn an_envelope_that_ingest_never_writes_is_refused() {
    refuses(&json!({"v": 2}), Code::SchemaViolation, Some("/v"));
    refuses(&json!({"tenant": "acme"}), Code::TenantMismatch, Some("/tenant"));
    refuses(&json!({"tenant": 7}), Code::SchemaViolation, Some("/tenant"));
    refuses(&json!({"kind": "Device"}), Code::InvalidId, Some("/kind"));
    refuses(&json!({"id": ""}), Code::InvalidId, Some("/id"));
    refuses(&json!({"event_id": "\n"}), Code::InvalidId, Some("/event_id"));
    refuses(&json!({"sequence": -1}), Code::SchemaViolation, Some("/sequence"));
    let digest = "0123456789abcdef0123456789abcdef";
    refuses(&json!({"id_origin": "record"}), Code::SchemaViolation, Some("/id_origin"));
    let other = json!({"id_origin": "other", "event_id": digest});
    refuses(&other, Code::SchemaViolation, Some("/id_origin"));
    let upper = json!({"id_origin": "record", "event_id": digest.to_uppercase()});
    refuses(&upper, Code::SchemaViolation, Some("/id_origin"));
    refuses(&json!({"type": ""}), Code::SchemaViolation, Some("/type"));
    refuses(&json!({"observed_at": "now"}), Code::InvalidTimestamp, Some("/observed_at"));
    let empty = record("{}", &[]);
    let rejection = read(&empty.parsed(), &scope()).expect_err("a rejection");
    assert_eq!((rejection.code, rejection.path.as_deref()), (Code::MissingField, Some("/v")));
}

#[test]
fn the_largest_event_that_a_contract_takes_fits_its_envelope() {
    let (id, event_id) = ("i\"".repeat(256), "e\"".repeat(128));
    let value = |fill: usize| {
        json!({"device_id": id, "event_type": format!("custom:{}", "t".repeat(100)), "event_id": event_id,
            "payload": {"x": "y".repeat(fill)}, "timestamp": "2026-11-21T06:00:00.000001Z"})
    };
    let around = value(0).to_string().len();
    let event = event(&value(limits::RECORD_BYTES - around));
    assert_eq!(reread(&event), event);
}

#[test]
fn a_sequence_survives_its_envelope() {
    let value = json!({"tenant_id": "demo", "asset_id": "A", "driver_id": 1, "driver_name": null,
        "timestamp": "2026-11-21T06:00:00Z", "location": {"latitude": 1, "longitude": 2},
        "status": "on", "additional_data": null});
    let event = compiled("heartbeat").read(&record(&value.to_string(), &[]).parsed(), &scope());
    let event = event.expect("read").expect("an event");
    assert_eq!(event.entry.position.sequence, 7);
    assert_eq!(reread(&event), event);
}

proptest! {
    #[test]
    fn a_number_of_any_length_survives_its_envelope(
        number in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?",
    ) {
        let text = format!(
            r#"{{"device_id":"d","event_type":"custom","payload":{{"a":{number},"b":[{number}]}},"timestamp":"2026-11-21T06:00:00Z"}}"#
        );
        let event = compiled("telemetry").read(&record(&text, &[]).parsed(), &scope());
        let event = event.expect("read").expect("an event");
        prop_assert_eq!(reread(&event), event);
    }

    #[test]
    fn an_event_survives_its_envelope(
        id in "[A-Za-z0-9/_.-]{1,20}",
        event_id in prop::option::of("[!-~]{1,40}"),
        micros in 0i64..2_000_000_000_000_000,
        note in any::<String>(),
        value in any::<i64>(),
    ) {
        let time = Timestamp::from_micros(micros).expect("in range");
        let event = event(&json!({"device_id": id, "event_type": "custom", "event_id": event_id,
            "payload": {"note": note, "value": value}, "timestamp": time}));
        prop_assert_eq!(reread(&event), event);
    }
}
