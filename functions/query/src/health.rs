//! Whether the system works, for load balancers and people. A report asks each part for a sign of
//! life, all at once, each within its own deadline, and is believed for a few seconds.
//!
//! Without its state (the registry and the ledger) the system is unhealthy; so it is when neither
//! stream nor buffer takes events. Everything else is degraded: without a stream events wait in the
//! buffer, without a buffer they go into the stream, and dead letters come again.

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

/// Signs of life of the parts that reading does not need. The time they take is limited by who asks.
pub trait Probes: Send + Sync {
    /// The dead-letter queue.
    fn dead_letters(&self) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// The buffer queue.
    fn buffer(&self) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// The stream; `None`: there is none, or nobody can ask it from here.
    fn event_log(&self) -> impl Future<Output = Option<Result<(), Unavailable>>> + Send;
}

/// The stream is not asked: this function has no way to it.
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

/// What a process knows about itself.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// When it began.
    pub started_at: Timestamp,
    /// How much memory it has, in bytes; `None`: nobody knows.
    pub memory_bytes: fn() -> Option<u64>,
}

/// The memory of this process in bytes, where the system says so as Linux does.
pub fn memory_bytes() -> Option<u64> {
    const PAGE_BYTES: u64 = 4096;
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split(' ').nth(1)?.parse().ok()?;
    pages.checked_mul(PAGE_BYTES)
}

/// How the system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Condition {
    Healthy,
    Degraded,
    Unhealthy,
}

/// How one part of it is.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Dependency {
    /// `healthy` or `unhealthy`.
    status: Condition,
    /// How long its answer took.
    #[schema(minimum = 0.0)]
    latency_ms: f64,
}

/// The parts.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Dependencies {
    state: Dependency,
    /// `null`: there is none, or it cannot be asked from here.
    #[schema(required = true)]
    stream: Option<Dependency>,
    dead_letters: Dependency,
    buffer: Dependency,
}

/// What the process knows about itself.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Vitals {
    #[schema(minimum = 0.0)]
    uptime_seconds: f64,
    #[schema(required = true)]
    memory_usage_mb: Option<f64>,
}

/// A report on health.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct HealthReport {
    status: Condition,
    /// When the parts were asked.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    #[schema(example = "0.1.0")]
    version: &'static str,
    dependencies: Dependencies,
    metrics: Vitals,
}

/// Whether it can answer, and nothing more.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alive {
    #[schema(example = "ok")]
    status: &'static str,
}

/// What reports are made from.
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
    summary = "Whether the process can answer",
    description = "Also `/healthz` and `/healthcheck`.",
    responses(
        (status = 200, description = "It can", body = Alive),
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
    summary = "How every part of the system is",
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
            ask(ports, async { ports.document(&DocumentName::Revision).await.map(|_| ()) }),
            ask_if_there(ports, self.probes.event_log()),
            ask(ports, self.probes.dead_letters()),
            ask(ports, self.probes.buffer()),
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

async fn ask(
    clock: &impl Clock,
    probe: impl Future<Output = Result<(), Unavailable>>,
) -> Dependency {
    let probed = ask_if_there(clock, async { Some(probe.await) }).await;
    probed.unwrap_or(Dependency { status: Condition::Healthy, latency_ms: 0.0 })
}

/// What went wrong goes into the log: the report is for everybody.
async fn ask_if_there(
    clock: &impl Clock,
    probe: impl Future<Output = Option<Result<(), Unavailable>>>,
) -> Option<Dependency> {
    let began = clock.now();
    let limit = clock.pause(Duration::from_secs(limits::PROBE_SECONDS));
    let late = || Some(Err(Unavailable::new(Reason::Deadline, "no sign of life in time")));
    let answer = match select(std::pin::pin!(probe), std::pin::pin!(limit)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => late(),
    };
    let latency_ms = clock.now().seconds_since(began).max(0.0) * 1e3;
    let status = match answer? {
        Ok(()) => Condition::Healthy,
        Err(unavailable) => {
            let why = &unavailable.message;
            tracing::warn!(why, "a part of the system gave no sign of life");
            Condition::Unhealthy
        }
    };
    Some(Dependency { status, latency_ms })
}
