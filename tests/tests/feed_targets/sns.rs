//! An SNS topic as target.

use std::collections::BTreeMap;

use drover_aws::SnsFeeds;
use drover_tests::canned::Answer;
use drover_tests::closed_address;

use crate::Meaning::{Closed, Refused, Sent, Unavailable};
use crate::{
    Meaning, Service, TOPIC, assert_documented, event, events, largest_payload, origin, publish,
    settings, sized,
};

const STANDARD: &str = "arn:aws:sns:eu-central-1:111122223333:feeds";
const FIFO: &str = "arn:aws:sns:eu-central-1:111122223333:feeds.fifo";
const LIMIT: usize = 256 * 1024;
const ENTRY: &str = "PublishBatchRequestEntries.member.";

/// A message as SNS gets it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Message {
    text: String,
    group: Option<String>,
    deduplication: Option<String>,
    attributes: BTreeMap<String, String>,
}

impl Message {
    /// The size as SNS counts it: names, types and values of attributes count, too.
    fn bytes(&self) -> usize {
        let attributes = self.attributes.iter();
        let attributes = attributes.map(|(name, text)| name.len() + "String".len() + text.len());
        self.text.len() + attributes.sum::<usize>()
    }
}

/// The messages of a request, by their ids.
fn messages(body: &str) -> Vec<(String, Message)> {
    let fields: BTreeMap<String, String> =
        form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    assert_eq!(fields["Action"], "PublishBatch");
    let message = |number: usize| {
        let field = |name: &str| fields.get(&format!("{ENTRY}{number}.{name}")).cloned();
        let attributes = (1..).map_while(|number| {
            let part = |part| field(&format!("MessageAttributes.entry.{number}.{part}"));
            assert_eq!(part("Value.DataType").unwrap_or("String".to_owned()), "String");
            Some((part("Name")?, part("Value.StringValue")?))
        });
        let message = Message {
            text: field("Message")?,
            group: field("MessageGroupId"),
            deduplication: field("MessageDeduplicationId"),
            attributes: attributes.collect(),
        };
        Some((field("Id")?, message))
    };
    (1..).map_while(message).collect()
}

/// An answer in which a message fails if a code stands in its text.
fn answer(body: &str, code: impl Fn(&str) -> Option<(String, bool)>) -> Answer {
    let (mut sent, mut failed) = (String::new(), String::new());
    // The order of an answer means nothing.
    for (id, message) in messages(body).into_iter().rev() {
        match code(&message.text) {
            None => sent += &format!("<member><Id>{id}</Id><MessageId>m</MessageId></member>"),
            Some((code, fault)) if !code.is_empty() => {
                failed += &format!(
                    "<member><Id>{id}</Id><Code>{code}</Code><SenderFault>{fault}</SenderFault></member>"
                );
            }
            Some(_) => {}
        }
    }
    let result = format!("<Successful>{sent}</Successful><Failed>{failed}</Failed>");
    let result = format!("<PublishBatchResult>{result}</PublishBatchResult>");
    (200, format!("<PublishBatchResponse>{result}</PublishBatchResponse>"))
}

fn accept(body: &str) -> Answer {
    answer(body, |_| None)
}

async fn topic(arn: &str, answer: fn(&str) -> Answer) -> (Service, SnsFeeds) {
    let service = Service::new(answer).await;
    let feeds = SnsFeeds::new(&settings(service.address), arn);
    (service, feeds)
}

fn sizes(service: &Service) -> Vec<usize> {
    service.bodies().iter().map(|body| messages(body).len()).collect()
}

fn all(service: &Service) -> Vec<Message> {
    let bodies = service.bodies();
    bodies.iter().flat_map(|body| messages(body)).map(|(_, message)| message).collect()
}

