//! Faults of the table of outputs.

use super::{Call, Faulty};
use crate::base::cost::{Metered, Units};
use crate::base::error::Unavailable;
use crate::base::id::SubjectKey;
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::outputs::alerts::{AlertList, AlertPage, AlertWrite, Reflected, SubjectAlerts};
use crate::outputs::received::{ReceivedAlert, ReceivedList, ReceivedPage};
use crate::outputs::timers::sweeping::SweepState;
use crate::outputs::timers::{Entries, Minute, Partition, Replaced, Timer, TimerKey};
use crate::ports::{Alerts, ReceivedAlerts, Timers};

impl<P: Timers> Timers for Faulty<P> {
    async fn put_entry(&self, timer: &Timer) -> Result<Units, Unavailable> {
        self.call(Call::TimerWrite, self.ports.put_entry(timer)).await
    }

    async fn delete_entry(&self, timer: &Timer) -> Result<Units, Unavailable> {
        self.call(Call::TimerWrite, self.ports.delete_entry(timer)).await
    }

    async fn entries(
        &self,
        partition: Partition,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Metered<Entries>, Unavailable> {
        self.call(Call::TimerRead, self.ports.entries(partition, after, limit)).await
    }

    async fn armed_minute(&self, key: &TimerKey) -> Result<Metered<Option<Minute>>, Unavailable> {
        self.call(Call::TimerRead, self.ports.armed_minute(key)).await
    }

    async fn replace_armed_minute(
        &self,
        key: &TimerKey,
        expected: Option<Minute>,
        new: Option<Minute>,
    ) -> Result<Metered<Replaced>, Unavailable> {
        let replaced = self.ports.replace_armed_minute(key, expected, new);
        self.call(Call::TimerWrite, replaced).await
    }

    async fn sweep_state(&self) -> Result<Metered<Option<SweepState>>, Unavailable> {
        self.call(Call::SweepState, self.ports.sweep_state()).await
    }

    async fn replace_sweep_state(
        &self,
        expected: Option<&SweepState>,
        new: &SweepState,
    ) -> Result<Metered<bool>, Unavailable> {
        self.call(Call::SweepState, self.ports.replace_sweep_state(expected, new)).await
    }
}

impl<P: Alerts> Alerts for Faulty<P> {
    async fn alerts(
        &self,
        subject: &SubjectKey,
        closed_from: Timestamp,
    ) -> Result<Metered<SubjectAlerts>, Unavailable> {
        self.call(Call::AlertRead, self.ports.alerts(subject, closed_from)).await
    }

    async fn write_alerts(
        &self,
        subject: &SubjectKey,
        expected: Option<Reflected>,
        new: Reflected,
        writes: &[AlertWrite],
        now: Timestamp,
    ) -> Result<Metered<bool>, Unavailable> {
        let written = self.ports.write_alerts(subject, expected, new, writes, now);
        self.call(Call::AlertWrite, written).await
    }

    async fn list_alerts(
        &self,
        tenant: &TenantScope,
        page: &AlertPage,
    ) -> Result<Metered<AlertList>, Unavailable> {
        self.call(Call::AlertRead, self.ports.list_alerts(tenant, page)).await
    }
}

impl<P: ReceivedAlerts> ReceivedAlerts for Faulty<P> {
    async fn put_received(
        &self,
        tenant: &TenantScope,
        alerts: &[ReceivedAlert],
    ) -> Result<Units, Unavailable> {
        self.call(Call::AlertWrite, self.ports.put_received(tenant, alerts)).await
    }

    async fn list_received(
        &self,
        tenant: &TenantScope,
        page: &ReceivedPage,
    ) -> Result<Metered<ReceivedList>, Unavailable> {
        self.call(Call::AlertRead, self.ports.list_received(tenant, page)).await
    }
}
