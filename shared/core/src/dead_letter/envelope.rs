//! The envelope: a record that was not applied, with everything that a replay needs, as a queue
//! message. The dead-letter queue and the buffer queue use the same format, version 1.
//!
//! A queue message holds 1 MiB. A larger record is compressed, and split if that is not enough. The
//! parts are the [`Chunk`]s in which a letter is stored, so each part is stored independently. The
//! content of a record is never truncated, so an oversized record does not block its partition. The
//! other texts are bounded, and written so that every queue accepts them ([`text`](super::text)).

mod writing;

use serde::{Deserialize, Serialize};

pub use self::writing::{buffered, letter};
use crate::base::error::{Reason, Unavailable};
use crate::base::id::{SubjectId, TenantId};
use crate::base::time::Timestamp;
use crate::dead_letter::text::{bounded, bounded_source};
use crate::intake::record::{Record, Source, Stamps, Wrapping, is_letter_id};

/// Maximum size of a chunk: it fits into a DynamoDB item (400 KB), and in base64 into a message.
pub const CHUNK_BYTES: usize = 360_000;
/// Maximum number of parts of a letter, which is more than any valid content needs.
const PARTS: u32 = 64;
/// Maximum decompressed size of a content. Lambda's payload of a Kafka batch has up to 6 MB.
pub(crate) const UNPACKED_BYTES: usize = 16 * 1024 * 1024;
const LEVEL: i32 = 3;

/// The code of records in the buffer queue, which are valid.
pub const UNAVAILABLE: &str = "unavailable";

/// A record that was not applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The version of this format: 1.
    pub v: u8,
    /// The digest of the source: a record always has the same letter.
    pub id: String,
    /// The record's tenant, if known.
    pub tenant: Option<String>,
    /// The record's contract, if known.
    pub contract: Option<String>,
    /// The record's subject as `kind/id`, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// A rejection code, or `unavailable`.
    pub code: String,
    /// JSON Pointer to the invalid value.
    pub path: Option<String>,
    /// Message for people.
    pub message: String,
    /// Where the record came from.
    pub source: Source,
    /// The record's key, base64.
    pub key: Option<String>,
    /// The record's value, base64. See `encoding`.
    pub value: Option<String>,
    /// The record's headers, values in base64.
    pub headers: Vec<(String, String)>,
    /// The number of this part, from 1, and the number of parts.
    pub part: (u32, u32),
    /// `zstd`: `value` is the base64 of a part of a packed [`Content`], and key and headers are
    /// empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// Set if the value still is the wrapper around the sent body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrapping: Option<Wrapping>,
    /// A receipt time that a redelivery repeats, if the source has one.
    pub received_at: Option<Timestamp>,
    /// When Drover received the record. Every decision uses it, also in a replay.
    pub ingested_at: Timestamp,
    /// When the record was sent to this queue.
    pub rejected_at: Timestamp,
    /// Number of deliveries so far.
    pub attempts: u32,
    /// Number of replays so far.
    pub replay_count: u32,
    /// The record's trace or correlation id.
    pub trace: Option<String>,
}

/// The encoding of a large record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// See [`Envelope::encoding`].
    Zstd,
}

/// Facts about a record that is not applied.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The tenant, if known.
    pub tenant: Option<&'a TenantId>,
    /// The contract, if known.
    pub contract: Option<&'a str>,
    /// The subject, if known.
    pub subject: Option<&'a SubjectId>,
    /// The wrapper of a value that could not be unwrapped.
    pub wrapping: Option<Wrapping>,
    /// The current time.
    pub now: Timestamp,
}

