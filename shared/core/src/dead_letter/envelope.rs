//! The envelope: a record that was not applied, with everything that a replay needs, as a queue
//! message. The dead-letter queue and the buffer queue take the same shape, version 1.
//!
//! A queue takes 1 MiB. What is larger is compressed, and split into parts where that does not
//! do: into the very [`Chunk`]s in which a letter is filed, so that each part is filed by itself.
//! Nothing of a record is ever cut off, so an oversized one does not block its partition. The texts
//! beside it are bounded, and written so that every queue takes them ([`text`](super::text)).

mod writing;

use serde::{Deserialize, Serialize};

pub use self::writing::{buffered, letter};
use crate::base::error::{Reason, Unavailable};
use crate::base::id::{SubjectId, TenantId};
use crate::base::time::Timestamp;
use crate::dead_letter::text::{bounded, bounded_source};
use crate::intake::record::{Record, Source, Stamps, Wrapping, is_letter_id};

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

/// Why the content of an envelope is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoContent {
    /// It holds what no envelope of ours holds.
    #[error(transparent)]
    NotAnEnvelope(#[from] NotAnEnvelope),
    /// It could not be packed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl NoContent {
    /// What it is where the envelope is our own.
    pub(crate) fn into_unavailable(self) -> Unavailable {
        match self {
            Self::NotAnEnvelope(fault) => broken(fault),
            Self::Unavailable(unavailable) => unavailable,
        }
    }
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
    ///
    /// # Errors
    /// There was no memory for it. An empty frame in its place would be a lost record.
    pub fn pack(&self) -> Result<Vec<u8>, Unavailable> {
        let plain = postcard::to_stdvec(self).map_err(broken)?;
        zstd::bulk::compress(&plain, LEVEL).map_err(broken)
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
    /// Damaged base64, nothing at all, or a piece over its size; or no memory to pack it.
    pub fn chunks(&self) -> Result<Vec<Chunk>, NoContent> {
        let (number, of) = self.part;
        match self.encoding {
            None => Ok(chunks(&self.content()?.pack()?)),
            Some(Encoding::Zstd) => {
                let bytes = self.frame()?;
                match of {
                    1 => Ok(chunks(&bytes)),
                    _ if bytes.len() <= CHUNK_BYTES => Ok(vec![Chunk { number, bytes }]),
                    _ => Err(NotAnEnvelope("its part is too large").into()),
                }
            }
        }
    }

    /// What is packed in the value, or a piece of it. No frame is empty.
    fn frame(&self) -> Result<Vec<u8>, NotAnEnvelope> {
        let value = self.value.as_deref().filter(|value| !value.is_empty());
        from_base64(value.ok_or(NotAnEnvelope("nothing is packed in it"))?)
    }

    fn whole(&self) -> Result<Option<Content>, NotAnEnvelope> {
        match (self.encoding, self.part.1) {
            (None, _) => self.content().map(Some),
            (Some(Encoding::Zstd), 1) => Content::unpack(&self.frame()?).map(Some),
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
}

fn broken(fault: impl std::fmt::Display) -> Unavailable {
    Unavailable::new(Reason::Bug, format!("a record could not be written: {fault}"))
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
pub(super) mod tests;
