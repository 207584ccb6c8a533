//! Records of one invocation become dispositions.
//!
//! 1. Each record is admitted: its topic's route names the tenant, its contract makes it an event
//!    (`admit`). What no parser likes is one rejection and never a failed batch.
//! 2. Events are grouped by subject. Subjects run together, bounded; the events of one subject in
//!    turn ([`subject`]). This is the only place that joins concurrent work.
//! 3. Rejections go to the dead-letter queue, and count as done only once that has them.
//! 4. What is unavailable is decided by its cause ([`Extent`](crate::base::error::Extent)) and never by how many
//!    records it is: the trouble of one subject or tenant sends its records to the buffer queue, so that
//!    they delay nobody else; the trouble of everyone sends them back to the source. Each goes with every
//!    later record of its subject, so that nothing overtakes the first that waits.
//!
//! A record is acknowledged only when it is applied, duplicate, ignored, dead-lettered or buffered. Of a
//! record of several elements that goes for each: one bad element never costs a good one.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use crate::base::error::Unavailable;
use crate::base::id::{SubjectKey, TenantId};
use crate::base::limits::ItemLimits;
use crate::base::metrics::{Metric, Tally};
use crate::base::time::Timestamp;
use crate::event::Event;
use crate::intake::event_log::Outgoing;
use crate::intake::record::Incoming;
use crate::ledger::dialogue::{CommitParams, EntryOutcome};
use crate::ledger::place::Arrival;
use crate::pipeline::admit::{Admission, Admitter};
use crate::pipeline::batch::{AdmittedRecord, Group, Groups, PendingRecord};
use crate::pipeline::cache::HeadCache;
use crate::pipeline::invocation_registry::InvocationRegistry;
use crate::pipeline::queues::{Disposed, Waiting, dispose};
use crate::pipeline::subject::{Committed, EntryOutcomes, Job, commit, time_is_over};
use crate::pipeline::table_health::TableHealth;
use crate::ports::{Ports, SubjectLocation};
use crate::registry::Registry;

pub mod admit;
mod batch;
pub mod breaker;
pub mod cache;
pub mod direct;
mod disposition;
mod invocation_registry;
mod queues;
pub mod settings;
mod settled;
pub mod subject;
pub(crate) mod table_health;

pub use breaker::BreakerOpen;
pub use disposition::Disposition;
pub use settled::{Admitted, Known, RecordOutcome, Settled};

/// What stays from one invocation of a warm environment to the next.
pub struct Pipeline {
    /// Tenants, contracts and routes.
    pub registry: Registry,
    /// Heads of subjects seen lately.
    pub heads: HeadCache,
    /// The sizes of ledger items.
    pub item_limits: ItemLimits,
    /// How many subjects run together.
    pub concurrency: usize,
}

/// A record that waited in the buffer queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffered {
    /// Whose it was when it went there, where that was established.
    pub owner: Option<TenantId>,
    /// The record.
    pub incoming: Incoming,
}

/// What became of an invocation's records.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// One for each record, in order.
    pub dispositions: Vec<Disposition>,
    /// What there is to count.
    pub tally: Tally,
}

impl Pipeline {
    /// Takes the records of one invocation as far as time allows.
    ///
    /// # Errors
    /// [`BreakerOpen`] when the whole batch says that this deployment is wrong; nothing is written
    /// then, and the source must send everything again.
    pub async fn process(
        &self,
        ports: &impl Ports,
        records: Vec<Incoming>,
        deadline: Timestamp,
    ) -> Result<Report, BreakerOpen> {
        let records = records.into_iter().map(|incoming| (incoming, None));
        self.take(ports, records, deadline, Waiting::InBuffer).await
    }

    /// The same for records that come from the buffer: what is unavailable stays there, with its
    /// source, and never goes into it a second time. Whose each was when it went there is held against
    /// its route and its body: what is another tenant's by now is rejected, and stays its owner's.
    ///
    /// # Errors
    /// [`BreakerOpen`], as for [`Self::process`].
    pub async fn drain(
        &self,
        ports: &impl Ports,
        records: Vec<Buffered>,
        deadline: Timestamp,
    ) -> Result<Report, BreakerOpen> {
        let records = records.into_iter().map(|Buffered { owner, incoming }| (incoming, owner));
        self.take(ports, records, deadline, Waiting::AtSource).await
    }

