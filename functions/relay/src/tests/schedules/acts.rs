//! What people do about alerts while everything else happens: what was answered with success is never lost.

use std::collections::BTreeMap;

use drover_core::base::cost::Units;
use drover_core::base::id::TenantId;
use drover_core::base::scope::TenantScope;
use drover_core::memory::SMALL;
use drover_core::outputs::alerts::acts::{Act, Remark};
use drover_core::outputs::alerts::{Alert, AlertId};
use drover_core::registry::Registry;
use drover_core::subject::alerts::act::{NotActed, act};
use futures_util::FutureExt as _;

use super::world::World;
use crate::tests::fixture::second;

/// The acts of a case.
#[derive(Default)]
pub(super) struct Acts {
    /// The last answer about each alert.
    answered: BTreeMap<AlertId, Alert>,
    /// Acts that a person will repeat, because the answer was a failure.
    failed: BTreeMap<AlertId, Act>,
}

impl World {
    fn alerts(&self) -> Vec<Alert> {
        let state = self.memory.state();
        let alerts = state.outputs.alerts.values();
        let mut alerts: Vec<Alert> = alerts.filter_map(|bytes| Alert::decode(bytes)).collect();
        alerts.sort_by(|one, other| one.id.cmp(&other.id));
        alerts
    }

    /// A person acts on the alert with this number.
    pub(super) fn act(&mut self, number: usize, act: Act) {
        let alerts = self.alerts();
        if let Some(alert) = alerts.get(number % alerts.len().max(1)) {
            self.act_on(alert.id.clone(), act);
        }
    }

    fn act_on(&mut self, id: AlertId, done: Act) {
        let tenant = TenantId::parse("demo").expect("a tenant");
        let (registry, now) = (Registry::new(), second(self.now));
        let document = registry.tenant(&tenant, now, &self.memory).now_or_never();
        let document = document.expect("memory never waits").expect("available").expect("a tenant");
        let scope = TenantScope::by_operator(tenant);
        let remark = Remark { by: "key:1".into(), at: now, note: format!("{done:?}").into() };
        let (ports, mut units) = (&self.faulty, Units::default());
        let of_tenant = (&scope, &*document);
        let acted = act((ports, &registry), of_tenant, &id, (done, remark), SMALL, &mut units);
        match acted.now_or_never() {
            Some(Ok((_, alert))) => {
                self.acts.failed.remove(&id);
                self.acts.answered.insert(id, alert);
            }
            Some(Err(NotActed::Refused(_) | NotActed::Unknown)) => {
                self.acts.failed.remove(&id);
            }
            // It may have been stored.
            Some(Err(NotActed::Unavailable(_))) | None => {
                self.acts.answered.remove(&id);
                self.acts.failed.insert(id, done);
            }
        }
    }

    pub(super) fn repeat_acts(&mut self) {
        for (id, act) in self.acts.failed.clone() {
            self.act_on(id, act);
        }
    }

    pub(super) fn check_acts(&self) -> Result<(), String> {
        let stored = self.alerts();
        for (id, answered) in &self.acts.answered {
            let alert = stored.iter().find(|alert| alert.id == *id);
            let alert = alert.ok_or_else(|| format!("{id:?} is gone"))?;
            let mut expected = answered.acts.clone();
            // Whoever closed an alert has not closed what a late event opened again.
            expected.closed = alert.acts.closed.clone();
            let had = answered.acts.closed.is_none() && alert.acts.closed.is_some();
            if had || alert.acts != expected {
                return Err(format!("{:?} and not {:?}", alert.acts, answered.acts));
            }
            let was_open_again = |alert: &Alert| alert.episode != answered.episode;
            if answered.acts.closed != alert.acts.closed && !was_open_again(alert) {
                return Err(format!("closed, and open again without a reason: {alert:?}"));
            }
        }
        Ok(())
    }
}
