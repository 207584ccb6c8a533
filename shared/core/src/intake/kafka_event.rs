//! Lambda's Kafka event and the response to the event. The types are Drover's own, because an unusual
//! record must not fail its batch. An event with usual records is parsed in one pass. Any other event is
//! first split into records, and each record is parsed separately.
//!
//! These forms occur and are read: header bytes from -128 to 255, absent headers or null, a header without a
//! value, no key, no value (a tombstone), timestamp -1. The map key is an opaque name, because a topic name
//! may contain dashes and dots. The response repeats the map key verbatim.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-msk.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html>

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::error::{Code, Rejection};
use crate::base::hash::fnv1a;
use crate::intake::record::{Incoming, Receipt, Record, Source, Stamps};
use crate::intake::schema::kind_of;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use self::headers::Headers;

/// The event is not a Kafka event of Lambda. The message has the place only, because the message of serde may
/// quote the event.
#[derive(Debug, thiserror::Error)]
#[error("not a Kafka event of Lambda's: line={} column={}", .0.line(), .0.column())]
pub struct NotAnEvent(serde_json::Error);

/// A partial batch response.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    /// The records that Lambda must deliver again; empty: success.
    pub batch_item_failures: Vec<BatchItemFailure>,
}

/// A record that Lambda must deliver again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemFailure {
    /// The name of the record.
    pub item_identifier: ItemIdentifier,
}

/// Lambda's name of a record in a Kafka event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ItemIdentifier {
    /// The key of `records` under which the record was, verbatim.
    pub partition: Arc<str>,
    /// The offset.
    pub offset: i64,
}

impl BatchResponse {
    /// A response that names each record once.
    pub fn of(identifiers: impl Iterator<Item = ItemIdentifier>) -> Self {
        let mut identifiers: Vec<ItemIdentifier> = identifiers.collect();
        identifiers.sort_unstable();
        identifiers.dedup();
        let failure = |item_identifier| BatchItemFailure { item_identifier };
        Self { batch_item_failures: identifiers.into_iter().map(failure).collect() }
    }
}

/// The records of an event and their names.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The records in order, partition by partition.
    pub records: Vec<Incoming>,
    /// The name of each record; `None`: the record has no offset.
    pub places: Vec<Option<ItemIdentifier>>,
}

#[derive(Deserialize)]
struct Event<R> {
    records: BTreeMap<String, Vec<R>>,
}

/// A usual record, whose texts are borrowed from the event.
#[derive(Deserialize)]
struct Usual<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    #[serde(default)]
    timestamp: Option<i64>,
    #[serde(default)]
    key: Option<&'a str>,
    #[serde(default)]
    value: Option<&'a str>,
    #[serde(default)]
    headers: Option<Headers>,
}

/// The place of a record with other faults.
#[derive(Deserialize)]
struct RecordLocation {
    topic: String,
    partition: i32,
    offset: i64,
    #[serde(default)]
    timestamp: Option<i64>,
}

/// The content of a record whose texts contain escapes.
#[derive(Deserialize)]
struct Escaped {
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    headers: Option<Headers>,
}

/// Reads the event of an invocation.
///
/// # Errors
/// [`NotAnEvent`] if the event has no records. An unreadable record is not an error, but
/// [`Incoming::Refused`].
pub fn decode(event: &str, receipt: Receipt) -> Result<Decoded, NotAnEvent> {
    match decode_at_once(event, receipt) {
        Some(decoded) => Ok(decoded),
        None => decode_one_by_one(event, receipt),
    }
}

/// `None`: a record has an unusual form.
fn decode_at_once(event: &str, receipt: Receipt) -> Option<Decoded> {
    let event: Event<Usual<'_>> = serde_json::from_str(event).ok()?;
    let mut decoded = Decoded::with_room_for(&event);
    for (partition, records) in event.records {
        let (partition, mut topic): (Arc<str>, Arc<str>) = (partition.into(), Arc::from(""));
        for usual in records {
            let source = usual.source(&mut topic);
            let (offset, content) = (usual.offset, usual.content().ok()?);
            let incoming = Incoming::Record(record(source, content, receipt));
            decoded.push(&partition, incoming, Some(offset));
        }
    }
    Some(decoded)
}

fn decode_one_by_one(event: &str, receipt: Receipt) -> Result<Decoded, NotAnEvent> {
    let event: Event<&RawValue> = serde_json::from_str(event).map_err(NotAnEvent)?;
    let mut decoded = Decoded::with_room_for(&event);
    for (partition, records) in event.records {
        let (partition, mut topic): (Arc<str>, Arc<str>) = (partition.into(), Arc::from(""));
        for raw in records {
            let (incoming, offset) = read(&partition, &mut topic, raw.get(), receipt);
            decoded.push(&partition, incoming, offset);
        }
    }
    Ok(decoded)
}

impl Decoded {
    fn with_room_for<R>(event: &Event<R>) -> Self {
        let count = event.records.values().map(Vec::len).sum();
        Self { records: Vec::with_capacity(count), places: Vec::with_capacity(count) }
    }

    fn push(&mut self, partition: &Arc<str>, incoming: Incoming, offset: Option<i64>) {
        let identifier = |offset| ItemIdentifier { partition: Arc::clone(partition), offset };
        self.records.push(incoming);
        self.places.push(offset.map(identifier));
    }
}

