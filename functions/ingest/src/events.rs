//! `POST /api/v1/events`, and what `POST /collect` has in common with it: from a request to its
//! delivery, and from the results to an answer.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use drover_core::base::time::Timestamp;
use drover_core::intake::request::{Claim, Claimed, IdempotencyKey};
use drover_core::intake::tenant::Scope;
use drover_core::ports::EventLog;
use drover_http::{
    Caller, CorrelationId, Credentials, Fault, NotAdmitted, Parameters, Problem, counted,
};
use uuid::Uuid;

use crate::accept::{Accepted, Delivery};
use crate::answer::{BatchAnswer, EventResult, Refused};
use crate::body::{self, Events};
use crate::{FUNCTION, Ingest, IngestPorts};

/// The longest name of a contract that is looked at.
const CONTRACT_BYTES: usize = 64;
/// The longest `traceparent`: the W3C's version 00 has 55 characters.
const TRACEPARENT_BYTES: usize = 256;
/// HTTP headers that speak of a single event: CloudEvents in binary mode. Kafka calls them `ce_…`.
const CLOUD_EVENTS: &str = "ce-";
const CLOUD_EVENT_HEADERS: usize = 32;

/// A request as it came, with the caller that sent it.
pub(crate) struct Sent {
    pub(crate) headers: HeaderMap,
    pub(crate) correlation: CorrelationId,
    pub(crate) body: Vec<u8>,
}

#[utoipa::path(
    post,
    path = "/api/v1/events",
    tag = "events",
    summary = "Send events",
    description = "One event object, `{\"events\":[…]}`, a JSON array, or NDJSON; at most 100 events. \
        Each event has its own result, and one bad event never costs a good one. What is accepted is durable.",
    params(
        ("contract" = Option<String>, Query, description = "The contract that the events pass; else the tenant's default", max_length = 64, example = "telemetry"),
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
    let contract = contract.as_deref().unwrap_or(&caller.tenant.default_contract);
    let sent = Sent::of(headers, correlation, body)?;
    let answer = ingest.deliver(&caller, contract, &sent).await?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
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
                let limit = body::SENT_BYTES;
                body::too_large(&format!("the body is too large: limit=`{limit}`"))
            }
            _ => Problem::bad_request("malformed_json", "the body ended early"),
        })?;
        let body = body::unpacked(&headers, body.into())?;
        Ok(Self { headers, correlation, body })
    }
}

impl<W: IngestPorts, S: EventLog> Ingest<W, S> {
    /// Whoever may write.
    pub(crate) async fn caller(&self, credentials: &Credentials) -> Result<Caller, Problem> {
        let (now, registry) = (self.ports.now(), &self.registry);
        let admitted = self.gate.admit(credentials, Scope::Write, now, registry, &self.ports).await;
        counted(admitted, &*self.meter, FUNCTION, now)
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
        let events = body::events(&sent.body, format, caller.scope.tenant().as_str())?;
        self.within_quota(caller, events.texts().len())?;
        let (request_id, received_at) = self.identify(caller, contract, sent).await?;
        let headers = carried(sent, &events);
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

/// What goes along with each event.
fn carried(sent: &Sent, events: &Events<'_>) -> Vec<(String, Vec<u8>)> {
    let mut carried = vec![("correlation_id".to_owned(), sent.correlation.0.as_bytes().to_vec())];
    let traceparent = sent.headers.get("traceparent").map(|value| value.as_bytes());
    if let Some(traceparent) = traceparent.filter(|value| value.len() <= TRACEPARENT_BYTES) {
        carried.push(("traceparent".to_owned(), traceparent.to_vec()));
    }
    if let Events::Single(_) = events {
        let named = sent.headers.iter().filter_map(|(name, value)| {
            let attribute = name.as_str().strip_prefix(CLOUD_EVENTS)?;
            Some((format!("ce_{attribute}"), value.as_bytes().to_vec()))
        });
        carried.extend(named.take(CLOUD_EVENT_HEADERS));
    }
    carried
}

/// 202 unless every event was rejected; then why.
fn answered(
    batch_id: String,
    received_at: Timestamp,
    events: &Events<'_>,
    results: Vec<Accepted>,
) -> Result<BatchAnswer, Problem> {
    let count = |is: fn(&Accepted) -> bool| results.iter().filter(|result| is(result)).count();
    let rejected = count(|accepted| matches!(accepted.result, Some(Err(_))));
    let ignored = count(|accepted| accepted.result.is_none());
    let accepted = results.len() - rejected - ignored;
    if accepted + ignored > 0 {
        let results = results.into_iter().map(EventResult::from).collect();
        return Ok(BatchAnswer { batch_id, accepted, rejected, ignored, received_at, results });
    }
    let faults = results.iter().filter_map(|accepted| {
        let rejection = accepted.result.as_ref()?.as_ref().err()?;
        Some(Fault::of(rejection, Some(accepted.index)))
    });
    let faults: Vec<Fault> = faults.collect();
    let (code, detail) = match (events, results.as_slice()) {
        (Events::Single(_), [Accepted { result: Some(Err(rejection)), .. }]) => {
            (rejection.code.as_str(), rejection.message.clone())
        }
        _ => ("no_event_accepted", "no event of this request passed, see errors".to_owned()),
    };
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail).with_errors(faults))
}
