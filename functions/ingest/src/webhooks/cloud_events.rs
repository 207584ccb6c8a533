//! The handshake of CloudEvents: a sender sends `OPTIONS` with `WebHook-Request-Origin` and gets
//! `WebHook-Allowed-Origin` (CloudEvents 1.0, HTTP webhooks, section 4).
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md>
//!
//! The answer contains the name of the origin, never `*`. Every requested rate is granted, because the
//! quota of the tenant limits all its senders. Not supported: a later permission
//! (`WebHook-Request-Callback`), because this function never calls an address from a request.

use std::sync::Arc;

use axum::Extension;
use axum::extract::RawQuery;
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use drover_http::layers::WEBHOOK_ORIGIN;
use drover_http::{Parameters, Problem, ProblemBody};

use super::{WebhookOrigins, is_name, malformed};

const REQUESTED_RATE: HeaderName = HeaderName::from_static("webhook-request-rate");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");
/// The maximum length of a rate, in digits.
const RATE_DIGITS: usize = 9;

#[utoipa::path(
    options,
    path = "/api/v1/events",
    operation_id = "webhook_handshake",
    tag = "events",
    summary = "Ask whether webhooks may deliver events here",
    description = "The handshake of CloudEvents webhooks, which Azure Event Grid uses too. It needs no key. \
        The operator lists the origins that may subscribe; by default there are none. \
        Without `WebHook-Request-Origin` this is a preflight request of a browser (CORS).",
    params(
        ("contract" = Option<String>, Query, description = "As for the events", max_length = 64),
        ("WebHook-Request-Origin" = Option<String>, Header, description = "The DNS name of the sender", example = "eventgrid.azure.net"),
        ("WebHook-Request-Rate" = Option<String>, Header, description = "How many requests per minute it wants to send", example = "120"),
    ),
    responses(
        (status = 200, description = "The sender may deliver events", headers(
            ("WebHook-Allowed-Origin" = String, description = "The sender"),
            ("WebHook-Allowed-Rate" = String, description = "The requested rate, if one was requested"),
        )),
        (status = 400, description = "`invalid_handshake`, `unknown_parameter`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`: the origin is not listed", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn handshake(
    Extension(origins): Extension<Arc<WebhookOrigins>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<HeaderMap, Problem> {
    let mut parameters = Parameters::parse(query.as_deref())?;
    parameters.text("contract");
    parameters.finish()?;
    let origin = single(&headers, &WEBHOOK_ORIGIN)?
        .filter(|origin| origin.to_str().is_ok_and(is_name))
        .ok_or_else(|| malformed("WebHook-Request-Origin is not one DNS name"))?;
    origins.admit(origin.to_str().unwrap_or_default())?;
    let mut allowed = HeaderMap::new();
    if let Some(rate) = single(&headers, &REQUESTED_RATE)? {
        if !is_rate(rate) {
            return Err(malformed(
                "WebHook-Request-Rate is not a positive number of requests per minute",
            ));
        }
        allowed.insert(ALLOWED_RATE, rate.clone());
    }
    allowed.insert(ALLOWED_ORIGIN, origin.clone());
    allowed.insert(ALLOW, HeaderValue::from_static("POST"));
    Ok(allowed)
}

/// The value of a header that must not be repeated.
fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(malformed(format!("a header is repeated: header=`{name}`"))),
    }
}

fn is_rate(value: &HeaderValue) -> bool {
    let digits = value.as_bytes();
    (1..=RATE_DIGITS).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && digits.iter().any(|digit| *digit != b'0')
}
