//! Brings the alerts of a subject to what its history says, after a commit.
//!
//! Most commits change no episode: they cost nothing here. Another commit reads the alerts that it may concern and
//! writes those that change. A commit that its images do not tell, or that comes again after a later one, reads the
//! history from what changed to the end.

use std::sync::Arc;

use crate::base::cost::Units;
use crate::base::dependency::Dependency;
use crate::base::error::{Reason, Unavailable};
use crate::base::id::Position;
use crate::base::limits;
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::ledger::Head;
use crate::ledger::range_read::{HistoryRange, Order};
use crate::ledger::read::Question;
use crate::outputs::alerts::looking::{Look, RuleFold, Work, cause_at, entries_of, first, look};
use crate::outputs::alerts::reconcile::Told;
use crate::outputs::alerts::{Alert, AlertWrite, Reflected, SubjectAlerts};
use crate::outputs::changes::{Changes, CommitId};
use crate::ports::{ALERTS_WRITTEN, Alerts, Ports, SubjectLocation};
use crate::registry::Registry;
use crate::subject::reader;
use crate::view::Specs;
use crate::view::rules::RuleStates;

/// The alerts of a subject after a commit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Followed {
    /// Those that the commit may concern, as they are now. They are the same if the commit comes again.
    pub alerts: Vec<Alert>,
    /// What changed.
    pub writes: Vec<AlertWrite>,
    /// When to look at the subject again, if a timer is needed that is not armed.
    pub next_look: Option<Timestamp>,
}

/// Brings the alerts of a subject to what its history says after a commit, by the images of its head.
///
/// # Errors
/// A table does not answer, another writer was faster, or this time is over. Then the commit has to come again.
pub async fn follow<P: Ports + Alerts>(
    (ports, registry, location): (&P, &Registry, &SubjectLocation),
    (old, new, changes): (Option<&Head>, &Head, &Changes),
    deadline: Timestamp,
    units: &mut Units,
) -> Result<Followed, Unavailable> {
    let subject = &location.key;
    let now = ports.now();
    if registry.rules_of(subject.tenant(), now, ports).await?.is_none() {
        return Ok(Followed::default());
    }
    let versions = Specs::default().missing(entries_of(old, new));
    let specs = registry.folded_by(subject, &versions, now, ports).await?;
    let mut following =
        Following { ports, registry, location, commit: changes.commit, deadline, units };
    let Look { work, next_look } = look(old, new, changes, &specs);
    let followed = match work {
        Work::Nothing => Ok(Followed::default()),
        Work::Forget => following.forget().await,
        Work::Read(from) => following.by_history(from).await,
        Work::Told(told) => {
            let stored = following.alerts(told.closed_from()).await?;
            let is_newer = |reflected: Reflected| reflected.commit >= changes.commit;
            match stored.reflected.is_some_and(is_newer) {
                true => following.by_history(first(changes)).await,
                false => following.reconcile(&told, stored).await,
            }
        }
    };
    Ok(Followed { next_look, ..followed? })
}

struct Following<'a, P> {
    ports: &'a P,
    registry: &'a Registry,
    location: &'a SubjectLocation,
    commit: CommitId,
    deadline: Timestamp,
    units: &'a mut Units,
}

