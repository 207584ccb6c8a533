//! Commits the events of one subject: runs the state machine [`Commit`] against a store. This module does not
//! decide about events. It reads and writes, adds up the cost, waits between retries, and stops at the
//! deadline.

use std::sync::Arc;

use crate::base::cost::{Metered, Units};
use crate::base::dependency::Dependency;
use crate::base::error::{Reason, Unavailable};
use crate::base::id::SubjectKey;
use crate::base::limits::{self, ItemLimits};
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::intake::tenant::Tenant;
use crate::ledger::Head;
use crate::ledger::commit::{Commit, Failed};
use crate::ledger::dialogue::{Answer, Ask, CommitParams, EntryOutcome, Step};
use crate::ledger::touch::Touch;
use crate::pipeline::table_health::TableHealth;
use crate::ports::{Ports, SubjectLocation};
use crate::registry::Registry;

/// The result of a commit.
pub struct Committed {
    /// One outcome for each entry.
    pub outcomes: EntryOutcomes,
    /// The stored head, if it is known.
    pub head: Option<Arc<Head>>,
    /// The cost, in read and write units.
    pub units: Units,
    /// Whether the commit folded the view again from the oldest keyframe ([`Commit::restarts_view`]).
    pub restarted_view: bool,
}

/// One outcome for each entry of a subject, in order. `Err`: the entry is unavailable.
pub struct EntryOutcomes(Vec<Result<EntryOutcome, Unavailable>>);

impl EntryOutcomes {
    /// The outcome of each entry, in order; `Err`: the entry is unavailable.
    pub fn iter(&self) -> impl Iterator<Item = Result<&EntryOutcome, &Unavailable>> {
        self.0.iter().map(Result::as_ref)
    }

    /// The number of applied entries.
    pub fn applied(&self) -> usize {
        self.0.iter().filter(|outcome| matches!(outcome, Ok(EntryOutcome::Applied(_)))).count()
    }
}

/// A commit of the events of one subject.
pub struct Job {
    /// The subject and its ledger table.
    pub location: SubjectLocation,
    /// The policy of the tenant and the specs that are known so far.
    pub params: CommitParams,
    /// The events, in order of arrival.
    pub entries: Vec<Arc<Entry>>,
    /// The head from the cache. It may be stale.
    pub cached: Option<Arc<Head>>,
    /// When to stop.
    pub deadline: Timestamp,
}

/// Commits the events of a subject. `health` is the state of its table in this invocation. Entries that are
/// not committed before the deadline, or because of a failure, are unavailable.
pub async fn commit(
    ports: &impl Ports,
    registry: &Registry,
    job: Job,
    health: &TableHealth,
) -> Committed {
    let Job { location, mut params, entries, cached, deadline } = job;
    params.now = ports.now();
    let step = Commit::start(params, entries, cached);
    let driven = drive(ports, registry, step, Drive { location, deadline, health }).await;
    let Driven { ended, units, restarted_view } = driven;
    let (outcomes, head) = match ended {
        Ok((outcomes, head)) => (outcomes.into_iter().map(Ok).collect(), head),
        // If every entry has an outcome, only the views are stale, and a later commit updates them.
        Err(Failed { outcomes, unavailable }) => {
            let finished = |outcome: Option<_>| outcome.ok_or_else(|| unavailable.clone());
            (outcomes.into_iter().map(finished).collect(), None)
        }
    };
    Committed { outcomes: EntryOutcomes(outcomes), head, units, restarted_view }
}

/// Updates the stale views of a subject.
///
/// # Errors
/// The store does not answer, or concurrent writers win every attempt.
pub async fn carry(
    ports: &impl Ports,
    registry: &Registry,
    location: SubjectLocation,
    mut params: CommitParams,
) -> Result<(Option<Arc<Head>>, Units), Unavailable> {
    params.now = ports.now();
    run_to_end(ports, registry, location, Commit::carry(params)).await
}

/// Writes the head of a subject though no event came, so that what follows the heads looks at it again.
///
/// # Errors
/// The store does not answer, or concurrent writers win every attempt.
pub async fn touch(
    ports: &impl Ports,
    registry: &Registry,
    location: SubjectLocation,
    mut params: CommitParams,
    touch: Touch,
) -> Result<(Option<Arc<Head>>, Units), Unavailable> {
    params.now = ports.now();
    run_to_end(ports, registry, location, Commit::touch(params, touch)).await
}

/// Has the kept history and the state of a tenant's subject sent to its feeds again, by writing its head with
/// this reason. Returns whether the subject exists, and the cost.
///
/// # Errors
/// As for [`touch`].
pub async fn resend(
    ports: &impl Ports,
    registry: &Registry,
    (key, tenant): (SubjectKey, &Tenant),
    reason: Touch,
    item_limits: ItemLimits,
) -> Result<(bool, Units), Unavailable> {
    let params = CommitParams::new(key.clone(), tenant.policy(), item_limits);
    let location = SubjectLocation { key, table: tenant.placement.table() };
    let (head, units) = touch(ports, registry, location, params, reason).await?;
    Ok((head.is_some_and(|head| head.version > 0), units))
}

