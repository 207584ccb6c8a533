//! The relay: tells others what the ledgers hold, by the change streams of their tables.
//!
//! Each change of a head becomes records of the tenant's feeds (`drover_core::outputs`), which are sent
//! before the change is acknowledged. The changes of one subject run in order; subjects run
//! concurrently. A record that fails is named in the response with all later records of its subject; Lambda
//! delivers everything from the first of them again, and what is sent twice has the same source and id.
//!
//! Only changes from the stream send records of feeds. Whoever wants a subject to be sent again writes its
//! head ([`drover_core::ledger::touch`]), and the stream delivers that like any other change: two senders
//! would let an older state replace a newer one in a compacted topic.
//!
//! One handler accepts every kind of event ([`Relay::handle`] dispatches):
//! - `stream`: Lambda's event of a change stream; `subject`: the changes of one subject; `alerts`: its alerts; `looks`: who
//!   is told about them; `closed`: topics that do not exist; `pending_resends`: subjects to be sent again
//! - `command`: commands of an operator and of the schedule: subjects are sent again
//!   ([`drover_core::subject::resend`]), and the sweep looks at subjects that fell silent
//!   ([`drover_core::subject::sweep`])
//! - [`config`]: read once at startup

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use drover_core::base::deadline::stop_at;
use drover_core::base::error::{Extent, Reason, Unavailable};
use drover_core::base::id::{SubjectKey, TenantId};
use drover_core::base::limits::ItemLimits;
use drover_core::base::metrics::{Counts, Meter, Metric, Tally};
use drover_core::base::time::Timestamp;
use drover_core::outputs::TenantOutputs;
use drover_core::outputs::timers::{Timer, TimerKind};
use drover_core::ports::{
    Alerts, FeedTarget, Listing, Notifications, Ports, SubjectLocation, Timers,
};
use drover_core::registry::Registry;
use drover_core::subject::timers::Armer;
use futures_util::{StreamExt as _, stream as streams};
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde_json::value::RawValue;

mod alerts;
mod closed;
mod command;
pub mod config;
mod looks;
mod pending_resends;
mod stream;
mod subject;

use self::closed::ClosedTopics;
pub use self::command::SweepFailed;
use self::pending_resends::PendingResends;
use self::stream::HeadChange;
pub use self::stream::NotChanges;
use self::subject::{Ended, SubjectRun};

/// The name of this function in metrics.
pub const FUNCTION: &str = "relay";

/// How long after records of a subject were skipped or arrived out of order it is sent again.
const RESEND_SECONDS: i64 = 600;

/// The ports of the relay.
pub trait RelayPorts: Ports + Listing + Timers + Alerts + Notifications {}

impl<W: Ports + Listing + Timers + Alerts + Notifications> RelayPorts for W {}

/// The state of one execution environment.
pub struct Relay<W, T> {
    ports: W,
    target: T,
    registry: Registry,
    closed: ClosedTopics,
    pending_resends: PendingResends,
    armer: Armer,
    settings: Settings,
    meter: Arc<dyn Meter>,
}

/// The settings of a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The ledger table shared by all tenants that have no table of their own.
    pub ledger_table: Arc<str>,
    /// Maximum number of subjects whose changes are sent concurrently.
    pub concurrency: usize,
    /// The sizes of ledger items.
    pub item_limits: ItemLimits,
}

