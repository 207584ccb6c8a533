//! The circuit breaker against a deployment fault: a wrong registry table makes every contract or
//! every tenant unknown, and would turn a whole stream into dead letters. It opens only when the
//! whole batch says so and is fresh; in every other case letters are written.

use std::collections::BTreeSet;

use crate::error::Code;
use crate::pipeline::batch::{Handled, State};
use crate::time::Timestamp;

/// Fewer records may be all of one kind by chance.
const RECORDS: usize = 20;
/// One producer alone may be wrong.
const SUBJECTS: usize = 2;
/// A fault that is older than this will not mend itself while the stream waits.
const FRESH_SECONDS: i64 = 15 * 60;

/// The whole batch is unknown: the deployment is suspected, and nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("circuit breaker: every record of the batch is {code}, which looks like a wrong registry")]
pub struct BreakerOpen {
    /// `unknown_contract` or `unknown_tenant`.
    pub code: Code,
}

pub(super) fn check(handled: &[Handled], now: Timestamp) -> Result<(), BreakerOpen> {
    let Some(code) = handled.first().and_then(unknown) else { return Ok(()) };
    let all = handled.iter().all(|handled| unknown(handled) == Some(code));
    let oldest = handled.iter().map(|handled| handled.record.ingested_at).min();
    let fresh = oldest.is_some_and(|oldest| oldest > now.plus_seconds(-FRESH_SECONDS));
    if all && fresh && handled.len() >= RECORDS && has_subjects(handled) {
        return Err(BreakerOpen { code });
    }
    Ok(())
}

/// Whether the batch is of several subjects. Nobody could read them, so keys stand for them, and a
/// record without a key for itself: a stream without keys is no single producer.
fn has_subjects(handled: &[Handled]) -> bool {
    let keys: BTreeSet<_> = handled.iter().map(|handled| &handled.record.key).collect();
    keys.len() >= SUBJECTS || keys.contains(&None)
}

fn unknown(handled: &Handled) -> Option<Code> {
    match &handled.state {
        State::Rejected(rejection) => {
            let code = rejection.code;
            matches!(code, Code::UnknownContract | Code::UnknownTenant).then_some(code)
        }
        State::Event | State::Done(_) | State::Unavailable(_) => None,
    }
}
