//! The replay function: stores and replays dead letters, and drains the buffer.
//!
//! One handler accepts every kind of event ([`Replay::handle`] dispatches):
//! - `filing`: stores batches of the dead-letter queue as letters
//! - `buffer`: sends batches of the buffer queue through the pipeline again
//! - `queue`: shared by both queues
//! - `operations`: operations on stored letters, for commands of an operator (`command`) and for
//!   tenants over HTTP (`letters`, `replays`)
//! - `alerts`: people act on alerts, over HTTP
//! - `feeds`: has a tenant's subjects sent to its feeds again, over HTTP
//! - `answer`: the responses
//! - [`limits`]: every limit
//! - [`levels`]: the fill level of the buffer
//! - [`config`]: read once at startup
//!
//! A message is acknowledged only after its letter is stored or its record has a final disposition.
//! Every other message is delivered again.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use drover_core::base::deadline::stop_at;
use drover_core::base::metrics::Meter;
use drover_core::dead_letter::letter::Owner;
use drover_core::intake::quota::ReadQuotas;
use drover_core::intake::tenant::{Scope, Tenant};
use drover_core::pipeline::Pipeline;
use drover_core::ports::{Alerts, Listing};
use drover_core::replay::{RunLimits, Sources};
use drover_http::gateway::HttpFunction;
use drover_http::layers::json_only;
use drover_http::{Credentials, Problem};
use drover_intake::{Caller, Gate, counted};
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde::Serialize;
use serde_json::value::RawValue;

mod alerts;
mod answer;
mod buffer;
mod command;
pub mod config;
mod feeds;
mod filing;
mod kind;
mod letters;
pub mod levels;
pub mod limits;
mod object;
mod openapi;
mod operations;
mod queue;
mod replays;
pub mod sources;

use self::kind::{Kind, NotTaken};
use self::levels::BufferLevels;
pub use self::openapi::openapi;
pub use self::queue::QueueNames;
use self::queue::UnknownQueue;

/// The name of this function in metrics.
pub const FUNCTION: &str = "replay";

/// The ports of this function: those of a replay, the listing of subjects, and alerts.
pub trait ReplayPorts: drover_core::replay::ReplayPorts + Listing + Alerts {}

impl<W: drover_core::replay::ReplayPorts + Listing + Alerts> ReplayPorts for W {}

/// Sources in addition to the ports; each deployment chooses its own.
pub trait ReplaySources: Sources + BufferLevels {}

impl<B: Sources + BufferLevels> ReplaySources for B {}

/// The state of one execution environment.
pub struct Environment<W, B> {
    /// The ports.
    pub ports: W,
    /// Sources to reread records from, and the buffer's fill level.
    pub sources: B,
    /// The pipeline for buffered records. Its registry also authenticates callers.
    pub pipeline: Pipeline,
    /// Limits of a run.
    pub limits: RunLimits,
    /// The names of the queues.
    pub queues: QueueNames,
    /// Authenticates callers.
    pub gate: Gate,
    /// Read quotas of the tenants.
    pub quotas: ReadQuotas,
    /// Receives counts.
    pub meter: Arc<dyn Meter>,
}

/// A tenant that is admitted to read its letters and runs.
pub(crate) struct Reader {
    pub(crate) owner: Owner,
    pub(crate) tenant: Arc<Tenant>,
}

/// The function: an environment and its router, including the layers of every router.
pub struct Replay<W, B> {
    environment: Arc<Environment<W, B>>,
    http: HttpFunction,
}

/// The routes of this function, without the layers of every router ([`drover_http::finished`]).
pub fn routes<W, B>(environment: Arc<Environment<W, B>>) -> Router
where
    W: ReplayPorts + 'static,
    B: ReplaySources + 'static,
{
    Router::new()
        .merge(letters::routes())
        .merge(replays::routes())
        .merge(feeds::routes())
        .merge(alerts::routes())
        .merge(levels::routes())
        .route_layer(from_fn(json_only))
        .with_state(environment)
}

/// Why a whole invocation failed. The source delivers the whole batch again.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The kind of event is not supported.
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
    /// The messages come from a queue that is not configured.
    #[error(transparent)]
    UnknownQueue(#[from] UnknownQueue),
    /// The response could not be encoded.
    #[error("the response could not be encoded")]
    Unwritten(#[source] serde_json::Error),
}

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Self {
        let error_type = match failed {
            Failed::NotTaken(_) => "NotAnEvent",
            Failed::UnknownQueue(_) => "UnknownQueue",
            Failed::Unwritten(_) => "Unwritten",
        };
        Self { error_type: error_type.to_owned(), error_message: failed.to_string() }
    }
}

impl<W: ReplayPorts, B: ReplaySources> Environment<W, B> {
    /// Admits a caller with the needed scope. Returns the owner of the letters and the credentials'
    /// name.
    pub(crate) async fn admit(
        &self,
        credentials: &Credentials,
        needed: Scope,
    ) -> Result<(Owner, Arc<str>), Problem> {
        let caller = self.caller(credentials, needed).await?;
        Ok((Owner::Tenant(caller.scope), caller.by))
    }

    /// Admits a caller that only reads, within its quota.
    pub(crate) async fn admit_reader(
        &self,
        credentials: &Credentials,
        needed: Scope,
    ) -> Result<Reader, Problem> {
        let Caller { scope, tenant, .. } = self.caller(credentials, needed).await?;
        self.quotas.take(&tenant, self.ports.now())?;
        Ok(Reader { owner: Owner::Tenant(scope), tenant })
    }

    /// Admits a caller with the needed scope.
    pub(crate) async fn caller(
        &self,
        credentials: &Credentials,
        needed: Scope,
    ) -> Result<Caller, Problem> {
        let (now, registry) = (self.ports.now(), &self.pipeline.registry);
        let admitted =
            self.gate.admit(credentials.proof(), needed, now, registry, &self.ports).await;
        credentials.admitted(counted(admitted, &*self.meter, FUNCTION, now))
    }
}

impl<W: ReplayPorts, B: ReplaySources> Replay<W, B> {
    /// The function over an environment. `router` are its [`routes`], wrapped by
    /// [`drover_http::finished`].
    pub fn new(environment: Arc<Environment<W, B>>, router: Router) -> Self {
        Self { environment, http: HttpFunction::new(router) }
    }

    /// Handles one invocation of any kind.
    ///
    /// # Errors
    /// [`Failed`] if the failures cannot be listed message by message. No message is acknowledged
    /// then.
    pub async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Failed> {
        let LambdaEvent { payload, context } = event;
        let deadline = stop_at(self.environment.ports.now(), context.deadline);
        match Kind::of(payload.get())? {
            Kind::Messages(messages) => {
                drop(payload);
                answer(&self.environment.take(messages, deadline).await?)
            }
            Kind::Command => answer(&self.environment.obey(payload.get(), deadline).await),
            Kind::Request(request) => {
                drop(payload);
                answer(&self.http.answer(LambdaEvent::new(request, context)).await)
            }
        }
    }
}

fn answer(answer: &impl Serialize) -> Result<Box<RawValue>, Failed> {
    serde_json::value::to_raw_value(answer).map_err(Failed::Unwritten)
}
