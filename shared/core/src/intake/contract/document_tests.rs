//! Documents that are no contract, and contracts beyond the built-in ones.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::sample::{RECEIVED, at, compiled, contract, record, scope};
use super::*;
use crate::base::limits;
use crate::intake::fault::Fault;

fn document() -> Value {
    json!({"name": "mine", "subject": {"kind": "thing", "id": {"path": "/id"}},
        "type": {"const": "seen"}, "payload": {"path": ""}})
}

fn faults(document: &Value) -> Vec<Fault> {
    let parsed = ContractDocument::parse(&document.to_string());
    parsed.and_then(|document| Contract::compile(&document)).map(|_| ()).err().unwrap_or_default()
}

/// The paths of the faults after setting what is at `pointer`.
fn check(pointer: &str, value: Value, expected: &[&str]) {
    let mut document = document();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = document.pointer_mut(parent).expect("a parent");
    parent[name] = value.clone();
    let faults = faults(&document);
    let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(paths, expected, "{pointer} {value} {faults:?}");
}

#[test]
fn every_builtin_is_a_contract_of_its_name() {
    for (name, json) in BUILTINS {
        let document = ContractDocument::parse(json).expect("a document");
        assert_eq!(document.name, name);
        Contract::compile(&document).expect("a contract");
    }
    assert_eq!(builtin("other"), Ok(None));
}

#[test]
fn a_document_survives_being_stored() {
    let mut written = document();
    written["array"] = json!("record");
    written["transform"] = json!([". as $record", "| .items[]"]);
    written["sequence"] = json!({"path": "/n", "digits": "hexadecimal"});
    let written = written.to_string();
    for json in BUILTINS.iter().map(|(_, json)| *json).chain([written.as_str()]) {
        let document = ContractDocument::parse(json).expect("a document");
        let stored = serde_json::to_string(&document).expect("JSON");
        assert_eq!(ContractDocument::parse(&stored), Ok(document));
    }
}

