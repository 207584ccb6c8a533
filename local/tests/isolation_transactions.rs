//! A correction that needs more than one DynamoDB transaction, through a whole host: its records
//! are acknowledged, and the history is complete and in order.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use common::running::Running;
use common::{dynamodb, run};
use drover_core::base::time::Timestamp;
use serde_json::{Value, json};

/// Each of these batches makes a page.
const PAGES: i64 = 78;
const EVENTS_PER_PAGE: i64 = 8;
const DENSE: i64 = 1_200;

/// A custom reading, `at` seconds after the start.
fn reading(start: Timestamp, at: i64, id: &str, payload: &str) -> Value {
    let value = format!(
        r#"{{"device_id":"d-1","event_id":"{id}","event_type":"custom","timestamp":"{}","payload":{payload}}}"#,
        start.plus_seconds(at)
    );
    json!({
        "topic": "telemetry", "partition": 0, "offset": 0,
        "timestamp": start.plus_seconds(3_600).micros() / 1_000, "timestampType": "CREATE_TIME",
        "key": null, "value": base64_simd::STANDARD.encode_to_string(value.as_bytes()),
        "headers": [{ "tenant": "demo".as_bytes() }],
    })
}

/// Incompressible letters and digits, as a payload.
fn noise(length: usize, seed: i64) -> String {
    let mut state = seed.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                [usize::try_from(state % 64).unwrap()],
        )
    };
    format!(r#"{{"noise":"{}"}}"#, (0..length).map(|_| next()).collect::<String>())
}

/// The answer of the processor to these records, in this order.
async fn process(running: &Running, mut records: Vec<Value>, offset: &mut i64) -> Value {
    for record in &mut records {
        record["offset"] = (*offset).into();
        *offset += 1;
    }
    let event = json!({
        "eventSource": "aws:kafka",
        "eventSourceArn": "arn:aws:kafka:us-east-1:000000000000:cluster/local/0",
        "bootstrapServers": "localhost:9092",
        "records": { "telemetry-0": records },
    });
    running.invoke("processor", &event).await
}

/// The ids of the subject's events in history order.
async fn history(data: &str) -> Vec<String> {
    let (code, shown, said) =
        run(&["inspect", "demo", "device/d-1", "--json", "--limit", "100000", "--data", data], "")
            .await;
    assert_eq!(code, 0, "{said}");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let entries = shown["entries"].as_array().unwrap().iter();
    entries.map(|entry| entry["event_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn late_events_of_a_dense_page_behind_78_others_are_applied() {
    let running = Running::start().await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap()).unwrap();
    let start = now.plus_seconds(-3_600);
    let (mut at, mut offset, mut expected) = (0, 0, Vec::new());
    let none = json!({ "batchItemFailures": [] });

    for _ in 0..PAGES {
        let batch = (at..at + EVENTS_PER_PAGE)
            .map(|at| reading(start, at, &format!("e{at}"), &noise(180, at + 1)));
        assert_eq!(process(&running, batch.collect(), &mut offset).await, none);
        expected.extend((at..at + EVENTS_PER_PAGE).map(|at| (at, format!("e{at}"))));
        at += EVENTS_PER_PAGE;
    }
    let dense = at;
    let batch = (at..at + DENSE).map(|at| reading(start, at, &format!("e{at}"), "{}"));
    assert_eq!(process(&running, batch.collect(), &mut offset).await, none);
    expected.extend((at..at + DENSE).map(|at| (at, format!("e{at}"))));
    at += DENSE;
    let last = reading(start, at, &format!("e{at}"), "{}");
    assert_eq!(process(&running, vec![last], &mut offset).await, none);
    expected.push((at, format!("e{at}")));
    let counted = dynamodb(
        running.host.addresses(),
        "Scan",
        json!({ "TableName": "drover-ledger", "Select": "COUNT" }),
    );
    let items = counted.await["Count"].as_i64().unwrap();
    assert!(items >= PAGES + 2, "a head, and at least a page of each batch: {items}");

    let mut late = vec![reading(start, 1, "late-0", "{}")];
    expected.push((1, "late-0".to_owned()));
    for (number, second) in (1..).zip([300, 600, 900]) {
        let id = format!("late-{number}");
        late.push(reading(start, dense + second, &id, &noise(21_500, dense + second)));
        expected.push((dense + second, id));
    }
    assert_eq!(process(&running, late, &mut offset).await, none, "nothing is returned");
    expected.sort();
    let expected: Vec<String> = expected.into_iter().map(|(_, id)| id).collect();
    assert!(history(running.folder()).await == expected, "the history differs");
    running.stop().await;
}
