//! Processes the records of one invocation and returns a disposition for each record.
//!
//! 1. `admit` parses each record: the route of its topic names the tenant, its contract makes the event.
//!    A record that cannot be parsed becomes a rejection; it never fails the batch.
//! 2. `batch` groups the events by subject. Subjects run concurrently, up to [`Pipeline::concurrency`] for
//!    each ledger table; the events of one subject run in order ([`subject`]). Only [`Pipeline::settle`]
//!    joins concurrent work.
//! 3. `queues` sends each rejection to the dead-letter queue. A rejected record is acknowledged only after
//!    the queue has accepted its letter.
//! 4. The cause of a failure ([`Extent`](crate::base::error::Extent)) decides where an unavailable record
//!    waits, never the number of records. If the cause affects one subject or one tenant, the record goes to
//!    the buffer queue and does not delay other tenants. If the cause affects every tenant, the source must
//!    send the record again. All later records of the same subject wait too, so that no event overtakes an
//!    earlier event.
//!
//! A record is acknowledged only if it was applied, ignored, dead-lettered or buffered, or is a duplicate.
//! If a record has several elements, this holds for each element: a bad element never costs a good element.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use crate::base::error::Unavailable;
use crate::base::id::TenantId;
use crate::base::limits::ItemLimits;
use crate::base::metrics::Tally;
use crate::base::time::Timestamp;
use crate::event::Event;
use crate::intake::event_log::Outgoing;
use crate::intake::record::Incoming;
use crate::ledger::dialogue::CommitParams;
use crate::pipeline::admit::{Admission, Admitter};
use crate::pipeline::batch::{AdmittedRecord, Group, Groups, PendingRecord};
use crate::pipeline::cache::HeadCache;
use crate::pipeline::counting::{count_commit, count_dispositions};
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
mod counting;
pub mod direct;
mod disposition;
mod invocation_registry;
mod queues;
pub mod sample;
pub mod settings;
mod settled;
pub mod subject;
pub(crate) mod table_health;

pub use breaker::BreakerOpen;
pub use disposition::Disposition;
pub use settled::{Admitted, Known, RecordOutcome, Settled};

/// The state that a warm environment keeps between invocations.
pub struct Pipeline {
    /// Cached tenants, contracts and routes.
    pub registry: Registry,
    /// Cached heads of recently used subjects.
    pub heads: HeadCache,
    /// The sizes of ledger items, in bytes and entries.
    pub item_limits: ItemLimits,
    /// Maximum number of subjects that run concurrently on one ledger table.
    pub concurrency: usize,
}

/// A record from the buffer queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffered {
    /// The tenant that the record had when it was buffered. `None`: the tenant was unknown.
    pub owner: Option<TenantId>,
    /// The record.
    pub incoming: Incoming,
}

/// The result of an invocation.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// One disposition for each record, in order.
    pub dispositions: Vec<Disposition>,
    /// The metrics of the invocation.
    pub tally: Tally,
}

impl Pipeline {
    /// Processes the records of one invocation. The source must send again each record that was not started
    /// before the deadline.
    ///
    /// # Errors
    /// [`BreakerOpen`]: every record of the batch is unknown and the registry looks wrong. Nothing was
    /// written, and the source must send the whole batch again.
    pub async fn process(
        &self,
        ports: &impl Ports,
        records: Vec<Incoming>,
        deadline: Timestamp,
    ) -> Result<Report, BreakerOpen> {
        let records = records.into_iter().map(|incoming| (incoming, None));
        self.take(ports, records, deadline, Waiting::InBuffer).await
    }

    /// Processes records from the buffer queue. An unavailable record stays in the queue and is not buffered
    /// a second time. If the route or the body of a record now names another tenant, the record is
    /// rejected, and its letter belongs to its original tenant.
    ///
    /// # Errors
    /// [`BreakerOpen`], as in [`Self::process`].
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
        let (settled, mut tally) = self.settle(ports, admitted, deadline).await;
        let disposed = dispose(ports, settled, waiting).await;
        count_dispositions(&mut tally, &disposed, ports.now().seconds_since(started));
        Ok(Report { dispositions: dispositions(&disposed), tally })
    }

    /// Parses records into events and commits nothing. A record that was not started before the deadline is
    /// unavailable. With `only`, records of any other tenant are rejected.
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

    /// Parses records of which some have an owner. A record that names another tenant than its owner is
    /// rejected.
    async fn admit_owned(
        &self,
        ports: &impl Ports,
        records: impl ExactSizeIterator<Item = (Incoming, Option<TenantId>)>,
        deadline: Timestamp,
    ) -> Admitted {
        let documents = &InvocationRegistry::new(ports);
        let admitter =
            Admitter { documents, registry: &self.registry, in_place: None, now: ports.now() };
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

    /// Commits the admitted events until the deadline. Sends nothing to a queue. Returns the outcome of each
    /// record, or of each element of a record, in order.
    ///
    /// Each ledger table has its own slots for concurrent subjects, so that a table that hangs or is missing
    /// does not block the subjects of other tables.
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
            count_commit(&mut tally, &location.key, &records, &committed);
            self.remember(location, &committed, ports.now());
            settled.extend(settle(records, &committed.outcomes));
        }
        settled.sort_unstable_by_key(|settled| (settled.index(), settled.element()));
        (settled, tally)
    }

    /// Commits events that were already admitted, like [`Self::settle`].
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

/// Groups the events by subject. Records without an event are already settled.
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

/// Turns the outcomes of one subject's entries into outcomes of its records. After the first unavailable
/// record, every record is unavailable for the same reason.
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

fn dispositions(disposed: &[Disposed]) -> Vec<Disposition> {
    let records = disposed.chunk_by(|left, right| left.index == right.index);
    records.filter_map(|elements| elements.iter().map(|part| part.disposition).max()).collect()
}

#[cfg(test)]
mod tests;
