//! Replay: what became of records that were not applied, and their way back.
//!
//! One handler takes every kind of event ([`Replay::handle`] tells them apart). Batches of the
//! dead-letter queue become letters in a table (`filing`); batches of the buffer queue go through
//! the pipeline again (`buffer`); `queue` is what both have in common. [`config`] is read once at
//! start.
//!
//! A message is acknowledged only when its letter is stored, or its record has a disposition; what
//! is not comes again, message by message.

use std::sync::Arc;

use axum::Router;
use drover_core::deadline::stop_at;
use drover_core::metrics::Meter;
use drover_core::pipeline::Pipeline;
pub use drover_core::replay::Outside;
use lambda_http::{Adapter, request::LambdaRequest};
use lambda_runtime::{Diagnostic, LambdaEvent, Service as _};
use serde::Serialize;
use serde_json::value::RawValue;

mod buffer;
mod filing;
mod kind;
mod queue;

use self::kind::{Kind, NotTaken};
pub use self::queue::QueueNames;
use self::queue::UnknownQueue;

/// The name of this function in metrics.
pub const FUNCTION: &str = "replay";

/// One warm environment.
pub struct Environment<W> {
    /// Everything outside.
    pub world: W,
    /// What records of the buffer go through, and whose registry knows the callers.
    pub pipeline: Pipeline,
    /// Which queue is which.
    pub queues: QueueNames,
    /// Where counts go.
    pub meter: Arc<dyn Meter>,
}

/// The function: an environment, and its routes with the layers that every router has.
pub struct Replay<W> {
    environment: Arc<Environment<W>>,
    router: Router,
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

impl<W: Outside> Replay<W> {
    /// A function over an environment. The router is that of its routes, finished.
    pub fn new(environment: Arc<Environment<W>>, router: Router) -> Self {
        Self { environment, router }
    }

    /// Handles one invocation, whatever kind it is.
    ///
    /// # Errors
    /// [`Failed`], when nothing was acknowledged and the answer cannot say so message by message.
    pub async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Failed> {
        let LambdaEvent { payload, context } = event;
        match Kind::of(payload.get())? {
            Kind::Messages(messages) => {
                drop(payload);
                let deadline = stop_at(self.environment.world.now(), context.deadline);
                answer(&self.environment.take(messages, deadline).await?)
            }
            Kind::Request(request) => self.serve(LambdaEvent::new(*request, context)).await,
        }
    }

    async fn serve(&self, request: LambdaEvent<LambdaRequest>) -> Result<Box<RawValue>, Failed> {
        let Ok(response) = Adapter::from(self.router.clone()).call(request).await;
        answer(&response)
    }
}

fn answer(answer: &impl Serialize) -> Result<Box<RawValue>, Failed> {
    serde_json::value::to_raw_value(answer).map_err(Failed::Unwritten)
}
