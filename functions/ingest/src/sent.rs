//! A request as it came: its headers, read for intake, and its body, unpacked.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use drover_http::{CorrelationId, Problem};
use drover_intake::IntakeError;
use drover_intake::body::{self, Encoding, Events, Format};
use drover_intake::error::Bound;
use drover_intake::submission::{Idempotency, tracing_headers};

/// HTTP headers that speak of a single event: CloudEvents in binary mode. Kafka calls them `ce_…`.
const CLOUD_EVENTS: &str = "ce-";
const CLOUD_EVENT_HEADERS: usize = 32;

/// A request.
pub(crate) struct Sent {
    headers: HeaderMap,
    correlation: CorrelationId,
    /// The body, unpacked.
    pub(crate) body: Vec<u8>,
}

impl Sent {
    /// Unpacks a request.
    pub(crate) fn of(
        headers: HeaderMap,
        correlation: CorrelationId,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<Self, Problem> {
        let body = body.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                IntakeError::from(Bound::SentBytes(body::SENT_BYTES)).into()
            }
            _ => Problem::bad_request("malformed_json", "the body ended early"),
        })?;
        let body = body::unpacked(encoding(&headers)?, body.into())?;
        Ok(Self { headers, correlation, body })
    }

    /// The format of the body.
    ///
    /// # Errors
    /// `unsupported_media_type`
    pub(crate) fn format(&self) -> Result<Format, Problem> {
        format(&self.headers)
    }

    /// The key under which the request may be repeated.
    pub(crate) fn idempotency(&self) -> Option<Idempotency<'_>> {
        let key = self.headers.get("idempotency-key")?.as_bytes();
        Some(Idempotency { key, content: &self.body })
    }

    /// The headers of the records of its events.
    pub(crate) fn record_headers(&self, events: &Events<'_>) -> Vec<(String, Vec<u8>)> {
        let traceparent = self.headers.get("traceparent").map(|value| value.as_bytes());
        let mut headers = tracing_headers(&self.correlation.0, traceparent);
        if events.is_single() {
            let named = self.headers.iter().filter_map(|(name, value)| {
                let attribute = name.as_str().strip_prefix(CLOUD_EVENTS)?;
                Some((format!("ce_{attribute}"), value.as_bytes().to_vec()))
            });
            headers.extend(named.take(CLOUD_EVENT_HEADERS));
        }
        headers
    }
}

/// Reads the format from `Content-Type`; JSON where there is none.
fn format(headers: &HeaderMap) -> Result<Format, Problem> {
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

/// Reads `Content-Encoding`. Several encodings, one over the other, are not read.
fn encoding(headers: &HeaderMap) -> Result<Encoding, IntakeError> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => Ok(Encoding::Identity),
        (Some(one), None) => Encoding::named(one.to_str().unwrap_or("unreadable").trim()),
        (Some(_), Some(_)) => Err(IntakeError::UnsupportedEncoding),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let value = |value: &&str| HeaderValue::from_str(value).expect("a header");
        values.iter().map(|one| (name.clone(), value(one))).collect()
    }

    #[test]
    fn json_and_lines_are_the_media_types() {
        let of = |value: &str| {
            format(&headers(CONTENT_TYPE, &[value])).map_err(|problem| problem.code())
        };
        assert_eq!(of("application/json; charset=utf-8"), Ok(Format::Json));
        assert_eq!(of("Application/CloudEvents+JSON"), Ok(Format::Json));
        assert_eq!(of("application/x-ndjson"), Ok(Format::Lines));
        for other in ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"] {
            assert_eq!(of(other), Err("unsupported_media_type"), "{other}");
        }
        assert_eq!(format(&HeaderMap::new()).map_err(|problem| problem.code()), Ok(Format::Json));
    }

    #[test]
    fn one_encoding_is_read_and_several_are_not() {
        let of = |values: &[&str]| encoding(&headers(CONTENT_ENCODING, values));
        assert_eq!(of(&[]), Ok(Encoding::Identity));
        assert_eq!(of(&[" GZIP "]), Ok(Encoding::Gzip));
        assert_eq!(of(&["zstd"]), Ok(Encoding::Zstd));
        for several in [&["gzip, zstd"][..], &["gzip", "zstd"]] {
            assert_eq!(of(several), Err(IntakeError::UnsupportedEncoding), "{several:?}");
        }
    }
}
