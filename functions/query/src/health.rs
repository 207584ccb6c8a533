//! Health reports for load balancers and people. A report probes all dependencies concurrently,
//! each with its own timeout, and is cached for a few seconds.
//!
//! The system is unhealthy without its state (registry and ledger), and if neither the event log
//! nor the buffer accepts events. Any other failure degrades it: without an event log events wait
//! in the buffer, without a buffer they go to the event log, and records that cannot be
//! dead-lettered are delivered again.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use drover_aws::Aws;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::time::Timestamp;
use drover_core::intake::document::DocumentName;
use drover_core::ports::Clock;
use drover_http::{Parameters, Problem, ProblemBody};
use futures_util::future::{Either, join4, select};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Access, QueryPorts, limits};

/// Probes of the dependencies that reading does not need. The caller limits their time.
pub trait Probes: Send + Sync {
    /// The dead-letter queue.
    fn dead_letters(&self) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// The buffer queue.
    fn buffer(&self) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// The event log. `None`: the deployment has no event log, or this process cannot reach it.
    fn event_log(&self) -> impl Future<Output = Option<Result<(), Unavailable>>> + Send;
}

/// The event log is not probed: the query function has no connection to it.
impl Probes for Aws {
    async fn dead_letters(&self) -> Result<(), Unavailable> {
        self.probe_dead_letters().await
    }

    async fn buffer(&self) -> Result<(), Unavailable> {
        self.probe_buffer().await
    }

    async fn event_log(&self) -> Option<Result<(), Unavailable>> {
        None
    }
}

/// Facts about the process.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// When the process started.
    pub started_at: Timestamp,
    /// Reads the resident memory in bytes; `None` if unknown.
    pub memory_bytes: fn() -> Option<u64>,
}

/// The resident memory of this process in bytes, on Linux.
pub fn memory_bytes() -> Option<u64> {
    const PAGE_BYTES: u64 = 4096;
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split(' ').nth(1)?.parse().ok()?;
    pages.checked_mul(PAGE_BYTES)
}

/// The health of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Condition {
    Healthy,
    Degraded,
    Unhealthy,
}

/// The health of one dependency.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Dependency {
    /// `healthy` or `unhealthy`.
    status: Condition,
    /// How long the probe took.
    #[schema(minimum = 0.0)]
    latency_ms: f64,
}

/// The dependencies.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Dependencies {
    state: Dependency,
    /// `null`: the deployment has no event log, or this function cannot reach it.
    #[schema(required = true)]
    stream: Option<Dependency>,
    dead_letters: Dependency,
    buffer: Dependency,
}

/// Facts about the process.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Vitals {
    #[schema(minimum = 0.0)]
    uptime_seconds: f64,
    #[schema(required = true)]
    memory_usage_mb: Option<f64>,
}

/// A health report.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct HealthReport {
    status: Condition,
    /// When the dependencies were probed.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    #[schema(example = "0.1.0")]
    version: &'static str,
    dependencies: Dependencies,
    metrics: Vitals,
}

/// Liveness of the process.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alive {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Makes reports and caches the last one.
pub(crate) struct Health<W, P> {
    access: Arc<Access<W>>,
    probes: P,
    process: Process,
    last: Mutex<Option<HealthReport>>,
}

pub(crate) fn routes<W, P>(health: Health<W, P>) -> Router
where
    W: QueryPorts + 'static,
    P: Probes + 'static,
{
    Router::new()
        .route("/health", get(report::<W, P>))
        .route("/api/v1/health", get(report::<W, P>))
        .route("/health/ready", get(report::<W, P>))
        .route("/ready", get(report::<W, P>))
        .with_state(Arc::new(health))
        .route("/health/live", get(live))
        .route("/healthz", get(live))
        .route("/healthcheck", get(live))
}

