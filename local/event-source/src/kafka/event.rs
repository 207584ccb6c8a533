//! Lambda's Kafka event: the JSON payload for the function.
//!
//! Header bytes are signed, as Lambda writes them (Java's bytes are signed), or unsigned, as some
//! tools write them. A null header value becomes null: AWS does not document Lambda's form.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-msk.html>

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use drover_event_log::{StoredRecord, TimestampType};

use crate::batch::Ordered;

/// The maximum payload of an invocation, in bytes. Lambda does not let users change it.
pub(super) const PAYLOAD_BYTES: usize = 6 * 1024 * 1024;

/// The encoding of header bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderBytes {
    /// From -128 to 127.
    #[default]
    Signed,
    /// From 0 to 255.
    Unsigned,
}

/// The source of every event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSource {
    /// `eventSourceArn`.
    pub arn: String,
    /// `bootstrapServers`.
    pub bootstrap_servers: String,
    /// The encoding of header bytes.
    pub header_bytes: HeaderBytes,
}

impl Ordered for StoredRecord {
    fn offset(&self) -> i64 {
        self.offset
    }

    fn timestamp(&self) -> i64 {
        self.timestamp
    }
}

/// The name of a partition in events and responses: the key of `records`.
pub(super) fn partition_name(topic: &str, partition: i32) -> String {
    format!("{topic}-{partition}")
}

/// The event with these records of one topic, by partition.
pub(super) fn event<'a>(
    source: &EventSource,
    topic: &str,
    records: impl Iterator<Item = (i32, &'a [StoredRecord])>,
) -> Result<Bytes, serde_json::Error> {
    let shown = |partition| {
        move |record| Record { topic, partition, record, header_bytes: source.header_bytes }
    };
    let records = records.map(|(partition, records)| {
        let shown = records.iter().map(shown(partition)).collect();
        (partition_name(topic, partition), shown)
    });
    let event = Event {
        event_source: "aws:kafka",
        event_source_arn: &source.arn,
        bootstrap_servers: &source.bootstrap_servers,
        records: records.collect(),
    };
    serde_json::to_vec(&event).map(Bytes::from)
}

/// An upper bound for the bytes of an event besides its records and partition names.
pub(super) fn frame_bytes(source: &EventSource) -> usize {
    const NAMES: usize = 128;
    NAMES + text_bytes(&source.arn) + text_bytes(&source.bootstrap_servers)
}

/// An upper bound for the bytes of a partition besides its records.
pub(super) fn partition_bytes(topic: &str) -> usize {
    const NUMBER_AND_SIGNS: usize = 20;
    NUMBER_AND_SIGNS + text_bytes(topic)
}

/// An upper bound for the bytes of a record in an event.
pub(super) fn record_bytes(topic: &str, record: &StoredRecord) -> usize {
    const NAMES_AND_NUMBERS: usize = 192;
    const HEADER_SIGNS: usize = 8;
    const BYTE_IN_DIGITS: usize = 5;
    let base64 = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, |bytes| bytes.len() / 3 * 4 + 4);
    let headers = record.headers.iter().map(|(name, value)| {
        HEADER_SIGNS + text_bytes(name) + BYTE_IN_DIGITS * value.as_ref().map_or(0, Bytes::len)
    });
    NAMES_AND_NUMBERS
        + text_bytes(topic)
        + base64(&record.key)
        + base64(&record.value)
        + headers.sum::<usize>()
}

/// An upper bound for the bytes of a JSON string.
fn text_bytes(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        0..0x20 => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    2 + text.bytes().map(escaped).sum::<usize>()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    event_source: &'static str,
    event_source_arn: &'a str,
    bootstrap_servers: &'a str,
    records: BTreeMap<String, Vec<Record<'a>>>,
}

struct Record<'a> {
    topic: &'a str,
    partition: i32,
    record: &'a StoredRecord,
    header_bytes: HeaderBytes,
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Shown<'a> {
            topic: &'a str,
            partition: i32,
            offset: i64,
            timestamp: i64,
            timestamp_type: &'static str,
            key: Option<String>,
            value: Option<String>,
            headers: Vec<Header<'a>>,
        }
        let StoredRecord { offset, timestamp, timestamp_type, key, value, headers } = self.record;
        let base64 = |bytes: &Option<Bytes>| {
            bytes.as_ref().map(|bytes| base64_simd::STANDARD.encode_to_string(bytes))
        };
        let shown = Shown {
            topic: self.topic,
            partition: self.partition,
            offset: *offset,
            timestamp: *timestamp,
            timestamp_type: match timestamp_type {
                TimestampType::CreateTime => "CREATE_TIME",
                TimestampType::LogAppendTime => "LOG_APPEND_TIME",
            },
            key: base64(key),
            value: base64(value),
            headers: headers
                .iter()
                .map(|(name, value)| Header {
                    name,
                    value: value.as_deref(),
                    header_bytes: self.header_bytes,
                })
                .collect(),
        };
        shown.serialize(serializer)
    }
}

