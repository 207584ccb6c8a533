//! Replay runs over HTTP: a tenant replays its own letters, one run at a time. A run works during
//! its request. A run that needs longer is paused, and another request resumes it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::routing::get;
use axum::{Json, Router};
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::letter::Owner;
use drover_core::intake::tenant::Scope;
use drover_core::replay::{Filter, RunRequest};
use drover_http::{Credentials, NotAdmitted, Parameters, Problem, ProblemBody};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::{Busy, Limited, Malformed, RunAnswer, RunsAnswer, Unknown};
use crate::{Environment, ReplayPorts, ReplaySources, limits, object};

/// Which letters to replay, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ReplayRequest {
    /// Selects letters by `code`, `contract`, `subject` (`kind/id`), `from` (inclusive), `to`
    /// (exclusive), `ids` (at most 100), `state` (`open` or `parked`). An absent field matches
    /// every letter.
    #[schema(value_type = Object, required = false)]
    filter: Filter,
    /// Writes nothing and reports what a run would do.
    #[schema(required = false)]
    dry_run: bool,
    /// Maximum number of letters.
    #[schema(required = false, minimum = 1, maximum = 1_000_000, default = 1_000)]
    limit: u64,
    /// Maximum number of letters per second.
    #[schema(required = false, minimum = 1, maximum = 100_000, default = 100)]
    rate: u32,
    /// Number of failed replays after which a letter is parked.
    #[schema(required = false, minimum = 1, maximum = 1_000, default = 2)]
    max_replays: u32,
    /// Number of changed views to include, before and after the run, in this response only.
    #[schema(required = false, maximum = 20, default = 0)]
    views: usize,
}

impl Default for ReplayRequest {
    fn default() -> Self {
        let RunRequest { filter, dry_run, limit, rate, max_replays, views, .. } =
            RunRequest::replay("");
        Self { filter, dry_run, limit, rate, max_replays, views }
    }
}

pub(crate) fn routes<W, B>() -> Router<Arc<Environment<W, B>>>
where
    W: ReplayPorts + 'static,
    B: ReplaySources + 'static,
{
    let one = get(show::<W, B>).post(resume::<W, B>).delete(cancel::<W, B>);
    Router::new()
        .route("/api/v1/replays", get(recent::<W, B>).post(start::<W, B>))
        .route("/api/v1/replays/{id}", one)
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES))
}

#[utoipa::path(
    post,
    path = "/api/v1/replays",
    operation_id = "start_replay",
    tag = "dead letters",
    summary = "Replay dead letters",
    description = "Sends dead letters through the pipeline again, for up to 25 seconds. A run that needs longer is \
        `paused`; `POST /api/v1/replays/{id}` resumes it. A letter is resolved only after its event is in the ledger.",
    request_body = ReplayRequest,
    responses(
        (status = 200, description = "The state of the run", body = RunAnswer),
        Malformed,
        Busy,
        NotAdmitted,
        (status = 413, description = "`too_large`", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"]))
)]
pub(crate) async fn start<W: ReplayPorts, B: ReplaySources>(
    State(environment): State<Arc<Environment<W, B>>>,
    credentials: Credentials,
    RawQuery(query): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<RunAnswer>, Problem> {
    let (owner, by) = environment.admit(&credentials, Scope::Admin).await?;
    Parameters::parse(query.as_deref())?.finish()?;
    let request: ReplayRequest = read(body)?;
    let ReplayRequest { filter, dry_run, limit, rate, max_replays, views } = request;
    let usual = RunRequest::replay(&*by);
    let run_request = RunRequest { filter, dry_run, limit, rate, max_replays, views, ..usual };
    Ok(Json(environment.start(&owner, run_request, environment.run_until()).await?))
}

#[utoipa::path(
    get,
    path = "/api/v1/replays",
    operation_id = "list_replays",
    tag = "dead letters",
    summary = "List the newest runs",
    description = "Returns the newest 20 runs, newest first, without views.",
    responses(
        (status = 200, description = "Runs", body = RunsAnswer),
        Malformed,
        Limited,
        NotAdmitted,
    ),
    security(("api_key" = ["admin"]))
)]
pub(crate) async fn recent<W: ReplayPorts, B: ReplaySources>(
    State(environment): State<Arc<Environment<W, B>>>,
    credentials: Credentials,
    RawQuery(query): RawQuery,
) -> Result<Json<RunsAnswer>, Problem> {
    let reader = environment.admit_reader(&credentials, Scope::Admin).await?;
    Parameters::parse(query.as_deref())?.finish()?;
    let runs = environment.recent(&reader.owner).await?;
    Ok(Json(environment.charged(&reader, runs)))
}

