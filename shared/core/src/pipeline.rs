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
//! A record is acknowledged only when it is applied, duplicate, dead-lettered or buffered.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use crate::base::error::{Reason, Unavailable};
use crate::base::id::{SubjectKey, TenantId};
use crate::base::limits::ItemLimits;
use crate::base::metrics::{Metric, Tally};
use crate::base::mutant::{Mutant, on};
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::intake::event_log::Outgoing;
use crate::intake::record::Incoming;
use crate::intake::tenant::Tenant;
use crate::ledger::dialogue::CommitParams;
use crate::ledger::place::{Arrival, Outcome};
use crate::pipeline::admit::{Admission, Admitter};
use crate::pipeline::batch::{Group, Groups, Handled, State};
use crate::pipeline::cache::HeadCache;
use crate::pipeline::invocation_registry::InvocationRegistry;
use crate::pipeline::queues::{return_unavailable, send_to_buffer, send_to_dead_letters};
use crate::pipeline::subject::{Committed, Job, commit, time_is_over};
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
mod settled;
pub mod subject;
pub(crate) mod table_health;

pub use breaker::BreakerOpen;
pub use disposition::Disposition;
pub use settled::{Admitted, Known, Settled, Verdict};

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

/// Where records wait whose subject or tenant is unavailable.
#[derive(Clone, Copy)]
enum Waiting {
    InBuffer,
    AtSource,
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
        let Admitted { mut handled, groups } = admitted;
        breaker::check(&handled, &self.registry, started, ports).await?;
        let mut tally = Tally::default();
        self.commit_all(ports, groups, &mut handled, &mut tally, deadline).await;
        send_to_dead_letters(ports, &mut handled).await;
        match waiting {
            Waiting::InBuffer => send_to_buffer(ports, &mut handled).await,
            Waiting::AtSource => return_unavailable(&mut handled),
        }
        let seconds = ports.now().seconds_since(started);
        Ok(report(&handled, tally, seconds))
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
        for (incoming, owner) in records {
            let admission = if ports.now() < deadline {
                admitter.admit(&incoming, owner.as_ref()).await
            } else {
                Admission::Unavailable { unavailable: time_is_over(), tenant: None }
            };
            admitted.take(incoming, admission);
        }
        admitted
    }

    /// Commits what was admitted, as far as time allows. Nothing goes into a queue: the caller hears
    /// what became of each record, in order.
    pub async fn settle(
        &self,
        ports: &impl Ports,
        admitted: Admitted,
        deadline: Timestamp,
    ) -> (Vec<Settled>, Tally) {
        let Admitted { mut handled, groups } = admitted;
        let mut tally = Tally::default();
        self.commit_all(ports, groups, &mut handled, &mut tally, deadline).await;
        (handled.into_iter().map(Settled).collect(), tally)
    }

    /// Commits events that their contracts let pass, like [`Self::settle`].
    pub async fn commit(
        &self,
        ports: &impl Ports,
        events: &[Outgoing],
        deadline: Timestamp,
    ) -> (Vec<Settled>, Tally) {
        let mut admitted = Admitted::with_capacity(events.len());
        for Outgoing { event, tenant, record } in events {
            let (event, tenant) = (event.clone(), Arc::clone(tenant));
            let admission = Admission::Event { event, tenant };
            admitted.take(Incoming::Event(record.clone()), admission);
        }
        self.settle(ports, admitted, deadline).await
    }

    /// Runs the subjects together: those of each table beside those of the others, so that a table which
    /// hangs or is missing takes no turns from another.
    async fn commit_all(
        &self,
        ports: &impl Ports,
        groups: Groups,
        handled: &mut [Handled],
        tally: &mut Tally,
        deadline: Timestamp,
    ) {
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
        while let Some((location, Group { records, entries, .. }, committed)) = running.next().await
        {
            count(tally, &location.key, &entries, &committed);
            self.remember(location, &committed);
            settle(handled, &records, committed);
        }
    }

    async fn commit_subject(
        &self,
        ports: &impl Ports,
        location: SubjectLocation,
        group: Group,
        health: Arc<TableHealth>,
        deadline: Timestamp,
    ) -> (SubjectLocation, Group, Committed) {
        let job = self.job(location.clone(), group.entries.clone(), &group.tenant, deadline);
        let committed = commit(ports, &self.registry, job, &health).await;
        (location, group, committed)
    }

    fn job(
        &self,
        location: SubjectLocation,
        entries: Vec<Arc<Entry>>,
        tenant: &Tenant,
        deadline: Timestamp,
    ) -> Job {
        let cached = self.heads.get(&location);
        let params = CommitParams::new(location.key.clone(), tenant.policy(), self.item_limits);
        Job { location, params, entries, cached, deadline }
    }

    fn remember(&self, location: SubjectLocation, committed: &Committed) {
        match &committed.head {
            Some(head) => self.heads.put(location, Arc::clone(head)),
            None => self.heads.forget(&location),
        }
    }
}

