//! Numbers that a double cannot represent keep all their digits on every path: HTTP, a topic, a dead
//! letter, and a dry run. Two such numbers are two different contents of an event.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests, which clippy does not see"
)]

mod common;

use std::path::Path;

use common::kafka::{Record, WRITTEN_AT_MILLIS, event, text};
use common::{WAIT, post, run};
use drover_core::base::time::Timestamp;
use drover_local::{Host, HostConfig};
use drover_tests::http::Call;
use serde_json::{Value, json};
use tempfile::tempdir;

/// Numbers of two SIM cards, of twenty digits, and how the second of them may be spelled as well.
const NUMBERS: [&str; 3] =
    ["89014103211118510720", "89014103211118510721", "89014103211118510721.0"];
const NEWCO: &str = "drover-newco-key";
const NEWCO_SHA256: &str = "9bf76abd5a37a71c23a2522b20f740ea21ac7390de9dc710fa4d5a606a7480ac";

/// A reading without an event id. Its content determines its id.
fn reading(device: &str, number: &str) -> String {
    let at = Timestamp::from_millis(*WRITTEN_AT_MILLIS - 1_000).unwrap();
    format!(
        r#"{{"device_id":"{device}","event_type":"custom:sim","timestamp":"{at}","payload":{{"iccid":{number}}}}}"#
    )
}

fn records(tenant: &str, device: &str) -> Vec<Record> {
    NUMBERS.iter().map(|number| text(tenant, &reading(device, number))).collect()
}

async fn deliver(host: &Host, records: &[Record]) {
    let path = "/2015-03-31/functions/processor/invocations";
    let answer = post(host.addresses().lambda, path, "", &event(records)).await;
    assert_eq!(answer, Some((200, json!({ "batchItemFailures": [] }))));
}

/// Waits until a history has both numbers, and holds that it has nothing else.
async fn both_numbers(host: &Host, key: &str, device: &str) {
    let path = format!("/api/v1/events?subject=device/{device}");
    let reached = async {
        loop {
            let answer = Call::get(path.clone()).send(host.addresses().http, key).await.unwrap();
            if answer.json["events"].as_array().is_some_and(|events| events.len() >= 2) {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(WAIT, reached).await.unwrap();
    assert_eq!(answer.json["events"].as_array().unwrap().len(), 2, "{}", answer.text);
    for number in &NUMBERS[..2] {
        assert!(answer.text.contains(&format!(r#"{{"iccid":{number}}}"#)), "{}", answer.text);
    }
}

async fn replay(data: &Path, words: &[&str]) -> Value {
    let folder = ["--json", "--data", data.to_str().unwrap()];
    let (code, out, error) = run(&[&["replay"], words, &folder].concat(), "").await;
    assert_eq!(code, 0, "{out} {error}");
    serde_json::from_str(&out).unwrap()
}

async fn apply_newco(data: &Path) {
    let documents = tempdir().unwrap();
    let key = json!({"id": "k", "sha256": NEWCO_SHA256, "scopes": ["read"], "local": true});
    let newco = json!({"id": "newco", "keys": [key]});
    std::fs::create_dir(documents.path().join("tenants")).unwrap();
    std::fs::write(documents.path().join("tenants/newco.json"), newco.to_string()).unwrap();
    let words = ["apply", documents.path().to_str().unwrap(), "--data", data.to_str().unwrap()];
    let (code, _, error) = run(&words, "").await;
    assert_eq!(code, 0, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_twenty_digits_comes_back_digit_by_digit_whichever_way_it_took() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    for number in NUMBERS {
        let body = reading("sim-http", number).into_bytes();
        let headers = vec![("content-type", "application/json".to_owned())];
        let call = Call { method: "POST", headers, body, ..Call::get("/api/v1/events") };
        let answer = call.send(host.addresses().http, "drover-demo-key").await.unwrap();
        assert_eq!(answer.status, 202, "{}", answer.text);
    }
    both_numbers(&host, "drover-demo-key", "sim-http").await;

    deliver(&host, &records("demo", "sim-kafka")).await;
    both_numbers(&host, "drover-demo-key", "sim-kafka").await;

    deliver(&host, &records("newco", "sim-letter")).await;
    let filed = async { while replay(data.path(), &["inspect"]).await["total"] != 3 {} };
    tokio::time::timeout(WAIT, filed).await.unwrap();
    apply_newco(data.path()).await;
    let dry =
        replay(data.path(), &["run", "--of-tenant", "newco", "--dry-run", "--views", "1"]).await;
    assert_eq!(dry["outcomes"], json!({ "applied": 2, "duplicate": 1 }), "{dry}");
    let done = replay(data.path(), &["run", "--of-tenant", "newco"]).await;
    assert_eq!(done["outcomes"], json!({ "applied": 2, "duplicate": 1 }), "{done}");
    both_numbers(&host, NEWCO, "sim-letter").await;
    host.stop().await.unwrap();
}
