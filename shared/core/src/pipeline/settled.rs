//! Admitted and settled records. Direct ingest and replay use these types, because they decide themselves
//! what to do with a record that was not applied.

use std::collections::HashSet;
use std::sync::Arc;

use crate::base::error::{Rejection, Unavailable};
use crate::base::id::{SubjectId, SubjectKey, TenantId};
use crate::base::time::Timestamp;
use crate::dead_letter::envelope::letter;
use crate::dead_letter::message::Message;
use crate::intake::record::Incoming;
use crate::ledger::dialogue::EntryOutcome;
use crate::pipeline::admit::{Admission, Refused};
use crate::pipeline::batch::{AdmittedRecord, Handled, NoEvent};
use crate::ports::SubjectLocation;

/// Admitted records, not yet committed.
#[derive(Default)]
pub struct Admitted {
    pub(super) records: Vec<AdmittedRecord>,
}

/// The known facts about a record, or about one of its elements, before it is settled.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The index of the record among the records that were admitted together.
    pub index: usize,
    /// The tenant, if it is known.
    pub tenant: Option<&'a TenantId>,
    /// The subject, if it is known.
    pub subject: Option<&'a SubjectId>,
    /// Why the record could not be admitted now. If set, the subject is unknown.
    pub unavailable: Option<&'a Unavailable>,
}

/// A record, or one of its elements, with its outcome.
pub struct Settled {
    pub(super) handled: Box<Handled>,
    pub(super) outcome: RecordOutcome,
    index: usize,
}

/// The outcome of a record in the ledger. (A [`Disposition`](super::Disposition) says whether its source may
/// acknowledge it.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordOutcome {
    /// The event was added to the history.
    Applied,
    /// The history already contained the event.
    Duplicate,
    /// The contract or the route ignores the record.
    Ignored,
    /// The record is invalid; a retry would fail again.
    Rejected(Rejection),
    /// A dependency failed; a retry may succeed.
    Unavailable(Unavailable),
}

impl From<NoEvent> for RecordOutcome {
    fn from(none: NoEvent) -> Self {
        match none {
            NoEvent::Ignored => Self::Ignored,
            NoEvent::Refused(Refused::Rejection(rejection)) => Self::Rejected(rejection),
            NoEvent::Refused(Refused::Unavailable(unavailable)) => Self::Unavailable(unavailable),
        }
    }
}

impl From<&EntryOutcome> for RecordOutcome {
    fn from(outcome: &EntryOutcome) -> Self {
        match outcome {
            EntryOutcome::Applied(_) => Self::Applied,
            EntryOutcome::Duplicate => Self::Duplicate,
            EntryOutcome::Rejected(rejection) => Self::Rejected(rejection.clone()),
        }
    }
}

impl Admitted {
    pub(super) fn with_capacity(records: usize) -> Self {
        Self { records: Vec::with_capacity(records) }
    }

    pub(super) fn take(&mut self, index: usize, incoming: Incoming, admission: Admission) {
        match admission {
            Admission::Elements { elements, tenant, contract } => {
                let wrapping = incoming.wrapping();
                let record = Arc::new(incoming.into_record());
                self.records.extend(elements.into_iter().map(|element| {
                    let shared = (&tenant, &contract);
                    AdmittedRecord::of_element(index, (&record, wrapping), element, shared)
                }));
            }
            one => self.records.push(AdmittedRecord::new(index, incoming, one)),
        }
    }

    /// The locations of the subjects that have events to commit, without duplicates.
    pub fn locations(&self) -> impl Iterator<Item = SubjectLocation> {
        let mut seen = HashSet::new();
        let events = self.records.iter().filter_map(|record| record.event.as_ref().ok());
        events.filter(move |(event, _)| seen.insert(&event.subject)).map(|(event, tenant)| {
            SubjectLocation { key: event.subject.clone(), table: tenant.placement.table() }
        })
    }

    /// The known facts about each record or element, in order.
    pub fn records(&self) -> impl Iterator<Item = Known<'_>> {
        self.records.iter().map(|AdmittedRecord { handled, event, index }| Known {
            index: *index,
            tenant: handled.tenant.as_ref(),
            subject: handled.subject.as_ref(),
            unavailable: match event {
                Err(NoEvent::Refused(Refused::Unavailable(unavailable))) => Some(unavailable),
                Ok(_) | Err(NoEvent::Ignored | NoEvent::Refused(Refused::Rejection(_))) => None,
            },
        })
    }

    /// Keeps the items of [`Self::records`] whose position in that list satisfies `keep`, and drops the
    /// others.
    pub fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        let mut place = 0;
        self.records.retain(|_| {
            place += 1;
            keep(place - 1)
        });
    }
}

impl Settled {
    pub(super) fn new(handled: Box<Handled>, index: usize, outcome: RecordOutcome) -> Self {
        Self { handled, outcome, index }
    }

    /// The index of the record among the records that were admitted together.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The number of the element in its record, from 0. `None`: the record has no elements.
    pub fn element(&self) -> Option<u32> {
        self.handled.element()
    }

    /// Replaces the outcome with the outcome of a later attempt for the same record.
    pub(crate) fn replace(&mut self, later: Self) {
        *self = Self { index: self.index, ..later };
    }

    /// The tenant, if it is known.
    pub fn tenant(&self) -> Option<&TenantId> {
        self.handled.tenant.as_ref()
    }

    /// The subject, if it is known.
    pub fn subject(&self) -> Option<&SubjectId> {
        self.handled.subject.as_ref()
    }

    /// Tenant and subject, if both are known.
    pub fn key(&self) -> Option<SubjectKey> {
        Some(SubjectKey::new(self.handled.tenant.clone()?, self.handled.subject.clone()?))
    }

    /// The name of the contract, if it is known.
    pub fn contract(&self) -> Option<&Arc<str>> {
        self.handled.contract.as_ref()
    }

    /// The outcome.
    pub fn outcome(&self) -> &RecordOutcome {
        &self.outcome
    }

    /// The queue messages of the dead letter of a rejected record.
    ///
    /// # Errors
    /// The letter could not be encoded.
    pub fn letter(
        &self,
        rejection: &Rejection,
        now: Timestamp,
    ) -> Result<Vec<Message>, Unavailable> {
        letter(&self.handled.record(), rejection, self.handled.about(now))
    }
}
