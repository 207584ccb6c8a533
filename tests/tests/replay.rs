//! Facts about the replay function that no file of `events/` can show: failures between two steps,
//! counts, and concurrent runs.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed expectation ends its test"
)]

use std::sync::atomic::{AtomicUsize, Ordering};

use drover_core::base::metrics::Metric;
use drover_core::dead_letter::letter::Lease;
use drover_core::memory::{Call, Fault};
use drover_tests::gateway::{Answer, event};
use drover_tests::replay::Replayer;
use drover_tests::situation::{Player as _, Situation};
use serde_json::{Value, json};

const DEMO: &str = "Bearer drover-demo-key";

fn situation(name: &str) -> Situation<Replayer> {
    Situation::named(name)
}

/// A host that has filed the four letters of `rejected`.
async fn with_letters() -> Replayer {
    let replayer = situation("replay").prepared().await;
    assert_eq!(replayer.letters().len(), 4);
    replayer
}

fn request(method: &str, target: &str, body: Option<&Value>) -> String {
    let mut event: Value =
        serde_json::from_str(&event(method, target, &[("authorization", DEMO)])).expect("JSON");
    event["body"] = json!(body.map(ToString::to_string));
    event.to_string()
}

async fn answer(replayer: &Replayer, event: &str) -> Answer {
    Answer::of(&replayer.deliver(event).await.expect("it is answered"))
}

#[tokio::test]
async fn a_message_whose_letter_may_be_stored_is_redelivered_and_is_one_letter() {
    for fault in [Fault::Refused, Fault::LostBefore, Fault::LostAfter] {
        // The first call puts chunks, the second the letter.
        for failing in 0..2 {
            let one = situation("envelope");
            let replayer = one.prepared().await;
            let calls = AtomicUsize::new(0);
            replayer.memory().fail(move |call| {
                let is_it = call == Call::File && calls.fetch_add(1, Ordering::Relaxed) == failing;
                if is_it { fault } else { Fault::None }
            });
            let named = replayer.deliver(&one.event).await.expect("it is answered");
            assert_eq!(named["batchItemFailures"].as_array().map(Vec::len), Some(1));
            let again = replayer.deliver(&one.event).await.expect("it is answered");
            assert_eq!(again, json!({"batchItemFailures": []}));
            let letters = replayer.letters();
            assert_eq!(letters.len(), 1);
            assert_eq!(letters[0]["whole"], true);
        }
    }
}

#[tokio::test]
async fn only_failed_messages_of_a_batch_are_returned() {
    let one = situation("every-shape");
    let replayer = one.prepared().await;
    let sent: Value = serde_json::from_str(&one.event).expect("JSON");
    // Every third call fails: some messages lose their chunks, others their letter.
    let calls = AtomicUsize::new(0);
    replayer.memory().fail(move |call| {
        let is_it = call == Call::File && calls.fetch_add(1, Ordering::Relaxed) % 3 == 2;
        if is_it { Fault::Refused } else { Fault::None }
    });
    let named = replayer.deliver(&one.event).await.expect("it is answered");
    let named = named["batchItemFailures"].as_array().expect("a list");
    let messages = sent["Records"].as_array().expect("messages");
    assert!(!named.is_empty() && named.len() < messages.len(), "{named:?}");
    replayer.fail_parts(&[]);
    let is_named = |message: &&Value| {
        named.iter().any(|failure| failure["itemIdentifier"] == message["messageId"])
    };
    let rest: Vec<&Value> = messages.iter().filter(is_named).collect();
    assert_eq!(rest.len(), named.len(), "every id is from the batch");
    let rest = json!({"Records": rest}).to_string();
    assert_eq!(replayer.deliver(&rest).await.expect("answered"), json!({"batchItemFailures": []}));
    let never = one.prepared().await;
    never.deliver(&one.event).await.expect("it is answered");
    assert_eq!(replayer.letters(), never.letters());
}

