//! `POST /simulate_alert`: a simulated alert goes the whole way to the targets of notifications. It touches no subject
//! and no counter of alerts, and ends after a minute.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use drover_core::base::metrics::{Counts, Tally};
use drover_core::base::severity::Severity;
use drover_core::base::time::Timestamp;
use drover_core::intake::tenant::Scope;
use drover_core::ports::{DeliveryRecords, EventLog, Notifications};
use drover_core::subject::simulate::{Simulation, simulate as core_simulate};
use drover_http::sent::Sent;
use drover_http::{CorrelationId, Credentials, NotAdmitted, Parameters, Problem, ProblemBody};
use drover_intake::{Intake, IntakePorts, counted};
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};

use crate::FUNCTION;

/// The maximum length of a summary, in bytes.
const SUMMARY_BYTES: usize = 1_000;
const INVALID: &str = "invalid_parameter";
const SUMMARY: &str = "This is a test of notifications.";

/// What to simulate. The body may be empty.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SimulateRequest {
    /// The targets; absent or `null`: all targets of the tenant.
    #[schema(required = false, example = json!(["ops"]))]
    targets: Option<Vec<String>>,
    /// The severity: `info`, `warning`, `error` or `critical`.
    #[schema(required = false, value_type = String, example = "info")]
    severity: Option<Severity>,
    /// One line about it, at most 1,000 bytes.
    #[schema(required = false, max_length = 1000, example = "This is a test of notifications.")]
    summary: Option<String>,
}

/// A simulated alert.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SimulateAnswer {
    /// `GET /api/v1/alerts/{id}` shows it, and what its targets were told.
    #[schema(example = "8006431e5cdc0e00c5b1a4e8b0f7d2a9")]
    id: String,
    /// The targets that are told.
    targets: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    opened_at: Timestamp,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    closes_at: Timestamp,
}

/// Problems of simulated alerts.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
pub(crate) enum NotSimulated {
    /// `malformed_json`, `malformed_encoding`, `invalid_parameter`, `unknown_parameter`
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemBody),
    /// `no_targets`: the tenant's document has no targets
    #[response(status = 409, content_type = "application/problem+json")]
    NoTargets(ProblemBody),
    /// `too_large`
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody),
    /// `unsupported_encoding`
    #[response(status = 415, content_type = "application/problem+json")]
    Encoding(ProblemBody),
    /// `rate_limited`, with `Retry-After`
    #[response(status = 429, content_type = "application/problem+json")]
    Limited(ProblemBody),
    /// `unavailable`: send the request again
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody),
}

#[utoipa::path(
    post,
    path = "/api/v1/alerts/simulate",
    operation_id = "simulate_alert",
    tag = "alerts",
    summary = "Simulate an alert",
    description = "Sends a simulated alert to targets of notifications, marked as a test, and its end a minute later. It \
        touches no subject. `POST /simulate_alert` is the same. Also a target that is switched off is told; if it takes \
        the notification, it is on again.",
    request_body(content = Option<SimulateRequest>),
    responses(
        (status = 202, description = "The targets will be told", body = SimulateAnswer),
        NotSimulated,
        NotAdmitted,
    ),
    security(("api_key" = ["admin"]))
)]
pub(crate) async fn simulate<W: IntakePorts + DeliveryRecords + Notifications, S: EventLog>(
    State(intake): State<Arc<Intake<W, S>>>,
    credentials: Credentials,
    Extension(correlation): Extension<CorrelationId>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<SimulateAnswer>), Problem> {
    let (now, ports) = (intake.ports.now(), &intake.ports);
    let admitted =
        intake.gate.admit(credentials.proof(), Scope::Admin, now, &intake.registry, ports).await;
    let caller = credentials.admitted(counted(admitted, &*intake.meter, FUNCTION, now))?;
    Parameters::parse(query.as_deref())?.finish()?;
    let request = SimulateRequest::read(&Sent::of(headers, correlation, body)?.body)?;
    intake.within_quota(&caller, 1)?;
    let known: Vec<&str> = caller.tenant.targets.iter().map(|target| &*target.id).collect();
    let targets = request.targets(&known)?;
    let summary = request.summary.unwrap_or_else(|| SUMMARY.to_owned());
    let severity = request.severity.unwrap_or(Severity::Info);
    let simulation = Simulation { severity, summary, by: &caller.by };
    let (simulated, units) = core_simulate(ports, &caller.scope, &targets, simulation).await?;
    let mut tally = Tally::default();
    tally.of(Some(caller.scope.tenant())).merge(Counts::of_units(units));
    intake.meter.record(FUNCTION, &tally, now);
    let (id, opened_at) = (simulated.id.as_str().to_owned(), simulated.opened_at);
    let answer = SimulateAnswer { id, targets, opened_at, closes_at: simulated.closes_at() };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

impl SimulateRequest {
    fn read(body: &[u8]) -> Result<Self, Problem> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let faulty = |fault: &serde_json::Error| match fault.is_data() {
            true => Problem::at(INVALID, "", &fault.to_string()),
            false => Problem::bad_request("malformed_json", format!("invalid request: {fault}")),
        };
        let value: serde_json::Value =
            serde_json::from_slice(body).map_err(|fault| faulty(&fault))?;
        // serde reads a list as a struct, field by field.
        match value {
            serde_json::Value::Null => Ok(Self::default()),
            serde_json::Value::Object(_) => {
                let request: Self =
                    serde_json::from_value(value).map_err(|fault| faulty(&fault))?;
                match &request.summary {
                    Some(summary) if summary.len() > SUMMARY_BYTES => Err(Problem::at(
                        INVALID,
                        "/summary",
                        "the summary has more than 1,000 bytes",
                    )),
                    _ => Ok(request),
                }
            }
            _ => Err(Problem::at(INVALID, "", "the body must be an object")),
        }
    }

    /// The targets that are told, each once.
    fn targets(&self, known: &[&str]) -> Result<Vec<String>, Problem> {
        if known.is_empty() {
            let detail = "the tenant's document has no targets of notifications";
            return Err(Problem::new(StatusCode::CONFLICT, "no_targets", detail.to_owned()));
        }
        let Some(named) = &self.targets else {
            return Ok(known.iter().map(|target| (*target).to_owned()).collect());
        };
        let mut targets = named.clone();
        targets.sort_unstable();
        targets.dedup();
        let unknown = targets.iter().find(|target| !known.contains(&target.as_str()));
        match unknown {
            Some(_) => {
                let fault = format!("no such target; the targets are {}", known.join(", "));
                Err(Problem::at(INVALID, "/targets", &fault))
            }
            None if targets.is_empty() => {
                Err(Problem::at(INVALID, "/targets", "name at least one target"))
            }
            None => Ok(targets),
        }
    }
}
