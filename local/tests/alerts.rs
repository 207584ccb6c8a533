//! Alerts of a host, as a user sees them: over HTTP, on the command line and in the feed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::running::Running;
use common::{WAIT, get, get_api, post_api, run};
use drover_core::base::time::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const KEY: &str = "drover-demo-key";
const KEY_OF_COLD: &str = "cold-key";

/// So many seconds from now: the rules of a new host read only events that come after its start.
fn ahead(start: i64, seconds: i64) -> String {
    Timestamp::from_millis(1_000 * (start + seconds)).unwrap().to_string()
}

#[expect(clippy::disallowed_methods, reason = "a test that posts events of now")]
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

async fn read(running: &Running, path: &str) -> (u16, Value) {
    read_as(running, KEY, path).await
}

async fn read_as(running: &Running, key: &str, path: &str) -> (u16, Value) {
    let answer = get_api(running.host.addresses(), path, key).await;
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
}

/// The alert as it is read alone, if no target was told of it.
fn told(alert: &Value) -> Value {
    let mut alert = alert.clone();
    alert["notified"] = json!([]);
    alert
}

/// The alerts at a path, once there are some.
async fn alerts(running: &Running, path: &str) -> Vec<Value> {
    alerts_of(running, KEY, path).await
}

async fn alerts_of(running: &Running, key: &str, path: &str) -> Vec<Value> {
    let listed = async {
        loop {
            let (status, answer) = read_as(running, key, path).await;
            assert_eq!(status, 200, "{answer}");
            let alerts = answer["alerts"].as_array().unwrap().clone();
            if !alerts.is_empty() {
                return alerts;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(4 * WAIT, listed).await.unwrap()
}

async fn post(running: &Running, id: &str, at: String, value: i64) {
    post_as(running, KEY, id, at, value).await;
}

async fn post_as(running: &Running, key: &str, id: &str, at: String, value: i64) {
    let event = json!({
        "id": id, "device_id": "oven-1", "event_type": "temperature", "timestamp": at,
        "payload": { "value": value, "unit": "celsius" },
    });
    let (status, answer) = post_api(running.host.addresses(), "/api/v1/events", key, &event).await;
    assert!(matches!(status, 200 | 202), "{status} {answer}");
}

#[tokio::test]
async fn a_late_event_takes_an_alert_back_under_its_id() {
    let running = Running::start().await;
    let start = now();
    for (id, seconds, value) in [("e-1", 10, 31), ("e-2", 20, 32), ("e-3", 30, 33)] {
        post(&running, id, ahead(start, seconds), value).await;
    }
    let firing = alerts(&running, "/api/v1/alerts?state=firing").await;
    assert_eq!(firing.len(), 1, "{firing:?}");
    let alert = &firing[0];
    assert_eq!(alert["summary"], "oven-1 is at 33 celsius");
    assert_eq!(alert["opened_at"], json!(ahead(start, 30)));
    assert_eq!(alert["subject"], json!({ "kind": "device", "id": "oven-1" }));
    let (_, subject) = read(&running, "/api/v1/subjects/device/oven-1").await;
    assert_eq!(subject["alerts"][0]["state"], "firing", "{subject}");
    let (_, subjects) = read(&running, "/api/v1/subjects?kind=device").await;
    assert_eq!(subjects["subjects"][0]["open_alerts"], 1);

    post(&running, "e-late", ahead(start, 25), 20).await;
    let retracted = alerts(&running, "/api/v1/alerts?state=retracted").await;
    assert_eq!((retracted.len(), &retracted[0]["id"]), (1, &alert["id"]));
    assert_eq!(retracted[0]["cause"]["observed_at"], json!(ahead(start, 25)));
    assert!(retracted[0]["cause"]["late_seconds"].is_i64());
    let (_, none) = read(&running, "/api/v1/alerts?state=firing").await;
    assert_eq!(none, json!({ "alerts": [], "next_cursor": null }));

    let id = alert["id"].as_str().unwrap();
    let (status, one) = read(&running, &format!("/api/v1/alerts/{id}")).await;
    assert_eq!((status, one), (200, told(&retracted[0])));
    for unknown in ["0".repeat(32), "x".to_owned()] {
        assert_eq!(read(&running, &format!("/api/v1/alerts/{unknown}")).await.0, 404);
    }
    let path = format!("/api/v1/alerts/{id}");
    let acme = get_api(running.host.addresses(), &path, "drover-acme-key").await;
    assert_eq!(acme.status(), 404, "another tenant does not see it");
    assert_eq!(read(&running, "/api/v1/alerts?state=open").await.0, 400);

    let data = ["--data", running.folder()];
    let (code, out, said) = run(&[&["alerts", "demo"][..], &data].concat(), "").await;
    assert_eq!((code, out.lines().count()), (0, 2), "{said}");
    assert!(out.contains(id) && out.contains("taken back by event"), "{out}");
    let open = run(&[&["alerts", "demo", "--open"][..], &data].concat(), "").await;
    assert_eq!((open.0, &*open.1), (0, "no alerts\n"));
    let (code, _, said) = run(&[&["alerts", "nobody"][..], &data].concat(), "").await;
    assert_eq!((code, &*said), (1, "error: no tenant has this name: tenant=`nobody`\n"));

    let consume = ["consume", "drover.alerts", "--json"];
    let (_, out, _) = run(&[&consume[..], &data].concat(), "").await;
    let records: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let states: Vec<&Value> = records.iter().map(|record| &record["value"]["state"]).collect();
    assert_eq!(states, ["firing", "retracted"]);
    assert!(records.iter().all(|record| record["key"] == json!(id)), "{records:?}");
    running.stop().await;
}

/// A person acknowledges, pauses and closes alerts; the feed tells of it.
#[tokio::test]
async fn a_person_acts_on_alerts() {
    let running = Running::start().await;
    // The rules of a new tenant are in force at once.
    let sha256: String =
        Sha256::digest(KEY_OF_COLD).iter().map(|byte| format!("{byte:02x}")).collect();
    let key =
        json!({ "id": "k", "sha256": sha256, "scopes": ["write", "read", "admin"], "local": true });
    let tenant = json!({ "id": "cold", "keys": [key], "feeds": ["alerts"] });
    let rules = json!({ "tenant": "cold", "rules": [{
        "id": "thawed", "contract": "telemetry", "measure": "temperature",
        "when": { "above": 30 }, "latch": true,
    }] });
    let documents = [("tenants/cold.json", tenant), ("rules/cold.json", rules)];
    running.apply(&documents).await.unwrap();
    let start = now();
    post_as(&running, KEY_OF_COLD, "e-1", ahead(start, 10), 31).await;
    let firing = alerts_of(&running, KEY_OF_COLD, "/api/v1/alerts?state=firing").await;
    let id = firing[0]["id"].as_str().unwrap().to_owned();
    assert_eq!((&firing[0]["acknowledged"], &firing[0]["latched"]), (&Value::Null, &json!(false)));
    let addresses = running.host.addresses();
    let act = async |act: &str, key: &str, body: Value| {
        post_api(addresses, &format!("/api/v1/alerts/{id}/{act}"), key, &body).await
    };
    let (status, acted) = act("acknowledge", KEY_OF_COLD, json!({ "note": "on it" })).await;
    assert_eq!((status, &acted["acknowledged"]["note"]), (200, &json!("on it")), "{acted}");
    assert!(acted["acknowledged"]["by"].as_str().unwrap().starts_with("key:"));
    let until = ahead(start, 3_600);
    let (status, acted) = act("snooze", KEY_OF_COLD, json!({ "until": until })).await;
    assert_eq!((status, &acted["snoozed_until"]), (200, &json!(until)), "{acted}");
    assert_eq!(acted["acknowledged"]["note"], "on it");
    let (status, held) = act("close", KEY_OF_COLD, json!({})).await;
    assert_eq!((status, &held["code"]), (409, &json!("alert_holds")));

    post_as(&running, KEY_OF_COLD, "e-2", ahead(start, 20), 20).await;
    let latched = async {
        loop {
            let (_, alert) = read_as(&running, KEY_OF_COLD, &format!("/api/v1/alerts/{id}")).await;
            if alert["latched"] == true {
                return alert;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let latched = tokio::time::timeout(4 * WAIT, latched).await.unwrap();
    assert_eq!(latched["state"], "firing");
    assert_eq!(latched["closed_at"], json!(ahead(start, 20)));
    let (status, unknown) = act("close", "drover-acme-key", json!({})).await;
    assert_eq!((status, &unknown["code"]), (404, &json!("not_found")), "another tenant");
    let (status, closed) = act("close", KEY_OF_COLD, json!({ "note": "thrown away" })).await;
    assert_eq!((status, &closed["state"]), (200, &json!("resolved")), "{closed}");
    let path = format!("/api/v1/alerts/{id}");
    assert_eq!(read_as(&running, KEY_OF_COLD, &path).await.1, told(&closed));
    let (status, over) = act("acknowledge", KEY_OF_COLD, json!({})).await;
    assert_eq!((status, &over["code"]), (409, &json!("alert_over")));
    let (status, fault) = act("snooze", KEY_OF_COLD, json!({ "until": "later" })).await;
    assert_eq!((status, &fault["errors"][0]["path"]), (400, &json!("/until")));
    assert_eq!(act("reopen", KEY_OF_COLD, json!({})).await.0, 404);

    let sent = async {
        loop {
            let consume = ["consume", "drover.alerts", "--json", "--data", running.folder()];
            let (_, out, _) = run(&consume, "").await;
            let last: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
            if last["value"] == closed {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(4 * WAIT, sent).await.expect("the feed has the closed alert");
    let page = get(addresses, "/metrics").await;
    let page = std::str::from_utf8(page.body()).unwrap();
    for metric in ["alerts_opened_total", "alerts_resolved_total"] {
        let expected = format!("{metric}{{severity=\"warning\"}} 1");
        assert!(page.lines().any(|line| line == expected), "{expected}: {page}");
    }
    running.stop().await;
}

/// Subjects that send nothing any more reach the relay by nothing but the timers that applying sets.
#[tokio::test]
async fn a_new_rule_about_silence_watches_subjects_that_are_silent_already() {
    let running = Running::start().await;
    post(&running, "e-1", ahead(now(), 0), 20).await;
    running.wait_for_history("demo", "device/oven-1").await;
    let rules = |seconds: u64| {
        json!({ "tenant": "demo", "rules": [
            { "id": "silent", "contract": "telemetry", "absent": { "seconds": seconds } },
        ] })
    };
    let apply =
        async |seconds| running.apply(&[("rules/demo.json", rules(seconds))]).await.unwrap();
    let said = apply(60).await;
    assert!(said.ends_with("watched for silence by the new rules: 1 subject of demo\n"), "{said}");
    assert!(!apply(60).await.contains("watched"), "nothing changed");
    let data = ["--data", running.folder()];
    let watch = ["relay", "watch", "--tenant", "demo"];
    let (code, out, _) = run(&[&watch[..], &data].concat(), "").await;
    assert_eq!((code, &*out), (0, "watched for silence by the new rules: 1 subject of demo\n"));
    running.stop().await;
}

/// Pages of a listing, and its filters.
#[tokio::test]
async fn alerts_are_listed_in_pages_and_filtered() {
    let running = Running::start().await;
    let start = now();
    let values = [31, 32, 33, 20, 41, 42, 43, 20, 31, 32, 33];
    for (at, value) in (0..).zip(values) {
        post(&running, &format!("e-{at}"), ahead(start, 10 + at), value).await;
    }
    alerts(&running, "/api/v1/alerts?state=firing").await;
    let first = read(&running, "/api/v1/alerts?limit=2").await.1;
    assert_eq!(first["alerts"].as_array().unwrap().len(), 2);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = read(&running, &format!("/api/v1/alerts?limit=2&cursor={cursor}")).await.1;
    assert_eq!(
        (second["alerts"].as_array().unwrap().len(), &second["next_cursor"]),
        (1, &Value::Null)
    );
    let opened = |alert: &Value| alert["opened_at"].as_str().unwrap().to_owned();
    let listed: Vec<String> = first["alerts"].as_array().unwrap().iter().map(opened).collect();
    assert_eq!(listed, [ahead(start, 20), ahead(start, 16)], "the newest first");

    let count = async |query: &str| {
        let (status, answer) = read(&running, &format!("/api/v1/alerts?{query}")).await;
        assert_eq!(status, 200, "{answer}");
        answer["alerts"].as_array().unwrap().len()
    };
    assert_eq!(count("severity=critical").await, 1);
    assert_eq!(count("state=resolved").await, 2);
    assert_eq!(count("rule=hot").await, 3);
    assert_eq!(count("rule=silent").await, 0);
    assert_eq!(count("subject=device/oven-1").await, 3);
    assert_eq!(count("subject=device/oven-1&state=firing").await, 1);
    assert_eq!(count("subject=device/other").await, 0);
    let from = ahead(start, 16);
    assert_eq!(count(&format!("from={from}")).await, 2);
    assert_eq!(count(&format!("to={from}")).await, 1);
    running.stop().await;
}
