//! The binary as a process: killed at any moment, stopped by a signal, and called by its own
//! commands.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::process::Command;

use common::{Process, WAIT, dynamodb, kafka, post, run, sqs, table};
use drover_local::function::DEFAULT_TIMEOUT;
use drover_local::{FunctionError, Functions, Host, HostConfig};
use serde_json::{Value, json};
use tempfile::tempdir;

/// Puts items and sends messages one after another, until the host is gone; returns the number of
/// acknowledged writes of each kind.
async fn write_until_gone(host: &Process, round: usize) -> (usize, usize) {
    let url = format!("http://{}/000000000000/notes", host.addresses.sqs);
    let puts = async {
        let mut count = 0;
        loop {
            let item = json!({ "id": { "S": format!("{round}-{count}") } });
            let put = json!({ "TableName": "notes", "Item": item });
            let target = "DynamoDB_20120810.PutItem";
            match post(host.addresses.dynamodb, "/", target, &put).await {
                Some((status, answer)) => assert_eq!(status, 200, "{answer}"),
                None => break count,
            }
            count += 1;
        }
    };
    let sends = async {
        let mut count = 0;
        loop {
            let send = json!({ "QueueUrl": url, "MessageBody": format!("{round}-{count}") });
            match post(host.addresses.sqs, "/", "AmazonSQS.SendMessage", &send).await {
                Some((status, answer)) => assert_eq!(status, 200, "{answer}"),
                None => break count,
            }
            count += 1;
        }
    };
    tokio::join!(puts, sends)
}

