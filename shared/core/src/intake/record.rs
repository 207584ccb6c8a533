//! A record: its bytes as they arrived, and their source. The JSON is parsed once ([`Record::parsed`]);
//! the route, which finds the tenant, and the contract share the result.
//!
//! A record with unreadable bytes still has a source and headers. If its route does not read the body,
//! the route finds the tenant. The contract decides the meaning of a record.

mod header;
mod numbering;
mod parsed;
mod receipt;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::header::{HeaderValue, is_credential};
pub(crate) use self::numbering::{PARTS_PER_LINE, element_of_part, line_of_part, part_of_line};
pub(crate) use self::parsed::IdentityText;
pub use self::parsed::Parsed;
pub use self::receipt::{Receipt, SKEW_SECONDS, Stamps, TopicRetention};
use crate::base::error::Rejection;
use crate::base::id::{EventId, TenantId};
use crate::base::time::Timestamp;
use crate::event::{digest, place_id};

/// One record, and its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The source.
    pub source: Source,
    /// The Kafka key.
    pub key: Option<Vec<u8>>,
    /// The body; `None` is a Kafka tombstone.
    pub value: Option<Vec<u8>>,
    /// The headers in the order of arrival; a name may occur twice. A record of an HTTP request has only
    /// the headers of its own event, and no `Content-Encoding`, because ingest decodes the body.
    pub headers: Vec<(String, Vec<u8>)>,
    /// A time of receipt that a redelivery repeats: the Kafka timestamp, if it is plausible
    /// ([`Receipt::stamps`]), or the stamp of ingest.
    pub received_at: Option<Timestamp>,
    /// When the record entered the system. Every decision about the record uses this time, also in a replay.
    pub ingested_at: Timestamp,
}

/// A record that enters the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A readable record.
    Record(Record),
    /// A record whose wrapping by the source is unreadable, and the reason.
    Refused(Record, Rejection),
    /// An event that passed its contract, as ingest writes it into the event log. The event waited in one
    /// of the queues of this system.
    Event(Record),
    /// An event of a request as it was sent. Ingest established the sender and the contract. The event
    /// waited in one of the queues of this system.
    Sent {
        /// The event.
        record: Record,
        /// The tenant that sent the event.
        tenant: TenantId,
        /// The name of its contract.
        contract: Arc<str>,
    },
}

impl Incoming {
    /// The record, readable or not.
    pub fn into_record(self) -> Record {
        match self {
            Self::Record(record)
            | Self::Refused(record, _)
            | Self::Event(record)
            | Self::Sent { record, .. } => record,
        }
    }

    /// Restricts the record to one of its elements.
    #[must_use]
    pub fn with_element(mut self, number: u32) -> Self {
        match &mut self {
            Self::Record(record)
            | Self::Refused(record, _)
            | Self::Event(record)
            | Self::Sent { record, .. } => {
                record.source = record.source.clone().with_element(number);
            }
        }
        self
    }

    /// The record, readable or not.
    pub fn record(&self) -> &Record {
        match self {
            Self::Record(record)
            | Self::Refused(record, _)
            | Self::Event(record)
            | Self::Sent { record, .. } => record,
        }
    }

    /// The wrapping that the value still has.
    pub(crate) fn wrapping(&self) -> Option<Wrapping> {
        match self {
            Self::Record(_) | Self::Sent { .. } => None,
            Self::Refused(..) => Some(Wrapping::LambdaKafka),
            Self::Event(_) => Some(Wrapping::Event),
        }
    }
}

/// The wrapping of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrapping {
    /// A record of a Kafka event, as Lambda writes it.
    LambdaKafka,
    /// An event that passed its contract, as ingest writes it into the event log.
    Event,
}

/// The place where a record was read. A redelivered record has the same source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Source {
    /// A record of a Kafka topic.
    Kafka {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
        /// The timestamp of the producer or the broker, in milliseconds since 1970; -1 for none.
        timestamp: Option<i64>,
        /// The element that is read, from 0; `None`: the whole record.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        element: Option<u32>,
    },
    /// One event of a request.
    Http {
        /// The id of the request, or the digest of its idempotency key.
        request_id: Arc<str>,
        /// The event's index in the request, from 0.
        index: u32,
        /// The element that is read, from 0; `None`: the whole event.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        element: Option<u32>,
    },
}

