//! Lambda's message about discarded records. A message to a queue contains the records' offsets. A
//! message to S3 also contains the records, as the event's text (`payload`), and the bucket
//! notifies a queue of the object.
//!
//! The condition is not parsed: AWS's documentation spells it in two ways, and shows none for
//! records that were too old.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure-destination.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::origin::{Offsets, Other};
use crate::base::time::Timestamp;

/// Maximum number of partitions in a message, which is more than a batch can hold.
const PARTITIONS: usize = 1_000;
/// Maximum length of the condition, and of a bucket's and an object's name together.
const TEXT_BYTES: usize = 1_024;

/// A message about discarded records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The records' offsets, or the object that contains them.
    pub origin: Other,
    /// When the records were discarded, if known.
    pub at: Option<Timestamp>,
    /// How often the records were delivered.
    pub attempts: Option<u64>,
    /// The event with the records, if the message contains it.
    pub payload: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    request_context: RequestContext,
    #[serde(default)]
    timestamp: Option<String>,
    #[serde(rename = "KafkaBatchInfo")]
    batch: Batch,
    #[serde(default)]
    payload: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    condition: String,
    #[serde(default)]
    approximate_invoke_count: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    records_info: BTreeMap<String, OffsetRange>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OffsetRange {
    first_record_offset: Offset,
    last_record_offset: Offset,
}

/// AWS's examples show a string; a number is accepted too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Offset {
    Number(i64),
    Text(String),
}

/// Parses a queue message or an object; `None` if the text is not an on-failure message.
pub fn read(body: &str) -> Option<GivenUp> {
    let message: Message = serde_json::from_str(body).ok()?;
    let condition = message.request_context.condition;
    let partitions = partitions(message.batch.records_info)?;
    if condition.len() > TEXT_BYTES {
        return None;
    }
    Some(GivenUp {
        origin: Other::Batch { condition, partitions },
        at: message.timestamp.as_deref().and_then(Timestamp::parse_rfc3339),
        attempts: message.request_context.approximate_invoke_count,
        payload: message.payload.and_then(event_text),
    })
}

/// Parses a bucket's notification; `None` unless it is about exactly one new object.
pub fn read_notification(body: &str) -> Option<GivenUp> {
    let json: Value = serde_json::from_str(body).ok()?;
    let [record] = json.get("Records")?.as_array()?.as_slice() else { return None };
    let text = |pointer: &str| Some(record.pointer(pointer)?.as_str()?.to_owned());
    let is_new = text("/eventName")?.starts_with("ObjectCreated:");
    let (bucket, key) = (text("/s3/bucket/name")?, text("/s3/object/key")?);
    if !is_new || text("/eventSource")? != "aws:s3" || bucket.len() + key.len() > TEXT_BYTES {
        return None;
    }
    let at = text("/eventTime").as_deref().and_then(Timestamp::parse_rfc3339);
    // Keys are form-encoded: `+` is a space, `%xx` a byte.
    let key = decoded(&key)?;
    Some(GivenUp { origin: Other::Object { bucket, key }, at, attempts: None, payload: None })
}

fn partitions(records: BTreeMap<String, OffsetRange>) -> Option<Vec<Offsets>> {
    if records.is_empty() || records.len() > PARTITIONS {
        return None;
    }
    let read = |(name, run): (String, OffsetRange)| {
        // A topic may contain dashes, a partition number does not.
        let (topic, partition) = name.rsplit_once('-')?;
        let (first, last) = (run.first_record_offset.read()?, run.last_record_offset.read()?);
        let partition = partition.parse().ok().filter(|partition| *partition >= 0)?;
        (0 <= first && first <= last).then_some(Offsets {
            topic: topic.to_owned(),
            partition,
            first,
            last,
        })
    };
    records.into_iter().map(read).collect()
}

