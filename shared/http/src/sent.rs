//! Reads a request with events: its headers, its format, and its decompressed body. [`carried`] gives the
//! headers of its records.

pub mod carried;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use drover_core::base::excerpt::Excerpt;
use drover_core::intake::contract::{Contract, Syntax};
use drover_core::intake::json::without_bare_words;
use drover_intake::IntakeError;
use drover_intake::body::{self, Encoding, Format};
use drover_intake::error::Bound;
use drover_intake::submission::Idempotency;

use crate::{CorrelationId, Problem};

/// The header that marks a body as the data of a CloudEvent.
const CLOUD_EVENT: &str = "ce-specversion";
/// The prefix of the media types of CloudEvents in structured mode. It takes precedence over [`CLOUD_EVENT`].
const WHOLE_CLOUD_EVENTS: &str = "application/cloudevents";

/// A request.
pub struct Sent {
    /// The headers.
    pub headers: HeaderMap,
    /// The correlation id.
    pub correlation: CorrelationId,
    /// The decompressed body.
    pub body: Vec<u8>,
}

impl Sent {
    /// Reads a request and decompresses its body.
    ///
    /// # Errors
    /// `too_large`, `malformed_json`, `malformed_encoding`, `unsupported_encoding`
    pub fn of(
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

    /// The format of the body. A media type that the contract names is JSON.
    ///
    /// # Errors
    /// `unsupported_media_type`
    pub fn format(&self, contract: Option<&Contract>) -> Result<Format, Problem> {
        let is_named = |name: &str| contract.is_some_and(|it| it.names_media_type(name));
        format(&self.headers, is_named)
    }

    /// The body without bare words such as `NaN`, if its contract reads them; `None`: the body is unchanged.
    pub fn relaxed(&self, format: Format, contract: Option<&Contract>) -> Option<Vec<u8>> {
        let is_lenient = contract.is_some_and(|contract| contract.syntax() == Syntax::Lenient);
        if is_lenient && format != Format::Data { without_bare_words(&self.body) } else { None }
    }

    /// The idempotency key, if the request has one.
    pub fn idempotency(&self) -> Option<Idempotency<'_>> {
        let key = self.headers.get("idempotency-key")?.as_bytes();
        Some(Idempotency { key, content: &self.body })
    }

    /// The media type of the body, in lower case and without its parameters.
    pub fn media_type(&self) -> Option<String> {
        media_type(&self.headers)
    }

    /// Whether the headers contain attributes of a CloudEvent.
    pub fn is_cloud_event(&self) -> bool {
        self.headers.contains_key(CLOUD_EVENT)
    }
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().unwrap_or_default();
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Reads the format from `Content-Type`; JSON if the header is absent. In binary mode, the header is the
/// media type of the CloudEvent's data. Senders such as Amazon SNS send JSON as `text/plain`, so a contract
/// can name a media type that does not say JSON.
fn format(headers: &HeaderMap, is_named: impl Fn(&str) -> bool) -> Result<Format, Problem> {
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
        other if is_named(other) => Ok(Format::Json),
        other => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            format!(
                "wanted application/json, application/x-ndjson or a media type that the contract names, came {}",
                Excerpt(other)
            ),
        )),
    }
}

/// Reads `Content-Encoding`. Stacked encodings are not supported.
fn encoding(headers: &HeaderMap) -> Result<Encoding, IntakeError> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => Ok(Encoding::Identity),
        (Some(name), None) => Encoding::named(name.to_str().unwrap_or("unreadable").trim()),
        (Some(_), Some(_)) => Err(IntakeError::UnsupportedEncoding("several encodings".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let value = |value: &&str| HeaderValue::from_str(value).expect("a header");
        values.iter().map(|text| (name.clone(), value(text))).collect()
    }

    #[test]
    fn the_supported_media_types_are_json_and_lines() {
        let of = |value: &str| {
            format(&headers(CONTENT_TYPE, &[value]), |_| false).map_err(|problem| problem.code())
        };
        assert_eq!(of("application/json; charset=utf-8"), Ok(Format::Json));
        assert_eq!(of("Application/CloudEvents+JSON"), Ok(Format::Json));
        assert_eq!(of("application/x-ndjson"), Ok(Format::Lines));
        for other in ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"] {
            assert_eq!(of(other), Err("unsupported_media_type"), "{other}");
        }
        let absent = format(&HeaderMap::new(), |_| false).map_err(|problem| problem.code());
        assert_eq!(absent, Ok(Format::Json));
    }

    #[test]
    fn the_media_type_decides_the_mode_of_a_cloud_event() {
        let of = |media_type: &str| {
            let mut headers = headers(CONTENT_TYPE, &[media_type]);
            headers.insert(CLOUD_EVENT, HeaderValue::from_static("1.0"));
            format(&headers, |_| false).map_err(|problem| problem.code())
        };
        assert_eq!(of("application/cloudevents+json; charset=utf-8"), Ok(Format::Json));
        assert_eq!(of("application/cloudevents-batch+json"), Ok(Format::Json));
        for other in ["application/json", "text/plain", "application/xml", "image/png"] {
            assert_eq!(of(other), Ok(Format::Data), "{other}");
        }
    }

    #[test]
    fn stacked_encodings_are_not_supported() {
        let of = |values: &[&str]| encoding(&headers(CONTENT_ENCODING, values));
        assert_eq!(of(&[]), Ok(Encoding::Identity));
        assert_eq!(of(&[" GZIP "]), Ok(Encoding::Gzip));
        assert_eq!(of(&["zstd"]), Ok(Encoding::Zstd));
        for several in [&["gzip, zstd"][..], &["gzip", "zstd"]] {
            let code = of(several).map_err(|error| error.code());
            assert_eq!(code, Err("unsupported_encoding"), "{several:?}");
        }
    }
}
