//! Counts of listed tenants, from CloudWatch. Results are cached for a while, because each query
//! costs money and the numbers change only every minute.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use drover_core::base::error::Unavailable;
use drover_core::base::id::TenantId;
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;

use super::{Counted, Counts, Tallied};
use crate::cloudwatch::{CloudWatch, Kept, LATE_SECONDS};
use crate::limits;

/// The counts of all environments.
#[derive(Debug)]
pub struct CloudWatchCounts {
    cloudwatch: Option<CloudWatch>,
    /// The cache. Only listed tenants have an entry, so it is bounded.
    read: Mutex<BTreeMap<TenantId, (Timestamp, Counted)>>,
}

impl CloudWatchCounts {
    /// Reads from CloudWatch. `None`: no tenant is listed, so no tenant has counts.
    pub fn new(cloudwatch: Option<CloudWatch>) -> Self {
        Self { cloudwatch, read: Mutex::default() }
    }

    fn cached(&self, tenant: &TenantId, now: Timestamp) -> Option<Counted> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, counted) = read.get(tenant)?;
        at.is_within(limits::COUNTS_SECONDS, now).then(|| counted.clone())
    }
}

impl Counts for CloudWatchCounts {
    async fn of(
        &self,
        scope: &TenantScope,
        now: Timestamp,
    ) -> Result<Option<Counted>, Unavailable> {
        let Some(cloudwatch) = &self.cloudwatch else { return Ok(None) };
        let cached = self.cached(scope.tenant(), now);
        if cached.is_some() {
            return Ok(cached);
        }
        let Some(kept) = cloudwatch.counts(scope, now).await? else { return Ok(None) };
        let counted = counted(kept, now);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(scope.tenant().clone(), (now, counted.clone()));
        Ok(Some(counted))
    }
}

/// Computes rates from minutes that are complete: CloudWatch's values for the newest minutes are
/// still too low.
fn counted(kept: Kept, now: Timestamp) -> Counted {
    let Kept { since, counts, minutes } = kept;
    let tallied = Tallied { counts, minutes: minutes.into_iter().collect() };
    tallied.counted(since, now.plus_seconds(-LATE_SECONDS))
}
