//! A host in this process, on a temporary data folder: its functions invoked as Lambda does, its
//! registry, and its histories.

use std::path::Path;

use clap::Parser;
use drover_local::commands::apply::ApplyError;
use drover_local::commands::{apply, inspect};
use drover_local::{Host, HostConfig};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use super::kafka::{Record, event};
use super::{WAIT, dynamodb, post, run};

#[derive(Parser)]
struct Apply {
    #[command(flatten)]
    args: apply::Args,
}

#[derive(Parser)]
struct Inspect {
    #[command(flatten)]
    args: inspect::Args,
}

/// A folder with these documents.
pub fn folder(documents: &[(&str, Value)]) -> TempDir {
    let folder = tempdir().unwrap();
    for (path, document) in documents {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, document.to_string()).unwrap();
    }
    folder
}

/// A host on a temporary data folder.
pub struct Running {
    pub host: Host,
    pub data: TempDir,
}

impl Running {
    pub async fn start() -> Self {
        let data = tempdir().unwrap();
        let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
        Self { host, data }
    }

    /// Restarts the host on the same data, with cold environments.
    pub async fn restart(self) -> Self {
        self.host.stop().await.unwrap();
        let host = Host::start(HostConfig::on_free_ports(self.data.path())).await.unwrap();
        Self { host, data: self.data }
    }

    pub async fn stop(self) {
        self.host.stop().await.unwrap();
    }

    /// The response of a function.
    pub async fn invoke(&self, function: &str, event: &Value) -> Value {
        let path = format!("/2015-03-31/functions/{function}/invocations");
        let answer = post(self.host.addresses().lambda, &path, "", event).await;
        let (status, answer) = answer.unwrap();
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Sends records to the processor, which must acknowledge all of them.
    pub async fn acknowledge(&self, records: &[Record]) {
        let answer = self.invoke("processor", &event(records)).await;
        assert_eq!(answer, json!({ "batchItemFailures": [] }));
    }

    /// Applies documents, each under its path.
    pub async fn apply(&self, documents: &[(&str, Value)]) -> Result<String, ApplyError> {
        self.apply_folder(folder(documents).path()).await
    }

    pub async fn apply_folder(&self, folder: &Path) -> Result<String, ApplyError> {
        let words = ["apply", folder.to_str().unwrap(), "--data", self.folder()];
        apply::run(&Apply::parse_from(words).args, "ann@cli").await
    }

    /// `drover apply` as a process: exit code, standard output, standard error.
    pub async fn run_apply(&self, folder: &Path, options: &[&str]) -> (i32, String, String) {
        let words = ["apply", folder.to_str().unwrap(), "--data", self.folder()];
        run(&[&words, options].concat(), "").await
    }

    /// The data folder.
    pub fn folder(&self) -> &str {
        self.data.path().to_str().unwrap()
    }

    /// Creates a ledger table for one tenant.
    pub async fn create_ledger_table(&self, name: &str) {
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

    /// Replaces a document of the registry and returns the old text.
    pub async fn replace_document(&self, key: &str, text: &str) -> String {
        let stored = json!({ "TableName": "drover-registry", "Key": { "pk": { "S": key } } });
        let stored = dynamodb(self.host.addresses(), "GetItem", stored).await;
        let mut item = stored["Item"].clone();
        let before = item["d"]["S"].as_str().unwrap().to_owned();
        item["d"]["S"] = text.into();
        let put = json!({ "TableName": "drover-registry", "Item": item });
        dynamodb(self.host.addresses(), "PutItem", put).await;
        before
    }

    /// A subject's events in history order; `None` if the subject or its table does not exist.
    pub async fn entries(&self, tenant: &str, subject: &str) -> Option<Vec<Value>> {
        let words = ["inspect", tenant, subject, "--json", "--data", self.folder()];
        let shown = inspect::run(&Inspect::parse_from(words).args).await.ok()?;
        let shown: Value = serde_json::from_str(&shown).unwrap();
        shown["entries"].as_array().cloned()
    }

    /// The ids of these events.
    pub async fn try_history(&self, tenant: &str, subject: &str) -> Option<Vec<String>> {
        let entries = self.entries(tenant, subject).await?;
        Some(entries.iter().map(|entry| entry["event_id"].as_str().unwrap().to_owned()).collect())
    }

    /// The ids of an existing subject's events.
    pub async fn history(&self, tenant: &str, subject: &str) -> Vec<String> {
        self.try_history(tenant, subject).await.unwrap()
    }

    /// The ids, once the subject exists.
    pub async fn wait_for_history(&self, tenant: &str, subject: &str) -> Vec<String> {
        let shown = async {
            loop {
                match self.try_history(tenant, subject).await {
                    Some(history) if !history.is_empty() => break history,
                    _ => tokio::task::yield_now().await,
                }
            }
        };
        // A record that could not be applied is retried after its visibility timeout.
        tokio::time::timeout(4 * WAIT, shown).await.unwrap()
    }

    /// The number of open letters; `None` selects the operator's letters.
    pub async fn letters(&self, tenant: Option<&str>) -> u64 {
        let command = json!({ "action": "inspect", "tenant": tenant });
        let answer = self.invoke("replay", &command).await;
        answer["total"].as_u64().unwrap()
    }
}
