//! The body of a request as a list of events, none of which has been looked into: what is wrong
//! with the body as a whole is an error, what is wrong with one event becomes its own rejection.
//!
//! Everything is bounded before it is done: bytes as sent, bytes unpacked (a small body may unpack
//! to anything), events.

use std::borrow::Cow;
use std::io::Read;

use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use drover_core::base::error::{Code, Rejection};
use drover_core::intake::json::{why_not, without_bom};
use drover_http::Problem;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The most that is taken, as sent.
pub(crate) const SENT_BYTES: usize = 1_048_576;
/// The most that is taken, unpacked.
pub(crate) const UNPACKED_BYTES: usize = 8 * 1_048_576;
/// The most events that one request brings.
pub(crate) const EVENTS: usize = 100;
/// zstd: frames that ask for a larger window are refused, as base 2 logarithm of its bytes.
const WINDOW_LOG: u32 = 23;

/// What a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One event, `{"events":[…]}`, or an array.
    Json,
    /// One event on each line.
    Lines,
    /// The data of one event whose attributes are headers: a CloudEvent in binary mode. It may be
    /// anything, and nothing.
    Data,
}

/// The header that says that a body is the data of a CloudEvent.
pub(crate) const CLOUD_EVENT: &str = "ce-specversion";
/// Media types that say that a body is a whole CloudEvent, or several, whatever the headers say.
const WHOLE_CLOUD_EVENTS: &str = "application/cloudevents";

/// The events of a request, each as its own text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Events<'a> {
    /// One event that stood alone.
    Single(&'a [u8]),
    /// A list, perhaps of one.
    Batch(Vec<&'a [u8]>),
}

impl<'a> Events<'a> {
    /// Each event, in order.
    pub(crate) fn texts(&self) -> &[&'a [u8]] {
        match self {
            Self::Single(text) => std::slice::from_ref(text),
            Self::Batch(texts) => texts,
        }
    }
}

/// Reads the format from `Content-Type`; JSON where there is none.
///
/// # Errors
/// `unsupported_media_type`.
pub(crate) fn format(headers: &HeaderMap) -> Result<Format, Problem> {
    let essence = media_type(headers);
    let whole = essence.as_deref().is_some_and(|name| name.starts_with(WHOLE_CLOUD_EVENTS));
    if headers.contains_key(CLOUD_EVENT) && !whole {
        return Ok(Format::Data);
    }
    let Some(essence) = essence else { return Ok(Format::Json) };
    match essence.as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Format::Lines),
        "application/json" => Ok(Format::Json),
        other if other.starts_with("application/") && other.ends_with("+json") => Ok(Format::Json),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send application/json or application/x-ndjson",
        )),
    }
}

/// The media type of a request, in lower case and without its parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().unwrap_or_default();
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Undoes `Content-Encoding`.
///
/// # Errors
/// `unsupported_encoding`, `malformed_encoding`, `too_large`.
pub(crate) fn unpacked(headers: &HeaderMap, sent: Vec<u8>) -> Result<Vec<u8>, Problem> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    let encoding = match (encodings.next(), encodings.next()) {
        (None, _) => "",
        (Some(one), None) => one.to_str().unwrap_or("unreadable").trim(),
        (Some(_), Some(_)) => "several",
    };
    match encoding.to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(sent),
        "gzip" | "x-gzip" => read_within(MultiGzDecoder::new(sent.as_slice())),
        "zstd" => {
            let mut decoder =
                zstd::Decoder::with_buffer(sent.as_slice()).map_err(|_| malformed_encoding())?;
            decoder.window_log_max(WINDOW_LOG).map_err(|_| malformed_encoding())?;
            read_within(decoder)
        }
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_encoding",
            "send gzip, zstd or no Content-Encoding",
        )),
    }
}

/// Cuts a body into its events.
///
/// # Errors
/// `malformed_json`, `too_large`, `empty_batch`.
pub(crate) fn events(body: &[u8], format: Format) -> Result<Events<'_>, Problem> {
    let events = match format {
        Format::Lines => Events::Batch(lines(without_bom(body))),
        Format::Json => json(without_bom(body))?,
        Format::Data => Events::Single(body),
    };
    match events.texts().len() {
        0 => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "empty_batch",
            "there is no event in this request",
        )),
        1..=EVENTS => Ok(events),
        _ => Err(too_large(&format!("more events than one request takes: limit=`{EVENTS}`"))),
    }
}

/// 413 `too_large`.
pub(crate) fn too_large(detail: &str) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
}

fn malformed_encoding() -> Problem {
    Problem::bad_request("malformed_encoding", "the body is not what its Content-Encoding says")
}

fn read_within(packed: impl Read) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::new();
    let limit = UNPACKED_BYTES as u64 + 1;
    packed.take(limit).read_to_end(&mut body).map_err(|_| malformed_encoding())?;
    if body.len() > UNPACKED_BYTES {
        return Err(too_large(&format!("the body unpacks to too much: limit=`{UNPACKED_BYTES}`")));
    }
    Ok(body)
}

/// Lines that hold something, one more than are allowed at most.
fn lines(body: &[u8]) -> Vec<&[u8]> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.filter(|line| !line.is_empty()).take(EVENTS + 1).collect()
}

/// What an object is: a batch where `events` is its only member, else an event. The same record means the
/// same over HTTP and Kafka, so a record that has a member of that name stays one.
#[derive(Default)]
struct Wrapping<'a> {
    events: Option<&'a RawValue>,
    others: bool,
}

impl<'de> Deserialize<'de> for Wrapping<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
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
        deserializer.deserialize_map(Members)
    }
}

fn json(body: &[u8]) -> Result<Events<'_>, Problem> {
    let body = body.trim_ascii();
    if body.starts_with(b"[") {
        return list(body).map(Events::Batch);
    }
    if !body.starts_with(b"{") {
        // A text or a number is JSON, and no event; its contract says so.
        let _: IgnoredAny = serde_json::from_slice(body).map_err(|_| malformed(body))?;
        return Ok(Events::Single(body));
    }
    let wrapping: Wrapping<'_> = serde_json::from_slice(body).map_err(|_| malformed(body))?;
    let events = wrapping.events.filter(|events| !wrapping.others && events.get().starts_with('['));
    match events {
        Some(events) => list(events.get().as_bytes()).map(Events::Batch),
        None => Ok(Events::Single(body)),
    }
}

/// The elements of an array, one more than are allowed at most.
fn list(array: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    let List(elements) = serde_json::from_slice(array).map_err(|_| malformed(array))?;
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
        // Too many to take; the rest need only be JSON.
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(List(elements))
    }
}

/// Not serde_json's own text, which may quote the body.
fn malformed(body: &[u8]) -> Problem {
    let Rejection { code, path, message } = why_not(body);
    let place = path.map(|path| format!(": path=`{path}`")).unwrap_or_default();
    let status = match code {
        Code::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        _ => StatusCode::BAD_REQUEST,
    };
    Problem::new(status, code.as_str(), format!("{message}{place}"))
}

#[cfg(test)]
mod tests;