impl<P: Ports + Alerts> Following<'_, P> {
    async fn alerts(&mut self, closed_from: Timestamp) -> Result<SubjectAlerts, Unavailable> {
        let read = self.ports.alerts(&self.location.key, closed_from).await?;
        *self.units += read.units;
        Ok(read.answer)
    }

    /// Folds the history from a position on, as it is now; `None`: everything that is kept.
    async fn by_history(&mut self, from: Option<Position>) -> Result<Followed, Unavailable> {
        let Some(told) = self.told(from).await? else { return Ok(Followed::default()) };
        let stored = self.alerts(told.closed_from()).await?;
        self.reconcile(&told, stored).await
    }

    /// `None`: the subject was forgotten since, or nothing of it is kept.
    async fn told(&mut self, from: Option<Position>) -> Result<Option<Told>, Unavailable> {
        let mut range = HistoryRange {
            from: from.as_ref().map(|from| from.observed_at),
            to: None,
            order: Order::Ascending,
            beyond: None,
            event_type: None,
            entries: limits::WALK_ENTRIES,
            bytes: limits::WALK_BYTES,
        };
        let (mut fold, mut specs): (Option<RuleFold>, Specs) = (None, Specs::default());
        let (mut seen_by, mut cause, mut begins_at) = (self.commit, None, range.from);
        loop {
            if self.ports.now() >= self.deadline {
                let message = "the invocation is about to time out";
                return Err(Unavailable::new(Reason::Deadline, message));
            }
            let (portion, units) = reader::range(self.ports, self.location, range.clone()).await?;
            *self.units += units;
            let Some(portion) = portion else { return Ok(None) };
            seen_by =
                seen_by.max(CommitId { era: portion.head.era, version: portion.head.version });
            let mut reached = match fold.take() {
                Some(fold) => fold,
                None => {
                    // What has expired or was forgotten is not told.
                    let gone = portion.gone_up_to.as_ref().max(portion.head.forgotten.as_ref());
                    if gone.is_some() && gone >= from.as_ref() {
                        let Some(first) = portion.entries.first() else { return Ok(None) };
                        begins_at = Some(first.position.observed_at);
                    }
                    match self.before(begins_at).await? {
                        Some(fold) => fold,
                        None => return Ok(None),
                    }
                }
            };
            cause.get_or_insert_with(|| cause_at(from.as_ref(), &portion.entries));
            self.complete(&mut specs, &portion.entries).await?;
            reached.take(&portion.entries, &specs);
            match portion.next {
                Some(next) => (range.beyond, fold) = (Some(next), Some(reached)),
                None => {
                    reached.look(portion.head.looked_until, &specs);
                    let (episodes, last_at) = (reached.episodes().to_vec(), reached.last_at());
                    let from = begins_at;
                    let cause = cause.unwrap_or_else(|| cause_at(None, &[]));
                    return Ok(Some(Told { from, last_at, episodes, seen_by, cause }));
                }
            }
        }
    }

    /// The states of rules just before this time. `None`: that part of the history has expired since.
    async fn before(
        &mut self,
        begins_at: Option<Timestamp>,
    ) -> Result<Option<RuleFold>, Unavailable> {
        let Some(begins_at) = begins_at else {
            return Ok(Some(RuleFold::from(RuleStates::default(), None)));
        };
        let question = Question::AsOf(begins_at.just_before());
        let (snapshot, units) = reader::read(self.ports, self.location, question).await?;
        *self.units += units;
        let Some(snapshot) = snapshot else { return Ok(None) };
        let mut specs = Specs::default();
        let entries: Vec<Arc<Entry>> = snapshot.entries().cloned().collect();
        self.complete(&mut specs, &entries).await?;
        let view = snapshot.as_of(begins_at.just_before(), &specs);
        Ok(view.map(|view| RuleFold::from(view.rules, view.last_observed_at)))
    }

    /// Adds what the fold of these entries needs.
    async fn complete(&self, specs: &mut Specs, entries: &[Arc<Entry>]) -> Result<(), Unavailable> {
        let (missing, now) = (specs.missing(entries), self.ports.now());
        let added = self.registry.folded_by(&self.location.key, &missing, now, self.ports).await?;
        specs.add(added);
        Ok(())
    }

    async fn reconcile(
        &mut self,
        told: &Told,
        stored: SubjectAlerts,
    ) -> Result<Followed, Unavailable> {
        let SubjectAlerts { reflected, mut alerts } = stored;
        let writes = told.reconcile(&self.location.key, alerts.clone(), self.ports.now());
        self.write(reflected, told.seen_by, &writes).await?;
        let new: Vec<Alert> = writes.iter().filter_map(|write| write.new.clone()).collect();
        alerts.retain(|alert| new.iter().all(|new| new.id != alert.id));
        alerts.extend(new);
        Ok(Followed { alerts, writes, next_look: None })
    }

    async fn write(
        &mut self,
        mut reflected: Option<Reflected>,
        seen_by: CommitId,
        writes: &[AlertWrite],
    ) -> Result<(), Unavailable> {
        for writes in writes.chunks(ALERTS_WRITTEN) {
            let (commit, revision) =
                reflected.map_or((seen_by, 0), |one| (one.commit, one.revision));
            let new = Reflected { commit: commit.max(seen_by), revision: revision + 1 };
            let (subject, now) = (&self.location.key, self.ports.now());
            let written = self.ports.write_alerts(subject, reflected, new, writes, now).await?;
            *self.units += written.units;
            if !written.answer {
                let message = "another writer changed the alerts of this subject";
                let lost = Unavailable::new(Reason::Contention, message);
                return Err(lost.of(Dependency::OutputsTable));
            }
            reflected = Some(new);
        }
        Ok(())
    }

    /// Deletes all alerts of the subject.
    async fn forget(&mut self) -> Result<Followed, Unavailable> {
        let SubjectAlerts { reflected, alerts } = self.alerts(Timestamp::MIN).await?;
        let writes = alerts.into_iter().map(|old| AlertWrite { old: Some(old), new: None });
        let writes: Vec<AlertWrite> = writes.collect();
        self.write(reflected, self.commit, &writes).await?;
        Ok(Followed { writes, ..Followed::default() })
    }
}