#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "is_live",
    tag = "health",
    summary = "Check that the process answers",
    description = "Also `/healthz` and `/healthcheck`.",
    responses(
        (status = 200, description = "The process answers", body = Alive),
        (status = 400, description = "`unknown_parameter`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 406, description = "`not_acceptable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn live(RawQuery(query): RawQuery) -> Result<Json<Alive>, Problem> {
    Parameters::parse(query.as_deref())?.finish()?;
    Ok(Json(Alive { status: "ok" }))
}

#[utoipa::path(
    get,
    path = "/health",
    operation_id = "get_health",
    tag = "health",
    summary = "Report the health of every dependency",
    description = "Also `/api/v1/health`, `/health/ready` and `/ready`.",
    responses(
        (status = 200, description = "Healthy, or degraded", body = HealthReport),
        (status = 400, description = "`unknown_parameter`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 406, description = "`not_acceptable`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Unhealthy", body = HealthReport),
    )
)]
pub(crate) async fn report<W, P>(
    State(health): State<Arc<Health<W, P>>>,
    RawQuery(query): RawQuery,
) -> Result<(StatusCode, Json<HealthReport>), Problem>
where
    W: QueryPorts,
    P: Probes,
{
    Parameters::parse(query.as_deref())?.finish()?;
    let report = health.report().await;
    let status = match report.status {
        Condition::Healthy | Condition::Degraded => StatusCode::OK,
        Condition::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
    };
    Ok((status, Json(report)))
}

impl<W: QueryPorts, P: Probes> Health<W, P> {
    pub(crate) fn new(access: Arc<Access<W>>, probes: P, process: Process) -> Self {
        Self { access, probes, process, last: Mutex::new(None) }
    }

    async fn report(&self) -> HealthReport {
        let ports = &self.access.ports;
        let now = ports.now();
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(last) =
            last.filter(|last| last.timestamp.is_within(limits::HEALTH_SECONDS, now))
        {
            return last;
        }
        let (state, stream, dead_letters, buffer) = join4(
            probe(ports, async { ports.document(&DocumentName::Revision).await.map(|_| ()) }),
            probe_if_present(ports, self.probes.event_log()),
            probe(ports, self.probes.dead_letters()),
            probe(ports, self.probes.buffer()),
        )
        .await;
        let dependencies = Dependencies { state, stream, dead_letters, buffer };
        let report = HealthReport {
            status: dependencies.condition(),
            timestamp: now,
            version: env!("CARGO_PKG_VERSION"),
            dependencies,
            metrics: self.vitals(now),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(report.clone());
        report
    }

    fn vitals(&self, now: Timestamp) -> Vitals {
        const MEGABYTE: f64 = 1_048_576.0;
        #[expect(clippy::cast_precision_loss, reason = "no process has 2^53 bytes")]
        let megabytes = |bytes: u64| bytes as f64 / MEGABYTE;
        Vitals {
            uptime_seconds: now.seconds_since(self.process.started_at).max(0.0),
            memory_usage_mb: (self.process.memory_bytes)().map(megabytes),
        }
    }
}

impl Dependencies {
    fn condition(&self) -> Condition {
        let down = |part: &Dependency| part.status == Condition::Unhealthy;
        let stream_down = self.stream.as_ref().is_some_and(down);
        let buffer_down = down(&self.buffer);
        if down(&self.state) || stream_down && buffer_down {
            Condition::Unhealthy
        } else if stream_down || buffer_down || down(&self.dead_letters) {
            Condition::Degraded
        } else {
            Condition::Healthy
        }
    }
}

async fn probe(
    clock: &impl Clock,
    call: impl Future<Output = Result<(), Unavailable>>,
) -> Dependency {
    let probed = probe_if_present(clock, async { Some(call.await) }).await;
    probed.unwrap_or(Dependency { status: Condition::Healthy, latency_ms: 0.0 })
}

/// Logs the error: the report is public and shows only the status.
async fn probe_if_present(
    clock: &impl Clock,
    call: impl Future<Output = Option<Result<(), Unavailable>>>,
) -> Option<Dependency> {
    let began = clock.now();
    let limit = clock.pause(Duration::from_secs(limits::PROBE_SECONDS));
    let late = || Some(Err(Unavailable::new(Reason::Deadline, "the health check timed out")));
    let answer = match select(std::pin::pin!(call), std::pin::pin!(limit)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => late(),
    };
    let latency_ms = clock.now().seconds_since(began).max(0.0) * 1e3;
    let status = match answer? {
        Ok(()) => Condition::Healthy,
        Err(unavailable) => {
            let why = &unavailable.message;
            tracing::warn!(why, "a dependency failed its health check");
            Condition::Unhealthy
        }
    };
    Some(Dependency { status, latency_ms })
}
