//! The HTTP port of a whole host: ingest answers on the port and by its name in the same way.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use common::{get, post, post_api};
use drover_local::{Host, HostConfig};
use serde_json::{Value, json};
use tempfile::tempdir;

const PATH: &str = "/api/v1/events";
const KEY: &str = "drover-demo-key";

fn reading() -> Value {
    json!({ "device_id": "d-1", "event_type": "temperature", "payload": { "value": 21.5 } })
}

#[tokio::test]
async fn an_event_with_a_demo_key_is_accepted_and_counted() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let (status, answer) = post_api(host.addresses(), PATH, KEY, &reading()).await;
    assert_eq!((status, &answer["accepted"]), (202, &json!(1)), "{answer}");
    let (status, answer) = post_api(host.addresses(), PATH, "nobody", &reading()).await;
    assert_eq!((status, &answer["code"]), (401, &json!("unauthorized")));

    let page = get(host.addresses(), "/metrics").await;
    let page = std::str::from_utf8(page.body()).unwrap();
    let counted = "messages_processed_total{function=\"ingest\"} 1";
    assert!(page.lines().any(|line| line == counted), "{page}");
    for partition in 0..4 {
        let lag = format!("consumer_lag{{partition=\"{partition}\",topic=\"drover.events\"}} ");
        assert!(page.lines().any(|line| line.starts_with(&lag)), "{page}");
    }
    host.stop().await.unwrap();
}

#[tokio::test]
async fn ingest_takes_the_same_request_as_an_event_of_an_http_api() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let authorization = format!("Bearer {KEY}");
    let event = json!({
        "version": "2.0", "routeKey": "POST /api/v1/events", "rawPath": PATH, "rawQueryString": "",
        "headers": { "content-type": "application/json", "authorization": authorization },
        "requestContext": { "stage": "$default", "http": { "method": "POST", "path": PATH } },
        "body": reading().to_string(), "isBase64Encoded": false,
    });
    let function = "/2015-03-31/functions/ingest/invocations";
    let (status, answer) = post(host.addresses().lambda, function, "", &event).await.unwrap();
    assert_eq!((status, &answer["statusCode"]), (200, &json!(202)), "{answer}");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["accepted"], 1);
    host.stop().await.unwrap();
}
