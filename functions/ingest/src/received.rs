//! `POST /alert`: the webhook of Prometheus Alertmanager, and alerts of other systems in any form. They are kept beside
//! the tenant's own alerts.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use drover_core::base::error::{Code, Rejection};
use drover_core::base::metrics::{Counts, Tally};
use drover_core::outputs::received::read;
use drover_core::ports::{EventLog, ReceivedAlerts};
use drover_http::sent::Sent;
use drover_http::{
    CorrelationId, Credentials, Fault, NotAdmitted, Parameters, Problem, ProblemBody,
};
use drover_intake::{Intake, IntakePorts};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::FUNCTION;
use crate::events::caller;

/// The answer to received alerts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceivedAnswer {
    /// The number of alerts that are stored.
    #[schema(example = 1)]
    received: usize,
}

/// Problems of received alerts.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
pub(crate) enum NotReceived {
    /// `malformed_json`, `malformed_encoding`, `unknown_parameter`
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemBody),
    /// `too_large`: more than 1,000 alerts, 1 MB as sent, or 8 MB unpacked
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
    path = "/api/v1/alerts/webhook",
    operation_id = "receive_alerts",
    tag = "alerts",
    summary = "Receive alerts of other systems",
    description = "Takes what the webhook of Prometheus Alertmanager (version 4) posts, a list of alerts, or one alert \
        as an object of any form. `POST /alert` is the same. An alert with the same fingerprint and start replaces the \
        one before. Alerts are kept for 90 days after they were last received; `GET /received_alerts` lists them.",
    request_body(content = serde_json::Value, content_type = "application/json", example = json!({
        "version": "4", "status": "firing", "receiver": "drover", "alerts": [{
            "status": "firing", "labels": {"alertname": "Down"}, "annotations": {"summary": "it is down"},
            "startsAt": "2026-11-21T06:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "0a1b2c3d4e5f6071"
        }]
    })),
    responses(
        (status = 200, description = "Every alert is stored", body = ReceivedAnswer),
        NotReceived,
        NotAdmitted,
    ),
    security(("api_key" = ["write"]))
)]
pub(crate) async fn receive<W: IntakePorts + ReceivedAlerts, S: EventLog>(
    State(intake): State<Arc<Intake<W, S>>>,
    credentials: Credentials,
    Extension(correlation): Extension<CorrelationId>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ReceivedAnswer>, Problem> {
    let caller = caller(&intake, &credentials).await?;
    Parameters::parse(query.as_deref())?.finish()?;
    let sent = Sent::of(headers, correlation, body)?;
    let now = intake.ports.now();
    let alerts = read(&sent.body, now).map_err(|rejection| refused(&rejection))?;
    intake.within_quota(&caller, alerts.len().max(1))?;
    let units = intake.ports.put_received(&caller.scope, &alerts).await?;
    let mut tally = Tally::default();
    tally.of(Some(caller.scope.tenant())).merge(Counts::of_units(units));
    intake.meter.record(FUNCTION, &tally, now);
    Ok(Json(ReceivedAnswer { received: alerts.len() }))
}

fn refused(rejection: &Rejection) -> Problem {
    let status = match rejection.code {
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    let problem = Problem::new(status, rejection.code.as_str(), rejection.message.clone());
    problem.with_errors(vec![Fault::of(rejection, None)])
}
