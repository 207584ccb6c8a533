//! The body of a request as a list of events, none of which has been looked into: what is wrong
//! with the body as a whole is an error, what is wrong with one event becomes its own rejection.
//!
//! Everything is bounded before it is done: bytes as sent, bytes unpacked (a small body may unpack
//! to anything), events.

use std::collections::BTreeMap;
use std::io::Read;

use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use drover_core::base::error::Code;
use drover_http::Problem;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
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
}

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
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(Format::Json) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
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
/// `malformed_json`, `too_large`, `empty_batch`, and `tenant_mismatch` where the wrapping of a
/// batch names another tenant than `tenant`.
pub(crate) fn events<'a>(
    body: &'a [u8],
    format: Format,
    tenant: &str,
) -> Result<Events<'a>, Problem> {
    let events = match format {
        Format::Lines => Events::Batch(lines(body)),
        Format::Json => json(body, tenant)?,
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

/// An object that may wrap a batch.
#[derive(Deserialize)]
struct Wrapping<'a> {
    #[serde(borrow)]
    events: Option<&'a RawValue>,
    #[serde(borrow)]
    tenant_id: Option<&'a RawValue>,
}

/// All that a wrapping has. An object with any other member is one record, whatever its `events` are:
/// the same record from a topic is one, too.
const WRAPPING: [&str; 2] = ["events", "tenant_id"];

fn json<'a>(body: &'a [u8], tenant: &str) -> Result<Events<'a>, Problem> {
    let body = body.trim_ascii();
    if body.starts_with(b"[") {
        return list(body).map(Events::Batch);
    }
    if !body.starts_with(b"{") {
        // A text or a number is JSON, and no event; its contract says so.
        let _: IgnoredAny = serde_json::from_slice(body).map_err(|fault| malformed(&fault))?;
        return Ok(Events::Single(body));
    }
    let wrapping: Wrapping<'a> = serde_json::from_slice(body).map_err(|fault| malformed(&fault))?;
    let Some(events) = wrapping.events.filter(|events| events.get().starts_with('[')) else {
        return Ok(Events::Single(body));
    };
    let members: BTreeMap<String, IgnoredAny> =
        serde_json::from_slice(body).map_err(|fault| malformed(&fault))?;
    if !members.keys().all(|name| WRAPPING.contains(&name.as_str())) {
        return Ok(Events::Single(body));
    }
    let named = wrapping.tenant_id.map(|named| serde_json::from_str::<String>(named.get()));
    if named.is_some_and(|named| named.ok().as_deref() != Some(tenant)) {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            Code::TenantMismatch.as_str(),
            "the body names another tenant than the verified one: path=`/tenant_id`",
        ));
    }
    list(events.get().as_bytes()).map(Events::Batch)
}

/// The elements of an array, one more than are allowed at most.
fn list(array: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    let List(elements) = serde_json::from_slice(array).map_err(|fault| malformed(&fault))?;
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
fn malformed(fault: &serde_json::Error) -> Problem {
    let (line, column) = (fault.line(), fault.column());
    let detail = format!("the body is not JSON: line=`{line}` column=`{column}`");
    Problem::bad_request(Code::MalformedJson.as_str(), detail)
}

#[cfg(test)]
mod tests;
