//! The circuit breaker against a fault of the deployment: with a wrong registry table every contract or
//! every tenant is unknown, and a whole stream would turn into dead letters. It opens only where all of a
//! batch is unknown *and* the registry itself looks wrong; in every other case the letters are written, so
//! that nobody who sends nonsense holds up a partition.

use crate::base::error::Code;
use crate::base::time::Timestamp;
use crate::pipeline::admit::Refused;
use crate::pipeline::batch::{AdmittedRecord, NoEvent};
use crate::ports::Documents;
use crate::registry::Registry;

/// Fewer records may be all of one kind by chance.
const RECORDS: usize = 20;

/// The whole batch is unknown and the registry looks wrong: nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("circuit breaker: every record of the batch is {code}, and {fault}")]
pub struct BreakerOpen {
    /// `unknown_contract` or `unknown_tenant`.
    pub code: Code,
    /// What is wrong with the registry.
    pub fault: String,
}

/// One strongly consistent read of the registry, and that only where all of a batch is unknown.
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
