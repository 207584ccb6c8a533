//! Error responses: RFC 9457, `application/problem+json`, with a stable code. They never contain
//! internal details: a server error carries the status phrase and the correlation id, and the log
//! has the rest.

use axum::Json;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Rejection, Unavailable};
use drover_core::intake::quota::Exceeded;
use drover_intake::error::UNAVAILABLE_RETRY_SECONDS;
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};

/// The media type of a problem document.
const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<Fault>,
    hint: Hint,
}

/// A header that belongs to the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hint {
    None,
    Challenge(&'static str),
    RetryAfter(u64),
}

/// The fault in one part of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// The index of the event in the request, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub index: Option<usize>,
    /// A stable code.
    #[schema(example = "schema_violation")]
    pub code: String,
    /// JSON Pointer to the invalid value, if any.
    #[schema(example = "/payload/value")]
    pub path: Option<String>,
    /// Message for people.
    pub message: String,
}

impl Fault {
    /// The fault of a rejected event, or of a rejected request without an index.
    pub fn of(rejection: &Rejection, index: Option<usize>) -> Self {
        Self {
            index,
            code: rejection.code.as_str().to_owned(),
            path: rejection.path.clone(),
            message: rejection.message.clone(),
        }
    }
}

/// The body of an error (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemBody {
    /// Always `about:blank`. The code identifies the problem.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    pub kind: String,
    /// The phrase of the HTTP status.
    #[schema(example = "Unprocessable Content")]
    pub title: String,
    /// The HTTP status.
    #[schema(example = 422)]
    pub status: u16,
    /// A stable code.
    #[schema(example = "no_event_accepted")]
    pub code: String,
    /// Message for people.
    pub detail: String,
    /// The correlation id, also in the header `X-Correlation-Id` and in the log.
    pub correlation_id: String,
    /// The faults of the request's parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
}

/// Problems of a caller that is not admitted.
#[derive(IntoResponses)]
pub enum NotAdmitted {
    /// `unauthorized`, with `WWW-Authenticate`
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(ProblemBody),
    /// `forbidden`, `tenant_suspended`
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemBody),
    /// `not_acceptable`
    #[response(status = 406, content_type = "application/problem+json")]
    NotAcceptable(ProblemBody),
}

impl Problem {
    /// A problem with a stable code.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), hint: Hint::None }
    }

    /// 400
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 400 `invalid_parameter`
    pub fn invalid_parameter(name: &str, fault: &str) -> Self {
        Self::bad_request("invalid_parameter", format!("{fault}: parameter=`{name}`"))
    }

    /// 400, for a fault at a path in the body.
    pub fn at(code: &'static str, path: &str, message: &str) -> Self {
        let fault = Fault {
            index: None,
            code: code.to_owned(),
            path: Some(path.to_owned()),
            message: message.to_owned(),
        };
        let detail =
            if path.is_empty() { message.to_owned() } else { format!("{path}: {message}") };
        Self::bad_request(code, detail).with_errors(vec![fault])
    }

    /// 400 `invalid_id`, for an id in the path or query.
    pub fn invalid_id(rejection: &Rejection) -> Self {
        Self::bad_request("invalid_id", rejection.message.clone())
    }

    /// 401 `unauthorized`. `error` is an RFC 6750 code if the client sent credentials.
    pub fn unauthorized(error: Option<&'static str>, detail: &str) -> Self {
        let challenge = match error {
            Some("invalid_token") => r#"Bearer realm="drover", error="invalid_token""#,
            Some(_) => r#"Bearer realm="drover", error="invalid_request""#,
            None => r#"Bearer realm="drover""#,
        };
        let problem = Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail);
        Self { hint: Hint::Challenge(challenge), ..problem }
    }

    /// 403
    pub fn forbidden(code: &'static str, detail: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// 404 `not_found`
    pub fn not_found(detail: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 410 `beyond_retention`
    pub fn beyond_retention(detail: &str) -> Self {
        Self::new(StatusCode::GONE, "beyond_retention", detail)
    }

    /// 405 `method_not_allowed`. The router adds `Allow`.
    pub fn method_not_allowed() -> Self {
        let detail = "the route does not support this method, see the header Allow";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    /// 406 `not_acceptable`
    pub fn not_acceptable(offered: &str) -> Self {
        let detail =
            format!("the header Accept does not allow the response type: offered=`{offered}`");
        Self::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail)
    }

    /// 429 `rate_limited`
    pub fn rate_limited(retry_after_seconds: u64) -> Self {
        let detail = "the tenant has used up its quota, see the header Retry-After";
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        Self { hint: Hint::RetryAfter(retry_after_seconds), ..problem }
    }

    /// 500 `internal`
    pub fn internal() -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(status, "internal", phrase(status))
    }

    /// 503 `unavailable`. Logs the cause.
    pub fn unavailable(unavailable: &Unavailable) -> Self {
        let why = &unavailable.message;
        let dependency = unavailable.dependency.map(Dependency::as_str);
        let causes = unavailable.causes();
        match unavailable.reason {
            reason @ (Reason::Corrupt | Reason::Misconfigured | Reason::Bug) => {
                tracing::error!(
                    ?reason,
                    dependency,
                    why,
                    causes,
                    "unavailable until an operator fixes it"
                );
            }
            reason => tracing::warn!(?reason, dependency, why, causes, "unavailable"),
        }
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let problem = Self::new(status, "unavailable", phrase(status));
        Self { hint: Hint::RetryAfter(UNAVAILABLE_RETRY_SECONDS), ..problem }
    }

    /// Adds the faults of the request's parts.
    #[must_use]
    pub fn with_errors(self, errors: Vec<Fault>) -> Self {
        Self { errors, ..self }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Message for people. It contains nothing confidential.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The document, with the request's correlation id.
    fn body(self, correlation_id: &str) -> ProblemBody {
        ProblemBody {
            kind: "about:blank".to_owned(),
            title: phrase(self.status).to_owned(),
            status: self.status.as_u16(),
            code: self.code.to_owned(),
            detail: self.detail,
            correlation_id: correlation_id.to_owned(),
            errors: self.errors,
        }
    }

    /// The response, with the request's correlation id.
    pub(super) fn answer(self, correlation_id: &str, allow: Option<HeaderValue>) -> Response {
        let (status, hint) = (self.status, self.hint);
        let mut response = (status, Json(self.body(correlation_id))).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        match hint {
            Hint::None => None,
            Hint::Challenge(challenge) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
            }
            Hint::RetryAfter(seconds) => headers.insert(RETRY_AFTER, HeaderValue::from(seconds)),
        };
        headers.extend(allow.map(|allow| (ALLOW, allow)));
        response
    }
}

impl From<Unavailable> for Problem {
    fn from(unavailable: Unavailable) -> Self {
        Self::unavailable(&unavailable)
    }
}

impl From<Exceeded> for Problem {
    fn from(exceeded: Exceeded) -> Self {
        Self::rate_limited(exceeded.retry_after_seconds)
    }
}

/// Attaches the problem as an extension. The layer that knows the correlation id writes the body.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The phrase of a status (RFC 9110, section 15; the `http` crate has older phrases).
fn phrase(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
        StatusCode::UNPROCESSABLE_ENTITY => "Unprocessable Content",
        other => other.canonical_reason().unwrap_or("Error"),
    }
}