/// Runs a commit that places no events and has no deadline.
async fn run_to_end(
    ports: &impl Ports,
    registry: &Registry,
    location: SubjectLocation,
    started: (Commit, Step),
) -> Result<(Option<Arc<Head>>, Units), Unavailable> {
    let health = &TableHealth::of(location.table.clone());
    let drive_params = Drive { location, deadline: Timestamp::MAX, health };
    let driven = drive(ports, registry, Ok(started), drive_params).await;
    match driven.ended {
        Ok((_, head)) => Ok((head, driven.units)),
        Err(failed) => Err(failed.unavailable),
    }
}

/// The outcomes, and the stored head, if it is known.
type Ended = Result<(Vec<EntryOutcome>, Option<Arc<Head>>), Failed>;

/// How a commit ended.
struct Driven {
    ended: Ended,
    units: Units,
    restarted_view: bool,
}

struct Drive<'a> {
    location: SubjectLocation,
    deadline: Timestamp,
    health: &'a TableHealth,
}

async fn drive(
    ports: &impl Ports,
    registry: &Registry,
    mut step: Result<(Commit, Step), Failed>,
    Drive { location, deadline, health }: Drive<'_>,
) -> Driven {
    let (mut units, mut restarted_view) = (Units::default(), false);
    let ended = loop {
        let (commit, ask) = match step {
            Ok((commit, Step::Ask(ask))) => (commit, ask),
            Ok((_, Step::Done { outcomes, head })) => break Ok((outcomes, head)),
            Err(failed) => break Err(failed),
        };
        if commit.restarts_view() && !restarted_view {
            restarted_view = true;
            let (tenant, subject) = (location.key.tenant(), location.key.subject());
            tracing::warn!(%tenant, %subject, "view restarted at the oldest keyframe");
        }
        let noted = |failed: Failed| Failed {
            unavailable: health.note(of_ledger(failed.unavailable)),
            outcomes: failed.outcomes,
        };
        step = if let Some(unavailable) = health.failed() {
            Err(commit.give_up(unavailable))
        } else if ports.now() >= deadline {
            Err(noted(commit.run_out_of_time(time_is_over())))
        } else {
            match answer(ports, registry, &location, ask, health).await {
                Ok(Metered { answer, units: cost }) => {
                    units += cost;
                    commit.answer(answer).map_err(noted)
                }
                Err(unavailable) => Err(commit.give_up(unavailable)),
            }
        };
    };
    Driven { ended, units, restarted_view }
}

/// Attributes a failure of a commit to the ledger table, unless the cause is the deadline or a bug.
fn of_ledger(unavailable: Unavailable) -> Unavailable {
    match unavailable.reason {
        Reason::Deadline | Reason::Bug => unavailable,
        _ => unavailable.of(Dependency::LedgerTable),
    }
}

/// The error of a record that was not started before the deadline.
pub(super) fn time_is_over() -> Unavailable {
    Unavailable::new(Reason::Deadline, "the invocation has reached its deadline")
}

/// Gets the answer of the registry, the store or the clock.
async fn answer(
    ports: &impl Ports,
    registry: &Registry,
    location: &SubjectLocation,
    ask: Ask,
    health: &TableHealth,
) -> Result<Metered<Answer>, Unavailable> {
    let free = |answer| Metered { answer, units: Units::default() };
    let answered = match ask {
        Ask::Specs(versions) => {
            let now = ports.now();
            let specs = registry.folded_by(&location.key, &versions, now, ports).await?;
            return Ok(free(Answer::Specs(specs)));
        }
        Ask::Pause { attempt } => {
            ports.pause(limits::backoff(attempt, ports.random())).await;
            return Ok(free(Answer::Paused));
        }
        Ask::Head => ports.head(location).await.map(|head| head.map(Answer::Head)),
        Ask::Seal(page) => {
            ports.seal(location, &page).await.map(|sealed| sealed.map(|()| Answer::Sealed))
        }
        Ask::Pages(range) => {
            ports.pages(location, &range).await.map(|pages| pages.map(Answer::Pages))
        }
        Ask::Together(key) => ports
            .together(location, &key)
            .await
            .map(|read| read.map(|(head, page)| Answer::Together(head, page))),
        Ask::Write(write) => ports.write(location, &write).await.map(|done| {
            health.note_write(&done.answer);
            done.map(Answer::Write)
        }),
    };
    answered.map_err(|unavailable| health.note(unavailable))
}

impl<T> Metered<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Metered<U> {
        Metered { answer: change(self.answer), units: self.units }
    }
}
