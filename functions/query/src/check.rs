//! `POST /api/v1/contracts/{name}/check`: what a contract makes of the records of a request. Nothing is
//! stored, and no event of the tenant is read. [`answer`] is the body of the response, which `drover contracts
//! try` prints, too.
//!
//! The body is read like that of `POST /api/v1/events`, and the clock rules of the caller's tenant apply. Its bytes
//! count as read bytes of the tenant's quota, because to transform them takes time.

pub mod answer;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Extension, Json, Router};
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::time::Timestamp;
use drover_core::intake::contract::Contract;
use drover_core::intake::record::{Record, Source};
use drover_core::intake::trial::try_record;
use drover_core::ports::Clock as _;
use drover_http::sent::Sent;
use drover_http::sent::carried::carried;
use drover_http::{CorrelationId, Credentials, NotAdmitted, Parameters, Problem, ProblemBody};
use drover_intake::body::{Events, Format, SENT_BYTES, events};
use utoipa::IntoResponses;

use self::answer::{CheckAnswer, CheckResult, NotJson};
use crate::access::{Access, Visit};
use crate::{QueryPorts, limits};

/// The request id of every checked record. Ids of events without an id and a time are made from it.
const REQUEST_ID: &str = "check";
/// The topic of records with a key and no topic.
const TOPIC: &str = "records";

/// Problems of a request with records.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
pub(crate) enum NotChecked {
    /// `unknown_parameter`, `invalid_parameter`, `malformed_json`, `malformed_encoding`
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemBody),
    /// `not_found`: no contract has this name
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody),
    /// `too_large`
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody),
    /// `unsupported_media_type`, `unsupported_encoding`
    #[response(status = 415, content_type = "application/problem+json")]
    Unsupported(ProblemBody),
    /// `empty_batch`
    #[response(status = 422, content_type = "application/problem+json")]
    Empty(ProblemBody),
    /// `rate_limited`, with `Retry-After`
    #[response(status = 429, content_type = "application/problem+json")]
    Limited(ProblemBody),
    /// `unavailable`, with `Retry-After`
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody),
}

pub(crate) fn routes<W: QueryPorts + 'static>(access: Arc<Access<W>>) -> Router {
    Router::new()
        .route("/api/v1/contracts/{name}/check", post(check::<W>))
        .layer(DefaultBodyLimit::max(SENT_BYTES))
        .with_state(access)
}

