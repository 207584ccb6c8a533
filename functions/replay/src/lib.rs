//! Replay: what became of records that were not applied, and their way back.
//!
//! One handler takes every kind of event ([`Replay::handle`] tells them apart). Batches of the
//! dead-letter queue become letters in a table (`filing`); batches of the buffer queue go through
//! the pipeline again (`buffer`); `queue` is what both have in common. The rest is about letters that
//! were filed: `operations` is what can be asked and ordered, by commands of the person who runs the system
//! (`command`) or by a tenant over HTTP (`letters`, `replays`); `answer` is what comes back, [`limits`]
//! every bound. [`levels`] says how full the buffer is. [`config`] is read once at start.
//!
//! A message is acknowledged only when its letter is stored, or its record has a disposition; what
//! is not comes again, message by message.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use drover_core::base::deadline::stop_at;
use drover_core::base::metrics::Meter;
use drover_core::dead_letter::letter::Owner;
use drover_core::intake::quota::ReadQuotas;
use drover_core::intake::tenant::{Scope, Tenant};
use drover_core::pipeline::Pipeline;
pub use drover_core::replay::ReplayPorts;
use drover_core::replay::{RunLimits, Sources};
use drover_http::layers::json_only;
use drover_http::{Credentials, Problem};
use drover_intake::{Caller, Gate, counted};
use lambda_http::Adapter;
use lambda_http::request::LambdaRequest;
use lambda_runtime::{Diagnostic, LambdaEvent, Service as _};
use serde::Serialize;
use serde_json::value::RawValue;

mod answer;
mod buffer;
mod command;
pub mod config;
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

/// Services beside the ports, which each deployment chooses for itself.
pub trait ReplaySources: Sources + BufferLevels {}

impl<B: Sources + BufferLevels> ReplaySources for B {}

/// One warm environment.
pub struct Environment<W, B> {
    /// Everything outside.
    pub ports: W,
    /// Where records are read again, and how full the buffer is.
    pub sources: B,
    /// What records of the buffer go through, and whose registry knows the callers.
    pub pipeline: Pipeline,
    /// What a run has for its work.
    pub limits: RunLimits,
    /// Which queue is which.
    pub queues: QueueNames,
    /// Who may call.
    pub gate: Gate,
    /// How much each tenant has read.
    pub quotas: ReadQuotas,
    /// Where counts go.
    pub meter: Arc<dyn Meter>,
}

/// A tenant that may read its letters and runs.
pub(crate) struct Reader {
    pub(crate) owner: Owner,
    pub(crate) tenant: Arc<Tenant>,
}

/// The function: an environment, and its routes with the layers that every router has.
pub struct Replay<W, B> {
    environment: Arc<Environment<W, B>>,
    router: Router,
}

/// The routes of this function, before the layers that every router has
/// ([`drover_http::finished`]).
pub fn routes<W, B>(environment: Arc<Environment<W, B>>) -> Router
where
    W: ReplayPorts + 'static,
    B: ReplaySources + 'static,
{
    Router::new()
        .merge(letters::routes())
        .merge(replays::routes())
        .merge(levels::routes())
        .route_layer(from_fn(json_only))
        .with_state(environment)
}

/// Why a whole invocation failed; its source sends everything again.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The event is of no kind that is taken here.
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
    /// The messages are of a queue that nobody configured.
    #[error(transparent)]
    UnknownQueue(#[from] UnknownQueue),
    /// The answer could not be written.
    #[error("the answer could not be written")]
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
    /// Whoever may do this: whose letters are theirs, and by whose credentials they came.
    pub(crate) async fn admit(
        &self,
        credentials: &Credentials,
        needed: Scope,
    ) -> Result<(Owner, Arc<str>), Problem> {
        let caller = self.caller(credentials, needed).await?;
        Ok((Owner::Tenant(caller.scope), caller.by))
    }

    /// The same for whoever only reads, within its quota.
    pub(crate) async fn admit_reader(
        &self,
        credentials: &Credentials,
        needed: Scope,
    ) -> Result<Reader, Problem> {
        let Caller { scope, tenant, .. } = self.caller(credentials, needed).await?;
        self.quotas.take(&tenant, self.ports.now())?;
        Ok(Reader { owner: Owner::Tenant(scope), tenant })
    }

    async fn caller(&self, credentials: &Credentials, needed: Scope) -> Result<Caller, Problem> {
        let (now, registry) = (self.ports.now(), &self.pipeline.registry);
        let admitted =
            self.gate.admit(credentials.proof(), needed, now, registry, &self.ports).await;
        credentials.admitted(counted(admitted, &*self.meter, FUNCTION, now))
    }
}

impl<W: ReplayPorts, B: ReplaySources> Replay<W, B> {
    /// A function over an environment. The router is that of its [`routes`], finished.
    pub fn new(environment: Arc<Environment<W, B>>, router: Router) -> Self {
        Self { environment, router }
    }

    /// Handles one invocation, whatever kind it is.
    ///
    /// # Errors
    /// [`Failed`], when nothing was acknowledged and the answer cannot say so message by message.
    pub async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Failed> {
        let LambdaEvent { payload, context } = event;
        let deadline = stop_at(self.environment.ports.now(), context.deadline);
        match Kind::of(payload.get())? {
            Kind::Messages(messages) => {
                drop(payload);
                answer(&self.environment.take(messages, deadline).await?)
            }
            Kind::Command => answer(&self.environment.obey(payload.get(), deadline).await),
            Kind::Request(request) => self.serve(LambdaEvent::new(*request, context)).await,
        }
    }

    async fn serve(&self, request: LambdaEvent<LambdaRequest>) -> Result<Box<RawValue>, Failed> {
        // The adapter itself cannot go from thread to thread.
        let responding = Adapter::from(self.router.clone()).call(request);
        let Ok(response) = responding.await;
        answer(&response)
    }
}

fn answer(answer: &impl Serialize) -> Result<Box<RawValue>, Failed> {
    serde_json::value::to_raw_value(answer).map_err(Failed::Unwritten)
}
