//! The texts of refusals. Each says what was wanted, what came, where, and how far off; no text has two
//! causes, and none shows a payload.

use std::sync::Arc;

use serde_json::{Value, json};

use super::sample::{contract, record, scope};
use super::*;
use crate::intake::framing::{Compression, Frame, Framing};
use crate::intake::record::Source;

fn with(changes: &Value) -> Contract {
    let mut document = json!({"name": "mine", "subject": {"kind": "thing", "id": {"path": "/id"}},
        "type": {"path": "/type"}, "observed_at": {"path": "/at"}, "payload": {"path": ""}});
    for (name, change) in changes.as_object().expect("an object") {
        document[name] = change.clone();
    }
    contract(&document)
}

/// Path and message of the refusal of a record; `secret` is what no message shows.
fn check(changes: &Value, record: &Record, path: Option<&str>, expected: &str) {
    let read = with(changes).read(&record.parsed(), &scope());
    let rejection = read.expect_err("a rejection");
    assert_eq!((rejection.path.as_deref(), rejection.message.as_str()), (path, expected));
    assert!(!rejection.message.contains("secret"), "{expected}");
}

/// The refusal of a valid record after one change.
fn changed(changes: &Value, member: &str, value: Value, path: &str, expected: &str) {
    let mut json = json!({"id": "a", "type": "seen", "at": "2026-11-21T06:00:00Z"});
    json[member] = value;
    check(changes, &record(&json.to_string(), &[]), Some(path), expected);
}

