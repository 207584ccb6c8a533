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

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use common::{WAIT, post, run, sqs};
use drover_core::base::time::Timestamp;
use drover_local::{Host, HostConfig};
use serde_json::{Value, json};
use tempfile::tempdir;

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

/// Sends records to the processor, which must acknowledge all of them.
async fn acknowledge(host: &Host, records: &[Value]) {
    let event = json!({
        "eventSource": "aws:kafka", "bootstrapServers": "localhost:9092",
        "records": { "telemetry-0": records },
    });
    let path = "/2015-03-31/functions/processor/invocations";
    let answer = post(host.addresses().lambda, path, "", &event).await;
    assert_eq!(answer, Some((200, json!({ "batchItemFailures": [] }))));
}

/// The history of a device of the demo tenant; empty without stored data.
async fn history(data: &Path, device: &str) -> Vec<Value> {
    let subject = format!("device/{device}");
    let folder = data.to_str().unwrap();
    let words = ["inspect", "demo", &subject, "--json", "--data", folder];
    let (_, out, _) = run(&words, "").await;
    let shown = serde_json::from_str::<Value>(&out).unwrap_or_default();
    shown["entries"].as_array().cloned().unwrap_or_default()
}

/// The history of a device, once it has events.
async fn history_at_last(data: &Path, device: &str) -> Vec<Value> {
    let stored = async {
        loop {
            let history = history(data, device).await;
            if !history.is_empty() {
                break history;
            }
        }
    };
    tokio::time::timeout(WAIT, stored).await.unwrap()
}

async fn replay(data: &Path, words: &[&str]) -> Value {
    let rest = ["--tenant", "demo", "--json", "--data", data.to_str().unwrap()];
    let (code, out, error) = run(&[&["replay"], words, &rest].concat(), "").await;
    assert_eq!(code, 0, "{out} {error}");
    serde_json::from_str(&out).unwrap()
}

/// The open letters of the demo tenant by code, once there are so many.
async fn letters(data: &Path, expected: u64) -> Value {
    let filed = async {
        loop {
            let listing = replay(data, &["inspect"]).await;
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
async fn a_valid_event_is_applied_whatever_the_timestamp_of_its_record() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let now = now_millis();
    let stamped = implausible(now).into_iter().enumerate();
    let records = stamped.map(|(offset, (device, timestamp))| {
        record(offset, timestamp, &reading(device, Some(now)))
    });
    acknowledge(&host, &records.collect::<Vec<_>>()).await;
    for (device, _) in implausible(now) {
        let history = history(data.path(), device).await;
        assert_eq!(history.len(), 1, "{device}");
        assert_eq!(history[0]["observed_at"], time(now), "{device}");
        let ingested_at = history[0]["ingested_at"].as_str().unwrap();
        assert!(ingested_at >= time(now).as_str(), "{device} entered at {ingested_at}");
        assert!(ingested_at <= time(now_millis()).as_str(), "{device} entered at {ingested_at}");
    }
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_time_never_gets_an_implausible_time() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let now = now_millis();
    let stamped = implausible(now).into_iter().enumerate();
    let records = stamped
        .map(|(offset, (device, timestamp))| record(offset, timestamp, &reading(device, None)));
    let mut records: Vec<Value> = records.collect();
    records.push(record(6, now - 1_000, &reading("good", None)));
    acknowledge(&host, &records).await;
    assert_eq!(letters(data.path(), 6).await, json!({ "missing_field": 6 }));
    for (device, _) in implausible(now) {
        assert_eq!(history(data.path(), device).await, Vec::<Value>::new(), "{device}");
    }
    assert_eq!(history(data.path(), "good").await[0]["observed_at"], time(now - 1_000));
    host.stop().await.unwrap();
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

async fn send(host: &Host, queue: &str, envelope: &Value) {
    let url = format!("http://{}/000000000000/{queue}", host.addresses().sqs);
    let message = json!({ "QueueUrl": url, "MessageBody": envelope.to_string() });
    sqs(host.addresses(), "SendMessage", message).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_with_a_wrong_timestamp_is_resolved_by_a_replay() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let now = now_millis();
    let stamps = [("zero", 0), ("seconds", now / 1_000)];
    for (offset, (device, timestamp)) in (0..).zip(stamps) {
        let reading = reading(device, Some(now));
        let envelope = envelope(offset, "future_timestamp", timestamp, &reading, now);
        send(&host, "drover-dead-letters", &envelope).await;
    }
    assert_eq!(letters(data.path(), 2).await, json!({ "future_timestamp": 2 }));
    let dry = replay(data.path(), &["run", "--dry-run"]).await;
    assert_eq!(dry["outcomes"], json!({ "applied": 2 }));
    // The filter uses the time that decides about the letters.
    let from = time(now - 1);
    let run = replay(data.path(), &["run", "--from", &from]).await;
    assert_eq!((&run["phase"], &run["outcomes"]), (&json!("done"), &json!({ "applied": 2 })));
    for (device, _) in stamps {
        let history = history(data.path(), device).await;
        assert_eq!(history[0]["ingested_at"], time(now), "{device}: when it was refused");
    }
    assert_eq!(letters(data.path(), 0).await, json!({}));
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buffered_record_with_a_wrong_timestamp_is_applied() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let now = now_millis();
    let envelope = envelope(0, "unavailable", 0, &reading("d-1", Some(now)), now);
    send(&host, "drover-buffer", &envelope).await;
    let history = history_at_last(data.path(), "d-1").await;
    assert_eq!(history[0]["ingested_at"], time(now), "when it was put there");
    host.stop().await.unwrap();
}