/// Why a whole invocation failed. The source delivers the whole batch again.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The payload is neither an event of a change stream nor a command.
    #[error(transparent)]
    NotChanges(#[from] NotChanges),
    /// The sweep of timers failed. The next one continues.
    #[error(transparent)]
    SweepFailed(#[from] SweepFailed),
    /// The response could not be encoded.
    #[error("the response could not be encoded")]
    Unwritten(#[from] serde_json::Error),
}

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Self {
        let error_type = match failed {
            Failed::NotChanges(_) => "NotAnEvent",
            Failed::SweepFailed(_) => "SweepFailed",
            Failed::Unwritten(_) => "Unwritten",
        };
        Self { error_type: error_type.to_owned(), error_message: failed.to_string() }
    }
}

impl<W: RelayPorts, T: FeedTarget> Relay<W, T> {
    /// Creates the relay over these ports.
    pub fn new(ports: W, target: T, settings: Settings, meter: Arc<dyn Meter>) -> Self {
        let (registry, closed) = (Registry::new(), ClosedTopics::default());
        let (pending_resends, armer) = (PendingResends::default(), Armer::default());
        Self { ports, target, registry, closed, pending_resends, armer, settings, meter }
    }

    /// Handles one invocation.
    ///
    /// # Errors
    /// [`Failed`] if the failures cannot be listed record by record. No record is acknowledged then.
    pub async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Failed> {
        let deadline = stop_at(self.ports.now(), event.context.deadline);
        if command::is_command(event.payload.get()) {
            let answer = self.obey(event.payload.get(), deadline).await?;
            return Ok(serde_json::value::to_raw_value(&answer)?);
        }
        let changes = stream::changes(event.payload.get(), &self.settings.ledger_table)?;
        drop(event);
        let (failed, tally) = self.send(&changes, deadline).await;
        self.meter.record(FUNCTION, &tally, self.ports.now());
        let mut response = DynamoDbEventResponse::default();
        response.batch_item_failures = failed.into_iter().map(failure).collect();
        Ok(serde_json::value::to_raw_value(&response)?)
    }

    /// Records the counts of a command.
    fn count(&self, tenant: Option<&TenantId>, counts: Counts) {
        let mut tally = Tally::default();
        tally.of(tenant).merge(counts);
        self.meter.record(FUNCTION, &tally, self.ports.now());
    }

    /// Sends changes; returns those that have to come again, in order, and the counts.
    async fn send<'a>(
        &self,
        changes: &'a [HeadChange],
        deadline: Timestamp,
    ) -> (Vec<&'a HeadChange>, Tally) {
        let mut subjects: BTreeMap<String, Vec<&HeadChange>> = BTreeMap::new();
        for change in changes {
            subjects.entry(change.location.key.partition_key()).or_default().push(change);
        }
        let runs: Vec<_> =
            subjects.into_values().map(|changes| self.run(changes, deadline)).collect();
        let mut runs = streams::iter(runs).buffer_unordered(self.settings.concurrency);
        let (mut failed, mut tally) = (BTreeSet::new(), Tally::default());
        while let Some((changes, mut ended)) = runs.next().await {
            let Some(first) = changes.first() else { continue };
            let tenant = first.location.key.tenant();
            let returned = changes.len().saturating_sub(ended.done);
            ended.counts.add_many(Metric::RecordsReturned, returned);
            if let Some(unavailable) = &ended.failed {
                let causes = unavailable.causes();
                tracing::warn!(%unavailable, causes, %tenant, returned, "changes come again");
            }
            tally.of(Some(tenant)).merge(ended.counts);
            let returned = changes.iter().skip(ended.done);
            failed.extend(returned.map(|change| change.sequence_number.as_str()));
        }
        let is_failed = |change: &&HeadChange| failed.contains(change.sequence_number.as_str());
        (changes.iter().filter(is_failed).collect(), tally)
    }

    /// Has a subject sent again later. Until its timer is armed, the environment remembers it: its changes come
    /// again, and then everything may be sent in order.
    async fn arm_resend(&self, key: &SubjectKey, counts: &mut Counts) -> Result<(), Unavailable> {
        let now = self.ports.now();
        let due = now.plus_seconds(RESEND_SECONDS);
        let timer = Timer::new(TimerKind::Resend, key.clone(), due, now);
        self.pending_resends.add(key);
        counts.add_units(self.armer.arm(&self.ports, &timer, now).await?);
        self.pending_resends.remove(key);
        Ok(())
    }

    async fn run<'a>(
        &self,
        changes: Vec<&'a HeadChange>,
        deadline: Timestamp,
    ) -> (Vec<&'a HeadChange>, Ended) {
        let ended = self.send_subject(&changes, deadline).await;
        (changes, ended)
    }

    async fn send_subject(&self, changes: &[&HeadChange], deadline: Timestamp) -> Ended {
        let nothing = |failed: Option<Unavailable>| {
            let done = if failed.is_none() { changes.len() } else { 0 };
            Ended { done, failed, counts: Counts::default() }
        };
        let Some(first) = changes.first() else { return nothing(None) };
        let location: &SubjectLocation = &first.location;
        let tenant = location.key.tenant();
        match self.registry.tenant(tenant, self.ports.now(), &self.ports).await {
            // One tenant's document delays no other: the subject is sent again once it can be read.
            Err(broken) if is_broken(&broken) => {
                tracing::error!(%tenant, why = broken.message, "the tenant's document is invalid");
                let mut ended = nothing(None);
                let armed = self.arm_resend(&location.key, &mut ended.counts).await;
                armed.map_or_else(|unavailable| nothing(Some(unavailable)), |()| ended)
            }
            Err(unavailable) => nothing(Some(unavailable)),
            Ok(None) => nothing(None),
            Ok(Some(document)) => {
                let rules = self.registry.rules_of(tenant, self.ports.now(), &self.ports).await;
                let has_rules = match rules {
                    Ok(rules) => rules.is_some(),
                    // Feeds do not wait until the rules can be read again; what follows the rules does.
                    Err(broken) if is_broken(&broken) => true,
                    Err(unavailable) => return nothing(Some(unavailable)),
                };
                let outputs = TenantOutputs { feeds: &document.feeds, has_rules };
                if outputs.is_empty() {
                    return nothing(None);
                }
                SubjectRun::new(self, location, outputs, deadline).send(changes).await
            }
        }
    }
}

/// Whether something that is stored makes no sense, and not for everyone: waiting does not mend it, and would
/// delay others.
fn is_broken(unavailable: &Unavailable) -> bool {
    matches!(unavailable.reason, Reason::Corrupt | Reason::Bug | Reason::Misconfigured)
        && unavailable.extent != Extent::Everyone
}

fn failure(change: &HeadChange) -> DynamoDbBatchItemFailure {
    let mut failure = DynamoDbBatchItemFailure::default();
    failure.item_identifier = Some(change.sequence_number.clone());
    failure
}

#[cfg(test)]
mod tests;
