//! What each built-in contract makes of good and bad records.

use serde_json::{Value, json};

use super::sample::{compiled, record, scope};
use super::*;
use crate::base::time::Timestamp;
use crate::event::IdOrigin;

type Headers<'a> = &'a [(&'a str, &'a [u8])];

/// A good record, as `kind/id type time id-or-origin`.
fn reads(contract: &str, value: &Value, headers: Headers<'_>, expected: &str) {
    let record = record(&value.to_string(), headers);
    let event = compiled(contract).read(&record.parsed(), &scope());
    let event = event.unwrap_or_else(|rejection| panic!("{value}: {rejection:?}"));
    let event = event.expect("no record is ignored");
    let entry = &event.entry;
    let id = match entry.id_origin {
        IdOrigin::Record if entry.position.event_id == record.source.event_id(None) => "place",
        IdOrigin::Record => "record",
        IdOrigin::Given => entry.position.event_id.as_str(),
    };
    let (subject, at) = (event.subject.subject(), entry.position.observed_at);
    assert_eq!(format!("{subject} {} {at} {id}", entry.event_type), expected, "{value}");
    assert_eq!(&*entry.contract, contract);
}

fn payload(contract: &str, value: &Value, headers: Headers<'_>, expected: &Value) {
    let record = record(&value.to_string(), headers);
    let event =
        compiled(contract).read(&record.parsed(), &scope()).expect("read").expect("an event");
    let found: Value = serde_json::from_str(&event.entry.payload).expect("JSON");
    assert_eq!(found, *expected);
}

fn refuses(contract: &str, value: &Value, headers: Headers<'_>, code: Code, path: Option<&str>) {
    let record = record(&value.to_string(), headers);
    let rejection = compiled(contract).read(&record.parsed(), &scope()).expect_err("a rejection");
    let found = (rejection.code, rejection.path.as_deref());
    assert_eq!(found, (code, path), "{value}: {rejection}");
    assert!(!rejection.message.contains("secret"), "{rejection}");
}

/// `base` with some fields replaced; a null removes one.
fn with(base: &Value, changes: Value) -> Value {
    let mut value = base.clone();
    for (name, change) in changes.as_object().expect("an object") {
        let fields = value.as_object_mut().expect("an object");
        match change {
            Value::Null => fields.remove(name),
            change => fields.insert(name.clone(), change.clone()),
        };
    }
    value
}

fn telemetry() -> Value {
    json!({"device_id": "device-001", "event_type": "temperature", "event_id": "e-1",
        "payload": {"value": 21.5, "unit": "celsius"}, "timestamp": "2026-11-21T06:00:00Z"})
}

#[test]
fn telemetry_reads_every_type_of_its_own() {
    let base = telemetry();
    let with = |changes| with(&base, changes);
    let when = "2026-11-21T06:00:00.000Z e-1";
    for (event_type, payload) in [
        ("temperature", json!({"value": -3})),
        ("humidity", json!({"value": 40.5})),
        ("battery", json!({"value": 99})),
        ("location", json!({"latitude": 52.5, "longitude": -13.4})),
        ("custom", json!({})),
        ("custom:door.opened", json!({"value": "open"})),
    ] {
        let value = with(json!({"event_type": event_type, "payload": payload}));
        reads("telemetry", &value, &[], &format!("device/device-001 {event_type} {when}"));
    }
}

#[test]
fn telemetry_without_id_or_time_is_found_again_by_record_or_place() {
    let base = telemetry();
    let prefix = "device/device-001 temperature";
    let no_id = with(&base, json!({"event_id": null}));
    reads("telemetry", &no_id, &[], &format!("{prefix} 2026-11-21T06:00:00.000Z record"));
    let no_time = with(&base, json!({"timestamp": null}));
    reads("telemetry", &no_time, &[], &format!("{prefix} 2026-11-21T07:00:00.000Z e-1"));
    let neither = with(&no_id, json!({"timestamp": null}));
    reads("telemetry", &neither, &[], &format!("{prefix} 2026-11-21T07:00:00.000Z place"));
    let mut nulls = neither;
    nulls["timestamp"] = Value::Null;
    nulls["event_id"] = Value::Null;
    reads("telemetry", &nulls, &[], &format!("{prefix} 2026-11-21T07:00:00.000Z place"));
}

