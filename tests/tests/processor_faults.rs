//! The processor with an unavailable part of the system: the returned records, the buffered
//! records, and that no unstored record is acknowledged (promise 5).

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed expectation ends its test"
)]

use std::collections::BTreeSet;

use drover_core::base::time::Timestamp;
use drover_core::memory::{Call, Fault};
use drover_tests::processor::{Extra, Host, returned};
use serde_json::{Value, json};

const PARTITION: &str = "telemetry-0";
/// The event id of a record that is not JSON.
const POISON: &str = "poison";

/// The result of a batch: offsets, and the event ids of each device.
#[derive(Debug, Default, PartialEq)]
struct Ends {
    returned: Vec<i64>,
    buffered: Vec<i64>,
    letters: Vec<i64>,
    histories: Vec<(String, Vec<String>)>,
}

fn host() -> Host {
    Host::new(now(), &Extra::default())
}

fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-21T06:05:00Z").expect("an instant")
}

/// Readings by device and event id, one second apart, at offsets from 0.
fn batch(readings: &[(&str, &str)]) -> String {
    let records: Vec<Value> = (0i64..).zip(readings).map(record).collect();
    json!({"eventSource": "aws:kafka", "records": {PARTITION: records}}).to_string()
}

fn record((offset, (device, event_id)): (i64, &(&str, &str))) -> Value {
    let text = |value: &[u8]| base64_simd::STANDARD.encode_to_string(value);
    let observed_at = now().plus_seconds(offset - 60);
    let reading = json!({
        "device_id": device, "event_type": "temperature", "event_id": event_id,
        "payload": {"value": 20}, "timestamp": observed_at,
    });
    let value = if *event_id == POISON { "{".to_owned() } else { reading.to_string() };
    json!({
        "topic": "telemetry", "partition": 0, "offset": offset,
        "timestamp": observed_at.micros() / 1000, "timestampType": "CREATE_TIME",
        "key": text(device.as_bytes()), "value": text(value.as_bytes()),
        "headers": [{"tenant": b"demo"}],
    })
}

async fn ends(host: &Host, event: &str) -> Ends {
    let answer = host.deliver(event).await;
    host.fail(|_| Fault::None);
    let named = returned(&answer);
    assert!(named.iter().all(|(partition, _)| partition == PARTITION));
    let outcome = host.outcome(answer).await;
    assert_eq!(outcome["error"], Value::Null);
    let letters = outcome["letters"].as_array().expect("letters").iter();
    let subjects = outcome["subjects"].as_object().expect("subjects").iter();
    let ids = |subject: &Value| {
        let lines = subject["history"].as_array().expect("a history").iter();
        lines.map(|line| line[1].as_str().expect("an event id").to_owned()).collect()
    };
    Ends {
        returned: named.into_iter().map(|(_, offset)| offset).collect(),
        buffered: host.buffered().into_iter().map(|offset| offset.expect("an offset")).collect(),
        letters: letters.map(|letter| letter["offset"].as_i64().expect("an offset")).collect(),
        histories: subjects.map(|(name, subject)| (name.clone(), ids(subject))).collect(),
    }
}

fn histories(of: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    of.iter().map(|(device, all)| (format!("demo device/{device}"), ids(all))).collect()
}

/// The key of the first of these calls is throttled, and no other key.
fn first_of(call: Call) -> impl FnMut(Call) -> Fault + Send {
    let mut met = false;
    move |this| {
        let first = this == call && !met;
        met |= first;
        if first { Fault::HotKey } else { Fault::None }
    }
}

fn always(call: Call, fault: Fault) -> impl Fn(Call) -> Fault + Send + Copy {
    move |this| if this == call { fault } else { Fault::None }
}

/// Five devices; the first has two readings, at offsets 0 and 5.
const SIX: [(&str, &str); 6] =
    [("a", "1"), ("b", "1"), ("c", "1"), ("d", "1"), ("e", "1"), ("a", "2")];
const OTHERS: [(&str, &[&str]); 4] = [("b", &["1"]), ("c", &["1"]), ("d", &["1"]), ("e", &["1"])];
const ALL: [(&str, &[&str]); 5] =
    [("a", &["1", "2"]), ("b", &["1"]), ("c", &["1"]), ("d", &["1"]), ("e", &["1"])];

#[tokio::test]
async fn with_the_ledger_down_every_record_is_returned_and_applied_once_it_is_up() {
    for (call, fault) in [
        (Call::Head, Fault::Refused),
        (Call::Write, Fault::Refused),
        (Call::Write, Fault::LostBefore),
    ] {
        let host = host();
        host.fail(always(call, fault));
        let down = ends(&host, &batch(&SIX)).await;
        let expected = Ends { returned: (0..6).collect(), ..Ends::default() };
        assert_eq!(down, expected, "{call:?} {fault:?}");
        let up = ends(&host, &batch(&SIX)).await;
        assert_eq!(up, Ends { histories: histories(&ALL), ..Ends::default() });
    }
}

#[tokio::test]
async fn a_write_whose_response_is_lost_is_found_and_acknowledged() {
    let host = host();
    host.fail(always(Call::Write, Fault::LostAfter));
    let lost = ends(&host, &batch(&SIX)).await;
    assert_eq!(lost, Ends { histories: histories(&ALL), ..Ends::default() });
}

