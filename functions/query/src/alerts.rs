//! `GET /api/v1/alerts…`: the tenant's alerts, the newest first.
//!
//! The time of an alert is when it first opened: it does not move, so that pages stay as they are.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::routing::get;
use axum::{Json, Router};
use drover_core::base::id::{SubjectId, SubjectKey};
use drover_core::base::limits::RULE_ID_BYTES;
use drover_core::base::severity::Severity;
use drover_core::base::time::Timestamp;
use drover_core::outputs::alerts::{Alert, AlertId, AlertList, AlertPage, AlertState, time_key};
use drover_http::alert_body::{AlertBody, ToldAlertBody};
use drover_http::{Credentials, Cursors, NotAdmitted, Parameters, Problem, ProblemBody};
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoResponses, ToSchema};

use crate::access::{Access, Visit};
use crate::answer::Refused;
use crate::{QueryPorts, limits};

/// A list of alerts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlertsAnswer {
    /// The newest first, by the time at which they first opened.
    #[schema(value_type = Vec<AlertBody>)]
    alerts: Vec<Value>,
    /// The cursor of the next page; `null` on the last page. A page may be short, or empty, and another one follow.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// Problems of an alert that does not exist.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
pub(crate) enum NoAlert {
    /// `not_found`: the tenant has no alert with this id
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody),
}

/// Which alerts are asked for.
#[derive(Debug, Default)]
struct Filter {
    state: Option<AlertState>,
    severity: Option<Severity>,
    rule: Option<String>,
    subject: Option<SubjectId>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

pub(crate) fn routes<W: QueryPorts + 'static>(access: Arc<Access<W>>) -> Router {
    Router::new()
        .route("/api/v1/alerts", get(list::<W>))
        .route("/api/v1/alerts/{id}", get(one::<W>))
        .with_state(access)
}

#[utoipa::path(
    get,
    path = "/api/v1/alerts",
    operation_id = "list_alerts",
    tag = "alerts",
    summary = "List alerts, the newest first",
    description = "Lists alerts by the time at which they first opened. A new or changed alert may appear shortly \
        after its event. Alerts are kept for 90 days after they closed.",
    params(
        ("state" = Option<String>, Query, description = "Only alerts in this state: `firing`, `resolved` or `retracted`", example = "firing"),
        ("severity" = Option<String>, Query, description = "Only alerts of this severity: `info`, `warning`, `error` or `critical`", example = "critical"),
        ("rule" = Option<String>, Query, description = "Only alerts of this rule", max_length = 64, example = "hot"),
        ("subject" = Option<String>, Query, description = "Only alerts of this subject, as `kind/id`", example = "device/d-1"),
        ("from" = Option<String>, Query, description = "Only alerts that first opened at this time or later; RFC 3339", example = "2026-11-21T06:00:00Z"),
        ("to" = Option<String>, Query, description = "Only alerts that first opened before this time; RFC 3339", example = "2026-11-22T06:00:00Z"),
        ("limit" = Option<usize>, Query, description = "Maximum number of alerts; default 50", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the previous response"),
    ),
    responses(
        (status = 200, description = "Alerts", body = AlertsAnswer),
        Refused,
        NotAdmitted,
    ),
    security(("api_key" = ["read"]))
)]
pub(crate) async fn list<W: QueryPorts>(
    State(access): State<Arc<Access<W>>>,
    credentials: Credentials,
    RawQuery(query): RawQuery,
) -> Result<Json<AlertsAnswer>, Problem> {
    let visit = access.admit(&credentials).await?;
    let mut parameters = Parameters::parse(query.as_deref())?;
    let filter = Filter::read(&mut parameters)?;
    let limit = parameters.number("limit", 1..=limits::ALERTS, limits::ALERTS_BY_DEFAULT)?;
    let cursor = parameters.text("cursor");
    parameters.finish()?;
    let question = format!("{filter:?}");
    let cursors =
        Cursors::of(&["alerts", visit.caller().scope.tenant().as_str(), question.as_str()]);
    let below = cursor.map(|cursor| cursors.read(&cursor, id_of)).transpose()?;
    let (found, next) = filter.find(&visit, below, limit).await?;
    let mut alerts = Vec::with_capacity(found.len());
    for (subject, alert) in &found {
        alerts.push(visit.shown_alert(subject, alert).await?);
    }
    let next_cursor = next.map(|next| cursors.write(next.as_bytes()));
    Ok(Json(AlertsAnswer { alerts, next_cursor }))
}

