//! The ports to the table of outputs.

use std::future::Future;

use crate::base::cost::{Metered, Units};
use crate::base::error::Unavailable;
use crate::base::id::SubjectKey;
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::outputs::alerts::{AlertList, AlertPage, AlertWrite, Reflected, SubjectAlerts};
use crate::outputs::received::{ReceivedAlert, ReceivedList, ReceivedPage};
use crate::outputs::timers::sweeping::SweepState;
use crate::outputs::timers::{Entries, Minute, Partition, Replaced, Timer, TimerKey};

/// Stores timers and the cursor of the sweep. Every read is strongly consistent.
///
/// Items are smaller than 1 KB, so a write costs 1 write unit, also if its condition fails. Only a subject
/// whose id has several hundred bytes costs 2.
pub trait Timers: Send + Sync {
    /// Puts the entry of a timer, or replaces an entry of the same timer in the same minute. 1 write unit.
    fn put_entry(&self, timer: &Timer) -> impl Future<Output = Result<Units, Unavailable>> + Send;

    /// Deletes the entry of a timer, if it exists. 1 write unit.
    fn delete_entry(
        &self,
        timer: &Timer,
    ) -> impl Future<Output = Result<Units, Unavailable>> + Send;

    /// Reads entries of a partition in the order of their sort keys, after this sort key: at most `limit`.
    /// 1 read unit for each 4 KB, which are about 30 entries; an empty partition costs 1 read unit.
    fn entries(
        &self,
        partition: Partition,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Metered<Entries>, Unavailable>> + Send;

    /// Reads the armed minute of a timer. `None`: the timer is not armed. 1 read unit.
    fn armed_minute(
        &self,
        key: &TimerKey,
    ) -> impl Future<Output = Result<Metered<Option<Minute>>, Unavailable>> + Send;

    /// Replaces the armed minute of a timer if the expected one is stored; `None` stands for no minute. If
    /// the new one is stored already, it counts as replaced. 1 write unit.
    fn replace_armed_minute(
        &self,
        key: &TimerKey,
        expected: Option<Minute>,
        new: Option<Minute>,
    ) -> impl Future<Output = Result<Metered<Replaced>, Unavailable>> + Send;

    /// Reads the state of the sweep. `None`: there is none yet. 1 read unit.
    fn sweep_state(
        &self,
    ) -> impl Future<Output = Result<Metered<Option<SweepState>>, Unavailable>> + Send;

    /// Replaces the state of the sweep if the expected one is stored; `None` stands for no state. Returns
    /// whether it did. If the new one is stored already, it counts as replaced. 1 write unit.
    fn replace_sweep_state(
        &self,
        expected: Option<&SweepState>,
        new: &SweepState,
    ) -> impl Future<Output = Result<Metered<bool>, Unavailable>> + Send;
}

/// The maximum number of alerts that one call of [`Alerts::write_alerts`] changes: each takes two items of a
/// transaction, and the reflected commit takes one.
pub const ALERTS_WRITTEN: usize = 49;

/// Stores alerts.
pub trait Alerts: Send + Sync {
    /// Reads the commit that the alerts of a subject reflect, and its alerts that are open or closed at this time or
    /// later, strongly consistent. 1 read unit for each 4 KB, which are about 15 alerts.
    fn alerts(
        &self,
        subject: &SubjectKey,
        closed_from: Timestamp,
    ) -> impl Future<Output = Result<Metered<SubjectAlerts>, Unavailable>> + Send;

    /// Replaces the reflected commit and changes at most [`ALERTS_WRITTEN`] alerts in one transaction, if the
    /// expected one is stored; `None` stands for none. Returns whether it did. `now` decides when it expires.
    ///
    /// If the new one is stored already, it counts as done: two writers that make the same commit of the same expected
    /// one make the same changes.
    ///
    /// 2 write units for the reflected commit, and 2 for each item that is put or deleted: a closing alert is put under
    /// another key. If they are written, also 1 for each entry in the indexes: an open alert has two, a closed one has
    /// one. A change of a key deletes the old entries and puts the new ones.
    fn write_alerts(
        &self,
        subject: &SubjectKey,
        expected: Option<Reflected>,
        new: Reflected,
        writes: &[AlertWrite],
        now: Timestamp,
    ) -> impl Future<Output = Result<Metered<bool>, Unavailable>> + Send;

    /// Lists alerts of a tenant, the newest id first. Eventually consistent. One call: it may return fewer than the
    /// limit and say that more follow.
    fn list_alerts(
        &self,
        tenant: &TenantScope,
        page: &AlertPage,
    ) -> impl Future<Output = Result<Metered<AlertList>, Unavailable>> + Send;
}

/// Stores alerts that other systems posted.
pub trait ReceivedAlerts: Send + Sync {
    /// Puts alerts of a tenant, each in the place of the one with its sort key. After an error, some may be stored; all
    /// can be put again. 1 write unit for each KB of an alert.
    fn put_received(
        &self,
        tenant: &TenantScope,
        alerts: &[ReceivedAlert],
    ) -> impl Future<Output = Result<Units, Unavailable>> + Send;

    /// Lists alerts of a tenant, the newest beginning first, strongly consistent. One call: it may return fewer than
    /// the limit and say that more follow. 1 read unit for each 4 KB.
    fn list_received(
        &self,
        tenant: &TenantScope,
        page: &ReceivedPage,
    ) -> impl Future<Output = Result<Metered<ReceivedList>, Unavailable>> + Send;
}
