//! The envelope: a record that was not applied, with everything that a replay needs, as a queue
//! message. The dead-letter queue and the buffer queue take the same shape, version 1.
//!
//! A queue takes 1 MiB. What is larger is compressed, and split into parts where that does not
//! do; [`join`] puts parts together again. Nothing is ever cut off, so an oversized record does
//! not block its partition.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Rejection;
use crate::id::TenantId;
use crate::pipeline::ports::Message;
use crate::record::{Record, Source};
use crate::time::Timestamp;

/// What one message may take. SQS allows 1,048,576 bytes for a message and for a batch.
const MESSAGE_BYTES: usize = 1_000_000;
/// The part of a split value that one message carries, in base64; the rest is for the fields.
const PART_BYTES: usize = 900_000;
/// What a joined value may unpack to: Lambda's payload of a Kafka batch is 6 MB.
const UNPACKED_BYTES: usize = 16 * 1024 * 1024;
const LEVEL: i32 = 3;

/// The code of records in the buffer queue: nothing is wrong with them.
pub const UNAVAILABLE: &str = "unavailable";

/// A record that was not applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The version of this shape: 1.
    pub v: u8,
    /// The digest of the source: the same record is always the same letter.
    pub id: String,
    /// Whose it is, where that was established.
    pub tenant: Option<String>,
    /// The contract that was to read it, where that was established.
    pub contract: Option<String>,
    /// Why: a rejection's code, or `unavailable`.
    pub code: String,
    /// JSON Pointer to the culprit.
    pub path: Option<String>,
    /// For a person.
    pub message: String,
    /// Where it came from.
    pub source: Source,
    /// The record's key, base64.
    pub key: Option<String>,
    /// The record's value, base64; with `encoding`, what that says.
    pub value: Option<String>,
    /// The record's headers, values in base64.
    pub headers: Vec<(String, String)>,
    /// Which part this is, from 1, of how many.
    pub part: (u32, u32),
    /// `zstd`: `value` is a part of the base64 of a zstd frame of the JSON of key, value and
    /// headers, and the fields of those names are empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// Set where the value is not the body that was sent, but what it is wrapped in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrapping: Option<Wrapping>,
    /// A receipt time that a redelivery repeats, where the source has one.
    pub received_at: Option<Timestamp>,
    /// When it entered: what every decision uses, also in a replay.
    pub ingested_at: Timestamp,
    /// When it was put here.
    pub rejected_at: Timestamp,
    /// Deliveries so far.
    pub attempts: u32,
    /// Replays so far.
    pub replay_count: u32,
    /// The trace or correlation id that came with it.
    pub trace: Option<String>,
}

/// How a large record is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// See [`Envelope::encoding`].
    Zstd,
}

/// What a value is still wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrapping {
    /// A record of a Kafka event, as Lambda writes it.
    LambdaKafka,
    /// An event that passed its contract, as ingest writes it for the stream.
    Event,
}

/// What is known of a record that is not applied.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The tenant, where it was established.
    pub tenant: Option<&'a TenantId>,
    /// The contract, where it was established.
    pub contract: Option<&'a str>,
    /// What the value is still wrapped in, where it could not be unwrapped.
    pub wrapping: Option<Wrapping>,
    /// Now.
    pub now: Timestamp,
}

