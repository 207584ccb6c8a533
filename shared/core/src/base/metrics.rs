//! What is counted: a closed list. Names are a contract with dashboards and alarms, so they are
//! never made up where something is counted. A [`Tally`] holds the counts of one invocation per
//! tenant; [`emf`] writes it down for CloudWatch.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::cost::Units;
use crate::base::error::Code;
use crate::base::id::TenantId;
use crate::base::time::Timestamp;

pub mod emf;

/// Where the counts of an invocation go: lines for CloudWatch ([`emf::Lines`]), or whatever a host
/// keeps.
pub trait Meter: Send + Sync {
    /// Takes the counts of one invocation of a function.
    fn record(&self, function: &'static str, tally: &Tally, now: Timestamp);
}

/// A count that only rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Records taken in hand, whatever became of them.
    MessagesProcessed,
    /// Events that are in the history now and were not before.
    EventsProcessed,
    /// Events that were there before.
    EventsDuplicate,
    /// Records that are no events, as their contract or their route says.
    EventsIgnored,
    /// Events that arrived behind newer ones of their subject.
    EventsLate,
    /// Events that changed a page.
    Corrections,
    /// Records that went to the dead-letter queue.
    DeadLettersSent,
    /// Records that went to the buffer queue.
    RecordsBuffered,
    /// Records that were handed back to their source.
    RecordsReturned,
    /// DynamoDB write units.
    WriteUnits,
    /// DynamoDB read units.
    ReadUnits,
    /// Devices whose first event is in the history now.
    UniqueDevices,
    /// Dead letters that are in the table now and were not before.
    DeadLettersFiled,
    /// Dead letters whose event is in the history now.
    DeadLettersResolved,
    /// Dead letters that were put aside.
    DeadLettersParked,
    /// Offsets that a replay could not read again: their records are gone.
    OffsetsLost,
    /// Requests whose sender did not prove who it is.
    AuthenticationFailures,
}

impl Metric {
    /// Every count, in the order in which lines name them.
    pub const ALL: [Self; 17] = [
        Self::MessagesProcessed,
        Self::EventsProcessed,
        Self::EventsDuplicate,
        Self::EventsIgnored,
        Self::EventsLate,
        Self::Corrections,
        Self::DeadLettersSent,
        Self::RecordsBuffered,
        Self::RecordsReturned,
        Self::WriteUnits,
        Self::ReadUnits,
        Self::UniqueDevices,
        Self::DeadLettersFiled,
        Self::DeadLettersResolved,
        Self::DeadLettersParked,
        Self::OffsetsLost,
        Self::AuthenticationFailures,
    ];

    /// The name, the same for CloudWatch and Prometheus.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MessagesProcessed => "messages_processed_total",
            Self::EventsProcessed => "events_processed_total",
            Self::EventsDuplicate => "events_duplicate_total",
            Self::EventsIgnored => "events_ignored_total",
            Self::EventsLate => "events_late_total",
            Self::Corrections => "corrections_total",
            Self::DeadLettersSent => "dead_letters_sent_total",
            Self::RecordsBuffered => "records_buffered_total",
            Self::RecordsReturned => "records_returned_total",
            Self::WriteUnits => "write_units_total",
            Self::ReadUnits => "read_units_total",
            Self::UniqueDevices => "unique_devices_total",
            Self::DeadLettersFiled => "dead_letters_filed_total",
            Self::DeadLettersResolved => "dead_letters_resolved_total",
            Self::DeadLettersParked => "dead_letters_parked_total",
            Self::OffsetsLost => "offsets_lost_total",
            Self::AuthenticationFailures => "authentication_failures_total",
        }
    }
}

/// Rejections by code.
pub const ERRORS: &str = "processing_errors_total";
/// Values that a view was to read and cannot, although they are there, by field.
pub const SKIPPED: &str = "values_skipped_total";
/// Seconds from the start of the invocation until a record had its disposition.
pub const DURATION: &str = "message_processing_duration_seconds";
/// The largest `observed_at` that was applied, in seconds since 1970.
pub const LAST_MESSAGE: &str = "last_message_timestamp_seconds";

/// The counts of one invocation for one tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Counts that are not zero.
    pub counts: BTreeMap<Metric, f64>,
    /// Rejections by code.
    pub errors: BTreeMap<Code, u64>,
    /// Values that a view cannot read, by field: the name of a measure, `status`, `location`.
    pub skipped: BTreeMap<Arc<str>, u64>,
    /// One for each record, in seconds.
    pub durations: Vec<f64>,
    /// The largest `observed_at` that was applied.
    pub last_message: Option<Timestamp>,
}

impl Counts {
    /// Counts one.
    pub fn add(&mut self, metric: Metric) {
        self.add_amount(metric, 1.0);
    }

    /// Counts so many.
    pub fn add_many(&mut self, metric: Metric, amount: usize) {
        self.add_amount(metric, u32::try_from(amount).map_or(f64::from(u32::MAX), f64::from));
    }

    fn add_amount(&mut self, metric: Metric, amount: f64) {
        if amount > 0.0 {
            *self.counts.entry(metric).or_default() += amount;
        }
    }

    /// Counts what DynamoDB consumed.
    pub fn add_units(&mut self, units: Units) {
        self.add_amount(Metric::ReadUnits, units.read);
        self.add_amount(Metric::WriteUnits, units.write);
    }

    /// Counts a rejection.
    pub fn add_error(&mut self, code: Code) {
        *self.errors.entry(code).or_default() += 1;
    }

    /// Counts a value that a view cannot read.
    pub fn add_skipped(&mut self, field: &Arc<str>) {
        *self.skipped.entry(Arc::clone(field)).or_default() += 1;
    }

    /// What DynamoDB consumed.
    pub fn units(&self) -> Units {
        Units { read: self.get(Metric::ReadUnits), write: self.get(Metric::WriteUnits) }
    }

    /// Adds the counts of another.
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
        self.durations.extend(other.durations);
        self.last_message = self.last_message.max(other.last_message);
    }

    /// How often something was counted.
    pub fn get(&self, metric: Metric) -> f64 {
        self.counts.get(&metric).copied().unwrap_or(0.0)
    }
}

/// The counts of one invocation. Where no tenant was established, they are nobody's.
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

    /// How often something was counted, for all tenants together.
    pub fn total(&self, metric: Metric) -> f64 {
        self.tenants.values().map(|counts| counts.get(metric)).sum()
    }
}