#[utoipa::path(
    get,
    path = "/api/v1/alerts/{id}",
    operation_id = "get_alert",
    tag = "alerts",
    summary = "Read an alert",
    description = "Reads an alert, and what the targets of notifications were told of it. A simulated alert has the \
        member `test`.",
    params(("id" = String, Path, description = "The id of the alert", max_length = 32, example = "8006431e5cdc0e00c5b1a4e8b0f7d2a9")),
    responses(
        (status = 200, description = "The alert", body = ToldAlertBody),
        Refused,
        NoAlert,
        NotAdmitted,
    ),
    security(("api_key" = ["read"]))
)]
pub(crate) async fn one<W: QueryPorts>(
    State(access): State<Arc<Access<W>>>,
    credentials: Credentials,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    let visit = access.admit(&credentials).await?;
    let Path(id) = path.map_err(|_| Problem::invalid_parameter("id", "the path is not UTF-8"))?;
    Parameters::parse(query.as_deref())?.finish()?;
    let unknown = || Problem::not_found("the tenant has no alert with this id");
    let id = AlertId::parse(&id).ok_or_else(unknown)?;
    let AlertList { alerts, .. } = visit.alerts(&AlertPage::of_id(&id)).await?;
    let deliveries = visit.deliveries(&id).await?;
    let mut shown = match alerts.first() {
        Some((subject, alert)) => visit.shown_alert(subject, alert).await?,
        None => {
            let simulated = deliveries.simulated()?.ok_or_else(unknown)?;
            simulated.to_json(access.ports.now())
        }
    };
    if let Value::Object(members) = &mut shown {
        members.insert("notified".to_owned(), deliveries.to_json()?);
    }
    Ok(Json(shown))
}

/// The place in a cursor: an id.
fn id_of(place: &[u8]) -> Option<String> {
    let id = AlertId::parse(std::str::from_utf8(place).ok()?)?;
    Some(id.as_str().to_owned())
}

impl Filter {
    fn read(parameters: &mut Parameters) -> Result<Self, Problem> {
        let state = one_of(parameters, "state", &AlertState::ALL, AlertState::as_str)?;
        let severity = one_of(parameters, "severity", &Severity::ALL, Severity::as_str)?;
        let rule = parameters.text("rule");
        if rule.as_ref().is_some_and(|rule| rule.len() > RULE_ID_BYTES) {
            return Err(Problem::invalid_parameter("rule", "must be the name of a rule"));
        }
        let subject = parameters.text("subject").map(|subject| SubjectId::parse(&subject));
        let subject = subject.transpose().map_err(|rejection| Problem::invalid_id(&rejection))?;
        let (from, to) = (parameters.time("from")?, parameters.time("to")?);
        Ok(Self { state, severity, rule, subject, from, to })
    }

    fn takes(&self, alert: &Alert) -> bool {
        self.state.is_none_or(|state| alert.state() == state)
            && self.severity.is_none_or(|severity| alert.episode.severity == severity)
            && self.rule.as_ref().is_none_or(|rule| *alert.episode.rule == **rule)
    }

    /// The alerts of a page, and the id below which the next page begins. The number of reads is limited, whatever the
    /// filter leaves out.
    async fn find<W: QueryPorts>(
        &self,
        visit: &Visit<'_, W>,
        mut below: Option<String>,
        limit: usize,
    ) -> Result<(Vec<(SubjectKey, Alert)>, Option<String>), Problem> {
        let mut found = Vec::new();
        for _ in 0..limits::ALERT_READS {
            let AlertList { alerts, next, .. } = self.page(visit, below.clone(), limit).await?;
            for (subject, alert) in alerts {
                if found.len() == limit {
                    return Ok((found, below));
                }
                below = Some(alert.id.as_str().to_owned());
                if self.takes(&alert) {
                    found.push((subject, alert));
                }
            }
            below = next;
            if below.is_none() || found.len() == limit {
                return Ok((found, below));
            }
        }
        Ok((found, below))
    }

    async fn page<W: QueryPorts>(
        &self,
        visit: &Visit<'_, W>,
        below: Option<String>,
        limit: usize,
    ) -> Result<AlertList, Problem> {
        let to = self.to.map(time_key);
        let below = match (below, to) {
            (Some(below), Some(to)) => Some(below.min(to)),
            (below, to) => below.or(to),
        };
        let from = self.from.map(time_key);
        let only_open = self.state == Some(AlertState::Firing);
        match &self.subject {
            None => Ok(visit.alerts(&AlertPage { only_open, from, below, limit }).await?),
            Some(subject) => {
                let all = AlertPage { only_open, from, below, limit: usize::MAX };
                Ok(visit.alerts_of(subject, &all).await?)
            }
        }
    }
}

/// The value of a parameter that has one of these names.
fn one_of<T: Copy>(
    parameters: &mut Parameters,
    parameter: &str,
    values: &[T],
    name: fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(text) = parameters.text(parameter) else { return Ok(None) };
    let found = values.iter().copied().find(|value| name(*value) == text);
    let names: Vec<&str> = values.iter().map(|value| name(*value)).collect();
    let fault = || format!("must be one of {}", names.join(", "));
    found.map(Some).ok_or_else(|| Problem::invalid_parameter(parameter, &fault()))
}