/// Turns the outcomes of one subject into the states of its records. From the first record that
/// is not finished on, all go the same way.
fn settle(handled: &mut [Handled], records: &[usize], committed: Committed) {
    let mut waits = false;
    for (at, outcome) in records.iter().zip(committed.outcomes) {
        let Some(handled) = handled.get_mut(*at) else { continue };
        waits |= outcome.is_none();
        handled.state = match outcome {
            Some(outcome) if !waits || on(Mutant::DropRestOfSubject) => state_of(outcome),
            _ if waits && on(Mutant::DropRestOfSubject) => State::Done(Disposition::Applied),
            _ => match &committed.unavailable {
                Some(unavailable) => State::Unavailable(unavailable.clone()),
                None => State::Unavailable(Unavailable::new(
                    Reason::Bug,
                    "a commit ended without an outcome",
                )),
            },
        };
    }
}

fn state_of(outcome: Outcome) -> State {
    match outcome {
        Outcome::Applied(_) => State::Done(Disposition::Applied),
        Outcome::Duplicate => State::Done(Disposition::Duplicate),
        Outcome::Rejected(rejection) => State::Rejected(rejection),
    }
}

/// The kind that is counted by itself.
const DEVICE: &str = "device";

/// Whether a subject has nothing but what was applied just now.
fn is_first(committed: &Committed) -> bool {
    let Some(head) = &committed.head else { return false };
    let applied = committed.outcomes.iter().flatten();
    let applied = applied.filter(|outcome| matches!(outcome, Outcome::Applied(_))).count();
    let before = usize::try_from(head.base.event_count).unwrap_or(usize::MAX);
    applied > 0 && before.saturating_add(head.tail.len()) == applied
}

fn count(tally: &mut Tally, key: &SubjectKey, entries: &[Arc<Entry>], committed: &Committed) {
    let counts = tally.of(Some(key.tenant()));
    counts.add_units(committed.units);
    if key.subject().kind().as_str() == DEVICE && is_first(committed) {
        counts.add(Metric::UniqueDevices);
    }
    for (entry, outcome) in entries.iter().zip(&committed.outcomes) {
        match outcome {
            Some(Outcome::Applied(arrival)) => {
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
            Some(Outcome::Duplicate) => counts.add(Metric::EventsDuplicate),
            Some(Outcome::Rejected(_)) | None => {}
        }
    }
}

fn report(handled: &[Handled], mut tally: Tally, seconds: f64) -> Report {
    let mut dispositions = Vec::with_capacity(handled.len());
    for neighbours in handled.chunk_by(|one, next| one.tenant == next.tenant) {
        let counts = tally.of(neighbours.first().and_then(|handled| handled.tenant.as_ref()));
        counts.add_many(Metric::MessagesProcessed, neighbours.len());
        counts.durations.extend(std::iter::repeat_n(seconds, neighbours.len()));
        for handled in neighbours {
            let disposition = disposition_of(handled);
            if !matches!(disposition, Disposition::Applied | Disposition::Ignored) {
                handled.log(disposition);
            }
            match disposition {
                Disposition::DeadLettered(code) => {
                    counts.add(Metric::DeadLettersSent);
                    counts.add_error(code);
                }
                Disposition::Buffered => counts.add(Metric::RecordsBuffered),
                Disposition::Returned => counts.add(Metric::RecordsReturned),
                Disposition::Ignored => counts.add(Metric::EventsIgnored),
                Disposition::Applied | Disposition::Duplicate => {}
            }
            handled.skipped.iter().for_each(|field| counts.add_skipped(field));
            dispositions.push(disposition);
        }
    }
    Report { dispositions, tally }
}

fn disposition_of(handled: &Handled) -> Disposition {
    match &handled.state {
        State::Done(disposition) => *disposition,
        // Nothing is left in another state here; were it, its source would keep it.
        State::Event | State::Rejected(_) | State::Unavailable(_) => Disposition::Returned,
    }
}

#[cfg(test)]
mod tests;
