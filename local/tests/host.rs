//! A host in this process: its services, its start errors, and its stop.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::fs::File;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use axum::{Router, routing};
use common::{WAIT, dynamodb, get, post, post_with, sqs, table};
use drover_local::function::DEFAULT_TIMEOUT;
use drover_local::host::StartError;
use drover_local::{FunctionError, Functions, Host, HostConfig};
use serde_json::{Value, json};
use tempfile::tempdir;
use tokio::sync::mpsc;

async fn refusal(config: HostConfig) -> String {
    match Host::start(config).await {
        Ok(_) => panic!("the host started"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_started_host_answers_everywhere() {
    let data = tempdir().unwrap();
    let functions =
        Functions::default().with("echo", DEFAULT_TIMEOUT, |event, _| async { Ok(event) });
    let config = HostConfig { functions, ..HostConfig::on_free_ports(data.path()) };
    let host = Host::start(config).await.unwrap();
    let addresses = host.addresses();

    dynamodb(addresses, "ListTables", json!({})).await;
    let queues = sqs(addresses, "ListQueues", json!({})).await;
    assert_eq!(queues["QueueUrls"].as_array().unwrap().len(), 4);
    let path = "/2015-03-31/functions/echo/invocations";
    let answer = post(addresses.lambda, path, "", &json!({ "a": 1 })).await;
    assert_eq!(answer, Some((200, json!({ "a": 1 }))));
    assert!(host.parts().functions.contains(&"echo".to_owned()));
    let nowhere = get(addresses, "/nowhere").await;
    assert_eq!(nowhere.status(), 404);
    assert_eq!(nowhere.headers()["content-type"], "application/problem+json");
    let problem: Value = serde_json::from_slice(nowhere.body()).unwrap();
    assert_eq!(problem["code"], "not_found");
    assert_eq!(problem["correlation_id"], nowhere.headers()["x-correlation-id"].to_str().unwrap());
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_function_with_routes_answers_on_the_http_port_and_by_its_name() {
    let data = tempdir().unwrap();
    let routes = Router::new().route("/greeting", routing::get(|| async { "hello" }));
    let functions = Functions::default().with_routes("greeter", DEFAULT_TIMEOUT, routes);
    let config = HostConfig { functions, ..HostConfig::on_free_ports(data.path()) };
    let host = Host::start(config).await.unwrap();
    assert_eq!(get(host.addresses(), "/greeting").await.body().as_ref(), b"hello");

    let event = json!({
        "version": "2.0", "rawPath": "/greeting", "rawQueryString": "", "headers": {},
        "requestContext": { "stage": "$default", "http": { "method": "GET", "path": "/greeting" } },
        "isBase64Encoded": false,
    });
    let path = "/2015-03-31/functions/greeter/invocations";
    let (status, answer) = post(host.addresses().lambda, path, "", &event).await.unwrap();
    assert_eq!((status, &answer["statusCode"]), (200, &json!(200)));
    assert_eq!(answer["body"], "hello");
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_function_with_routes_and_events_gets_every_event_by_its_name() {
    let data = tempdir().unwrap();
    let routes = Router::new().route("/greeting", routing::get(|| async { "hello" }));
    let echo = |event, _| async { Ok(event) };
    let functions =
        Functions::default().with_routes_and_events("greeter", DEFAULT_TIMEOUT, routes, echo);
    let config = HostConfig { functions, ..HostConfig::on_free_ports(data.path()) };
    let host = Host::start(config).await.unwrap();
    assert_eq!(get(host.addresses(), "/greeting").await.body().as_ref(), b"hello");
    let path = "/2015-03-31/functions/greeter/invocations";
    for event in [json!({ "action": "show" }), json!({ "version": "2.0", "rawPath": "/greeting" })]
    {
        let answer = post(host.addresses().lambda, path, "", &event).await;
        assert_eq!(answer, Some((200, event)));
    }
    host.stop().await.unwrap();
}

#[tokio::test]
async fn both_queues_feed_the_replay_function() {
    let data = tempdir().unwrap();
    let (events, mut sent) = mpsc::unbounded_channel();
    let replay = move |event: Bytes, _| {
        events.send(serde_json::from_slice::<Value>(&event).unwrap()).unwrap();
        async { Ok(Bytes::new()) }
    };
    let functions = Functions::default().with("replay", DEFAULT_TIMEOUT, replay);
    let config = HostConfig { functions, ..HostConfig::on_free_ports(data.path()) };
    let host = Host::start(config).await.unwrap();
    for queue in ["drover-dead-letters", "drover-buffer"] {
        let url = format!("http://{}/000000000000/{queue}", host.addresses().sqs);
        let message = json!({ "QueueUrl": url, "MessageBody": queue, "MessageGroupId": "newco" });
        sqs(host.addresses(), "SendMessage", message).await;
        let event = tokio::time::timeout(WAIT, sent.recv()).await.unwrap().unwrap();
        let record = &event["Records"][0];
        assert_eq!(record["eventSource"], "aws:sqs");
        let arn = format!("arn:aws:sqs:us-east-1:000000000000:{queue}");
        assert_eq!((&record["eventSourceARN"], &record["body"]), (&json!(arn), &json!(queue)));
        assert_eq!(record["attributes"]["MessageGroupId"], "newco");
    }
    host.stop().await.unwrap();
}

#[tokio::test]
async fn letters_that_fail_too_often_go_to_a_failed_queue_and_buffered_records_never_do() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let mut policies = Vec::new();
    for queue in ["drover-dead-letters", "drover-buffer"] {
        let url = format!("http://{}/000000000000/{queue}", host.addresses().sqs);
        let request = json!({ "QueueUrl": url, "AttributeNames": ["All"] });
        let attributes = &sqs(host.addresses(), "GetQueueAttributes", request).await["Attributes"];
        assert_eq!(attributes["MessageRetentionPeriod"], "1209600");
        policies.push(attributes["RedrivePolicy"].as_str().map(str::to_owned));
    }
    let policy = policies[0].as_deref().unwrap();
    assert!(policy.contains(":drover-dead-letters-failed\""), "{policy}");
    assert!(policy.contains("\"maxReceiveCount\":5}"), "{policy}");
    assert_eq!(policies[1], None);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_queue_with_other_settings_is_updated_and_keeps_its_messages() {
    let data = tempdir().unwrap();
    // No receiver deletes the message.
    let failure = || FunctionError { error_type: "Odd".to_owned(), error_message: "no".to_owned() };
    let replay = move |_, _| async move { Err(failure()) };
    let functions = Functions::default().with("replay", DEFAULT_TIMEOUT, replay);
    let config = HostConfig { functions, ..HostConfig::on_free_ports(data.path()) };
    let host = Host::start(config.clone()).await.unwrap();
    let url = format!("http://{}/000000000000/drover-buffer", host.addresses().sqs);
    let message = json!({ "QueueUrl": url, "MessageBody": "waits" });
    sqs(host.addresses(), "SendMessage", message).await;
    let settings = json!({ "QueueUrl": url, "Attributes": { "VisibilityTimeout": "900" } });
    sqs(host.addresses(), "SetQueueAttributes", settings).await;
    host.stop().await.unwrap();

    let host = Host::start(config).await.unwrap();
    let url = format!("http://{}/000000000000/drover-buffer", host.addresses().sqs);
    let request = json!({ "QueueUrl": url, "AttributeNames": ["All"] });
    let attributes = &sqs(host.addresses(), "GetQueueAttributes", request).await["Attributes"];
    assert_eq!(attributes["VisibilityTimeout"], "20");
    let counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
    let counts = counts.map(|name| attributes[name].as_str().unwrap().parse::<u32>().unwrap());
    assert_eq!(counts.iter().sum::<u32>(), 1);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn everything_is_there_again_after_a_stop() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    dynamodb(host.addresses(), "CreateTable", table()).await;
    let note = json!({ "TableName": "notes", "Item": { "id": { "S": "n1" } } });
    dynamodb(host.addresses(), "PutItem", note).await;
    host.stop().await.unwrap();
    assert!(!data.path().join("host.json").exists());

    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let ours = ["ledger", "letters", "outputs", "registry", "requests"];
    let ours = ours.map(|table| format!("drover-{table}"));
    assert_eq!(host.parts().tables, [ours.as_slice(), &["notes".to_owned()]].concat());
    let key = json!({ "TableName": "notes", "Key": { "id": { "S": "n1" } } });
    assert_eq!(dynamodb(host.addresses(), "GetItem", key).await["Item"]["id"]["S"], "n1");
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_host_on_the_same_folder_is_rejected_and_the_first_continues() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let refusal = refusal(HostConfig::on_free_ports(data.path())).await;
    assert!(refusal.contains("another host") && refusal.contains("--data"), "{refusal}");
    assert!(data.path().join("host.json").exists());
    dynamodb(host.addresses(), "ListTables", json!({})).await;
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_host_waits_until_the_lock_of_a_killed_host_is_released() {
    let data = tempdir().unwrap();
    let killed = File::create(data.path().join("lock")).unwrap();
    killed.lock().unwrap();
    let cleared_away = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(killed);
    };
    let start = Host::start(HostConfig::on_free_ports(data.path()));
    let ((), host) = tokio::join!(biased; cleared_away, start);
    host.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn an_address_that_is_not_loopback_is_rejected() {
    let data = tempdir().unwrap();
    let everywhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let free = HostConfig::on_free_ports(data.path());
    for (flag, config) in [
        ("--http", HostConfig { http: everywhere, ..free.clone() }),
        ("--lambda", HostConfig { lambda: everywhere, ..free.clone() }),
        ("--dynamodb", HostConfig { dynamodb: everywhere, ..free.clone() }),
        ("--sqs", HostConfig { sqs: everywhere, ..free.clone() }),
    ] {
        let refusal = refusal(config).await;
        assert!(refusal.starts_with(&format!("{flag} requires a loopback address")), "{refusal}");
        assert!(refusal.contains("address=`0.0.0.0:0`"), "{refusal}");
    }
}

#[tokio::test]
async fn no_web_page_reaches_functions_or_queues() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let page = ("origin", "http://page.example");
    let path = "/2015-03-31/functions/processor/invocations";
    for (address, path) in [(host.addresses().lambda, path), (host.addresses().sqs, "/")] {
        let (status, _) = post_with(address, path, page, &json!({})).await.unwrap();
        assert_eq!(status, 403, "{path}");
    }
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_flag() {
    let data = tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let sqs = taken.local_addr().unwrap();
    let refusal = refusal(HostConfig { sqs, ..HostConfig::on_free_ports(data.path()) }).await;
    assert!(refusal.contains("--sqs") && refusal.contains(&sqs.to_string()), "{refusal}");
    assert!(!data.path().join("host.json").exists());
}

#[tokio::test]
async fn a_file_that_is_not_a_database_fails_the_start() {
    let data = tempdir().unwrap();
    std::fs::write(data.path().join("dynamodb.db"), "not a database, whatever its name").unwrap();
    match Host::start(HostConfig::on_free_ports(data.path())).await {
        Err(StartError::Part { part, .. }) => assert_eq!(part, "dynamodb"),
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("the host started"),
    }
}

#[tokio::test]
async fn a_client_that_never_ends_its_request_does_not_delay_the_stop() {
    use tokio::io::AsyncWriteExt as _;
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let addresses = host.addresses().clone();
    let mut clients = Vec::new();
    for address in [addresses.lambda, addresses.dynamodb, addresses.sqs] {
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n1")
            .await
            .unwrap();
        clients.push(client);
    }
    tokio::time::timeout(common::WAIT, host.stop()).await.unwrap().unwrap();
}
