//! Acts on alerts over HTTP: a person acknowledges, pauses or closes an alert of its tenant.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::routing::post;
use axum::{Json, Router};
use drover_core::base::cost::Units;
use drover_core::base::metrics::{AlertMetric, Counts};
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::letter::Owner;
use drover_core::intake::tenant::Scope;
use drover_core::outputs::alerts::AlertId;
use drover_core::outputs::alerts::acting::Refusal;
use drover_core::outputs::alerts::acts::{Act, Remark};
use drover_core::subject::alerts::act::{NotActed, act};
use drover_core::subject::alerts::shown::shown;
use drover_http::alert_body::AlertBody;
use drover_http::{Credentials, NotAdmitted, Parameters, Problem, ProblemBody};
use drover_intake::Caller;
use lambda_http::http::StatusCode;
use serde_json::Value;
use utoipa::{IntoResponses, ToSchema};

use crate::answer::{Limited, Malformed, Unknown};
use crate::{Environment, ReplayPorts, ReplaySources, limits, object};

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// The path of an act; `{act}` is one of [`ACTS`].
const ACT_PATH: &str = "/api/v1/alerts/{id}/{act}";
const ACTS: &str = "acknowledge, snooze, disable, enable, close";

/// What a person says. The body may be empty, except for `snooze`.
#[derive(Debug, Default, PartialEq, Eq, ToSchema)]
pub(crate) struct ActRequest {
    /// Why, for others; at most 1,000 bytes.
    #[schema(required = false, max_length = 1000, example = "on it")]
    note: Option<String>,
    /// Only for `snooze`, and required there: until when nobody is told. In the future, at most 31 days ahead;
    /// RFC 3339.
    #[schema(required = false, format = DateTime, example = "2026-11-21T08:00:00Z")]
    until: Option<String>,
}

/// The act, as the path names it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
#[schema(rename_all = "lowercase")]
enum ActName {
    Acknowledge,
    Snooze,
    Disable,
    Enable,
    Close,
}

/// Further problems of an act.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
pub(crate) enum Impossible {
    /// `alert_over`: the alert is resolved or retracted. `alert_not_latching`: it closes by itself. `alert_holds`: its
    /// condition still holds
    #[response(status = 409, content_type = "application/problem+json")]
    Refused(ProblemBody),
    /// `too_large`
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody),
}

pub(crate) fn routes<W, B>() -> Router<Arc<Environment<W, B>>>
where
    W: ReplayPorts + 'static,
    B: ReplaySources + 'static,
{
    Router::new()
        .route(ACT_PATH, post(act_on_alert::<W, B>))
        .layer(DefaultBodyLimit::max(limits::ACT_BODY_BYTES))
}