#[tokio::test]
async fn a_letter_is_counted_once() {
    let one = situation("every-shape");
    let replayer = one.prepared().await;
    replayer.deliver(&one.event).await.expect("it is answered");
    let filed = || replayer.counted(Metric::DeadLettersFiled);
    assert_eq!(filed(), replayer.letters().len());
    assert!(filed() > 3 && replayer.counted(Metric::WriteUnits) >= filed());
    replayer.deliver(&one.event).await.expect("it is answered");
    assert_eq!(filed(), replayer.letters().len());
}

#[tokio::test]
async fn a_running_run_blocks_other_runs_of_its_tenant() {
    let replayer = with_letters().await;
    let now = replayer.memory().state().now;
    let lease = |seconds| Lease {
        run: "0123456789abcdef0123".to_owned(),
        token: "other".to_owned(),
        until: now.plus_seconds(seconds),
    };
    let hold = |seconds| {
        let mut state = replayer.memory().state();
        state.filed.get_mut("T#demo#D").expect("letters").lease = Some(lease(seconds));
    };
    hold(10);
    let start = request("POST", "/api/v1/replays", Some(&json!({})));
    let refused = answer(&replayer, &start).await;
    assert_eq!((refused.status, &refused.json["code"]), (409, &json!("replay_running")));
    let command = json!({"action": "replay", "tenant": "demo"}).to_string();
    let refused = replayer.deliver(&command).await.expect("it is answered");
    assert_eq!(refused["error"]["code"], "replay_running");
    let operator = replayer.deliver(r#"{"action":"replay"}"#).await.expect("it is answered");
    assert_eq!(operator["phase"], "done", "the operator's letters are separate");
    // The holder of the lease died.
    hold(-1);
    let started = answer(&replayer, &start).await;
    assert_eq!((started.status, &started.json["examined"]), (200, &json!(4)));
}

#[tokio::test]
async fn a_run_paused_by_the_ledger_is_resumed_and_records_the_user() {
    let replayer = with_letters().await;
    replayer.memory().fail(|call| match call {
        Call::Head | Call::Write => Fault::Refused,
        _ => Fault::None,
    });
    let start = request("POST", "/api/v1/replays", Some(&json!({"limit": 10})));
    let paused = answer(&replayer, &start).await;
    assert_eq!((paused.status, &paused.json["phase"]), (200, &json!("paused")));
    assert_eq!(paused.json["examined"], 0);
    let id = paused.json["replay_id"].as_str().expect("an id").to_owned();
    replayer.fail_parts(&[]);
    let resume = request("POST", &format!("/api/v1/replays/{id}"), None);
    let done = answer(&replayer, &resume).await;
    assert_eq!((done.status, &done.json["phase"]), (200, &json!("done")));
    assert_eq!(done.json["outcomes"], json!({"applied": 3, "malformed_json": 1}));
    assert_eq!(
        (&done.json["by"], &done.json["resumed_by"]),
        (&json!("key:local"), &json!("key:local"))
    );
    assert_eq!(replayer.counted(Metric::DeadLettersResolved), 3);
}

#[tokio::test]
async fn a_paused_run_is_cancelled_and_not_resumed() {
    let replayer = with_letters().await;
    replayer.memory().fail(|call| match call {
        Call::Head => Fault::Refused,
        _ => Fault::None,
    });
    let start = request("POST", "/api/v1/replays", Some(&json!({})));
    let id = answer(&replayer, &start).await.json["replay_id"].as_str().expect("an id").to_owned();
    replayer.fail_parts(&[]);
    let target = format!("/api/v1/replays/{id}");
    let cancelled = answer(&replayer, &request("DELETE", &target, None)).await;
    assert_eq!((cancelled.status, &cancelled.json["phase"]), (200, &json!("cancelled")));
    let resumed = answer(&replayer, &request("POST", &target, None)).await;
    assert_eq!((resumed.status, &resumed.json["phase"]), (200, &json!("cancelled")));
    assert!(replayer.letters().iter().all(|letter| letter["state"] == "open"));
}

#[tokio::test]
async fn every_letter_is_on_exactly_one_page_of_its_list() {
    let replayer = with_letters().await;
    for limit in 1..=5 {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let target = format!("/api/v1/dead-letters?limit={limit}{cursor}");
            let page = answer(&replayer, &request("GET", &target, None)).await;
            assert_eq!(page.status, 200, "{}", page.text);
            let letters = page.json["letters"].as_array().expect("letters").clone();
            ids.extend(letters.iter().map(|letter| letter["id"].clone()));
            let Some(next) = page.json["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let mut filed: Vec<Value> =
            replayer.letters().iter().map(|letter| letter["id"].clone()).collect();
        filed.reverse();
        assert_eq!(ids, filed, "limit {limit}");
    }
}

#[tokio::test]
async fn no_route_of_dead_letters_opens_without_the_scope_admin() {
    let replayer = situation("letters-without-the-scope").prepared().await;
    let status = async |method: &str, target: &str, scope: &str| {
        let mut event: Value = serde_json::from_str(&event(method, target, &[])).expect("JSON");
        let claims = json!({"tenant": "demo", "scope": scope});
        event["requestContext"]["authorizer"] = json!({"jwt": {"claims": claims, "scopes": null}});
        event["body"] = json!("{}");
        answer(&replayer, &event.to_string()).await.status
    };
    for (method, target) in [
        ("GET", "/api/v1/dead-letters"),
        ("GET", "/api/v1/dead-letters/01a1fcbe91b07a14bdbd70a82fe37596"),
        ("GET", "/api/v1/replays"),
        ("POST", "/api/v1/replays"),
        ("GET", "/api/v1/replays/0123456789abcdef0123"),
        ("POST", "/api/v1/replays/0123456789abcdef0123"),
        ("DELETE", "/api/v1/replays/0123456789abcdef0123"),
        ("POST", "/api/v1/feeds/resend"),
        ("POST", "/api/v1/alerts/8006431e5cdc0e00c5b1a4e8b0f7d2a9/acknowledge"),
    ] {
        assert_eq!(status(method, target, "read write").await, 403, "{method} {target}");
        let admitted = status(method, target, "admin").await;
        assert!([200, 404].contains(&admitted), "{method} {target}: {admitted}");
    }
    assert_eq!(status("GET", "/buffer/stats", "read").await, 200);
    assert_eq!(status("GET", "/buffer/stats", "write").await, 403);
}

/// When the record leaves the buffer, its route names another tenant.
#[tokio::test]
async fn a_buffered_record_never_reaches_another_tenant_and_its_letter_is_its_owners() {
    let one = situation("buffered-record");
    let replayer = one.prepared().await;
    let route = r#"{"contract":"telemetry","tenant":{"const":"acme"}}"#;
    replayer.memory().put_document("R#telemetry", route);
    let drained = replayer.deliver(&one.event).await.expect("it is answered");
    assert_eq!(drained, json!({"batchItemFailures": []}));
    assert_eq!(replayer.subjects().await, json!({}));
    let mut messages = std::mem::take(&mut replayer.memory().state().letters);
    assert_eq!(messages.len(), 1);
    let mut event: Value = serde_json::from_str(&one.event).expect("JSON");
    event["Records"][0]["body"] = json!(messages.remove(0).body);
    event["Records"][0]["eventSourceARN"] =
        json!("arn:aws:sqs:eu-central-1:123456789012:drover-dead-letters");
    replayer.deliver(&event.to_string()).await.expect("it is answered");
    let letters = replayer.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (&letters[0]["tenant"], &letters[0]["code"], &letters[0]["whole"]),
        (&json!("demo"), &json!("tenant_mismatch"), &json!(true))
    );
}