#[test]
fn an_invalid_document_is_refused_with_the_path() {
    check("/name", json!("mine"), &[]);
    check("/name", json!("Mine"), &["/name"]);
    check("/name", json!("a".repeat(65)), &["/name"]);
    check("/nmae", json!("x"), &["/nmae"]);
    check("/subject/kind", json!("a b"), &["/subject/kind"]);
    check("/subject/id", json!({}), &["/subject/id"]);
    check("/subject/id", json!({"path": "id"}), &["/subject/id/path"]);
    check("/subject/id", json!({"path": "/id", "header": "id"}), &["/subject/id"]);
    check("/subject/id", json!({"pth": "/id"}), &["/subject/id/pth"]);
    check("/type", json!({"const": 7}), &["/type/const"]);
    check("/type", json!({"const": ""}), &["/type/const"]);
    check("/event_id", json!(null), &[]);
    check("/event_id", json!({"path": "/a~2"}), &["/event_id/path"]);
    check("/observed_at", json!({"path": "/t", "format": "iso"}), &["/observed_at/format"]);
    check("/observed_at", json!({"const": 1}), &["/observed_at/const"]);
    check("/without_time", json!("ignore"), &["/without_time"]);
    check("/payload", json!({"header": "p"}), &["/payload"]);
    check("/schema", json!({"type": "numbr"}), &["/schema/type"]);
    check("/schema", json!("all"), &["/schema"]);
    check("/status", json!({"path": "status"}), &["/status/path"]);
    check("/location", json!({"latitude": "/a"}), &["/location/longitude"]);
    check("/subject", json!({"kind": "a", "id": {"key": true}, "fold": "lower"}), &[]);
    check("/subject", json!({"kind": "a", "id": {"key": false}}), &["/subject/id/key"]);
    check(
        "/subject",
        json!({"kind": "a", "id": {"key": true}, "fold": "upper"}),
        &["/subject/fold"],
    );
    check("/subject/id", json!({"key": true, "topic": true}), &["/subject/id"]);
    check("/subject/id", json!({"first": [{"key": true}, {"topic": true}]}), &[]);
    check("/subject/id", json!({"first": [{"key": true}], "topic": true}), &["/subject/id"]);
    check("/sequence", json!({"offset": true}), &[]);
    check("/sequence", json!({"path": "/n", "default": 1}), &[]);
    check("/sequence", json!({"path": "/n", "digits": "hexadecimal"}), &[]);
    check("/sequence", json!({"path": "/n", "digits": "octal"}), &["/sequence/digits"]);
    check("/sequence", json!({"offset": true, "digits": "hexadecimal"}), &["/sequence"]);
    check("/sequence", json!({"offset": true, "path": "/n"}), &["/sequence"]);
    check("/sequence", json!({}), &["/sequence"]);
    check("/sequence", json!({"offset": false}), &["/sequence/offset"]);
    check(
        "/ignore",
        json!([{"path": "/t", "in": ["a", 1, true]}, {"header": "h", "in": ["a"]}]),
        &[],
    );
    check("/ignore", json!([{"path": "/t"}]), &["/ignore/0/in"]);
    check("/ignore", json!([{"path": "/t", "in": []}]), &["/ignore/0/in"]);
    check("/ignore", json!([{"in": ["a"]}]), &["/ignore/0"]);
    check("/ignore", json!([{"path": "/t", "in": [null]}]), &["/ignore/0/in/0"]);
    check("/payload", json!({"path": "", "except": ["/a", "/b/c"]}), &[]);
    check("/payload", json!({"path": "", "except": ["/a", "/a/b"]}), &["/payload/except/1"]);
    check("/payload", json!({"path": "", "except": [""]}), &["/payload/except/0"]);
    check("/payload", json!({"key": true}), &["/payload/key"]);
    check("/media_types", json!(["application/cloudevents+json"]), &[]);
    check("/media_types", json!(["json", "a/b; c=d"]), &["/media_types/0", "/media_types/1"]);
    check("/syntax", json!("lenient"), &[]);
    check("/syntax", json!("loose"), &["/syntax"]);
    check("/array", json!("record"), &[]);
    check("/array", json!("whole"), &["/array"]);
    check("/transform", json!([". as $record", "| .items[]", "", "| $record + ."]), &[]);
    check("/transform", json!([]), &["/transform"]);
    check("/transform", json!([".items[]", 7]), &["/transform/1"]);
    check("/transform", json!({"program": "."}), &["/transform"]);
    check("/description", json!("What it is."), &[]);
    check("/observed_at", json!({"path": "/t", "format": {"pattern": "%s"}}), &[]);
    check(
        "/observed_at",
        json!({"path": "/t", "format": {"pattern": "%Q!"}}),
        &["/observed_at/format/pattern"],
    );
    check(
        "/observed_at",
        json!({"path": "/t", "format": {"patern": "%s"}}),
        &["/observed_at/format/patern", "/observed_at/format/pattern"],
    );
    check("/observed_at", json!({"path": "/t", "zone": "Europe/Berlin"}), &[]);
    check("/observed_at", json!({"path": "/t", "zone": "Berlin"}), &["/observed_at/zone"]);
    check("/status", json!({"path": "/s", "types": ["a"]}), &[]);
    check("/status", json!({"path": "/s", "types": [""]}), &["/status/types/0"]);
    let location = json!({"latitude": "/a", "longitude": "/b", "types": ["a"], "text": true});
    check("/location", location, &[]);
    let measure =
        |unit: Value| json!([{"name": "m", "path": "/m", "unit_path": "/u", "unit": unit}]);
    check("/measures", measure(json!("celsius")), &[]);
    check("/measures", measure(Value::Null), &["/measures/0/unit_path"]);
    check(
        "/variants",
        json!([{"when": {"header": "h", "equals": "1"}, "body": "all"}]),
        &["/variants/0/body"],
    );
    check("/variants", json!([{"when": {"header": "h"}}]), &["/variants/0/when/equals"]);
    let variant = json!([{"when": {"header": "h", "equals": "1"}, "type": {"path": "t"}}]);
    check("/variants", variant, &["/variants/0/type/path"]);
}