    async fn take(
        &self,
        ports: &impl Ports,
        records: impl ExactSizeIterator<Item = (Incoming, Option<TenantId>)>,
        deadline: Timestamp,
        waiting: Waiting,
    ) -> Result<Report, BreakerOpen> {
        let started = ports.now();
        let admitted = self.admit_owned(ports, records, deadline).await;
        breaker::check(&admitted.records, &self.registry, started, ports).await?;
        let (settled, tally) = self.settle(ports, admitted, deadline).await;
        let disposed = dispose(ports, settled, waiting).await;
        let seconds = ports.now().seconds_since(started);
        Ok(report(&disposed, tally, seconds))
    }

    /// Makes events of records, as far as time allows, and commits nothing. With `only`, records of
    /// any other tenant are rejected.
    pub async fn admit(
        &self,
        ports: &impl Ports,
        records: Vec<Incoming>,
        only: Option<&TenantId>,
        deadline: Timestamp,
    ) -> Admitted {
        let records = records.into_iter().map(|incoming| (incoming, only.cloned()));
        self.admit_owned(ports, records, deadline).await
    }

    /// Of records with an owner: they are nobody else's.
    async fn admit_owned(
        &self,
        ports: &impl Ports,
        records: impl ExactSizeIterator<Item = (Incoming, Option<TenantId>)>,
        deadline: Timestamp,
    ) -> Admitted {
        let documents = &InvocationRegistry::new(ports);
        let admitter = Admitter { documents, registry: &self.registry, now: ports.now() };
        let mut admitted = Admitted::with_capacity(records.len());
        for (index, (incoming, owner)) in records.enumerate() {
            let admission = if ports.now() < deadline {
                admitter.admit(&incoming, owner.as_ref()).await
            } else {
                Admission::Unavailable { unavailable: time_is_over(), tenant: None }
            };
            admitted.take(index, incoming, admission);
        }
        admitted
    }

    /// Commits what was admitted, as far as time allows. Nothing goes into a queue: the caller hears
    /// what became of each record, or of each of its elements, in order.
    ///
    /// Runs the subjects together: those of each table beside those of the others, so that a table which
    /// hangs or is missing takes no turns from another.
    pub async fn settle(
        &self,
        ports: &impl Ports,
        admitted: Admitted,
        deadline: Timestamp,
    ) -> (Vec<Settled>, Tally) {
        let (groups, mut settled) = grouped(admitted);
        let mut tally = Tally::default();
        let tables = groups.by_table().into_iter().map(|(table, subjects)| {
            let health = Arc::new(TableHealth::of(table.clone()));
            let jobs = subjects.into_iter().map(move |(key, group)| {
                let (location, health) =
                    (SubjectLocation { key, table: table.clone() }, Arc::clone(&health));
                self.commit_subject(ports, location, group, health, deadline)
            });
            stream::iter(jobs).buffer_unordered(self.concurrency).boxed()
        });
        let mut running = stream::select_all(tables);
        while let Some((location, Group { records, .. }, committed)) = running.next().await {
            count(&mut tally, &location.key, &records, &committed);
            self.remember(location, &committed, ports.now());
            settled.extend(settle(records, &committed.outcomes));
        }
        settled.sort_unstable_by_key(|settled| (settled.index(), settled.element()));
        (settled, tally)
    }

    /// Commits events that their contracts let pass, like [`Self::settle`].
    pub async fn commit(
        &self,
        ports: &impl Ports,
        events: &[Outgoing],
        deadline: Timestamp,
    ) -> (Vec<Settled>, Tally) {
        let mut admitted = Admitted::with_capacity(events.len());
        for (index, Outgoing { event, tenant, record }) in events.iter().enumerate() {
            let (event, tenant) = (event.clone(), Arc::clone(tenant));
            let admission = Admission::Event { event, tenant };
            admitted.take(index, Incoming::Event(record.clone()), admission);
        }
        self.settle(ports, admitted, deadline).await
    }

    async fn commit_subject(
        &self,
        ports: &impl Ports,
        location: SubjectLocation,
        group: Group,
        health: Arc<TableHealth>,
        deadline: Timestamp,
    ) -> (SubjectLocation, Group, Committed) {
        let job = self.job(location.clone(), &group, (ports.now(), deadline));
        let committed = commit(ports, &self.registry, job, &health).await;
        (location, group, committed)
    }

    fn job(
        &self,
        location: SubjectLocation,
        group: &Group,
        (now, deadline): (Timestamp, Timestamp),
    ) -> Job {
        let cached = self.heads.get(&location, now);
        let policy = group.tenant.policy();
        let params = CommitParams::new(location.key.clone(), policy, self.item_limits);
        Job { location, params, entries: group.entries(), cached, deadline }
    }

    fn remember(&self, location: SubjectLocation, committed: &Committed, now: Timestamp) {
        match &committed.head {
            Some(head) => self.heads.put(location, Arc::clone(head), now),
            None => self.heads.forget(&location),
        }
    }
}