#[test]
fn a_field_that_is_missing_says_how_at_each_place() {
    let usual = json!({});
    let missing = record(r#"{"secret":1}"#, &[]);
    check(&usual, &missing, Some("/id"), "the subject's id is missing: path=`/id` is absent");
    for (other, form) in
        [("[{},{}]", "a list of 2 elements"), ("\"secret\"", "a text of 6 characters")]
    {
        let expected = format!(
            "the subject's id is missing: path=`/id` is absent; the record is {form}, not an object"
        );
        check(&usual, &record(other, &[]), Some("/id"), &expected);
    }
    let id = json!({"kind": "thing", "id": {"first": [{"path": "/a"}, {"path": "/b"}, {"header": "h"}, {"key": true}]}});
    let several = record(r#"{"a":null,"b":"","secret":1}"#, &[]);
    check(
        &json!({"subject": id}),
        &several,
        Some("/a"),
        "the subject's id is missing: path=`/a` is null, path=`/b` is an empty text, header=`h` is absent, key is absent",
    );
    changed(
        &usual,
        "type",
        Value::Null,
        "/type",
        "the event type is missing: path=`/type` is null",
    );
    for (at, how) in
        [(json!(0), "is 0 or in the year 1, which means no time"), (Value::Null, "is null")]
    {
        let expected = format!("the time of observation is missing: path=`/at` {how}");
        changed(&usual, "at", at, "/at", &expected);
    }
    let key = json!({"identity": {"of": [{"path": "/n"}, {"header": "h"}]}});
    let unnamed = record(r#"{"id":"a","type":"seen","at":"2026-11-21T06:00:00Z"}"#, &[]);
    check(
        &key,
        &unnamed,
        Some("/n"),
        "the natural key of the event is missing: path=`/n` is absent, header=`h` is absent",
    );
}

#[test]
fn a_time_of_receipt_that_does_not_stand_in_says_why() {
    let received = json!({"without_time": "received"});
    let of = |timestamp: Option<i64>| {
        let mut record = record(r#"{"id":"a","type":"seen"}"#, &[]);
        record.received_at = None;
        record.source = Source::Kafka {
            topic: Arc::from("t"),
            partition: 0,
            offset: 7,
            timestamp,
            element: None,
        };
        record
    };
    let missing = "the time of observation is missing: path=`/at` is absent; the time of receipt does not stand in, because";
    for timestamp in [None, Some(-1)] {
        let expected = format!("{missing} the Kafka record has no timestamp");
        check(&received, &of(timestamp), Some("/at"), &expected);
    }
    let expected =
        format!("{missing} the record cannot have come at its Kafka timestamp: timestamp=`1800`");
    check(&received, &of(Some(1_800)), Some("/at"), &expected);
}

#[test]
fn a_field_of_another_form_says_what_came() {
    let usual = json!({});
    for (id, expected) in [
        (json!(1.5), "the subject's id: wanted a text or a whole number, came the number 1.5"),
        (
            json!(["secret"]),
            "the subject's id: wanted a text or a whole number, came a list of 1 elements",
        ),
        (json!(""), "subject id is an empty text"),
        (
            json!("a\u{7}b"),
            "subject id has a character that is not allowed: '\\u{7}' (U+0007) at character 1 of \"a\\u{7}b\"; allowed: no control characters",
        ),
    ] {
        changed(&usual, "id", id, "/id", expected);
    }
    for length in [513, 5_000] {
        let expected =
            format!("subject id is too long: \"{}…\" bytes=`{length}` limit=`512`", "x".repeat(40));
        changed(&usual, "id", json!("x".repeat(length)), "/id", &expected);
    }
    for (event_type, expected) in [
        (json!(7.5), "the event type: wanted a text, came a number"),
        (json!(""), "the event type: wanted 1 to 128 bytes, came 0 bytes"),
        (json!("x".repeat(129)), "the event type: wanted 1 to 128 bytes, came 129 bytes"),
        (
            json!("secre\u{9}t"),
            "the event type: wanted no control character, came U+0009 at character 5",
        ),
    ] {
        changed(&usual, "type", event_type, "/type", expected);
    }
    let sequence = json!({"sequence": {"path": "/n"}});
    for (n, came) in [(json!(-1), "the number -1"), (json!("x"), "the text \"x\"")] {
        let expected = format!(
            "the sequence: wanted a whole number from 0 to 2^63-1, or its decimal digits as a text, came {came}"
        );
        changed(&sequence, "n", n, "/n", &expected);
    }
    let tenant = json!({"tenant": {"path": "/tenant"}});
    changed(
        &tenant,
        "tenant",
        json!("acme"),
        "/tenant",
        "wanted the verified tenant `demo`, came a text of 4 characters",
    );
    let unit =
        json!({"measures": [{"name": "m", "path": "/n", "unit": "celsius", "unit_path": "/unit"}]});
    changed(
        &unit,
        "unit",
        json!("secret"),
        "/unit",
        "wanted a unit that is converted to celsius (celsius, fahrenheit, kelvin), came a text of 6 characters",
    );
    let schema = json!({"schema": {"properties": {"n": {"not": {"type": "string"}}}}});
    changed(
        &schema,
        "n",
        json!("secret"),
        "/n",
        "the schema refuses this: keyword=`not`; came a text of 6 characters",
    );
}

#[test]
fn a_body_that_cannot_be_read_says_which_of_the_causes_it_has() {
    let usual = json!({});
    let of = |value: Option<&[u8]>, headers: &[(&str, &[u8])]| Record {
        value: value.map(<[u8]>::to_vec),
        ..record("", headers)
    };
    let encoded = |encoding: &[u8]| of(Some(b"{}"), &[("Content-Encoding", encoding)]);
    let encoding = "the header content-encoding: wanted none, identity or utf-8, came";
    let gzip = "a topic's route with \"compression\":\"gzip\" reads gzip";
    let large = vec![b' '; 65_537];
    for (record, path, expected) in [
        (
            of(None, &[]),
            None,
            "the record has no value (a tombstone); a topic's route with \"tombstones\":\"ignore\" ignores such records".to_owned(),
        ),
        (of(Some(b""), &[]), None, "there is no JSON: the text is empty: line=`1` column=`1`".to_owned()),
        (of(Some(b"{\"a\":"), &[]), None, "the JSON ends too early: line=`1` column=`6`".to_owned()),
        (of(Some(b"{\"a\":secret}"), &[]), None, "this is not JSON: line=`1` column=`6`".to_owned()),
        (
            of(Some(b"{\"a\":1,\"a\":2}"), &[]),
            Some("/a"),
            "this member is there twice: line=`1` column=`8`".to_owned(),
        ),
        (
            of(Some(b"[1e999]"), &[]),
            Some("/0"),
            "this number is out of range: a double reaches about 1.8e308: line=`1` column=`2`".to_owned(),
        ),
        (
            of(
                Some(br#"{"id":"a","type":"seen","at":"2026-11-21T06:00:00Z","n":1e-12345}"#),
                &[],
            ),
            Some("/n"),
            "the exponent of this number is too long: digits=`5` limit=`4`: line=`1` column=`57`"
                .to_owned(),
        ),
        (
            of(Some(b"[NaN]"), &[]),
            Some("/0"),
            "NaN is not JSON; a contract of \"syntax\":\"lenient\" reads it as null: line=`1` column=`2`".to_owned(),
        ),
        (
            of(Some(&[b'['; 200]), &[]),
            None,
            "the JSON is too deep: limit=`127`: line=`1` column=`128`".to_owned(),
        ),
        (
            of(Some(b"\"M\xfcnchen\""), &[]),
            None,
            "this is not UTF-8: byte=`2`; it looks like Latin-1 (ISO 8859-1) or Windows-1252".to_owned(),
        ),
        (
            of(Some(b"\x1f\x8b\x08"), &[]),
            None,
            "this looks like gzip, and nothing says so: neither Content-Encoding nor the compression of a topic's route".to_owned(),
        ),
        (of(Some(&large), &[]), None, "the record is too large: bytes=`65537` limit=`65536`".to_owned()),
        (encoded(b"deflate"), None, format!("{encoding} \"deflate\"; {gzip}")),
        (encoded(b"\xff"), None, format!("{encoding} no text; {gzip}")),
    ] {
        check(&usual, &record, path, &expected);
    }
}

#[test]
fn a_frame_that_is_not_there_says_what_the_body_looks_like() {
    let gzip = Framing { compression: Compression::Gzip, ..Framing::default() };
    let confluent = Framing { framing: Frame::ConfluentJson, ..Framing::default() };
    let frame = "the topic's route says confluent_json: wanted a zero byte, four bytes of a schema's id, and JSON, came";
    for (framing, value, expected) in [
        (
            gzip,
            &b" {\"secret\":1}"[..],
            "the topic's route says gzip: wanted gzip data, came 13 bytes of text that begins as JSON does".to_owned(),
        ),
        (gzip, b"", "the topic's route says gzip: wanted gzip data, came no bytes".to_owned()),
        (
            gzip,
            b"\x28\xb5\x2f\xfd\0",
            "the topic's route says gzip: wanted gzip data, came 5 bytes of zstd".to_owned(),
        ),
        (gzip, b"\x1f\x8b\x08\0\0", "the gzip data ends too early: bytes=`5`".to_owned()),
        (
            gzip,
            b"\x1f\x8b\x08\0\0\0\0\0\0\xff\xff\xff\xff\xff",
            "the gzip data is damaged: bytes=`14`".to_owned(),
        ),
        (confluent, b"{}", format!("{frame} 2 bytes of text that begins as JSON does")),
        (confluent, b"secret", format!("{frame} 6 bytes of other data")),
        (confluent, b"\0\0\x01", format!("{frame} 3 bytes in all")),
    ] {
        let record = Record { value: Some(value.to_vec()), ..record("", &[]) };
        let refused = framing.unframed(&record).parsed().json().expect_err("refused").message;
        assert_eq!(refused, expected);
    }
}

/// The message about a document after one change.
fn document(pointer: &str, value: Value, path: &str, expected: &str) {
    let mut document = json!({"name": "mine", "subject": {"kind": "thing", "id": {"path": "/id"}},
        "type": {"const": "seen"}, "payload": {"path": ""}});
    document[pointer] = value;
    let parsed = ContractDocument::parse(&document.to_string());
    let faults = parsed.and_then(|document| Contract::compile(&document)).expect_err("faults");
    let found: Vec<_> =
        faults.iter().map(|fault| (fault.path.as_str(), fault.message.as_str())).collect();
    assert_eq!(found, [(path, expected)]);
}

#[test]
fn a_fault_of_a_document_says_what_was_wanted_and_what_came() {
    let wanted = "wanted exactly one of path, header, key, topic, const and first, came";
    document("event_id", json!({}), "/event_id", &format!("{wanted} none"));
    document(
        "event_id",
        json!({"path": "/a", "key": true}),
        "/event_id",
        &format!("{wanted} path and key"),
    );
    let pointer = "not a JSON Pointer (RFC 6901):";
    document(
        "event_id",
        json!({"path": "id"}),
        "/event_id/path",
        &format!("{pointer} wanted an empty text or a slash at the start, came \"id\""),
    );
    document(
        "event_id",
        json!({"path": "/a~2"}),
        "/event_id/path",
        &format!("{pointer} in a name, ~ is written ~0 and / is written ~1, came \"/a~2\""),
    );
    document(
        "observed_at",
        json!({"path": "/at", "zone": "Berlin"}),
        "/observed_at/zone",
        "wanted a name of the IANA time zone database or an offset like +02:00, came \"Berlin\"",
    );
    document(
        "media_types",
        json!(["a/b; c=d"]),
        "/media_types/0",
        "wanted a media type without parameters, like application/json, came \"a/b; c=d\"",
    );
    document(
        "array",
        json!("whole"),
        "/array",
        "this is not one of \"split\" or \"record\"; came a text of 5 characters",
    );
    document(
        "transform",
        json!([".items[]", "| now"]),
        "/transform",
        "`now/0` may not be used in a transform: line=`2` column=`3`",
    );
}