#[test]
fn the_lines_of_a_transform_are_one_program() {
    let message = |transform: Value| {
        let mut document = document();
        document["transform"] = transform;
        faults(&document).into_iter().map(|fault| fault.message).collect::<Vec<_>>()
    };
    let place = ["there is no variable `$x`: line=`3` column=`5`"];
    assert_eq!(message(json!([". as $record # (", "| .items[]", "  | $x"])), place);
    assert_eq!(message(json!(". as $record\n| .items[]\n  | $x")), place);
    assert_eq!(message(json!([". as $record\n| .items[]", "  | $x"])), place);
    let long = message(json!(vec![" ".repeat(2_000); 3]));
    assert_eq!(long, ["the program is too long: bytes=`6002` limit=`4096`"]);
}

#[test]
fn an_identity_is_refused_where_it_says_nothing() {
    let timed = |identity: Value, event_id: Value, expected: &[&str]| {
        let mut document = document();
        document["observed_at"] = json!({"path": "/at"});
        document["event_id"] = event_id;
        document["identity"] = identity.clone();
        let faults = faults(&document);
        let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, expected, "{identity} {faults:?}");
    };
    let check = |identity: Value, expected: &[&str]| timed(identity, Value::Null, expected);
    check(Value::Null, &[]);
    check(json!({"except": ["/sent_at", "/list/0", "/a/b"]}), &[]);
    check(json!({"of": [{"path": "/a"}, {"header": "h"}, {"first": [{"path": "/b"}]}]}), &[]);
    check(json!({}), &["/identity"]);
    check(json!({"except": [], "of": []}), &["/identity"]);
    check(json!({"except": ["/a"], "of": [{"path": "/b"}]}), &["/identity"]);
    check(json!({"exept": ["/a"]}), &["/identity/exept"]);
    check(json!({"except": ["a", ""]}), &["/identity/except/0", "/identity/except/1"]);
    check(json!({"except": ["/a/b", "/c", "/a"]}), &["/identity/except/0"]);
    check(json!({"except": ["/a", "/a"]}), &["/identity/except/0"]);
    let many: Value = (0..=limits::IDENTITY_EXCEPT).map(|n| json!(format!("/{n}"))).collect();
    check(json!({"except": many}), &["/identity/except"]);
    check(json!({"of": [{"path": "a"}, {}]}), &["/identity/of/0/path", "/identity/of/1"]);
    check(json!({"of": [{"path": "/a", "default": ""}]}), &["/identity/of/0"]);
    check(json!({"of": [{"first": [{"path": "/a"}, {"const": 1}]}]}), &["/identity/of/0"]);
    let many: Value = (0..=limits::IDENTITY_SOURCES).map(|_| json!({"path": "/a"})).collect();
    check(json!({"of": many}), &["/identity/of"]);

    let except = json!({"except": ["/sent_at"]});
    timed(except.clone(), json!({"path": "/id"}), &[]);
    timed(except.clone(), json!({"path": "/id", "default": "none"}), &["/identity"]);
    timed(except.clone(), json!({"const": "one"}), &["/identity"]);
    let mut timeless = document();
    timeless["identity"] = except;
    assert_eq!(faults(&timeless)[0].path, "/identity/except");
    timeless["identity"] = json!({"of": [{"path": "/a"}]});
    assert_eq!(faults(&timeless), []);
}

#[test]
fn a_variant_that_always_has_an_id_does_not_inherit_an_identity() {
    let mut document = document();
    document["observed_at"] = json!({"path": "/at"});
    document["identity"] = json!({"except": ["/sent_at"]});
    let when = json!({"header": "h", "equals": "1"});
    document["variants"] = json!([{"when": when, "event_id": {"path": "/e", "default": "none"}}]);
    assert_eq!(faults(&document), []);
    document["variants"][0]["identity"] = json!({"except": ["/other"]});
    assert_eq!(faults(&document)[0].path, "/variants/0/identity");
}

