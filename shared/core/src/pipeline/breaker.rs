//! The circuit breaker for a misconfigured deployment. With a wrong registry table, every contract or every
//! tenant is unknown, and a whole stream would turn into dead letters.
//!
//! The breaker opens only if every record of a batch is unknown *and* the registry itself looks wrong. In
//! all other cases the records become letters, so that invalid input cannot block a partition.

use crate::base::error::Code;
use crate::base::time::Timestamp;
use crate::pipeline::admit::Refused;
use crate::pipeline::batch::{AdmittedRecord, NoEvent};
use crate::ports::Documents;
use crate::registry::Registry;

/// Minimum size of a batch. In a smaller batch, all records may be unknown by chance.
const RECORDS: usize = 20;

/// Every record of the batch is unknown and the registry looks wrong. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("circuit breaker: every record of the batch is {code}, and {fault}")]
pub struct BreakerOpen {
    /// `unknown_contract` or `unknown_tenant`.
    pub code: Code,
    /// The problem of the registry, as text.
    pub fault: String,
}

/// Checks a batch. Reads the registry once, with strong consistency, and only if every record is unknown.
pub(super) async fn check(
    records: &[AdmittedRecord],
    registry: &Registry,
    now: Timestamp,
    documents: &impl Documents,
) -> Result<(), BreakerOpen> {
    let Some(code) = records.first().and_then(unknown) else { return Ok(()) };
    if records.len() < RECORDS || records.iter().any(|record| unknown(record) != Some(code)) {
        return Ok(());
    }
    match registry.fault(now, documents).await {
        Some(fault) => Err(BreakerOpen { code, fault }),
        None => Ok(()),
    }
}

fn unknown(record: &AdmittedRecord) -> Option<Code> {
    match &record.event {
        Err(NoEvent::Refused(Refused::Rejection(rejection))) => {
            let code = rejection.code;
            matches!(code, Code::UnknownContract | Code::UnknownTenant).then_some(code)
        }
        Ok(_) | Err(NoEvent::Ignored | NoEvent::Refused(Refused::Unavailable(_))) => None,
    }
}
