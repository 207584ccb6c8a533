//! What the identity of a record without an event id depends on, and what not.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::sample::{compiled, contract, record, scope};
use super::*;
use crate::base::id::EventId;
use crate::event::{Entry, IdOrigin};

type Headers<'a> = &'a [(&'a str, &'a [u8])];
type Members = BTreeMap<String, Value>;

fn document() -> Value {
    json!({
        "name": "mine", "subject": {"kind": "thing", "id": {"path": "/id"}},
        "type": {"first": [{"path": "/type"}, {"const": "seen"}]},
        "observed_at": {"path": "/at"}, "payload": {"path": "/m0"},
    })
}

/// The document with some of its fields changed.
fn changed(changes: Value) -> Value {
    let mut document = document();
    for (name, change) in changes.as_object().expect("an object") {
        document[name] = change.clone();
    }
    document
}

fn read(document: &Value, text: &str, headers: Headers<'_>) -> Event {
    let event = contract(document).read(&record(text, headers).parsed(), &scope());
    let event = event.unwrap_or_else(|rejection| panic!("{text}: {rejection}"));
    event.expect("no record is ignored")
}

fn id(document: &Value, text: &str) -> EventId {
    let event = read(document, text, &[]);
    assert_eq!(event.entry.id_origin, IdOrigin::Record);
    event.entry.position.event_id.clone()
}

/// The text of a record with these members, in this order.
fn text<'a>(members: impl Iterator<Item = (&'a String, &'a Value)>, pretty: bool) -> String {
    let member = |(name, value): (&String, &Value)| {
        let value = if pretty { format!("{value:#}") } else { value.to_string() };
        format!("{}{}:{value}", Value::from(name.as_str()), if pretty { "\t" } else { "" })
    };
    let members: Vec<String> = members.map(member).collect();
    format!("{{{}}}", members.join(if pretty { " ,\n" } else { "," }))
}

fn a_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Members of a record that the contract can read, with `m0` and others beside it.
fn members() -> impl Strategy<Value = Members> {
    let others = prop::collection::btree_map("m[0-5]|\\PC{1,3}", a_value(), 0..5);
    (others, a_value()).prop_map(|(mut members, value)| {
        members.retain(|name, _| !["id", "at", "type"].contains(&name.as_str()));
        members.insert("m0".to_owned(), value);
        members.insert("id".to_owned(), json!("thing-1"));
        members.insert("at".to_owned(), json!("2026-11-21T06:00:00Z"));
        members
    })
}

proptest! {
    #[test]
    fn it_does_not_depend_on_what_the_contract_makes_of_the_record(members in members()) {
        let plain = text(members.iter(), false);
        let expected = id(&document(), &plain);
        for changes in [
            json!({"payload": {"path": ""}}),
            json!({"payload": {"path": "/none", "default": 7}}),
            json!({"type": {"const": "other"}}),
            json!({"schema": {"type": "object"}}),
            json!({"measures": [{"name": "m", "path": "/a"}]}),
            json!({"status": {"path": "/a"}, "location": {"latitude": "/a", "longitude": "/b"}}),
        ] {
            prop_assert_eq!(&id(&changed(changes), &plain), &expected);
        }
    }

    #[test]
    fn it_does_not_depend_on_whitespace_or_the_order_of_members(members in members()) {
        let expected = id(&document(), &text(members.iter(), false));
        prop_assert_eq!(id(&document(), &text(members.iter().rev(), true)), expected);
    }

    #[test]
    fn it_depends_on_the_name_of_the_contract_and_on_every_member(
        members in members(),
        other in a_value(),
    ) {
        let plain = text(members.iter(), false);
        let one = id(&document(), &plain);
        prop_assert_ne!(&id(&changed(json!({"name": "other"})), &plain), &one);
        for name in members.keys().filter(|name| !["id", "at"].contains(&name.as_str())) {
            let mut members = members.clone();
            let same = members.insert(name.clone(), other.clone()) == Some(other.clone());
            prop_assert_eq!(id(&document(), &text(members.iter(), false)) == one, same);
            members.remove(name);
            let whole = changed(json!({"payload": {"path": ""}}));
            prop_assert_ne!(id(&whole, &text(members.iter(), false)), one.clone());
        }
    }

    #[test]
    fn it_does_not_depend_on_what_is_left_out(
        members in members(),
        values in (a_value(), a_value()),
    ) {
        let document = changed(json!({"identity": {"except": ["/sent_at", "/m0/a/0"]}}));
        let sent = |at: &Value, first: &Value| {
            let mut members = members.clone();
            members.insert("sent_at".to_owned(), at.clone());
            members.insert("m0".to_owned(), json!({"a": [first, 1]}));
            id(&document, &text(members.iter(), false))
        };
        let one = sent(&values.0, &values.1);
        prop_assert_eq!(&sent(&values.1, &values.0), &one);
        let mut without = members.clone();
        without.remove("sent_at");
        without.insert("m0".to_owned(), json!({"a": [null, 1]}));
        prop_assert_eq!(&id(&document, &text(without.iter(), false)), &one);
        without.insert("m0".to_owned(), json!({"a": [null, 2]}));
        prop_assert_ne!(&id(&document, &text(without.iter(), false)), &one);
    }
}

