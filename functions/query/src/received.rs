//! `GET /received_alerts`: the alerts that other systems posted, the newest beginning first.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::routing::get;
use axum::{Json, Router};
use drover_core::outputs::received::ReceivedPage;
use drover_http::{Credentials, Cursors, NotAdmitted, Parameters, Problem};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::access::Access;
use crate::answer::Refused;
use crate::{QueryPorts, limits};

/// A list of received alerts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceivedAlertsAnswer {
    /// The newest beginning first.
    #[schema(value_type = Vec<ReceivedAlertBody>)]
    alerts: Vec<Box<RawValue>>,
    /// The cursor of the next page; `null` on the last page.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// An alert that another system posted.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document; a received alert is stored as JSON")]
pub(crate) struct ReceivedAlertBody {
    /// The identity of the alert there; made from the labels, or from the whole, if it has none.
    #[schema(example = "0a1b2c3d4e5f6071")]
    fingerprint: String,
    /// As the sender says: `firing` or `resolved` of Alertmanager.
    status: serde_json::Value,
    /// When it began; when it was received, if the sender does not say.
    #[schema(format = DateTime)]
    starts_at: String,
    /// `null` while it lasts, or if the sender does not say.
    #[schema(format = DateTime, required = true)]
    ends_at: Option<String>,
    /// When it was received for the last time.
    #[schema(format = DateTime)]
    received_at: String,
    labels: serde_json::Value,
    annotations: serde_json::Value,
    /// The receiver in the configuration of Alertmanager.
    receiver: serde_json::Value,
    group_key: serde_json::Value,
    external_url: serde_json::Value,
    /// The alert as it was posted.
    payload: serde_json::Value,
    /// Present and true if parts were too large to keep.
    #[schema(required = false, nullable = false)]
    truncated: Option<bool>,
}

pub(crate) fn routes<W: QueryPorts + 'static>(access: Arc<Access<W>>) -> Router {
    Router::new().route("/received_alerts", get(list::<W>)).with_state(access)
}

#[utoipa::path(
    get,
    path = "/received_alerts",
    operation_id = "list_received_alerts",
    tag = "alerts",
    summary = "List the alerts that other systems posted",
    params(
        ("limit" = Option<usize>, Query, description = "Maximum number of alerts; default 50", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the previous response"),
    ),
    responses(
        (status = 200, description = "Alerts", body = ReceivedAlertsAnswer),
        Refused,
        NotAdmitted,
    ),
    security(("api_key" = ["read"]))
)]
pub(crate) async fn list<W: QueryPorts>(
    State(access): State<Arc<Access<W>>>,
    credentials: Credentials,
    RawQuery(query): RawQuery,
) -> Result<Json<ReceivedAlertsAnswer>, Problem> {
    let visit = access.admit(&credentials).await?;
    let mut parameters = Parameters::parse(query.as_deref())?;
    let limit = parameters.number("limit", 1..=limits::ALERTS, limits::ALERTS_BY_DEFAULT)?;
    let cursor = parameters.text("cursor");
    parameters.finish()?;
    let cursors = Cursors::of(&["received_alerts", visit.caller().scope.tenant().as_str()]);
    let place = |place: &[u8]| String::from_utf8(place.to_vec()).ok();
    let below = cursor.map(|cursor| cursors.read(&cursor, place)).transpose()?;
    let found = visit.received_alerts(&ReceivedPage { below, limit }).await?;
    let raw = |json: String| RawValue::from_string(json).map_err(|_| Problem::internal());
    let alerts = found.alerts.into_iter().map(raw).collect::<Result<_, _>>()?;
    let next_cursor = found.next.map(|next| cursors.write(next.as_bytes()));
    Ok(Json(ReceivedAlertsAnswer { alerts, next_cursor }))
}
