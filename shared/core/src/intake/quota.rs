//! Quotas: how much a tenant may send over HTTP, and how much it may read. Token buckets for each
//! tenant, which fill at a rate up to a burst.
//!
//! [`WriteQuotas`]: a request takes as many tokens as it brings events. It passes while the bucket has
//! what it needs, or is full; a request larger than the burst takes the full bucket into debt, so that
//! it passes, and what follows waits the longer.
//!
//! [`ReadQuotas`]: a request takes one token of one bucket, and passes unless the other, that of bytes,
//! is in debt. What it read is known only afterwards, and is charged then, into debt if need be: the
//! tenant's next requests wait until the debt is paid. Nobody waits for the debt of another tenant.
//!
//! Buckets live in memory: on Lambda each environment has its own, so a tenant's limit over all is
//! a multiple of its quota. What must not be passed is the concurrency limit of the function. Records
//! that come by Kafka are counted against no quota: they are in the topic already, and holding them
//! back would hold back every tenant of their partition.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;

use crate::base::cost::Units;
use crate::base::id::TenantId;
use crate::base::time::Timestamp;
use crate::intake::tenant::{Quota, Tenant};

/// Tenants whose buckets are remembered; a forgotten one is full again.
const TENANTS: NonZeroUsize = match NonZeroUsize::new(4096) {
    Some(tenants) => tenants,
    None => NonZeroUsize::MIN,
};
/// Nobody is asked to wait for longer.
const LONGEST_WAIT_SECONDS: f64 = 3_600.0;
/// Seconds of reading that a bucket saves up.
const READ_BURST_SECONDS: f64 = 5.0;
/// What a read unit of DynamoDB stands for, strongly consistent.
pub const READ_UNIT_BYTES: f64 = 4_096.0;

/// The bucket has too little: how long until it has enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Whole seconds, at least one.
    pub retry_after_seconds: u64,
}

/// How much each tenant has sent.
#[derive(Default)]
pub struct WriteQuotas(Buckets);

impl WriteQuotas {
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
        let events = f64::from(u32::try_from(events).unwrap_or(u32::MAX));
        let rate = Rate { per_second: quota.events_per_second.into(), burst: quota.burst.into() };
        self.0.with(tenant, rate, now, |bucket| bucket.take(rate, events))
    }
}

/// How much each tenant has read.
#[derive(Default)]
pub struct ReadQuotas {
    requests: Buckets,
    bytes: Buckets,
}

impl ReadQuotas {
    /// Takes a request of a tenant, unless it has had too many, or still has to wait for what earlier
    /// ones read.
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

    /// Charges what a tenant's request has read.
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
    /// Does something with a tenant's bucket as it is now; one that is not known is full.
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

/// How fast a bucket fills, and how much it holds.
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
    /// Below zero: a debt.
    tokens: f64,
    filled_at: Timestamp,
}

impl Bucket {
    /// A clock that goes back fills nothing, and nothing twice.
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

    /// A debt is never larger than the longest wait pays.
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
