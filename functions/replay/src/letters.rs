//! Dead letters over HTTP: a tenant sees only its own.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::routing::get;
use axum::{Json, Router};
use drover_core::dead_letter::letter::State;
use drover_core::intake::tenant::Scope;
use drover_http::{Credentials, NotAdmitted, Parameters, Problem};

use crate::answer::{LetterAnswer, LettersAnswer, Limited, Malformed, Unknown};
use crate::operations::Listed;
use crate::{Environment, ReplayPorts, ReplaySources, limits};

pub(crate) fn routes<W, B>() -> Router<Arc<Environment<W, B>>>
where
    W: ReplayPorts + 'static,
    B: ReplaySources + 'static,
{
    Router::new()
        .route("/api/v1/dead-letters", get(list::<W, B>))
        .route("/api/v1/dead-letters/{id}", get(one::<W, B>))
}

#[utoipa::path(
    get,
    path = "/api/v1/dead-letters",
    operation_id = "list_dead_letters",
    tag = "dead letters",
    summary = "List dead letters, newest first",
    description = "Returns letters without their content. Counts cover open letters among the newest 10,000 letters or \
        16 MB; `complete` is false if there are more.",
    params(
        ("code" = Option<String>, Query, description = "Only letters with this code: a rejection code, `undelivered` (records that the event source discarded), `undeliverable` (what a feed or a target of notifications did not take) or `unavailable` (records that waited in the buffer for nine days)", example = "schema_violation"),
        ("state" = Option<String>, Query, description = "`open` (the default), `resolved` or `parked`", example = "open"),
        ("limit" = Option<usize>, Query, description = "Maximum number of letters; default 50", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the previous response"),
    ),
    responses(
        (status = 200, description = "Letters", body = LettersAnswer),
        Malformed,
        Limited,
        NotAdmitted,
    ),
    security(("api_key" = ["admin"]))
)]
pub(crate) async fn list<W: ReplayPorts, B: ReplaySources>(
    Shared(environment): Shared<Arc<Environment<W, B>>>,
    credentials: Credentials,
    RawQuery(query): RawQuery,
) -> Result<Json<LettersAnswer>, Problem> {
    let reader = environment.admit_reader(&credentials, Scope::Admin).await?;
    let mut parameters = Parameters::parse(query.as_deref())?;
    let code = parameters.text("code");
    let state = parameters.text("state").map(|state| state_of(&state)).transpose()?;
    let limit = parameters.number("limit", 1..=limits::LETTERS, limits::LETTERS_BY_DEFAULT)?;
    let cursor = parameters.text("cursor");
    parameters.finish()?;
    let listed = Listed { code, state: state.unwrap_or_default(), limit, cursor };
    let listed = environment.list(&reader.owner, listed).await?;
    Ok(Json(environment.charged(&reader, listed)))
}

#[utoipa::path(
    get,
    path = "/api/v1/dead-letters/{id}",
    operation_id = "get_dead_letter",
    tag = "dead letters",
    summary = "Read one dead letter with its payload",
    params(("id" = String, Path, description = "The letter's id")),
    responses(
        (status = 200, description = "The letter", body = LetterAnswer),
        Malformed,
        Limited,
        Unknown,
        NotAdmitted,
    ),
    security(("api_key" = ["admin"]))
)]
pub(crate) async fn one<W: ReplayPorts, B: ReplaySources>(
    Shared(environment): Shared<Arc<Environment<W, B>>>,
    credentials: Credentials,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<LetterAnswer>, Problem> {
    let reader = environment.admit_reader(&credentials, Scope::Admin).await?;
    Parameters::parse(query.as_deref())?.finish()?;
    // A path that is not UTF-8 matches no id.
    let id = path.map(|Path(id)| id).unwrap_or_default();
    let letter = environment.letter(&reader.owner, &id).await?;
    Ok(Json(environment.charged(&reader, letter)))
}

fn state_of(text: &str) -> Result<State, Problem> {
    match text {
        "open" => Ok(State::Open),
        "resolved" => Ok(State::Resolved),
        "parked" => Ok(State::Parked),
        _ => Err(Problem::invalid_parameter("state", "must be open, resolved or parked")),
    }
}