impl Source {
    /// The id of an event without an id and a time of its own. The event is an element of this record, or
    /// the record itself.
    pub fn event_id(&self, element: Option<u32>) -> EventId {
        let element = element.map(u32::to_be_bytes);
        let element = element.as_ref().map(|bytes| bytes.as_slice());
        let id = |parts: &[&[u8]]| {
            let parts: Vec<&[u8]> = parts.iter().copied().chain(element).collect();
            place_id(&parts)
        };
        match self {
            Self::Kafka { topic, partition, offset, timestamp: _, element: _ } => {
                id(&[topic.as_bytes(), &partition.to_be_bytes(), &offset.to_be_bytes()])
            }
            Self::Http { request_id, index, element: _ } => {
                id(&[request_id.as_bytes(), &index.to_be_bytes()])
            }
        }
    }

    /// The element that is read; `None`: the whole record.
    pub const fn element(&self) -> Option<u32> {
        match self {
            Self::Kafka { element, .. } | Self::Http { element, .. } => *element,
        }
    }

    /// The same source, restricted to one element of the record.
    #[must_use]
    pub fn with_element(self, number: u32) -> Self {
        self.meaning(Some(number))
    }

    /// The same source, restricted to this element of the record, or the whole record.
    pub(crate) fn meaning(mut self, number: Option<u32>) -> Self {
        match &mut self {
            Self::Kafka { element, .. } | Self::Http { element, .. } => *element = number,
        }
        self
    }

    /// The Kafka timestamp as a time, plausible or not; [`Receipt::stamps`] decides about that. A request
    /// has no timestamp here; ingest keeps its stamp under the idempotency key.
    fn stamped_at(&self) -> Option<Timestamp> {
        match self {
            Self::Kafka { timestamp, .. } => {
                timestamp.filter(|millis| *millis >= 0).and_then(Timestamp::from_millis)
            }
            Self::Http { .. } => None,
        }
    }
}

impl Record {
    /// The id of the dead letter of this record. Every delivery of the record gives the same id, so a
    /// letter is filed once. The id has 32 hexadecimal digits. The first 12 are the time of receipt in
    /// milliseconds: letters sort by this time, and records of a recreated topic have other ids. For a
    /// Kafka record, the time is the unchanged timestamp, because its plausibility may change before the
    /// next delivery. Each element has a letter of its own.
    pub fn letter_id(&self) -> String {
        let element = self.source.element().map(u32::to_be_bytes);
        let element = element.as_ref().map(|bytes| bytes.as_slice());
        let digits = |parts: &[&[u8]]| {
            let parts: Vec<&[u8]> = parts.iter().copied().chain(element).collect();
            digest(&parts)
        };
        match &self.source {
            Source::Kafka { topic, partition, offset, timestamp: _, element: _ } => {
                let (partition, offset) = (partition.to_be_bytes(), offset.to_be_bytes());
                let digits = digits(&[b"kafka", topic.as_bytes(), &partition, &offset]);
                letter_id(self.source.stamped_at(), &digits)
            }
            Source::Http { request_id, index, element: _ } => {
                let digits = digits(&[b"http", request_id.as_bytes(), &index.to_be_bytes()]);
                letter_id(self.received_at, &digits)
            }
        }
    }

    /// The same record, restricted to one of its elements.
    #[must_use]
    pub fn with_element(mut self, number: u32) -> Self {
        self.source = self.source.with_element(number);
        self
    }

    /// Parses the body, once for all readers.
    pub fn parsed(&self) -> Parsed<'_> {
        Parsed::new(self)
    }

    /// The media type of the header `Content-Type`, without parameters.
    pub fn media_type(&self) -> Option<&str> {
        let Some(HeaderValue::Text(text)) = self.header("content-type") else { return None };
        let essence = text.split(';').next().unwrap_or_default().trim();
        (!essence.is_empty()).then_some(essence)
    }

    /// The last header with this name, in any case, because some producers write `Content-Encoding` and
    /// others `content-encoding`. Clients of Kafka also read the last header.
    pub fn header(&self, name: &str) -> Option<HeaderValue<'_>> {
        let mut found = self.headers.iter().rev().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, bytes)| HeaderValue::read(bytes))
    }
}

