//! A whole host refuses events of gateways that it cannot serve, and answers damaged requests, named stages,
//! and the handshakes of webhooks.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use common::{ask, drover, post, post_with};
use drover_ingest::WebhookOrigins;
use drover_local::data_folder::Addresses;
use drover_local::{Host, HostConfig};
use serde_json::{Value, json};
use tempfile::tempdir;

const PATH: &str = "/api/v1/events";
const KEY: &str = "drover-demo-key";
const GRID: &str = "eventgrid.azure.net";

/// Invokes a function: its response.
async fn invoke(addresses: &Addresses, function: &str, event: &Value) -> Value {
    let path = format!("/2015-03-31/functions/{function}/invocations");
    let (status, answer) = post(addresses.lambda, &path, "", event).await.unwrap();
    assert_eq!(status, 200);
    answer
}

fn problem(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

fn request(method: &str, path: &str, stage: &str) -> Value {
    json!({
        "version": "2.0", "rawPath": path, "rawQueryString": "",
        "headers": { "content-type": "application/json", "authorization": format!("Bearer {KEY}") },
        "requestContext": { "stage": stage, "http": { "method": method, "path": path } },
        "body": null, "isBase64Encoded": false,
    })
}

#[tokio::test]
async fn an_event_of_another_gateway_fails_every_http_function_and_its_sender_is_named() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let rest = json!({ "resource": "/", "path": "/", "httpMethod": "GET", "body": null,
        "requestContext": { "resourcePath": "/", "httpMethod": "GET", "stage": "prod" } });
    let balancer = json!({ "httpMethod": "GET", "path": "/", "headers": {}, "body": "",
        "requestContext": { "elb": { "targetGroupArn": "arn" } }, "isBase64Encoded": false });
    for function in ["ingest", "query", "replay"] {
        for (event, sender) in [
            (&rest, "API Gateway REST API (payload format 1.0)"),
            (&balancer, "Application Load Balancer (ALB)"),
        ] {
            let answer = invoke(host.addresses(), function, event).await;
            assert_eq!(answer["errorType"], "NotAnEvent", "{function} {answer}");
            let message = answer["errorMessage"].as_str().unwrap();
            let refusal = format!("this event is a request of an {sender}: put an HTTP API or ");
            assert!(message.starts_with(&refusal), "{function} {message}");
        }
    }
    let batch = json!({ "Records": [{ "eventSource": "aws:sqs" }] });
    let answer = invoke(host.addresses(), "ingest", &batch).await;
    assert_eq!(answer["errorType"], "NotAnEvent");
    let message = answer["errorMessage"].as_str().unwrap();
    assert!(message.contains("SQS") && message.contains("replay"), "{message}");
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_damaged_body_or_header_is_a_bad_request_and_a_named_stage_is_no_part_of_the_path() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    for (function, path) in [("ingest", PATH), ("replay", "/api/v1/replays")] {
        let mut damaged = request("POST", path, "$default");
        damaged["body"] = json!("!!!");
        damaged["isBase64Encoded"] = json!(true);
        let answer = invoke(host.addresses(), function, &damaged).await;
        assert_eq!(answer["statusCode"], 400, "{function} {answer}");
        assert_eq!(problem(&answer)["code"], "malformed_encoding");
        let mut unreadable = request("POST", path, "$default");
        unreadable["headers"]["x-name"] = json!("Zo\u{1}");
        let answer = invoke(host.addresses(), function, &unreadable).await;
        assert_eq!(answer["statusCode"], 400, "{function} {answer}");
        let problem = problem(&answer);
        assert!(problem["detail"].as_str().unwrap().ends_with("header=`x-name`"), "{problem}");
    }
    let mut staged = request("POST", "/prod/api/v1/events", "prod");
    let event =
        json!({ "device_id": "d-1", "event_type": "temperature", "payload": { "value": 20 } });
    staged["body"] = json!(event.to_string());
    let answer = invoke(host.addresses(), "ingest", &staged).await;
    assert_eq!(answer["statusCode"], 202, "{answer}");
    for (function, path) in
        [("query", "/prod/api/v1/subjects"), ("replay", "/prod/api/v1/dead-letters")]
    {
        let answer = invoke(host.addresses(), function, &request("GET", path, "prod")).await;
        assert_eq!(answer["statusCode"], 200, "{function} {answer}");
    }
    host.stop().await.unwrap();
}

#[tokio::test]
async fn the_handshakes_of_webhooks_are_answered_for_listed_origins_only() {
    let data = tempdir().unwrap();
    let webhook_origins = WebhookOrigins::listed([GRID]).unwrap();
    let config = HostConfig { webhook_origins, ..HostConfig::on_free_ports(data.path()) };
    let host = Host::start(config).await.unwrap();
    let asked = async |origin| {
        ask(host.addresses(), "OPTIONS", PATH, &[("WebHook-Request-Origin", origin)]).await
    };
    let allowed = asked(GRID).await;
    assert_eq!(
        (allowed.status().as_u16(), &allowed.headers()["webhook-allowed-origin"]),
        (200, &GRID.parse().unwrap())
    );
    let refused = asked("events.example.com").await;
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.headers().get("webhook-allowed-origin"), None);

    let event = json!([{ "id": "v-1", "data": { "validationCode": "c-1" },
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent" }]);
    let validation = ("aeg-event-type", "SubscriptionValidation");
    let unknown = post_with(host.addresses().http, PATH, validation, &event).await.unwrap();
    assert_eq!((unknown.0, &unknown.1["code"]), (401, &json!("unauthorized")));
    let mut validated = request("POST", PATH, "$default");
    validated["headers"]["aeg-event-type"] = json!("SubscriptionValidation");
    validated["body"] = json!(event.to_string());
    let answer = invoke(host.addresses(), "ingest", &validated).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert_eq!(problem(&answer), json!({ "validationResponse": "c-1" }));
    let preflight = ask(
        host.addresses(),
        "OPTIONS",
        PATH,
        &[("origin", "http://localhost:3000"), ("access-control-request-method", "POST")],
    );
    let preflight = preflight.await;
    assert_eq!(preflight.headers()["access-control-allow-origin"], "http://localhost:3000");
    host.stop().await.unwrap();
}

#[tokio::test]
async fn without_a_listed_origin_no_webhook_may_subscribe() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let answer = ask(host.addresses(), "OPTIONS", PATH, &[("WebHook-Request-Origin", GRID)]).await;
    assert_eq!(answer.status(), 403);
    let problem: Value = serde_json::from_slice(answer.body()).unwrap();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("DROVER_WEBHOOK_ORIGINS") && detail.contains(GRID), "{detail}");
    host.stop().await.unwrap();
}

#[test]
fn an_origin_that_is_no_dns_name_stops_the_start() {
    let output = drover(&["serve", "--webhook-origin", "*"]).output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("--webhook-origin must list DNS names"), "{text}");
}
