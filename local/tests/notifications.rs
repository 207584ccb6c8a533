//! Notifications of a host, as their receivers see them: signed webhooks of alerts that open, are taken back and end.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post as posted;
use common::running::Running;
use common::{WAIT, get_api, post_api, run};
use drover_core::base::time::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::{TempDir, tempdir};

const KEY: &str = "shop-key";

/// What a receiver got, and what it answers.
#[derive(Clone)]
struct Receiver {
    got: Arc<Mutex<Vec<(String, Value)>>>,
    answers: Arc<Mutex<StatusCode>>,
    address: SocketAddr,
}

impl Receiver {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answers = Arc::new(Mutex::new(StatusCode::OK));
        let receiver = Self { got: Arc::default(), answers, address };
        let router = Router::new().route("/hook", posted(receive)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    fn got(&self) -> Vec<(String, Value)> {
        self.got.lock().unwrap().clone()
    }

    /// Waits for so many requests; returns the types of the news.
    async fn wait(&self, count: usize) -> Vec<(String, Value)> {
        let came = async {
            while self.got().len() < count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(6 * WAIT, came).await;
        assert!(waited.is_ok(), "{} of {count}: {:?}", self.got().len(), self.got());
        self.got()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
    assert!(header("webhook-signature").starts_with("v1,"));
    let body = serde_json::from_slice(&body).unwrap();
    receiver.got.lock().unwrap().push((header("webhook-id"), body));
    *receiver.answers.lock().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test that posts events of now")]
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

fn at(start: i64, seconds: i64) -> String {
    Timestamp::from_millis(1_000 * (start + seconds)).unwrap().to_string()
}

/// A tenant with a target and a rule.
async fn shop(receiver: &Receiver) -> (Running, TempDir) {
    let running = Running::start().await;
    let secrets = tempdir().unwrap();
    let secret = secrets.path().join("ops.secret");
    std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw\n").unwrap();
    let sha256: String = Sha256::digest(KEY).iter().map(|byte| format!("{byte:02x}")).collect();
    let key =
        json!({ "id": "k", "sha256": sha256, "scopes": ["write", "read", "admin"], "local": true });
    let url = format!("http://{}/hook", receiver.address);
    let tenant = json!({ "id": "shop", "keys": [key], "targets": [
        { "id": "ops", "kind": "webhook", "url": url, "secret": { "file": secret } },
    ]});
    let rules = json!({ "tenant": "shop", "rules": [{
        "id": "hot", "contract": "telemetry", "measure": "temperature",
        "when": { "above": 30 }, "for": { "events": 2 }, "targets": ["ops"],
    }]});
    let documents = [("tenants/shop.json", tenant), ("rules/shop.json", rules)];
    running.apply(&documents).await.unwrap();
    (running, secrets)
}

async fn post(running: &Running, device: &str, id: &str, at: String, value: i64) {
    let event = json!({
        "id": id, "device_id": device, "event_type": "temperature", "timestamp": at,
        "payload": { "value": value, "unit": "celsius" },
    });
    let (status, answer) = post_api(running.host.addresses(), "/api/v1/events", KEY, &event).await;
    assert_eq!(status, 202, "{answer}");
}

async fn read(running: &Running, path: &str) -> Value {
    let answer = get_api(running.host.addresses(), path, KEY).await;
    assert_eq!(answer.status(), 200, "{path}");
    serde_json::from_slice(answer.body()).unwrap()
}

#[tokio::test]
async fn a_receiver_is_told_that_an_alert_opens_is_taken_back_and_ends() {
    let receiver = Receiver::start().await;
    let (running, _secrets) = shop(&receiver).await;
    let start = now();
    post(&running, "oven-1", "e-1", at(start, 10), 31).await;
    post(&running, "oven-1", "e-2", at(start, 20), 33).await;
    let got = receiver.wait(1).await;
    assert_eq!(got[0].1["type"], "alert.opened");
    let data = &got[0].1["data"];
    assert_eq!(
        (&data["tenant"], &data["rule"], &data["state"]),
        (&json!("shop"), &json!("hot"), &json!("firing"))
    );

    post(&running, "oven-1", "e-late", at(start, 15), 20).await;
    let got = receiver.wait(2).await;
    assert_eq!(
        (&got[1].1["type"], &got[1].1["data"]["id"]),
        (&json!("alert.retracted"), &data["id"])
    );
    assert_eq!(got[1].1["data"]["cause"]["event_id"].as_str().map(str::is_empty), Some(false));
    assert_ne!(got[0].0, got[1].0, "other news have another id");

    let alert = read(&running, &format!("/api/v1/alerts/{}", data["id"].as_str().unwrap())).await;
    let told = &alert["notified"][0];
    assert_eq!(
        (&told["target"], &told["transition"], &told["result"], &told["tries"]),
        (&json!("ops"), &json!("retracted"), &json!("delivered"), &json!(1)),
    );

    for (id, seconds, value) in [("r-1", 10, 31), ("r-2", 20, 32)] {
        post(&running, "oven-2", id, at(start, seconds), value).await;
    }
    receiver.wait(3).await;
    post(&running, "oven-2", "r-3", at(start, 30), 20).await;
    let got = receiver.wait(4).await;
    assert_eq!(
        (&got[2].1["type"], &got[3].1["type"]),
        (&json!("alert.opened"), &json!("alert.resolved"))
    );
    running.stop().await;
}

#[tokio::test]
async fn a_failing_receiver_gets_the_same_news_again_and_one_that_is_gone_is_switched_off() {
    let receiver = Receiver::start().await;
    let (running, _secrets) = shop(&receiver).await;
    *receiver.answers.lock().unwrap() = StatusCode::INTERNAL_SERVER_ERROR;
    let data = ["--data", running.folder()];
    let test = ["targets", "test", "shop", "ops"];
    let (code, _, said) = run(&[&test[..], &data].concat(), "").await;
    assert_eq!(code, 1);
    assert!(said.contains("did not take the test") && said.contains("500"), "{said}");
    *receiver.answers.lock().unwrap() = StatusCode::GONE;
    let got = receiver.wait(2).await;
    assert_eq!(got[0], (got[1].0.clone(), got[0].1.clone()), "the same id in each try");

    let list = [&["targets", "list", "shop"][..], &data].concat();
    let off = async {
        loop {
            let (_, out, _) = run(&list, "").await;
            if out.contains("off since") {
                return out;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let out = tokio::time::timeout(4 * WAIT, off).await.expect("the target is switched off");
    assert!(out.contains("410"), "{out}");
    let letters = async {
        loop {
            let letters = read(&running, "/api/v1/dead-letters?code=undeliverable").await;
            if letters["letters"].as_array().is_some_and(|letters| !letters.is_empty()) {
                return letters;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let letters = tokio::time::timeout(4 * WAIT, letters).await.expect("a dead letter");
    assert_eq!(letters["letters"][0]["source"]["target"], "ops", "{letters}");

    *receiver.answers.lock().unwrap() = StatusCode::OK;
    let (code, out, said) = run(&[&test[..], &data].concat(), "").await;
    assert_eq!(code, 0, "{said}");
    assert!(out.starts_with("ops took the test"), "{out}");
    let (_, out, _) = run(&list, "").await;
    assert!(!out.contains("off since"), "a test that arrives switches it on: {out}");
    let before = receiver.got().len();
    let replay = [&["replay", "run", "--tenant", "shop"][..], &data].concat();
    let (code, _, said) = run(&replay, "").await;
    assert_eq!(code, 0, "{said}");
    receiver.wait(before + 1).await;

    let (status, simulated) =
        post_api(running.host.addresses(), "/simulate_alert", KEY, &json!({ "targets": ["ops"] }))
            .await;
    assert_eq!((status, &simulated["targets"]), (202, &json!(["ops"])));
    let shown =
        read(&running, &format!("/api/v1/alerts/{}", simulated["id"].as_str().unwrap())).await;
    assert_eq!((&shown["test"], &shown["state"]), (&json!(true), &json!("firing")));
    let unknown = json!({ "targets": ["nobody"] });
    let (status, refused) =
        post_api(running.host.addresses(), "/api/v1/alerts/simulate", KEY, &unknown).await;
    assert_eq!((status, &refused["errors"][0]["path"]), (400, &json!("/targets")), "{refused}");
    let (status, none) =
        post_api(running.host.addresses(), "/simulate_alert", "drover-demo-key", &json!({})).await;
    assert_eq!((status, &none["code"]), (409, &json!("no_targets")), "{none}");
    running.stop().await;
}
