//! Quotas: how many events a tenant may send over HTTP, and how much the tenant may read. Each tenant has
//! token buckets, which fill at a rate up to a burst.
//!
//! [`WriteQuotas`]: a request takes one token for each event. The request passes if the bucket has enough
//! tokens or is full. A request that is larger than the burst passes with a full bucket and leaves a debt, so
//! that later requests wait longer.
//!
//! [`ReadQuotas`]: a request takes one token of the bucket of requests, and passes unless the bucket of bytes
//! is in debt. The bytes are known only after the request and are charged then, which may leave a debt. The
//! next requests of the tenant wait until the debt is paid. No tenant waits for the debt of another tenant.
//!
//! Buckets are in memory. On Lambda each environment has its own buckets, so the total limit of a tenant is a
//! multiple of its quota; the hard limit is the concurrency limit of the function. Records from Kafka count
//! against no quota, because they are already in the topic, and delaying them would delay every tenant of
//! their partition.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;

use crate::base::cost::Units;
use crate::base::id::TenantId;
use crate::base::time::Timestamp;
use crate::intake::tenant::{Quota, Tenant};

/// The number of tenants whose buckets are kept. The bucket of any other tenant counts as full.
const TENANTS: NonZeroUsize = match NonZeroUsize::new(4096) {
    Some(tenants) => tenants,
    None => NonZeroUsize::MIN,
};
/// Maximum wait, in seconds.
const LONGEST_WAIT_SECONDS: f64 = 3_600.0;
/// The burst of a bucket for reading, as seconds of its rate.
const READ_BURST_SECONDS: f64 = 5.0;
/// The bytes of a strongly consistent read unit of DynamoDB.
pub const READ_UNIT_BYTES: f64 = 4_096.0;

/// The bucket has too few tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The time until the bucket has enough tokens, in whole seconds; at least one.
    pub retry_after_seconds: u64,
}

/// The quotas of sending, for all tenants.
#[derive(Default)]
pub struct WriteQuotas(Buckets);

impl WriteQuotas {
    /// Takes this many events from the bucket of a tenant. Without a quota there is no limit.
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
        let events = f64::from(u32::try_from(events).unwrap_or(u32::MAX));
        let rate = Rate { per_second: quota.events_per_second.into(), burst: quota.burst.into() };
        self.0.with(tenant, rate, now, |bucket| bucket.take(rate, events))
    }
}

/// The quotas of reading, for all tenants.
#[derive(Default)]
pub struct ReadQuotas {
    requests: Buckets,
    bytes: Buckets,
}

impl ReadQuotas {
    /// Takes a request from the bucket of a tenant, unless the bucket of requests is empty or the bucket of bytes
    /// is in debt.
    ///
    /// # Errors
    /// [`Exceeded`]; nothing is taken then.
    pub fn take(&self, tenant: &Tenant, now: Timestamp) -> Result<(), Exceeded> {
        let Some(quota) = tenant.quota else { return Ok(()) };
        if let Some(rate) = quota.read_bytes_per_second.map(Rate::of_reads) {
            self.bytes.with(&tenant.id, rate, now, |bucket| bucket.without_debt(rate))?;
        }
        match quota.reads_per_second.map(Rate::of_reads) {
            Some(rate) => {
                self.requests.with(&tenant.id, rate, now, |bucket| bucket.take(rate, 1.0))
            }
            None => Ok(()),
        }
    }

    /// Charges the bytes that a request of a tenant has read.
    pub fn charge(&self, tenant: &Tenant, units: Units, now: Timestamp) {
        let rate = tenant.quota.and_then(|quota| quota.read_bytes_per_second);
        let Some(rate) = rate.map(Rate::of_reads) else { return };
        let bytes = units.read * READ_UNIT_BYTES;
        self.bytes.with(&tenant.id, rate, now, |bucket| bucket.charge(rate, bytes));
    }
}

/// The buckets of all tenants.
struct Buckets(Mutex<LruCache<TenantId, Bucket>>);

impl Default for Buckets {
    fn default() -> Self {
        Self(Mutex::new(LruCache::sparse(TENANTS)))
    }
}

impl Buckets {
    /// Calls `act` with the current bucket of a tenant. The bucket of an unknown tenant is full.
    fn with<T>(
        &self,
        tenant: &TenantId,
        rate: Rate,
        now: Timestamp,
        act: impl FnOnce(&mut Bucket) -> T,
    ) -> T {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = Bucket { tokens: rate.burst, filled_at: now };
        let bucket = buckets.get_or_insert_mut(tenant.clone(), || full);
        bucket.fill(rate, now);
        act(bucket)
    }
}

/// The rate at which a bucket fills, and its size.
#[derive(Clone, Copy)]
struct Rate {
    per_second: f64,
    burst: f64,
}

impl Rate {
    fn of_reads(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Self { per_second, burst: per_second * READ_BURST_SECONDS }
    }
}

#[derive(Clone, Copy)]
struct Bucket {
    /// The tokens; a negative number is a debt.
    tokens: f64,
    filled_at: Timestamp,
}

impl Bucket {
    /// A clock that goes back adds no tokens, and no token is added twice.
    fn fill(&mut self, rate: Rate, now: Timestamp) {
        let seconds = now.seconds_since(self.filled_at).max(0.0);
        self.tokens = (self.tokens + seconds * rate.per_second).min(rate.burst);
        self.filled_at = self.filled_at.max(now);
    }

    fn take(&mut self, rate: Rate, amount: f64) -> Result<(), Exceeded> {
        let needed = amount.min(rate.burst);
        if self.tokens >= needed {
            self.tokens -= amount;
            return Ok(());
        }
        Err(Exceeded::after((needed - self.tokens) / rate.per_second))
    }

    /// A debt is paid within the maximum wait.
    fn charge(&mut self, rate: Rate, amount: f64) {
        let most = rate.per_second * LONGEST_WAIT_SECONDS;
        self.tokens = (self.tokens - amount).max(-most);
    }

    fn without_debt(&self, rate: Rate) -> Result<(), Exceeded> {
        if self.tokens >= 0.0 {
            return Ok(());
        }
        Err(Exceeded::after(-self.tokens / rate.per_second))
    }
}

impl Exceeded {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 3,600 after the clamp, which also ends infinity and not-a-number"
    )]
    fn after(seconds: f64) -> Self {
        let whole = seconds.ceil().clamp(1.0, LONGEST_WAIT_SECONDS) as u64;
        Self { retry_after_seconds: whole }
    }
}

#[cfg(test)]
mod tests;
