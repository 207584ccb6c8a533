//! An EventBridge bus as target.

use drover_aws::EventBridgeFeeds;
use drover_tests::canned::Answer;
use drover_tests::closed_address;
use serde_json::{Value, json};

use crate::Meaning::{Closed, Refused, Sent, Unavailable};
use crate::{
    Meaning, Service, assert_documented, event, events, largest_payload, origin, publish, settings,
    sized,
};

const BUS: &str = "arn:aws:events:eu-central-1:111122223333:event-bus/feeds";
const LIMIT: usize = 256 * 1024 - 1;

fn entries(body: &str) -> Vec<Value> {
    let request: Value = serde_json::from_str(body).expect("JSON");
    request["Entries"].as_array().expect("entries").clone()
}

fn text<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry[name].as_str().expect("a text")
}

/// The size as EventBridge counts it.
fn bytes(entry: &Value) -> usize {
    let texts = ["Source", "DetailType", "Detail"].map(|name| text(entry, name).len());
    let resources = entry["Resources"].as_array().expect("resources").iter();
    let resources = resources.filter_map(Value::as_str).map(str::len);
    let time = if entry["Time"].is_null() { 0 } else { 14 };
    texts.iter().sum::<usize>() + resources.sum::<usize>() + time
}

/// An answer in which an event fails with its code.
fn answer(body: &str, code: impl Fn(&str) -> Option<String>) -> Answer {
    let result = |entry: &Value| match code(text(entry, "Detail")) {
        None => json!({ "EventId": "e" }),
        Some(code) if code.is_empty() => json!({}),
        Some(code) => json!({ "ErrorCode": code, "ErrorMessage": "on demand" }),
    };
    let results: Vec<Value> = entries(body).iter().map(result).collect();
    let failed = results.iter().filter(|result| !result["ErrorCode"].is_null()).count();
    (200, json!({ "FailedEntryCount": failed, "Entries": results }).to_string())
}

fn accept(body: &str) -> Answer {
    answer(body, |_| None)
}

async fn bus(answer: fn(&str) -> Answer) -> (Service, EventBridgeFeeds) {
    let service = Service::new(answer).await;
    let feeds = EventBridgeFeeds::new(&settings(service.address), BUS);
    (service, feeds)
}

fn sizes(service: &Service) -> Vec<usize> {
    service.bodies().iter().map(|body| entries(body).len()).collect()
}

fn all(service: &Service) -> Vec<Value> {
    service.bodies().iter().flat_map(|body| entries(body)).collect()
}

