//! A tenant's counts, through a port. The local host keeps [`Tallies`] of its functions' counts. On
//! Lambda, CloudWatch holds the counts of all environments, and [`CloudWatchCounts`] reads those of
//! listed tenants. A response never contains the counts of a single environment.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use drover_core::base::error::{Code, Unavailable};
use drover_core::base::id::TenantId;
use drover_core::base::metrics::{self, Meter, Metric, Tally};
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

pub use self::cloudwatch::CloudWatchCounts;

mod cloudwatch;

/// Source of counts.
pub trait Counts: Send + Sync {
    /// The counts of one tenant up to now. `None`: this deployment keeps no counts for the tenant.
    ///
    /// # Errors
    /// The counts could not be read.
    fn of(
        &self,
        scope: &TenantScope,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Counted>, Unavailable>> + Send;
}

impl<C: Counts> Counts for Arc<C> {
    async fn of(
        &self,
        scope: &TenantScope,
        now: Timestamp,
    ) -> Result<Option<Counted>, Unavailable> {
        C::of(self, scope, now).await
    }
}

/// The counts of one tenant.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Counted {
    /// The beginning of the counts: the start of the local host; on Lambda, a day ago, rounded down
    /// to five minutes.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Events that were added to a history.
    pub events_processed: u64,
    /// Events that were already in a history.
    pub events_duplicate: u64,
    /// Applied events that were older than the newest event of their subject.
    pub events_late: u64,
    /// Late events that changed pages.
    pub corrections: u64,
    /// Rejected records, by code.
    #[schema(example = json!({"schema_violation": 2}))]
    pub rejections: BTreeMap<&'static str, u64>,
    /// Applied events per second.
    pub events_per_second: Rates,
    /// The largest `observed_at` of an event applied since then; on Lambda, in whole seconds.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub last_observed_at: Option<Timestamp>,
}

/// Events per second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Rates {
    /// Over the last full minute; on Lambda, over the last full minute that is at least two minutes
    /// old.
    pub last_minute: f64,
    /// Over the five minutes that end with it.
    pub last_5_minutes: f64,
}

/// The number of minutes that rates cover.
const MINUTES: usize = 5;
const SECONDS_PER_MINUTE: i64 = 60;

/// The counts of the functions in one process, by tenant. Only registered tenants have counts, so
/// the map is bounded by the registry.
#[derive(Debug)]
pub struct Tallies {
    since: Timestamp,
    tenants: Mutex<BTreeMap<TenantId, Tallied>>,
}

#[derive(Debug, Default)]
struct Tallied {
    counts: metrics::Counts,
    /// Applied events by minute, the newest minute last.
    minutes: VecDeque<(i64, f64)>,
}

impl Tallies {
    /// Starts counting now.
    pub fn new(now: Timestamp) -> Self {
        Self { since: now, tenants: Mutex::default() }
    }
}

impl Meter for Tallies {
    fn record(&self, _function: &'static str, tally: &Tally, now: Timestamp) {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        for (tenant, counts) in &tally.tenants {
            if let Some(tenant) = tenant {
                tenants.entry(tenant.clone()).or_default().take(counts, now);
            }
        }
    }
}

impl Counts for Tallies {
    async fn of(
        &self,
        scope: &TenantScope,
        now: Timestamp,
    ) -> Result<Option<Counted>, Unavailable> {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = Tallied::default();
        Ok(Some(tenants.get(scope.tenant()).unwrap_or(&nothing).counted(self.since, now)))
    }
}

impl Tallied {
    fn take(&mut self, counts: &metrics::Counts, now: Timestamp) {
        for (metric, amount) in &counts.counts {
            *self.counts.counts.entry(*metric).or_default() += amount;
        }
        for (code, count) in &counts.errors {
            *self.counts.errors.entry(*code).or_default() += count;
        }
        self.counts.last_message = self.counts.last_message.max(counts.last_message);
        let applied = counts.get(Metric::EventsProcessed);
        if applied > 0.0 {
            self.count_minute(minute(now), applied);
        }
    }

    fn count_minute(&mut self, minute: i64, applied: f64) {
        match self.minutes.back_mut() {
            Some((last, sum)) if *last >= minute => *sum += applied,
            _ => self.minutes.push_back((minute, applied)),
        }
        // The current minute and the full minutes before it.
        while self.minutes.len() > MINUTES + 1 {
            self.minutes.pop_front();
        }
    }