#[test]
fn alternatives_are_flat_and_few() {
    let first = |one: Value| json!({"first": [one, {"path": "/id"}]});
    check("/subject/id", first(json!({"header": "h"})), &[]);
    check("/subject/id", first(json!({"path": "h"})), &["/subject/id/first/0/path"]);
    check("/subject/id", first(first(json!({"path": "/a"}))), &["/subject/id/first/0"]);
    check("/subject/id", json!({"first": []}), &["/subject/id/first"]);
    check("/subject/id", json!({"first": vec![json!({"path": "/a"}); 5]}), &["/subject/id/first"]);
    let both = json!({"first": [{"path": "/a"}], "path": "/a"});
    check("/subject/id", both, &["/subject/id"]);
}

#[test]
fn measures_are_named_once_and_bounded() {
    let measure = |name: &str| json!({"name": name, "path": "/v"});
    let many = |count: usize| -> Value { (0..count).map(|n| measure(&format!("m{n}"))).collect() };
    check("/measures", many(limits::MEASURES), &[]);
    check("/measures", many(limits::MEASURES + 1), &["/measures"]);
    check("/measures", json!([measure("a"), measure("a")]), &["/measures/1/name"]);
    check("/measures", json!([measure("A")]), &["/measures/0/name"]);
    check("/measures", json!([{"name": "a", "path": "v"}]), &["/measures/0/path"]);
    let long = json!([{"name": "a", "path": "/v", "unit": "u".repeat(33)}]);
    check("/measures", long, &["/measures/0/unit"]);
    check("/measures", json!([{"name": "a", "path": "/v", "since": "x"}]), &["/measures/0/since"]);
}

#[test]
fn every_fault_is_told_at_once() {
    let mut document = document();
    document["status"] = json!({"path": "x"});
    document["payload"] = json!({"path": "x"});
    document["schema"] = json!({"minimum": "x"});
    let found = faults(&document);
    let paths: Vec<&str> = found.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(paths, ["/payload/path", "/schema/minimum", "/status/path"]);
}

#[test]
fn what_is_no_json_or_too_large_is_one_fault() {
    let large = format!("\"{}\"", "x".repeat(limits::DOCUMENT_BYTES));
    for text in ["", "{", &large] {
        let found = ContractDocument::parse(text).expect_err("faults");
        assert_eq!((found.len(), found[0].path.as_str()), (1, ""));
    }
}

#[test]
fn the_view_spec_says_what_the_document_does() {
    let spec = compiled("heartbeat").view_spec();
    let speed = &spec.measures[0];
    assert_eq!((&*speed.name, speed.path.as_str()), ("speed", "/additional_data/speed"));
    assert_eq!(speed.unit.as_deref(), Some("km/h"));
    assert_eq!(speed.types.iter().map(|one| &**one).collect::<Vec<_>>(), ["heartbeat"]);
    assert_eq!(spec.status.as_ref().map(|status| status.path.as_str()), Some("/status"));
    let location = spec.location.as_ref().expect("a location");
    assert_eq!(location.longitude.as_str(), "/location/longitude");
}

#[test]
fn a_default_stands_in_and_a_null_says_nothing() {
    let mut document = document();
    document["type"] = json!({"path": "/type", "default": "seen"});
    document["payload"] = json!({"path": "/p", "default": null});
    document["without_time"] = json!("received");
    let contract = contract(&document);
    for (value, payload) in [
        (json!({"id": 5}), "null"),
        (json!({"id": "5", "type": null, "p": null}), "null"),
        (json!({"id": "5", "type": "seen", "p": [1]}), "[1]"),
    ] {
        let record = record(&value.to_string(), &[]);
        let event = contract.read(&record.parsed(), &scope()).expect("read").expect("an event");
        assert_eq!(event.subject.subject().to_string(), "thing/5");
        assert_eq!((&*event.entry.event_type, &*event.entry.payload), ("seen", payload));
        assert_eq!(event.entry.position.observed_at, at(RECEIVED));
    }
}

