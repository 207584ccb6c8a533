//! Reads a record of a topic as the pipeline does, and stores nothing: `drover contracts sample` counts the
//! outcomes.
//!
//! The ledger is not read, so an event that would be a duplicate counts as accepted.

use std::sync::Arc;

use super::admit::{Admission, Admitter};
use crate::base::error::{Rejection, Unavailable};
use crate::base::time::Timestamp;
use crate::event::Event;
use crate::intake::contract::{Contract, Element};
use crate::intake::record::{Incoming, Record};
use crate::intake::tenant::Tenant;
use crate::ports::Documents;
use crate::registry::Registry;

/// How records are read.
#[derive(Debug)]
pub struct SampleParams<'a, D> {
    /// The stored documents.
    pub documents: &'a D,
    /// A cache of these documents.
    pub registry: &'a Registry,
    /// A contract that reads the records in the place of the contract that their route names.
    pub in_place: Option<&'a Arc<Contract>>,
    /// The time of receipt.
    pub now: Timestamp,
}

/// The outcome of a record, or of one of its elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// The number of the element, from 0; `None`: the whole record.
    pub element: Option<u32>,
    /// The outcome.
    pub outcome: SampleOutcome,
}

/// What a record or an element would become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SampleOutcome {
    /// An event.
    Accepted,
    /// Nothing: the contract or the route ignores it.
    Ignored,
    /// A dead letter.
    Rejected(Rejection),
}

/// Reads a record by the route of its topic. Returns at least one outcome.
///
/// # Errors
/// The documents do not answer, or a stored document is invalid.
pub async fn sample(
    params: &SampleParams<'_, impl Documents>,
    record: Record,
) -> Result<Vec<Sampled>, Unavailable> {
    let SampleParams { documents, registry, in_place, now } = *params;
    let admitter = Admitter { documents, registry, in_place, now };
    let whole = |outcome| Ok(vec![Sampled { element: None, outcome }]);
    match admitter.admit(&Incoming::Record(record), None).await {
        Admission::Unavailable { unavailable, .. } => Err(unavailable),
        Admission::Ignored { .. } => whole(SampleOutcome::Ignored),
        Admission::Rejected { rejection, .. } => whole(SampleOutcome::Rejected(rejection)),
        Admission::Event { event, tenant } => whole(guarded(&event, &tenant)),
        Admission::Elements { elements, tenant, .. } => {
            let sampled = elements.into_iter().map(|Element { number, event }| Sampled {
                element: Some(number),
                outcome: match event {
                    Err(rejection) => SampleOutcome::Rejected(rejection),
                    Ok(None) => SampleOutcome::Ignored,
                    Ok(Some(event)) => guarded(&event, &tenant),
                },
            });
            Ok(sampled.collect())
        }
    }
}

/// The clock rules of the tenant reject some events that a contract reads.
fn guarded(event: &Event, tenant: &Tenant) -> SampleOutcome {
    match tenant.policy().guard(&event.entry) {
        Ok(()) => SampleOutcome::Accepted,
        Err(rejection) => SampleOutcome::Rejected(rejection),
    }
}