async fn stored(host: &Process) -> (usize, usize) {
    let count = json!({ "TableName": "notes", "Select": "COUNT", "ConsistentRead": true });
    let items = dynamodb(&host.addresses, "Scan", count).await;
    let url = format!("http://{}/000000000000/notes", host.addresses.sqs);
    let request = json!({ "QueueUrl": url, "AttributeNames": ["ApproximateNumberOfMessages"] });
    let queue = sqs(&host.addresses, "GetQueueAttributes", request).await;
    let messages = queue["Attributes"]["ApproximateNumberOfMessages"].as_str().unwrap();
    (items["Count"].as_u64().unwrap() as usize, messages.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_host_is_killed() {
    let data = tempdir().unwrap();
    let mut host = Process::start(data.path()).await;
    dynamodb(&host.addresses, "CreateTable", table()).await;
    sqs(&host.addresses, "CreateQueue", json!({ "QueueName": "notes" })).await;
    let mut acknowledged = (0, 0);
    for round in 0..3 {
        let before = stored(&host).await;
        // Killed during the writes, when a good number of them has arrived.
        let killed = async {
            loop {
                let now = stored(&host).await;
                if now.0 >= before.0 + 20 && now.1 >= before.1 + 20 {
                    break;
                }
            }
            let pid = host.child.id().to_string();
            assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        };
        let both = async { tokio::join!(write_until_gone(&host, round), killed).0 };
        let (puts, sends) = tokio::time::timeout(WAIT, both).await.unwrap();
        acknowledged = (acknowledged.0 + puts, acknowledged.1 + sends);
        host.child.wait().unwrap();
        host = Process::start(data.path()).await;

        // One unacknowledged write of each kind may be stored too, for each kill.
        let (items, messages) = stored(&host).await;
        let besides = 0..=round + 1;
        assert!(besides.contains(&(items - acknowledged.0)), "{items} {acknowledged:?}");
        assert!(besides.contains(&(messages - acknowledged.1)), "{messages} {acknowledged:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_signals_stop_the_host_cleanly() {
    for signal in ["-INT", "-TERM"] {
        let data = tempdir().unwrap();
        let mut host = Process::start(data.path()).await;
        let pid = host.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let ended =
            tokio::task::spawn_blocking(move || host.child.wait().map(|status| (status, host)));
        let (status, _host) = tokio::time::timeout(WAIT, ended).await.unwrap().unwrap().unwrap();
        assert!(status.success(), "{signal}: {status}");
        assert!(!data.path().join("host.json").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invoke_finds_the_host_and_prints_the_answer() {
    let data = tempdir().unwrap();
    let functions = Functions::default()
        .with("echo", DEFAULT_TIMEOUT, |event, _| async { Ok(event) })
        .with("fail", DEFAULT_TIMEOUT, |_, _| async {
            Err(FunctionError { error_type: "Odd".to_owned(), error_message: "no".to_owned() })
        });
    let config = HostConfig { functions, ..HostConfig::on_free_ports(data.path()) };
    let host = Host::start(config).await.unwrap();
    let folder = data.path().to_str().unwrap();

    let (code, out, error) = run(&["invoke", "echo", "-", "--data", folder], r#"{"a": 1}"#).await;
    assert_eq!((code, out.as_str(), error.as_str()), (0, "{\"a\": 1}\n", ""));
    let (code, out, error) = run(&["invoke", "fail", "-", "--data", folder], "{}").await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(error, "error: function failed: Odd: no\n");
    let (code, _, error) = run(&["invoke", "nobody", "-", "--data", folder], "{}").await;
    assert_eq!(code, 1);
    assert!(error.contains("Function not found"), "{error}");
    host.stop().await.unwrap();

    let (code, _, error) = run(&["invoke", "echo", "-", "--data", folder], "{}").await;
    assert_eq!(code, 1);
    assert!(error.contains("start one with `drover serve`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_host_counts_as_not_running() {
    let data = tempdir().unwrap();
    let mut host = Process::start(data.path()).await;
    host.child.kill().unwrap();
    host.child.wait().unwrap();
    let path = data.path().join("host.json");
    let mut note: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(note["lambda"], json!(host.addresses.lambda));
    // Another process may use the host's own port by now.
    note["lambda"] = json!(drover_tests::closed_address().unwrap());
    std::fs::write(&path, note.to_string()).unwrap();
    let folder = data.path().to_str().unwrap();
    let (code, _, error) = run(&["invoke", "echo", "-", "--data", folder], "{}").await;
    assert_eq!(code, 1);
    assert!(error.contains("no host is listening at this address"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_two_lines_for_programs() {
    let (code, out, _) = run(&["key", "newco", "--scopes", "read,write"], "").await;
    assert_eq!(code, 0);
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("drv_") && lines[0].len() == 47, "{out}");
    let line: Value = serde_json::from_str(lines[1]).unwrap();
    assert_eq!(line["scopes"], json!(["write", "read"]));
    assert_eq!(line["sha256"].as_str().unwrap().len(), 64);
    assert!(!lines[1].contains(lines[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_events_and_applied_tenants_are_there_after_the_host_is_killed() {
    let data = tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let documents = tempdir().unwrap();
    std::fs::create_dir(documents.path().join("tenants")).unwrap();
    std::fs::write(documents.path().join("tenants/newco.json"), r#"{"id":"newco"}"#).unwrap();
    let mut host = Process::start(data.path()).await;

    let apply = ["apply", documents.path().to_str().unwrap(), "--data", folder];
    let (code, out, error) = run(&apply, "").await;
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(out.starts_with("created    tenant newco  "), "{out}");
    let event = kafka::event(&[kafka::temperature("newco", "d-1", 1)]).to_string();
    let (code, out, error) = run(&["invoke", "processor", "-", "--data", folder], &event).await;
    let acknowledged = "{\"batchItemFailures\":[]}\n";
    assert_eq!((code, out.as_str(), error.as_str()), (0, acknowledged, ""));
    host.child.kill().unwrap();
    host.child.wait().unwrap();

    let _host = Process::start(data.path()).await;
    let (code, out, error) = run(&["inspect", "newco", "device/d-1", "--data", folder], "").await;
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(out.contains("  e-1       temperature  "), "{out}");
    let (code, out, _) = run(&apply, "").await;
    assert_eq!(code, 0);
    assert!(out.starts_with("unchanged  tenant newco  "), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_data_is_exit_code_one_with_a_reason() {
    let data = tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    for (tenant, expected) in [
        ("nobody", "error: unknown tenant: tenant=`nobody`\n"),
        ("demo", "error: the subject has no stored data: tenant=`demo`, subject=`device/d-1`\n"),
    ] {
        for command in ["inspect", "forget"] {
            let words = [command, tenant, "device/d-1", "--data", folder];
            assert_eq!(run(&words, "").await, (1, String::new(), expected.to_owned()));
        }
    }
    host.stop().await.unwrap();
}

/// The host's processor is warm: it has cached the subject's head.
#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_subject_is_unknown_until_a_newer_event_arrives() {
    let data = tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let host = Process::start(data.path()).await;
    let words = |command: &'static str| [command, "demo", "device/d-1", "--data", folder];
    let send = async |seconds_before: std::ops::RangeInclusive<i64>| {
        for batch in seconds_before.rev().collect::<Vec<_>>().chunks(40) {
            let records: Vec<_> =
                batch.iter().map(|at| kafka::temperature("demo", "d-1", *at)).collect();
            let event = kafka::event(&records).to_string();
            let invoked = run(&["invoke", "processor", "-", "--data", folder], &event).await;
            assert_eq!(invoked, (0, "{\"batchItemFailures\":[]}\n".to_owned(), String::new()));
        }
    };
    send(101..=500).await;
    let (code, out, error) = run(&words("forget"), "").await;
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(out.starts_with("forgotten: demo device/d-1\n  requested  "), "{out}");
    assert!(out.contains("\n  deleted    1 head, ") && !out.contains(" 0 pages"), "{out}");
    assert!(out.contains("\n  backups "), "{out}");
    let unknown = "error: the subject has no stored data: tenant=`demo`, subject=`device/d-1`\n";
    assert_eq!(run(&words("inspect"), "").await, (1, String::new(), unknown.to_owned()));
    let count = json!({ "TableName": "drover-ledger", "Select": "COUNT" });
    assert_eq!(dynamodb(&host.addresses, "Scan", count).await["Count"], 1, "the empty head");
    let listed =
        json!({ "TableName": "drover-ledger", "IndexName": "activity", "Select": "COUNT" });
    assert_eq!(dynamodb(&host.addresses, "Scan", listed).await["Count"], 0, "no listing has it");
    let (code, out, _) = run(&words("forget"), "").await;
    assert_eq!(code, 0);
    assert!(out.contains("\n  deleted    0 heads, 0 pages, 0 letters "), "{out}");

    // Some events are redelivered, some are new.
    send(90..=110).await;
    let (code, out, _) =
        run(&["inspect", "demo", "device/d-1", "--json", "--data", folder], "").await;
    assert_eq!(code, 0);
    let shown: Value = serde_json::from_str(&out).unwrap();
    let first = shown["entries"][0]["event_id"].as_str().unwrap();
    assert_eq!((&shown["entry_count"], first), (&json!(11), "e-100"));
}
