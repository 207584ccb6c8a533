//! The notify function: tells targets about alerts.
//!
//! The queue of notifications invokes it. A message only says that a target may have to be told about an alert
//! ([`drover_core::outputs::notifications`]); the alert is read as it is now, and so is what the target was told
//! before. Each message is tried once for each time it is received; a message that has to wait is hidden in the queue
//! until then. Messages of a batch are handled at the same time, and only a few of them are about one target, so that a
//! slow target delays no other.
//!
//! - `command`: commands of an operator
//! - `queue`: batches of messages, and what becomes of them
//! - `looking`: handles one message
//! - `digests`: one notification about the alerts of a backlog
//! - `slots`: how many messages about one target are tried at once; `switches`: targets that are switched off
//! - `alert`: the alert of a message, as it is now
//! - [`sending`]: sends notifications to targets
//! - [`config`]: read once at startup

use std::sync::Arc;

use drover_core::base::error::Unavailable;
use drover_core::base::id::TenantId;
use drover_core::base::metrics::{Counts, Meter, Metric, Tally};
use drover_core::outputs::notifications::Look;
use drover_core::ports::{Alerts, DeliveryRecords, Notifications, Ports};
use drover_core::registry::Registry;
use futures_util::{StreamExt as _, stream};
use lambda_runtime::LambdaEvent;
use serde_json::value::RawValue;

mod alert;
mod command;
pub mod config;
mod digests;
mod looking;
mod queue;
pub mod sending;
mod slots;
mod switches;

use self::looking::Outcome;
pub use self::queue::Failed;
use self::queue::{BatchResponse, Message};
use self::sending::Sender;
use self::slots::Slots;

/// The name of this function in metrics.
pub const FUNCTION: &str = "notify";

/// Messages that are handled at once.
const AT_ONCE: usize = 32;

/// The ports of this function.
pub trait NotifyPorts: Ports + Alerts + DeliveryRecords + Notifications {}

impl<W: Ports + Alerts + DeliveryRecords + Notifications> NotifyPorts for W {}

/// The state of one execution environment.
pub struct Notify<W, S> {
    ports: W,
    sender: S,
    registry: Registry,
    slots: Slots,
    meter: Arc<dyn Meter>,
}

/// What became of a message.
struct Handled {
    /// Its id, if it has to come again.
    again: Option<String>,
    tenant: Option<TenantId>,
    counts: Counts,
}

impl<W: NotifyPorts, S: Sender> Notify<W, S> {
    /// Creates the function over these ports.
    pub fn new(ports: W, sender: S, meter: Arc<dyn Meter>) -> Self {
        Self { ports, sender, registry: Registry::new(), slots: Slots::default(), meter }
    }

    /// Handles one invocation.
    ///
    /// # Errors
    /// [`Failed`]: the payload is no batch of the queue. All messages are received again.
    pub async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Failed> {
        if command::is_command(event.payload.get()) {
            let answer = self.obey(event.payload.get()).await;
            return Ok(serde_json::value::to_raw_value(&answer)?);
        }
        let messages = queue::messages(event.payload.get())?;
        drop(event);
        let handled: Vec<_> = messages.into_iter().map(|message| self.take(message)).collect();
        let handled: Vec<_> = stream::iter(handled).buffer_unordered(AT_ONCE).collect().await;
        let mut tally = Tally::default();
        let mut failed = Vec::new();
        for Handled { again, tenant, counts } in handled {
            tally.of(tenant.as_ref()).merge(counts);
            failed.extend(again);
        }
        self.meter.record(FUNCTION, &tally, self.ports.now());
        Ok(serde_json::value::to_raw_value(&BatchResponse::of(failed))?)
    }

    async fn take(&self, message: Message) -> Handled {
        let mut counts = Counts::default();
        counts.add(Metric::MessagesProcessed);
        let Some(look) = message.body.as_deref().and_then(Look::read) else {
            // A later release may have written it. It ends in the queue of failed messages.
            tracing::error!(
                message_id = &*message.message_id,
                "a message of the queue of notifications cannot be read"
            );
            return Handled { again: Some(message.message_id), tenant: None, counts };
        };
        let outcome = self.look((&look, message.is_first()), &mut counts).await;
        let is_done = self.finish(&message, outcome).await.unwrap_or_else(|unavailable| {
            let (tenant, target, causes) = (&*look.tenant, &*look.target, unavailable.causes());
            tracing::warn!(%unavailable, causes, tenant, target, "a notification comes again");
            false
        });
        Handled { again: (!is_done).then_some(message.message_id), tenant: look.tenant(), counts }
    }

    /// Postpones a message that has to wait. Returns whether it is done.
    async fn finish(
        &self,
        message: &Message,
        outcome: Result<Outcome, Unavailable>,
    ) -> Result<bool, Unavailable> {
        match outcome? {
            Outcome::Done => Ok(true),
            Outcome::Later(seconds) => {
                self.ports.postpone(&message.receipt_handle, seconds).await?;
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests;
