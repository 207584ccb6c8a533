//! Feeds over HTTP: a tenant has its own subjects sent to its feeds again. The relay has the same as a command
//! of an operator; `drover_core::subject::resend` does the work of both.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::routing::post;
use axum::{Json, Router};
use drover_core::base::id::{SubjectId, TenantId};
use drover_core::dead_letter::letter::Owner;
use drover_core::intake::tenant::Scope;
use drover_core::ledger::touch::Touch;
use drover_core::subject::each::Visited;
use drover_core::subject::listing::Mark;
use drover_core::subject::resend::{NotResent, ResendLimits, Subjects, resend};
use drover_http::{Credentials, Cursors, NotAdmitted, Parameters, Problem, ProblemBody};
use drover_intake::Caller;
use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};

use crate::answer::{Limited, Malformed, Unknown};
use crate::{Environment, ReplayPorts, ReplaySources, limits, object};

/// Which subjects to send again.
#[derive(Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ResendRequest {
    /// The subject as `kind/id`; absent or `null`: all subjects of the tenant.
    #[schema(required = false, max_length = 600, example = "device/device-001")]
    subject: Option<String>,
    /// The `next_cursor` of the previous response. Only without `subject`.
    #[schema(required = false, max_length = 4096)]
    cursor: Option<String>,
}

/// What is sent again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResendAnswer {
    /// The number of subjects that this request had sent again.
    subjects: usize,
    /// The cursor of the next request; `null` if all subjects are done.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// Further problems of a resend.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
pub(crate) enum NoFeeds {
    /// `no_feeds`: the tenant has no feeds and no alert rules
    #[response(status = 409, content_type = "application/problem+json")]
    NoFeeds(ProblemBody),
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
        .route("/api/v1/feeds/resend", post(resend_subjects::<W, B>))
        .layer(DefaultBodyLimit::max(limits::RESEND_BODY_BYTES))
}