impl Usual<'_> {
    /// `topic` is the topic of the previous record, which is usually the same.
    fn source(&self, topic: &mut Arc<str>) -> Source {
        if &**topic != self.topic {
            *topic = Arc::from(self.topic);
        }
        let Self { partition, offset, timestamp, .. } = *self;
        Source::Kafka { topic: Arc::clone(topic), partition, offset, timestamp, element: None }
    }

    fn content(self) -> Result<Content, Unreadable> {
        unwrapped(self.key, self.value, self.headers)
    }
}

/// Reads a record that was stored with its unreadable wrapping. A later version may be able to read the
/// wrapping. `map_key` is the key of `records` under which the record was.
pub fn unwrap(map_key: &str, raw: &[u8], receipt: Receipt) -> Incoming {
    let raw = String::from_utf8_lossy(raw);
    read(map_key, &mut Arc::from(""), &raw, receipt).0
}

/// A record and the offset that names the record. `topic` is the topic of the previous record.
fn read(
    map_key: &str,
    topic: &mut Arc<str>,
    raw: &str,
    receipt: Receipt,
) -> (Incoming, Option<i64>) {
    let Ok(usual) = serde_json::from_str::<Usual<'_>>(raw) else {
        return read_unusual(map_key, raw, receipt);
    };
    let (source, offset) = (usual.source(topic), usual.offset);
    (incoming(source, usual.content(), raw, receipt), Some(offset))
}

fn read_unusual(map_key: &str, raw: &str, receipt: Receipt) -> (Incoming, Option<i64>) {
    let Ok(place) = serde_json::from_str::<RecordLocation>(raw) else {
        // A hash of the record replaces the offset.
        let (topic, offset) = (Arc::from(map_key), fingerprint(raw));
        let source = Source::Kafka { topic, partition: -1, offset, timestamp: None, element: None };
        let fault = Err(Unreadable(misshapen(raw)));
        return (incoming(source, fault, raw, receipt), None);
    };
    let RecordLocation { topic, partition, offset, timestamp } = place;
    let source = Source::Kafka { topic: topic.into(), partition, offset, timestamp, element: None };
    let content = match serde_json::from_str::<Escaped>(raw) {
        Ok(Escaped { key, value, headers }) => unwrapped(key.as_deref(), value.as_deref(), headers),
        Err(_) => Err(Unreadable(misshapen(raw))),
    };
    (incoming(source, content, raw, receipt), Some(offset))
}

/// The reason why the wrapping cannot be removed.
struct Unreadable(String);

/// Key, value and headers.
type Content = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Vec<u8>)>);

fn unwrapped(
    key: Option<&str>,
    value: Option<&str>,
    headers: Option<Headers>,
) -> Result<Content, Unreadable> {
    let headers = headers.map(|Headers(headers)| headers).unwrap_or_default();
    let decoded = |name, text: Option<&str>| text.map(|text| base64(name, text)).transpose();
    Ok((decoded("key", key)?, decoded("value", value)?, headers))
}

fn incoming(
    source: Source,
    content: Result<Content, Unreadable>,
    raw: &str,
    receipt: Receipt,
) -> Incoming {
    match content {
        Ok(content) => Incoming::Record(record(source, content, receipt)),
        Err(Unreadable(fault)) => {
            // The value is the whole JSON of the record, so that nothing is lost.
            let whole = (None, Some(raw.as_bytes().to_vec()), Vec::new());
            let rejection = Rejection::new(Code::UnsupportedEncoding, fault);
            Incoming::Refused(record(source, whole, receipt), rejection)
        }
    }
}

fn record(source: Source, (key, value, headers): Content, receipt: Receipt) -> Record {
    let Stamps { received_at, ingested_at } = receipt.stamps(&source);
    Record { source, key, value, headers, received_at, ingested_at }
}

fn base64(name: &str, text: &str) -> Result<Vec<u8>, Unreadable> {
    base64_simd::STANDARD.decode_to_vec(text).map_err(|_| {
        let characters = text.chars().count();
        Unreadable(format!(
            "the base64 of the record's {name} is damaged: characters=`{characters}`"
        ))
    })
}

/// The message about a record with a member of another type than Lambda writes.
fn misshapen(raw: &str) -> String {
    type Fits = fn(&Value) -> bool;
    const MEMBERS: [(&str, &str, Fits); 6] = [
        ("topic", "a text", Value::is_string),
        ("partition", "a whole number of 32 bits", |value| {
            value.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
        }),
        ("offset", "a whole number of 64 bits", Value::is_i64),
        ("timestamp", "a whole number of 64 bits", |value| value.is_null() || value.is_i64()),
        ("key", "a text in base64", |value| value.is_null() || value.is_string()),
        ("value", "a text in base64", |value| value.is_null() || value.is_string()),
    ];
    let members: BTreeMap<String, Value> = serde_json::from_str(raw).unwrap_or_default();
    let came = |name: &str| members.get(name).unwrap_or(&Value::Null);
    match MEMBERS.iter().find(|(name, _, fits)| !fits(came(name))) {
        Some((name, wanted, _)) => {
            let came = members.get(*name).map_or_else(|| "nothing".to_owned(), kind_of);
            format!("the record's member `{name}`: wanted {wanted}, came {came}")
        }
        None => "the record's headers: wanted a list of objects whose values are lists of bytes"
            .to_owned(),
    }
}

/// A hash of the record, so that the same record gives the same letter. The hash is negative, unlike every offset.
fn fingerprint(raw: &str) -> i64 {
    -1 - i64::try_from(fnv1a(raw.as_bytes()) >> 1).unwrap_or(0)
}

mod headers;
#[cfg(test)]
mod tests;
