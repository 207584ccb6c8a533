//! Counters, one histogram and two times, fed by tallies. Every counter is there from the start, at
//! zero, so that the first step of a rate is not missed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use drover_core::base::error::Code;
use drover_core::base::metrics::{
    AlertMetric, Counts, DURATION, ERRORS, LAST_MESSAGE, Metric, SKIPPED, TIMERS_BEHIND, Tally,
};
use drover_core::base::severity::Severity;
use drover_core::base::time::Timestamp;
use prometheus::proto::MetricFamily;
use prometheus::{
    Counter, CounterVec, Error, Gauge, Histogram, HistogramOpts, IntCounterVec, Opts, Registry,
};

/// From a warm record to an invocation at its end, in seconds.
const DURATION_BUCKETS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// All that tallies feed.
pub(super) struct Series {
    registry: Registry,
    counts: Vec<(Metric, Count)>,
    errors: IntCounterVec,
    skipped: IntCounterVec,
    alerts: BTreeMap<AlertMetric, IntCounterVec>,
    duration: Histogram,
    last_message: Gauge,
    newest: LatestTime,
    timers_behind: Gauge,
    swept_until: LatestTime,
}

/// The latest of some times, in microseconds since 1970; `i64::MIN` if there is none.
struct LatestTime(AtomicI64);

/// A counter with or without the label `function`.
enum Count {
    Whole(Counter),
    ByFunction(CounterVec),
}

impl Series {
    pub(super) fn new(functions: &[&str]) -> Result<Self, Error> {
        let registry = Registry::new();
        let mut counts = Vec::new();
        for metric in Metric::ALL {
            counts.push((metric, Count::new(metric, functions, &registry)?));
        }
        let errors = IntCounterVec::new(Opts::new(ERRORS, "Records rejected, by code"), &["code"])?;
        for code in Code::ALL {
            errors.get_metric_with_label_values(&[code.as_str()])?;
        }
        let mut alerts = BTreeMap::new();
        for metric in AlertMetric::ALL {
            alerts.insert(metric, by_severity(metric, &registry)?);
        }
        let skipped = "Values that a view was to read and cannot, by field";
        let skipped = IntCounterVec::new(Opts::new(SKIPPED, skipped), &["field"])?;
        let duration = "Seconds from the start of an invocation until a record had its disposition";
        let duration = HistogramOpts::new(DURATION, duration).buckets(DURATION_BUCKETS.into());
        let duration = Histogram::with_opts(duration)?;
        let last_message = "Largest time of observation that was applied, in seconds since 1970";
        let last_message = Gauge::new(LAST_MESSAGE, last_message)?;
        let behind =
            "Seconds that the sweep of timers is behind the clock; NaN before its first run";
        let timers_behind = Gauge::new(TIMERS_BEHIND, behind)?;
        timers_behind.set(f64::NAN);
        registry.register(Box::new(errors.clone()))?;
        registry.register(Box::new(skipped.clone()))?;
        registry.register(Box::new(duration.clone()))?;
        registry.register(Box::new(last_message.clone()))?;
        registry.register(Box::new(timers_behind.clone()))?;
        let (newest, swept_until) = (LatestTime::default(), LatestTime::default());
        Ok(Self {
            registry,
            counts,
            errors,
            skipped,
            alerts,
            duration,
            last_message,
            newest,
            timers_behind,
            swept_until,
        })
    }

    /// Adds the metrics of one invocation of a function, summed over all tenants.
    pub(super) fn add(&self, function: &str, tally: &Tally) {
        for (metric, count) in &self.counts {
            count.add(function, tally.total(*metric));
        }
        tally.tenants.values().for_each(|counts| self.add_rest(counts));
    }

    fn add_rest(&self, counts: &Counts) {
        for (code, count) in &counts.errors {
            if let Ok(series) = self.errors.get_metric_with_label_values(&[code.as_str()]) {
                series.inc_by(*count);
            }
        }
        for (field, count) in &counts.skipped {
            if let Ok(series) = self.skipped.get_metric_with_label_values(&[&**field]) {
                series.inc_by(*count);
            }
        }
        for ((metric, severity), count) in &counts.alerts {
            let labels = [severity.as_str()];
            let series = self.alerts.get(metric);
            if let Some(Ok(series)) = series.map(|one| one.get_metric_with_label_values(&labels)) {
                series.inc_by(*count);
            }
        }
        counts.durations.iter().for_each(|seconds| self.duration.observe(*seconds));
        self.newest.raise_to(counts.last_message);
        self.swept_until.raise_to(counts.swept_until);
    }

