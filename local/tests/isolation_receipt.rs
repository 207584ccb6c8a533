//! An implausible Kafka timestamp only makes the timestamp itself invalid: a valid event is applied
//! whatever its producer stamps, and a replay corrects records that an earlier version stamped
//! wrongly.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::time::{SystemTime, UNIX_EPOCH};

use common::running::Running;
use common::{WAIT, run, sqs};
use drover_core::base::time::Timestamp;
use serde_json::{Value, json};

#[expect(clippy::disallowed_methods, reason = "the host decides by the clock of the machine")]
fn now_millis() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn time(millis: i64) -> String {
    Timestamp::from_millis(millis).unwrap().to_string()
}

/// A reading of a device, with or without its own time.
fn reading(device: &str, observed_at: Option<i64>) -> Value {
    let mut reading = json!({
        "device_id": device, "event_id": "e-1", "event_type": "temperature",
        "payload": { "value": 20 },
    });
    if let Some(observed_at) = observed_at {
        reading["timestamp"] = json!(time(observed_at));
    }
    reading
}

/// A record of the topic `telemetry`, as Lambda sends it.
fn record(offset: usize, timestamp: i64, reading: &Value) -> Value {
    json!({
        "topic": "telemetry", "partition": 0, "offset": offset,
        "timestamp": timestamp, "timestampType": "CREATE_TIME", "key": null,
        "value": base64_simd::STANDARD.encode_to_string(reading.to_string()),
        "headers": [{ "tenant": b"demo" }],
    })
}

/// The processor takes all of these records.
async fn acknowledge(running: &Running, records: &[Value]) {
    let event = json!({
        "eventSource": "aws:kafka", "bootstrapServers": "localhost:9092",
        "records": { "telemetry-0": records },
    });
    let answer = running.invoke("processor", &event).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
}

/// The history of a device of demo: nothing, where nothing is stored.
async fn history(running: &Running, device: &str) -> Vec<Value> {
    running.entries("demo", &format!("device/{device}")).await.unwrap_or_default()
}

/// The history of a device, once there is any.
async fn history_at_last(running: &Running, device: &str) -> Vec<Value> {
    let stored = async {
        loop {
            let history = history(running, device).await;
            if !history.is_empty() {
                break history;
            }
        }
    };
    tokio::time::timeout(WAIT, stored).await.unwrap()
}

async fn replay(running: &Running, words: &[&str]) -> Value {
    let rest = ["--tenant", "demo", "--json", "--data", running.folder()];
    let (code, out, error) = run(&[&["replay"], words, &rest].concat(), "").await;
    assert_eq!(code, 0, "{out} {error}");
    serde_json::from_str(&out).unwrap()
}

/// Codes of demo's open letters and how many there are, once there are so many.
async fn letters(running: &Running, expected: u64) -> Value {
    let filed = async {
        loop {
            let listing = replay(running, &["inspect"]).await;
            if listing["total"] == expected {
                break listing["counts"].clone();
            }
        }
    };
    tokio::time::timeout(WAIT, filed).await.unwrap()
}