#[utoipa::path(
    post,
    path = "/api/v1/replays/{id}",
    operation_id = "resume_replay",
    tag = "dead letters",
    summary = "Resume a run",
    description = "A run that is done or cancelled does not change.",
    params(("id" = String, Path, description = "The run's `replay_id`")),
    responses(
        (status = 200, description = "The state of the run", body = RunAnswer),
        Malformed,
        Unknown,
        Busy,
        NotAdmitted,
    ),
    security(("api_key" = ["admin"]))
)]
pub(crate) async fn resume<W: ReplayPorts, B: ReplaySources>(
    State(environment): State<Arc<Environment<W, B>>>,
    credentials: Credentials,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<RunAnswer>, Problem> {
    let (owner, by, id) = environment.run_of(&credentials, path, query).await?;
    Ok(Json(environment.resume(&owner, &id, &by, environment.run_until()).await?))
}

#[utoipa::path(
    get,
    path = "/api/v1/replays/{id}",
    operation_id = "get_replay",
    tag = "dead letters",
    summary = "Read a run's record",
    description = "The record contains digests of views, not the views.",
    params(("id" = String, Path, description = "The run's `replay_id`")),
    responses(
        (status = 200, description = "The state of the run", body = RunAnswer),
        Malformed,
        Limited,
        Unknown,
        NotAdmitted,
    ),
    security(("api_key" = ["admin"]))
)]
pub(crate) async fn show<W: ReplayPorts, B: ReplaySources>(
    State(environment): State<Arc<Environment<W, B>>>,
    credentials: Credentials,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<RunAnswer>, Problem> {
    let reader = environment.admit_reader(&credentials, Scope::Admin).await?;
    let run = environment.show(&reader.owner, &run_id(path, query)?).await?;
    Ok(Json(environment.charged(&reader, run)))
}

#[utoipa::path(
    delete,
    path = "/api/v1/replays/{id}",
    operation_id = "cancel_replay",
    tag = "dead letters",
    summary = "Cancel a run",
    description = "The running request stops after the letters in progress.",
    params(("id" = String, Path, description = "The run's `replay_id`")),
    responses(
        (status = 200, description = "The cancelled run", body = RunAnswer),
        Malformed,
        Unknown,
        NotAdmitted,
    ),
    security(("api_key" = ["admin"]))
)]
pub(crate) async fn cancel<W: ReplayPorts, B: ReplaySources>(
    State(environment): State<Arc<Environment<W, B>>>,
    credentials: Credentials,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<RunAnswer>, Problem> {
    let (owner, _, id) = environment.run_of(&credentials, path, query).await?;
    Ok(Json(environment.cancel(&owner, &id).await?))
}

impl<W: ReplayPorts, B: ReplaySources> Environment<W, B> {
    /// The deadline of the work of a request.
    pub(crate) fn run_until(&self) -> Timestamp {
        self.ports.now().plus_seconds(limits::RUN_SECONDS)
    }

    /// Admits the caller and reads the run's id.
    async fn run_of(
        &self,
        credentials: &Credentials,
        path: Result<Path<String>, PathRejection>,
        query: Option<String>,
    ) -> Result<(Owner, Arc<str>, String), Problem> {
        let (owner, by) = self.admit(credentials, Scope::Admin).await?;
        Ok((owner, by, run_id(path, query)?))
    }
}

fn run_id(
    path: Result<Path<String>, PathRejection>,
    query: Option<String>,
) -> Result<String, Problem> {
    Parameters::parse(query.as_deref())?.finish()?;
    // A path that is not UTF-8 matches no id.
    Ok(path.map(|Path(id)| id).unwrap_or_default())
}

/// Reads the body as JSON.
fn read(body: Result<Bytes, BytesRejection>) -> Result<ReplayRequest, Problem> {
    object::read(&object::body(body, limits::BODY_BYTES)?).map_err(|fault| {
        let code = if fault.is_data() { "invalid_parameter" } else { "malformed_json" };
        Problem::bad_request(code, format!("invalid replay request: {fault}"))
    })
}