#[tokio::test]
async fn an_event_has_the_cloud_event_as_its_detail() {
    let (service, feeds) = bus(accept).await;
    let record = event(7, r#"{"value":21.50}"#);
    assert_eq!(publish(&feeds, std::slice::from_ref(&record)).await, [Sent]);
    let entry = all(&service).remove(0);
    let detail = record.structured().expect("JSON");
    let expected = json!({
        "EventBusName": BUS,
        "Source": "drover",
        "DetailType": "temperature",
        "Resources": ["/drover/demo/device/d-1"],
        "Time": 1_795_240_800.25,
        "Detail": detail,
    });
    assert_eq!(entry, expected);
    assert_documented(&[
        ("Source", text(&entry, "Source")),
        ("DetailType", text(&entry, "DetailType")),
        ("Resources", &entry["Resources"].to_string()),
        ("Time", &format!("{} (2026-11-21T06:00:00.25Z)", entry["Time"])),
        ("Detail", &detail),
    ]);
}

#[tokio::test]
async fn a_record_without_a_time_has_the_time_of_the_call() {
    let (service, feeds) = bus(accept).await;
    assert_eq!(publish(&feeds, &[origin(1).view(Some("{}".into()))]).await, [Sent]);
    let entry = all(&service).remove(0);
    assert_eq!((text(&entry, "DetailType"), &entry["Time"]), ("drover.view", &Value::Null));
}

#[tokio::test]
async fn a_bus_may_be_given_by_its_name() {
    let service = Service::new(accept).await;
    let feeds = EventBridgeFeeds::new(&settings(service.address), "feeds");
    assert_eq!(publish(&feeds, &events(1)).await, [Sent]);
    assert_eq!(text(&all(&service)[0], "EventBusName"), "feeds");
}

#[tokio::test]
async fn a_batch_ends_at_ten_events_or_before_256_kib_and_keeps_the_order() {
    let (service, feeds) = bus(accept).await;
    assert_eq!(publish(&feeds, &events(21)).await, [Sent; 21]);
    assert_eq!(sizes(&service), [10, 10, 1]);
    let entries = all(&service);
    let expected: Vec<String> =
        events(21).iter().map(|record| record.structured().expect("JSON")).collect();
    let details: Vec<&str> = entries.iter().map(|entry| text(entry, "Detail")).collect();
    assert_eq!(details, expected);

    let of_empty = bytes(&entries[0]);
    let (service, feeds) = bus(accept).await;
    let half = largest_payload(LIMIT / 2, of_empty);
    let records = sized(&[half, half, half, half + 2, half, largest_payload(LIMIT, of_empty)]);
    assert_eq!(publish(&feeds, &records).await, [Sent; 6]);
    assert_eq!(sizes(&service), [2, 1, 1, 1, 1]);
    let bodies = service.bodies();
    let bytes = |body: &String| self::entries(body).iter().map(bytes).sum::<usize>();
    let bytes: Vec<usize> = bodies.iter().map(bytes).collect();
    assert_eq!(bytes[4], LIMIT);
    assert!(bytes.iter().all(|one| *one <= LIMIT), "{bytes:?}");
}

#[tokio::test]
async fn a_record_that_no_bus_accepts_is_refused_without_a_call() {
    let (service, feeds) = bus(accept).await;
    assert_eq!(publish(&feeds, &events(1)).await, [Sent]);
    let too_large = largest_payload(LIMIT, bytes(&all(&service)[0])) + 1;
    assert_eq!(publish(&feeds, &sized(&[too_large, 2])).await, [Refused, Sent]);
    assert_eq!(sizes(&service), [1, 1]);
}

#[tokio::test]
async fn each_event_that_fails_says_why() {
    /// The code stands in the payload, after `fails`.
    fn by_payload(body: &str) -> Answer {
        answer(body, |detail| {
            let (_, code) = detail.split_once(r#""data":"fails "#)?;
            Some(code.trim_end_matches("\"}").to_owned())
        })
    }
    const CASES: [(&str, Meaning); 12] = [
        ("MalformedDetail", Refused),
        ("InvalidArgument", Refused),
        ("RedactionFailure", Refused),
        // Other types of events may pass.
        ("NotAuthorizedForDetailTypeException", Refused),
        ("AccessDeniedException", Closed),
        ("NotAuthorizedForSourceException", Closed),
        ("InvalidAccountIdException", Closed),
        ("ResourceNotFoundException", Closed),
        ("ThrottlingException", Unavailable),
        ("InternalFailure", Unavailable),
        ("BrandNew", Unavailable),
        // Neither an id nor a code.
        ("", Unavailable),
    ];
    for (code, meaning) in CASES {
        let (_service, feeds) = bus(by_payload).await;
        let records = [event(1, "{}"), event(2, &format!("\"fails {code}\"")), event(3, "{}")];
        assert_eq!(publish(&feeds, &records).await, [Sent, meaning, Sent], "{code}");
    }
}

#[tokio::test]
async fn an_event_that_the_answer_leaves_out_is_not_sent() {
    let service = Service::new(|_| {
        (200, json!({ "FailedEntryCount": 0, "Entries": [{ "EventId": "e" }] }).to_string())
    });
    let service = service.await;
    let feeds = EventBridgeFeeds::new(&settings(service.address), BUS);
    assert_eq!(publish(&feeds, &events(3)).await, [Sent, Unavailable, Unavailable]);
}

#[tokio::test]
async fn nothing_is_sent_after_a_batch_with_an_event_that_a_bus_throttles() {
    fn throttle_thirteenth(body: &str) -> Answer {
        answer(body, |detail| {
            detail.contains("00000000000000000012/").then(|| "ThrottlingException".to_owned())
        })
    }
    let (service, feeds) = bus(throttle_thirteenth).await;
    let results = publish(&feeds, &events(25)).await;
    assert_eq!(sizes(&service), [10, 10]);
    let sent = results.iter().filter(|result| **result == Sent).count();
    assert_eq!((sent, results[12], results[24]), (19, Unavailable, Unavailable));
}

#[tokio::test]
async fn a_call_that_fails_fails_for_each_of_its_events() {
    async fn check(status: u16, code: &str, meaning: Meaning) {
        let error = json!({ "__type": code, "message": "on demand" }).to_string();
        let service = Service::new(move |_| (status, error.clone())).await;
        let feeds = EventBridgeFeeds::new(&settings(service.address), BUS);
        assert_eq!(publish(&feeds, &events(3)).await, [meaning; 3], "{code}");
    }
    check(400, "ResourceNotFoundException", Closed).await;
    check(400, "AccessDeniedException", Closed).await;
    check(400, "ValidationException", Refused).await;
    check(400, "ThrottlingException", Unavailable).await;
    check(500, "InternalException", Unavailable).await;
    check(400, "BrandNew", Unavailable).await;
    let down = closed_address().expect("a free port");
    let feeds = EventBridgeFeeds::new(&settings(down), BUS);
    assert_eq!(publish(&feeds, &events(2)).await, [Unavailable; 2]);
    assert!(publish(&feeds, &[]).await.is_empty());
}
