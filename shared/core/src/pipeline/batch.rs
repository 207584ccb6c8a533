//! The records of one invocation, the known facts about each record, and their events by subject.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::base::error::{Extent, Unavailable};
use crate::base::id::{SubjectId, SubjectKey, TenantId};
use crate::base::time::Timestamp;
use crate::dead_letter::envelope::Circumstances;
use crate::event::{Entry, Event};
use crate::intake::contract::Element;
use crate::intake::record::{Incoming, Record, Source, Wrapping};
use crate::intake::tenant::Tenant;
use crate::pipeline::Disposition;
use crate::pipeline::admit::{Admission, Refused};

/// A record or one of its elements, with the facts that are known about it. Every step of the pipeline passes
/// it on in a box, because it is large.
pub(super) struct Handled {
    of: Meant,
    pub(super) wrapping: Option<Wrapping>,
    pub(super) tenant: Option<TenantId>,
    pub(super) subject: Option<SubjectId>,
    pub(super) contract: Option<Arc<str>>,
    /// The fields whose values a view cannot read.
    pub(super) skipped: Vec<Arc<str>>,
}

/// A whole record or one of its elements.
enum Meant {
    All(Record),
    Element {
        /// Shared by all elements of the record.
        record: Arc<Record>,
        number: u32,
    },
}

/// An admitted record: an event to commit, or the reason why there is no event.
pub(super) struct AdmittedRecord {
    pub(super) handled: Box<Handled>,
    /// The index of the record among the records that were admitted together.
    pub(super) index: usize,
    pub(super) event: Result<(Event, Arc<Tenant>), NoEvent>,
}

/// Why there is no event.
pub(super) enum NoEvent {
    /// The contract or the route ignores the record.
    Ignored,
    /// The record was rejected or is unavailable.
    Refused(Refused),
}

/// A record whose entry waits to be committed.
pub(super) struct PendingRecord {
    pub(super) handled: Box<Handled>,
    pub(super) index: usize,
    pub(super) entry: Arc<Entry>,
}

/// The events of one subject in order of arrival, with the settings of the tenant.
pub(super) struct Group {
    pub(super) records: Vec<PendingRecord>,
    pub(super) tenant: Arc<Tenant>,
}

/// Subjects and their events.
type Subjects = Vec<(SubjectKey, Group)>;

/// The events of a batch by subject, in the order in which subjects first appear.
#[derive(Default)]
pub(super) struct Groups {
    by_subject: Subjects,
    slots: HashMap<SubjectKey, usize>,
}

impl AdmittedRecord {
    /// A record that is one event or no event.
    pub(super) fn new(index: usize, incoming: Incoming, admission: Admission) -> Self {
        let mut skipped = Vec::new();
        let (tenant, subject, contract, event) = match admission {
            Admission::Event { mut event, tenant } => {
                skipped.append(&mut event.skipped);
                let Event { subject, entry, skipped: _ } = &event;
                let (tenant_id, subject) = (subject.tenant().clone(), subject.subject().clone());
                let contract = Arc::clone(&entry.contract);
                (Some(tenant_id), Some(subject), Some(contract), Ok((event, tenant)))
            }
            Admission::Elements { elements: _, tenant, contract } => {
                (Some(tenant.id.clone()), None, Some(contract), Err(NoEvent::Ignored))
            }
            Admission::Ignored { tenant, contract } => {
                (tenant, None, contract, Err(NoEvent::Ignored))
            }
            Admission::Rejected { rejection, tenant, contract } => {
                (tenant, None, contract, Err(NoEvent::Refused(Refused::Rejection(rejection))))
            }
            Admission::Unavailable { unavailable, tenant } => {
                (tenant, None, None, Err(NoEvent::Refused(Refused::Unavailable(unavailable))))
            }
        };
        let wrapping = incoming.wrapping();
        let of = Meant::All(incoming.into_record());
        let handled = Box::new(Handled { of, wrapping, tenant, subject, contract, skipped });
        Self { handled, index, event }
    }

    /// An element of a record.
    pub(super) fn of_element(
        index: usize,
        (record, wrapping): (&Arc<Record>, Option<Wrapping>),
        Element { number, event }: Element,
        (tenant, contract): (&Arc<Tenant>, &Arc<str>),
    ) -> Self {
        let mut event = match event {
            Ok(Some(event)) => Ok((event, Arc::clone(tenant))),
            Ok(None) => Err(NoEvent::Ignored),
            Err(fault) => Err(NoEvent::Refused(Refused::Rejection(fault))),
        };
        let (subject, skipped) = match &mut event {
            Ok((event, _)) => {
                (Some(event.subject.subject().clone()), std::mem::take(&mut event.skipped))
            }
            Err(_) => (None, Vec::new()),
        };
        let of = Meant::Element { record: Arc::clone(record), number };
        let (tenant, contract) = (Some(tenant.id.clone()), Some(Arc::clone(contract)));
        let handled = Box::new(Handled { of, wrapping, tenant, subject, contract, skipped });
        Self { handled, index, event }
    }
}

