//! Brings the alerts of a subject to what its history says, after a commit.
//!
//! A commit that changes no episode costs nothing here, and most commits do not. For another one the alerts that it
//! may concern are read, and those that differ from the episodes are written. A commit whose images do not show the
//! episodes, or that comes again after a later one, is planned from the history, from what changed to the end.
//!
//! A plan is made first ([`plan`]) and written later ([`AlertPlan::write`]), so that a caller can tell others that
//! alerts go before they are gone. A plan that was not written is made again when the commit comes again.
//!
//! - `history`: reads the history and folds it into episodes
//! - [`mod@shown`]: an alert as JSON, with the texts of its rule

use crate::base::cost::Units;
use crate::base::dependency::Dependency;
use crate::base::error::{Reason, Unavailable};
use crate::base::id::{Position, SubjectKey};
use crate::base::time::Timestamp;
use crate::ledger::Head;
use crate::outputs::alerts::effect::{Effect, Work, earliest_added, effect, entries_of};
use crate::outputs::alerts::reconcile::KnownEpisodes;
use crate::outputs::alerts::{Alert, AlertWrite, Cause, Reflected, SubjectAlerts};
use crate::outputs::changes::{Changes, CommitId};
use crate::ports::{ALERTS_WRITTEN, Alerts, Ports, SubjectLocation};
use crate::registry::Registry;
use crate::view::Specs;

mod history;
pub mod shown;

/// What a commit changes in the alerts of a subject.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertPlan {
    /// The alerts that the commit may concern, as they are afterwards. They are the same if the commit comes again.
    pub alerts: Vec<Alert>,
    /// What changes.
    pub writes: Vec<AlertWrite>,
    /// When to look at the subject again, if a timer is needed that is not armed.
    pub next_look: Option<Timestamp>,
    /// The commit that the alerts reflect before.
    reflected: Option<Reflected>,
    /// The newest commit that the plan is made from.
    seen_by: CommitId,
}

/// Plans what a commit changes in the alerts of a subject, by the images of its head.
///
/// # Errors
/// A table does not answer, or this time is over. Then the commit has to come again.
pub async fn plan<P: Ports + Alerts>(
    (ports, registry, location): (&P, &Registry, &SubjectLocation),
    (old, new, changes): (Option<&Head>, &Head, &Changes),
    deadline: Timestamp,
    units: &mut Units,
) -> Result<AlertPlan, Unavailable> {
    let (subject, now) = (&location.key, ports.now());
    if registry.rules_of(subject.tenant(), now, ports).await?.is_none() {
        return Ok(AlertPlan::default());
    }
    let versions = Specs::default().missing(entries_of(old, new));
    let specs = registry.folded_by(subject, &versions, now, ports).await?;
    let commit = changes.commit;
    let mut planning = Planning { ports, registry, location, commit, deadline, units };
    let Effect { work, next_look } = effect(old, new, changes, &specs);
    let plan = match work {
        Work::Nothing => AlertPlan::default(),
        Work::Forget => planning.forgetting().await?,
        Work::Read(from) => planning.by_history(from).await?,
        Work::Known(known) => {
            let stored = planning.alerts(known.closed_from()).await?;
            let is_newer = |reflected: Reflected| reflected.commit >= commit;
            match stored.reflected.is_some_and(is_newer) {
                true => planning.by_history(earliest_added(changes)).await?,
                false => planning.reconciled(&known, stored),
            }
        }
    };
    Ok(AlertPlan { next_look, ..plan })
}

impl AlertPlan {
    fn new(stored: SubjectAlerts, writes: Vec<AlertWrite>, seen_by: CommitId) -> Self {
        let SubjectAlerts { reflected, mut alerts } = stored;
        let is_old = |alert: &Alert| writes.iter().any(|write| write.old.as_ref() == Some(alert));
        alerts.retain(|alert| !is_old(alert));
        alerts.extend(writes.iter().filter_map(|write| write.new.clone()));
        Self { alerts, writes, next_look: None, reflected, seen_by }
    }

    /// The alerts that go.
    pub fn deleted(&self) -> impl Iterator<Item = &Alert> {
        let gone = self.writes.iter().filter(|write| write.new.is_none());
        gone.filter_map(|write| write.old.as_ref())
    }

    /// Writes the changes.
    ///
    /// # Errors
    /// The table does not answer, or another writer was faster. Then the commit has to come again.
    pub async fn write(
        &self,
        subject: &SubjectKey,
        ports: &(impl Ports + Alerts),
        units: &mut Units,
    ) -> Result<(), Unavailable> {
        let mut reflected = self.reflected;
        for writes in self.writes.chunks(ALERTS_WRITTEN) {
            let before = reflected.unwrap_or(Reflected { commit: self.seen_by, revision: 0 });
            let commit = before.commit.max(self.seen_by);
            let new = Reflected { commit, revision: before.revision + 1 };
            let written = ports.write_alerts(subject, reflected, new, writes, ports.now()).await?;
            *units += written.units;
            if !written.answer {
                let message = "another writer changed the alerts of this subject";
                let lost = Unavailable::new(Reason::Contention, message);
                return Err(lost.of(Dependency::OutputsTable));
            }
            reflected = Some(new);
        }
        Ok(())
    }
}

struct Planning<'a, P> {
    ports: &'a P,
    registry: &'a Registry,
    location: &'a SubjectLocation,
    commit: CommitId,
    deadline: Timestamp,
    units: &'a mut Units,
}

impl<P: Ports + Alerts> Planning<'_, P> {
    async fn alerts(&mut self, closed_from: Timestamp) -> Result<SubjectAlerts, Unavailable> {
        let read = self.ports.alerts(&self.location.key, closed_from).await?;
        *self.units += read.units;
        Ok(read.answer)
    }

    /// `from`: where the history changed; `None`: anywhere.
    async fn by_history(&mut self, from: Option<Position>) -> Result<AlertPlan, Unavailable> {
        let Some(known) = self.known_episodes(from).await? else { return Ok(AlertPlan::default()) };
        let stored = self.alerts(known.closed_from()).await?;
        Ok(self.reconciled(&known, stored))
    }

    fn reconciled(&self, known: &KnownEpisodes, stored: SubjectAlerts) -> AlertPlan {
        let (subject, now) = (&self.location.key, self.ports.now());
        let writes = known.reconcile(subject, stored.alerts.clone(), now);
        AlertPlan::new(stored, writes, known.seen_by)
    }

    /// Only the alerts of what came since the subject was forgotten stay.
    async fn forgetting(&mut self) -> Result<AlertPlan, Unavailable> {
        let none = KnownEpisodes {
            from: None,
            last_at: None,
            episodes: Vec::new(),
            seen_by: self.commit,
            cause: Cause::History,
        };
        let known = self.known_episodes(None).await?.unwrap_or(none);
        let stored = self.alerts(Timestamp::MIN).await?;
        let writes = known.replace(&self.location.key, stored.alerts.clone(), self.ports.now());
        Ok(AlertPlan::new(stored, writes, known.seen_by))
    }
}
