//! Timers and alerts in memory, stored as texts and bytes like in DynamoDB.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::letters::{read, write};
use super::{Memory, State};
use crate::base::cost::{Metered, Units};
use crate::base::error::{Reason, Unavailable};
use crate::base::id::{SubjectKey, TenantId};
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::outputs::alerts::{
    Alert, AlertId, AlertList, AlertPage, AlertWrite, Reflected, SubjectAlerts, closed_key,
};
use crate::outputs::notifications::Look;
use crate::outputs::notifications::deliveries::Deliveries;
use crate::outputs::received::{ReceivedAlert, ReceivedList, ReceivedPage};
use crate::outputs::timers::sweeping::SweepState;
use crate::outputs::timers::{Entries, Minute, Partition, Replaced, Timer, TimerKey};
use crate::ports::{ALERTS_WRITTEN, Alerts, ReceivedAlerts, Timers};

/// The size of an entry or an armed minute without the texts of its subject, in bytes.
const FIXED_BYTES: usize = 80;

/// The items of the table of outputs.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// Entries of timers, by partition key and sort key.
    pub entries: BTreeMap<(String, String), StoredEntry>,
    /// Armed minutes, by kind and subject.
    pub armed: BTreeMap<TimerKey, Minute>,
    /// The state of the sweep.
    pub sweep: Option<SweepState>,
    /// Encoded alerts, by subject and sort key.
    pub alerts: BTreeMap<(SubjectKey, String), Vec<u8>>,
    /// Alerts of other systems as JSON, by tenant and sort key.
    pub received: BTreeMap<(TenantId, String), String>,
    /// Messages of the queue of notifications, with the time from which they can be received.
    pub looks: Vec<(Timestamp, Look)>,
    /// The number of the news that an alert had when a message about it was sent last, by alert and target.
    pub looked_at: BTreeMap<(AlertId, String), u32>,
    /// Messages that were postponed, by their receipt handles and by how many seconds.
    pub postponed: Vec<(String, u32)>,
    /// Records of deliveries, by tenant and key.
    pub deliveries: BTreeMap<(String, String), Deliveries>,
    /// The commits that alerts reflect.
    pub reflected: BTreeMap<SubjectKey, Reflected>,
}

/// The attributes of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// The partition key of the subject.
    pub subject: String,
    /// [`Timer::failures`].
    pub failures: u32,
}

fn size(key: &TimerKey) -> usize {
    FIXED_BYTES + key.subject.partition_key().len()
}

fn place(timer: &Timer) -> (String, String) {
    (timer.partition().key(), timer.key.sort_key())
}

impl Timers for Memory {
    async fn put_entry(&self, timer: &Timer) -> Result<Units, Unavailable> {
        let put = |state: &mut State| {
            let subject = timer.key.subject.partition_key();
            let entry = StoredEntry { subject, failures: timer.failures };
            state.outputs.entries.insert(place(timer), entry);
            ((), write(size(&timer.key)))
        };
        Ok(self.call(put).await.units)
    }

    async fn delete_entry(&self, timer: &Timer) -> Result<Units, Unavailable> {
        let delete = |state: &mut State| {
            state.outputs.entries.remove(&place(timer));
            ((), write(size(&timer.key)))
        };
        Ok(self.call(delete).await.units)
    }

