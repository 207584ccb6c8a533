//! Has the targets of an alert's rule look at it, by messages in the queue of notifications.
//!
//! A message says nothing about the alert, so it may be sent too often. It is sent for each alert whose latest news were
//! seen by this commit or a later one: if the relay died after it had stored them, the commit comes again. About an alert
//! that is deleted it is sent before.

use drover_core::base::error::Unavailable;
use drover_core::base::time::Timestamp;
use drover_core::ledger::touch::Touch;
use drover_core::outputs::alerts::{Alert, AlertState};
use drover_core::outputs::changes::{Changes, Extent};
use drover_core::outputs::notifications::Look;
use drover_core::ports::FeedTarget;
use drover_core::subject::alerts::AlertPlan;

use crate::RelayPorts;
use crate::subject::SubjectRun;

/// How long after its end an alert is looked at when a subject is sent again, in seconds: its end may have been lost.
const ENDED_SECONDS: i64 = 2 * 24 * 60 * 60;
/// When a deleted alert is looked at: its deletion is over then, or the commit comes again.
const GONE_AFTER_SECONDS: u32 = 60;

impl<W: RelayPorts, T: FeedTarget> SubjectRun<'_, W, T> {
    /// Has targets look at the alerts of a plan that is written.
    pub(crate) async fn have_looked_at(
        &self,
        plan: &AlertPlan,
        changes: &Changes,
    ) -> Result<(), Unavailable> {
        let now = self.relay.ports.now();
        let due = plan.alerts.iter().filter(|alert| is_due(alert, changes, now));
        self.have_targets_look(due.collect(), 0).await
    }

    /// Has targets look later at the alerts that a plan deletes. Nobody would know of them after they are gone.
    pub(crate) async fn have_deleted_looked_at(&self, plan: &AlertPlan) -> Result<(), Unavailable> {
        self.have_targets_look(plan.deleted().collect(), GONE_AFTER_SECONDS).await
    }

    async fn have_targets_look(
        &self,
        due: Vec<&Alert>,
        delay_seconds: u32,
    ) -> Result<(), Unavailable> {
        let (relay, key) = (self.relay, &self.location.key);
        let now = relay.ports.now();
        if due.is_empty() {
            return Ok(());
        }
        let rules = relay.registry.rules_of(key.tenant(), now, &relay.ports).await?;
        let Some(rules) = rules else { return Ok(()) };
        let mut looks = Vec::new();
        for alert in due {
            let rules = rules.document(alert.episode.version);
            let rule = rules.and_then(|rules| rules.rule(&alert.episode.rule));
            let targets = rule.into_iter().flat_map(|(rule, _)| &rule.targets);
            looks.extend(targets.map(|target| Look {
                tenant: key.tenant().to_string(),
                subject: Some(key.subject().to_string()),
                alert: alert.id.clone(),
                target: target.clone(),
                again: false,
                repeat: false,
                digest: false,
            }));
        }
        if looks.is_empty() { Ok(()) } else { relay.ports.send_looks(&looks, delay_seconds).await }
    }
}

fn is_due(alert: &Alert, changes: &Changes, now: Timestamp) -> bool {
    let is_news = alert.latest.commit >= changes.commit;
    let is_acted_on = changes.touched == Some(Touch::Acted);
    let is_recent = || {
        let ended_at = alert.ended_at().map(|at| at.plus_seconds(ENDED_SECONDS));
        alert.state() == AlertState::Firing || ended_at.is_some_and(|until| until > now)
    };
    is_news || is_acted_on || (changes.extent == Extent::Whole && is_recent())
}
