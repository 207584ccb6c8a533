//! Every file of `events/replay/` has the result of its expectation: delivered once, three times,
//! and message by message; and responses match the OpenAPI document.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed expectation ends its test"
)]

use drover_tests::golden::{Player as _, all_end_as_expected, described, none_differ};
use drover_tests::replay::Replayer;
use drover_tests::situation::{self, difference};
use serde_json::{Value, json};

type Situation = situation::Situation<Replayer>;

/// Batches without messages to retry.
fn settled() -> impl Iterator<Item = Situation> {
    Situation::all().into_iter().filter(|one| one.is_of_queue() && one.given.down.is_empty())
}

/// The same event, split into one event per message, the last message first.
fn one_by_one(event: &str) -> Vec<String> {
    let event: Value = serde_json::from_str(event).expect("JSON");
    let messages = event["Records"].as_array().into_iter().flatten().rev();
    messages.map(|message| json!({"Records": [message]}).to_string()).collect()
}

#[tokio::test]
async fn every_situation_ends_as_expected() {
    all_end_as_expected::<Replayer>().await;
}

#[tokio::test]
async fn a_second_and_a_third_delivery_change_no_letter_and_no_history() {
    let mut differences = Vec::new();
    for one in settled() {
        let mut replayer = one.prepared().await;
        let first = replayer.deliver(&one.event).await.ok();
        let (letters, subjects) = (json!(replayer.letters()), replayer.subjects().await);
        for restart in [false, true] {
            if restart {
                replayer.restart();
            }
            assert_eq!(replayer.deliver(&one.event).await.ok(), first, "{}", one.name);
            differences.push((one.name.clone(), difference(&letters, &json!(replayer.letters()))));
            differences.push((one.name.clone(), difference(&subjects, &replayer.subjects().await)));
        }
    }
    none_differ::<Replayer>(differences);
}

#[tokio::test]
async fn delivery_message_by_message_in_another_order_gives_the_same_letters_and_history() {
    let mut differences = Vec::new();
    for one in settled().filter(|one| one.expect.error.is_none()) {
        let whole = one.prepared().await;
        whole.deliver(&one.event).await.expect("it is handled");
        let single = one.prepared().await;
        for event in one_by_one(&one.event) {
            single.deliver(&event).await.expect("it is handled");
        }
        let (letters, again) = (json!(whole.letters()), json!(single.letters()));
        differences.push((one.name.clone(), difference(&letters, &again)));
        let (subjects, again) = (whole.subjects().await, single.subjects().await);
        differences.push((one.name, difference(&histories(subjects), &histories(again))));
    }
    none_differ::<Replayer>(differences);
}

/// The part of the outcome that does not depend on the number of commits.
fn histories(mut subjects: Value) -> Value {
    for (_, subject) in subjects.as_object_mut().into_iter().flatten() {
        *subject = subject["history"].take();
    }
    subjects
}

#[tokio::test]
async fn a_failed_message_is_handled_by_its_redelivery() {
    let mut differences = Vec::new();
    let failing = |one: &Situation| one.is_of_queue() && !one.given.down.is_empty();
    // Another end has what waited for so long that it became a letter.
    for one in
        Situation::all().into_iter().filter(|one| failing(one) && one.expect.letters.is_empty())
    {
        let failing = one.prepared().await;
        failing.fail_parts(&one.given.down);
        assert_ne!(failing.deliver(&one.event).await.ok(), Some(json!({"batchItemFailures": []})));
        failing.fail_parts(&[]);
        let answer = failing.deliver(&one.event).await;
        assert_eq!(answer.ok(), Some(json!({"batchItemFailures": []})), "{}", one.name);
        let never = one.prepared().await;
        never.deliver(&one.event).await.expect("it is handled");
        let (letters, again) = (json!(never.letters()), json!(failing.letters()));
        differences.push((one.name.clone(), difference(&letters, &again)));
        differences
            .push((one.name, difference(&never.subjects().await, &failing.subjects().await)));
    }
    assert!(differences.len() >= 6, "nothing failed");
    none_differ::<Replayer>(differences);
}

#[tokio::test]
async fn every_response_matches_the_openapi_document() {
    let document = serde_json::to_value(drover_replay::openapi()).expect("JSON");
    let described = described::<Replayer>(&document).await;
    assert!(described > 15, "{described} answers");
}
