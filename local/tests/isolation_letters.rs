//! No record and no tenant blocks a partition, and nothing expires in the buffer: a whole host
//! through Lambda's Invoke API, with texts that SQS rejects in a message, and with messages close
//! to their maximum age.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::time::{SystemTime, UNIX_EPOCH};

use common::kafka::{event, temperature, text};
use common::running::Running;
use common::{WAIT, run};
use drover_core::base::time::Timestamp;
use serde_json::{Value, json};

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// The response of `replay inspect` to this question.
async fn letters(running: &Running, question: Value) -> Value {
    let mut command = json!({ "action": "inspect" });
    command.as_object_mut().unwrap().extend(question.as_object().unwrap().clone());
    running.invoke("replay", &command).await
}

/// The only letter of the tenant with its content, once it is filed.
async fn only_letter(running: &Running, tenant: &str) -> Value {
    let filed = async {
        loop {
            let listed = letters(running, json!({ "tenant": tenant })).await;
            if let Some(letter) = listed["letters"].as_array().unwrap().first() {
                assert_eq!(listed["total"], 1, "{listed}");
                let question = json!({ "tenant": tenant, "id": letter["id"] });
                break letters(running, question).await;
            }
        }
    };
    tokio::time::timeout(WAIT, filed).await.unwrap()
}

/// `drover replay …` for the tenant `newco`.
async fn replay(running: &Running, words: &[&str]) -> Value {
    let about = ["--tenant", "newco", "--json", "--data", running.folder()];
    let (code, out, error) = run(&[&["replay"], words, &about].concat(), "").await;
    assert_eq!(code, 0, "{error}");
    serde_json::from_str(&out).unwrap()
}

fn base64(text: &str) -> String {
    base64_simd::STANDARD.encode_to_string(text)
}

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the age of a message is on the machine's clock")]
fn now_millis() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since_epoch.as_millis().try_into().unwrap()
}

/// A message of the buffer queue with a reading of the tenant `newco`, so many days old.
fn buffered(offset: u32, days_old: u64) -> Value {
    let sent_at = now_millis() - days_old * DAY_MILLIS;
    let time = |seconds_before: u64| {
        let millis = i64::try_from(sent_at - 1_000 * seconds_before).unwrap();
        Timestamp::from_millis(millis).unwrap().to_string()
    };
    let reading = json!({
        "device_id": "d-1", "event_id": format!("e-{offset}"), "event_type": "temperature",
        "timestamp": time(62), "payload": { "value": offset },
    });
    let body = json!({
        "v": 1, "id": format!("{offset:032x}"), "tenant": "newco", "contract": "telemetry",
        "subject": "device/d-1", "code": "unavailable", "path": null,
        "message": "table `ledger-of-newco` of role `secret` not found",
        "source": { "kind": "kafka", "topic": "telemetry", "partition": 0, "offset": offset,
            "timestamp": sent_at - 2_000 },
        "key": null, "value": base64(&reading.to_string()),
        "headers": [["tenant", base64("newco")]], "part": [1, 1],
        "received_at": time(2), "ingested_at": time(2), "rejected_at": time(1), "attempts": 1, "replay_count": 0, "trace": null,
    });
    json!({
        "messageId": format!("m-{offset}"), "receiptHandle": "r", "body": body.to_string(),
        "attributes": {
            "ApproximateReceiveCount": "800",
            "SentTimestamp": sent_at.to_string(),
        },
        "messageAttributes": {}, "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:drover-buffer",
        "awsRegion": "us-east-1",
    })
}

#[tokio::test]
async fn a_record_with_a_header_that_no_queue_accepts_blocks_no_other_and_is_filed_unchanged() {
    let running = Running::start().await;
    let records = [text("demo", "{not JSON"), temperature("acme", "d-1", 1)];
    let mut event = event(&records);
    let headers = event["records"]["telemetry-0"][0]["headers"].as_array_mut().unwrap();
    headers.push(json!({ "\u{FFFF}": [0, 255] }));
    headers.push(json!({ "a\u{FFFE}\u{0}\u{1F}\u{7F}": [] }));
    let answer = running.invoke("processor", &event).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert_eq!(running.history("acme", "device/d-1").await, ["e-1"]);

    let letter = only_letter(&running, "demo").await;
    assert_eq!((&letter["code"], &letter["content"]), (&json!("malformed_json"), &json!("whole")));
    let expected = json!([
        ["tenant", base64("demo")],
        ["\u{FFFF}", "AP8="],
        ["a\u{FFFE}\u{0}\u{1F}\u{7F}", ""],
    ]);
    assert_eq!(letter["headers"], expected);
    assert_eq!(letter["payload"], base64("{not JSON"));
    running.stop().await;
}

#[tokio::test]
async fn a_buffered_record_becomes_a_letter_before_it_is_ten_days_old_and_a_replay_applies_it() {
    let running = Running::start().await;
    let document = json!({ "id": "newco", "placement": { "table": "ledger-of-newco" } });
    running.apply(&[("tenants/newco.json", document)]).await.unwrap();
    let batch = json!({ "Records": [buffered(1, 10), buffered(2, 1)] });
    let answer = running.invoke("replay", &batch).await;
    let young = json!({ "batchItemFailures": [{ "itemIdentifier": "m-2" }] });
    assert_eq!(answer, young, "the old message is done, the young message is retried");

    let letter = only_letter(&running, "newco").await;
    assert_eq!((&letter["code"], &letter["state"]), (&json!("unavailable"), &json!("open")));
    assert_eq!(letter["subject"], "device/d-1");
    assert!(!letter.to_string().contains("secret"), "no words of a service: {letter}");
    let of_code = replay(&running, &["inspect", "--code", "unavailable"]).await;
    assert_eq!(of_code["counts"], json!({ "unavailable": 1 }));
    assert_eq!(of_code["letters"].as_array().unwrap().len(), 1);

    running.create_ledger_table("ledger-of-newco").await;
    let run = replay(&running, &["run", "--code", "unavailable"]).await;
    assert_eq!((&run["phase"], &run["outcomes"]), (&json!("done"), &json!({ "applied": 1 })));
    assert_eq!(running.history("newco", "device/d-1").await, ["e-1"]);
    assert_eq!(letters(&running, json!({ "tenant": "newco" })).await["total"], 0);

    // The same message again: nothing is filed twice.
    let again = running.invoke("replay", &json!({ "Records": [buffered(1, 10)] })).await;
    assert_eq!(again, json!({ "batchItemFailures": [] }));
    assert_eq!(letters(&running, json!({ "tenant": "newco" })).await["total"], 0);
    running.stop().await;
}
