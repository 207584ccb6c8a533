//! The closed list of metrics. Names are a contract with dashboards and alarms, so all names are
//! defined here. A [`Tally`] holds the counts of one invocation by tenant; [`emf`] writes it for
//! CloudWatch.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::cost::Units;
use crate::base::error::Code;
use crate::base::id::TenantId;
use crate::base::severity::Severity;
use crate::base::time::Timestamp;

pub mod emf;

/// Receives the counts of an invocation: as lines for CloudWatch ([`emf::Lines`]), or in the host's
/// memory.
pub trait Meter: Send + Sync {
    /// Records the counts of one invocation of a function.
    fn record(&self, function: &'static str, tally: &Tally, now: Timestamp);
}

/// A counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Processed records, whatever their outcome.
    MessagesProcessed,
    /// Events added to a history.
    EventsProcessed,
    /// Events that were already in the history.
    EventsDuplicate,
    /// Events older than the newest event of their subject.
    EventsLate,
    /// Late events that changed a page.
    Corrections,
    /// Records sent to the dead-letter queue.
    DeadLettersSent,
    /// Records sent to the buffer queue.
    RecordsBuffered,
    /// Records returned to their source.
    RecordsReturned,
    /// Records that their contracts pass over.
    RecordsIgnored,
    /// DynamoDB write units.
    WriteUnits,
    /// DynamoDB read units.
    ReadUnits,
    /// Devices whose first event was added.
    UniqueDevices,
    /// Dead letters stored in the table.
    DeadLettersFiled,
    /// Dead letters resolved by a replay.
    DeadLettersResolved,
    /// Parked dead letters.
    DeadLettersParked,
    /// Offsets that a replay could not reread: their records are lost.
    OffsetsLost,
    /// Views that were folded again from the oldest keyframe, because no keyframe that was up to
    /// date was left.
    ViewsRestarted,
    /// Records sent to feeds.
    FeedRecordsSent,
    /// Records not sent because the topic of their feed is closed. Their subjects are sent again later.
    FeedRecordsSkipped,
    /// Notifications that targets took.
    NotificationsSent,
    /// Tries of notifications that failed.
    NotificationsFailed,
    /// Notifications that were given up. Each becomes a dead letter.
    NotificationsGivenUp,
    /// Requests without valid credentials.
    AuthenticationFailures,
}

impl Metric {
    /// All counters, in the order of the written lines.
    pub const ALL: [Self; 23] = [
        Self::MessagesProcessed,
        Self::EventsProcessed,
        Self::EventsDuplicate,
        Self::EventsLate,
        Self::Corrections,
        Self::DeadLettersSent,
        Self::RecordsBuffered,
        Self::RecordsReturned,
        Self::RecordsIgnored,
        Self::WriteUnits,
        Self::ReadUnits,
        Self::UniqueDevices,
        Self::DeadLettersFiled,
        Self::DeadLettersResolved,
        Self::DeadLettersParked,
        Self::OffsetsLost,
        Self::ViewsRestarted,
        Self::FeedRecordsSent,
        Self::FeedRecordsSkipped,
        Self::NotificationsSent,
        Self::NotificationsFailed,
        Self::NotificationsGivenUp,
        Self::AuthenticationFailures,
    ];

    /// The name, the same for CloudWatch and Prometheus.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MessagesProcessed => "messages_processed_total",
            Self::EventsProcessed => "events_processed_total",
            Self::EventsDuplicate => "events_duplicate_total",
            Self::EventsLate => "events_late_total",
            Self::Corrections => "corrections_total",
            Self::DeadLettersSent => "dead_letters_sent_total",
            Self::RecordsBuffered => "records_buffered_total",
            Self::RecordsReturned => "records_returned_total",
            Self::RecordsIgnored => "records_ignored_total",
            Self::WriteUnits => "write_units_total",
            Self::ReadUnits => "read_units_total",
            Self::UniqueDevices => "unique_devices_total",
            Self::DeadLettersFiled => "dead_letters_filed_total",
            Self::DeadLettersResolved => "dead_letters_resolved_total",
            Self::DeadLettersParked => "dead_letters_parked_total",
            Self::OffsetsLost => "offsets_lost_total",
            Self::ViewsRestarted => "views_restarted_total",
            Self::FeedRecordsSent => "feed_records_sent_total",
            Self::FeedRecordsSkipped => "feed_records_skipped_total",
            Self::NotificationsSent => "notifications_sent_total",
            Self::NotificationsFailed => "notifications_failed_total",
            Self::NotificationsGivenUp => "notifications_given_up_total",
            Self::AuthenticationFailures => "authentication_failures_total",
        }
    }
}

/// A counter of alerts, by the severity that the alert has afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertMetric {
    /// Alerts that began to fire, also again after they were resolved or retracted.
    Opened,
    /// Alerts that were resolved.
    Resolved,
    /// Alerts that a changed history took back.
    Retracted,
}

