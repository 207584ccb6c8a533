//! Texts of services about roles, accounts and tables never reach a tenant: not in a response, not
//! in the record of a run, not in a letter. Every request of `events/` is sent once for each
//! outside call, with that call failing with such a text.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]

use drover_core::base::public_reason::PublicReason;
use drover_core::base::time::Timestamp;
use drover_core::memory::{Call, Fault, Faulty, Memory, SAID_BY_A_SERVICE};
use drover_tests::gateway::{Answer, event};
use drover_tests::ingest::Writer;
use drover_tests::processor::Host;
use drover_tests::processor::kafka;
use drover_tests::query::Reader;
use drover_tests::replay::Replayer;
use drover_tests::situation::{Player as _, Situation};
use serde_json::{Value, json};

const CALLS: [Call; 17] = [
    Call::Head,
    Call::Pages,
    Call::Seal,
    Call::Write,
    Call::Erase,
    Call::Letter,
    Call::Buffer,
    Call::Document,
    Call::Listing,
    Call::Claim,
    Call::EventLog,
    Call::File,
    Call::Mark,
    Call::Filed,
    Call::Run,
    Call::Lease,
    Call::Reread,
];

fn fail(memory: &Faulty<Memory>, failing: Option<Call>) {
    let fault = move |call| if Some(call) == failing { Fault::Refused } else { Fault::None };
    memory.fail(fault);
}

fn hides(text: &str, about: &str) {
    for part in ["arn:", "123456789012", "canary", "dynamodb:"] {
        assert!(SAID_BY_A_SERVICE.contains(part));
        assert!(!text.contains(part), "{about}: {text}");
    }
}

/// All content of the ports that a tenant can see.
fn nothing_is_kept(memory: &Faulty<Memory>, about: &str) {
    let state = memory.state();
    for message in state.letters.iter().chain(&state.buffer) {
        hides(&message.body, about);
    }
    for drawer in state.filed.values() {
        for stored in drawer.letters.values() {
            hides(&json!(stored.letter).to_string(), about);
        }
        for run in drawer.runs.values() {
            let json = zstd::bulk::decompress(&run.bytes, 1 << 24).expect("a run");
            hides(&String::from_utf8_lossy(&json), about);
        }
    }
}

#[tokio::test]
async fn no_response_of_ingest_contains_the_text_of_a_service() {
    let mut unavailable = 0;
    for one in Situation::<Writer>::all().into_iter().filter(|one| one.http.is_some()) {
        for call in CALLS {
            let about = format!("{} {call:?}", one.name);
            let host = one.host();
            let writer = Writer::with_auth(&host, one.given.auth.as_ref());
            fail(host.memory(), Some(call));
            let answer = writer.deliver(&one.event).await.expect("a request");
            hides(&answer.text, &about);
            nothing_is_kept(host.memory(), &about);
            unavailable += usize::from(answer.status == 503);
        }
    }
    assert!(unavailable > 40, "{unavailable}");
}

#[tokio::test]
async fn no_response_of_query_contains_the_text_of_a_service() {
    let mut unavailable = 0;
    for one in Situation::<Reader>::all().into_iter().filter(|one| one.http.is_some()) {
        for call in CALLS {
            let reader = one.prepared().await;
            fail(reader.host().memory(), Some(call));
            let answer = reader.invoke(&one.event).await;
            hides(&answer.text, &format!("{} {call:?}", one.name));
            unavailable += usize::from(answer.status == 503);
        }
    }
    assert!(unavailable > 40, "{unavailable}");
}

#[tokio::test]
async fn no_response_letter_or_run_of_replay_contains_the_text_of_a_service() {
    let (mut unavailable, mut paused) = (0, 0);
    for one in Situation::<Replayer>::all() {
        for call in CALLS {
            let about = format!("{} {call:?}", one.name);
            let replayer = one.prepared().await;
            fail(replayer.memory(), Some(call));
            let answer = replayer.deliver(&one.event).await.unwrap_or_default();
            hides(&answer.to_string(), &about);
            nothing_is_kept(replayer.memory(), &about);
            unavailable += usize::from(answer["statusCode"] == 503);
            if answer["statusCode"] == 200 {
                paused += usize::from(Answer::of(&answer).json["phase"] == "paused");
            }
        }
    }
    assert!(unavailable > 20 && paused > 3, "{unavailable} {paused}");
}

/// A buffered record becomes a letter if it cannot be applied for too long.
#[tokio::test]
async fn the_letter_of_a_buffered_record_has_a_public_reason() {
    let now = Timestamp::parse_rfc3339("2026-11-21T06:05:00Z").expect("a time");
    let host = Host::new(now, &Default::default());
    let reading = |device: usize| {
        json!({"device_id": format!("d-{device}"), "event_type": "temperature",
            "timestamp": "2026-11-21T06:00:00Z", "payload": {"value": 20}})
    };
    let mut left = 1;
    host.fail(move |call| match call {
        Call::Head if left > 0 => {
            left -= 1;
            Fault::HotKey
        }
        _ => Fault::None,
    });
    let records: Vec<Value> = (0..8).map(reading).collect();
    host.deliver(&kafka("telemetry", "demo", &records, now)).await.expect("handled");
    nothing_is_kept(host.memory(), "buffered");
    let bodies: Vec<String> =
        host.memory().state().buffer.iter().map(|message| message.body.clone()).collect();
    assert_eq!(bodies.len(), 1);
    let waiting: Value = serde_json::from_str(&bodies[0]).expect("an envelope");
    assert_eq!(waiting["message"], PublicReason::Throttled.message());
    // An envelope that another release may have written.
    let mut before = waiting.clone();
    before["message"] = json!(SAID_BY_A_SERVICE);
    let cases = [(waiting, PublicReason::Throttled), (before, PublicReason::Unavailable)];
    for (envelope, reason) in cases {
        let replayer = Replayer::with_auth(&Host::new(now, &Default::default()), None);
        let message = json!({"messageId": "m", "eventSource": "aws:sqs", "body": envelope.to_string(),
            "eventSourceARN": "arn:aws:sqs:eu-central-1:1:drover-dead-letters", "attributes": {}});
        replayer.deliver(&json!({"Records": [message]}).to_string()).await.expect("filed");
        nothing_is_kept(replayer.memory(), "filed");
        let id = envelope["id"].as_str().expect("an id");
        let key = [("authorization", "Bearer drover-demo-key")];
        let shown = event("GET", &format!("/api/v1/dead-letters/{id}"), &key);
        let shown = Answer::of(&replayer.deliver(&shown).await.expect("an answer")).json;
        assert_eq!(
            (&shown["code"], &shown["message"]),
            (&json!("unavailable"), &json!(reason.message()))
        );
    }
}