/// An invalid envelope or part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an envelope: {0}")]
pub struct NotAnEnvelope(&'static str);

impl NotAnEnvelope {
    pub(crate) const fn of(fault: &'static str) -> Self {
        Self(fault)
    }
}

/// Why the content of an envelope cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoContent {
    /// The envelope is invalid.
    #[error(transparent)]
    NotAnEnvelope(#[from] NotAnEnvelope),
    /// The content could not be packed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl NoContent {
    /// The error for an envelope that this process wrote itself.
    pub(crate) fn into_unavailable(self) -> Unavailable {
        match self {
            Self::NotAnEnvelope(fault) => broken(fault),
            Self::Unavailable(unavailable) => unavailable,
        }
    }
}

/// The content of a record: everything but its source.
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
    /// Packs the content into one zstd frame.
    ///
    /// # Errors
    /// Out of memory. Returning an empty frame instead would lose the record.
    pub fn pack(&self) -> Result<Vec<u8>, Unavailable> {
        let plain = postcard::to_stdvec(self).map_err(broken)?;
        zstd::bulk::compress(&plain, LEVEL).map_err(broken)
    }

    /// Unpacks a zstd frame.
    ///
    /// # Errors
    /// The frame is invalid or holds more than 16 MiB.
    pub fn unpack(frame: &[u8]) -> Result<Self, NotAnEnvelope> {
        let plain = zstd::bulk::decompress(frame, UNPACKED_BYTES)
            .map_err(|_| NotAnEnvelope("the content cannot be decompressed"))?;
        postcard::from_bytes(&plain).map_err(|_| NotAnEnvelope("the content holds no record"))
    }

    /// The record with this content, source and receipt times.
    pub fn record(self, source: Source, stamps: Stamps) -> Record {
        let Self { key, value, headers } = self;
        let Stamps { received_at, ingested_at } = stamps;
        Record { source, key, value, headers, received_at, ingested_at }
    }
}

/// A piece of a packed content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The number, from 1.
    pub number: u32,
    /// At most [`CHUNK_BYTES`].
    pub bytes: Vec<u8>,
}

/// Splits a frame into at least one piece.
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
            contract: about.contract.map(|contract| bounded(contract).to_owned()),
            subject: about.subject.map(ToString::to_string),
            code: code.to_owned(),
            path: None,
            message: bounded(message).to_owned(),
            source: bounded_source(&record.source),
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

    /// Parses a message.
    ///
    /// # Errors
    /// The message is not an envelope of this version.
    pub fn read(body: &str) -> Result<Self, NotAnEnvelope> {
        let envelope: Self =
            serde_json::from_str(body).map_err(|_| NotAnEnvelope("invalid JSON or fields"))?;
        let (part, of) = envelope.part;
        if envelope.v != 1 {
            return Err(NotAnEnvelope("unknown version"));
        }
        if !(1..=of).contains(&part) || of > PARTS || (of > 1 && envelope.encoding.is_none()) {
            return Err(NotAnEnvelope("invalid part number"));
        }
        if !is_letter_id(&envelope.id) {
            return Err(NotAnEnvelope("invalid id"));
        }
        Ok(envelope)
    }

    /// The content of this message: all chunks of the packed content, or the chunk of this part.
    ///
    /// # Errors
    /// Damaged base64, an empty value, an oversized part, or out of memory.
    pub fn chunks(&self) -> Result<Vec<Chunk>, NoContent> {
        let (number, of) = self.part;
        match self.encoding {
            None => Ok(chunks(&self.content()?.pack()?)),
            Some(Encoding::Zstd) => {
                let bytes = self.frame()?;
                match of {
                    1 => Ok(chunks(&bytes)),
                    _ if bytes.len() <= CHUNK_BYTES => Ok(vec![Chunk { number, bytes }]),
                    _ => Err(NotAnEnvelope("the part is too large").into()),
                }
            }
        }
    }

    /// The packed frame, or a piece of it. A frame is never empty.
    fn frame(&self) -> Result<Vec<u8>, NotAnEnvelope> {
        let value = self.value.as_deref().filter(|value| !value.is_empty());
        from_base64(value.ok_or(NotAnEnvelope("the value is empty"))?)
    }

    fn whole(&self) -> Result<Option<Content>, NotAnEnvelope> {
        match (self.encoding, self.part.1) {
            (None, _) => self.content().map(Some),
            (Some(Encoding::Zstd), 1) => Content::unpack(&self.frame()?).map(Some),
            (Some(Encoding::Zstd), _) => Ok(None),
        }
    }

    /// The record, or `None` if this is one of several parts. The caller unwraps the value.
    ///
    /// # Errors
    /// Damaged base64, or a frame that cannot be decompressed.
    pub fn record(&self) -> Result<Option<Record>, NotAnEnvelope> {
        let whole = self.whole()?;
        Ok(whole.map(|content| content.record(self.source.clone(), self.stamps())))
    }

    /// The two receipt times of the record.
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
}

fn broken(fault: impl std::fmt::Display) -> Unavailable {
    Unavailable::new(Reason::Bug, format!("a record could not be encoded: {fault}"))
}

/// The trace of a record: the header `traceparent`, else the correlation id.
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
    base64_simd::STANDARD.decode_to_vec(text).map_err(|_| NotAnEnvelope("damaged base64"))
}

#[cfg(test)]
pub(super) mod tests;