#[test]
fn telemetry_refuses_a_unit_that_it_does_not_convert() {
    let unit = |event_type: &str, unit: Value| {
        let payload = json!({"value": 1, "unit": unit});
        with(&telemetry(), json!({"event_type": event_type, "payload": payload}))
    };
    let shown = |event_type| format!("device/device-001 {event_type} 2026-11-21T06:00:00.000Z e-1");
    for good in ["celsius", "fahrenheit", "kelvin", "Fahrenheit", "°C"] {
        reads("telemetry", &unit("temperature", json!(good)), &[], &shown("temperature"));
    }
    reads("telemetry", &unit("humidity", json!("%")), &[], &shown("humidity"));
    reads("telemetry", &unit("temperature", Value::Null), &[], &shown("temperature"));
    reads("telemetry", &unit("custom", json!("furlongs")), &[], &shown("custom"));
    for bad in [json!("secret"), json!("percent"), json!(7), json!(["celsius"])] {
        let value = unit("temperature", bad);
        refuses("telemetry", &value, &[], Code::SchemaViolation, Some("/payload/unit"));
    }
    refuses(
        "telemetry",
        &unit("battery", json!("V")),
        &[],
        Code::SchemaViolation,
        Some("/payload/unit"),
    );
}

#[test]
fn telemetry_keeps_the_payload_in_canonical_form() {
    let record = record(
        r#"{"payload":{"unit":"c","value":9007199254740993,"a":1.0},"device_id":"d","event_type":"custom"}"#,
        &[],
    );
    let event =
        compiled("telemetry").read(&record.parsed(), &scope()).expect("read").expect("an event");
    assert_eq!(&*event.entry.payload, r#"{"a":1.0,"unit":"c","value":9007199254740993}"#);
}

#[test]
fn telemetry_refuses_what_it_cannot_mean() {
    use Code::{InvalidId, InvalidTimestamp, MissingField, SchemaViolation};
    let base = telemetry();
    let location = |payload| json!({"event_type": "location", "payload": payload});
    for (changes, code, path) in [
        (json!({"device_id": null}), MissingField, "/device_id"),
        (json!({"device_id": "place\u{0}"}), InvalidId, "/device_id"),
        (json!({"device_id": ""}), InvalidId, "/device_id"),
        (json!({"device_id": ["secret"]}), InvalidId, "/device_id"),
        (json!({"device_id": "d".repeat(513)}), InvalidId, "/device_id"),
        (json!({"event_id": ""}), InvalidId, "/event_id"),
        (json!({"event_id": {"secret": 1}}), InvalidId, "/event_id"),
        (json!({"event_type": null}), MissingField, "/event_type"),
        (json!({"event_type": "secret"}), SchemaViolation, "/event_type"),
        (json!({"event_type": "custom:"}), SchemaViolation, "/event_type"),
        (json!({"event_type": 7}), SchemaViolation, "/event_type"),
        (json!({"payload": null}), MissingField, "/payload"),
        (json!({"payload": "secret"}), SchemaViolation, "/payload"),
        (json!({"payload": {}}), SchemaViolation, "/payload/value"),
        (json!({"payload": {"value": "secret"}}), SchemaViolation, "/payload/value"),
        (json!({"payload": {"value": null}}), SchemaViolation, "/payload/value"),
        (location(json!({"value": 1})), SchemaViolation, "/payload/latitude"),
        (location(json!({"latitude": 91, "longitude": 0})), SchemaViolation, "/payload/latitude"),
        (json!({"timestamp": "2026-11-21T06:00:00"}), InvalidTimestamp, "/timestamp"),
        (json!({"timestamp": "yesterday"}), InvalidTimestamp, "/timestamp"),
        (json!({"timestamp": 1_700_000_000}), InvalidTimestamp, "/timestamp"),
    ] {
        refuses("telemetry", &with(&base, changes), &[], code, Some(path));
    }
    refuses("telemetry", &json!([base]), &[], SchemaViolation, Some(""));
    refuses("telemetry", &json!("secret"), &[], SchemaViolation, Some(""));
}

fn heartbeat() -> Value {
    json!({"tenant_id": "demo", "asset_id": "A17", "driver_id": "p-1", "driver_name": "Ada",
        "timestamp": "2026-11-21T08:00:00+02:00", "location": {"latitude": 52.5, "longitude": 13.4},
        "status": "active", "additional_data": {"speed": 48.5}})
}

#[test]
fn heartbeat_keeps_the_whole_record() {
    reads("heartbeat", &heartbeat(), &[], "asset/A17 heartbeat 2026-11-21T06:00:00.000Z record");
    payload("heartbeat", &heartbeat(), &[], &heartbeat());
}

#[test]
fn heartbeats_of_one_second_are_ordered_by_their_offset() {
    let sequence = |offset: i64| {
        let mut record = record(&heartbeat().to_string(), &[]);
        let topic = std::sync::Arc::from("heartbeats");
        record.source = crate::intake::record::Source::Kafka {
            topic,
            partition: 1,
            offset,
            timestamp: None,
            element: None,
        };
        let event = compiled("heartbeat").read(&record.parsed(), &scope()).expect("read");
        event.expect("an event").entry.position.clone()
    };
    assert_eq!(sequence(7).sequence, 7);
    assert!(sequence(7) < sequence(8));
    assert_eq!(sequence(7), sequence(7));
}

#[test]
fn heartbeat_refuses_another_tenant_and_incomplete_records() {
    use Code::{InvalidTimestamp, MissingField, SchemaViolation, TenantMismatch};
    for (changes, code, path) in [
        (json!({"tenant_id": "secret"}), TenantMismatch, "/tenant_id"),
        (json!({"tenant_id": null}), SchemaViolation, "/tenant_id"),
        (json!({"tenant_id": 7}), SchemaViolation, "/tenant_id"),
        (json!({"asset_id": null}), MissingField, "/asset_id"),
        (json!({"timestamp": null}), MissingField, "/timestamp"),
        (json!({"timestamp": "06:00"}), InvalidTimestamp, "/timestamp"),
        (json!({"status": null}), SchemaViolation, "/status"),
        (json!({"location": {"latitude": 1}}), SchemaViolation, "/location/longitude"),
    ] {
        refuses("heartbeat", &with(&heartbeat(), changes), &[], code, Some(path));
    }
}

#[test]
fn learning_reads_its_types_and_no_other() {
    let base = json!({"learner_id": "l-9", "course_id": "c", "lesson_id": "1", "event_data": {},
        "event_type": "lesson_started", "timestamp": "2026-11-21T06:00:00Z"});
    let shown = "learner/l-9 lesson_started 2026-11-21T06:00:00.000Z record";
    reads("learning", &base, &[], shown);
    reads("learning", &with(&base, json!({"session_id": "s", "metadata": {}})), &[], shown);
    payload("learning", &base, &[], &base);
    for (changes, code, path) in [
        (json!({"learner_id": null}), Code::MissingField, "/learner_id"),
        (json!({"lesson_id": null}), Code::SchemaViolation, "/lesson_id"),
        (json!({"event_type": "secret"}), Code::SchemaViolation, "/event_type"),
        (json!({"event_data": "secret"}), Code::SchemaViolation, "/event_data"),
        (json!({"timestamp": null}), Code::MissingField, "/timestamp"),
    ] {
        refuses("learning", &with(&base, changes), &[], code, Some(path));
    }
}

#[test]
fn message_reads_times_of_any_kind() {
    let base = json!({"id": "m-1", "user": "ada", "message": "hello"});
    for (timestamp, shown) in [
        (json!(1_795_240_800), "2026-11-21T06:00:00.000Z"),
        (json!(1_795_240_800_250_u64), "2026-11-21T06:00:00.250Z"),
        (json!(1_795_240_800_000_001_u64), "2026-11-21T06:00:00.000001Z"),
        (json!(1_795_240_800.5), "2026-11-21T06:00:00.500Z"),
        (json!("1795240800"), "2026-11-21T06:00:00.000Z"),
        (json!("2026-11-21T06:00:00Z"), "2026-11-21T06:00:00.000Z"),
    ] {
        let value = with(&base, json!({"timestamp": timestamp}));
        reads("message", &value, &[], &format!("user/ada message {shown} m-1"));
    }
    let counted = with(&base, json!({"id": 17, "timestamp": 1}));
    reads("message", &counted, &[], "user/ada message 1970-01-01T00:00:01.000Z 17");
    refuses("message", &base, &[], Code::MissingField, Some("/timestamp"));
    let bad = with(&base, json!({"timestamp": "yesterday"}));
    refuses("message", &bad, &[], Code::InvalidTimestamp, Some("/timestamp"));
}

const ENQUEUED: &[u8] = b"\x83\x00\x00\x01\xa1\xfd\xd1\x51\x00";

#[test]
fn iothub_reads_plain_and_amqp_typed_headers() {
    let typed = i64::from_be_bytes(ENQUEUED[1..].try_into().expect("eight bytes"));
    let shown = Timestamp::from_millis(typed).expect("in range");
    let expected = format!("device/dev-1 Telemetry {shown} record");
    let device = ("iothub-connection-device-id", &b"\xa1\x05dev-1"[..]);
    reads("iothub", &json!(21.5), &[device, ("iothub-enqueuedtime", ENQUEUED)], &expected);
    let headers = [
        ("iothub-connection-device-id", &b"dev-1"[..]),
        ("iothub-enqueuedtime", &b"2026-11-21T06:00:00Z"[..]),
        ("iothub-message-source", &b"twinChangeEvents"[..]),
    ];
    let expected = "device/dev-1 twinChangeEvents 2026-11-21T06:00:00.000Z record";
    reads("iothub", &json!({"any": ["json"]}), &headers, expected);
    payload("iothub", &Value::Null, &headers, &Value::Null);
}

#[test]
fn iothub_takes_the_time_of_the_device_and_every_legal_id() {
    let headers = |id: &'static str, created: &'static str| {
        [
            ("iothub-connection-device-id", id.as_bytes()),
            ("iothub-enqueuedtime", &b"2026-11-21T06:00:00Z"[..]),
            ("iothub-creation-time-utc", created.as_bytes()),
        ]
    };
    for (created, shown) in [
        ("2026-11-21T05:00:00.25", "2026-11-21T05:00:00.250Z"),
        ("2026-11-21T05:00:00Z", "2026-11-21T05:00:00.000Z"),
        ("", "2026-11-21T06:00:00.000Z"),
        ("0001-01-01T00:00:00Z", "2026-11-21T06:00:00.000Z"),
    ] {
        let expected = format!("device/dev-1 Telemetry {shown} record");
        reads("iothub", &json!({}), &headers("dev-1", created), &expected);
    }
    let all = "aZ9-._:%#*?!(),=@$'+;";
    let expected = format!("device/{all} Telemetry 2026-11-21T05:00:00.000Z record");
    reads("iothub", &json!({}), &headers(all, "2026-11-21T05:00:00"), &expected);
}

#[test]
fn iothub_refuses_headers_that_say_nothing() {
    let device = ("iothub-connection-device-id", &b"dev-1"[..]);
    let time = ("iothub-enqueuedtime", ENQUEUED);
    let any = json!({});
    refuses("iothub", &any, &[time], Code::MissingField, None);
    refuses("iothub", &any, &[device], Code::MissingField, None);
    let unreadable = ("iothub-connection-device-id", &b"\xff\xfe"[..]);
    refuses("iothub", &any, &[unreadable, time], Code::InvalidId, None);
    let short = ("iothub-enqueuedtime", &b"\x83\x00"[..]);
    refuses("iothub", &any, &[device, short], Code::InvalidTimestamp, None);
}

fn cloudevent() -> Value {
    json!({"specversion": "1.0", "id": "c-1", "source": "/sensors/7", "type": "com.example.read",
        "subject": "pump:7", "time": "2026-11-21T06:00:00Z", "data": {"value": 1}})
}

#[test]
fn cloudevents_reads_structured_mode() {
    let base = cloudevent();
    let tail = "com.example.read 2026-11-21T06:00:00.000Z c-1";
    reads("cloudevents", &base, &[], &format!("entity/pump:7 {tail}"));
    payload("cloudevents", &base, &[], &json!({"value": 1}));
    let without = with(&base, json!({"subject": null, "data": null}));
    reads("cloudevents", &without, &[], &format!("entity//sensors/7 {tail}"));
    payload("cloudevents", &without, &[], &Value::Null);
    let binary = with(&base, json!({"data": null, "data_base64": "AQ=="}));
    payload("cloudevents", &binary, &[], &json!("AQ=="));
    let untimed = with(&base, json!({"time": null}));
    let shown = "entity/pump:7 com.example.read 2026-11-21T07:00:00.000Z c-1";
    reads("cloudevents", &untimed, &[], shown);
}

#[test]
fn cloudevents_reads_binary_mode_from_headers_only() {
    let headers = [
        ("ce_specversion", &b"1.0"[..]),
        ("ce_id", b"c-2"),
        ("ce_type", b"t"),
        ("ce_source", b"urn:x"),
        ("ce_time", b"2026-11-21T06:30:00Z"),
    ];
    let expected = "entity/urn:x t 2026-11-21T06:30:00.000Z c-2";
    reads("cloudevents", &cloudevent(), &headers, expected);
    payload("cloudevents", &cloudevent(), &headers, &cloudevent());
    payload("cloudevents", &json!([1]), &headers, &json!([1]));
    refuses("cloudevents", &cloudevent(), &headers[..2], Code::MissingField, None);
}

#[test]
fn cloudevents_takes_whatever_the_data_is_in_binary_mode() {
    let read = |value: Option<&[u8]>, media_type: Option<&str>| {
        let mut headers: Vec<(&str, &[u8])> = vec![
            ("ce_specversion", b"1.0"),
            ("ce_id", b"c"),
            ("ce_type", b"t"),
            ("ce_source", b"s"),
        ];
        headers.extend(media_type.map(|name| ("content-type", name.as_bytes())));
        let record = Record { value: value.map(<[u8]>::to_vec), ..record("", &headers) };
        let event = compiled("cloudevents").read(&record.parsed(), &scope());
        event.map(|event| event.expect("an event").entry.payload.to_string())
    };
    for (value, media_type, payload) in [
        (None, None, "null"),
        (Some(&b""[..]), None, "null"),
        (Some(b""), Some("application/json"), "null"),
        (Some(b"[1,{\"a\":2}]"), Some("application/json"), "[1,{\"a\":2}]"),
        (Some(b"7"), Some("application/vnd.a+json; charset=utf-8"), "7"),
        (Some(b"[1]"), None, "[1]"),
        (Some(b"plain"), None, "\"plain\""),
        (Some(b"7"), Some("text/plain"), "\"7\""),
        (Some(b"<a/>"), Some("application/xml"), "\"<a/>\""),
        (Some(b"\xff\x00"), Some("application/octet-stream"), "\"/wA=\""),
        (Some(b"\x1f\x8b\x08\xff"), Some("application/gzip"), "\"H4sI/w==\""),
        (Some(b"89014103211118510720"), None, "89014103211118510720"),
    ] {
        assert_eq!(read(value, media_type).as_deref(), Ok(payload), "{value:?} {media_type:?}");
    }
    let broken = read(Some(b"{\"a\":"), Some("application/json")).expect_err("no JSON");
    assert_eq!(broken.code, Code::MalformedJson);
}

#[test]
fn cloudevents_follows_the_media_type_before_the_headers() {
    let headers = |media_type: &'static [u8]| {
        [
            ("ce_specversion", &b"1.0"[..]),
            ("ce_id", b"c-2"),
            ("ce_type", b"t"),
            ("ce_source", b"urn:x"),
            ("ce_time", b"2026-11-21T06:30:00Z"),
            ("Content-Type", media_type),
        ]
    };
    let structured = "entity/pump:7 com.example.read 2026-11-21T06:00:00.000Z c-1";
    for media_type in
        [&b"application/cloudevents+json"[..], b"Application/CloudEvents+JSON; charset=utf-8"]
    {
        reads("cloudevents", &cloudevent(), &headers(media_type), structured);
    }
    let binary = "entity/urn:x t 2026-11-21T06:30:00.000Z c-2";
    reads("cloudevents", &cloudevent(), &headers(b"application/json"), binary);
}