#[tokio::test]
async fn a_message_is_the_cloud_event_with_attributes_to_filter_by() {
    let (service, feeds) = topic(STANDARD, accept).await;
    let record = event(7, r#"{"value":21.50}"#);
    assert_eq!(publish(&feeds, std::slice::from_ref(&record)).await, [Sent]);
    assert!(service.bodies()[0].contains("TopicArn=arn%3Aaws%3Asns%3Aeu-central-1"));
    let message = all(&service).remove(0);
    assert_eq!(message.text, record.structured().expect("JSON"));
    let expected = [
        ("ce_source", "/drover/demo/device/d-1"),
        ("ce_type", "temperature"),
        ("feed", "settled"),
        ("topic", TOPIC),
    ];
    let attributes = message.attributes.iter();
    let attributes: Vec<_> =
        attributes.map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(attributes, expected);
    assert_documented(&[&[("Message", message.text.as_str())][..], &expected].concat());
    assert_eq!((message.group, message.deduplication), (None, None), "a standard topic");
}

#[tokio::test]
async fn a_fifo_topic_gets_the_subject_as_group_and_one_id_for_each_commit() {
    let (service, feeds) = topic(FIFO, accept).await;
    let data = || Some("{}".into());
    let (first, second) = (origin(1).view(data()), origin(2).view(data()));
    for records in [[first.clone(), second], [first, event(1, "{}")]] {
        assert_eq!(publish(&feeds, &records).await, [Sent, Sent]);
    }
    let messages = all(&service);
    let groups: Vec<_> = messages.iter().filter_map(|message| message.group.as_ref()).collect();
    assert_eq!(groups.len(), 4);
    assert!(groups.iter().all(|group| *group == groups[0] && group.len() <= 128));
    let ids: Vec<_> =
        messages.iter().map(|message| message.deduplication.clone().expect("an id")).collect();
    assert_eq!(ids[0], ids[2], "sent again for one commit");
    assert!(ids[0] != ids[1] && ids[0] != ids[3] && ids[1] != ids[3]);
}

#[tokio::test]
async fn a_batch_ends_at_ten_messages_or_256_kib_and_keeps_the_order() {
    let (service, feeds) = topic(STANDARD, accept).await;
    assert_eq!(publish(&feeds, &events(21)).await, [Sent; 21]);
    assert_eq!(sizes(&service), [10, 10, 1]);
    let texts = all(&service).into_iter().map(|message| message.text);
    let expected = events(21).into_iter().map(|record| record.structured().expect("JSON"));
    assert!(texts.eq(expected), "in the order of the records");

    let of_empty = all(&service)[0].bytes();
    let largest = largest_payload(LIMIT, of_empty);
    let (service, feeds) = topic(STANDARD, accept).await;
    let half = largest_payload(LIMIT / 2, of_empty);
    let records = sized(&[half, half, half, half + 1, half, largest]);
    assert_eq!(publish(&feeds, &records).await, [Sent; 6]);
    assert_eq!(sizes(&service), [2, 1, 1, 1, 1]);
    let batches = service.bodies();
    let bytes = |body: &String| messages(body).iter().map(|(_, one)| one.bytes()).sum::<usize>();
    let bytes: Vec<usize> = batches.iter().map(bytes).collect();
    assert_eq!((bytes[0], bytes[4]), (LIMIT, LIMIT));
    assert!(bytes.iter().all(|one| *one <= LIMIT), "{bytes:?}");
}

#[tokio::test]
async fn a_record_that_no_topic_accepts_is_refused_without_a_call() {
    let (service, feeds) = topic(STANDARD, accept).await;
    assert_eq!(publish(&feeds, &events(1)).await, [Sent]);
    let too_large = largest_payload(LIMIT, all(&service)[0].bytes()) + 1;
    let records = sized(&[too_large, 2]);
    assert_eq!(publish(&feeds, &records).await, [Refused, Sent]);
    assert_eq!(sizes(&service), [1, 1]);
}

#[tokio::test]
async fn each_message_that_fails_says_why() {
    /// The code stands in the payload, after whose fault it is.
    fn by_payload(body: &str) -> Answer {
        answer(body, |text| {
            let (_, code) = text.split_once(r#""data":""#)?;
            let (fault, code) = code.trim_end_matches("\"}").split_once(' ')?;
            Some((code.to_owned(), fault == "sender"))
        })
    }
    const CASES: [(&str, Meaning); 18] = [
        ("fine", Sent),
        ("sender InvalidParameter", Refused),
        ("sender ParameterValueInvalid", Refused),
        ("sender ValidationException", Refused),
        ("sender BrandNew", Refused),
        ("sender AuthorizationError", Closed),
        ("sender NotFound", Closed),
        ("sender InvalidSecurity", Closed),
        ("sender KMSAccessDenied", Closed),
        ("sender KMSDisabled", Closed),
        ("sender KMSInvalidState", Closed),
        ("sender KMSNotFound", Closed),
        ("sender KMSOptInRequired", Closed),
        ("sender KMSThrottling", Unavailable),
        ("sender Throttled", Unavailable),
        ("service InternalError", Unavailable),
        ("service BrandNew", Unavailable),
        // Left out of the answer.
        ("service ", Unavailable),
    ];
    for (payload, meaning) in CASES {
        let (_service, feeds) = topic(STANDARD, by_payload).await;
        let records = [event(1, "{}"), event(2, &format!("\"{payload}\"")), event(3, "{}")];
        assert_eq!(publish(&feeds, &records).await, [Sent, meaning, Sent], "{payload}");
    }
}

#[tokio::test]
async fn nothing_overtakes_a_message_that_a_topic_throttles() {
    fn throttle_thirteenth(body: &str) -> Answer {
        answer(body, |text| {
            text.contains("00000000000000000012/").then(|| ("Throttled".to_owned(), false))
        })
    }
    let (service, feeds) = topic(FIFO, throttle_thirteenth).await;
    let results = publish(&feeds, &events(25)).await;
    assert_eq!(sizes(&service), [10, 10], "the third batch is not sent");
    let failed = |number: usize| number == 12 || number >= 20;
    for (number, result) in results.into_iter().enumerate() {
        assert_eq!(result, if failed(number) { Unavailable } else { Sent }, "{number}");
    }
}

#[tokio::test]
async fn a_call_that_fails_fails_for_each_of_its_messages() {
    async fn check(status: u16, code: &str, meaning: Meaning) {
        let error = format!("<Error><Type>Sender</Type><Code>{code}</Code></Error>");
        let error = format!("<ErrorResponse>{error}</ErrorResponse>");
        let service = Service::new(move |_| (status, error.clone())).await;
        let feeds = SnsFeeds::new(&settings(service.address), STANDARD);
        assert_eq!(publish(&feeds, &events(3)).await, [meaning; 3], "{code}");
        let calls = if meaning == Refused { 4 } else { 1 };
        assert_eq!(service.bodies().len(), calls, "{code}: refused batches are sent one by one");
    }
    check(404, "NotFound", Closed).await;
    check(403, "AuthorizationError", Closed).await;
    check(400, "KMSDisabled", Closed).await;
    check(400, "InvalidParameter", Refused).await;
    check(400, "ParameterValueInvalid", Refused).await;
    check(400, "BatchRequestTooLong", Refused).await;
    check(400, "Throttling", Unavailable).await;
    check(500, "InternalError", Unavailable).await;
    check(400, "BrandNew", Unavailable).await;
    let down = closed_address().expect("a free port");
    let feeds = SnsFeeds::new(&settings(down), STANDARD);
    assert_eq!(publish(&feeds, &events(2)).await, [Unavailable; 2]);
    assert!(publish(&feeds, &[]).await.is_empty());
}