    async fn entries(
        &self,
        partition: Partition,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Metered<Entries>, Unavailable> {
        let list = |state: &mut State| {
            let pk = partition.key();
            let after = (pk.clone(), after.unwrap_or_default().to_owned());
            let found = state.outputs.entries.range((Bound::Excluded(after), Bound::Unbounded));
            let found = found.take_while(|((mine, _), _)| *mine == pk).take(limit);
            let (mut entries, mut bytes, mut last) = (Entries::default(), 0, None);
            for ((_, sort_key), StoredEntry { subject, failures }) in found {
                bytes += FIXED_BYTES + subject.len();
                match Timer::read(partition.minute, sort_key, subject, *failures) {
                    Some(timer) => entries.timers.push(timer),
                    None => entries.unreadable += 1,
                }
                last = Some(sort_key.clone());
            }
            let is_full = entries.timers.len() as u64 + entries.unreadable >= limit as u64;
            entries.next = last.filter(|_| is_full);
            (entries, read(bytes))
        };
        Ok(self.call(list).await)
    }

    async fn armed_minute(&self, key: &TimerKey) -> Result<Metered<Option<Minute>>, Unavailable> {
        let get = |state: &mut State| (state.outputs.armed.get(key).copied(), read(size(key)));
        Ok(self.call(get).await)
    }

    async fn replace_armed_minute(
        &self,
        key: &TimerKey,
        expected: Option<Minute>,
        new: Option<Minute>,
    ) -> Result<Metered<Replaced>, Unavailable> {
        let replace = |state: &mut State| {
            let armed = &mut state.outputs.armed;
            let stored = armed.get(key).copied();
            if stored != expected && stored != new {
                return (Replaced::Other(stored), write(size(key)));
            }
            match new {
                Some(minute) => armed.insert(key.clone(), minute),
                None => armed.remove(key),
            };
            (Replaced::Done, write(size(key)))
        };
        Ok(self.call(replace).await)
    }

    async fn sweep_state(&self) -> Result<Metered<Option<SweepState>>, Unavailable> {
        let get = |state: &mut State| (state.outputs.sweep.clone(), read(FIXED_BYTES));
        Ok(self.call(get).await)
    }

    async fn replace_sweep_state(
        &self,
        expected: Option<&SweepState>,
        new: &SweepState,
    ) -> Result<Metered<bool>, Unavailable> {
        let replace = |state: &mut State| {
            let stored = state.outputs.sweep.as_ref();
            let is_done = stored == expected || stored == Some(new);
            if is_done {
                state.outputs.sweep = Some(new.clone());
            }
            (is_done, write(FIXED_BYTES))
        };
        Ok(self.call(replace).await)
    }
}

/// The size of an item of an alert without its content, in bytes.
const ALERT_BYTES: usize = 200;
/// The cost factor of a transaction.
const TRANSACTION: f64 = 2.0;

/// The units of the changes of the two indexes: an open alert has an entry in each, a closed one in one. An entry whose
/// item moved is put again, an entry whose alert is no longer open is deleted.
fn index_entries(old: Option<&Alert>, new: Option<&Alert>) -> f64 {
    let entries = |alert: Option<&Alert>| {
        alert.map_or(0, |alert| if alert.closed_at().is_none() { 2_u8 } else { 1 })
    };
    let is_same_item = old.map(Alert::sort_key) == new.map(Alert::sort_key);
    let changed = match is_same_item {
        true => entries(new),
        false => entries(old) + entries(new),
    };
    f64::from(changed)
}

/// Whether the alert that a write replaces under its key is still the stored one.
fn is_unchanged(
    alerts: &BTreeMap<(SubjectKey, String), Vec<u8>>,
    subject: &SubjectKey,
    AlertWrite { old, new }: &AlertWrite,
) -> bool {
    let (Some(old), Some(new)) = (old, new) else { return true };
    let key = old.sort_key();
    key != new.sort_key() || alerts.get(&(subject.clone(), key)) == Some(&old.encode())
}

impl Alerts for Memory {
    async fn alerts(
        &self,
        subject: &SubjectKey,
        closed_from: Timestamp,
    ) -> Result<Metered<SubjectAlerts>, Unavailable> {
        let list = |state: &mut State| {
            let from = (subject.clone(), closed_key(closed_from));
            let stored = state.outputs.alerts.range(from..);
            let stored = stored.take_while(|((of, _), _)| of == subject);
            let (mut alerts, mut bytes) = (Vec::new(), ALERT_BYTES);
            for (_, encoded) in stored {
                bytes += ALERT_BYTES + encoded.len();
                alerts.extend(Alert::decode(encoded));
            }
            let reflected = state.outputs.reflected.get(subject).copied();
            (SubjectAlerts { reflected, alerts }, read(bytes))
        };
        Ok(self.call(list).await)
    }

