//! `POST /api/v1/events`, and what `POST /collect` has in common with it: from a request to its
//! delivery, and from the results to an answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use drover_core::base::time::Timestamp;
use drover_core::intake::contract::{Contract, Syntax};
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
use crate::{FUNCTION, Ingest, IngestPorts};

/// The longest name of a contract that is looked at.
const CONTRACT_BYTES: usize = 64;
/// The longest `traceparent`: the W3C's version 00 has 55 characters.
const TRACEPARENT_BYTES: usize = 256;
/// HTTP headers that speak of a single event: CloudEvents in binary mode. Kafka calls them `ce_…`.
const CLOUD_EVENTS: &str = "ce-";
const CLOUD_EVENT_HEADERS: usize = 32;
/// The longest header that goes along with an event because its contract names it.
const HEADER_BYTES: usize = 4096;
/// Headers that prove who sends, and the encoding that is undone: they go along with no event.
const NEVER_CARRIED: [&str; 7] = [
    "authorization",
    "content-encoding",
    "cookie",
    "proxy-authorization",
    "x-amz-security-token",
    "x-api-key",
    "x-forwarded-authorization",
];
/// The media type of most requests, which is no contract's.
const PLAIN_JSON: &str = "application/json";
/// The built-in contract of CloudEvents.
const CLOUD_EVENTS_CONTRACT: &str = "cloudevents";

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

/// What goes along with each event.
fn carried(
    sent: &Sent,
    format: Format,
    events: &Events<'_>,
    contract: Option<&Contract>,
) -> Vec<(String, Vec<u8>)> {
    let mut carried = vec![("correlation_id".to_owned(), sent.correlation.0.as_bytes().to_vec())];
    let traceparent = sent.headers.get("traceparent").map(|value| value.as_bytes());
    if let Some(traceparent) = traceparent.filter(|value| value.len() <= TRACEPARENT_BYTES) {
        carried.push(("traceparent".to_owned(), traceparent.to_vec()));
    }
    if let Events::Single(_) = events {
        let named = sent.headers.iter().filter_map(|(name, value)| {
            let attribute = name.as_str().strip_prefix(CLOUD_EVENTS)?;
            Some((format!("ce_{attribute}"), percent_decoded(value.as_bytes())))
        });
        carried.extend(named.take(CLOUD_EVENT_HEADERS));
    }
    let mut names: BTreeSet<String> =
        contract.into_iter().flat_map(Contract::headers).map(str::to_ascii_lowercase).collect();
    if format == Format::Data || contract.is_some_and(Contract::reads_media_type) {
        names.insert("content-type".to_owned());
    }
    for name in names {
        let taken = carried.iter().any(|(known, _)| *known == name);
        let value = sent.headers.get(&name).map(|value| value.as_bytes());
        if let Some(value) = value.filter(|value| !taken && value.len() <= HEADER_BYTES)
            && !NEVER_CARRIED.contains(&name.as_str())
        {
            carried.push((name, value.to_vec()));
        }
    }
    carried
}

/// Attributes of CloudEvents are percent-encoded in headers of HTTP (its protocol binding, section 3.1.3.2).
/// What is no such code stays.
fn percent_decoded(value: &[u8]) -> Vec<u8> {
    let hex = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, behind)) = rest.split_first() {
        let code = match (first, behind) {
            (b'%', [high, low, ..]) => hex(high).zip(hex(low)),
            _ => None,
        };
        match code {
            Some((high, low)) => {
                decoded.push(high * 16 + low);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(*first);
                rest = behind;
            }
        }
    }
    decoded
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
