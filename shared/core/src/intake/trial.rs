//! Tries a record: the events that a contract makes of it and what their views read from them, or why there
//! are none. Nothing is stored. `drover contracts try` and `POST /api/v1/contracts/{name}/check` show a trial.
//!
//! A trial reads a record as intake and the processor do ([`Contract::elements`], [`Contract::read`]). It does
//! not know the topic's route: framing is already undone, and the caller has chosen the tenant.

use std::sync::Arc;

use crate::base::error::Rejection;
use crate::base::scope::TenantScope;
use crate::event::{ContractVersion, Entry, Event};
use crate::intake::contract::{Contract, Element};
use crate::intake::record::Record;
use crate::ledger::Policy;
use crate::view::{Specs, View, ViewSpec};

/// The result of a record, or of one of its elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The number of the element, from 0, if the contract's transform made it; `None`: the whole record.
    pub element: Option<u32>,
    /// What the record or element becomes.
    pub outcome: TrialOutcome,
}

/// What a record or an element becomes.
#[derive(Clone, Debug, PartialEq)]
pub enum TrialOutcome {
    /// An event.
    Accepted(TriedEvent),
    /// Nothing: the contract ignores it.
    Ignored,
    /// A dead letter.
    Rejected {
        /// The reason.
        rejection: Rejection,
        /// The event that the contract reads, if only the tenant's clock rules reject it.
        event: Option<TriedEvent>,
    },
}

/// An event and what a view reads from it.
#[derive(Clone, Debug, PartialEq)]
pub struct TriedEvent {
    /// The event.
    pub event: Event,
    /// The measures, in the order of the contract.
    pub measures: Vec<ReadMeasure>,
    /// The status.
    pub status: Option<String>,
    /// Latitude and longitude, in degrees.
    pub location: Option<(f64, f64)>,
}

/// A measure that a view reads from an event.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadMeasure {
    /// The name of the measure.
    pub name: Arc<str>,
    /// The value in the unit of the measure.
    pub value: f64,
    /// The unit of the measure.
    pub unit: Option<Arc<str>>,
}

impl TrialOutcome {
    /// Whether it becomes a dead letter.
    pub const fn is_rejected(&self) -> bool {
        matches!(self, Self::Rejected { .. })
    }
}

/// Reads a record by a contract as a record of a tenant. With a policy, an event that the tenant's clock
/// rules reject is rejected, too. Returns at least one result.
pub fn try_record(
    contract: &Contract,
    record: &Record,
    scope: &TenantScope,
    policy: Option<&Policy>,
) -> Vec<Trial> {
    let parsed = record.parsed();
    let outcome = |read| outcome(contract, policy, read);
    let whole = |outcome| vec![Trial { element: None, outcome }];
    match contract.elements(&parsed, scope) {
        None => whole(outcome(contract.read(&parsed, scope))),
        Some(Err(rejection)) => whole(TrialOutcome::Rejected { rejection, event: None }),
        Some(Ok(elements)) if elements.is_empty() => whole(TrialOutcome::Ignored),
        Some(Ok(elements)) => {
            let tried = elements.into_iter().map(|Element { number, event }| Trial {
                element: Some(number),
                outcome: outcome(event),
            });
            tried.collect()
        }
    }
}

fn outcome(
    contract: &Contract,
    policy: Option<&Policy>,
    read: Result<Option<Event>, Rejection>,
) -> TrialOutcome {
    match read {
        Ok(None) => TrialOutcome::Ignored,
        Err(rejection) => TrialOutcome::Rejected { rejection, event: None },
        Ok(Some(event)) => {
            let guarded = policy.map_or(Ok(()), |policy| policy.guard(&event.entry));
            let event = tried(&contract.view_spec(), event);
            match guarded {
                Ok(()) => TrialOutcome::Accepted(event),
                Err(rejection) => TrialOutcome::Rejected { rejection, event: Some(event) },
            }
        }
    }
}

/// What the units of a view read from an event.
fn tried(spec: &Arc<ViewSpec>, event: Event) -> TriedEvent {
    let measures = measures(spec, &event.entry);
    let location = spec.place(&event.entry);
    let (contract, number) = (Arc::clone(&event.entry.contract), event.entry.contract_version);
    let specs = Specs::from_iter([(ContractVersion { contract, number }, Arc::clone(spec))]);
    let mut view = View::default();
    view.apply(&event.entry, &specs);
    let status = view.status.value().map(str::to_owned);
    TriedEvent { event, measures, status, location }
}

fn measures(spec: &ViewSpec, entry: &Entry) -> Vec<ReadMeasure> {
    let mut read: Vec<ReadMeasure> = Vec::new();
    for measure in &spec.measures {
        if read.iter().any(|known| known.name == measure.name) {
            continue;
        }
        if let Some((value, unit)) = spec.number(&measure.name, entry) {
            let (name, unit) = (Arc::clone(&measure.name), unit.cloned());
            read.push(ReadMeasure { name, value, unit });
        }
    }
    read
}

#[cfg(test)]
mod tests;
