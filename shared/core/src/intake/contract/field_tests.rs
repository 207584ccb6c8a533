//! What fields mean: sources, ids, sequences, times, what is ignored, what is left out.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::sample::{contract, record, scope};
use super::*;
use crate::base::time::Timestamp;
use crate::intake::record::Source;

fn with(changes: &Value) -> Contract {
    let mut document = json!({"name": "mine", "subject": {"kind": "thing", "id": {"path": "/id"}},
        "type": {"const": "seen"}, "payload": {"path": ""}, "without_time": "received"});
    for (name, change) in changes.as_object().expect("an object") {
        document[name] = change.clone();
    }
    contract(&document)
}

fn read(changes: &Value, record: &Record) -> Result<Event, Rejection> {
    let event = with(changes).read(&record.parsed(), &scope());
    event.map(|event| event.expect("no record is ignored"))
}

/// The subject's id of a record, or the code of its rejection.
fn subject(id: &Value, fold: Option<&str>, record: &Record) -> Result<String, Code> {
    let changes = json!({"subject": {"kind": "thing", "id": id, "fold": fold}});
    let event = read(&changes, record).map_err(|rejection| rejection.code)?;
    Ok(event.subject.subject().id().to_owned())
}

#[test]
fn a_source_may_be_a_path_a_header_the_key_the_topic_or_a_const() {
    let mut record = record(r#"{"id":"p"}"#, &[("h", b"header")]);
    record.key = Some(b"key".to_vec());
    for (source, id) in [
        (json!({"path": "/id"}), "p"),
        (json!({"header": "H"}), "header"),
        (json!({"key": true}), "key"),
        (json!({"topic": true}), "events"),
        (json!({"const": "c"}), "c"),
        (json!({"path": "/none", "default": "d"}), "d"),
        (json!({"first": [{"path": "/none"}, {"key": true}]}), "key"),
    ] {
        assert_eq!(subject(&source, None, &record).as_deref(), Ok(id), "{source}");
    }
    record.key = Some(vec![0xff]);
    assert_eq!(subject(&json!({"key": true}), None, &record), Err(Code::InvalidId));
    record.key = None;
    assert_eq!(subject(&json!({"key": true}), None, &record), Err(Code::MissingField));
    record.source = Source::Http { request_id: Arc::from("r"), index: 3, element: None };
    assert_eq!(subject(&json!({"topic": true}), None, &record), Err(Code::MissingField));
}

#[test]
fn the_first_source_counts_that_says_something() {
    let id = json!({"first": [{"path": "/a"}, {"header": "h"}, {"path": "/b"}]});
    for (value, header, expected) in [
        (json!({"a": "1", "b": "2"}), "", Ok("1")),
        (json!({"a": "", "b": "2"}), "", Ok("2")),
        (json!({"a": null, "b": "2"}), "h", Ok("h")),
        (json!({"b": 2}), "", Ok("2")),
        (json!({"a": "", "b": null}), "", Err(Code::MissingField)),
        (json!({"a": [], "b": "2"}), "", Err(Code::InvalidId)),
    ] {
        let record = record(&value.to_string(), &[("h", header.as_bytes())]);
        assert_eq!(subject(&id, None, &record).as_deref(), expected.as_ref().copied(), "{value}");
    }
}

#[test]
fn a_payload_goes_on_past_a_null_and_keeps_one_where_there_is_nothing_else() {
    let changes = json!({"payload": {"first": [{"path": "/after"}, {"path": "/before"}]}});
    for (value, payload) in [
        (json!({"id": 1, "after": null, "before": {"a": 1}}), r#"{"a":1}"#),
        (json!({"id": 1, "after": {"b": 1}, "before": {"a": 1}}), r#"{"b":1}"#),
        (json!({"id": 1, "after": null}), "null"),
        (json!({"id": 1, "after": "", "before": null}), "\"\""),
    ] {
        let event = read(&changes, &record(&value.to_string(), &[])).expect("an event");
        assert_eq!(&*event.entry.payload, payload);
    }
}

#[test]
fn an_id_is_folded_where_the_contract_says_so() {
    let record = record(r#"{"id":"FC04A30B001C0530"}"#, &[]);
    let id = json!({"path": "/id"});
    assert_eq!(subject(&id, Some("lower"), &record).as_deref(), Ok("fc04a30b001c0530"));
    assert_eq!(subject(&id, None, &record).as_deref(), Ok("FC04A30B001C0530"));
}

/// A 20-digit number of a SIM card is no number of 64 bits.
#[test]
fn a_number_of_any_length_is_an_id_digit_by_digit() {
    let id = json!({"path": "/id"});
    for number in ["89014103211118510720", "89014103211118510721", "123456789012345678901234567890"]
    {
        let record = record(&format!(r#"{{"id":{number},"a":1}}"#), &[]);
        assert_eq!(subject(&id, None, &record).as_deref(), Ok(number));
        let event = read(&json!({"event_id": id}), &record).expect("an event");
        assert_eq!(event.entry.position.event_id.as_str(), number);
        assert_eq!(&*event.entry.payload, format!(r#"{{"a":1,"id":{number}}}"#));
    }
    for number in ["1.5", "1e300"] {
        let record = record(&format!(r#"{{"id":{number}}}"#), &[]);
        assert_eq!(subject(&id, None, &record), Err(Code::InvalidId), "{number}");
    }
}

#[test]
fn numbers_are_kept_as_they_were_written_and_identify_by_what_they_are() {
    let changes = json!({"observed_at": {"path": "/t"}});
    let event = |number: &str| {
        let text = format!(r#"{{"id":"s","t":"2026-11-21T06:00:00Z","n":{number}}}"#);
        read(&changes, &record(&text, &[])).expect("an event").entry
    };
    for number in ["21.0", "21.50", "-0", "1e2", "1.5E3", "0.1", "123456789012345678901234567890"] {
        let payload = event(number).payload.to_string();
        assert!(payload.contains(&format!(r#""n":{number},"#)), "{payload}");
    }
    let (one, other) = (event("21.0"), event("21"));
    assert_eq!(one.position, other.position);
    assert!(one.same_content(&other));
    assert_ne!(event("89014103211118510720").position, event("89014103211118510721").position);
}

#[test]
fn an_event_id_that_is_too_long_gives_way_to_its_digest() {
    let id = |text: &str| {
        let record = record(&json!({"id": "s", "e": text}).to_string(), &[]);
        let event = read(&json!({"event_id": {"path": "/e"}}), &record).expect("an event");
        event.entry.position.event_id.to_string()
    };
    let long = "é".repeat(128);
    assert_eq!(id(&long), long);
    let longer = format!("{long}x");
    assert_eq!(id(&longer).len(), 32);
    assert_ne!(id(&longer), id(&format!("{long}y")));
    assert_eq!(id("line\nline").len(), 32);
}

#[test]
fn a_sequence_is_a_number_of_63_bits_or_its_text() {
    let changes = json!({"sequence": {"path": "/n"}});
    let sequence = |n: &str| {
        let event = read(&changes, &record(&format!(r#"{{"id":"s","n":{n}}}"#), &[]));
        event
            .map(|event| event.entry.position.sequence)
            .map_err(|rejection| (rejection.code, rejection.path))
    };
    for (n, expected) in [
        ("null", 0),
        ("0", 0),
        ("7", 7),
        ("7.0", 7),
        ("\"7\"", 7),
        ("\"\"", 0),
        ("9223372036854775807", 9_223_372_036_854_775_807),
    ] {
        assert_eq!(sequence(n), Ok(expected), "{n}");
    }
    for n in [
        "-1",
        "1.5",
        "9223372036854775808",
        "89014103211118510720",
        "\"x\"",
        "\"+7\"",
        "\"0x7\"",
        "true",
        "[]",
        "1e30",
    ] {
        assert_eq!(sequence(n), Err((Code::SchemaViolation, Some("/n".to_owned()))), "{n}");
    }
}

#[test]
fn a_sequence_may_be_written_in_hexadecimal_digits() {
    let changes = json!({"sequence": {"path": "/n", "digits": "hexadecimal"}});
    let sequence = |n: Value| {
        let event = read(&changes, &record(&json!({"id": "s", "n": n}).to_string(), &[]));
        event.map(|event| event.entry.position.sequence).map_err(|rejection| rejection.message)
    };
    for (n, expected) in [
        (json!("0"), 0),
        (json!("1a"), 26),
        (json!("0x001A"), 26),
        (json!("10"), 16),
        (json!(10), 10),
        (json!("7fffffffffffffff"), 9_223_372_036_854_775_807),
    ] {
        assert_eq!(sequence(n.clone()), Ok(expected), "{n}");
    }
    for n in ["8000000000000000", "+1", "0x", "1g", "0/16B3748"] {
        let expected = format!(
            "the sequence: wanted the hexadecimal digits of a number from 0 to 2^63-1 as a text, came the text \"{n}\""
        );
        assert_eq!(sequence(json!(n)), Err(expected));
    }
}

#[test]
fn a_sequence_by_offset_is_the_index_over_http() {
    let changes = json!({"sequence": {"offset": true}});
    let mut record = record(r#"{"id":"s"}"#, &[]);
    assert_eq!(read(&changes, &record).expect("an event").entry.position.sequence, 7);
    record.source = Source::Http { request_id: Arc::from("r"), index: 3, element: None };
    assert_eq!(read(&changes, &record).expect("an event").entry.position.sequence, 3);
}

#[test]
fn what_is_left_out_of_the_payload_is_content_no_more() {
    let changes = json!({
        "event_id": {"path": "/e"}, "payload": {"path": "", "except": ["/sent_at", "/a/attempt"]},
    });
    let event = |sent: i32| {
        let value = json!({"id": "s", "e": "1", "sent_at": sent, "a": {"attempt": sent, "b": 1}});
        read(&changes, &record(&value.to_string(), &[])).expect("an event")
    };
    assert_eq!(&*event(1).entry.payload, r#"{"a":{"b":1},"e":"1","id":"s"}"#);
    assert!(event(1).entry.same_content(&event(2).entry));
}

/// The identity of a record is its whole, whatever is kept of it.
#[test]
fn what_is_left_out_of_the_payload_still_identifies_the_record() {
    let changes = json!({
        "observed_at": {"path": "/t"}, "payload": {"path": "", "except": ["/n"]},
    });
    let id = |n: i32| {
        let value = json!({"id": "s", "t": "2026-11-21T06:00:00Z", "n": n});
        let event = read(&changes, &record(&value.to_string(), &[])).expect("an event");
        event.entry.position.event_id.clone()
    };
    assert_ne!(id(1), id(2));
    let whole = json!({"observed_at": {"path": "/t"}});
    let value = json!({"id": "s", "t": "2026-11-21T06:00:00Z", "n": 1});
    let event = read(&whole, &record(&value.to_string(), &[])).expect("an event");
    assert_eq!(event.entry.position.event_id, id(1));
}

#[test]
fn a_record_of_an_ignored_value_is_no_event() {
    let contract = with(&json!({
        "schema": {"required": ["id"]},
        "ignore": [{"path": "/type", "in": ["join", 7, true]}, {"header": "h", "in": ["ping"]}],
    }));
    for (value, header, ignored) in [
        (json!({"type": "join"}), "", true),
        (json!({"type": 7}), "", true),
        (json!({"type": true}), "", true),
        (json!({"id": "a"}), "ping", true),
        (json!({"id": "a", "type": "7"}), "pong", false),
        (json!({"id": "a", "type": null}), "", false),
    ] {
        let record = record(&value.to_string(), &[("h", header.as_bytes())]);
        let read = contract.read(&record.parsed(), &scope()).expect("no rejection");
        assert_eq!(read.is_none(), ignored, "{value}");
    }
}

#[test]
fn a_lenient_contract_reads_bare_words_as_null() {
    let text = r#"{"id":"s","a":NaN,"b":[-Infinity,12345678901234567890123]}"#;
    let lenient = read(&json!({"syntax": "lenient"}), &record(text, &[])).expect("an event");
    assert_eq!(
        &*lenient.entry.payload,
        r#"{"a":null,"b":[null,12345678901234567890123],"id":"s"}"#
    );
    let strict = read(&json!({}), &record(text, &[])).expect_err("no JSON");
    assert_eq!((strict.code, strict.path.as_deref()), (Code::MalformedJson, Some("/a")));
}

#[test]
fn a_value_that_cannot_be_read_is_told() {
    let changes = json!({
        "measures": [
            {"name": "speed", "path": "/v", "types": ["seen"]},
            {"name": "other", "path": "/v", "types": ["unseen"]},
            {"name": "text", "path": "/t", "text": true},
        ],
        "status": {"path": "/s"},
        "location": {"latitude": "/lat", "longitude": "/lon"},
    });
    let skipped = |value: Value| {
        let event = read(&changes, &record(&value.to_string(), &[])).expect("an event");
        event.skipped.iter().map(|field| field.to_string()).collect::<Vec<_>>().join(" ")
    };
    for (value, expected) in [
        (json!({"id": 1}), ""),
        (json!({"id": 1, "v": null, "t": null, "s": null, "lat": null, "lon": null}), ""),
        (json!({"id": 1, "v": 1, "t": "1", "s": "on", "lat": 1, "lon": 2}), ""),
        (json!({"id": 1, "lat": 0, "lon": 0}), ""),
        (
            json!({"id": 1, "v": "1", "t": "one", "s": 7, "lat": "1", "lon": 2}),
            "speed text status location",
        ),
        (json!({"id": 1, "lat": 91, "lon": 2}), "location"),
        (json!({"id": 1, "lat": 1}), "location"),
        (json!({"id": 1, "s": "x".repeat(65)}), "status"),
    ] {
        assert_eq!(skipped(value.clone()), expected, "{value}");
    }
}

#[test]
fn a_refusal_says_what_was_wanted_what_came_and_what_to_change() {
    let time = |format: Value, zone: Value| json!({"observed_at": {"path": "/t", "format": format, "zone": zone}});
    let message = |changes: &Value, value: Value| {
        read(changes, &record(&value.to_string(), &[])).expect_err("a rejection").message
    };
    let rfc = time(json!("rfc3339"), Value::Null);
    for (changes, t, parts) in [
        (&rfc, json!(1_795_240_800), ["RFC 3339", "the number 1795240800", "`epoch` or `any`"]),
        (&rfc, json!("1795240800"), ["RFC 3339", "the text \"1795240800\"", "looks like an epoch"]),
        (
            &rfc,
            json!("2026-11-21 06:00:00"),
            ["an offset from UTC", "2026-11-21 06:00:00", "`zone`"],
        ),
        (&rfc, json!(["x"]), ["RFC 3339", "a list of 1 elements", ""]),
        (
            &time(json!("epoch"), Value::Null),
            json!("2026-11-21T06:00:00Z"),
            ["epoch", "2026", "`rfc3339`"],
        ),
        (
            &time(json!("rfc3339"), json!("Europe/Berlin")),
            json!("x"),
            ["Europe/Berlin", "\"x\"", ""],
        ),
        (
            &time(json!({"pattern": "%d.%m.%Y"}), json!("UTC")),
            json!(5),
            ["`%d.%m.%Y`", "the number 5", "texts only"],
        ),
    ] {
        let told = message(changes, json!({"id": "s", "t": t}));
        assert!(parts.iter().all(|part| told.contains(part)), "{told}");
    }
    let long = message(&rfc, json!({"id": "s", "t": "y".repeat(500)}));
    assert!(long.contains(&format!("\"{}…\"", "y".repeat(40))) && long.len() < 200, "{long}");
    let id = message(&json!({}), json!({"id": {"secret": 1}}));
    assert_eq!(
        id,
        "the subject's id: wanted a text or a whole number, came an object of 1 members"
    );
}

/// What a producer of any kind may write at one place.
fn said() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!("")),
        Just(json!(0)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z#%/é ]{1,8}".prop_map(Value::from),
        Just(json!("2026-11-21T06:00:00Z")),
        Just(json!("0001-01-01T00:00:00Z")),
    ]
}

proptest! {
    #[test]
    fn first_is_the_first_that_says_something(values in prop::collection::vec(said(), 3)) {
        let value = json!({"a": values[0], "b": values[1], "c": values[2]});
        let id = json!({"first": [{"path": "/a"}, {"path": "/b"}, {"path": "/c"}]});
        let says = |value: &&Value| !value.is_null() && **value != json!("");
        let expected = match values.iter().find(says) {
            None => Err(Code::MissingField),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(number)) => Ok(number.to_string()),
            Some(_) => Err(Code::InvalidId),
        };
        prop_assert_eq!(subject(&id, None, &record(&value.to_string(), &[])), expected);
    }

    #[test]
    fn a_time_that_stands_for_none_gives_way_to_the_next(values in prop::collection::vec(said(), 2)) {
        let value = json!({"id": "s", "a": values[0], "b": values[1]});
        let changes = json!({
            "observed_at": {"first": [{"path": "/a"}, {"path": "/b"}], "format": "rfc3339"},
        });
        let stands = [json!(null), json!(""), json!(0), json!("0001-01-01T00:00:00Z")];
        let time = values.iter().find(|value| !stands.contains(value));
        let found = read(&changes, &record(&value.to_string(), &[]));
        match time {
            None => prop_assert!(found.is_ok(), "received"),
            Some(time) => {
                let expected = time.as_str().and_then(Timestamp::parse_rfc3339);
                prop_assert_eq!(found.ok().map(|event| event.entry.position.observed_at), expected);
            }
        }
    }
}
