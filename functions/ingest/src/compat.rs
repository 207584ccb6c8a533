//! The routes of the systems that Drover replaces, unchanged for their clients.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use drover_core::base::time::Timestamp;
use drover_core::ports::{DeliveryRecords, EventLog, Notifications, ReceivedAlerts};
use drover_http::sent::Sent;
use drover_http::{CorrelationId, Credentials, NotAdmitted, Parameters, Problem, ProblemBody};
use drover_intake::body::Events;
use drover_intake::submission::tracing_headers;
use drover_intake::{Accepted, ContractName, Intake, IntakePorts, Submission};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{CollectAnswer, Refused};
use crate::events::{caller, deliver};
use crate::received::{NotReceived, ReceivedAnswer, receive};
use crate::simulated::{NotSimulated, SimulateAnswer, SimulateRequest, simulate};

const LEARNING: &str = "learning";
const MESSAGE: &str = "message";

/// The answer of `GET /current_time`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CurrentTime {
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    #[schema(example = "Hello Ada")]
    message: String,
}

/// The answer of `GET /hello`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Hello {
    #[schema(example = "Hello World!")]
    message: &'static str,
}

#[utoipa::path(
    post,
    path = "/collect",
    tag = "events",
    summary = "Send learner events",
    description = "The same as `POST /api/v1/events?contract=learning`, with the answer that learning clients expect.",
    request_body(content = serde_json::Value, content_type = "application/json", example = json!({"events": [{
        "learner_id": "l-9", "course_id": "c-1", "lesson_id": "s-1", "event_type": "lesson_started",
        "event_data": {}, "timestamp": "2026-11-21T06:00:00Z"
    }]})),
    responses(
        (status = 202, description = "At least one event was accepted", body = CollectAnswer),
        NotAdmitted,
        Refused,
    ),
    security(("api_key" = ["write"]))
)]
pub(crate) async fn collect<W: IntakePorts, S: EventLog>(
    State(intake): State<Arc<Intake<W, S>>>,
    credentials: Credentials,
    Extension(correlation): Extension<CorrelationId>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<CollectAnswer>), Problem> {
    let caller = caller(&intake, &credentials).await?;
    Parameters::parse(query.as_deref())?.finish()?;
    let sent = Sent::of(headers, correlation, body)?;
    let answer = deliver(&intake, &caller, Some(LEARNING), &sent).await?;
    Ok((StatusCode::ACCEPTED, Json(answer.into())))
}

#[utoipa::path(
    post,
    path = "/alert",
    tag = "alerts",
    summary = "Receive alerts of other systems",
    description = "The same as `POST /api/v1/alerts/webhook`.",
    request_body(content = serde_json::Value, content_type = "application/json"),
    responses(
        (status = 200, description = "Every alert is stored", body = ReceivedAnswer),
        NotReceived,
        NotAdmitted,
    ),
    security(("api_key" = ["write"]))
)]
pub(crate) async fn alert<W: IntakePorts + ReceivedAlerts, S: EventLog>(
    intake: State<Arc<Intake<W, S>>>,
    credentials: Credentials,
    correlation: Extension<CorrelationId>,
    query: RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ReceivedAnswer>, Problem> {
    receive(intake, credentials, correlation, query, headers, body).await
}

#[utoipa::path(
    post,
    path = "/simulate_alert",
    tag = "alerts",
    summary = "Simulate an alert",
    description = "The same as `POST /api/v1/alerts/simulate`.",
    request_body(content = Option<SimulateRequest>),
    responses(
        (status = 202, description = "The targets will be told", body = SimulateAnswer),
        NotSimulated,
        NotAdmitted,
    ),
    security(("api_key" = ["admin"]))
)]
pub(crate) async fn simulate_alert<
    W: IntakePorts + DeliveryRecords + Notifications,
    S: EventLog,
>(
    intake: State<Arc<Intake<W, S>>>,
    credentials: Credentials,
    correlation: Extension<CorrelationId>,
    query: RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<SimulateAnswer>), Problem> {
    simulate(intake, credentials, correlation, query, headers, body).await
}

#[utoipa::path(
    get,
    path = "/current_time",
    tag = "events",
    summary = "Say hello, and publish it as a message event",
    params(("name" = Option<String>, Query, description = "The name of the greeted user; the subject of the event is `user/NAME`", example = "Ada")),
    responses(
        (status = 200, description = "The greeting was published", body = CurrentTime),
        (status = 400, description = "`unknown_parameter`, `invalid_parameter`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`rate_limited`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`: retry the request", body = ProblemBody, content_type = "application/problem+json"),
        NotAdmitted,
    ),
    security(("api_key" = ["write"]))
)]
pub(crate) async fn current_time<W: IntakePorts, S: EventLog>(
    State(intake): State<Arc<Intake<W, S>>>,
    credentials: Credentials,
    Extension(correlation): Extension<CorrelationId>,
    RawQuery(query): RawQuery,
) -> Result<Json<CurrentTime>, Problem> {
    let caller = caller(&intake, &credentials).await?;
    let mut parameters = Parameters::parse(query.as_deref())?;
    let name = parameters.text("name").unwrap_or_else(|| "World".to_owned());
    parameters.finish()?;
    let (timestamp, message) = (intake.ports.now(), format!("Hello {name}"));
    let id = Uuid::new_v4().to_string();
    let event = json!({"id": id, "user": name, "message": message, "timestamp": timestamp});
    let text = event.to_string();
    let submission = Submission {
        contract: ContractName::chosen(Some(MESSAGE), &caller.tenant)?,
        events: &Events::single(text.as_bytes()),
        idempotency: None,
        headers: tracing_headers(&correlation.0, None),
    };
    match intake.submit(&caller, submission).await?.results.pop() {
        Some(Accepted { result: None | Some(Ok(_)), .. }) => {
            Ok(Json(CurrentTime { timestamp, message }))
        }
        Some(Accepted { result: Some(Err(rejection)), .. }) => {
            Err(Problem::invalid_parameter("name", &rejection.message))
        }
        None => Err(Problem::internal()),
    }
}

#[utoipa::path(
    get,
    path = "/hello",
    tag = "events",
    summary = "Say hello",
    responses(
        (status = 200, description = "Hello", body = Hello),
        (status = 406, description = "`not_acceptable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn hello() -> Json<Hello> {
    Json(Hello { message: "Hello World!" })
}
