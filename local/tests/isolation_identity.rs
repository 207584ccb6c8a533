//! A contract changes between two deliveries of one record: the record stays one event, and `drover
//! apply` rejects a change that would make it two events.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use common::running::{Running, folder};
use common::{WAIT, post_api};
use drover_core::base::time::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: &str = "drover-demo-key";

/// The timestamp of the readings' records.
#[expect(clippy::disallowed_methods, reason = "HTTP requests are received at the current time")]
static WRITTEN_AT_MILLIS: LazyLock<i64> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() * 1_000
});

/// Allows versions that accept other records.
const ALLOWED: [&str; 4] = ["--allow", "incompatible", "--allow", "undecided"];

/// Applies documents, which must succeed. They may accept other records than before.
async fn applied(running: &Running, documents: &TempDir) {
    let (code, _, fault) = running.run_apply(documents.path(), &ALLOWED).await;
    assert_eq!(code, 0, "{fault}");
}

/// Delivers the record, which must be acknowledged.
async fn deliver(running: &Running, record: &str) {
    let event = json!({
        "eventSource": "aws:kafka",
        "eventSourceArn": "arn:aws:kafka:us-east-1:000000000000:cluster/local/0",
        "bootstrapServers": "localhost:9092",
        "records": { "meters-0": [{
            "topic": "meters", "partition": 0, "offset": 0, "headers": [], "key": null,
            "timestamp": *WRITTEN_AT_MILLIS, "timestampType": "CREATE_TIME",
            "value": base64_simd::STANDARD.encode_to_string(record),
        }] },
    });
    let answer = running.invoke("processor", &event).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
}

/// The meter's events, oldest first.
async fn history(running: &Running) -> Vec<Value> {
    running.entries("demo", "meter/m-1").await.unwrap()
}

/// The number of letters that are queued or filed.
async fn letters(running: &Running) -> usize {
    let command = json!({ "action": "inspect", "tenant": "demo" });
    let answer = running.invoke("replay", &command).await;
    answer["letters"].as_array().unwrap().len()
}

fn time(seconds_before: i64) -> String {
    Timestamp::from_millis(*WRITTEN_AT_MILLIS - seconds_before * 1_000).unwrap().to_string()
}

/// A reading without an id.
fn reading(seconds_before: i64, value: i64) -> Value {
    json!({ "meter": "m-1", "at": time(seconds_before), "values": { "kwh": value } })
}

/// A contract without an `event_id`.
fn contract() -> Value {
    json!({
        "name": "meter",
        "subject": { "kind": "meter", "id": { "path": "/meter" } },
        "type": { "const": "reading" },
        "observed_at": { "path": "/at" },
        "payload": { "path": "/values" },
    })
}

/// A folder with this contract with `changes`, and a topic that uses it.
fn documents(changes: Value) -> TempDir {
    let mut contract = contract();
    for (name, change) in changes.as_object().unwrap() {
        contract[name] = change.clone();
    }
    let route = json!({ "topics": {
        "meters": { "contract": "meter", "tenant": { "const": "demo" } },
    } });
    folder(&[("contracts/meter.json", contract), ("topics.json", route)])
}

/// The contract extracts another payload and reads it differently.
fn mended() -> TempDir {
    documents(json!({
        "payload": { "path": "" },
        "schema": { "type": "object", "required": ["values"] },
        "measures": [{ "name": "energy", "path": "/values/kwh", "unit": "kWh" }],
    }))
}

#[tokio::test]
async fn a_record_redelivered_after_a_contract_change_is_one_event() {
    let running = Running::start().await;
    applied(&running, &documents(json!({}))).await;
    let record = reading(10, 7).to_string();
    deliver(&running, &record).await;
    let before = history(&running).await;
    applied(&running, &mended()).await;

    let running = running.restart().await;
    deliver(&running, &record).await;
    assert_eq!(history(&running).await, before);

    // The corrected contract is in use now, and existing letters are processed in order.
    deliver(&running, &reading(5, 8).to_string()).await;
    let history = history(&running).await;
    assert_eq!(history.len(), 2);
    assert_eq!(history[1]["payload"]["values"]["kwh"], 8);
    assert_eq!(letters(&running).await, 0);
    running.stop().await;
}

