//! Lists the most recently active subjects, and reads one subject's view, now or as of a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::routing::get;
use axum::{Json, Router};
use drover_core::base::error::Unavailable;
use drover_core::base::id::{Kind, SubjectId};
use drover_core::base::time::Timestamp;
use drover_core::ledger::read::Question;
use drover_core::subject::listing::{Listed, Mark};
use drover_http::{Credentials, Cursors, NotAdmitted, Parameters, Problem};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::access::{Access, Visit};
use crate::answer::{Expired, Refused, Unknown, expired, unknown_subject};
use crate::{QueryPorts, limits};

/// A list of subjects.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubjectsAnswer {
    /// Ordered by hour of activity, the most recent first.
    subjects: Vec<SubjectLine>,
    /// The cursor of the next page; `null` on the last page.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// One subject of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubjectLine {
    /// The subject's kind.
    #[schema(example = "device")]
    kind: String,
    /// The subject's id within its kind.
    #[schema(example = "device-001")]
    id: String,
    /// Number of events in the history, including expired events.
    event_count: u64,
    /// When the newest event was observed.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    last_observed_at: Option<Timestamp>,
    /// The subject's status, if its contract defines one.
    #[schema(required = true, example = "active")]
    status: Option<String>,
    /// Number of firing alerts.
    open_alerts: usize,
}

