//! Brings the alerts of a subject to what its history says, after a commit.
//!
//! A commit that changes no episode costs nothing here, and most commits do not. For another one the alerts that it
//! may concern are read, and those that differ from the episodes are written. A commit whose images do not show the
//! episodes, or that comes again after a later one, is planned from the history, from what changed to the end.
//!
//! A plan is made first ([`plan`]) and written later ([`AlertPlan::write`]), so that a caller can tell others that
//! alerts go before they are gone. A plan that was not written is made again when the commit comes again.
//!
//! - [`mod@act`]: a person acts on an alert
//! - `history`: reads the history and folds it into episodes
//! - [`mod@shown`]: an alert as JSON, with the texts of its rule

use std::sync::Arc;

use crate::base::cost::Units;
use crate::base::dependency::Dependency;
use crate::base::error::{Reason, Unavailable};
use crate::base::id::{Position, SubjectKey};
use crate::base::time::Timestamp;
use crate::ledger::Head;
use crate::ledger::touch::Touch;
use crate::outputs::alerts::effect::{Effect, Work, earliest_added, effect, entries_of};
use crate::outputs::alerts::latest::Backlog;
use crate::outputs::alerts::reconcile::KnownEpisodes;
use crate::outputs::alerts::{Alert, AlertState, AlertWrite, Cause, Reflected, SubjectAlerts};
use crate::outputs::changes::{Changes, CommitId, Extent};
use crate::ports::{ALERTS_WRITTEN, Alerts, Ports, SubjectLocation};
use crate::registry::{Registry, TenantRules};
use crate::view::Specs;
use crate::view::rules::Episode;

pub mod act;
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
    /// When the next pause of an alert ends, if a timer is needed that may not be armed.
    pub next_wake: Option<Timestamp>,
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
    let Some(rules) = registry.rules_of(subject.tenant(), now, ports).await? else {
        return Ok(AlertPlan::default());
    };
    let versions = Specs::default().missing(entries_of(old, new));
    let specs = registry.folded_by(subject, &versions, now, ports).await?;
    let commit = changes.commit;
    let mut planning = Planning { ports, registry, rules, location, commit, deadline, units };
    let Effect { work, next_look } = effect(old, new, changes, &specs);
    let mut plan = match work {
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
    if changes.touched == Some(Touch::Acted) {
        planning.add_acted(&mut plan).await?;
    }
    // A commit that is not known may have been the act.
    if changes.touched == Some(Touch::Acted) || changes.extent == Extent::Whole {
        plan.next_wake = next_wake(&plan.alerts, now);
    }
    Ok(AlertPlan { next_look, ..plan })
}

/// When the next pause of a firing alert ends.
fn next_wake(alerts: &[Alert], now: Timestamp) -> Option<Timestamp> {
    let firing = alerts.iter().filter(|alert| alert.state() == AlertState::Firing);
    let ends = firing.filter_map(|alert| Some(alert.acts.snoozed.as_ref()?.until));
    ends.filter(|until| *until > now).min()
}

impl AlertPlan {
    fn new(stored: SubjectAlerts, writes: Vec<AlertWrite>, seen_by: CommitId) -> Self {
        let SubjectAlerts { reflected, mut alerts } = stored;
        let is_old = |alert: &Alert| writes.iter().any(|write| write.old.as_ref() == Some(alert));
        alerts.retain(|alert| !is_old(alert));
        alerts.extend(writes.iter().filter_map(|write| write.new.clone()));
        Self { alerts, writes, next_look: None, next_wake: None, reflected, seen_by }
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
            let new = Reflected { commit, revision: before.revision.wrapping_add(1) };
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
    rules: Arc<TenantRules>,
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
        let latches = |episode: &Episode| self.rules.latches(episode);
        let writes = known.reconcile(subject, stored.alerts.clone(), (&latches, now));
        AlertPlan::new(stored, writes, known.seen_by)
    }

    /// Adds the alerts on which a person may have acted, so that they are sent: an act leaves an alert firing, or closes
    /// it.
    async fn add_acted(&mut self, plan: &mut AlertPlan) -> Result<(), Unavailable> {
        let mut acted = self.alerts(Timestamp::MIN).await?.alerts;
        acted.retain(|alert| alert.state() == AlertState::Firing || alert.acts.closed.is_some());
        acted.retain(|alert| plan.alerts.iter().all(|planned| planned.id != alert.id));
        plan.alerts.extend(acted);
        Ok(())
    }

    /// Only the alerts of what came since the subject was forgotten stay.
    async fn forgetting(&mut self) -> Result<AlertPlan, Unavailable> {
        let none = KnownEpisodes {
            from: None,
            last_at: None,
            episodes: Vec::new(),
            seen_by: self.commit,
            cause: Cause::History,
            backlog: Backlog::default(),
        };
        let known = self.known_episodes(None).await?.unwrap_or(none);
        let stored = self.alerts(Timestamp::MIN).await?;
        let latches = |episode: &Episode| self.rules.latches(episode);
        let (subject, now) = (&self.location.key, self.ports.now());
        let writes = known.replace(subject, stored.alerts.clone(), (&latches, now));
        Ok(AlertPlan::new(stored, writes, known.seen_by))
    }
}
