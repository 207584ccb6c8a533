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

/// A contract whose transform makes three events of one record, each with its number as written.
fn sims() -> Value {
    json!({
        "name": "sims",
        "transform": ".device_id as $id | .at as $at | .cards[] | {id: $id, at: $at, kept: {iccid: .}}",
        "subject": {"kind": "device", "id": {"path": "/id"}}, "type": {"const": "sim"},
        "observed_at": {"path": "/at"}, "identity": {"of": [{"path": "/kept/iccid"}]},
        "payload": {"path": "/kept"},
    })
}

/// All the numbers in one record.
fn cards(device: &str) -> String {
    let at = Timestamp::from_millis(*WRITTEN_AT_MILLIS - 1_000).unwrap();
    format!(r#"{{"device_id":"{device}","at":"{at}","cards":[{}]}}"#, NUMBERS.join(","))
}

fn cards_record(tenant: &str, device: &str) -> Record {
    text(tenant, &cards(device)).in_topic("sims")
}

async fn post_event(host: &Host, path: &str, body: String) {
    let headers = vec![("content-type", "application/json".to_owned())];
    let body = body.into_bytes();
    let call = Call { method: "POST", headers, body, ..Call::get(path) };
    let answer = call.send(host.addresses().http, "drover-demo-key").await.unwrap();
    assert_eq!(answer.status, 202, "{}", answer.text);
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

async fn apply(data: &Path, documents: &[(&str, Value)]) {
    let folder = tempdir().unwrap();
    for (path, document) in documents {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, document.to_string()).unwrap();
    }
    let words = ["apply", folder.path().to_str().unwrap(), "--data", data.to_str().unwrap()];
    let (code, _, error) = run(&words, "").await;
    assert_eq!(code, 0, "{error}");
}

async fn apply_newco(data: &Path) {
    let key = json!({"id": "k", "sha256": NEWCO_SHA256, "scopes": ["read"], "local": true});
    let newco = json!({"id": "newco", "keys": [key]});
    apply(data, &[("tenants/newco.json", newco)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_twenty_digits_comes_back_digit_by_digit_whichever_way_it_took() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    for number in NUMBERS {
        post_event(&host, "/api/v1/events", reading("sim-http", number)).await;
    }
    both_numbers(&host, "drover-demo-key", "sim-http").await;

    deliver(&host, &records("demo", "sim-kafka")).await;
    both_numbers(&host, "drover-demo-key", "sim-kafka").await;

    deliver(&host, &records("newco", "sim-letter")).await;
    replayed(&host, data.path(), 3).await;
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transform_keeps_every_digit_whichever_way_its_record_took() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let topics = json!({"topics": {"sims": {"contract": "sims", "tenant": {"header": "tenant"}}}});
    apply(data.path(), &[("contracts/sims.json", sims()), ("topics.json", topics)]).await;
    post_event(&host, "/api/v1/events?contract=sims", cards("sim-http")).await;
    both_numbers(&host, "drover-demo-key", "sim-http").await;

    deliver(&host, &[cards_record("demo", "sim-kafka")]).await;
    both_numbers(&host, "drover-demo-key", "sim-kafka").await;

    deliver(&host, &[cards_record("newco", "sim-letter")]).await;
    replayed(&host, data.path(), 1).await;
    host.stop().await.unwrap();
}

/// Waits for the letters of a tenant that does not exist, makes it, and replays them: dry first. They
/// hold each number once, and one of them again in another spelling.
async fn replayed(host: &Host, data: &Path, letters: u64) {
    let filed = async { while replay(data, &["inspect"]).await["total"] != letters {} };
    tokio::time::timeout(WAIT, filed).await.unwrap();
    apply_newco(data).await;
    let expected = json!({ "applied": 2, "duplicate": 1 });
    for extra in [&["--dry-run", "--views", "1"][..], &[]] {
        let words = [&["run", "--of-tenant", "newco"], extra].concat();
        let done = replay(data, &words).await;
        assert_eq!(done["outcomes"], expected, "{done}");
    }
    both_numbers(host, NEWCO, "sim-letter").await;
}