#[test]
fn received_needs_a_time_of_receipt_that_a_redelivery_repeats() {
    let value = r#"{"device_id":"d","event_type":"custom","payload":{}}"#;
    let mut record = record(value, &[]);
    record.received_at = None;
    let rejection = compiled("telemetry").read(&record.parsed(), &scope()).expect_err("rejected");
    assert_eq!(
        (rejection.code, rejection.path.as_deref()),
        (Code::MissingField, Some("/timestamp"))
    );
}

#[test]
fn a_body_that_cannot_be_read_is_rejected_for_that() {
    let large = format!("[{}]", " ".repeat(limits::RECORD_BYTES));
    for (value, code) in [
        (None, Code::EmptyValue),
        (Some("{"), Code::MalformedJson),
        (Some(large.as_str()), Code::TooLarge),
    ] {
        let mut record = record("", &[]);
        record.value = value.map(|text| text.as_bytes().to_vec());
        let read = compiled("iothub").read(&record.parsed(), &scope());
        assert_eq!(read.expect_err("a rejection").code, code);
    }
}

#[test]
fn a_payload_that_a_default_makes_too_large_is_refused() {
    let mut document = document();
    document["payload"] = json!({"path": "/p", "default": "x".repeat(limits::RECORD_BYTES)});
    document["without_time"] = json!("received");
    let record = record(r#"{"id":"a"}"#, &[]);
    let read = contract(&document).read(&record.parsed(), &scope());
    assert_eq!(read.expect_err("a rejection").code, Code::TooLarge);
}

#[test]
fn the_path_of_a_rejection_is_bounded() {
    let mut document = document();
    document["schema"] =
        json!({"additionalProperties": {"additionalProperties": {"type": "null"}}});
    let contract = contract(&document);
    let name = "ä".repeat(200);
    let record = record(&json!({"short": {name: 1}}).to_string(), &[]);
    let rejection = contract.read(&record.parsed(), &scope()).expect_err("a rejection");
    assert_eq!(rejection.path.as_deref(), Some("/short"));
}

#[test]
fn the_tenant_that_a_record_names_is_read_and_proves_nothing() {
    let record = record(r#"{"tenant_id":"acme"}"#, &[]);
    let (heartbeat, iothub) = (compiled("heartbeat"), compiled("iothub"));
    let parsed = record.parsed();
    assert_eq!(heartbeat.tenant_named(&parsed).as_deref(), Some("acme"));
    assert_eq!(iothub.tenant_named(&parsed), None);
}

proptest! {
    #[test]
    fn a_redelivery_is_the_same_event_and_other_content_another(
        value in -1e6f64..1e6, other in -1e6f64..1e6,
    ) {
        let contract = compiled("telemetry");
        let read = |value: f64, offset: i64| {
            let json = json!({"device_id": "d", "event_type": "battery", "payload": {"value": value},
                "timestamp": "2026-11-21T06:00:00Z"});
            let mut record = record(&json.to_string(), &[]);
            record.source =
                crate::intake::record::Source::Kafka { topic: "t".into(), partition: 0, offset, timestamp: None, element: None };
            contract.read(&record.parsed(), &scope()).expect("read").expect("an event")
        };
        let (first, again) = (read(value, 1), read(value, 2));
        prop_assert_eq!(&first, &again);
        let same_place = first.entry.position == read(other, 1).entry.position;
        prop_assert_eq!(same_place, value == other);
    }

    #[test]
    fn no_record_makes_a_contract_panic(value in any::<Vec<u8>>(), header in any::<Vec<u8>>()) {
        for (name, _) in BUILTINS {
            let mut record = record("", &[("ce_specversion", &header), ("iothub-enqueuedtime", &header)]);
            record.value = Some(value.clone());
            let _ = compiled(name).read(&record.parsed(), &scope());
        }
    }
}

#[test]
fn an_editor_may_write_a_byte_order_mark_before_a_document() {
    let plain = r#"{"name":"a","subject":{"kind":"k","id":{"path":"/id"}},"type":{"const":"t"},"payload":{"path":""}}"#;
    let marked = ContractDocument::parse(&format!("\u{feff}{plain}"));
    assert_eq!(marked, ContractDocument::parse(plain));
    assert!(marked.is_ok());
}