#[utoipa::path(
    post,
    path = "/api/v1/feeds/resend",
    operation_id = "resend_feeds",
    tag = "feeds",
    summary = "Have subjects sent to the feeds again",
    description = "Has the kept history and the view of one subject or of all subjects of the tenant sent to its feeds \
        again: for a new consumer, after a feed was added, or after records were lost. The response does not wait until \
        they are sent. A request works for up to 25 seconds; send the next one with `next_cursor` until it is `null`.",
    request_body = ResendRequest,
    responses(
        (status = 200, description = "The number of subjects", body = ResendAnswer),
        Malformed,
        Limited,
        Unknown,
        NoFeeds,
        NotAdmitted,
    ),
    security(("api_key" = ["admin"]))
)]
pub(crate) async fn resend_subjects<W: ReplayPorts, B: ReplaySources>(
    State(environment): State<Arc<Environment<W, B>>>,
    credentials: Credentials,
    RawQuery(query): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ResendAnswer>, Problem> {
    let caller = environment.caller(&credentials, Scope::Admin).await?;
    environment.quotas.take(&caller.tenant, environment.ports.now())?;
    Parameters::parse(query.as_deref())?.finish()?;
    let request = ResendRequest::read(&object::body(body, limits::RESEND_BODY_BYTES)?)?;
    Ok(Json(environment.resend(caller, request).await?))
}

impl<W: ReplayPorts, B: ReplaySources> Environment<W, B> {
    async fn resend(
        &self,
        caller: Caller,
        request: ResendRequest,
    ) -> Result<ResendAnswer, Problem> {
        let Caller { scope, tenant, by } = caller;
        let cursors = cursors(scope.tenant());
        let subjects = request.subjects(cursors)?;
        let of_one = match &subjects {
            Subjects::One(subject) => Some(subject.to_string()),
            Subjects::All { .. } => None,
        };
        let limits =
            ResendLimits { stop_at: self.run_until(), item_limits: self.limits.item_limits };
        let of_tenant = (&scope, &*tenant);
        let what = (subjects, Touch::Resend);
        let resent = resend(&self.ports, &self.pipeline.registry, of_tenant, what, limits);
        let Visited { subjects, next, units } = resent.await.map_err(refused)?;
        let (has_more, tenant_id) = (next.is_some(), scope.tenant());
        tracing::info!(%tenant_id, by = &*by, subject = of_one, subjects, has_more, "subjects are sent again");
        self.quotas.charge(&tenant, units, self.ports.now());
        self.count(&Owner::Tenant(scope.clone()), units);
        // Without its cursor the tenant would look complete.
        let next = next.as_ref().map(serde_json::to_vec).transpose();
        let next = next.map_err(|_| Problem::internal())?;
        Ok(ResendAnswer { subjects, next_cursor: next.map(|mark| cursors.write(&mark)) })
    }
}

impl ResendRequest {
    /// Reads the body as JSON.
    fn read(json: &[u8]) -> Result<Self, Problem> {
        let mut request = Self::default();
        for (name, text) in object::texts(json, &["subject", "cursor"])? {
            match &*name {
                "subject" => request.subject = text,
                _ => request.cursor = text,
            }
        }
        Ok(request)
    }

    fn subjects(self, cursors: Cursors) -> Result<Subjects, Problem> {
        let Some(subject) = self.subject else {
            let after = self.cursor.map(|cursor| cursors.read(&cursor, mark)).transpose();
            let fault = |_| Problem::at("invalid_cursor", "/cursor", INVALID_CURSOR);
            return Ok(Subjects::All { after: after.map_err(fault)? });
        };
        if self.cursor.is_some() {
            let fault = "a request for one subject has no cursor";
            return Err(Problem::at("invalid_parameter", "/cursor", fault));
        }
        let subject = SubjectId::parse(&subject)
            .map_err(|rejection| Problem::at("invalid_id", "/subject", &rejection.message))?;
        Ok(Subjects::One(subject))
    }
}

fn cursors(tenant: &TenantId) -> Cursors {
    Cursors::of(&["feeds/resend", tenant.as_str()])
}

const INVALID_CURSOR: &str =
    "the cursor is invalid or belongs to another query, start again without it";

fn mark(bytes: &[u8]) -> Option<Mark> {
    serde_json::from_slice(bytes).ok()
}

fn refused(refused: NotResent) -> Problem {
    let detail = refused.to_string();
    match refused {
        NotResent::NoFeeds(_) => Problem::new(StatusCode::CONFLICT, "no_feeds", detail),
        NotResent::Suspended(_) => Problem::forbidden("tenant_suspended", &detail),
        NotResent::UnknownSubject(_) => Problem::not_found(&detail),
        NotResent::Unavailable(unavailable) => unavailable.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &str) -> Result<ResendRequest, (&'static str, String)> {
        ResendRequest::read(body.as_bytes())
            .map_err(|problem| (problem.code(), problem.detail().to_owned()))
    }

    #[test]
    fn absent_and_null_mean_all_subjects_from_the_start() {
        for body in ["{}", r#"{"subject":null}"#, r#"{"cursor":null,"subject":null}"#] {
            assert_eq!(read(body), Ok(ResendRequest::default()), "{body}");
        }
    }

    #[test]
    fn whatever_else_a_body_says_never_means_all_subjects() {
        let check = |body: &str, code, detail: &str| {
            let (found, told) = read(body).expect_err(body);
            assert_eq!(found, code, "{body}");
            assert!(told.starts_with(detail), "{body}: {told}");
        };
        check("", "malformed_json", "invalid request");
        check("{", "malformed_json", "invalid request");
        check("[]", "invalid_parameter", "the body must be an object");
        check("null", "invalid_parameter", "the body must be an object");
        check(r#"{"subjects":null}"#, "invalid_parameter", "/subjects: unknown member");
        check(r#"{"a/b~":null}"#, "invalid_parameter", "/a~1b~0: unknown member");
        check(r#"{"subject":["device/d"]}"#, "invalid_parameter", "/subject: must be a text");
        check(r#"{"cursor":1}"#, "invalid_parameter", "/cursor: must be a text");
    }

    #[test]
    fn a_cursor_is_valid_for_its_tenant_only() {
        let cursors = |tenant: &str| cursors(&TenantId::parse(tenant).expect("a tenant"));
        let mark: Mark = serde_json::from_value(json!(["00000007#d-1", "device"])).expect("a mark");
        let json = serde_json::to_vec(&mark).expect("JSON");
        let cursor = || Some(cursors("demo").write(&json));
        let all = |cursor| ResendRequest { subject: None, cursor };
        let read = all(cursor()).subjects(cursors("demo"));
        assert_eq!(read, Ok(Subjects::All { after: Some(mark) }));
        let stolen = all(cursor()).subjects(cursors("acme")).expect_err("of another tenant");
        assert_eq!(stolen.code(), "invalid_cursor");
        let both = ResendRequest { subject: Some("device/d-1".to_owned()), cursor: cursor() };
        let both = both.subjects(cursors("demo")).expect_err("a subject has no cursor");
        assert_eq!(both.code(), "invalid_parameter");
    }
}
