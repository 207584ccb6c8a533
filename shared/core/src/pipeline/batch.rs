//! The records of one invocation and how far each has come; their events by subject.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::base::error::{Extent, Rejection, Unavailable};
use crate::base::id::{SubjectId, SubjectKey, TenantId};
use crate::base::time::Timestamp;
use crate::dead_letter::envelope::Circumstances;
use crate::event::{Entry, Event};
use crate::intake::record::{Incoming, Record, Source, Wrapping};
use crate::intake::tenant::Tenant;
use crate::pipeline::Disposition;
use crate::pipeline::admit::Admission;

/// A record and how far it has come.
pub(super) struct Handled {
    pub(super) record: Record,
    pub(super) wrapping: Option<Wrapping>,
    pub(super) tenant: Option<TenantId>,
    pub(super) subject: Option<SubjectId>,
    pub(super) contract: Option<Arc<str>>,
    /// What a view was to read from it and cannot.
    pub(super) skipped: Vec<Arc<str>>,
    pub(super) state: State,
    /// Why it was not applied, for the log.
    pub(super) why: Option<String>,
}

pub(super) enum State {
    /// Waits for its subject.
    Event,
    Done(Disposition),
    Rejected(Rejection),
    Unavailable(Unavailable),
}

/// The events of one subject: where they stand among the records, and what their tenant decided.
pub(super) struct Group {
    pub(super) records: Vec<usize>,
    pub(super) entries: Vec<Arc<Entry>>,
    pub(super) tenant: Arc<Tenant>,
}

/// Subjects and their events.
type Subjects = Vec<(SubjectKey, Group)>;

/// The events of a batch by subject, in the order in which subjects first appear.
#[derive(Default)]
pub(super) struct Groups {
    pub(super) by_subject: Vec<(SubjectKey, Group)>,
    index: HashMap<SubjectKey, usize>,
}

impl Groups {
    pub(super) fn take(&mut self, at: usize, incoming: Incoming, admission: Admission) -> Handled {
        let mut skipped = Vec::new();
        let (tenant, subject, contract, state) = match admission {
            Admission::Event { mut event, tenant } => {
                skipped.append(&mut event.skipped);
                let Event { subject, entry, skipped: _ } = &event;
                let (tenant_id, subject) = (subject.tenant().clone(), subject.subject().clone());
                let contract = Arc::clone(&entry.contract);
                self.add(at, event, tenant);
                (Some(tenant_id), Some(subject), Some(contract), State::Event)
            }
            Admission::Ignored { tenant, contract } => {
                (tenant, None, contract, State::Done(Disposition::Ignored))
            }
            Admission::Rejected { rejection, tenant, contract } => {
                (tenant, None, contract, State::Rejected(rejection))
            }
            Admission::Unavailable { unavailable, tenant } => {
                (tenant, None, None, State::Unavailable(unavailable))
            }
        };
        let wrapping = incoming.wrapping();
        let record = incoming.into_record();
        Handled { record, wrapping, tenant, subject, contract, skipped, state, why: None }
    }

    /// The subjects of each table, and of each tenant that has it; `None`: of the table that all tenants share,
    /// which comes first.
    pub(super) fn by_table(self) -> Vec<(Option<Arc<str>>, Subjects)> {
        let mut tables: BTreeMap<_, Subjects> = BTreeMap::new();
        for (key, group) in self.by_subject {
            let own = group.tenant.placement.table().map(|table| (table, key.tenant().clone()));
            tables.entry(own).or_default().push((key, group));
        }
        tables.into_iter().map(|(own, subjects)| (own.map(|(table, _)| table), subjects)).collect()
    }

    /// Takes the events of these records out: nothing is committed of them.
    pub(super) fn leave(&mut self, left: &BTreeSet<usize>) {
        for (_, group) in &mut self.by_subject {
            let kept = |at: &usize| !left.contains(at);
            let entries = std::mem::take(&mut group.entries);
            let pairs = group.records.iter().zip(entries).filter(|(at, _)| kept(at));
            group.entries = pairs.map(|(_, entry)| entry).collect();
            group.records.retain(kept);
        }
        self.by_subject.retain(|(_, group)| !group.records.is_empty());
    }

    fn add(&mut self, at: usize, event: Event, tenant: Arc<Tenant>) {
        let Event { subject, entry, skipped: _ } = event;
        let known = self.index.get(&subject).and_then(|slot| self.by_subject.get_mut(*slot));
        if let Some((_, group)) = known {
            group.records.push(at);
            group.entries.push(entry);
            return;
        }
        self.index.insert(subject.clone(), self.by_subject.len());
        self.by_subject.push((subject, Group { records: vec![at], entries: vec![entry], tenant }));
    }
}

impl Handled {
    pub(super) fn about(&self, now: Timestamp) -> Circumstances<'_> {
        let (tenant, contract) = (self.tenant.as_ref(), self.contract.as_deref());
        let subject = self.subject.as_ref();
        Circumstances { tenant, contract, subject, wrapping: self.wrapping, now }
    }

    /// One line for each record that is not applied, for a person at 3 a.m.; payloads never.
    pub(super) fn log(&self, disposition: Disposition) {
        let (topic, partition, offset) = match &self.record.source {
            Source::Kafka { topic, partition, offset, .. } => (&**topic, *partition, *offset),
            Source::Http { request_id, index } => (&**request_id, 0, i64::from(*index)),
        };
        let tenant = self.tenant.as_ref().map(tracing::field::display);
        let subject = self.subject.as_ref().map(tracing::field::display);
        let why = self.why.as_deref();
        tracing::info!(tenant, subject, topic, partition, offset, ?disposition, why, "not applied");
    }

    /// Whether the record may wait in the buffer queue: under its tenant, and only where not everyone is
    /// affected. Otherwise its source keeps it.
    pub(super) fn may_wait(&self, unavailable: &Unavailable) -> bool {
        match unavailable.extent {
            Extent::Subject | Extent::Tenant => self.tenant.is_some(),
            Extent::Everyone => false,
        }
    }
}