/// An envelope or its parts that make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an envelope: {0}")]
pub struct NotAnEnvelope(&'static str);

/// The messages of a rejected record: one, or its parts.
pub fn letter(record: &Record, rejection: &Rejection, about: Circumstances<'_>) -> Vec<Message> {
    let code = rejection.code.as_str();
    let mut envelope = Envelope::of(record, code, &rejection.message, about);
    envelope.path.clone_from(&rejection.path);
    messages(envelope, about.tenant)
}

/// The messages of a record that waits in the buffer.
pub fn buffered(record: &Record, message: &str, about: Circumstances<'_>) -> Vec<Message> {
    messages(Envelope::of(record, UNAVAILABLE, message, about), about.tenant)
}

/// Key, value and headers: what a packed envelope holds.
#[derive(Serialize, Deserialize)]
struct Packed {
    key: Option<String>,
    value: Option<String>,
    headers: Vec<(String, String)>,
}

impl Envelope {
    fn of(record: &Record, code: &str, message: &str, about: Circumstances<'_>) -> Self {
        let headers =
            record.headers.iter().map(|(name, value)| (name.clone(), base64(value))).collect();
        Self {
            v: 1,
            id: record.source.letter_id(),
            tenant: about.tenant.map(|tenant| tenant.as_str().to_owned()),
            contract: about.contract.map(str::to_owned),
            code: code.to_owned(),
            path: None,
            message: message.to_owned(),
            source: record.source.clone(),
            key: record.key.as_deref().map(base64),
            value: record.value.as_deref().map(base64),
            headers,
            part: (1, 1),
            encoding: None,
            wrapping: about.wrapping,
            received_at: record.received_at,
            ingested_at: record.ingested_at,
            rejected_at: about.now,
            attempts: 1,
            replay_count: 0,
            trace: trace_of(record),
        }
    }

    /// The record again.
    ///
    /// # Errors
    /// A packed envelope has to be [`join`]ed first, and a wrapped one unwrapped by its source's
    /// reader; damaged base64.
    pub fn record(&self) -> Result<Record, NotAnEnvelope> {
        if self.encoding.is_some() {
            return Err(NotAnEnvelope("it is packed"));
        }
        if self.wrapping.is_some() {
            return Err(NotAnEnvelope("its record is still wrapped"));
        }
        let headers: Result<Vec<_>, _> = self
            .headers
            .iter()
            .map(|(name, value)| Ok((name.clone(), from_base64(value)?)))
            .collect();
        Ok(Record {
            source: self.source.clone(),
            key: self.key.as_deref().map(from_base64).transpose()?,
            value: self.value.as_deref().map(from_base64).transpose()?,
            headers: headers?,
            received_at: self.received_at,
            ingested_at: self.ingested_at,
        })
    }

    /// The parts of this envelope, each small enough for a message.
    fn split(self) -> Vec<Self> {
        let Self { key, value, headers, .. } = &self;
        let packed = Packed { key: key.clone(), value: value.clone(), headers: headers.clone() };
        let json = serde_json::to_vec(&packed).unwrap_or_default();
        let frame = zstd::bulk::compress(&json, LEVEL).unwrap_or_default();
        let text = base64(&frame);
        let chunks: Vec<&[u8]> = text.as_bytes().chunks(PART_BYTES).collect();
        let count = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        let rest = Self { key: None, value: None, headers: Vec::new(), ..self };
        (1..)
            .zip(chunks)
            .map(|(number, chunk)| Self {
                value: Some(String::from_utf8_lossy(chunk).into_owned()),
                part: (number, count),
                encoding: Some(Encoding::Zstd),
                ..rest.clone()
            })
            .collect()
    }
}

/// Puts the parts of one envelope together, in any order. `None`: some are missing.
///
/// # Errors
/// Parts that contradict each other, or do not unpack.
pub fn join(parts: &[Envelope]) -> Result<Option<Envelope>, NotAnEnvelope> {
    let Some(first) = parts.first() else { return Ok(None) };
    if first.encoding.is_none() {
        return Ok(Some(first.clone()));
    }
    if parts.iter().any(|part| part.id != first.id || part.part.1 != first.part.1) {
        return Err(NotAnEnvelope("its parts are of different letters"));
    }
    let numbered: BTreeMap<u32, &str> =
        parts.iter().map(|part| (part.part.0, part.value.as_deref().unwrap_or(""))).collect();
    if !numbered.keys().copied().eq(1..=first.part.1) {
        return Ok(None);
    }
    let text: String = numbered.into_values().collect();
    let json = zstd::bulk::decompress(&from_base64(&text)?, UNPACKED_BYTES)
        .map_err(|_| NotAnEnvelope("its parts do not unpack"))?;
    let Packed { key, value, headers } =
        serde_json::from_slice(&json).map_err(|_| NotAnEnvelope("its parts hold no record"))?;
    Ok(Some(Envelope { key, value, headers, part: (1, 1), encoding: None, ..first.clone() }))
}

fn messages(envelope: Envelope, tenant: Option<&TenantId>) -> Vec<Message> {
    // An envelope is texts and numbers, which always are JSON.
    let write = |envelope: &Envelope| serde_json::to_string(envelope).unwrap_or_default();
    let whole = write(&envelope);
    let bodies = if whole.len() <= MESSAGE_BYTES {
        vec![whole]
    } else {
        envelope.split().iter().map(write).collect()
    };
    bodies.into_iter().map(|body| Message { tenant: tenant.cloned(), body }).collect()
}

/// The trace that came with a record: `traceparent`, else the correlation id.
fn trace_of(record: &Record) -> Option<String> {
    const LONGEST: usize = 128;
    let header = |name: &str| {
        let found = record.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        let text = std::str::from_utf8(&found?.1).ok()?;
        let plain = text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic());
        plain.then(|| text.to_owned())
    };
    header("traceparent").or_else(|| header("correlation_id"))
}

fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

fn from_base64(text: &str) -> Result<Vec<u8>, NotAnEnvelope> {
    base64_simd::STANDARD.decode_to_vec(text).map_err(|_| NotAnEnvelope("it holds damaged base64"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn record(value: Vec<u8>) -> Record {
        let now = Timestamp::from_micros(1_700_000_000_000_000).expect("in range");
        Record {
            source: Source::Kafka {
                topic: "a.b-c".into(),
                partition: 3,
                offset: 9,
                timestamp: Some(1_700_000_000_000),
            },
            key: None,
            value: Some(value),
            headers: vec![("traceparent".into(), b"00-a-b-01".to_vec()), ("x".into(), vec![200])],
            received_at: Some(now),
            ingested_at: now,
        }
    }

    fn about(record: &Record) -> Circumstances<'static> {
        Circumstances { tenant: None, contract: None, wrapping: None, now: record.ingested_at }
    }

    /// Noise that zstd cannot shrink.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 7u64;
        let step = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33).to_le_bytes()[0]
        };
        std::iter::repeat_with(step).take(length).collect()
    }

    fn check(value: Vec<u8>, expected_messages: usize) {
        let record = record(value);
        let rejection = Rejection::new(Code::TooLarge, "over 64 KB");
        let about = about(&record);
        let messages = letter(&record, &rejection, about);
        assert_eq!(messages.len(), expected_messages);
        assert!(messages.iter().all(|message| message.body.len() < 1_048_576));
        let mut parts: Vec<Envelope> = messages
            .iter()
            .map(|message| serde_json::from_str(&message.body).expect("an envelope"))
            .collect();
        parts.reverse();
        let joined = join(&parts).expect("parts of one letter").expect("all of them");
        assert_eq!(joined.record(), Ok(record));
        assert_eq!(joined.trace.as_deref(), Some("00-a-b-01"));
    }

    #[test]
    fn a_small_record_is_one_plain_message() {
        check(b"{not json".to_vec(), 1);
        check(Vec::new(), 1);
    }

    #[test]
    fn a_large_record_that_shrinks_is_one_packed_message() {
        check(vec![b'a'; 3_000_000], 1);
    }

    #[test]
    fn a_large_record_that_does_not_shrink_comes_in_parts_and_is_never_cut() {
        check(noise(4_000_000), 6);
    }

    #[test]
    fn what_could_not_be_unwrapped_is_not_taken_for_a_record() {
        let record = record(br#"{"value":"%%%"}"#.to_vec());
        let rejection = Rejection::new(Code::UnsupportedEncoding, "damaged");
        let about = Circumstances { wrapping: Some(Wrapping::LambdaKafka), ..about(&record) };
        let messages = letter(&record, &rejection, about);
        let envelope: Envelope = serde_json::from_str(&messages[0].body).expect("an envelope");
        assert_eq!(envelope.record(), Err(NotAnEnvelope("its record is still wrapped")));
        assert_eq!(envelope.value, record.value.as_deref().map(base64), "and it is all there");
    }

    #[test]
    fn a_letter_waits_for_its_missing_parts() {
        let record = record(noise(2_000_000));
        let rejection = Rejection::new(Code::TooLarge, "over 64 KB");
        let about = about(&record);
        let mut parts: Vec<Envelope> = letter(&record, &rejection, about)
            .iter()
            .map(|message| serde_json::from_str(&message.body).expect("an envelope"))
            .collect();
        assert!(parts.pop().is_some());
        assert_eq!(join(&parts), Ok(None));
    }
}