    /// The counts, with rates over the minutes before the minute of `until`.
    fn counted(&self, since: Timestamp, until: Timestamp) -> Counted {
        let count = |metric| whole(self.counts.get(metric));
        let rejections = self.counts.errors.iter();
        Counted {
            since,
            events_processed: count(Metric::EventsProcessed),
            events_duplicate: count(Metric::EventsDuplicate),
            events_late: count(Metric::EventsLate),
            corrections: count(Metric::Corrections),
            rejections: rejections.map(|(code, count)| (Code::as_str(*code), *count)).collect(),
            events_per_second: Rates {
                last_minute: self.rate(1, until),
                last_5_minutes: self.rate(5, until),
            },
            last_observed_at: self.counts.last_message,
        }
    }

    /// The rate over this many minutes before the minute of `until`.
    fn rate(&self, minutes: i32, until: Timestamp) -> f64 {
        let this = minute(until);
        let over = this - i64::from(minutes)..this;
        let counted = self.minutes.iter().filter(|(minute, _)| over.contains(minute));
        let sum: f64 = counted.fold(0.0, |sum, (_, applied)| sum + applied);
        sum / f64::from(minutes * 60)
    }
}

fn minute(instant: Timestamp) -> i64 {
    instant.whole_seconds().div_euclid(SECONDS_PER_MINUTE)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of whole things, which rise from zero"
)]
fn whole(count: f64) -> u64 {
    count as u64
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn second(at: i64) -> Timestamp {
        Timestamp::from_micros(at * 1_000_000).expect("in range")
    }

    fn scope(tenant: &str) -> TenantScope {
        TenantScope::by_operator(TenantId::parse(tenant).expect("a tenant"))
    }

    fn record(tallies: &Tallies, tenant: &str, applied: usize, at: i64) {
        let mut tally = Tally::default();
        let counts = tally.of(Some(scope(tenant).tenant()));
        (0..applied).for_each(|_| counts.add(Metric::EventsProcessed));
        counts.add(Metric::EventsDuplicate);
        counts.add_error(Code::SchemaViolation);
        counts.last_message = Some(second(at));
        tallies.record("processor", &tally, second(at));
    }

    fn counted(tallies: &Tallies, tenant: &str, now: i64) -> Counted {
        let counted = tallies.of(&scope(tenant), second(now)).now_or_never();
        counted.expect("no I/O").expect("no failure").expect("counts")
    }

    #[test]
    fn a_tenant_sees_only_its_own_counts() {
        let tallies = Tallies::new(second(0));
        record(&tallies, "demo", 3, 10);
        record(&tallies, "demo", 4, 20);
        record(&tallies, "acme", 50, 20);
        let demo = counted(&tallies, "demo", 30);
        assert_eq!((demo.events_processed, demo.events_duplicate, demo.events_late), (7, 2, 0));
        assert_eq!(demo.rejections, BTreeMap::from([("schema_violation", 2)]));
        assert_eq!((demo.since, demo.last_observed_at), (second(0), Some(second(20))));
        let other = counted(&tallies, "other", 30);
        assert_eq!((other.events_processed, other.last_observed_at), (0, None));
    }

    #[test]
    fn rates_cover_full_minutes() {
        let tallies = Tallies::new(second(0));
        record(&tallies, "demo", 600, 30);
        record(&tallies, "demo", 60, 70);
        let rates = |now| {
            let rates = counted(&tallies, "demo", now).events_per_second;
            (rates.last_minute, rates.last_5_minutes)
        };
        assert_eq!(rates(59), (0.0, 0.0));
        assert_eq!(rates(60), (10.0, 2.0));
        assert_eq!(rates(120), (1.0, 2.2));
        assert_eq!(rates(360), (0.0, 0.2));
        assert_eq!(rates(420), (0.0, 0.0));
    }

    #[test]
    fn old_minutes_are_dropped() {
        let mut tallied = Tallied::default();
        (0..100).for_each(|minute| tallied.count_minute(minute, 1.0));
        assert_eq!(tallied.minutes.len(), MINUTES + 1);
        assert!(tallied.rate(5, second(100 * 60)) > 0.0);
    }
}