#[tokio::test]
async fn a_record_is_the_same_event_by_kafka_and_by_http() {
    let running = Running::start().await;
    applied(&running, &documents(json!({}))).await;
    deliver(&running, &reading(10, 7).to_string()).await;
    applied(&running, &mended()).await;

    let running = running.restart().await;
    // The second record is after the first in the event log, so once it is applied, the first was
    // processed.
    for (seconds_before, value) in [(10, 7), (5, 8)] {
        let event = reading(seconds_before, value);
        let path = "/api/v1/events?contract=meter";
        let (status, answer) = post_api(running.host.addresses(), path, KEY, &event).await;
        assert_eq!(status, 202, "{answer}");
    }
    let newest = async {
        loop {
            let history = history(&running).await;
            if history.last().is_some_and(|last| last["payload"]["values"]["kwh"] == 8) {
                break history;
            }
        }
    };
    let history = tokio::time::timeout(WAIT, newest).await.unwrap();
    assert_eq!(history.len(), 2, "{history:?}");
    assert_eq!(letters(&running).await, 0);
    running.stop().await;
}

#[tokio::test]
async fn two_readings_that_differ_beyond_the_digits_of_a_double_are_two_events() {
    let running = Running::start().await;
    applied(&running, &documents(json!({}))).await;
    for value in ["12345678901234567890123", "12345678901234567890124"] {
        let reading = reading(10, 0).to_string();
        deliver(&running, &reading.replace(r#""kwh":0"#, &format!(r#""kwh":{value}"#))).await;
    }
    assert_eq!(history(&running).await.len(), 2);
    running.stop().await;
}

#[tokio::test]
async fn a_change_of_identities_is_rejected_unless_it_is_allowed() {
    let running = Running::start().await;
    applied(&running, &documents(json!({}))).await;
    let other = documents(json!({ "subject": { "kind": "meter", "id": { "path": "/serial" } } }));
    let (code, said, fault) = running.run_apply(other.path(), &[]).await;
    assert_eq!((code, said.as_str()), (1, ""));
    let file = other.path().join("contracts/meter.json");
    assert!(fault.contains(&format!("{}: /subject/id: ", file.display())), "{fault}");
    for word in ["count twice", "another name", "--allow identity-change"] {
        assert!(fault.contains(word), "{fault}");
    }
    let (_, said, _) = running.run_apply(documents(json!({})).path(), &[]).await;
    assert!(said.starts_with("unchanged  contract meter  "), "{said}");

    let (code, said, fault) =
        running.run_apply(other.path(), &["--allow", "identity-change"]).await;
    assert_eq!(code, 0, "{fault}");
    assert!(said.starts_with("replaced   contract meter@2  "), "{said}");
    running.stop().await;
}

#[tokio::test]
async fn the_first_contract_of_a_built_in_name_is_compared_with_the_built_in_one() {
    let running = Running::start().await;
    let builtin = include_str!("../../shared/core/src/intake/contract/builtin/heartbeat.json");
    let mut heartbeat: Value = serde_json::from_str(builtin).unwrap();
    heartbeat["measures"] = json!([]);
    let first = folder(&[("contracts/heartbeat.json", heartbeat.clone())]);
    assert_eq!(running.run_apply(first.path(), &[]).await.0, 0);

    let running = Running::start().await;
    heartbeat["without_time"] = json!("received");
    let other = folder(&[("contracts/heartbeat.json", heartbeat)]);
    let (code, _, fault) = running.run_apply(other.path(), &[]).await;
    assert_eq!(code, 1, "{fault}");
    assert!(fault.contains("/without_time: "), "{fault}");
    running.stop().await;
}