/// One subject. A key without a value yet is `null` or empty, never missing.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document; a view serializes itself")]
pub(crate) struct SubjectAnswer {
    #[schema(example = "device")]
    kind: String,
    #[schema(example = "device-001")]
    id: String,
    /// Increases with each commit.
    version: u64,
    /// Increases when a settled part of the history changes.
    epoch: u64,
    /// Number of events up to that time, including expired events.
    event_count: u64,
    #[schema(format = DateTime, required = true)]
    first_observed_at: Option<String>,
    #[schema(format = DateTime, required = true)]
    last_observed_at: Option<String>,
    /// Events observed up to this time are settled.
    #[schema(format = DateTime, required = true)]
    settled_until: Option<String>,
    /// The newest event of each type.
    latest: BTreeMap<String, LatestBody>,
    /// Statistics of the measures that its contracts declare.
    measures: BTreeMap<String, MeasureBody>,
    #[schema(required = true)]
    status: Option<StatusBody>,
    #[schema(required = true)]
    location: Option<LocationBody>,
    /// Lessons of a learner.
    lessons: Vec<Value>,
    /// Alerts that are pending or firing.
    alerts: Vec<AlertStateBody>,
    /// Counts of values dropped at a limit, if any.
    #[schema(nullable = false, required = false)]
    over: Option<BTreeMap<String, f64>>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document; a view serializes itself")]
struct AlertStateBody {
    #[schema(example = "hot")]
    rule: String,
    #[schema(example = "firing")]
    state: AlertState,
    /// `null` while the rule is pending.
    #[schema(required = true, example = "warning")]
    severity: Option<String>,
    /// When the alert opened, or when the condition began to hold.
    #[schema(format = DateTime)]
    since: String,
    /// A number or a text; `null` while the rule is pending.
    value: Value,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document; a view serializes itself")]
#[schema(rename_all = "lowercase")]
enum AlertState {
    /// The condition does not hold for long enough.
    Pending,
    /// An alert is open.
    Firing,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document; a view serializes itself")]
struct LatestBody {
    #[schema(format = DateTime)]
    observed_at: String,
    event_id: String,
    /// `null` if the payload was too large to keep.
    payload: Value,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document; a view serializes itself")]
struct MeasureBody {
    #[schema(required = true, example = "celsius")]
    unit: Option<String>,
    count: u64,
    #[schema(required = true)]
    min: Option<f64>,
    #[schema(required = true)]
    max: Option<f64>,
    #[schema(required = true)]
    mean: Option<f64>,
    #[schema(required = true)]
    last: Option<f64>,
    #[schema(format = DateTime)]
    last_at: String,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document; a view serializes itself")]
struct StatusBody {
    #[schema(example = "active")]
    value: String,
    #[schema(format = DateTime)]
    since: String,
    /// Total duration of each status value, in seconds.
    seconds: BTreeMap<String, f64>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document; a view serializes itself")]
struct LocationBody {
    latitude: f64,
    longitude: f64,
    #[schema(format = DateTime)]
    at: String,
    /// Total distance travelled, in metres.
    distance_m: f64,
}

pub(crate) fn routes<W: QueryPorts + 'static>(access: Arc<Access<W>>) -> Router {
    Router::new()
        .route("/api/v1/subjects", get(list::<W>))
        .route("/api/v1/subjects/{kind}/{*id}", get(one::<W>))
        .with_state(access)
}

#[utoipa::path(
    get,
    path = "/api/v1/subjects",
    operation_id = "list_subjects",
    tag = "subjects",
    summary = "List subjects, the most recently active first",
    description = "Orders subjects by the hour of their newest event. A new or newly active subject may appear \
        shortly after its events.",
    params(
        ("kind" = Option<String>, Query, description = "Only subjects of this kind", example = "device"),
        ("limit" = Option<usize>, Query, description = "Maximum number of subjects; default 50. Fewer if their views exceed 4 MB", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the previous response"),
    ),
    responses(
        (status = 200, description = "Subjects", body = SubjectsAnswer),
        Refused,
        NotAdmitted,
    ),
    security(("api_key" = ["read"]))
)]
pub(crate) async fn list<W: QueryPorts>(
    State(access): State<Arc<Access<W>>>,
    credentials: Credentials,
    RawQuery(query): RawQuery,
) -> Result<Json<SubjectsAnswer>, Problem> {
    let visit = access.admit(&credentials).await?;
    let mut parameters = Parameters::parse(query.as_deref())?;
    let kind = parameters.text("kind").map(|kind| kind_of(&kind)).transpose()?;
    let limit = parameters.number("limit", 1..=limits::SUBJECTS, limits::SUBJECTS_BY_DEFAULT)?;
    let cursor = parameters.text("cursor");
    parameters.finish()?;
    let named = kind.as_ref().map(Kind::as_str).unwrap_or_default();
    let cursors = Cursors::of(&["subjects", visit.caller().scope.tenant().as_str(), named]);
    let after = cursor.map(|cursor| cursors.read(&cursor, mark)).transpose()?;
    let kinds = match kind {
        Some(kind) => vec![kind],
        None => visit.kinds().await?,
    };
    let (listed, more) = visit.recent(&kinds, after.as_ref(), limit).await?;
    let (subjects, looked_at) = lines(&visit, &listed).await?;
    let more = more || looked_at < listed.len();
    let last = listed.get(..looked_at).and_then(|shown| shown.last());
    let last = last.filter(|_| more).map(Listed::mark);
    // Without its cursor the list would look complete.
    let next = last.map(serde_json::to_vec).transpose().map_err(|_| Problem::internal())?;
    let next_cursor = next.map(|mark| cursors.write(&mark));
    Ok(Json(SubjectsAnswer { subjects, next_cursor }))
}

#[utoipa::path(
    get,
    path = "/api/v1/subjects/{kind}/{id}",
    operation_id = "get_subject",
    tag = "subjects",
    summary = "Read one subject",
    description = "Returns the view: the fold of the subject's events in order, now or as of a time. `as_of` uses the \
        current history, including events that arrived later.",
    params(
        ("kind" = String, Path, description = "The kind", example = "device"),
        ("id" = String, Path, description = "The id; slashes need no escaping", example = "device-001"),
        ("as_of" = Option<String>, Query, description = "Include only events observed at or before this time", format = DateTime),
    ),
    responses(
        (status = 200, description = "The subject", body = SubjectAnswer),
        Refused,
        Unknown,
        Expired,
        NotAdmitted,
    ),
    security(("api_key" = ["read"]))
)]
pub(crate) async fn one<W: QueryPorts>(
    State(access): State<Arc<Access<W>>>,
    credentials: Credentials,
    path: Result<Path<(String, String)>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    let visit = access.admit(&credentials).await?;
    let mut parameters = Parameters::parse(query.as_deref())?;
    let as_of = parameters.time("as_of")?;
    parameters.finish()?;
    let subject = subject_of(path)?;
    let question = as_of.map_or(Question::Live, Question::AsOf);
    let found = visit.snapshot(&subject, question).await?;
    let (snapshot, specs) = found.ok_or_else(unknown_subject)?;
    let view = match as_of {
        None => Some(snapshot.live(&specs)),
        Some(instant) => snapshot.as_of(instant, &specs),
    };
    let view = view.ok_or_else(expired)?;
    let mut shown = view.to_json();
    let own = json!({
        "kind": subject.kind().as_str(),
        "id": subject.id(),
        "version": snapshot.head.version,
        "epoch": snapshot.head.epoch,
        "settled_until": snapshot.head.released,
    });
    if let (Value::Object(shown), Value::Object(own)) = (&mut shown, own) {
        shown.extend(own);
    }
    Ok(Json(shown))
}

fn kind_of(text: &str) -> Result<Kind, Problem> {
    Kind::parse(text).map_err(|rejection| Problem::invalid_id(&rejection))
}

fn subject_of(path: Result<Path<(String, String)>, PathRejection>) -> Result<SubjectId, Problem> {
    let Path((kind, id)) =
        path.map_err(|_| Problem::bad_request("invalid_id", "the path is not UTF-8"))?;
    let subject = SubjectId::new(kind_of(&kind)?, &id);
    subject.map_err(|rejection| Problem::invalid_id(&rejection))
}

fn mark(bytes: &[u8]) -> Option<Mark> {
    serde_json::from_slice(bytes).ok()
}

/// The lines of a list in order, and the number of subjects that were read, which is smaller than
/// the list at the read limit. Subjects in the index that the ledger does not have are left out.
pub(crate) async fn lines<W: QueryPorts>(
    visit: &Visit<'_, W>,
    listed: &[Listed],
) -> Result<(Vec<SubjectLine>, usize), Unavailable> {
    let most = visit.read_bytes() + limits::BEGUN_BYTES;
    let (mut lines, mut looked_at) = (Vec::new(), 0);
    for part in listed.chunks(limits::TOGETHER) {
        if visit.read_bytes() >= most {
            break;
        }
        let subjects: Vec<SubjectId> = part.iter().map(|one| one.subject().clone()).collect();
        let reads = subjects.into_iter().map(|subject| line(visit, subject));
        let read: Vec<Option<SubjectLine>> =
            stream::iter(reads).buffered(limits::TOGETHER).try_collect().await?;
        lines.extend(read.into_iter().flatten());
        looked_at += part.len();
    }
    Ok((lines, looked_at))
}

async fn line<W: QueryPorts>(
    visit: &Visit<'_, W>,
    subject: SubjectId,
) -> Result<Option<SubjectLine>, Unavailable> {
    let view = visit.live(&subject).await?;
    Ok(view.map(|view| SubjectLine {
        kind: subject.kind().to_string(),
        id: subject.id().to_owned(),
        event_count: view.event_count,
        last_observed_at: view.last_observed_at,
        status: view.status.value().map(str::to_owned),
        open_alerts: view.rules.firing(),
    }))
}