/// Timestamps of producers with wrong units or clocks, in the order of their offsets.
fn implausible(now: i64) -> [(&'static str, i64); 6] {
    [
        ("zero", 0),
        ("negative", -5),
        ("seconds", now / 1_000),
        ("microseconds", now * 1_000),
        ("years-ago", now - 3 * 365 * 86_400_000),
        ("next-week", now + 7 * 86_400_000),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_event_is_applied_whatever_its_record_is_stamped() {
    let running = Running::start().await;
    let now = now_millis();
    let stamped = implausible(now).into_iter().enumerate();
    let records = stamped.map(|(offset, (device, timestamp))| {
        record(offset, timestamp, &reading(device, Some(now)))
    });
    acknowledge(&running, &records.collect::<Vec<_>>()).await;
    for (device, _) in implausible(now) {
        let history = history(&running, device).await;
        assert_eq!(history.len(), 1, "{device}");
        assert_eq!(history[0]["observed_at"], time(now), "{device}");
        let ingested_at = history[0]["ingested_at"].as_str().unwrap();
        assert!(ingested_at >= time(now).as_str(), "{device} entered at {ingested_at}");
        assert!(ingested_at <= time(now_millis()).as_str(), "{device} entered at {ingested_at}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_time_is_put_into_no_time_that_cannot_be_true() {
    let running = Running::start().await;
    let now = now_millis();
    let stamped = implausible(now).into_iter().enumerate();
    let records = stamped
        .map(|(offset, (device, timestamp))| record(offset, timestamp, &reading(device, None)));
    let mut records: Vec<Value> = records.collect();
    records.push(record(6, now - 1_000, &reading("good", None)));
    acknowledge(&running, &records).await;
    assert_eq!(letters(&running, 6).await, json!({ "missing_field": 6 }));
    for (device, _) in implausible(now) {
        assert_eq!(history(&running, device).await, Vec::<Value>::new(), "{device}");
    }
    assert_eq!(history(&running, "good").await[0]["observed_at"], time(now - 1_000));
    running.stop().await;
}

/// An envelope of the first version, which trusted every timestamp.
fn envelope(offset: i64, code: &str, timestamp: i64, reading: &Value, now: i64) -> Value {
    let stamp = time(timestamp);
    json!({
        "v": 1, "id": format!("{:012x}{offset:020x}", timestamp), "tenant": "demo",
        "contract": "telemetry", "code": code, "path": null, "message": "observed in the future",
        "source": {
            "kind": "kafka", "topic": "telemetry", "partition": 0, "offset": offset,
            "timestamp": timestamp,
        },
        "key": null,
        "value": base64_simd::STANDARD.encode_to_string(reading.to_string()),
        "headers": [["tenant", base64_simd::STANDARD.encode_to_string("demo")]],
        "part": [1, 1], "received_at": stamp, "ingested_at": stamp, "rejected_at": time(now),
        "attempts": 1, "replay_count": 0, "trace": null,
    })
}

async fn send(running: &Running, queue: &str, envelope: &Value) {
    let addresses = running.host.addresses();
    let url = format!("http://{}/000000000000/{queue}", addresses.sqs);
    let message = json!({ "QueueUrl": url, "MessageBody": envelope.to_string() });
    sqs(addresses, "SendMessage", message).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_was_stamped_wrongly_is_resolved_by_a_replay() {
    let running = Running::start().await;
    let now = now_millis();
    let stamps = [("zero", 0), ("seconds", now / 1_000)];
    for (offset, (device, timestamp)) in (0..).zip(stamps) {
        let reading = reading(device, Some(now));
        let envelope = envelope(offset, "future_timestamp", timestamp, &reading, now);
        send(&running, "drover-dead-letters", &envelope).await;
    }
    assert_eq!(letters(&running, 2).await, json!({ "future_timestamp": 2 }));
    let dry = replay(&running, &["run", "--dry-run"]).await;
    assert_eq!(dry["outcomes"], json!({ "applied": 2 }));
    // The filter uses the time that decides about the letters.
    let from = time(now - 1);
    let run = replay(&running, &["run", "--from", &from]).await;
    assert_eq!((&run["phase"], &run["outcomes"]), (&json!("done"), &json!({ "applied": 2 })));
    for (device, _) in stamps {
        let history = history(&running, device).await;
        assert_eq!(history[0]["ingested_at"], time(now), "{device}: when it was refused");
    }
    assert_eq!(letters(&running, 0).await, json!({}));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_the_buffer_that_was_stamped_wrongly_is_applied() {
    let running = Running::start().await;
    let now = now_millis();
    let envelope = envelope(0, "unavailable", 0, &reading("d-1", Some(now)), now);
    send(&running, "drover-buffer", &envelope).await;
    let history = history_at_last(&running, "d-1").await;
    assert_eq!(history[0]["ingested_at"], time(now), "when it was put there");
    running.stop().await;
}
