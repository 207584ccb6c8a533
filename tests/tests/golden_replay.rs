//! Every file of `events/replay/` does what its expectation says: once, three times, message by
//! message, and as the OpenAPI document of the routes says.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a fact that does not hold ends its test"
)]

use drover_tests::golden::{Player as _, all_end_as_expected, described, none_differ};
use drover_tests::replay::Replayer;
use drover_tests::situation::{self, difference};
use serde_json::{Value, json};

type Situation = situation::Situation<Replayer>;

/// Batches of messages of which none has to come again.
fn settled() -> impl Iterator<Item = Situation> {
    Situation::all().into_iter().filter(|one| one.is_of_queue() && one.given.down.is_empty())
}

/// The same event, cut into one for each message, the last one first.
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
async fn message_by_message_in_another_order_gives_the_same_letters_and_history() {
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

/// What does not depend on how many commits there were.
fn histories(mut subjects: Value) -> Value {
    for (_, subject) in subjects.as_object_mut().into_iter().flatten() {
        *subject = subject["history"].take();
    }
    subjects
}

#[tokio::test]
async fn what_failed_is_done_when_it_comes_again() {
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
async fn every_answer_is_one_that_the_openapi_document_describes() {
    let document = serde_json::to_value(drover_replay::openapi()).expect("JSON");
    let described = described::<Replayer>(&document).await;
    assert!(described > 15, "{described} answers");
}
