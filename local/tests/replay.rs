//! Dead letters and their replay, through a whole host and its command line.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::path::Path;

use common::kafka::{event, temperature};
use common::{WAIT, post, run, sqs};
use drover_local::{Host, HostConfig};
use serde_json::{Value, json};
use tempfile::tempdir;

/// Sends the processor an event of an unknown tenant.
async fn reject(host: &Host, seconds_before: &[i64]) {
    let records: Vec<_> =
        seconds_before.iter().map(|one| temperature("newco", "d-1", *one)).collect();
    let path = "/2015-03-31/functions/processor/invocations";
    let answer = post(host.addresses().lambda, path, "", &event(&records)).await;
    assert_eq!(answer, Some((200, json!({ "batchItemFailures": [] }))));
}

/// `drover replay …`: exit code, standard output, standard error.
async fn replay(data: &Path, words: &[&str]) -> (i32, String, String) {
    let folder = ["--data", data.to_str().unwrap()];
    run(&[&["replay"], words, &folder].concat(), "").await
}

async fn replay_json(data: &Path, words: &[&str]) -> Value {
    let (code, out, error) = replay(data, &[words, &["--json"]].concat()).await;
    assert_eq!((code, out.lines().count()), (0, 1), "{out} {error}");
    serde_json::from_str(&out).unwrap()
}

/// Waits until so many of the operator's letters are open.
async fn open_letters(data: &Path, expected: u64) {
    let reached = async { while replay_json(data, &["inspect"]).await["total"] != expected {} };
    tokio::time::timeout(WAIT, reached).await.unwrap();
}

async fn apply_newco(data: &Path) {
    let documents = tempdir().unwrap();
    std::fs::create_dir(documents.path().join("tenants")).unwrap();
    std::fs::write(documents.path().join("tenants/newco.json"), r#"{"id":"newco"}"#).unwrap();
    let words = ["apply", documents.path().to_str().unwrap(), "--data", data.to_str().unwrap()];
    let (code, _, error) = run(&words, "").await;
    assert_eq!(code, 0, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_record_is_filed_listed_dry_run_and_replayed() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    reject(&host, &[1, 2]).await;
    open_letters(data.path(), 2).await;
    let (code, out, _) = replay(data.path(), &["inspect", "--code", "unknown_tenant"]).await;
    assert_eq!(code, 0);
    assert!(out.starts_with("2 open\n\n  code            open\n  unknown_tenant  2\n"), "{out}");

    apply_newco(data.path()).await;
    let dry = ["run", "--of-tenant", "newco", "--dry-run", "--views", "1"];
    let (code, out, error) = replay(data.path(), &dry).await;
    assert_eq!(code, 0, "{error}");
    assert!(out.contains(": done, nothing was written\n"), "{out}");
    assert!(out.contains("  + /event_count: 2\n"), "{out}");
    open_letters(data.path(), 2).await;

    let done = replay_json(data.path(), &["run", "--of-tenant", "newco"]).await;
    assert_eq!((&done["phase"], &done["outcomes"]), (&json!("done"), &json!({ "applied": 2 })));
    open_letters(data.path(), 0).await;
    let again = replay_json(data.path(), &["run"]).await;
    assert_eq!(again["examined"], 0);
    let (_, out, _) = replay(data.path(), &["show"]).await;
    assert_eq!(out.lines().count(), 4, "{out}");
    let (code, out, _) =
        run(&["inspect", "newco", "device/d-1", "--data", data.path().to_str().unwrap()], "").await;
    assert_eq!(code, 0);
    assert!(out.contains("  e-2 "), "{out}");
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_letters_are_skipped_unless_they_are_selected() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    reject(&host, &[1]).await;
    open_letters(data.path(), 1).await;
    assert_eq!(replay_json(data.path(), &["park"]).await["examined"], 1);
    open_letters(data.path(), 0).await;
    apply_newco(data.path()).await;
    assert_eq!(replay_json(data.path(), &["run"]).await["examined"], 0);
    let done = replay_json(data.path(), &["run", "--state", "parked"]).await;
    assert_eq!(done["outcomes"], json!({ "applied": 1 }));
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_command_is_exit_code_one_with_a_reason() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let (code, out, error) = replay(data.path(), &["show", "00000000000000000000"]).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(error.ends_with("code=`not_found`\n"), "{error}");
    let (code, out, _) = replay(data.path(), &["run", "--limit", "0", "--json"]).await;
    assert_eq!(code, 1);
    let refusal: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(refusal["error"]["code"], "invalid_parameter");
    host.stop().await.unwrap();

    let (code, _, error) = replay(data.path(), &["inspect"]).await;
    assert_eq!(code, 1);
    assert!(error.contains("start one with `drover serve`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_message_in_the_buffer_is_filed_and_the_queue_is_empty() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let url = format!("http://{}/000000000000/drover-buffer", host.addresses().sqs);
    let message = json!({ "QueueUrl": url, "MessageBody": "hello" });
    sqs(host.addresses(), "SendMessage", message).await;
    open_letters(data.path(), 1).await;
    let letters = replay_json(data.path(), &["inspect"]).await;
    assert_eq!(letters["letters"][0]["code"], "malformed_json");
    host.stop().await.unwrap();
}
