//! Records between two steps: admitted, and settled. For those who decide themselves what becomes of
//! a record that is not applied: ingest without a stream, and replay.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::error::{Reason, Rejection, Unavailable};
use crate::base::id::{SubjectId, SubjectKey, TenantId};
use crate::base::time::Timestamp;
use crate::dead_letter::envelope::letter;
use crate::dead_letter::message::Message;
use crate::intake::record::Incoming;
use crate::pipeline::Disposition;
use crate::pipeline::admit::Admission;
use crate::pipeline::batch::{Groups, Handled, State};
use crate::ports::SubjectLocation;

/// Records that were read, and of which nothing is committed yet.
#[derive(Default)]
pub struct Admitted {
    pub(super) handled: Vec<Handled>,
    pub(super) groups: Groups,
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
pub struct Settled(pub(super) Handled);

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is in the history now.
    Applied,
    /// It was there already.
    Duplicate,
    /// Its contract or its route says that it is no event.
    Ignored,
    /// It will never pass as it is.
    Rejected(Rejection),
    /// It may pass later.
    Unavailable(Unavailable),
}

impl Admitted {
    pub(super) fn with_capacity(records: usize) -> Self {
        Self { handled: Vec::with_capacity(records), groups: Groups::default() }
    }

    pub(super) fn take(&mut self, incoming: Incoming, admission: Admission) {
        let handled = self.groups.take(self.handled.len(), incoming, admission);
        self.handled.push(handled);
    }

    /// The subjects that there is something to commit of, and where they live.
    pub fn homes(&self) -> impl Iterator<Item = SubjectLocation> {
        self.groups.by_subject.iter().map(|(key, group)| SubjectLocation {
            key: key.clone(),
            table: group.tenant.placement.table(),
        })
    }

    /// Of each record, in order, what is known so far.
    pub fn records(&self) -> impl Iterator<Item = Known<'_>> {
        self.handled.iter().map(|handled| Known {
            tenant: handled.tenant.as_ref(),
            subject: handled.subject.as_ref(),
            unavailable: match &handled.state {
                State::Unavailable(unavailable) => Some(unavailable),
                State::Event | State::Done(_) | State::Rejected(_) => None,
            },
        })
    }

    /// Leaves these records alone: they are settled as unavailable.
    pub fn leave(&mut self, left: &BTreeSet<usize>) {
        self.groups.leave(left);
    }
}

impl Settled {
    /// The tenant, where it was established.
    pub fn tenant(&self) -> Option<&TenantId> {
        self.0.tenant.as_ref()
    }

    /// The subject, where it came that far.
    pub fn subject(&self) -> Option<&SubjectId> {
        self.0.subject.as_ref()
    }

    /// Tenant and subject, where it came that far.
    pub fn key(&self) -> Option<SubjectKey> {
        Some(SubjectKey::new(self.0.tenant.clone()?, self.0.subject.clone()?))
    }

    /// The contract, where it was established.
    pub fn contract(&self) -> Option<&Arc<str>> {
        self.0.contract.as_ref()
    }

    /// What became of it.
    pub fn verdict(&self) -> Verdict {
        let broken = || Verdict::Unavailable(Unavailable::new(Reason::Bug, "no outcome"));
        match &self.0.state {
            State::Done(Disposition::Applied) => Verdict::Applied,
            State::Done(Disposition::Duplicate) => Verdict::Duplicate,
            State::Done(Disposition::Ignored) => Verdict::Ignored,
            State::Rejected(rejection) => Verdict::Rejected(rejection.clone()),
            State::Unavailable(unavailable) => Verdict::Unavailable(unavailable.clone()),
            State::Event | State::Done(_) => broken(),
        }
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
        letter(&self.0.record, rejection, self.0.about(now))
    }
}
