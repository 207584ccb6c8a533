//! `POST /api/v1/events`, and what `POST /collect` has in common with it: from a request to its
//! delivery, and from the results to an answer.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use drover_core::base::time::Timestamp;
use drover_core::intake::contract::Syntax;
use drover_core::intake::json::without_bare_words;
use drover_core::intake::request::{Claim, Claimed, IdempotencyKey};
use drover_core::intake::tenant::Scope;
use drover_core::ports::EventLog;
use drover_http::{
    Caller, CorrelationId, Credentials, Fault, NotAdmitted, Parameters, Problem, counted,
};
use uuid::Uuid;

use crate::accept::{Accepted, Delivery};
use crate::answer::{BatchAnswer, EventResult, Refused};
use crate::body::{self, CLOUD_EVENT, Events, Format};
use crate::carried::carried;
use crate::sent::Sent;
use crate::{FUNCTION, Ingest, IngestPorts};

/// The longest name of a contract that is looked at.
const CONTRACT_BYTES: usize = 64;
/// The media type of most requests, which is no contract's.
const PLAIN_JSON: &str = "application/json";
/// The built-in contract of CloudEvents.
const CLOUD_EVENTS_CONTRACT: &str = "cloudevents";

#[utoipa::path(
    post,
    path = "/api/v1/events",
    tag = "events",
    summary = "Send events",
    description = "One event object, an object whose only member is `events`, a JSON array, NDJSON, or a CloudEvent in structured or binary mode; at most 100 events. \
        Each event has its own result, and one bad event never costs a good one. What is accepted is durable.",
    params(
        ("contract" = Option<String>, Query, description = "The contract that the events pass; else the one of the request's media type, else the tenant's default", max_length = 64, example = "telemetry"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repeated request has the same effect once, within 24 hours: 1 to 255 visible ASCII characters"),
        ("Content-Encoding" = Option<String>, Header, description = "`gzip` or `zstd`"),
    ),
    request_body(
        description = "One event, or several",
        content(
            (serde_json::Value = "application/json", example = json!({"device_id": "device-001", "event_type": "temperature", "timestamp": "2026-11-21T06:00:00Z", "payload": {"value": 21.5}})),
            (String = "application/x-ndjson", example = "{\"device_id\":\"device-001\",\"event_type\":\"battery\",\"payload\":{\"value\":80}}\n"),
        )
    ),
    responses(
        (status = 202, description = "At least one event was accepted", body = BatchAnswer),
        NotAdmitted,
        Refused,
    ),
    security(("api_key" = ["write"]))
)]
pub(crate) async fn events<W: IngestPorts, S: EventLog>(
    State(ingest): State<Arc<Ingest<W, S>>>,
    credentials: Credentials,
    Extension(correlation): Extension<CorrelationId>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<BatchAnswer>), Problem> {
    let caller = ingest.caller(&credentials).await?;
    let mut parameters = Parameters::parse(query.as_deref())?;
    let contract = parameters.text("contract");
    parameters.finish()?;
    let contract = match contract {
        Some(named) => Some(named),
        None => ingest.contract_of(&headers).await?,
    };
    let contract = contract.as_deref().unwrap_or(&caller.tenant.default_contract);
    let sent = Sent::of(headers, correlation, body)?;
    let answer = ingest.deliver(&caller, contract, &sent).await?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

impl<W: IngestPorts, S: EventLog> Ingest<W, S> {
    /// Whoever may write.
    pub(crate) async fn caller(&self, credentials: &Credentials) -> Result<Caller, Problem> {
        let (now, registry) = (self.ports.now(), &self.registry);
        let admitted = self.gate.admit(credentials, Scope::Write, now, registry, &self.ports).await;
        counted(admitted, &*self.meter, FUNCTION, now)
    }

    /// The contract of a request that names none: that of its media type, or of its mode.
    async fn contract_of(&self, headers: &HeaderMap) -> Result<Option<String>, Problem> {
        let named = match body::media_type(headers).filter(|name| name != PLAIN_JSON) {
            Some(media_type) => {
                let now = self.ports.now();
                self.registry.contract_of_media_type(&media_type, now, &self.ports).await?
            }
            None => None,
        };
        let binary = headers.contains_key(CLOUD_EVENT);
        Ok(named.or_else(|| binary.then(|| CLOUD_EVENTS_CONTRACT.to_owned())))
    }

    /// Takes a request to its answer.
    pub(crate) async fn deliver(
        &self,
        caller: &Caller,
        contract: &str,
        sent: &Sent,
    ) -> Result<BatchAnswer, Problem> {
        if contract.len() > CONTRACT_BYTES {
            return Err(Problem::invalid_parameter("contract", "longer than any contract's name"));
        }
        let format = body::format(&sent.headers)?;
        let compiled = self.registry.contract(contract, self.ports.now(), &self.ports).await?;
        let compiled = compiled.as_deref();
        let relaxed = compiled
            .filter(|compiled| compiled.syntax() == Syntax::Lenient && format != Format::Data)
            .and_then(|_| without_bare_words(&sent.body));
        let events = body::events(relaxed.as_deref().unwrap_or(&sent.body), format)?;
        self.within_quota(caller, events.texts().len())?;
        let (request_id, received_at) = self.identify(caller, contract, sent).await?;
        let headers = carried(sent, format, &events, compiled);
        let delivery = Delivery {
            caller,
            contract,
            texts: events.texts(),
            request_id: Arc::from(request_id.as_str()),
            headers,
            received_at,
        };
        let results = self.accept(delivery).await?;
        answered(request_id, received_at, &events, results)
    }

    pub(crate) fn within_quota(&self, caller: &Caller, events: usize) -> Result<(), Problem> {
        let (tenant, quota) = (caller.scope.tenant(), caller.tenant.quota);
        Ok(self.quotas.take(tenant, quota, events, self.ports.now())?)
    }

    /// The id of a request and when it was first received. Under an idempotency key both are those
    /// of the first time.
    async fn identify(
        &self,
        caller: &Caller,
        contract: &str,
        sent: &Sent,
    ) -> Result<(String, Timestamp), Problem> {
        let now = self.ports.now();
        let Some(key) = idempotency_key(&sent.headers)? else {
            return Ok((Uuid::new_v4().to_string(), now));
        };
        let claim = Claim::new(&caller.scope, &key, contract, &sent.body, now);
        let received_at = match self.ports.claim(&claim).await? {
            Claimed::First => now,
            Claimed::Before(made) if made.body == claim.made.body => made.received_at,
            Claimed::Before(_) => {
                return Err(Problem::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "idempotency_mismatch",
                    "this idempotency key was used for another body or contract",
                ));
            }
        };
        Ok((claim.request_id, received_at))
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().and_then(IdempotencyKey::parse);
    key.map(Some).ok_or_else(|| {
        Problem::invalid_parameter("Idempotency-Key", "not 1 to 255 visible ASCII characters")
    })
}

/// 202 when at least one was accepted or ignored, else why none was.
fn answered(
    batch_id: String,
    received_at: Timestamp,
    events: &Events<'_>,
    results: Vec<Accepted>,
) -> Result<BatchAnswer, Problem> {
    let rejected = results.iter().filter(|result| result.is_err()).count();
    let ignored = results.iter().filter(|result| matches!(result, Ok(None))).count();
    let accepted = results.len() - rejected - ignored;
    if accepted + ignored > 0 {
        let results = results.into_iter().enumerate().map(|(index, result)| match result {
            Ok(Some(event_id)) => EventResult::Accepted { index, event_id },
            Ok(None) => EventResult::Ignored { index },
            Err(rejection) => EventResult::Rejected { index, error: rejection.into() },
        });
        let results = results.collect();
        return Ok(BatchAnswer { batch_id, accepted, rejected, ignored, received_at, results });
    }
    let faults = results
        .iter()
        .enumerate()
        .filter_map(|(index, result)| Some(Fault::of(result.as_ref().err()?, Some(index))));
    let faults: Vec<Fault> = faults.collect();
    let (code, detail) = match (events, results.first()) {
        (Events::Single(_), Some(Err(rejection))) => {
            (rejection.code.as_str(), rejection.message.clone())
        }
        _ => ("no_event_accepted", "no event of this request passed, see errors".to_owned()),
    };
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail).with_errors(faults))
}