/// An object with a single member.
struct Header<'a> {
    name: &'a str,
    value: Option<&'a [u8]>,
    header_bytes: HeaderBytes,
}

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(1))?;
        match (self.value, self.header_bytes) {
            (None, _) => object.serialize_entry(self.name, &())?,
            (Some(bytes), HeaderBytes::Unsigned) => object.serialize_entry(self.name, bytes)?,
            (Some(bytes), HeaderBytes::Signed) => {
                let signed: Vec<i8> = bytes.iter().map(|byte| byte.cast_signed()).collect();
                object.serialize_entry(self.name, &signed)?;
            }
        }
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn source(header_bytes: HeaderBytes) -> EventSource {
        let (arn, bootstrap_servers) = ("arn:x".to_owned(), "b-1:9098,b-2:9098".to_owned());
        EventSource { arn, bootstrap_servers, header_bytes }
    }

    fn record() -> StoredRecord {
        StoredRecord {
            offset: 7,
            timestamp: 1_545_084_650_987,
            timestamp_type: TimestampType::CreateTime,
            key: Some("key".into()),
            value: None,
            headers: vec![
                ("trace".to_owned(), Some(vec![1, 200].into())),
                ("trace".to_owned(), Some(Bytes::new())),
                ("null".to_owned(), None),
            ],
        }
    }

    fn shown(header_bytes: HeaderBytes, records: &[(i32, Vec<StoredRecord>)]) -> Value {
        let records = records.iter().map(|(partition, records)| (*partition, records.as_slice()));
        let event = event(&source(header_bytes), "a.b-c", records).unwrap();
        serde_json::from_slice(&event).unwrap()
    }

    #[test]
    fn an_event_has_the_format_of_lambda() {
        let odd = StoredRecord {
            offset: 8,
            timestamp: -1,
            timestamp_type: TimestampType::LogAppendTime,
            key: None,
            value: Some("value".into()),
            headers: Vec::new(),
        };
        let expected = json!({
            "eventSource": "aws:kafka", "eventSourceArn": "arn:x",
            "bootstrapServers": "b-1:9098,b-2:9098",
            "records": {
                "a.b-c-0": [{
                    "topic": "a.b-c", "partition": 0, "offset": 7, "timestamp": 1_545_084_650_987_i64,
                    "timestampType": "CREATE_TIME", "key": "a2V5", "value": null,
                    "headers": [{ "trace": [1, -56] }, { "trace": [] }, { "null": null }],
                }],
                "a.b-c-3": [{
                    "topic": "a.b-c", "partition": 3, "offset": 8, "timestamp": -1,
                    "timestampType": "LOG_APPEND_TIME", "key": null, "value": "dmFsdWU=",
                    "headers": [],
                }],
            },
        });
        assert_eq!(shown(HeaderBytes::Signed, &[(0, vec![record()]), (3, vec![odd])]), expected);
        let unsigned = shown(HeaderBytes::Unsigned, &[(0, vec![record()])]);
        assert_eq!(unsigned["records"]["a.b-c-0"][0]["headers"][0], json!({ "trace": [1, 200] }));
    }

    proptest! {
        #[test]
        fn an_event_is_never_larger_than_the_sum_of_its_bounds(
            topic in "[a-z._-]{1,20}",
            key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..50)),
            value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..50)),
            headers in proptest::collection::vec(
                (".{0,6}", proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9))), 0..4),
            offset: i64, timestamp: i64, partition: i32,
        ) {
            let headers = headers.into_iter().map(|(name, value)| (name, value.map(Bytes::from)));
            let record = StoredRecord {
                offset, timestamp, timestamp_type: TimestampType::LogAppendTime,
                key: key.map(Bytes::from), value: value.map(Bytes::from), headers: headers.collect(),
            };
            let source = source(HeaderBytes::Signed);
            let bound = frame_bytes(&source) + partition_bytes(&topic) + 2 * record_bytes(&topic, &record);
            let records = [record.clone(), record];
            let event = event(&source, &topic, [(partition, &records[..])].into_iter()).unwrap();
            prop_assert!(event.len() <= bound, "{} {bound}", event.len());
        }
    }
}