#[utoipa::path(
    post,
    path = ACT_PATH,
    operation_id = "act_on_alert",
    tag = "alerts",
    summary = "Acknowledge, snooze, disable, enable or close an alert",
    description = "Records what a person does about a firing alert, with the name of the credentials, the time and a \
        note. `acknowledge`: somebody takes care of it. `snooze`: nobody is told until a time. `disable`: nobody is \
        told until it is enabled. `enable`: ends both. `close`: closes an alert whose rule has `latch`, after its \
        condition no longer holds. An act never changes when a condition held.",
    params(
        ("id" = String, Path, description = "The id of the alert", max_length = 32, example = "8006431e5cdc0e00c5b1a4e8b0f7d2a9"),
        ("act" = inline(ActName), Path, description = "What to do", example = "acknowledge"),
    ),
    request_body(content = Option<ActRequest>, description = "Why, and until when"),
    responses(
        (status = 200, description = "The alert afterwards", body = AlertBody),
        Malformed,
        Limited,
        Unknown,
        Impossible,
        NotAdmitted,
    ),
    security(("api_key" = ["admin"]))
)]
pub(crate) async fn act_on_alert<W: ReplayPorts, B: ReplaySources>(
    State(environment): State<Arc<Environment<W, B>>>,
    credentials: Credentials,
    path: Result<Path<(String, String)>, PathRejection>,
    RawQuery(query): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Problem> {
    let caller = environment.caller(&credentials, Scope::Admin).await?;
    let now = environment.ports.now();
    environment.quotas.take(&caller.tenant, now)?;
    Parameters::parse(query.as_deref())?.finish()?;
    let fault = |_| Problem::invalid_parameter("id", "the path is not UTF-8");
    let Path((id, name)) = path.map_err(fault)?;
    let body = object::body(body, limits::ACT_BODY_BYTES)?;
    let id = AlertId::parse(&id).ok_or_else(|| refused(NotActed::Unknown))?;
    let (act, note) = ActRequest::read(&body)?.of_name(&name, now)?;
    Ok(Json(environment.act(caller, &id, (act, note.into())).await?))
}

impl<W: ReplayPorts, B: ReplaySources> Environment<W, B> {
    async fn act(
        &self,
        caller: Caller,
        id: &AlertId,
        (done, note): (Act, Arc<str>),
    ) -> Result<Value, Problem> {
        let Caller { scope, tenant, by } = caller;
        let (ports, registry, now) = (&self.ports, &self.pipeline.registry, self.ports.now());
        let (tenant_id, alert) = (scope.tenant(), id.as_str());
        tracing::info!(%tenant_id, by = &*by, alert, act = ?done, "a person acts on an alert");
        let (remark, limits) = (Remark { by, at: now, note }, self.limits.item_limits);
        let mut units = Units::default();
        let of_tenant = (&scope, &*tenant);
        let acted = act((ports, registry), of_tenant, id, (done, remark), limits, &mut units).await;
        self.quotas.charge(&tenant, units, now);
        let mut counts = Counts::of_units(units);
        // A repeated request to close an alert keeps the time of the first.
        if let Ok((_, alert)) = &acted
            && alert.acts.closed.as_ref().is_some_and(|closed| closed.at == now)
        {
            counts.add_alert(AlertMetric::Resolved, alert.episode.severity);
        }
        self.record_counts(&Owner::Tenant(scope.clone()), counts);
        let (subject, alert) = acted.map_err(refused)?;
        Ok(shown((&subject, &alert), registry, now, ports).await?)
    }
}

impl ActRequest {
    /// Reads the body as JSON; an empty body and `null` say nothing.
    fn read(json: &[u8]) -> Result<Self, Problem> {
        let mut request = Self::default();
        if matches!(json.trim_ascii(), b"" | b"null") {
            return Ok(request);
        }
        for (name, text) in object::texts(json, &["note", "until"])? {
            match &*name {
                "note" => request.note = text,
                _ => request.until = text,
            }
        }
        Ok(request)
    }

    /// The act with this name, and the note.
    fn of_name(self, name: &str, now: Timestamp) -> Result<(Act, String), Problem> {
        let act = match (name, self.until) {
            ("snooze", until) => Act::Snooze(snooze_end(until.as_deref(), now)?),
            ("acknowledge" | "disable" | "enable" | "close", Some(_)) => {
                return Err(Problem::at("invalid_parameter", "/until", "only snooze has it"));
            }
            ("acknowledge", None) => Act::Acknowledge,
            ("disable", None) => Act::Disable,
            ("enable", None) => Act::Enable,
            ("close", None) => Act::Close,
            _ => return Err(Problem::not_found(&format!("the acts on an alert are {ACTS}"))),
        };
        let note = self.note.unwrap_or_default();
        if note.len() > limits::NOTE_BYTES {
            let fault = format!("must be at most {} bytes", limits::NOTE_BYTES);
            return Err(Problem::at("invalid_parameter", "/note", &fault));
        }
        Ok((act, note))
    }
}

fn snooze_end(until: Option<&str>, now: Timestamp) -> Result<Timestamp, Problem> {
    let faulty = |fault: &str| Problem::at("invalid_parameter", "/until", fault);
    let until = until.ok_or_else(|| faulty("is required: the end of the pause"))?;
    let until = Timestamp::parse_rfc3339(until)
        .ok_or_else(|| faulty("must be a time such as 2026-11-21T08:00:00Z"))?;
    let latest = now.plus_seconds(limits::SNOOZE_DAYS * SECONDS_PER_DAY);
    if until <= now || until > latest {
        let fault = format!("must be in the future, at most {} days ahead", limits::SNOOZE_DAYS);
        return Err(faulty(&fault));
    }
    Ok(until)
}

fn refused(refused: NotActed) -> Problem {
    let detail = refused.to_string();
    let conflict = |code| Problem::new(StatusCode::CONFLICT, code, detail.clone());
    match refused {
        NotActed::Unknown => Problem::not_found(&detail),
        NotActed::Refused(Refusal::Over(_)) => conflict("alert_over"),
        NotActed::Refused(Refusal::NotLatching) => conflict("alert_not_latching"),
        NotActed::Refused(Refusal::StillHolds) => conflict("alert_holds"),
        NotActed::Unavailable(unavailable) => unavailable.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, body: &str) -> Result<(Act, String), (&'static str, String)> {
        let now = Timestamp::parse_rfc3339("2026-11-21T06:00:00Z").expect("a time");
        let request = ActRequest::read(body.as_bytes());
        request
            .and_then(|request| request.of_name(name, now))
            .map_err(|problem| (problem.code(), problem.detail().to_owned()))
    }

    #[test]
    fn an_act_has_a_note_or_none() {
        for (name, act) in [
            ("acknowledge", Act::Acknowledge),
            ("disable", Act::Disable),
            ("enable", Act::Enable),
            ("close", Act::Close),
        ] {
            for body in ["", " \n", "null", "{}", r#"{"note":null}"#, r#"{"until":null}"#] {
                assert_eq!(read(name, body), Ok((act, String::new())), "{name} {body}");
            }
            let with_note = (act, "on it".to_owned());
            assert_eq!(read(name, r#"{"note":"on it"}"#), Ok(with_note), "{name}");
        }
    }

    #[test]
    fn only_a_snooze_has_an_end_and_it_is_in_the_next_31_days() {
        let until = |time: &str| format!(r#"{{"until":"{time}"}}"#);
        let end = Timestamp::parse_rfc3339("2026-11-21T08:00:00Z").expect("a time");
        let snoozed = (Act::Snooze(end), String::new());
        assert_eq!(read("snooze", &until("2026-11-21T08:00:00Z")), Ok(snoozed));
        let faults = [
            ("snooze", "{}".to_owned()),
            ("snooze", until("2026-11-21T06:00:00Z")),
            ("snooze", until("2026-12-22T06:00:01Z")),
            ("snooze", until("tomorrow")),
            ("close", until("2026-11-21T08:00:00Z")),
        ];
        for (name, body) in faults {
            let (code, detail) = read(name, &body).expect_err(&body);
            assert_eq!(code, "invalid_parameter", "{name} {body}");
            assert!(detail.starts_with("/until: "), "{name} {body}: {detail}");
        }
    }

    #[test]
    fn other_bodies_and_acts_are_refused_with_the_path() {
        let long = format!(r#"{{"note":"{}"}}"#, "n".repeat(1_001));
        for (body, code, at) in [
            ("{", "malformed_json", "invalid request: "),
            ("[]", "invalid_parameter", "the body must be an object"),
            (r#"{"note":7}"#, "invalid_parameter", "/note: "),
            (r#"{"a/b":"x"}"#, "invalid_parameter", "/a~1b: unknown member"),
            (&*long, "invalid_parameter", "/note: must be at most 1000 bytes"),
        ] {
            let (found, detail) = read("close", body).expect_err(body);
            assert_eq!(found, code, "{body}");
            assert!(detail.starts_with(at), "{body}: {detail}");
        }
        let (code, detail) = read("reopen", "{}").expect_err("no act");
        assert_eq!(code, "not_found");
        assert!(detail.contains("acknowledge, snooze, disable, enable, close"), "{detail}");
    }
}