impl AlertMetric {
    /// All counters of alerts, in the order of the written lines.
    pub const ALL: [Self; 3] = [Self::Opened, Self::Resolved, Self::Retracted];

    /// The name, the same for CloudWatch and Prometheus.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "alerts_opened_total",
            Self::Resolved => "alerts_resolved_total",
            Self::Retracted => "alerts_retracted_total",
        }
    }
}

/// Rejections, by code.
pub const ERRORS: &str = "processing_errors_total";
/// Values that are present and that a view cannot read, by field.
pub const SKIPPED: &str = "values_skipped_total";
/// Seconds from the start of the invocation to a record's disposition.
pub const DURATION: &str = "message_processing_duration_seconds";
/// The largest `observed_at` of an applied event, in seconds since 1970.
pub const LAST_MESSAGE: &str = "last_message_timestamp_seconds";
/// How far the sweep of timers is behind the clock, in seconds: 60 to 120 if it has caught up.
pub const TIMERS_BEHIND: &str = "timers_behind_seconds";

/// The counts of one invocation for one tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Counters that are not zero.
    pub counts: BTreeMap<Metric, f64>,
    /// Rejections by code.
    pub errors: BTreeMap<Code, u64>,
    /// Values that a view cannot read, by field: the name of a measure, `status`, `location`.
    pub skipped: BTreeMap<Arc<str>, u64>,
    /// Alerts by what happened to them and severity.
    pub alerts: BTreeMap<(AlertMetric, Severity), u64>,
    /// Durations in seconds, one per record.
    pub durations: Vec<f64>,
    /// The largest `observed_at` of an applied event.
    pub last_message: Option<Timestamp>,
    /// Until when the sweep has looked at all timers. [`TIMERS_BEHIND`] is the time since then.
    pub swept_until: Option<Timestamp>,
}

impl Counts {
    /// Adds one.
    pub fn add(&mut self, metric: Metric) {
        self.add_amount(metric, 1.0);
    }

    /// Adds an amount.
    pub fn add_many(&mut self, metric: Metric, amount: usize) {
        self.add_amount(metric, u32::try_from(amount).map_or(f64::from(u32::MAX), f64::from));
    }

    fn add_amount(&mut self, metric: Metric, amount: f64) {
        if amount > 0.0 {
            *self.counts.entry(metric).or_default() += amount;
        }
    }

    /// Adds consumed DynamoDB units.
    pub fn add_units(&mut self, units: Units) {
        self.add_amount(Metric::ReadUnits, units.read);
        self.add_amount(Metric::WriteUnits, units.write);
    }

    /// Adds a rejection.
    pub fn add_error(&mut self, code: Code) {
        *self.errors.entry(code).or_default() += 1;
    }

    /// Counts a value that a view cannot read.
    pub fn add_skipped(&mut self, field: &Arc<str>) {
        *self.skipped.entry(Arc::clone(field)).or_default() += 1;
    }

    /// Counts what happened to an alert.
    pub fn add_alert(&mut self, metric: AlertMetric, severity: Severity) {
        *self.alerts.entry((metric, severity)).or_default() += 1;
    }

    /// Only consumed DynamoDB units.
    pub fn of_units(units: Units) -> Self {
        let mut counts = Self::default();
        counts.add_units(units);
        counts
    }

    /// Consumed DynamoDB units.
    pub fn units(&self) -> Units {
        Units { read: self.get(Metric::ReadUnits), write: self.get(Metric::WriteUnits) }
    }

    /// Adds other counts.
    pub fn merge(&mut self, other: Self) {
        for (metric, amount) in other.counts {
            self.add_amount(metric, amount);
        }
        for (code, count) in other.errors {
            *self.errors.entry(code).or_default() += count;
        }
        for (field, count) in other.skipped {
            *self.skipped.entry(field).or_default() += count;
        }
        for (alert, count) in other.alerts {
            *self.alerts.entry(alert).or_default() += count;
        }
        self.durations.extend(other.durations);
        self.last_message = self.last_message.max(other.last_message);
        self.swept_until = self.swept_until.max(other.swept_until);
    }

    /// The value of a counter.
    pub fn get(&self, metric: Metric) -> f64 {
        self.counts.get(&metric).copied().unwrap_or(0.0)
    }
}

/// The counts of one invocation. Counts without a known tenant are under `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// By tenant.
    pub tenants: BTreeMap<Option<TenantId>, Counts>,
}

impl Tally {
    /// The counts of one tenant.
    pub fn of(&mut self, tenant: Option<&TenantId>) -> &mut Counts {
        self.tenants.entry(tenant.cloned()).or_default()
    }

    /// The value of a counter over all tenants.
    pub fn total(&self, metric: Metric) -> f64 {
        self.tenants.values().map(|counts| counts.get(metric)).sum()
    }
}
