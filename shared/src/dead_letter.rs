//! The envelope: a record that was not applied, with everything that a replay needs, as a queue
//! message. The dead-letter queue and the buffer queue take the same shape, version 1.
//!
//! A queue takes 1 MiB. What is larger is compressed, and split into parts where that does not
//! do: into the very [`Chunk`]s in which a letter is filed, so that each part is filed by itself.
//! Nothing is ever cut off, so an oversized record does not block its partition.

use serde::{Deserialize, Serialize};

use crate::error::{Reason, Rejection};
use crate::id::{SubjectId, TenantId};
use crate::pipeline::ports::Message;
use crate::public_reason::PublicReason;
use crate::record::{Record, Source, is_letter_id};
use crate::time::Timestamp;

/// What one message may take. SQS allows 1,048,576 bytes for a message and for a batch.
const MESSAGE_BYTES: usize = 1_000_000;
/// The most that one chunk holds: it fits an item of DynamoDB (400 KB), and in base64 a message.
pub const CHUNK_BYTES: usize = 360_000;
/// The most parts of one letter: more than any content makes that is unpacked again.
const PARTS: u32 = 64;
/// What a content may unpack to: Lambda's payload of a Kafka batch is 6 MB.
pub(crate) const UNPACKED_BYTES: usize = 16 * 1024 * 1024;
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
    /// The subject, `kind/id`, where it came that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
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
    /// `zstd`: `value` is the base64 of a part of a packed [`Content`], and the fields of key and
    /// headers are empty.
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
    /// The subject, where it came that far.
    pub subject: Option<&'a SubjectId>,
    /// What the value is still wrapped in, where it could not be unwrapped.
    pub wrapping: Option<Wrapping>,
    /// Now.
    pub now: Timestamp,
}

/// An envelope or its parts that make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an envelope: {0}")]
pub struct NotAnEnvelope(&'static str);

impl NotAnEnvelope {
    pub(crate) const fn of(fault: &'static str) -> Self {
        Self(fault)
    }
}

/// The messages of a rejected record: one, or its parts.
pub fn letter(record: &Record, rejection: &Rejection, about: Circumstances<'_>) -> Vec<Message> {
    let code = rejection.code.as_str();
    let mut envelope = Envelope::of(record, code, &rejection.message, about);
    envelope.path.clone_from(&rejection.path);
    messages(envelope, record, about.tenant)
}

/// The messages of a record that waits in the buffer. They become letters that a tenant can read, so
/// they give the reason, and never what a service said.
pub fn buffered(record: &Record, reason: Reason, about: Circumstances<'_>) -> Vec<Message> {
    let message = PublicReason::from(reason).message();
    messages(Envelope::of(record, UNAVAILABLE, &message, about), record, about.tenant)
}

/// What is kept of a record besides where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// The headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Content {
    /// One zstd frame of it.
    pub fn pack(&self) -> Vec<u8> {
        // Neither fails on bytes in memory.
        let plain = postcard::to_stdvec(self).unwrap_or_default();
        zstd::bulk::compress(&plain, LEVEL).unwrap_or_default()
    }

    /// Reads such a frame.
    ///
    /// # Errors
    /// It is none, or holds more than 16 MiB.
    pub fn unpack(frame: &[u8]) -> Result<Self, NotAnEnvelope> {
        let plain = zstd::bulk::decompress(frame, UNPACKED_BYTES)
            .map_err(|_| NotAnEnvelope("it does not unpack"))?;
        postcard::from_bytes(&plain).map_err(|_| NotAnEnvelope("it holds no record"))
    }

    /// The record again, with what the envelope says of it.
    pub fn record(self, source: Source, stamps: Stamps) -> Record {
        let Self { key, value, headers } = self;
        let Stamps { received_at, ingested_at } = stamps;
        Record { source, key, value, headers, received_at, ingested_at }
    }
}

/// The two times of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps {
    /// A receipt time that a redelivery repeats, where the source has one.
    pub received_at: Option<Timestamp>,
    /// When it entered.
    pub ingested_at: Timestamp,
}

/// A numbered piece of a packed content, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Which.
    pub number: u32,
    /// At most [`CHUNK_BYTES`].
    pub bytes: Vec<u8>,
}

/// A frame in pieces, at least one.
pub fn chunks(frame: &[u8]) -> Vec<Chunk> {
    if frame.is_empty() {
        return vec![Chunk { number: 1, bytes: Vec::new() }];
    }
    let pieces = (1..).zip(frame.chunks(CHUNK_BYTES));
    pieces.map(|(number, bytes)| Chunk { number, bytes: bytes.to_vec() }).collect()
}

