//! The bodies of answers, with one result for each event.

use drover_core::base::error::Rejection;
use drover_core::base::time::Timestamp;
use drover_http::ProblemBody;
use drover_intake::Accepted;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// The problems of a request with events.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes the answers in the OpenAPI document")]
pub(crate) enum Refused {
    /// `malformed_json`, `malformed_encoding`, `unknown_parameter`, `invalid_parameter`,
    /// `malformed_request`, `invalid_handshake`
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemBody),
    /// `too_large`
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody),
    /// `unsupported_media_type`, `unsupported_encoding`
    #[response(status = 415, content_type = "application/problem+json")]
    Unsupported(ProblemBody),
    /// `no_event_accepted`, `empty_batch`, `tenant_mismatch`, `idempotency_mismatch`; a single
    /// event: its own code
    #[response(status = 422, content_type = "application/problem+json")]
    Rejected(ProblemBody),
    /// `rate_limited`, with `Retry-After`
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(ProblemBody),
    /// `unavailable`: retry the request; events that are already stored count as duplicates
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody),
}

/// The answer to a request with at least one accepted or ignored event.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BatchAnswer {
    /// The id of the request. Requests that are repeated with the same idempotency key have the same id.
    pub batch_id: String,
    /// The number of accepted events. They are durable.
    pub accepted: usize,
    /// The number of rejected events.
    pub rejected: usize,
    /// The number of events that their contract ignores; absent if 0.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    pub ignored: usize,
    /// When the request was received.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// One result for each event, or for each element that the contract's transform returns, in order.
    pub results: Vec<EventResult>,
}

/// The answer to a validation event of Azure Event Grid.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ValidationAnswer {
    /// The validation code of the event.
    #[schema(example = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6")]
    pub(crate) validation_response: String,
}

/// The answer of `POST /collect`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CollectAnswer {
    /// Whether at least one event was accepted or ignored.
    pub success: bool,
    /// The id of the request.
    pub batch_id: String,
    /// The number of accepted events. They are durable.
    pub accepted: usize,
    /// The number of rejected events.
    pub rejected: usize,
    /// The number of events that their contract ignores; absent if 0.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    pub ignored: usize,
    /// When the request was received.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// One result for each event, in order.
    pub results: Vec<EventResult>,
}

/// The result of one event.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum EventResult {
    /// The event is durable.
    Accepted {
        /// The index of the event in the request, from 0.
        index: usize,
        /// The index of the element in the event, from 0, if the contract has a transform.
        #[serde(skip_serializing_if = "Option::is_none")]
        element: Option<u32>,
        /// The id of the event, from the request or generated.
        event_id: String,
    },
    /// The contract ignores the event.
    Ignored {
        /// The index of the event in the request, from 0.
        index: usize,
        /// The index of the element in the event, from 0, if the contract's transform returns elements.
        #[serde(skip_serializing_if = "Option::is_none")]
        element: Option<u32>,
    },
    /// The event is invalid; a retry would fail again.
    Rejected {
        /// The index of the event in the request, from 0.
        index: usize,
        /// The index of the element in the event, from 0, if the contract has a transform.
        #[serde(skip_serializing_if = "Option::is_none")]
        element: Option<u32>,
        /// Why the event was rejected.
        error: EventError,
    },
}

/// Why an event was rejected.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventError {
    /// A stable, machine-readable code.
    #[schema(example = "schema_violation")]
    pub code: &'static str,
    /// JSON Pointer to the invalid value, if there is one.
    #[schema(example = "/payload/value")]
    pub path: Option<String>,
    /// A description for people.
    pub message: String,
}

impl From<Accepted> for EventResult {
    fn from(Accepted { index, element, result }: Accepted) -> Self {
        match result {
            Some(Ok(event_id)) => Self::Accepted { index, element, event_id },
            Some(Err(rejection)) => Self::Rejected { index, element, error: rejection.into() },
            None => Self::Ignored { index, element },
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde requires")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl From<Rejection> for EventError {
    fn from(rejection: Rejection) -> Self {
        Self { code: rejection.code.as_str(), path: rejection.path, message: rejection.message }
    }
}

impl From<BatchAnswer> for CollectAnswer {
    fn from(answer: BatchAnswer) -> Self {
        let BatchAnswer { batch_id, accepted, rejected, ignored, received_at, results } = answer;
        let success = accepted + ignored > 0;
        Self { success, batch_id, accepted, rejected, ignored, timestamp: received_at, results }
    }
}