    /// All metrics at a time: if no sweep runs any more, it is further behind at each scrape.
    pub(super) fn families(&self, now: Timestamp) -> Vec<MetricFamily> {
        if let Some(newest) = self.newest.get() {
            self.last_message.set(newest.micros() as f64 / 1e6);
        }
        if let Some(until) = self.swept_until.get() {
            self.timers_behind.set(now.seconds_since(until));
        }
        self.registry.gather()
    }
}

impl Default for LatestTime {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl LatestTime {
    fn raise_to(&self, time: Option<Timestamp>) {
        if let Some(time) = time {
            self.0.fetch_max(time.micros(), Ordering::Relaxed);
        }
    }

    fn get(&self) -> Option<Timestamp> {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

fn by_severity(metric: AlertMetric, registry: &Registry) -> Result<IntCounterVec, Error> {
    let help = match metric {
        AlertMetric::Opened => "Alerts that began to fire, by severity",
        AlertMetric::Resolved => "Alerts that were resolved, by severity",
        AlertMetric::Retracted => "Alerts that a changed history took back, by severity",
    };
    let series = IntCounterVec::new(Opts::new(metric.name(), help), &["severity"])?;
    for severity in Severity::ALL {
        series.get_metric_with_label_values(&[severity.as_str()])?;
    }
    registry.register(Box::new(series.clone()))?;
    Ok(series)
}

impl Count {
    fn new(metric: Metric, functions: &[&str], registry: &Registry) -> Result<Self, Error> {
        let (options, split) = (Opts::new(metric.name(), help(metric)), by_function(metric));
        if !split {
            let counter = Counter::with_opts(options)?;
            registry.register(Box::new(counter.clone()))?;
            return Ok(Self::Whole(counter));
        }
        let counters = CounterVec::new(options, &["function"])?;
        for function in functions {
            counters.get_metric_with_label_values(&[function])?;
        }
        registry.register(Box::new(counters.clone()))?;
        Ok(Self::ByFunction(counters))
    }

    fn add(&self, function: &str, amount: f64) {
        match self {
            Self::Whole(counter) => counter.inc_by(amount),
            Self::ByFunction(counters) => {
                if let Ok(counter) = counters.get_metric_with_label_values(&[function]) {
                    counter.inc_by(amount);
                }
            }
        }
    }
}

/// Whether a metric has the function as a label.
const fn by_function(metric: Metric) -> bool {
    match metric {
        Metric::MessagesProcessed
        | Metric::WriteUnits
        | Metric::ReadUnits
        | Metric::AuthenticationFailures => true,
        Metric::EventsProcessed
        | Metric::EventsDuplicate
        | Metric::EventsLate
        | Metric::Corrections
        | Metric::DeadLettersSent
        | Metric::DeadLettersFiled
        | Metric::DeadLettersResolved
        | Metric::DeadLettersParked
        | Metric::OffsetsLost
        | Metric::ViewsRestarted
        | Metric::RecordsBuffered
        | Metric::RecordsReturned
        | Metric::RecordsIgnored
        | Metric::FeedRecordsSent
        | Metric::FeedRecordsSkipped
        | Metric::NotificationsSent
        | Metric::NotificationsFailed
        | Metric::NotificationsGivenUp
        | Metric::UniqueDevices => false,
    }
}

/// The help text of a metric.
const fn help(metric: Metric) -> &'static str {
    match metric {
        Metric::MessagesProcessed => "Processed records, whatever their outcome",
        Metric::EventsProcessed => "Events added to the history",
        Metric::EventsDuplicate => "Events that the history already contained",
        Metric::EventsLate => "Events that arrived after newer events of their subject",
        Metric::Corrections => "Late events that changed a page",
        Metric::DeadLettersSent => "Records sent to the dead-letter queue",
        Metric::DeadLettersFiled => "Dead letters added to the letters table",
        Metric::DeadLettersResolved => "Dead letters resolved by a replay",
        Metric::DeadLettersParked => "Dead letters parked",
        Metric::OffsetsLost => "Offsets that the event log no longer has for a replay",
        Metric::ViewsRestarted => {
            "Views folded again from the oldest keyframe, because every current keyframe had expired"
        }
        Metric::RecordsBuffered => "Records sent to the buffer queue",
        Metric::RecordsReturned => "Records returned to their source",
        Metric::RecordsIgnored => "Records that their contract or route ignores",
        Metric::WriteUnits => "DynamoDB write units consumed",
        Metric::ReadUnits => "DynamoDB read units consumed",
        Metric::FeedRecordsSent => "Records sent to feeds",
        Metric::FeedRecordsSkipped => {
            "Records not sent because the topic of their feed is closed; they are sent later"
        }
        Metric::NotificationsSent => "Notifications that targets took",
        Metric::NotificationsFailed => "Tries of notifications that failed",
        Metric::NotificationsGivenUp => "Notifications given up; each becomes a dead letter",
        Metric::UniqueDevices => "Devices whose first event was added to the history",
        Metric::AuthenticationFailures => "Requests without valid credentials",
    }
}

#[cfg(test)]
mod tests {
    use drover_core::base::id::TenantId;

