//! What comes back: one result for each event.

use drover_core::base::error::Rejection;
use drover_core::base::time::Timestamp;
use drover_http::ProblemBody;
use drover_intake::Accepted;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// How a request with events fails.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "what the document of the routes is made from")]
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
    /// `unavailable`: send it again, what was stored counts as duplicate
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody),
}

/// The answer to a request of which at least one event was accepted.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BatchAnswer {
    /// The id of the request, the same for every repetition under one idempotency key.
    pub batch_id: String,
    /// How many are durable.
    pub accepted: usize,
    /// How many never will be.
    pub rejected: usize,
    /// How many their contract passes over; absent: none.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    pub ignored: usize,
    /// When it was received.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// One for each event, or for each element that its contract's transform makes of it, in order.
    pub results: Vec<EventResult>,
}

/// The answer to a validation event of Azure Event Grid.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ValidationAnswer {
    /// The code of the event.
    #[schema(example = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6")]
    pub(crate) validation_response: String,
}

/// The answer of `POST /collect`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CollectAnswer {
    /// Whether at least one was accepted.
    pub success: bool,
    /// The id of the request.
    pub batch_id: String,
    /// How many are durable.
    pub accepted: usize,
    /// How many never will be.
    pub rejected: usize,
    /// How many their contract passes over; absent: none.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    pub ignored: usize,
    /// When it was received.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// One for each event, in order.
    pub results: Vec<EventResult>,
}

/// What became of one event.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum EventResult {
    /// It is durable.
    Accepted {
        /// Which one, from 0.
        index: usize,
        /// Which element of it, from 0, where its contract has a transform.
        #[serde(skip_serializing_if = "Option::is_none")]
        element: Option<u32>,
        /// Its id: its own, or the one that was made for it.
        event_id: String,
    },
    /// Its contract passes it over.
    Ignored {
        /// Which one, from 0.
        index: usize,
        /// Which element of it, from 0, where its contract has a transform that makes elements of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        element: Option<u32>,
    },
    /// It will never pass as it is.
    Rejected {
        /// Which one, from 0.
        index: usize,
        /// Which element of it, from 0, where its contract has a transform.
        #[serde(skip_serializing_if = "Option::is_none")]
        element: Option<u32>,
        /// Why.
        error: EventError,
    },
}

/// Why an event was rejected.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventError {
    /// The stable word.
    #[schema(example = "schema_violation")]
    pub code: &'static str,
    /// JSON Pointer to the culprit, where one applies.
    #[schema(example = "/payload/value")]
    pub path: Option<String>,
    /// For a person.
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
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
