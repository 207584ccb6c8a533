//! Reads of one tenant on a whole host: over its quota the tenant is throttled while another reads
//! on; and a large history is read up to the limit of a response.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::time::{Duration, Instant};

use common::running::Running;
use common::{WAIT, get_api, post_api};
use drover_local::data_folder::Addresses;
use hyper::Response;
use hyper::body::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const DEMO: &str = "drover-demo-key";

fn tenant(id: &str, quota: &Value) -> Value {
    let digits: String =
        Sha256::digest(format!("key-{id}")).iter().map(|byte| format!("{byte:02x}")).collect();
    let key = json!({"id": "k", "sha256": digits, "scopes": ["read", "admin"], "local": true});
    json!({"id": id, "quota": quota, "keys": [key]})
}

fn body(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}

/// The `Retry-After` seconds of a 429 response.
fn retry_after(answer: &Response<Bytes>) -> u64 {
    assert_eq!((answer.status().as_u16(), &body(answer)["code"]), (429, &json!("rate_limited")));
    answer.headers()["retry-after"].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_tenant_over_its_read_quota_waits_while_another_reads_on() {
    let running = Running::start().await;
    let bytes = json!({"events_per_second": 1, "burst": 1, "read_bytes_per_second": 1});
    running.apply(&[("tenants/greedy.json", tenant("greedy", &bytes))]).await.unwrap();
    let addresses = running.host.addresses();
    for path in ["/api/v1/subjects", "/api/v1/dead-letters"] {
        assert_eq!(get_api(addresses, path, "key-greedy").await.status(), 200, "{path}");
        assert!(retry_after(&get_api(addresses, path, "key-greedy").await) > 1000, "{path}");
        assert_eq!(get_api(addresses, path, DEMO).await.status(), 200, "{path}");
    }
    assert!(retry_after(&get_api(addresses, "/get_events", "key-greedy").await) > 1000);
    running.stop().await;
}

/// A text that hardly compresses.
fn noise(seed: u64) -> String {
    let mut state = seed + 1;
    let letter = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + u8::try_from((state >> 33) % 40).unwrap())
    };
    (0..44_000).map(letter).filter(|one| *one != '\\').collect()
}

async fn send(addresses: &Addresses, devices: std::ops::Range<u64>) {
    let event = |device: u64| {
        json!({"device_id": format!("d-{device}"), "event_type": "temperature", "event_id": "e",
            "payload": {"value": 20, "note": noise(device)}})
    };
    let events: Vec<Value> = devices.map(event).collect();
    let sent = json!({ "events": events });
    let (status, answer) = post_api(addresses, "/api/v1/events", DEMO, &sent).await;
    assert_eq!((status, &answer["rejected"]), (202, &json!(0)), "{answer}");
}

#[tokio::test]
async fn the_newest_events_of_a_big_history_say_that_they_are_not_complete() {
    let running = Running::start().await;
    let addresses = running.host.addresses();
    for first in (0..100).step_by(20) {
        send(addresses, first..first + 20).await;
    }
    let started = Instant::now();
    loop {
        let devices = body(&get_api(addresses, "/devices", DEMO).await);
        if devices["unique_devices"] == 100 {
            break;
        }
        assert!(started.elapsed() < WAIT, "{devices}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for path in ["/api/v1/events", "/get_events"] {
        let answer = body(&get_api(addresses, path, DEMO).await);
        let shown = answer["events"].as_array().unwrap().len();
        assert!((20..100).contains(&shown), "{path}: {shown}");
        assert_eq!(answer["complete"], false, "{path}");
    }
    let few = body(&get_api(addresses, "/api/v1/events?device_id=d-7", DEMO).await);
    assert_eq!((few["events"].as_array().unwrap().len(), &few["complete"]), (1, &json!(true)));
    // Lists continue at the cursor.
    let (mut subjects, mut path) = (0, "/api/v1/subjects?limit=200".to_owned());
    loop {
        let page = body(&get_api(addresses, &path, DEMO).await);
        subjects += page["subjects"].as_array().unwrap().len();
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/subjects?limit=200&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(subjects, 100);
    running.stop().await;
}
