//! An SQS queue as target. A host's queue is used in `local/tests/feeds.rs`.

use drover_aws::SqsFeeds;
use drover_tests::canned::Answer;
use serde_json::{Value, json};

use crate::Meaning::{Closed, Refused, Sent, Unavailable};
use crate::{Meaning, Service, event, events, publish, settings, sized};

const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/111122223333/feeds";
const FIFO: &str = "https://sqs.eu-central-1.amazonaws.com/111122223333/feeds.fifo";

fn entries(body: &str) -> Vec<Value> {
    let request: Value = serde_json::from_str(body).expect("JSON");
    request["Entries"].as_array().expect("entries").clone()
}

/// An answer in which an entry fails with the code that its payload names.
fn answer(body: &str) -> Answer {
    let (mut sent, mut failed) = (Vec::new(), Vec::new());
    for entry in entries(body) {
        let id = &entry["Id"];
        let text = entry["MessageBody"].as_str().expect("a text");
        match text.split_once(r#""data":"fails "#) {
            None => sent.push(json!({ "Id": id, "MessageId": "m", "MD5OfMessageBody": "" })),
            Some((_, code)) => {
                let code = code.trim_end_matches("\"}");
                failed.push(json!({ "Id": id, "Code": code, "SenderFault": false }));
            }
        }
    }
    (200, json!({ "Successful": sent, "Failed": failed }).to_string())
}

async fn queue(url: &str) -> (Service, SqsFeeds) {
    let service = Service::new(answer).await;
    let feeds = SqsFeeds::new(&settings(service.address), url);
    (service, feeds)
}

fn all(service: &Service) -> Vec<Value> {
    service.bodies().iter().flat_map(|body| entries(body)).collect()
}

#[tokio::test]
async fn a_fifo_queue_gets_the_subject_as_group_and_a_standard_queue_the_tenant() {
    let (service, feeds) = queue(FIFO).await;
    assert_eq!(publish(&feeds, &[event(1, "{}"), event(1, "{}"), event(2, "{}")]).await, [Sent; 3]);
    let fifo = all(&service);
    let field = |number: usize, name: &str| fifo[number][name].as_str().expect("a text").to_owned();
    assert_eq!(field(0, "MessageGroupId"), field(2, "MessageGroupId"));
    let id = "MessageDeduplicationId";
    assert!(field(0, id) == field(1, id) && field(0, id) != field(2, id));

    let (service, feeds) = queue(QUEUE).await;
    let record = event(1, "{}");
    assert_eq!(publish(&feeds, std::slice::from_ref(&record)).await, [Sent]);
    let body = record.structured().expect("JSON");
    let expected = json!({ "Id": "0", "MessageBody": body, "MessageGroupId": "demo" });
    assert_eq!(all(&service), [expected]);
}

#[tokio::test]
async fn batches_follow_one_another_and_a_record_above_one_mebibyte_is_refused_without_a_call() {
    let (service, feeds) = queue(FIFO).await;
    let mut records = events(12);
    records.extend(sized(&[1024 * 1024]));
    let results = publish(&feeds, &records).await;
    assert_eq!((&results[..12], results[12]), (&[Sent; 12][..], Refused));
    let bodies = all(&service).into_iter().map(|entry| entry["MessageBody"].clone());
    let expected = events(12).into_iter().map(|record| json!(record.structured().expect("JSON")));
    assert!(bodies.eq(expected), "in the order of the records");
    assert_eq!(service.bodies().len(), 2);
}

#[tokio::test]
async fn each_message_that_fails_says_why() {
    const CASES: [(&str, Meaning); 5] = [
        ("InvalidMessageContents", Refused),
        ("InvalidParameterValue", Refused),
        ("KmsAccessDenied", Closed),
        ("RequestThrottled", Unavailable),
        ("InternalError", Unavailable),
    ];
    for (code, meaning) in CASES {
        let (_service, feeds) = queue(FIFO).await;
        let records = [event(1, "{}"), event(2, &format!("\"fails {code}\"")), event(3, "{}")];
        assert_eq!(publish(&feeds, &records).await, [Sent, meaning, Sent], "{code}");
    }
}

#[tokio::test]
async fn a_call_that_fails_fails_for_each_of_its_messages() {
    async fn check(code: &str, meaning: Meaning) {
        let error = json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": "m" });
        let error = error.to_string();
        let service = Service::new(move |_| (400, error.clone())).await;
        let feeds = SqsFeeds::new(&settings(service.address), FIFO);
        assert_eq!(publish(&feeds, &events(3)).await, [meaning; 3], "{code}");
    }
    check("QueueDoesNotExist", Closed).await;
    check("AccessDenied", Closed).await;
    check("RequestThrottled", Unavailable).await;
    check("InvalidMessageContents", Refused).await;
}
