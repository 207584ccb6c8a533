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
use crate::ledger::place::EntryOutcome;
use crate::pipeline::admit::{Admission, Refused};
use crate::pipeline::batch::{AdmittedRecord, Handled};
use crate::ports::SubjectLocation;

/// Records that were read, and of which nothing is committed yet.
#[derive(Default)]
pub struct Admitted {
    pub(super) records: Vec<AdmittedRecord>,
}

/// What is known of a record before it is settled.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The tenant, where it is established.
    pub tenant: Option<&'a TenantId>,
    /// The subject, where it came that far.
    pub subject: Option<&'a SubjectId>,
    /// Why it could not be read so far: then nobody knows the rest.
    pub unavailable: Option<&'a Unavailable>,
}

/// A record and what became of it.
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
    /// It will never pass as it is.
    Rejected(Rejection),
    /// It may pass later.
    Unavailable(Unavailable),
}

impl From<Refused> for RecordOutcome {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Rejection(rejection) => Self::Rejected(rejection),
            Refused::Unavailable(unavailable) => Self::Unavailable(unavailable),
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

    pub(super) fn take(&mut self, incoming: Incoming, admission: Admission) {
        self.records.push(AdmittedRecord::new(self.records.len(), incoming, admission));
    }

    /// The subjects that there is something to commit of, and where they live.
    pub fn homes(&self) -> impl Iterator<Item = SubjectLocation> {
        let mut seen = HashSet::new();
        let events = self.records.iter().filter_map(|record| record.event.as_ref().ok());
        events.filter(move |(event, _)| seen.insert(&event.subject)).map(|(event, tenant)| {
            SubjectLocation { key: event.subject.clone(), table: tenant.placement.table() }
        })
    }

    /// Of each record, in order, what is known so far.
    pub fn records(&self) -> impl Iterator<Item = Known<'_>> {
        self.records.iter().map(|AdmittedRecord { handled, event, .. }| Known {
            tenant: handled.tenant.as_ref(),
            subject: handled.subject.as_ref(),
            unavailable: match event {
                Err(Refused::Unavailable(unavailable)) => Some(unavailable),
                Ok(_) | Err(Refused::Rejection(_)) => None,
            },
        })
    }

    /// Keeps the records of which this holds, by their indexes. The others are not settled.
    pub fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        self.records.retain(|record| keep(record.index));
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
        letter(&self.handled.record, rejection, self.handled.about(now))
    }
}
