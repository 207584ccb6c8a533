//! Keeps the alerts of a subject, and sends them to the feed `alerts`. Has the sweep look at the subject when its
//! silence may change them, or when the pause of an alert ends.
//!
//! An alert that changes is sent after it is stored, and an alert that goes before it is gone. Targets of notifications
//! are told to look at an alert after it is stored or gone. If the relay stops in between, the same commit comes again
//! and sends the same.

use std::sync::Arc;

use drover_core::base::cost::Units;
use drover_core::base::error::Unavailable;
use drover_core::base::metrics::AlertMetric;
use drover_core::base::severity::Severity;
use drover_core::intake::tenant::Feed;
use drover_core::ledger::Head;
use drover_core::outputs::alerts::{Alert, AlertState, AlertWrite};
use drover_core::outputs::changes::Changes;
use drover_core::outputs::record::{FeedRecord, Origin};
use drover_core::outputs::timers::arming::{absence, snooze};
use drover_core::ports::FeedTarget;
use drover_core::subject::alerts::plan;
use drover_core::subject::alerts::shown::shown;

use crate::RelayPorts;
use crate::subject::SubjectRun;

impl<W: RelayPorts, T: FeedTarget> SubjectRun<'_, W, T> {
    /// Brings the alerts to what the history says after a commit, and sends those that it may concern.
    pub(crate) async fn follow_alerts(
        &mut self,
        (old, new, changes): (Option<&Head>, &Head, &Changes),
    ) -> Result<(), Unavailable> {
        let (relay, key) = (self.relay, &self.location.key);
        let (origin, commit) = (Origin::of(key, changes), changes.commit.to_string());
        let mut units = Units::default();
        let of = (&relay.ports, &relay.registry, self.location);
        let planned = plan(of, (old, new, changes), self.deadline, &mut units).await;
        self.counts.add_units(units);
        let plan = planned?;
        let has_feed = self.outputs.feeds.has(Feed::Alerts);
        if has_feed {
            let gone = plan.deleted().map(|alert| origin.alert(&alert.id, None));
            self.publish(&commit, &gone.collect::<Vec<_>>()).await?;
        }
        self.have_deleted_looked_at(&plan).await?;
        let mut units = Units::default();
        let written = plan.write(key, &relay.ports, &mut units).await;
        self.counts.add_units(units);
        written?;
        for (metric, severity) in plan.writes.iter().filter_map(transition) {
            self.counts.add_alert(metric, severity);
        }
        self.have_looked_at(&plan, changes).await?;
        if has_feed {
            let records = self.alert_records(&origin, &plan.alerts).await?;
            self.publish(&commit, &records).await?;
        }
        let now = relay.ports.now();
        let look = plan.next_look.map(|due| absence(key, due, now));
        let wake = plan.next_wake.map(|until| snooze(key, until, now));
        for timer in look.into_iter().chain(wake) {
            self.counts.add_units(relay.armer.arm(&relay.ports, &timer, now).await?);
        }
        Ok(())
    }

    async fn alert_records(
        &self,
        origin: &Origin,
        alerts: &[Alert],
    ) -> Result<Vec<FeedRecord>, Unavailable> {
        let (relay, key) = (self.relay, &self.location.key);
        let mut records = Vec::with_capacity(alerts.len());
        for alert in alerts {
            let (now, ports) = (relay.ports.now(), &relay.ports);
            let data = shown((key, alert), &relay.registry, now, ports).await?;
            records.push(origin.alert(&alert.id, Some(Arc::from(data.to_string()))));
        }
        Ok(records)
    }
}

/// What happens to an alert, for the metrics, and its severity afterwards.
fn transition(write: &AlertWrite) -> Option<(AlertMetric, Severity)> {
    let new = write.new.as_ref()?;
    let metric = match new.state() {
        state if write.old.as_ref().map(Alert::state) == Some(state) => return None,
        AlertState::Firing => AlertMetric::Opened,
        AlertState::Resolved => AlertMetric::Resolved,
        AlertState::Retracted => AlertMetric::Retracted,
    };
    Some((metric, new.episode.severity))
}
