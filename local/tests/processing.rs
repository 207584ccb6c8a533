//! Events through a whole host: the processor is invoked as Lambda does, and the results are read
//! from tables and queues.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use common::kafka::{temperature, text};
use common::running::{Running, folder};
use common::{WAIT, dynamodb};
use serde_json::json;

/// The codes of the filed dead letters, once there are any.
async fn dead_letters(running: &Running, tenant: Option<&str>) -> Vec<String> {
    let command = json!({ "action": "inspect", "tenant": tenant });
    let filed = async {
        loop {
            let answer = running.invoke("replay", &command).await;
            let letters = answer["letters"].as_array().unwrap();
            if !letters.is_empty() {
                break letters.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect();
            }
        }
    };
    tokio::time::timeout(WAIT, filed).await.unwrap()
}

#[tokio::test]
async fn events_that_arrive_out_of_order_and_twice_are_an_ordered_history() {
    let running = Running::start().await;
    let reading = |seconds_before| temperature("demo", "d-1", seconds_before);
    running.acknowledge(&[reading(1), reading(30), reading(10)]).await;
    running.acknowledge(&[reading(20), reading(10)]).await;
    let history = running.history("demo", "device/d-1").await;
    assert_eq!(history, ["e-30", "e-20", "e-10", "e-1"]);
    running.stop().await;
}

#[tokio::test]
async fn an_unparsable_record_is_one_dead_letter_and_blocks_no_other() {
    let running = Running::start().await;
    let reading = |seconds_before| temperature("demo", "d-1", seconds_before);
    running.acknowledge(&[reading(2), text("demo", "{not JSON"), reading(1)]).await;
    assert_eq!(running.history("demo", "device/d-1").await, ["e-2", "e-1"]);
    assert_eq!(dead_letters(&running, Some("demo")).await, ["malformed_json"]);
    running.stop().await;
}

#[tokio::test]
async fn an_event_of_another_source_fails_the_function_with_a_named_error() {
    let running = Running::start().await;
    let answer = running.invoke("processor", &json!({ "Records": [] })).await;
    assert_eq!(answer["errorType"], "NotAnEvent");
    running.stop().await;
}

#[tokio::test]
async fn the_events_of_a_tenant_pass_once_it_is_applied() {
    let running = Running::start().await;
    let documents = folder(&[("tenants/newco.json", json!({ "id": "newco" }))]);
    let report = running.apply_folder(documents.path()).await.unwrap();
    assert!(report.starts_with("created    tenant newco  "), "{report}");
    assert!(report.contains("\nrevision 2, "), "{report}");

    let stranger = temperature("stranger", "d-1", 1);
    running.acknowledge(&[temperature("newco", "d-1", 1), stranger]).await;
    assert_eq!(running.history("newco", "device/d-1").await, ["e-1"]);
    assert_eq!(dead_letters(&running, None).await, ["unknown_tenant"]);

    let report = running.apply_folder(documents.path()).await.unwrap();
    assert!(report.starts_with("unchanged  tenant newco  "), "{report}");
    assert!(report.ends_with("\nrevision 2\n"), "{report}");
    running.stop().await;
}

#[tokio::test]
async fn an_invalid_document_is_rejected_with_file_and_path_and_nothing_is_written() {
    let running = Running::start().await;
    let route = json!({ "contract": "none", "tenant": { "const": "good" } });
    let documents = folder(&[
        ("tenants/good.json", json!({ "id": "good" })),
        ("tenants/bad.json", json!({ "id": "bad", "retention_days": "x", "color": 1 })),
    ]);
    let refusal = running.apply_folder(documents.path()).await.unwrap_err().to_string();
    let bad = documents.path().join("tenants/bad.json");
    for path in ["/retention_days", "/color"] {
        assert!(refusal.contains(&format!("\n  {}: {path}: ", bad.display())), "{refusal}");
    }
    let documents = folder(&[
        ("tenants/good.json", json!({ "id": "good" })),
        ("topics.json", json!({ "topics": { "t": route } })),
    ]);
    let refusal = running.apply_folder(documents.path()).await.unwrap_err().to_string();
    assert!(refusal.contains("topics.json: /topics/t/contract: "), "{refusal}");

    // A stored document would be there already.
    std::fs::remove_file(documents.path().join("topics.json")).unwrap();
    let report = running.apply_folder(documents.path()).await.unwrap();
    assert!(report.starts_with("created    tenant good  "), "{report}");
    assert!(report.contains("\nrevision 2, "), "{report}");
    running.stop().await;
}

#[tokio::test]
async fn changes_to_a_demo_tenant_survive_a_restart() {
    let running = Running::start().await;
    let tenants = |running: &Running| -> Vec<String> {
        running.host.parts().tenants.iter().map(|tenant| tenant.id.clone()).collect()
    };
    assert_eq!(tenants(&running), ["demo", "acme"]);
    let documents = folder(&[
        ("tenants/demo.json", json!({ "id": "demo", "lateness_seconds": 3 })),
        ("topics.json", json!({ "topics": { "telemetry": { "envelope": true } } })),
    ]);
    let report = running.apply_folder(documents.path()).await.unwrap();
    assert!(report.starts_with("replaced   tenant demo  "), "{report}");
    assert!(report.contains("\nremoved    key with sha256 db719f85"), "{report}");

    let running = running.restart().await;
    assert_eq!(tenants(&running), ["acme"]);
    let report = running.apply_folder(documents.path()).await.unwrap();
    assert!(report.starts_with("unchanged  tenant demo  "), "{report}");
    assert!(report.contains("\nunchanged  topic telemetry  "), "{report}");
    assert!(report.ends_with("\nrevision 2\n"), "{report}");
    running.stop().await;
}

#[tokio::test]
async fn a_subject_is_read_from_the_table_of_its_tenant() {
    let running = Running::start().await;
    running.create_ledger_table("ledger-of-newco").await;
    let tenant = json!({ "id": "newco", "placement": { "table": "ledger-of-newco" } });
    running.apply(&[("tenants/newco.json", tenant)]).await.unwrap();
    running.acknowledge(&[temperature("newco", "d-1", 1)]).await;
    assert_eq!(running.history("newco", "device/d-1").await, ["e-1"]);

    let count = |table: &str| json!({ "TableName": table, "Select": "COUNT" });
    for (table, expected) in [("ledger-of-newco", 1), ("drover-ledger", 0)] {
        let scanned = dynamodb(running.host.addresses(), "Scan", count(table)).await;
        assert_eq!(scanned["Count"], expected, "{table}");
    }
    running.stop().await;
}