/// The id of a letter: the time of receipt, then digits of a digest.
pub(crate) fn letter_id(received_at: Option<Timestamp>, digits: &str) -> String {
    const MOST: i64 = (1 << 48) - 1;
    let millis = received_at.map_or(0, |at| (at.micros() / 1_000).clamp(0, MOST));
    let digits = digits.get(..LETTER_DIGITS - 12).unwrap_or(digits);
    format!("{millis:012x}{digits}")
}

/// The number of hexadecimal digits of a letter id.
const LETTER_DIGITS: usize = 32;

/// Whether a text has the form of a letter id.
pub fn is_letter_id(text: &str) -> bool {
    text.len() == LETTER_DIGITS
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kafka(offset: i64, timestamp: Option<i64>) -> Source {
        Source::Kafka {
            topic: Arc::from("telemetry"),
            partition: 3,
            offset,
            timestamp,
            element: None,
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).expect("in range")
    }

    #[test]
    fn a_source_is_written_as_the_dead_letter_envelope_has_it() {
        let http = Source::Http { request_id: Arc::from("r-1"), index: 2, element: None };
        let element = http.clone().with_element(3);
        for (source, json) in [
            (
                kafka(1, Some(5)),
                r#"{"kind":"kafka","topic":"telemetry","partition":3,"offset":1,"timestamp":5}"#,
            ),
            (
                kafka(1, None),
                r#"{"kind":"kafka","topic":"telemetry","partition":3,"offset":1,"timestamp":null}"#,
            ),
            (http, r#"{"kind":"http","request_id":"r-1","index":2}"#),
            (element, r#"{"kind":"http","request_id":"r-1","index":2,"element":3}"#),
        ] {
            assert_eq!(serde_json::to_string(&source).expect("JSON"), json);
            assert_eq!(serde_json::from_str::<Source>(json).expect("a source"), source);
        }
    }

    fn record(offset: i64, timestamp: Option<i64>) -> Record {
        Record {
            source: kafka(offset, timestamp),
            key: None,
            value: None,
            headers: Vec::new(),
            received_at: None,
            ingested_at: at(0),
        }
    }

    #[test]
    fn a_letter_id_is_of_place_and_time_of_receipt_and_sorts_by_time() {
        let id = record(1, Some(5)).letter_id();
        assert_eq!(id.len(), LETTER_DIGITS);
        assert!(id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        assert_eq!(id, record(1, Some(5)).letter_id());
        assert_ne!(id, record(2, Some(5)).letter_id());
        let elements = [0, 1].map(|number| record(1, Some(5)).with_element(number).letter_id());
        assert_ne!(elements[0], elements[1]);
        assert!(!elements.contains(&id));
        assert!(record(9, None).letter_id() < id);
        assert!(id < record(0, Some(6)).letter_id());
        assert!(id < record(0, Some(253_402_000_000_000)).letter_id());
    }

    /// A timestamp that is plausible now may be implausible at the next delivery of its record.
    #[test]
    fn a_letter_id_does_not_depend_on_what_an_invocation_makes_of_the_timestamp() {
        for timestamp in [None, Some(-1), Some(0), Some(1_800_000_000), Some(i64::MAX)] {
            let implausible = record(1, timestamp);
            let plausible = Record { received_at: Some(at(5)), ..implausible.clone() };
            assert_eq!(implausible.letter_id(), plausible.letter_id());
            assert!(is_letter_id(&plausible.letter_id()));
        }
    }

    #[test]
    fn the_last_header_of_a_name_counts_whatever_its_case() {
        let record = Record {
            source: kafka(1, None),
            key: None,
            value: None,
            headers: vec![
                ("tenant".to_owned(), b"first".to_vec()),
                ("Tenant".to_owned(), b"last".to_vec()),
            ],
            received_at: None,
            ingested_at: at(0),
        };
        assert_eq!(record.header("tenant"), Some(HeaderValue::Text("last")));
        assert_eq!(record.header("other"), None);
    }
}