#[tokio::test]
async fn letters_are_sent_while_the_ledger_is_down() {
    let host = host();
    host.fail(always(Call::Head, Fault::Refused));
    let down = ends(&host, &batch(&[("a", "1"), ("a", POISON), ("b", "1")])).await;
    assert_eq!(down, Ends { returned: vec![0, 2], letters: vec![1], ..Ends::default() });
}

#[tokio::test]
async fn with_the_dead_letter_queue_down_only_the_invalid_record_is_returned() {
    let host = host();
    host.fail(always(Call::Letter, Fault::Refused));
    let event = batch(&[("a", "1"), ("a", POISON), ("a", "2"), ("b", "1")]);
    let expected = histories(&[("a", &["1", "2"]), ("b", &["1"])]);
    let down = ends(&host, &event).await;
    assert_eq!(
        down,
        Ends { returned: vec![1], histories: expected.clone(), ..Ends::default() },
        "not into the buffer, because the queues may have the fault"
    );
    let up = ends(&host, &event).await;
    assert_eq!(up, Ends { letters: vec![1], histories: expected, ..Ends::default() });
}

#[tokio::test]
async fn a_letter_whose_response_is_lost_is_the_same_letter_after_redelivery() {
    let host = host();
    host.fail(always(Call::Letter, Fault::LostAfter));
    let event = batch(&[("a", POISON)]);
    let lost = ends(&host, &event).await;
    assert_eq!(lost, Ends { returned: vec![0], letters: vec![0], ..Ends::default() });
    let again = ends(&host, &event).await;
    assert_eq!(again, Ends { letters: vec![0, 0], ..Ends::default() });
    assert_eq!(host.letter_ids().len(), 1);
}

#[tokio::test]
async fn with_the_registry_down_every_record_is_returned() {
    let host = host();
    host.fail(always(Call::Document, Fault::Refused));
    let down = ends(&host, &batch(&SIX)).await;
    assert_eq!(down, Ends { returned: (0..6).collect(), ..Ends::default() });
}

#[tokio::test]
async fn one_subject_of_many_waits_in_the_buffer_with_all_its_records() {
    let host = host();
    host.fail(first_of(Call::Head));
    let waits = ends(&host, &batch(&SIX)).await;
    let expected = Ends { buffered: vec![0, 5], histories: histories(&OTHERS), ..Ends::default() };
    assert_eq!(waits, expected);
}

/// The cause decides, not the number of subjects.
#[tokio::test]
async fn every_subject_of_a_batch_waits_in_the_buffer_if_each_has_its_own_fault() {
    for call in [Call::Head, Call::Write] {
        let host = host();
        host.fail(always(call, Fault::HotKey));
        let waits = ends(&host, &batch(&SIX)).await;
        let expected = Ends { buffered: (0..6).collect(), ..Ends::default() };
        assert_eq!(waits, expected, "{call:?}");
    }
}

#[tokio::test]
async fn a_subject_whose_table_does_not_answer_is_returned() {
    let host = host();
    let mut first = first_of(Call::Head);
    host.fail(move |call| if first(call) == Fault::None { Fault::None } else { Fault::Refused });
    let waits = ends(&host, &batch(&SIX)).await;
    let expected = Ends { returned: vec![0, 5], histories: histories(&OTHERS), ..Ends::default() };
    assert_eq!(waits, expected);
}

#[tokio::test]
async fn with_the_buffer_down_too_its_records_are_returned() {
    let host = host();
    let mut ledger = first_of(Call::Head);
    host.fail(move |call| if call == Call::Buffer { Fault::Refused } else { ledger(call) });
    let waits = ends(&host, &batch(&SIX)).await;
    let expected = Ends { returned: vec![0, 5], histories: histories(&OTHERS), ..Ends::default() };
    assert_eq!(waits, expected);
}

#[tokio::test]
async fn a_batch_in_which_nothing_parses_is_letters_and_success() {
    let poison: Vec<(&str, &str)> = vec![("a", POISON); 30];
    let ends = ends(&host(), &batch(&poison)).await;
    assert_eq!(ends, Ends { letters: (0..30).collect(), ..Ends::default() });
}

#[tokio::test]
async fn records_without_enough_time_are_returned_and_not_buffered() {
    // Of 30 seconds, 25 are for the ledger; the fifth write uses them up.
    let host = Host::with_slow_writes(now(), &Extra::default(), 5);
    let devices = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let readings: Vec<(&str, &str)> = devices.into_iter().map(|device| (device, "1")).collect();
    let first = ends(&host, &batch(&readings)).await;
    let done: Vec<(&str, &[&str])> =
        devices.iter().take(5).map(|device| (*device, &["1"][..])).collect();
    let expected = Ends { returned: vec![5, 6, 7], histories: histories(&done), ..Ends::default() };
    assert_eq!(first, expected);
    let second = ends(&host, &batch(&readings)).await;
    assert_eq!((second.returned, second.histories.len()), (Vec::new(), 8));
}

#[tokio::test]
async fn each_identifier_is_named_once_even_if_a_batch_repeats_a_record() {
    let host = host();
    host.fail(always(Call::Head, Fault::Refused));
    let mut event: Value = serde_json::from_str(&batch(&[("a", "1")])).expect("JSON");
    let records = event["records"][PARTITION].as_array_mut().expect("records");
    records.push(records[0].clone());
    let answer = host.deliver(&event.to_string()).await;
    assert_eq!(answer.as_ref().map(|answer| answer.batch_item_failures.len()).ok(), Some(1));
    assert_eq!(returned(&answer), BTreeSet::from([(PARTITION.to_owned(), 0)]));
}
