//! The placement of a tenant changes only while nothing writes to its ledger: `drover apply`
//! rejects moving a tenant that is not suspended, and any move without the flag.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use common::dynamodb;
use common::kafka::temperature;
use common::running::{Running, folder};
use serde_json::{Value, json};

const OWN: &str = "ledger-of-newco";

/// `drover apply` of one tenant: exit code, standard output, standard error.
async fn apply(running: &Running, tenant: &Value, flags: &[&str]) -> (i32, String, String) {
    let documents = folder(&[("tenants/newco.json", tenant.clone())]);
    running.run_apply(documents.path(), flags).await
}

async fn applied(running: &Running, tenant: &Value, flags: &[&str]) -> String {
    let (code, out, error) = apply(running, tenant, flags).await;
    assert_eq!(code, 0, "{error}");
    out
}

/// Expects that nothing is applied and that the error contains each of these texts.
async fn refused(running: &Running, tenant: &Value, flags: &[&str], expected: &[&str]) {
    let (code, out, error) = apply(running, tenant, flags).await;
    assert_eq!((code, out.as_str()), (1, ""), "{error}");
    assert!(error.contains("newco.json: "), "{error}");
    for text in expected {
        assert!(error.contains(text), "`{text}` is not in: {error}");
    }
}

/// The number of items in the shared ledger and in the tenant's own ledger.
async fn items(running: &Running) -> [Value; 2] {
    let count = async |table: &str| {
        let scan = json!({ "TableName": table, "Select": "COUNT" });
        dynamodb(running.host.addresses(), "Scan", scan).await["Count"].take()
    };
    [count("drover-ledger").await, count(OWN).await]
}

fn tenant(status: &str, placement: &Value) -> Value {
    json!({ "id": "newco", "status": status, "placement": placement })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_moves_only_suspended_and_only_on_request() {
    let running = Running::start().await;
    running.create_ledger_table(OWN).await;
    let (pooled, own) = (json!("pooled"), json!({ "table": OWN }));
    applied(&running, &tenant("active", &pooled), &[]).await;
    running.acknowledge(&[temperature("newco", "d-1", 1)]).await;

    let suspend = ["/placement", "tenant=`newco`", "suspend", "60 s", "--move"];
    refused(&running, &tenant("active", &own), &[], &suspend).await;
    refused(&running, &tenant("active", &own), &["--move"], &suspend).await;
    // Warm environments may see the tenant as active for another minute, whatever the document
    // says.
    refused(&running, &tenant("suspended", &own), &["--move"], &suspend).await;

    applied(&running, &tenant("suspended", &pooled), &[]).await;
    let meant = ["/placement", "tenant=`newco`", "--move", "is not copied"];
    refused(&running, &tenant("suspended", &own), &[], &meant).await;
    let second = ["/status", "tenant=`newco`", "suspended", "second"];
    refused(&running, &tenant("active", &own), &["--move"], &second).await;

    let out = applied(&running, &tenant("suspended", &own), &["--move"]).await;
    assert!(out.starts_with("replaced   tenant newco  "), "{out}");
    let said = format!("newco is moved from the shared ledger to the table {OWN}");
    for text in [said.as_str(), "is not copied", "to move back", "tenant_suspended"] {
        assert!(out.contains(text), "`{text}` is not in: {out}");
    }
    let out = applied(&running, &tenant("active", &own), &[]).await;
    assert!(!out.contains("moved"), "{out}");
    assert_eq!(items(&running).await, [1, 0]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_tenant_may_have_any_placement_and_a_missing_table_is_reported() {
    let running = Running::start().await;
    let own = json!({ "table": OWN });
    let out = applied(&running, &tenant("suspended", &own), &[]).await;
    assert!(out.starts_with("created    tenant newco  "), "{out}");
    let warning = format!(
        "warning: the ledger table of a tenant does not exist: tenant=`newco` table=`{OWN}`"
    );
    assert!(out.contains(&warning), "{out}");
    running.create_ledger_table(OWN).await;
    let out = applied(&running, &tenant("active", &own), &[]).await;
    assert!(!out.contains("warning"), "{out}");
    running.acknowledge(&[temperature("newco", "d-1", 1)]).await;
    assert_eq!(items(&running).await, [0, 1]);
    let elsewhere = tenant("suspended", &json!({ "table": "nowhere" }));
    applied(&running, &tenant("suspended", &own), &[]).await;
    refused(
        &running,
        &elsewhere,
        &["--move"],
        &["/placement", "to=`the table nowhere`", "does not exist"],
    )
    .await;
    running.stop().await;
}
