//! Every odd shape that Lambda is known to send, and that no shape costs the batch.

use proptest::prelude::*;

use super::*;
use crate::base::time::Timestamp;
use crate::intake::record::TopicRetention;

fn now() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000).expect("in range")
}

fn receipt() -> Receipt {
    Receipt { now: now(), retention: TopicRetention::WEEK }
}

fn one(record: &str) -> Incoming {
    let event = format!(r#"{{"eventSource":"aws:kafka","records":{{"a.b-c-0":[{record}]}}}}"#);
    let mut decoded = decode(&event, receipt()).expect("an event");
    assert_eq!(decoded.records.len(), 1);
    decoded.records.remove(0)
}

fn read_record(fields: &str) -> Record {
    match one(&format!(r#"{{"topic":"a.b-c","partition":0,"offset":7,{fields}}}"#)) {
        Incoming::Record(record) => record,
        other => panic!("{other:?}"),
    }
}

#[test]
fn header_bytes_come_signed_or_unsigned() {
    let signed = read_record(r#""headers":[{"t":[-56,1]}],"value":"e30=""#);
    let unsigned = read_record(r#""headers":[{"t":[200,1]}],"value":"e30=""#);
    assert_eq!(signed.headers, [("t".to_owned(), vec![200, 1])]);
    assert_eq!(signed.headers, unsigned.headers);
}

/// Half of a surrogate pair is an escape of JSON and no text: it costs the record its wrapping and
/// no other record anything. Every other character may stand in a name.
#[test]
fn a_name_that_is_no_text_is_kept_as_it_was_written() {
    let record =
        r#"{"topic":"a","partition":0,"offset":7,"headers":[{"\ud800":[1]}],"value":"e30="}"#;
    let Incoming::Refused(refused, rejection) = one(record) else { panic!("it is refused") };
    assert_eq!(rejection.code, Code::UnsupportedEncoding);
    assert_eq!(refused.value.as_deref(), Some(record.as_bytes()));
    let odd = read_record(r#""headers":[{"\uffff\u0000":[1]}],"value":"e30=""#);
    assert_eq!(odd.headers, [("\u{FFFF}\0".to_owned(), vec![1])]);
}

#[test]
fn headers_may_be_missing_or_null_or_hold_null() {
    assert_eq!(read_record(r#""value":"e30=""#).headers, []);
    assert_eq!(read_record(r#""headers":null"#).headers, []);
    assert_eq!(read_record(r#""headers":[{"t":null}]"#).headers, [("t".to_owned(), vec![])]);
}

#[test]
fn keys_and_values_may_be_missing_or_null() {
    let record = read_record(r#""key":null,"value":null"#);
    assert_eq!((record.key, record.value), (None, None));
    let record = read_record(r#""value":"""#);
    assert_eq!(record.value, Some(Vec::new()), "empty is not missing");
}

#[test]
fn a_timestamp_of_minus_one_is_no_receipt_time() {
    let record = read_record(r#""timestamp":-1"#);
    assert_eq!((record.received_at, record.ingested_at), (None, now()));
    let record = read_record(r#""timestamp":1799999999000"#);
    assert_eq!(record.received_at, Some(record.ingested_at));
    assert_eq!(record.ingested_at.to_string(), "2027-01-15T07:59:59.000Z");
}

#[test]
fn a_timestamp_that_cannot_be_true_is_no_receipt_time() {
    let stamps = [0_i64, 1_800_000_000, 1_900_000_000_000, 1_800_000_000_000_000];
    for timestamp in stamps {
        let record = read_record(&format!(r#""timestamp":{timestamp}"#));
        assert_eq!((record.received_at, record.ingested_at), (None, now()), "{timestamp}");
    }
}

#[test]
fn an_odd_record_is_refused_alone_and_keeps_all_it_had() {
    for odd in [
        r#"{"topic":"a.b-c","partition":0,"offset":7,"value":"%%%"}"#,
        r#"{"topic":"a.b-c","partition":0,"offset":7,"value":12}"#,
        r#"{"topic":"a.b-c","partition":0,"offset":7,"headers":[{"t":[300]}]}"#,
        r#"{"topic":"a.b-c","partition":0,"value":"e30="}"#,
        r#""text""#,
        "null",
    ] {
        let Incoming::Refused(record, _) = one(odd) else { panic!("taken: {odd}") };
        assert_eq!(record.value.as_deref(), Some(odd.as_bytes()));
    }
}

#[test]
fn only_an_event_of_usual_records_is_read_at_once() {
    let event = |records: &str| format!(r#"{{"records":{{"a-0":[{records}],"b-0":[{records}]}}}}"#);
    let usual = r#"{"topic":"a","partition":0,"offset":1,"key":"YQ==","value":"e30=","headers":[{"t":[97]}]}"#;
    let escaped = r#"{"topic":"a","partition":0,"offset":2,"value":"e3\u0030="}"#;
    let damaged = r#"{"topic":"a","partition":0,"offset":2,"value":"%%%"}"#;
    let at_once = decode_at_once(&event(&format!("{usual},{usual}")), receipt());
    assert_eq!(at_once.expect("usual").records.len(), 4);
    for odd in [escaped, damaged, "null"] {
        assert_eq!(decode_at_once(&event(&format!("{usual},{odd}")), receipt()), None, "{odd}");
    }
}

#[test]
fn an_answer_names_each_record_once_under_its_verbatim_partition() {
    let identifier = |offset| ItemIdentifier { partition: "a.b-c-0".into(), offset };
    let response = BatchResponse::of([identifier(9), identifier(7), identifier(9)].into_iter());
    assert_eq!(
        serde_json::to_string(&response).expect("JSON"),
        concat!(
            r#"{"batchItemFailures":[{"itemIdentifier":{"partition":"a.b-c-0","offset":7}},"#,
            r#"{"itemIdentifier":{"partition":"a.b-c-0","offset":9}}]}"#
        )
    );
    let success = serde_json::to_string(&BatchResponse::default()).expect("JSON");
    assert_eq!(success, r#"{"batchItemFailures":[]}"#);
}

#[test]
fn what_is_no_event_is_an_error_without_its_text() {
    for text in ["", "null", "{}", r#"{"records":[1]}"#, "secret"] {
        let fault = decode(text, receipt()).expect_err("no event").to_string();
        assert!(fault.starts_with("not a Kafka event of Lambda's"), "{fault}");
        assert!(!fault.contains("secret"));
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i64>().prop_map(Into::into),
        "[a-zA-Z0-9=/+]{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let names = "topic|partition|offset|timestamp|key|value|headers|t";
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::vec((names, inner), 0..6)
                .prop_map(|pairs| serde_json::Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// A record, and whether all of it is as usual: one field may be anything.
fn nearly_usual() -> impl Strategy<Value = (serde_json::Value, bool)> {
    let value = proptest::collection::vec(any::<u8>(), 0..40);
    let names = "topic|partition|offset|timestamp|key|value|headers|more";
    let odd = proptest::option::of((names, any_json()));
    (0..9_i32, any::<i64>(), value, any::<bool>(), odd).prop_map(
        |(partition, offset, value, has_key, odd)| {
            let value = base64_simd::STANDARD.encode_to_string(value);
            let key = has_key.then_some("YQ==");
            let mut record = serde_json::json!({
                "topic": "a", "partition": partition, "offset": offset, "timestamp": 1,
                "key": key, "value": value, "headers": [{"t": [97]}],
            });
            let is_usual = odd.is_none();
            if let Some((name, odd)) = odd {
                record[name] = odd;
            }
            (record, is_usual)
        },
    )
}

proptest! {
    #[test]
    fn at_once_or_one_by_one_makes_no_difference(
        records in proptest::collection::vec(nearly_usual(), 0..3),
    ) {
        let all_usual = records.iter().all(|(_, is_usual)| *is_usual);
        let records: Vec<_> = records.into_iter().map(|(record, _)| record).collect();
        let event = serde_json::json!({ "records": { "a-0": records, "b-1": [] } }).to_string();
        match decode_at_once(&event, receipt()) {
            Some(at_once) => {
                prop_assert_eq!(at_once, decode_one_by_one(&event, receipt()).expect("an event"));
            }
            None => prop_assert!(!all_usual),
        }
    }

    #[test]
    fn whatever_a_record_is_it_costs_no_other(odd in any_json()) {
        let good = r#"{"topic":"a","partition":0,"offset":1,"value":"e30="}"#;
        let event = format!(r#"{{"records":{{"a-0":[{good},{odd},{good}]}}}}"#);
        let decoded = decode(&event, receipt()).expect("an event");
        prop_assert_eq!(decoded.records.len(), 3);
        prop_assert!(matches!(decoded.records[0], Incoming::Record(_)));
        prop_assert!(matches!(decoded.records[2], Incoming::Record(_)));
        let offset = odd.get("offset").and_then(serde_json::Value::as_i64);
        if let Some(place) = &decoded.places[1] {
            prop_assert_eq!(Some(place.offset), offset);
        }
    }
}
