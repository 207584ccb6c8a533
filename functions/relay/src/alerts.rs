//! Keeps the alerts of a subject, has the sweep look at it when silence may change them, and sends them to the feed `alerts`: after an alert is stored, and again if the same
//! commit comes again.

use std::sync::Arc;

use drover_core::base::cost::Units;
use drover_core::base::error::Unavailable;
use drover_core::base::metrics::Metric;
use drover_core::intake::tenant::Feed;
use drover_core::ledger::Head;
use drover_core::outputs::alerts::{Alert, AlertState, AlertWrite};
use drover_core::outputs::changes::Changes;
use drover_core::outputs::record::{FeedRecord, Origin};
use drover_core::outputs::timers::arming::absence;
use drover_core::ports::FeedTarget;
use drover_core::subject::alerts::{Followed, follow};

use crate::RelayPorts;
use crate::subject::SubjectRun;

impl<W: RelayPorts, T: FeedTarget> SubjectRun<'_, W, T> {
    /// Brings the alerts to what the history says after a commit, and sends those that it may concern.
    pub(crate) async fn follow_alerts(
        &mut self,
        (old, new, changes): (Option<&Head>, &Head, &Changes),
    ) -> Result<(), Unavailable> {
        let mut units = Units::default();
        let relay = self.relay;
        let images = (old, new, changes);
        let of = (&relay.ports, &relay.registry, self.location);
        let followed = follow(of, images, self.deadline, &mut units).await;
        self.counts.add_units(units);
        let Followed { alerts, writes, next_look } = followed?;
        writes.iter().filter_map(transition).for_each(|metric| self.counts.add(metric));
        if self.outputs.feeds.has(Feed::Alerts) {
            let records = self.alert_records(changes, &alerts, &writes).await?;
            self.publish(&changes.commit.to_string(), &records).await?;
        }
        if let Some(due) = next_look {
            let now = relay.ports.now();
            let timer = absence(&self.location.key, due, now);
            self.counts.add_units(relay.armer.arm(&relay.ports, &timer, now).await?);
        }
        Ok(())
    }

    async fn alert_records(
        &self,
        changes: &Changes,
        alerts: &[Alert],
        writes: &[AlertWrite],
    ) -> Result<Vec<FeedRecord>, Unavailable> {
        let (relay, key) = (self.relay, &self.location.key);
        let origin = Origin::of(key, changes);
        let mut records = Vec::new();
        for alert in alerts {
            let (now, ports) = (relay.ports.now(), &relay.ports);
            let shown = relay.registry.shown_alert(key, alert, now, ports).await?;
            records.push(origin.alert(alert.id.as_str(), Some(Arc::from(shown.to_string()))));
        }
        let gone = writes.iter().filter(|write| write.new.is_none());
        let gone = gone.filter_map(|write| write.old.as_ref());
        records.extend(gone.map(|alert| origin.alert(alert.id.as_str(), None)));
        Ok(records)
    }
}

/// What happens to an alert, for the metrics.
fn transition(write: &AlertWrite) -> Option<Metric> {
    let state = |alert: &Option<Alert>| alert.as_ref().map(Alert::state);
    let (old, new) = (state(&write.old), state(&write.new));
    match new? {
        _ if old == new => None,
        AlertState::Firing => Some(Metric::AlertsOpened),
        AlertState::Resolved => Some(Metric::AlertsResolved),
        AlertState::Retracted => Some(Metric::AlertsRetracted),
    }
}
