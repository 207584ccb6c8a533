//! Runs over HTTP: a tenant replays its own letters, one run at a time. A run works while its request
//! waits; what does not fit into that time is paused, and resumed by another request.

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
use lambda_http::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::{Busy, Limited, Malformed, RunAnswer, RunsAnswer, Unknown};
use crate::{Environment, ReplayPorts, ReplaySources, limits, object};

/// Which letters to replay, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ReplayRequest {
    /// Which letters: `code`, `contract`, `subject` (`kind/id`), `from` (inclusive), `to`
    /// (exclusive), `ids` (at most 100), `state` (`open` or `parked`). What is absent matches all.
    #[schema(value_type = Object, required = false)]
    filter: Filter,
    /// Whether to write nothing, and say what would come of it.
    #[schema(required = false)]
    dry_run: bool,
    /// At most so many letters.
    #[schema(required = false, minimum = 1, maximum = 1_000_000, default = 1_000)]
    limit: u64,
    /// At most so many letters a second.
    #[schema(required = false, minimum = 1, maximum = 100_000, default = 100)]
    rate: u32,
    /// A letter that was replayed so often without success is parked.
    #[schema(required = false, minimum = 1, maximum = 1_000, default = 2)]
    max_replays: u32,
    /// So many changed views are shown before and after, in this answer only.
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
    summary = "Take dead letters through the pipeline again",
    description = "Works for up to 25 seconds. A run that needs longer answers `paused`, and goes on with \
        `POST /api/v1/replays/{id}`. A letter is resolved only after its event is in the ledger.",
    request_body = ReplayRequest,
    responses(
        (status = 200, description = "The run, as far as it came", body = RunAnswer),
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
    description = "The newest 20, the newest first, without views.",
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
    summary = "Go on with a run",
    description = "One that is done or cancelled stays as it is.",
    params(("id" = String, Path, description = "Its `replay_id`")),
    responses(
        (status = 200, description = "The run, as far as it came", body = RunAnswer),
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
    description = "It holds digests of views, and no views.",
    params(("id" = String, Path, description = "Its `replay_id`")),
    responses(
        (status = 200, description = "The run so far", body = RunAnswer),
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
    description = "Whoever works on it stops after the letters that are under way.",
    params(("id" = String, Path, description = "Its `replay_id`")),
    responses(
        (status = 200, description = "The run as it stays", body = RunAnswer),
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
    /// Until when the run of a request may work.
    fn run_until(&self) -> Timestamp {
        self.ports.now().plus_seconds(limits::RUN_SECONDS)
    }

    /// Whoever asks about a run, and which.
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
    // What is no text is no id.
    Ok(path.map(|Path(id)| id).unwrap_or_default())
}

/// A body, whatever it says of its type: there is one that is taken.
fn read(body: Result<Bytes, BytesRejection>) -> Result<ReplayRequest, Problem> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let limit = limits::BODY_BYTES;
            let detail = format!("the body is too large: limit=`{limit}`");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
        }
        _ => Problem::bad_request("malformed_json", "the body ended early"),
    })?;
    object::read(&body).map_err(|fault| {
        let code = if fault.is_data() { "invalid_parameter" } else { "malformed_json" };
        Problem::bad_request(code, format!("the body is no request for a replay: {fault}"))
    })
}