#[utoipa::path(
    post,
    path = "/api/v1/contracts/{name}/check",
    operation_id = "check_contract",
    tag = "contracts",
    summary = "Check what a contract makes of records",
    description = "Reads the records as `POST /api/v1/events?contract=NAME` does and stores nothing. Each record, or each element \
        that the contract's transform makes of it, has a result: the event with what a view reads from it, or why it is \
        rejected. The clock rules of the tenant apply: an event that only they reject is in its result. A response has at most \
        5,000 results and about 4 MB; `complete` tells whether those are all. The bytes of the body count as read bytes of the \
        tenant's quota.",
    params(
        ("name" = String, Path, description = "The name of the contract", max_length = 64, example = "telemetry"),
        ("key" = Option<String>, Query, description = "The Kafka key of each record; the records are then read as those of a topic"),
        ("topic" = Option<String>, Query, description = "The Kafka topic of each record; the records are then read as those of a topic"),
        ("Content-Encoding" = Option<String>, Header, description = "`gzip` or `zstd`"),
    ),
    request_body(
        description = "One record, or several",
        content(
            (serde_json::Value = "application/json", example = json!({"device_id": "device-001", "event_type": "temperature", "timestamp": "2026-11-21T06:00:00Z", "payload": {"value": 21.5}})),
            (String = "application/x-ndjson", example = "{\"device_id\":\"device-001\",\"event_type\":\"battery\",\"payload\":{\"value\":80}}\n"),
        )
    ),
    responses(
        (status = 200, description = "One result for each record or element", body = CheckAnswer),
        NotChecked,
        NotAdmitted,
    ),
    security(("api_key" = ["read"]))
)]
pub(crate) async fn check<W: QueryPorts>(
    State(access): State<Arc<Access<W>>>,
    credentials: Credentials,
    Extension(correlation): Extension<CorrelationId>,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<CheckAnswer>, Problem> {
    let visit = access.admit(&credentials).await?;
    let Path(name) =
        path.map_err(|_| Problem::invalid_parameter("name", "the path is not UTF-8"))?;
    let mut parameters = Parameters::parse(query.as_deref())?;
    let placement = Placement::read(&mut parameters);
    parameters.finish()?;
    let sent = Sent::of(headers, correlation, body)?;
    visit.charge(sent.body.len());
    let contract = visit.contract(&name).await?;
    let contract = contract.ok_or_else(|| Problem::not_found("no contract has this name"))?;
    checked(&visit, &contract, &placement, &sent).map(Json)
}

/// Reads each record by the contract.
fn checked<W: QueryPorts>(
    visit: &Visit<'_, W>,
    contract: &Contract,
    placement: &Placement,
    sent: &Sent,
) -> Result<CheckAnswer, Problem> {
    let format = sent.format(Some(contract))?;
    let relaxed = sent.relaxed(format, Some(contract));
    let body = relaxed.as_deref().unwrap_or(&sent.body);
    let events = match (placement, format) {
        // The value of a topic's record is one record, even if it is a list.
        (Placement::Kafka { .. }, Format::Json) => Events::single(body),
        (Placement::Kafka { .. }, Format::Lines | Format::Data) | (Placement::Http, _) => {
            events(body, format, contract.arrays())?
        }
    };
    let headers = carried(sent, format, &events, Some(contract));
    let (scope, policy) = (&visit.caller().scope, visit.caller().tenant.policy());
    let now = visit.now();
    let mut answer = CheckAnswer::new(contract.name());
    let mut bytes = 0;
    for (index, text) in events.texts().iter().enumerate() {
        visit.in_time()?;
        let record = placement.record(index, text, &headers, now);
        for trial in try_record(contract, &record, scope, Some(&policy)) {
            let result = CheckResult::of(index, &trial).map_err(no_payload)?;
            bytes += result.answer_bytes();
            if answer.results.len() == limits::CHECKED || bytes > limits::ANSWER_BYTES {
                answer.complete = false;
                return Ok(answer);
            }
            answer.add(result);
        }
    }
    Ok(answer)
}

/// Where the records of a request would have been read.
#[derive(Debug)]
enum Placement {
    Http,
    Kafka { topic: Arc<str>, key: Option<Vec<u8>> },
}

impl Placement {
    fn read(parameters: &mut Parameters) -> Self {
        match (parameters.text("topic"), parameters.text("key")) {
            (None, None) => Self::Http,
            (topic, key) => Self::Kafka {
                topic: Arc::from(topic.as_deref().unwrap_or(TOPIC)),
                key: key.map(String::into_bytes),
            },
        }
    }

    fn record(
        &self,
        index: usize,
        text: &[u8],
        headers: &[(String, Vec<u8>)],
        now: Timestamp,
    ) -> Record {
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let (source, key) = match self {
            Self::Http => (
                Source::Http { request_id: Arc::from(REQUEST_ID), index: number, element: None },
                None,
            ),
            Self::Kafka { topic, key } => {
                let source = Source::Kafka {
                    topic: Arc::clone(topic),
                    partition: 0,
                    offset: i64::from(number),
                    timestamp: Some(now.micros() / 1_000),
                    element: None,
                };
                (source, key.clone())
            }
        };
        Record {
            source,
            key,
            value: Some(text.to_vec()),
            headers: headers.to_vec(),
            received_at: Some(now),
            ingested_at: now,
        }
    }
}

fn no_payload(fault: NotJson) -> Unavailable {
    Unavailable::new(Reason::Bug, fault.to_string())
}