    async fn write_alerts(
        &self,
        subject: &SubjectKey,
        expected: Option<Reflected>,
        new: Reflected,
        writes: &[AlertWrite],
        _now: Timestamp,
    ) -> Result<Metered<bool>, Unavailable> {
        if writes.len() > ALERTS_WRITTEN {
            return Err(Unavailable::new(Reason::Bug, "too many alerts in a transaction"));
        }
        let replace = |state: &mut State| {
            let stored = state.outputs.reflected.get(subject).copied();
            let is_expected = stored == expected
                && writes.iter().all(|write| is_unchanged(&state.outputs.alerts, subject, write));
            let mut units = Units { read: 0.0, write: TRANSACTION };
            for AlertWrite { old, new } in writes {
                let (old_key, new_key) =
                    (old.as_ref().map(Alert::sort_key), new.as_ref().map(Alert::sort_key));
                let moved = old_key.filter(|old| Some(old) != new_key.as_ref());
                let items = u8::from(moved.is_some()) + u8::from(new_key.is_some());
                units.write += TRANSACTION * f64::from(items);
                if !is_expected {
                    continue;
                }
                units.write += index_entries(old.as_ref(), new.as_ref());
                let alerts = &mut state.outputs.alerts;
                if let Some(key) = moved {
                    alerts.remove(&(subject.clone(), key));
                }
                if let (Some(key), Some(new)) = (new_key, new) {
                    alerts.insert((subject.clone(), key), new.encode());
                }
            }
            if is_expected {
                state.outputs.reflected.insert(subject.clone(), new);
            }
            (is_expected || stored == Some(new), units)
        };
        Ok(self.call(replace).await)
    }

    async fn list_alerts(
        &self,
        tenant: &TenantScope,
        page: &AlertPage,
    ) -> Result<Metered<AlertList>, Unavailable> {
        let list = |state: &mut State| {
            let stored = state.outputs.alerts.iter();
            let stored = stored.filter(|((subject, _), _)| subject.tenant() == tenant.tenant());
            let decoded = stored
                .filter_map(|((subject, _), bytes)| Some((subject.clone(), Alert::decode(bytes)?)));
            let list = page.of(decoded.collect());
            let units = read(ALERT_BYTES * list.alerts.len());
            (list, units)
        };
        Ok(self.call(list).await)
    }
}

impl ReceivedAlerts for Memory {
    async fn put_received(
        &self,
        tenant: &TenantScope,
        alerts: &[ReceivedAlert],
    ) -> Result<Units, Unavailable> {
        let put = |state: &mut State| {
            let mut units = Units::default();
            for alert in alerts {
                let key = (tenant.tenant().clone(), alert.sort_key());
                units += write(ALERT_BYTES + alert.json.len());
                state.outputs.received.insert(key, alert.json.clone());
            }
            ((), units)
        };
        Ok(self.call(put).await.units)
    }

    async fn list_received(
        &self,
        tenant: &TenantScope,
        page: &ReceivedPage,
    ) -> Result<Metered<ReceivedList>, Unavailable> {
        let list = |state: &mut State| {
            let of_tenant = |key: Option<&String>| {
                let key = key.cloned().unwrap_or_else(|| char::MAX.to_string());
                (tenant.tenant().clone(), key)
            };
            let range = of_tenant(Some(&String::new()))..of_tenant(page.below.as_ref());
            let mut stored = state.outputs.received.range(range).rev();
            let (mut answer, mut bytes) = (ReceivedList::default(), 0);
            for ((_, key), json) in stored.by_ref().take(page.limit) {
                bytes += ALERT_BYTES + json.len();
                answer.alerts.push(json.clone());
                answer.next = Some(key.clone());
            }
            answer.next = answer.next.filter(|_| stored.next().is_some());
            (answer, read(bytes))
        };
        Ok(self.call(list).await)
    }
}
