//! One subject's events through the ledger: drives [`Commit`] over a store. Decides nothing about
//! events; it only asks, counts, backs off, and stops before the deadline.

use std::sync::Arc;

use crate::base::cost::{Metered, Units};
use crate::base::dependency::Dependency;
use crate::base::error::{Reason, Unavailable};
use crate::base::limits;
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::ledger::Head;
use crate::ledger::commit::{Commit, Failed};
use crate::ledger::dialogue::{Answer, Ask, CommitParams, EntryOutcome, Step};
use crate::pipeline::table_health::TableHealth;
use crate::ports::{Ports, SubjectLocation};
use crate::registry::Registry;

/// What became of a subject's events.
pub struct Committed {
    /// Of each entry.
    pub outcomes: EntryOutcomes,
    /// The head as it is stored now, where that is known.
    pub head: Option<Arc<Head>>,
    /// What it cost.
    pub units: Units,
    /// Whether its view was folded again from the oldest keyframe ([`Commit::restarts_view`]).
    pub restarted_view: bool,
}

/// The outcomes of a subject's entries, in their order: one of each; `Err`: the entry is unavailable.
pub struct EntryOutcomes(Vec<Result<EntryOutcome, Unavailable>>);

impl EntryOutcomes {
    /// The outcome of each entry, in order; `Err`: the entry is unavailable.
    pub fn iter(&self) -> impl Iterator<Item = Result<&EntryOutcome, &Unavailable>> {
        self.0.iter().map(Result::as_ref)
    }

    /// How many entries were applied.
    pub fn applied(&self) -> usize {
        self.0.iter().filter(|outcome| matches!(outcome, Ok(EntryOutcome::Applied(_)))).count()
    }
}

/// One subject's events, in order of arrival.
pub struct Job {
    /// Where the subject lives.
    pub location: SubjectLocation,
    /// What its tenant decided, and the specs known so far.
    pub params: CommitParams,
    /// The events.
    pub entries: Vec<Arc<Entry>>,
    /// The head that is believed to be stored.
    pub cached: Option<Arc<Head>>,
    /// When to stop.
    pub deadline: Timestamp,
}

/// Commits a subject's events, as far as time and store allow. `health` is what is known of its table.
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
        // Where every entry has its outcome, only the views are not up to date, and a later commit does that.
        Err(Failed { outcomes, unavailable }) => {
            let finished = |outcome: Option<_>| outcome.ok_or_else(|| unavailable.clone());
            (outcomes.into_iter().map(finished).collect(), None)
        }
    };
    Committed { outcomes: EntryOutcomes(outcomes), head, units, restarted_view }
}

/// Brings the views of a subject up to date, wherever they are not.
///
/// # Errors
/// The store did not answer, or other writers were faster every time.
pub async fn carry(
    ports: &impl Ports,
    registry: &Registry,
    location: SubjectLocation,
    mut params: CommitParams,
) -> Result<(Option<Arc<Head>>, Units), Unavailable> {
    params.now = ports.now();
    let health = &TableHealth::of(location.table.clone());
    let drive_params = Drive { location, deadline: Timestamp::MAX, health };
    let driven = drive(ports, registry, Ok(Commit::carry(params)), drive_params).await;
    match driven.ended {
        Ok((_, head)) => Ok((head, driven.units)),
        Err(failed) => Err(failed.unavailable),
    }
}

/// The outcomes, and the head as it is stored now, where that is known.
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

/// What the answers of the ledger led to is a fault of its table, unless time or the program is.
fn of_ledger(unavailable: Unavailable) -> Unavailable {
    match unavailable.reason {
        Reason::Deadline | Reason::Bug => unavailable,
        _ => unavailable.of(Dependency::LedgerTable),
    }
}

/// What is not begun before the deadline goes back to its source.
pub(super) fn time_is_over() -> Unavailable {
    Unavailable::new(Reason::Deadline, "the invocation's time is nearly over")
}

/// The answer of the registry, the store or the clock.
async fn answer(
    ports: &impl Ports,
    registry: &Registry,
    location: &SubjectLocation,
    ask: Ask,
    health: &TableHealth,
) -> Result<Metered<Answer>, Unavailable> {
    let free = |answer| Metered { answer, units: Units::default() };
    let answered = match ask {
        Ask::Specs { contracts, at_least } => {
            let now = ports.now();
            let specs = registry.specs(&contracts, at_least, now, ports).await?;
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
