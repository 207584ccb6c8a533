//! One subject's events through the ledger: drives [`Commit`] over a store. Decides nothing about
//! events; it only asks, counts, backs off, and stops before the deadline.

use std::sync::Arc;
use std::time::Duration;

use crate::base::cost::{Metered, Units};
use crate::base::dependency::Dependency;
use crate::base::error::{Reason, Unavailable};
use crate::base::limits;
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::ledger::Head;
use crate::ledger::commit::{Commit, Failed};
use crate::ledger::dialogue::{Answer, Ask, CommitParams, Step};
use crate::ledger::place::EntryOutcome;
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
}

/// The outcomes of a subject's entries. Every index has one.
pub struct EntryOutcomes {
    /// What the ledger finished.
    finished: Vec<Option<EntryOutcome>>,
    /// Why the rest is unavailable.
    rest: Unavailable,
}

impl EntryOutcomes {
    /// The outcome of an entry, by its index among those given; `Err`: it is unavailable.
    pub fn of(&self, index: usize) -> Result<&EntryOutcome, &Unavailable> {
        self.finished.get(index).and_then(Option::as_ref).ok_or(&self.rest)
    }

    /// How many entries were applied.
    pub fn applied(&self) -> usize {
        let finished = self.finished.iter().flatten();
        finished.filter(|outcome| matches!(outcome, EntryOutcome::Applied(_))).count()
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
    let Job { location, params, entries, cached, deadline } = job;
    let mut units = Units::default();
    let mut step = Commit::start(params, entries, cached);
    loop {
        let (commit, ask) = match step {
            Ok((commit, Step::Ask(ask))) => (commit, ask),
            Ok((commit, Step::Done)) => {
                let (finished, head) = commit.finish();
                // A commit that is done has finished every entry.
                let rest = Unavailable::new(Reason::Bug, "a commit left an entry unfinished");
                return Committed { outcomes: EntryOutcomes { finished, rest }, head, units };
            }
            Err(Failed { outcomes: finished, unavailable }) => {
                let outcomes = EntryOutcomes { finished, rest: unavailable };
                return Committed { outcomes, head: None, units };
            }
        };
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
    }
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
            ports.pause(backoff(attempt, ports.random())).await;
            return Ok(free(Answer::Paused));
        }
        Ask::Settle => {
            ports.pause(limits::TRANSACTION_SEEN_WITHIN).await;
            return Ok(free(Answer::Paused));
        }
        Ask::Head => ports.head(location).await.map(|head| head.map(Answer::Head)),
        Ask::Seal(page) => {
            ports.seal(location, &page).await.map(|sealed| sealed.map(|()| Answer::Sealed))
        }
        Ask::Pages(range) => {
            ports.pages(location, &range).await.map(|pages| pages.map(Answer::Pages))
        }
        Ask::Write(write) => ports.write(location, &write).await.map(|done| {
            health.note_write(&done.answer);
            done.map(Answer::Write)
        }),
    };
    answered.map_err(|unavailable| health.note(unavailable))
}

/// Exponential, with full jitter: a random part of 10 ms doubled per attempt, at most 1 s.
fn backoff(attempt: u32, random: u64) -> Duration {
    const FIRST_MICROS: u64 = 10_000;
    const MOST_MICROS: u64 = 1_000_000;
    let ceiling = FIRST_MICROS.saturating_mul(1 << attempt.min(10)).min(MOST_MICROS);
    Duration::from_micros(random % ceiling.max(1))
}

impl<T> Metered<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Metered<U> {
        Metered { answer: change(self.answer), units: self.units }
    }
}
