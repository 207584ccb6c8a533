//! Lambda's event for records of a table stream. A record is serialized once, when it is read:
//! its size in an event is then exact, and a retry copies the text.
//!
//! The fields are those that Lambda sends and no others: an image that does not exist is absent and
//! not null, `userIdentity` exists only where the expiry of an item deleted it, and times are whole
//! seconds.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodbstreams::types::{AttributeValue, Identity, Record, StreamRecord};
use bytes::Bytes;
use serde::ser::{Error as _, SerializeMap as _};
use serde::{Serialize, Serializer};

/// The maximum payload of an invocation, in bytes.
pub(super) const PAYLOAD_BYTES: usize = 6 * 1024 * 1024;
const START: &str = r#"{"Records":["#;
const END: &str = "]}";
/// An event around its records.
pub(super) const FRAME_BYTES: usize = START.len() + END.len();
/// DynamoDB itself deletes expired items under this name.
const EXPIRY: (&str, &str) = ("Service", "dynamodb.amazonaws.com");

/// The event with these records.
pub(super) fn event<'a>(records: impl Iterator<Item = &'a str>) -> Bytes {
    let records: Vec<&str> = records.collect();
    let mut event = String::with_capacity(
        FRAME_BYTES + records.iter().map(|record| record.len() + 1).sum::<usize>(),
    );
    event.push_str(START);
    for (number, record) in records.into_iter().enumerate() {
        if number > 0 {
            event.push(',');
        }
        event.push_str(record);
    }
    event.push_str(END);
    event.into()
}

/// The JSON of one record.
///
/// # Errors
/// The record has an attribute of a type that this version does not know.
pub(super) fn record_json(record: &Record, stream_arn: &str) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Shown {
        event_id: record.event_id(),
        event_name: record.event_name().map(|name| name.as_str()),
        event_version: record.event_version(),
        event_source: record.event_source().unwrap_or("aws:dynamodb"),
        aws_region: record.aws_region(),
        dynamodb: record.dynamodb().map(change),
        user_identity: record.user_identity().map(identity),
        event_source_arn: stream_arn,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(rename = "eventID", skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_version: Option<&'a str>,
    event_source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aws_region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dynamodb: Option<Change<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_identity: Option<User<'a>>,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Change<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    approximate_creation_date_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Item<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_image: Option<Item<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_image: Option<Item<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_view_type: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct User<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    principal_id: &'a str,
}

/// Attributes by name. Sorted, so that one record has one text.
type Item<'a> = BTreeMap<&'a str, Value<'a>>;

fn change(record: &StreamRecord) -> Change<'_> {
    Change {
        approximate_creation_date_time: record.approximate_creation_date_time().map(|at| at.secs()),
        keys: record.keys().map(item),
        new_image: record.new_image().map(item),
        old_image: record.old_image().map(item),
        sequence_number: record.sequence_number(),
        size_bytes: record.size_bytes(),
        stream_view_type: record.stream_view_type().map(|kind| kind.as_str()),
    }
}

/// The embedded DynamoDB names the fields of an identity as Lambda's events do, and not as the API
/// does, so that the SDK finds neither. Only the expiry of an item writes an identity.
fn identity(identity: &Identity) -> User<'_> {
    let (kind, principal_id) = EXPIRY;
    User {
        kind: identity.r#type().unwrap_or(kind),
        principal_id: identity.principal_id().unwrap_or(principal_id),
    }
}

fn item(attributes: &HashMap<String, AttributeValue>) -> Item<'_> {
    attributes.iter().map(|(name, value)| (name.as_str(), Value(value))).collect()
}

/// An attribute value in DynamoDB's JSON: `{"TYPE": value}`, with binary values in base64.
struct Value<'a>(&'a AttributeValue);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self.0 {
            AttributeValue::S(text) => map.serialize_entry("S", text),
            AttributeValue::N(number) => map.serialize_entry("N", number),
            AttributeValue::B(bytes) => map.serialize_entry("B", &base64(bytes.as_ref())),
            AttributeValue::Bool(truth) => map.serialize_entry("BOOL", truth),
            AttributeValue::Null(null) => map.serialize_entry("NULL", null),
            AttributeValue::Ss(texts) => map.serialize_entry("SS", texts),
            AttributeValue::Ns(numbers) => map.serialize_entry("NS", numbers),
            AttributeValue::Bs(values) => {
                let values = values.iter().map(|bytes| base64(bytes.as_ref()));
                map.serialize_entry("BS", &values.collect::<Vec<_>>())
            }
            AttributeValue::L(values) => {
                map.serialize_entry("L", &values.iter().map(Value).collect::<Vec<_>>())
            }
            AttributeValue::M(attributes) => map.serialize_entry("M", &item(attributes)),
            _ => Err(S::Error::custom("an attribute has an unknown type")),
        }?;
        map.end()
    }
}

fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

#[cfg(test)]
mod tests;
