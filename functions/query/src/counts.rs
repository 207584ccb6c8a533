//! What was counted for one tenant, through a port. The local host keeps [`Tallies`] of what its
//! functions counted. On Lambda the counts of all environments are in CloudWatch, where
//! [`CloudWatchCounts`] reads those of listed tenants; nobody is given a number that is only one
//! environment's.

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

/// What was counted.
pub trait Counts: Send + Sync {
    /// For one tenant, up to now; `None`: nobody keeps counts of this tenant.
    ///
    /// # Errors
    /// The counts could not be had.
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

/// What was counted for one tenant.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Counted {
    /// When counting began: when the local host started; on Lambda a day ago, and up to five
    /// minutes more.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Events that are in a history now and were not before.
    pub events_processed: u64,
    /// Events that were in a history already.
    pub events_duplicate: u64,
    /// Applied events that were not the newest of their subject.
    pub events_late: u64,
    /// Late events that changed pages.
    pub corrections: u64,
    /// Records that were rejected, by code.
    #[schema(example = json!({"schema_violation": 2}))]
    pub rejections: BTreeMap<&'static str, u64>,
    /// Applied events per second, over the last minutes.
    pub events_per_second: Rates,
    /// The newest event that was applied since then was observed at this time; on Lambda to the
    /// second.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub last_observed_at: Option<Timestamp>,
}

/// Events per second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Rates {
    /// Over the last minute that is over; on Lambda the last one that is counted to its end, which
    /// takes two minutes more.
    pub last_minute: f64,
    /// Over the five that end with it.
    pub last_5_minutes: f64,
}

/// Minutes that rates are made of.
const MINUTES: usize = 5;
const SECONDS_PER_MINUTE: i64 = 60;

/// The counts of functions in one process, by tenant. Only tenants that a function let in are
/// there, so there are as many as the registry has.
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
    /// Counts from now on.
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
        // The minute that runs, and those that are over.
        while self.minutes.len() > MINUTES + 1 {
            self.minutes.pop_front();
        }
    }

    /// With rates of the minutes before the one of `until`.
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

    /// Over so many minutes before the one of `until`.
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
    fn a_tenant_sees_its_own_counts_and_nobody_elses() {
        let tallies = Tallies::new(second(0));
        record(&tallies, "demo", 3, 10);
        record(&tallies, "demo", 4, 20);
        record(&tallies, "acme", 50, 20);
        let demo = counted(&tallies, "demo", 30);
        assert_eq!((demo.events_processed, demo.events_duplicate, demo.events_late), (7, 2, 0));
        assert_eq!(demo.rejections, BTreeMap::from([("schema_violation", 2)]));
        assert_eq!((demo.since, demo.last_observed_at), (second(0), Some(second(20))));
        let nobody = counted(&tallies, "nobody", 30);
        assert_eq!((nobody.events_processed, nobody.last_observed_at), (0, None));
    }

    #[test]
    fn rates_are_of_minutes_that_are_over() {
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
    fn minutes_are_forgotten() {
        let mut tallied = Tallied::default();
        (0..100).for_each(|minute| tallied.count_minute(minute, 1.0));
        assert_eq!(tallied.minutes.len(), MINUTES + 1);
        assert!(tallied.rate(5, second(100 * 60)) > 0.0);
    }
}