    use super::*;

    fn counted(tenant: &str, observed_seconds: i64) -> Tally {
        let mut tally = Tally::default();
        let counts = tally.of(Some(&TenantId::parse(tenant).unwrap()));
        Metric::ALL.into_iter().for_each(|metric| counts.add(metric));
        counts.add_error(Code::InvalidId);
        counts.add_skipped(&"speed".into());
        counts.add_alert(AlertMetric::Opened, Severity::Error);
        counts.swept_until = Timestamp::from_millis(observed_seconds * 1_000);
        counts.durations = vec![0.0009, 2.0, 61.0];
        counts.last_message = Timestamp::from_millis(observed_seconds * 1_000);
        tally
    }

    fn text(series: &Series) -> Vec<String> {
        let now = Timestamp::from_millis(100_000).unwrap();
        let text = prometheus::TextEncoder::new().encode_to_string(&series.families(now)).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn every_series_is_there_at_zero_before_anything_was_counted() {
        let lines = text(&Series::new(&["processor"]).unwrap());
        for metric in Metric::ALL {
            let split = if by_function(metric) { "{function=\"processor\"}" } else { "" };
            assert!(lines.contains(&format!("{}{split} 0", metric.name())), "{lines:?}");
        }
        for code in Code::ALL {
            assert!(lines.contains(&format!("{ERRORS}{{code=\"{code}\"}} 0")), "{lines:?}");
        }
        for metric in AlertMetric::ALL {
            for severity in Severity::ALL.map(Severity::as_str) {
                let name = metric.name();
                let zero = format!("{name}{{severity=\"{severity}\"}} 0");
                assert!(lines.contains(&zero), "{lines:?}");
            }
        }
        assert!(lines.contains(&format!("{TIMERS_BEHIND} NaN")), "{lines:?}");
        assert!(lines.contains(&format!("{DURATION}_count 0")), "{lines:?}");
        assert!(lines.contains(&format!("{LAST_MESSAGE} 0")), "{lines:?}");
    }

    #[test]
    fn series_are_sums_over_tenants_without_their_names() {
        let series = Series::new(&["processor"]).unwrap();
        series.add("processor", &counted("acme", 9));
        series.add("replay", &counted("demo", 5));
        let lines = text(&series);
        for expected in [
            "events_processed_total 2",
            "messages_processed_total{function=\"processor\"} 1",
            "messages_processed_total{function=\"replay\"} 1",
            "processing_errors_total{code=\"invalid_id\"} 2",
            "values_skipped_total{field=\"speed\"} 2",
            "message_processing_duration_seconds_bucket{le=\"0.001\"} 2",
            "message_processing_duration_seconds_bucket{le=\"2.5\"} 4",
            "message_processing_duration_seconds_bucket{le=\"60\"} 4",
            "message_processing_duration_seconds_bucket{le=\"+Inf\"} 6",
            "last_message_timestamp_seconds 9",
            "alerts_opened_total{severity=\"error\"} 2",
            "alerts_opened_total{severity=\"info\"} 0",
            "alerts_retracted_total{severity=\"error\"} 0",
            "timers_behind_seconds 91",
        ] {
            assert!(lines.contains(&expected.to_owned()), "{expected}: {lines:?}");
        }
        assert!(!lines.iter().any(|line| line.contains("acme") || line.contains("tenant=")));
    }
}
