//! Splits the body of a request into events, without parsing the events. An invalid body is an error of the
//! request; an invalid event becomes its own rejection later.
//!
//! All sizes are limited before the work is done: the bytes as sent, the decompressed bytes (a small body may
//! decompress to any size), and the number of events.

use std::borrow::Cow;
use std::io::{self, Read};

use drover_core::base::excerpt::Excerpt;
use drover_core::intake::contract::Arrays;
use drover_core::intake::json::{beginning, why_not, without_bom};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Bound, Damage, IntakeError};

/// Maximum size of a body as sent, in bytes. The transport enforces it.
pub const SENT_BYTES: usize = 1_048_576;
/// Maximum size of a decompressed body, in bytes.
pub const UNPACKED_BYTES: usize = 8 * 1_048_576;
/// Maximum number of events in a request.
pub const EVENTS: usize = 100;
/// Maximum window of a zstd frame, as the base-2 logarithm of its size in bytes.
const WINDOW_LOG: u32 = 23;

/// The compression of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not compressed.
    Identity,
    /// gzip (RFC 1952), also with several members.
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

/// The format of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON: one event, `{"events":[…]}`, or an array, which [`Arrays`] splits or not.
    Json,
    /// One event on each line.
    Lines,
    /// The data of a CloudEvent in binary mode, whose attributes are headers. The data may have any content
    /// or be empty.
    Data,
}

/// The unparsed events of a request: at least one and at most [`EVENTS`].
#[derive(Debug, PartialEq, Eq)]
pub struct Events<'a>(Shape<'a>);

#[derive(Debug, PartialEq, Eq)]
enum Shape<'a> {
    /// A single event, not in a list.
    Single(&'a [u8]),
    /// A list with at least one event.
    Batch(Vec<&'a [u8]>),
}

impl<'a> Events<'a> {
    /// A single event, not in a list.
    pub fn single(text: &'a [u8]) -> Self {
        Self(Shape::Single(text))
    }

    /// A list of events.
    ///
    /// # Errors
    /// [`IntakeError::EmptyBatch`], [`IntakeError::TooLarge`]
    pub fn batch(texts: Vec<&'a [u8]>) -> Result<Self, IntakeError> {
        if texts.len() > EVENTS {
            return Err(Bound::Events(EVENTS).into());
        }
        if texts.iter().map(|text| text.len()).sum::<usize>() > UNPACKED_BYTES {
            return Err(Bound::UnpackedBytes(UNPACKED_BYTES).into());
        }
        if texts.is_empty() {
            return Err(IntakeError::EmptyBatch);
        }
        Ok(Self(Shape::Batch(texts)))
    }

    /// Each event, in order.
    pub fn texts(&self) -> &[&'a [u8]] {
        match &self.0 {
            Shape::Single(text) => std::slice::from_ref(text),
            Shape::Batch(texts) => texts,
        }
    }

    /// Whether the request is a single event and not a list.
    pub fn is_single(&self) -> bool {
        matches!(self.0, Shape::Single(_))
    }
}

impl Encoding {
    /// The encoding with this HTTP name (RFC 9110, section 8.4.1), in any case. The empty name means not
    /// compressed.
    ///
    /// # Errors
    /// [`IntakeError::UnsupportedEncoding`]
    pub fn named(name: &str) -> Result<Self, IntakeError> {
        match name.to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            _ => Err(IntakeError::UnsupportedEncoding(Excerpt(name).to_string())),
        }
    }
}

impl Encoding {
    /// The name in HTTP.
    const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// Whether data begin as this encoding does.
    fn begins(self, data: &[u8]) -> bool {
        match self {
            Self::Identity => true,
            Self::Gzip => data.starts_with(&[0x1f, 0x8b]),
            Self::Zstd => data.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
        }
    }
}

/// Decompresses a body.
///
/// # Errors
/// [`IntakeError::MalformedEncoding`], [`IntakeError::TooLarge`]
pub fn unpacked(encoding: Encoding, sent: Vec<u8>) -> Result<Vec<u8>, IntakeError> {
    match encoding {
        Encoding::Identity => Ok(sent),
        Encoding::Gzip => {
            let read = read_within(MultiGzDecoder::new(sent.as_slice()));
            read.map_err(|fault| damage(encoding, &sent, &fault))?
        }
        Encoding::Zstd => {
            let read = zstd_decoder(&sent).and_then(read_within);
            read.map_err(|fault| damage(encoding, &sent, &fault))?
        }
    }
}

fn zstd_decoder(sent: &[u8]) -> io::Result<impl Read> {
    let mut decoder = zstd::Decoder::with_buffer(sent)?;
    decoder.window_log_max(WINDOW_LOG)?;
    Ok(decoder)
}

