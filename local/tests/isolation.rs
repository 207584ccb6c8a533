//! A fault of one subject or tenant delays no other: a whole host, whose processor is invoked as
//! Lambda does, with tenants whose tables or documents are broken.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use common::WAIT;
use common::kafka::{Record, temperature};
use common::running::Running;
use serde_json::{Value, json};

/// A dedicated table that does not exist.
const MISSING: &str = "ledger-of-newco";

fn newco() -> Value {
    json!({ "id": "newco", "placement": { "table": MISSING } })
}

/// One reading for each of these devices.
fn readings(tenant: &str, devices: std::ops::Range<i64>) -> Vec<Record> {
    devices.map(|at| temperature(tenant, &format!("d-{at}"), at)).collect()
}

/// Thirty subjects of one tenant fail, which is most of the batch; one subject of another tenant is
/// fine.
#[tokio::test]
async fn a_tenant_whose_table_is_missing_delays_no_other_and_loses_nothing() {
    let running = Running::start().await;
    running.apply(&[("tenants/newco.json", newco())]).await.unwrap();
    let mut records = readings("newco", 0..30);
    records.push(temperature("demo", "d-1", 7));
    running.acknowledge(&records).await;
    assert_eq!(running.history("demo", "device/d-1").await, ["e-7"]);
    running.create_ledger_table(MISSING).await;
    // The host itself drains the buffer.
    for at in 0..30 {
        let history = running.wait_for_history("newco", &format!("device/d-{at}")).await;
        assert_eq!(history, [format!("e-{at}")]);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_batch_of_only_one_broken_tenant_is_acknowledged_into_the_buffer() {
    let running = Running::start().await;
    running.apply(&[("tenants/newco.json", newco())]).await.unwrap();
    running.acknowledge(&readings("newco", 0..30)).await;
    running.stop().await;
}

/// The document is of a newer version, as after a rollback of the release.
#[tokio::test]
async fn a_tenant_whose_document_cannot_be_read_delays_no_other_and_loses_nothing() {
    let running = Running::start().await;
    let good = running.replace_document("T#acme", "{\"id\":\"acme\",\"color\":1}").await;
    let mut records = readings("acme", 0..30);
    records.push(temperature("demo", "d-1", 7));
    running.acknowledge(&records).await;
    assert_eq!(running.history("demo", "device/d-1").await, ["e-7"]);
    running.replace_document("T#acme", &good).await;
    let running = running.restart().await;
    for at in 0..30 {
        let history = running.wait_for_history("acme", &format!("device/d-{at}")).await;
        assert_eq!(history, [format!("e-{at}")]);
    }
    running.stop().await;
}

/// As many invalid records of one partition as would open the breaker if the registry were broken.
#[tokio::test]
async fn a_batch_of_an_unknown_tenant_becomes_letters_if_the_registry_is_fine() {
    let running = Running::start().await;
    running.acknowledge(&readings("nobody", 0..40)).await;
    let counted = async {
        while running.letters(None).await != 40 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WAIT, counted).await.unwrap();
    running.stop().await;
}
