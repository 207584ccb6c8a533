//! Counts of listed tenants, from CloudWatch. What was read is believed for a while: each question
//! costs money, and the numbers change by the minute.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use drover_core::base::error::Unavailable;
use drover_core::base::id::TenantId;
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;

use super::{Counted, Counts, Tallied};
use crate::cloudwatch::{CloudWatch, Kept, LATE_SECONDS};
use crate::limits;

/// What all environments counted.
#[derive(Debug)]
pub struct CloudWatchCounts {
    cloudwatch: Option<CloudWatch>,
    /// Of listed tenants only, so there are as many as are listed.
    read: Mutex<BTreeMap<TenantId, (Timestamp, Counted)>>,
}

impl CloudWatchCounts {
    /// From CloudWatch; `None`: no tenant is listed, and nobody has counts.
    pub fn new(cloudwatch: Option<CloudWatch>) -> Self {
        Self { cloudwatch, read: Mutex::default() }
    }

    fn believed(&self, tenant: &TenantId, now: Timestamp) -> Option<Counted> {
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
        let believed = self.believed(scope.tenant(), now);
        if believed.is_some() {
            return Ok(believed);
        }
        let Some(kept) = cloudwatch.counts(scope, now).await? else { return Ok(None) };
        let counted = counted(kept, now);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(scope.tenant().clone(), (now, counted.clone()));
        Ok(Some(counted))
    }
}

/// Rates are of minutes that grow no more: of those that ended just now CloudWatch shows too little.
fn counted(kept: Kept, now: Timestamp) -> Counted {
    let Kept { since, counts, minutes } = kept;
    let tallied = Tallied { counts, minutes: minutes.into_iter().collect() };
    tallied.counted(since, now.plus_seconds(-LATE_SECONDS))
}
