//! Quotas: a token bucket for each tenant, which fills with events per second up to a burst.
//!
//! A request is taken while the bucket has what it needs, or is full; a request larger than the
//! burst takes the full bucket into debt, so that it passes, and what follows waits the longer.
//! Buckets live in memory: on Lambda each environment has its own, so a tenant's limit over all is
//! a multiple of its quota. What must not be passed is the concurrency limit of the function.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use drover_core::id::TenantId;
use drover_core::tenant::Quota;
use drover_core::time::Timestamp;
use lru::LruCache;

/// Tenants whose buckets are remembered; a forgotten one is full again.
const TENANTS: NonZeroUsize = match NonZeroUsize::new(4096) {
    Some(tenants) => tenants,
    None => NonZeroUsize::MIN,
};
/// Nobody is asked to wait for longer.
const LONGEST_WAIT_SECONDS: f64 = 3_600.0;

/// The buckets of all tenants.
pub struct Quotas(Mutex<LruCache<TenantId, Bucket>>);

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled_at: Timestamp,
}

/// The bucket has too little: how long until it has enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Whole seconds, at least one.
    pub retry_after_seconds: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        Self(Mutex::new(LruCache::sparse(TENANTS)))
    }
}

impl Quotas {
    /// Takes so many events from a tenant's bucket. No quota is no limit.
    ///
    /// # Errors
    /// [`Exceeded`]; nothing is taken then.
    pub fn take(
        &self,
        tenant: &TenantId,
        quota: Option<Quota>,
        events: usize,
        now: Timestamp,
    ) -> Result<(), Exceeded> {
        let Some(quota) = quota else { return Ok(()) };
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = Bucket { tokens: f64::from(quota.burst), filled_at: now };
        let bucket = buckets.get_or_insert_mut(tenant.clone(), || full);
        bucket.fill(quota, now);
        let events = f64::from(u32::try_from(events).unwrap_or(u32::MAX));
        let needed = events.min(f64::from(quota.burst));
        if bucket.tokens >= needed {
            bucket.tokens -= events;
            return Ok(());
        }
        let seconds = (needed - bucket.tokens) / f64::from(quota.events_per_second);
        Err(Exceeded { retry_after_seconds: whole_seconds(seconds) })
    }
}

impl Bucket {
    /// A clock that goes back fills nothing, and nothing twice.
    fn fill(&mut self, quota: Quota, now: Timestamp) {
        let seconds = now.seconds_since(self.filled_at).max(0.0);
        let filled = self.tokens + seconds * f64::from(quota.events_per_second);
        self.tokens = filled.min(f64::from(quota.burst));
        self.filled_at = self.filled_at.max(now);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 1 and 3,600 after the clamp, which also ends infinity and not-a-number"
)]
fn whole_seconds(seconds: f64) -> u64 {
    seconds.ceil().clamp(1.0, LONGEST_WAIT_SECONDS) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_A_SECOND: Quota = Quota { events_per_second: 10, burst: 20 };

    fn second(at: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000).expect("in range").plus_seconds(at)
    }

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).expect("a tenant")
    }

    fn exceeded(seconds: u64) -> Result<(), Exceeded> {
        Err(Exceeded { retry_after_seconds: seconds })
    }

    #[test]
    fn a_burst_passes_then_the_rate_and_nothing_is_taken_by_a_refusal() {
        let (quotas, demo) = (Quotas::default(), tenant("demo"));
        let take = |events, at| quotas.take(&demo, Some(TEN_A_SECOND), events, second(at));
        assert_eq!(take(20, 0), Ok(()));
        assert_eq!(take(1, 0), exceeded(1));
        assert_eq!(take(20, 0), exceeded(2));
        assert_eq!(take(10, 1), Ok(()));
        assert_eq!(take(1, 1), exceeded(1));
        assert_eq!(take(20, 60), Ok(()), "no more than the burst is saved up");
        assert_eq!(take(1, 60), exceeded(1));
    }

    #[test]
    fn a_request_over_the_burst_passes_a_full_bucket_and_leaves_a_debt() {
        let (quotas, demo) = (Quotas::default(), tenant("demo"));
        let take = |events, at| quotas.take(&demo, Some(TEN_A_SECOND), events, second(at));
        assert_eq!(take(50, 0), Ok(()));
        assert_eq!(take(1, 1), exceeded(3));
        assert_eq!(take(1, 4), Ok(()));
    }

    #[test]
    fn one_tenant_never_waits_for_another_and_without_a_quota_nobody_waits() {
        let quotas = Quotas::default();
        let (demo, acme) = (tenant("demo"), tenant("acme"));
        assert_eq!(quotas.take(&demo, Some(TEN_A_SECOND), 20, second(0)), Ok(()));
        assert!(quotas.take(&demo, Some(TEN_A_SECOND), 1, second(0)).is_err());
        assert_eq!(quotas.take(&acme, Some(TEN_A_SECOND), 20, second(0)), Ok(()));
        for _ in 0..100 {
            assert_eq!(quotas.take(&demo, None, 100, second(0)), Ok(()));
        }
    }

    #[test]
    fn a_clock_that_goes_back_fills_nothing() {
        let (quotas, demo) = (Quotas::default(), tenant("demo"));
        let take = |at| quotas.take(&demo, Some(TEN_A_SECOND), 20, second(at));
        assert_eq!(take(100), Ok(()));
        assert_eq!(take(0), exceeded(2));
        assert_eq!(take(100), exceeded(2), "the second from 0 to 100 is not counted twice");
    }
}
