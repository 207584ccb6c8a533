//! The fill level of the buffer queue, and its route.

use std::future::Future;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::routing::get;
use axum::{Json, Router};
use drover_aws::Aws;
use drover_core::base::error::Unavailable;
use drover_core::intake::tenant::Scope;
use drover_http::{Credentials, NotAdmitted, Parameters, Problem};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Limited, Malformed};
use crate::{Environment, ReplayPorts, ReplaySources};

/// Approximate fill level of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Levels {
    /// Messages waiting to be received.
    pub waiting: u64,
    /// Messages received and not yet deleted.
    pub in_flight: u64,
    /// The age of the oldest message in whole seconds; `null` if the queue is empty or the age is
    /// unknown. Only the local host knows it: SQS publishes it only to CloudWatch.
    #[schema(required = true)]
    pub oldest_age_seconds: Option<u64>,
}

/// Reads the fill level of the buffer queue.
pub trait BufferLevels: Send + Sync {
    /// The current fill level.
    fn buffer_levels(&self) -> impl Future<Output = Result<Levels, Unavailable>> + Send;
}

/// Delayed messages count as waiting.
impl BufferLevels for Aws {
    async fn buffer_levels(&self) -> Result<Levels, Unavailable> {
        let levels = self.queue_levels().await?;
        Ok(Levels {
            waiting: levels.waiting.saturating_add(levels.delayed),
            in_flight: levels.in_flight,
            oldest_age_seconds: None,
        })
    }
}

pub(crate) fn routes<W, B>() -> Router<Arc<Environment<W, B>>>
where
    W: ReplayPorts + 'static,
    B: ReplaySources + 'static,
{
    Router::new().route("/buffer/stats", get(stats::<W, B>))
}

#[utoipa::path(
    get,
    path = "/buffer/stats",
    operation_id = "get_buffer_stats",
    tag = "dead letters",
    summary = "Read the fill level of the buffer queue",
    description = "Covers all tenants together.",
    responses(
        (status = 200, description = "Messages of the buffer queue", body = Levels),
        Malformed,
        Limited,
        NotAdmitted,
    ),
    security(("api_key" = ["read"]))
)]
pub(crate) async fn stats<W: ReplayPorts, B: ReplaySources>(
    State(environment): State<Arc<Environment<W, B>>>,
    credentials: Credentials,
    RawQuery(query): RawQuery,
) -> Result<Json<Levels>, Problem> {
    environment.admit_reader(&credentials, Scope::Read).await?;
    Parameters::parse(query.as_deref())?.finish()?;
    Ok(Json(environment.sources.buffer_levels().await?))
}