#[test]
fn cloudevents_takes_every_legal_id_subject_and_source() {
    let long = "x".repeat(257);
    let source = "/subscriptions/01234567-89ab-cdef-0123-456789abcdef/resourceGroups/my-resource-group/providers/Microsoft.EventGrid/topics/mytopic-production-west";
    let base = with(&cloudevent(), json!({"subject": null, "source": source, "id": "événement 1"}));
    let expected = format!("entity/{source} com.example.read 2026-11-21T06:00:00.000Z événement 1");
    reads("cloudevents", &base, &[], &expected);
    let record = record(&with(&base, json!({"id": long})).to_string(), &[]);
    let event = compiled("cloudevents").read(&record.parsed(), &scope()).expect("read");
    let id = event.expect("an event").entry.position.event_id.clone();
    assert!(crate::event::is_digest(&id), "{id}");
}

#[test]
fn cloudevents_refuses_other_versions_and_incomplete_events() {
    use Code::{InvalidTimestamp, SchemaViolation};
    for (changes, code, path) in [
        (json!({"specversion": "0.3"}), SchemaViolation, "/specversion"),
        (json!({"id": null}), SchemaViolation, "/id"),
        (json!({"source": ""}), SchemaViolation, "/source"),
        (json!({"data_base64": "AQ=="}), SchemaViolation, ""),
        (json!({"time": "yesterday"}), InvalidTimestamp, "/time"),
        (json!({"subject": "a\u{7}b"}), Code::InvalidId, "/subject"),
    ] {
        refuses("cloudevents", &with(&cloudevent(), changes), &[], code, Some(path));
    }
}
