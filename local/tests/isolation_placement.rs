//! Where a tenant's ledger is changes only while nobody writes to it: `drover apply` refuses a move
//! of a tenant that is not suspended, and any move that nobody asked for by its name.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests, which clippy does not see"
)]

mod common;

use std::path::Path;

use common::kafka::{event, temperature};
use common::{dynamodb, post, run};
use drover_local::{Host, HostConfig};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

const OWN: &str = "ledger-of-newco";

/// A host on a data folder that goes with it.
struct Site {
    host: Host,
    data: TempDir,
}

impl Site {
    async fn start() -> Self {
        let data = tempdir().unwrap();
        let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
        Self { host, data }
    }

    async fn create_table(&self, name: &str) {
        let table = json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                { "AttributeName": "pk", "AttributeType": "S" },
                { "AttributeName": "sk", "AttributeType": "B" },
            ],
            "KeySchema": [
                { "AttributeName": "pk", "KeyType": "HASH" },
                { "AttributeName": "sk", "KeyType": "RANGE" },
            ],
        });
        dynamodb(self.host.addresses(), "CreateTable", table).await;
    }

    /// `drover apply` of one tenant: exit code, standard output, standard error.
    async fn apply(&self, tenant: &Value, flags: &[&str]) -> (i32, String, String) {
        let folder = tempdir().unwrap();
        let path = folder.path().join("tenants");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("newco.json"), tenant.to_string()).unwrap();
        apply(folder.path(), self.data.path(), flags).await
    }

    async fn applied(&self, tenant: &Value, flags: &[&str]) -> String {
        let (code, out, error) = self.apply(tenant, flags).await;
        assert_eq!(code, 0, "{error}");
        out
    }

    /// Nothing is applied, and the refusal says each of these.
    async fn refused(&self, tenant: &Value, flags: &[&str], expected: &[&str]) {
        let (code, out, error) = self.apply(tenant, flags).await;
        assert_eq!((code, out.as_str()), (1, ""), "{error}");
        assert!(error.contains("newco.json: "), "{error}");
        for text in expected {
            assert!(error.contains(text), "`{text}` is not in: {error}");
        }
    }

    async fn items(&self, table: &str) -> Value {
        let count = json!({ "TableName": table, "Select": "COUNT" });
        dynamodb(self.host.addresses(), "Scan", count).await["Count"].take()
    }

    async fn send(&self, seconds_before: i64) {
        let event = event(&[temperature("newco", "d-1", seconds_before)]);
        let path = "/2015-03-31/functions/processor/invocations";
        let answer = post(self.host.addresses().lambda, path, "", &event).await;
        assert_eq!(answer, Some((200, json!({ "batchItemFailures": [] }))));
    }
}

async fn apply(folder: &Path, data: &Path, flags: &[&str]) -> (i32, String, String) {
    let words = ["apply", folder.to_str().unwrap(), "--data", data.to_str().unwrap()];
    run(&[&words, flags].concat(), "").await
}

fn tenant(status: &str, placement: &Value) -> Value {
    json!({ "id": "newco", "status": status, "placement": placement })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_moves_only_suspended_and_only_on_request() {
    let site = Site::start().await;
    site.create_table(OWN).await;
    let (pooled, own) = (json!("pooled"), json!({ "table": OWN }));
    site.applied(&tenant("active", &pooled), &[]).await;
    site.send(1).await;

    let suspend = ["/placement", "tenant=`newco`", "suspend", "60 s", "--move"];
    site.refused(&tenant("active", &own), &[], &suspend).await;
    site.refused(&tenant("active", &own), &["--move"], &suspend).await;
    // Warm environments take it for active for another minute, whatever this document says.
    site.refused(&tenant("suspended", &own), &["--move"], &suspend).await;

    site.applied(&tenant("suspended", &pooled), &[]).await;
    let meant = ["/placement", "tenant=`newco`", "--move", "is not copied"];
    site.refused(&tenant("suspended", &own), &[], &meant).await;
    let second = ["/status", "tenant=`newco`", "suspended", "second"];
    site.refused(&tenant("active", &own), &["--move"], &second).await;

    let out = site.applied(&tenant("suspended", &own), &["--move"]).await;
    assert!(out.starts_with("replaced   tenant newco  "), "{out}");
    let said = format!("newco is moved from the shared ledger to the table {OWN}");
    for text in [said.as_str(), "is not copied", "to go back", "tenant_suspended"] {
        assert!(out.contains(text), "`{text}` is not in: {out}");
    }
    let out = site.applied(&tenant("active", &own), &[]).await;
    assert!(!out.contains("moved"), "{out}");
    assert_eq!((site.items("drover-ledger").await, site.items(OWN).await), (json!(1), json!(0)));
    site.host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_tenant_has_any_placement_and_a_table_that_is_missing_is_said() {
    let site = Site::start().await;
    let own = json!({ "table": OWN });
    let out = site.applied(&tenant("suspended", &own), &[]).await;
    assert!(out.starts_with("created    tenant newco  "), "{out}");
    let warning = format!(
        "warning: the ledger table of a tenant does not exist: tenant=`newco` table=`{OWN}`"
    );
    assert!(out.contains(&warning), "{out}");
    site.create_table(OWN).await;
    let out = site.applied(&tenant("active", &own), &[]).await;
    assert!(!out.contains("warning"), "{out}");
    site.send(1).await;
    assert_eq!((site.items("drover-ledger").await, site.items(OWN).await), (json!(0), json!(1)));
    let elsewhere = tenant("suspended", &json!({ "table": "nowhere" }));
    site.applied(&tenant("suspended", &own), &[]).await;
    site.refused(
        &elsewhere,
        &["--move"],
        &["/placement", "to=`the table nowhere`", "does not exist"],
    )
    .await;
    site.host.stop().await.unwrap();
}
