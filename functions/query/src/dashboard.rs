//! Overviews: subject totals, the most recently active subjects, and counts. Counts come through a
//! port: the local host keeps them itself, and on Lambda CloudWatch keeps them for tenants that the
//! operator lists.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::routing::get;
use axum::{Json, Router};
use drover_core::base::id::Kind;
use drover_core::base::limits::LISTED_SUBJECTS;
use drover_core::subject::listing::Listed;
use drover_http::{Credentials, NotAdmitted, Parameters, Problem, ProblemBody};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::{Access, Visit};
use crate::answer::{DEVICE, Refused};
use crate::counts::{Counted, Counts};
use crate::subjects::{SubjectLine, lines};
use crate::{QueryPorts, limits};

const NOT_KEPT: &str = "this deployment keeps no counts for this tenant: the operator has not \
                        listed it in DROVER_METRICS_TENANTS";

/// An overview of the tenant's subjects.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Overview {
    totals: Totals,
    /// The most recently active subjects; fewer if their views exceed 4 MB.
    subjects: Vec<SubjectLine>,
}

/// Numbers of subjects.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Totals {
    /// The counted subjects of all kinds.
    subjects: usize,
    /// The counted subjects of each kind that has any.
    #[schema(example = json!({"device": 3}))]
    by_kind: BTreeMap<String, usize>,
    /// Whether every subject was counted. Counting stops at 1,000 subjects of a kind, and after a
    /// kind once 2 MB of the index have been read.
    complete: bool,
}

/// The devices, in the format of older clients.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DevicesAnswer {
    /// The number of listed devices; at most 1,000.
    unique_devices: usize,
    /// Their ids, the most recently active first.
    #[schema(example = json!(["device-001"]))]
    devices: Vec<String>,
}

pub(crate) fn routes<W, C>(access: Arc<Access<W>>, counts: C) -> Router
where
    W: QueryPorts + 'static,
    C: Counts + 'static,
{
    let counted = Router::new()
        .route("/api/v1/dashboard/metrics", get(metrics::<W, C>))
        .with_state((Arc::clone(&access), Arc::new(counts)));
    Router::new()
        .route("/api/v1/dashboard/devices", get(overview::<W>))
        .route("/devices", get(devices::<W>))
        .with_state(access)
        .merge(counted)
}

#[utoipa::path(
    get,
    path = "/api/v1/dashboard/devices",
    operation_id = "get_overview",
    tag = "dashboard",
    summary = "Count the subjects and show the most recently active ones",
    params(
        ("limit" = Option<usize>, Query, description = "Maximum number of subjects to show; default 20", minimum = 1, maximum = 200),
    ),
    responses(
        (status = 200, description = "The overview", body = Overview),
        Refused,
        NotAdmitted,
    ),
    security(("api_key" = ["read"]))
)]
pub(crate) async fn overview<W: QueryPorts>(
    State(access): State<Arc<Access<W>>>,
    credentials: Credentials,
    RawQuery(query): RawQuery,
) -> Result<Json<Overview>, Problem> {
    let visit = access.admit(&credentials).await?;
    let mut parameters = Parameters::parse(query.as_deref())?;
    let shown = parameters.number("limit", 1..=limits::SUBJECTS, limits::DASHBOARD_SUBJECTS)?;
    parameters.finish()?;
    let (totals, newest) = count(&visit, shown).await?;
    let (subjects, _) = lines(&visit, &newest).await?;
    Ok(Json(Overview { totals, subjects }))
}

/// Counts each kind, and returns the most recently active subjects of all kinds.
async fn count<W: QueryPorts>(
    visit: &Visit<'_, W>,
    shown: usize,
) -> Result<(Totals, Vec<Listed>), Problem> {
    let mut totals = Totals { subjects: 0, by_kind: BTreeMap::new(), complete: true };
    let mut newest: Vec<Listed> = Vec::new();
    for kind in visit.kinds().await? {
        if visit.read_bytes() >= limits::BEGUN_BYTES {
            totals.complete = false;
            break;
        }
        let (listed, more) =
            visit.recent(std::slice::from_ref(&kind), None, LISTED_SUBJECTS).await?;
        totals.complete &= !more;
        totals.subjects += listed.len();
        if !listed.is_empty() {
            totals.by_kind.insert(kind.to_string(), listed.len());
        }
        newest.extend(listed.into_iter().take(shown));
    }
    newest.sort_unstable_by(|one, other| other.cmp(one));
    newest.truncate(shown);
    Ok((totals, newest))
}

#[utoipa::path(
    get,
    path = "/devices",
    operation_id = "list_devices",
    tag = "dashboard",
    summary = "List the devices",
    responses(
        (status = 200, description = "The devices", body = DevicesAnswer),
        Refused,
        NotAdmitted,
    ),
    security(("api_key" = ["read"]))
)]
pub(crate) async fn devices<W: QueryPorts>(
    State(access): State<Arc<Access<W>>>,
    credentials: Credentials,
    RawQuery(query): RawQuery,
) -> Result<Json<DevicesAnswer>, Problem> {
    let visit = access.admit(&credentials).await?;
    Parameters::parse(query.as_deref())?.finish()?;
    let kind = Kind::parse(DEVICE).map_err(|_| Problem::internal())?;
    let (listed, _) = visit.recent(&[kind], None, LISTED_SUBJECTS).await?;
    let devices: Vec<String> =
        listed.iter().map(|device| device.subject().id().to_owned()).collect();
    Ok(Json(DevicesAnswer { unique_devices: devices.len(), devices }))
}

#[utoipa::path(
    get,
    path = "/api/v1/dashboard/metrics",
    operation_id = "get_counts",
    tag = "dashboard",
    summary = "Read this tenant's counts",
    description = "A deployment on Lambda keeps counts only for tenants that its operator lists, and \
                   caches them for 30 seconds.",
    responses(
        (status = 200, description = "The counts", body = Counted),
        (status = 404, description = "`not_found`: this deployment keeps no counts for this tenant", body = ProblemBody, content_type = "application/problem+json"),
        Refused,
        NotAdmitted,
    ),
    security(("api_key" = ["read"]))
)]
pub(crate) async fn metrics<W: QueryPorts, C: Counts>(
    State((access, counts)): State<(Arc<Access<W>>, Arc<C>)>,
    credentials: Credentials,
    RawQuery(query): RawQuery,
) -> Result<Json<Counted>, Problem> {
    let visit = access.admit(&credentials).await?;
    Parameters::parse(query.as_deref())?.finish()?;
    let counted = counts.of(&visit.caller().scope, visit.now()).await?;
    counted.map(Json).ok_or_else(|| Problem::not_found(NOT_KEPT))
}