impl Envelope {
    fn of(record: &Record, code: &str, message: &str, about: Circumstances<'_>) -> Self {
        let headers =
            record.headers.iter().map(|(name, value)| (name.clone(), base64(value))).collect();
        Self {
            v: 1,
            id: record.letter_id(),
            tenant: about.tenant.map(|tenant| tenant.as_str().to_owned()),
            contract: about.contract.map(str::to_owned),
            subject: about.subject.map(ToString::to_string),
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

    /// Reads a message. Whatever is no envelope of this version is an error.
    ///
    /// # Errors
    /// It is none.
    pub fn read(body: &str) -> Result<Self, NotAnEnvelope> {
        let envelope: Self =
            serde_json::from_str(body).map_err(|_| NotAnEnvelope("it has another shape"))?;
        let (part, of) = envelope.part;
        if envelope.v != 1 {
            return Err(NotAnEnvelope("its version is not known"));
        }
        if !(1..=of).contains(&part) || of > PARTS || (of > 1 && envelope.encoding.is_none()) {
            return Err(NotAnEnvelope("its part is none"));
        }
        if !is_letter_id(&envelope.id) {
            return Err(NotAnEnvelope("its id is none"));
        }
        Ok(envelope)
    }

    /// What is in this message: all of the packed content, or the piece that this part carries.
    ///
    /// # Errors
    /// Damaged base64, or a piece over its size.
    pub fn chunks(&self) -> Result<Vec<Chunk>, NotAnEnvelope> {
        let (number, of) = self.part;
        match self.encoding {
            None => Ok(chunks(&self.content()?.pack())),
            Some(Encoding::Zstd) => {
                let bytes = from_base64(self.value.as_deref().unwrap_or_default())?;
                match of {
                    1 => Ok(chunks(&bytes)),
                    _ if bytes.len() <= CHUNK_BYTES => Ok(vec![Chunk { number, bytes }]),
                    _ => Err(NotAnEnvelope("its part is too large")),
                }
            }
        }
    }

    fn whole(&self) -> Result<Option<Content>, NotAnEnvelope> {
        match (self.encoding, self.part.1) {
            (None, _) => self.content().map(Some),
            (Some(Encoding::Zstd), 1) => {
                let frame = from_base64(self.value.as_deref().unwrap_or_default())?;
                Content::unpack(&frame).map(Some)
            }
            (Some(Encoding::Zstd), _) => Ok(None),
        }
    }

    /// The record again; `None`: it is in parts, of which this is one. What it is wrapped in is its
    /// reader's to take off.
    ///
    /// # Errors
    /// Damaged base64, or a frame that does not unpack.
    pub fn record(&self) -> Result<Option<Record>, NotAnEnvelope> {
        let whole = self.whole()?;
        Ok(whole.map(|content| content.record(self.source.clone(), self.stamps())))
    }

    /// The two times of its record.
    pub fn stamps(&self) -> Stamps {
        Stamps { received_at: self.received_at, ingested_at: self.ingested_at }
    }

    fn content(&self) -> Result<Content, NotAnEnvelope> {
        let header = |(name, value): &(String, String)| Ok((name.clone(), from_base64(value)?));
        Ok(Content {
            key: self.key.as_deref().map(from_base64).transpose()?,
            value: self.value.as_deref().map(from_base64).transpose()?,
            headers: self.headers.iter().map(header).collect::<Result<_, _>>()?,
        })
    }

    /// The parts of the envelope of a record, each small enough for a message.
    fn split(self, record: &Record) -> Vec<Self> {
        let Record { key, value, headers, .. } = record.clone();
        let pieces = chunks(&Content { key, value, headers }.pack());
        let count = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
        let rest = Self { key: None, value: None, headers: Vec::new(), ..self };
        let part = |Chunk { number, bytes }: Chunk| Self {
            value: Some(base64(&bytes)),
            part: (number, count),
            encoding: Some(Encoding::Zstd),
            ..rest.clone()
        };
        pieces.into_iter().map(part).collect()
    }
}

fn messages(envelope: Envelope, record: &Record, tenant: Option<&TenantId>) -> Vec<Message> {
    // An envelope is texts and numbers, which always are JSON.
    let write = |envelope: &Envelope| serde_json::to_string(envelope).unwrap_or_default();
    let whole = write(&envelope);
    let bodies = if whole.len() <= MESSAGE_BYTES {
        vec![whole]
    } else {
        envelope.split(record).iter().map(write).collect()
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
mod tests;