impl Groups {
    pub(super) fn add(&mut self, subject: SubjectKey, tenant: Arc<Tenant>, record: PendingRecord) {
        // The events of a subject often follow each other.
        let slot = match self.by_subject.last() {
            Some((last, _)) if *last == subject => Some(self.by_subject.len() - 1),
            Some(_) | None => self.slots.get(&subject).copied(),
        };
        if let Some((_, group)) = slot.and_then(|slot| self.by_subject.get_mut(slot)) {
            group.records.push(record);
            return;
        }
        self.slots.insert(subject.clone(), self.by_subject.len());
        self.by_subject.push((subject, Group { records: vec![record], tenant }));
    }

    /// The subjects by ledger table. `None` is the shared table and comes first. Two tenants that use the
    /// same table of their own get two groups.
    pub(super) fn by_table(self) -> Vec<(Option<Arc<str>>, Subjects)> {
        let mut tables: BTreeMap<_, Subjects> = BTreeMap::new();
        for (key, group) in self.by_subject {
            let own = group.tenant.placement.table().map(|table| (table, key.tenant().clone()));
            tables.entry(own).or_default().push((key, group));
        }
        tables.into_iter().map(|(own, subjects)| (own.map(|(table, _)| table), subjects)).collect()
    }
}

impl Group {
    pub(super) fn entries(&self) -> Vec<Arc<Entry>> {
        self.records.iter().map(|record| Arc::clone(&record.entry)).collect()
    }
}

impl Handled {
    /// The record for a letter or the buffer: the whole record, with the number of the element.
    pub(super) fn record(&self) -> Cow<'_, Record> {
        match &self.of {
            Meant::Element { record, number } if record.source.element() != Some(*number) => {
                Cow::Owned(Record::clone(record).with_element(*number))
            }
            Meant::All(_) | Meant::Element { .. } => Cow::Borrowed(self.whole()),
        }
    }

    /// The whole record.
    pub(super) fn whole(&self) -> &Record {
        match &self.of {
            Meant::All(record) => record,
            Meant::Element { record, .. } => record,
        }
    }

    /// The number of the element in its record, from 0.
    pub(super) fn element(&self) -> Option<u32> {
        match &self.of {
            Meant::All(record) => record.source.element(),
            Meant::Element { number, .. } => Some(*number),
        }
    }

    pub(super) fn about(&self, now: Timestamp) -> Circumstances<'_> {
        let (tenant, contract) = (self.tenant.as_ref(), self.contract.as_deref());
        let subject = self.subject.as_ref();
        Circumstances { tenant, contract, subject, wrapping: self.wrapping, now }
    }

    /// Logs one line for a record that was not applied. The line never contains the payload.
    pub(super) fn log(&self, disposition: Disposition, why: Option<&Refused>) {
        let (topic, partition, offset) = match &self.whole().source {
            Source::Kafka { topic, partition, offset, .. } => (&**topic, *partition, *offset),
            Source::Http { request_id, index, .. } => (&**request_id, 0, i64::from(*index)),
        };
        let tenant = self.tenant.as_ref().map(tracing::field::display);
        let subject = self.subject.as_ref().map(tracing::field::display);
        let (why, unavailable) = match why {
            None => (None, None),
            Some(Refused::Rejection(rejection)) => (Some(rejection.message.as_str()), None),
            Some(Refused::Unavailable(why)) => (Some(why.message.as_str()), Some(why)),
        };
        let dependency = unavailable.and_then(|why| why.dependency).map(tracing::field::display);
        let causes = unavailable.and_then(Unavailable::causes);
        tracing::info!(
            tenant,
            subject,
            topic,
            partition,
            offset,
            element = self.element(),
            ?disposition,
            why,
            dependency,
            causes,
            "not applied"
        );
    }

    /// Whether the record may wait in the buffer queue: its tenant is known, and the failure does not affect
    /// every tenant. Otherwise its source must send it again.
    pub(super) fn may_wait(&self, unavailable: &Unavailable) -> bool {
        match unavailable.extent {
            Extent::Subject | Extent::Tenant => self.tenant.is_some(),
            Extent::Everyone => false,
        }
    }
}