/// The events by subject, and the records that are settled already because they are no events.
fn grouped(admitted: Admitted) -> (Groups, Vec<Settled>) {
    let mut groups = Groups::default();
    let mut settled = Vec::with_capacity(admitted.records.len());
    for AdmittedRecord { handled, index, event } in admitted.records {
        match event {
            Ok((Event { subject, entry, skipped: _ }, tenant)) => {
                groups.add(subject, tenant, PendingRecord { handled, index, entry });
            }
            Err(refused) => settled.push(Settled::new(handled, index, refused.into())),
        }
    }
    (groups, settled)
}

/// Turns the outcomes of one subject into those of its records. From the first record that is not
/// finished on, all are unavailable for the same reason.
fn settle(
    records: Vec<PendingRecord>,
    outcomes: &EntryOutcomes,
) -> impl Iterator<Item = Settled> + '_ {
    let mut waits: Option<&Unavailable> = None;
    records.into_iter().zip(outcomes.iter()).map(move |(record, outcome)| {
        let PendingRecord { handled, index, .. } = record;
        waits = waits.or(outcome.err());
        let outcome = match (outcome, waits) {
            (Ok(outcome), None) => outcome.into(),
            (Ok(_), Some(unavailable)) | (Err(unavailable), _) => {
                RecordOutcome::Unavailable(unavailable.clone())
            }
        };
        Settled::new(handled, index, outcome)
    })
}

/// The kind that is counted by itself.
const DEVICE: &str = "device";

/// Whether a subject has nothing but what was applied just now.
fn is_first(committed: &Committed) -> bool {
    let Some(head) = &committed.head else { return false };
    let applied = committed.outcomes.applied();
    applied > 0 && head.count == applied as u64
}

fn count(tally: &mut Tally, key: &SubjectKey, records: &[PendingRecord], committed: &Committed) {
    let counts = tally.of(Some(key.tenant()));
    counts.add_units(committed.units);
    if committed.restarted_view {
        counts.add(Metric::ViewsRestarted);
    }
    if key.subject().kind().as_str() == DEVICE && is_first(committed) {
        counts.add(Metric::UniqueDevices);
    }
    for (PendingRecord { entry, .. }, outcome) in records.iter().zip(committed.outcomes.iter()) {
        match outcome {
            Ok(EntryOutcome::Applied(arrival)) => {
                counts.add(Metric::EventsProcessed);
                counts.last_message = counts.last_message.max(Some(entry.position.observed_at));
                match arrival {
                    Arrival::InOrder => {}
                    Arrival::Late => counts.add(Metric::EventsLate),
                    Arrival::Correction => {
                        counts.add(Metric::EventsLate);
                        counts.add(Metric::Corrections);
                    }
                }
            }
            Ok(EntryOutcome::Duplicate) => counts.add(Metric::EventsDuplicate),
            Ok(EntryOutcome::Rejected(_)) | Err(_) => {}
        }
    }
}

fn report(disposed: &[Disposed], mut tally: Tally, seconds: f64) -> Report {
    let mut dispositions = Vec::with_capacity(disposed.len());
    let same_tenant = |one: &Disposed, next: &Disposed| one.handled.tenant == next.handled.tenant;
    for neighbours in disposed.chunk_by(same_tenant) {
        let counts = tally.of(neighbours.first().and_then(|one| one.handled.tenant.as_ref()));
        let records = neighbours.chunk_by(|one, next| one.index == next.index).count();
        counts.add_many(Metric::MessagesProcessed, records);
        counts.durations.extend(std::iter::repeat_n(seconds, records));
        for Disposed { handled, disposition, why, .. } in neighbours {
            if !matches!(disposition, Disposition::Applied | Disposition::Ignored) {
                handled.log(*disposition, why.as_ref());
            }
            handled.skipped.iter().for_each(|field| counts.add_skipped(field));
            match disposition {
                Disposition::DeadLettered(code) => {
                    counts.add(Metric::DeadLettersSent);
                    counts.add_error(*code);
                }
                Disposition::Buffered => counts.add(Metric::RecordsBuffered),
                Disposition::Returned => counts.add(Metric::RecordsReturned),
                Disposition::Ignored => counts.add(Metric::RecordsIgnored),
                Disposition::Applied | Disposition::Duplicate => {}
            }
        }
    }
    for elements in disposed.chunk_by(|one, next| one.index == next.index) {
        dispositions.extend(elements.iter().map(|one| one.disposition).max());
    }
    Report { dispositions, tally }
}

#[cfg(test)]
mod tests;
