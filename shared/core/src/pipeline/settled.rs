//! Records between two steps: admitted, and settled. For those who decide themselves what becomes of
//! a record that is not applied: ingest without a stream, and replay.

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

/// Records that were read, and of which nothing is committed yet.
#[derive(Default)]
pub struct Admitted {
    pub(super) records: Vec<AdmittedRecord>,
}

/// What is known of a record, or of one element of it, before it is settled.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The index of the record among those that were admitted together.
    pub index: usize,
    /// The tenant, where it is established.
    pub tenant: Option<&'a TenantId>,
    /// The subject, where it came that far.
    pub subject: Option<&'a SubjectId>,
    /// Why it could not be read so far: then nobody knows the rest.
    pub unavailable: Option<&'a Unavailable>,
}

/// A record, or one element of it, and what became of it.
pub struct Settled {
    pub(super) handled: Handled,
    pub(super) outcome: RecordOutcome,
    index: usize,
}

/// What became of a record in the ledger. (A [`Disposition`](super::Disposition) says what its source
/// may acknowledge.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordOutcome {
    /// It is in the history now.
    Applied,
    /// It was there already.
    Duplicate,
    /// Its contract or its route ignores it.
    Ignored,
    /// It will never pass as it is.
    Rejected(Rejection),
    /// It may pass later.
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

    /// The subjects that there is something to commit of, and where they live.
    pub fn locations(&self) -> impl Iterator<Item = SubjectLocation> {
        let mut seen = HashSet::new();
        let events = self.records.iter().filter_map(|record| record.event.as_ref().ok());
        events.filter(move |(event, _)| seen.insert(&event.subject)).map(|(event, tenant)| {
            SubjectLocation { key: event.subject.clone(), table: tenant.placement.table() }
        })
    }

    /// Of each record and each element, in order, what is known so far.
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

    /// Keeps those of [`Self::records`] of which this holds, by their places there. The others are not
    /// settled.
    pub fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        let mut place = 0;
        self.records.retain(|_| {
            place += 1;
            keep(place - 1)
        });
    }
}

impl Settled {
    pub(super) fn new(handled: Handled, index: usize, outcome: RecordOutcome) -> Self {
        Self { handled, outcome, index }
    }

    /// Its index among the records that were admitted together.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Which element of that record this is, where it has several or none.
    pub fn element(&self) -> Option<u32> {
        self.handled.element()
    }

    /// Takes the outcome of the same record from a later attempt.
    pub(crate) fn replace(&mut self, later: Self) {
        *self = Self { index: self.index, ..later };
    }

    /// The tenant, where it was established.
    pub fn tenant(&self) -> Option<&TenantId> {
        self.handled.tenant.as_ref()
    }

    /// The subject, where it came that far.
    pub fn subject(&self) -> Option<&SubjectId> {
        self.handled.subject.as_ref()
    }

    /// Tenant and subject, where it came that far.
    pub fn key(&self) -> Option<SubjectKey> {
        Some(SubjectKey::new(self.handled.tenant.clone()?, self.handled.subject.clone()?))
    }

    /// The contract, where it was established.
    pub fn contract(&self) -> Option<&Arc<str>> {
        self.handled.contract.as_ref()
    }

    /// What became of it.
    pub fn outcome(&self) -> &RecordOutcome {
        &self.outcome
    }

    /// The dead letter of a rejected record: its messages, as for the queue.
    ///
    /// # Errors
    /// It could not be written.
    pub fn letter(
        &self,
        rejection: &Rejection,
        now: Timestamp,
    ) -> Result<Vec<Message>, Unavailable> {
        letter(&self.handled.record(), rejection, self.handled.about(now))
    }
}