/// What is wrong with a body that cannot be decompressed.
fn damage(encoding: Encoding, sent: &[u8], fault: &io::Error) -> Damage {
    /// The text of zstd's error `ZSTD_error_frameParameter_windowTooLarge`.
    const LARGE_WINDOW: &str = "too much memory";
    let bytes = sent.len();
    if !encoding.begins(sent) {
        Damage::OtherData { wanted: encoding.name(), came: beginning(sent) }
    } else if fault.kind() == io::ErrorKind::UnexpectedEof {
        Damage::EndsEarly { encoding: encoding.name(), bytes }
    } else if encoding == Encoding::Zstd && fault.to_string().contains(LARGE_WINDOW) {
        Damage::LargeWindow(1 << WINDOW_LOG)
    } else {
        Damage::Damaged { encoding: encoding.name(), bytes }
    }
}

/// Splits a body into its events. `arrays` is the contract's: it decides about a body that is an array as a
/// whole, and not about the list of `{"events":[…]}`.
///
/// # Errors
/// [`IntakeError::UnreadableBody`], [`IntakeError::TooLarge`], [`IntakeError::EmptyBatch`]
pub fn events(body: &[u8], format: Format, arrays: Arrays) -> Result<Events<'_>, IntakeError> {
    match format {
        Format::Lines => Events::batch(lines(without_bom(body))),
        Format::Json => json(without_bom(body), arrays),
        Format::Data => Ok(Events::single(body)),
    }
}

/// The decompressed body, or that it is too large. An error is an error of the compressed data.
fn read_within(packed: impl Read) -> io::Result<Result<Vec<u8>, IntakeError>> {
    let mut body = Vec::new();
    let limit = UNPACKED_BYTES as u64 + 1;
    packed.take(limit).read_to_end(&mut body)?;
    if body.len() > UNPACKED_BYTES {
        return Ok(Err(Bound::UnpackedBytes(UNPACKED_BYTES).into()));
    }
    Ok(Ok(body))
}

/// The lines that are not blank, up to one more than the maximum number of events.
fn lines(body: &[u8]) -> Vec<&[u8]> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.filter(|line| !line.is_empty()).take(EVENTS + 1).collect()
}

/// The members of an object. An object whose only member is `events` is a batch; any other object is an
/// event. A record has the same meaning over HTTP and Kafka, so an object with further members is one
/// record.
#[derive(Default)]
struct Wrapping<'a> {
    events: Option<&'a RawValue>,
    others: bool,
}

impl<'de> Deserialize<'de> for Wrapping<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Wrapping<'de>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut wrapping = Wrapping::default();
        while let Some(name) = object.next_key::<Cow<'de, str>>()? {
            if name == "events" && wrapping.events.is_none() {
                wrapping.events = Some(object.next_value()?);
            } else {
                wrapping.others = true;
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(wrapping)
    }
}

fn json(body: &[u8], arrays: Arrays) -> Result<Events<'_>, IntakeError> {
    let body = body.trim_ascii();
    if arrays == Arrays::Split && body.starts_with(b"[") {
        return Events::batch(list(body)?);
    }
    if !body.starts_with(b"{") {
        // A string or a number is valid JSON. The contract may reject it as an event.
        let _: IgnoredAny = serde_json::from_slice(body).map_err(|_| unreadable(body))?;
        return Ok(Events::single(body));
    }
    let wrapping: Wrapping<'_> = serde_json::from_slice(body).map_err(|_| unreadable(body))?;
    let events = wrapping.events.filter(|events| !wrapping.others && events.get().starts_with('['));
    match events {
        Some(events) => Events::batch(list(events.get().as_bytes())?),
        None => Ok(Events::single(body)),
    }
}

/// The elements of an array, up to one more than the maximum number of events.
fn list(array: &[u8]) -> Result<Vec<&[u8]>, IntakeError> {
    let List(elements) = serde_json::from_slice(array).map_err(|_| unreadable(array))?;
    Ok(elements)
}

struct List<'a>(Vec<&'a [u8]>);

impl<'de> Deserialize<'de> for List<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Elements)
    }
}

struct Elements;

impl<'de> Visitor<'de> for Elements {
    type Value = List<'de>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while elements.len() <= EVENTS {
            match array.next_element::<&'de RawValue>()? {
                Some(element) => elements.push(element.get().as_bytes()),
                None => return Ok(List(elements)),
            }
        }
        // There are too many elements, so the remaining elements are only checked to be JSON.
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(List(elements))
    }
}

/// Does not use the message of serde_json, which may quote the body.
fn unreadable(body: &[u8]) -> IntakeError {
    IntakeError::UnreadableBody(why_not(body))
}

#[cfg(test)]
mod tests;
