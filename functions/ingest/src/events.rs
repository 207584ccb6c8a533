//! `POST /api/v1/events`, and the code that it shares with `POST /collect`: delivers the events of a request
//! and makes the answer from the results.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use drover_core::intake::contract::{Arrays, Contract};
use drover_core::ports::EventLog;
use drover_http::sent::Sent;
use drover_http::sent::carried::carried;
use drover_http::{CorrelationId, Credentials, Fault, NotAdmitted, Parameters, Problem};
use drover_intake::body::{self, Events};
use drover_intake::{Accepted, Batch, Caller, ContractName, Intake, IntakePorts, Submission};

use crate::answer::{BatchAnswer, EventResult, Refused, ValidationAnswer};

/// The media type of most requests. It never selects a contract.
const PLAIN_JSON: &str = "application/json";
/// The built-in contract of CloudEvents.
const CLOUD_EVENTS_CONTRACT: &str = "cloudevents";

#[utoipa::path(
    post,
    path = "/api/v1/events",
    tag = "events",
    summary = "Send events",
    description = "One event object, an object whose only member is `events`, a JSON array, NDJSON, or a CloudEvent in structured or binary mode; at most 100 events. \
        A contract with `\"array\": \"record\"` reads a JSON array as one event. \
        Each event has its own result: a bad event never costs a good event. Accepted events are durable.",
    params(
        ("contract" = Option<String>, Query, description = "The contract of the events; by default the contract of the request's media type, or else the tenant's default contract", max_length = 64, example = "telemetry"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repeated request has the same effect once, within 24 hours: 1 to 255 visible ASCII characters"),
        ("Content-Encoding" = Option<String>, Header, description = "`gzip` or `zstd`"),
    ),
    request_body(
        description = "One or more events",
        content(
            (serde_json::Value = "application/json", example = json!({"device_id": "device-001", "event_type": "temperature", "timestamp": "2026-11-21T06:00:00Z", "payload": {"value": 21.5}})),
            (String = "application/x-ndjson", example = "{\"device_id\":\"device-001\",\"event_type\":\"battery\",\"payload\":{\"value\":80}}\n"),
        )
    ),
    responses(
        (status = 202, description = "At least one event was accepted", body = BatchAnswer),
        (status = 200, description = "The answer to a validation event of Azure Event Grid (header `aeg-event-type: SubscriptionValidation`), if the operator allows its origin; the validation event is not stored", body = ValidationAnswer),
        NotAdmitted,
        Refused,
    ),
    security(("api_key" = ["write"]))
)]
pub(crate) async fn events<W: IntakePorts, S: EventLog>(
    State(intake): State<Arc<Intake<W, S>>>,
    credentials: Credentials,
    Extension(correlation): Extension<CorrelationId>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<BatchAnswer>), Problem> {
    let caller = caller(&intake, &credentials).await?;
    let mut parameters = Parameters::parse(query.as_deref())?;
    let contract = parameters.text("contract");
    parameters.finish()?;
    let sent = Sent::of(headers, correlation, body)?;
    let answer = deliver(&intake, &caller, contract.as_deref(), &sent).await?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// Authenticates the caller of a request.
pub(crate) async fn caller<W: IntakePorts, S: EventLog>(
    intake: &Intake<W, S>,
    credentials: &Credentials,
) -> Result<Caller, Problem> {
    credentials.admitted(intake.caller(credentials.proof()).await)
}

/// The contract of a request without the parameter `contract`: by its media type, or the contract of
/// CloudEvents if the request is a CloudEvent in binary mode.
async fn contract_of<W: IntakePorts, S: EventLog>(
    intake: &Intake<W, S>,
    sent: &Sent,
) -> Result<Option<String>, Problem> {
    let named = match sent.media_type().filter(|name| name != PLAIN_JSON) {
        Some(media_type) => intake.contract_of_media_type(&media_type).await?,
        None => None,
    };
    Ok(named.or_else(|| sent.is_cloud_event().then(|| CLOUD_EVENTS_CONTRACT.to_owned())))
}

/// Delivers the events of a request and returns the answer.
pub(crate) async fn deliver<W: IntakePorts, S: EventLog>(
    intake: &Intake<W, S>,
    caller: &Caller,
    contract: Option<&str>,
    sent: &Sent,
) -> Result<BatchAnswer, Problem> {
    let of_media_type = match contract {
        Some(_) => None,
        None => contract_of(intake, sent).await?,
    };
    let contract = ContractName::chosen(contract.or(of_media_type.as_deref()), &caller.tenant)?;
    let compiled = intake.contract(contract).await?;
    let compiled = compiled.as_deref();
    let format = sent.format(compiled)?;
    let relaxed = sent.relaxed(format, compiled);
    let arrays = compiled.map_or(Arrays::default(), Contract::arrays);
    let events = body::events(relaxed.as_deref().unwrap_or(&sent.body), format, arrays)?;
    let submission = Submission {
        contract,
        events: &events,
        idempotency: sent.idempotency(),
        headers: carried(sent, format, &events, compiled),
    };
    let batch = intake.submit(caller, submission).await?;
    answered(batch, &events)
}

/// Makes the answer of a request.
///
/// # Errors
/// 422: every event was rejected. A single event gives its own code.
fn answered(batch: Batch, events: &Events<'_>) -> Result<BatchAnswer, Problem> {
    let (accepted, ignored) = (batch.accepted(), batch.ignored());
    let Batch { id: batch_id, received_at, results } = batch;
    let rejected = results.len() - accepted - ignored;
    if accepted + ignored > 0 {
        let results = results.into_iter().map(EventResult::from).collect();
        return Ok(BatchAnswer { batch_id, accepted, rejected, ignored, received_at, results });
    }
    let faults = results.iter().filter_map(|accepted| {
        let rejection = accepted.result.as_ref()?.as_ref().err()?;
        Some(Fault::of(rejection, Some(accepted.index)))
    });
    let faults: Vec<Fault> = faults.collect();
    let (code, detail) = match results.as_slice() {
        [Accepted { result: Some(Err(rejection)), .. }] if events.is_single() => {
            (rejection.code.as_str(), rejection.message.clone())
        }
        _ => {
            ("no_event_accepted", "every event of the request was rejected, see errors".to_owned())
        }
    };
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail).with_errors(faults))
}