#[test]
fn two_payloads_of_one_record_are_the_same_content() {
    let text = r#"{"id":"a","at":"2026-11-21T06:00:00Z","m0":1,"m1":2}"#;
    let first = read(&document(), text, &[]).entry;
    let second = read(&changed(json!({"payload": {"path": "/m1"}})), text, &[]).entry;
    assert_eq!(first.position, second.position);
    assert_ne!(first.payload, second.payload);
    assert!(first.same_content(&second));
    // An id that somebody chose proves nothing.
    let given = Entry { id_origin: IdOrigin::Given, ..(*second).clone() };
    assert!(!first.same_content(&given));
    assert!(!given.same_content(&first));
}

#[test]
fn a_type_in_a_header_tells_two_records_of_one_body_apart() {
    let text = r#"{"id":"a","at":"2026-11-21T06:00:00Z","m0":1}"#;
    let document = changed(json!({"type": {"first": [{"header": "t"}, {"const": "none"}]}}));
    let id = |headers: Headers<'_>| read(&document, text, headers).entry.position.event_id.clone();
    let ids = [id(&[]), id(&[("t", b"one")]), id(&[("t", b"two")])];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
    assert_eq!(id(&[("T", b"one"), ("other", b"x")]), ids[1]);
}

#[test]
fn numbers_that_no_double_tells_apart_are_other_records_and_other_content() {
    let with = |number: &str| {
        let text = format!(
            r#"{{"m0":[1,{{"n":{number}}}],"id":"a","at":"2026-11-21T06:00:00Z","k":{number}}}"#
        );
        let of = json!({"identity": {"of": [{"path": "/k"}]}});
        let natural = read(&changed(of), &text, &[]).entry.position.event_id.clone();
        let entry = read(&document(), &text, &[]).entry;
        (entry.payload.to_string(), entry.position.event_id.clone(), natural)
    };
    for (one, other) in [
        ("12345678901234567890123", "12345678901234567890124"),
        ("18446744073709551616", "18446744073709551617"),
        ("0.1", "0.10000000000000000001"),
        ("123456.78901234567", "123456.789012345671"),
        ("1e-400", "0"),
        ("1e-400", "1e-401"),
    ] {
        let (one, other) = (with(one), with(other));
        assert!(one.0 != other.0 && one.1 != other.1 && one.2 != other.2, "{one:?} {other:?}");
    }
    let (payload, ..) = with("18446744073709551617");
    assert_eq!(payload, r#"[1,{"n":18446744073709551617}]"#);
    for (one, other) in [("21.50", "215e-1"), ("1e30", "1000000000000000000000000000000.0")] {
        let (one, other) = (with(one), with(other));
        assert_eq!((&one.1, &one.2), (&other.1, &other.2), "{one:?} {other:?}");
    }
}

#[test]
fn an_exponent_beyond_reason_is_no_number_of_a_record() {
    let text = r#"{"m0":1e-99999,"id":"a","at":"2026-11-21T06:00:00Z"}"#;
    let rejection = contract(&document()).read(&record(text, &[]).parsed(), &scope());
    let rejection = rejection.expect_err("a rejection");
    assert_eq!((rejection.code, rejection.path.as_deref()), (Code::SchemaViolation, Some("/m0")));
}

/// The id by a natural key of a text, a header and an alternative.
fn natural(text: &str, headers: Headers<'_>) -> Result<(EventId, IdOrigin), Rejection> {
    let of = json!([{"path": "/k"}, {"header": "h"}, {"first": [{"path": "/l"}, {"path": "/m"}]}]);
    let document = changed(json!({"identity": {"of": of}, "without_time": "received"}));
    let event = contract(&document).read(&record(text, headers).parsed(), &scope())?;
    let event = event.expect("no record is ignored");
    Ok((event.entry.position.event_id.clone(), event.entry.id_origin))
}

#[test]
fn a_natural_key_is_all_that_counts_where_there_is_one() {
    let key = |text: &str, headers| natural(text, headers).expect("an event");
    let one = key(r#"{"id":"a","m0":1,"k":"x"}"#, &[]);
    assert_eq!(one.1, IdOrigin::Given, "another content under one key is a mismatch");
    assert_eq!(key(r#"{"k":"x","id":"a","at":"2026-11-21T06:00:00Z","m0":[2],"n":3}"#, &[]), one);
    let others = [
        key(r#"{"id":"a","m0":1,"k":""}"#, &[]),
        key(r#"{"id":"a","m0":1,"k":"y"}"#, &[]),
        key(r#"{"id":"a","m0":1,"m":"x"}"#, &[]),
        key(r#"{"id":"a","m0":1,"k":"x"}"#, &[("h", b"")]),
        key(r#"{"id":"a","m0":1}"#, &[("h", b"x")]),
        key(r#"{"id":"a","m0":1,"k":1}"#, &[]),
        key(r#"{"id":"a","m0":1,"k":"1"}"#, &[]),
        key(r#"{"id":"a","m0":1,"k":{"b":1,"a":2}}"#, &[]),
        one,
    ];
    let different: std::collections::BTreeSet<&EventId> = others.iter().map(|(id, _)| id).collect();
    assert_eq!(different.len(), others.len());
    assert_eq!(key(r#"{"id":"a","m0":1,"k":{"a":2,"b":1}}"#, &[]), others[7]);
    // The first of several sources goes on past an empty text.
    assert_eq!(key(r#"{"id":"a","m0":1,"k":"x","l":""}"#, &[]), others[8]);
}

#[test]
fn a_natural_key_of_which_nothing_is_there_is_missing() {
    for text in [r#"{"id":"a","m0":1}"#, r#"{"id":"a","m0":1,"k":null,"m":null}"#] {
        let rejection = natural(text, &[]).expect_err("a rejection");
        assert_eq!((rejection.code, rejection.path.as_deref()), (Code::MissingField, Some("/k")));
        for place in ["path=`/k`", "header=`h`", "path=`/l`", "path=`/m`"] {
            assert!(rejection.message.contains(place), "{rejection}");
        }
    }
    let rejection = natural(r#"{"id":"a","m0":1}"#, &[("h", b"\xff")]).expect_err("a rejection");
    assert_eq!(rejection.code, Code::InvalidId);
}

#[test]
fn an_event_id_comes_before_any_identity() {
    let text = r#"{"id":"a","at":"2026-11-21T06:00:00Z","m0":1,"e":"mine"}"#;
    let document =
        changed(json!({"event_id": {"path": "/e"}, "identity": {"of": [{"path": "/k"}]}}));
    let entry = read(&document, text, &[]).entry;
    assert_eq!(entry.position.event_id.as_str(), "mine");
    assert_eq!(entry.id_origin, IdOrigin::Given);
}

/// Digests are stored: they never change.
#[test]
fn a_digest_is_what_it_was() {
    let text = r#"{"lesson_id":"l","learner_id":"n","course_id":"c","event_type":"lesson_started",
        "event_data":{"b":1.50,"a":9007199254740993},"timestamp":"2026-11-21T06:00:00Z"}"#;
    let event = compiled("learning").read(&record(text, &[]).parsed(), &scope());
    let id = event.expect("read").expect("an event").entry.position.event_id.to_string();
    assert_eq!(id, "4fb5c9e85612c08c35c87215183141a9");
}