impl Offset {
    fn read(self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

/// The event is a string in S3 and an object in a topic.
fn event_text(payload: Value) -> Option<String> {
    match payload {
        Value::String(text) => Some(text),
        Value::Object(_) => Some(payload.to_string()),
        _ => None,
    }
}

fn decoded(key: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(condition: &str) -> Value {
        json!({
            "requestContext": {
                "requestId": "r", "functionArn": "arn", "condition": condition,
                "approximateInvokeCount": 11,
            },
            "responseContext": null,
            "version": "1.0", "timestamp": "2026-11-21T06:00:00.021Z",
            "KafkaBatchInfo": {
                "batchSize": 3, "eventSourceArn": "arn", "bootstrapServers": "b",
                "payloadSize": 2_039_086,
                "recordsInfo": {
                    "a.b-c-10": {"firstRecordOffset": "5", "lastRecordOffset": "7",
                        "firstRecordTimestamp": "2026-11-21T05:00:00.000Z",
                        "lastRecordTimestamp": "2026-11-21T05:00:01.000Z"},
                },
            },
        })
    }

    #[test]
    fn every_condition_is_a_batch_with_its_offsets() {
        for condition in ["RetryAttemptsExhausted", "RetriesExhausted", "RecordAgeExceeded"] {
            let given_up = read(&message(condition).to_string()).expect("a message");
            let topic = "a.b-c".to_owned();
            let partitions = vec![Offsets { topic, partition: 10, first: 5, last: 7 }];
            let condition = condition.to_owned();
            assert_eq!(given_up.origin, Other::Batch { condition, partitions });
            assert_eq!(given_up.attempts, Some(11));
            assert_eq!(given_up.payload, None);
            let at = given_up.at.map(|at| at.to_string());
            assert_eq!(at.as_deref(), Some("2026-11-21T06:00:00.021Z"));
        }
    }

    #[test]
    fn the_event_may_be_a_string_or_an_object() {
        for payload in [json!({"records": {}}), json!(r#"{"records":{}}"#)] {
            let mut message = message("RetriesExhausted");
            message["payload"] = payload;
            let given_up = read(&message.to_string()).expect("a message");
            assert_eq!(given_up.payload.as_deref(), Some(r#"{"records":{}}"#));
        }
    }

    #[test]
    fn a_message_without_offsets_is_not_recognized() {
        let good = message("RetriesExhausted").to_string();
        for (from, to) in [
            (r#""firstRecordOffset":"5""#, r#""firstRecordOffset":"8""#),
            (r#""firstRecordOffset":"5""#, r#""firstRecordOffset":"-1""#),
            (r#""lastRecordOffset":"7""#, r#""lastRecordOffset":"x""#),
            ("a.b-c-10", "a"),
            ("a.b-c-10", "a-x"),
            ("recordsInfo", "recordsinfo"),
            ("requestContext", "context"),
        ] {
            let bad = good.replace(from, to);
            assert_ne!(bad, good);
            assert_eq!(read(&bad), None, "{to}");
        }
        assert_eq!(read("{}"), None);
        assert_eq!(read("not JSON"), None);
    }

    #[test]
    fn a_notification_is_about_one_object() {
        let record = |name: &str| {
            json!({"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": name,
                "eventTime": "2026-11-21T06:00:00.000Z",
                "s3": {"bucket": {"name": "failed"}, "object": {"key": "a%2Fb+c/%C3%A4"}}})
        };
        let one = json!({"Records": [record("ObjectCreated:Put")]}).to_string();
        let given_up = read_notification(&one).expect("an object");
        let (bucket, key) = ("failed".to_owned(), "a/b c/ä".to_owned());
        assert_eq!(given_up.origin, Other::Object { bucket, key });
        for other in [
            json!({"Records": [record("ObjectRemoved:Delete")]}),
            json!({"Records": [record("ObjectCreated:Put"), record("ObjectCreated:Put")]}),
            json!({"Service": "Amazon S3", "Event": "s3:TestEvent"}),
        ] {
            assert_eq!(read_notification(&other.to_string()), None);
        }
        let snapshot = one.replace("%C3%A4", "%C");
        assert_eq!(read_notification(&snapshot), None);
    }
}
