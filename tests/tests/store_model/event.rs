//! The delivered records: two subjects with the same names in each of two tenants.

use std::collections::BTreeMap;
use std::sync::Arc;

use drover_core::base::id::{EventId, Position, SubjectId, SubjectKey, TenantId};
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::intake::record::{Record, Source};
use drover_core::ports::SubjectLocation;
use fastrand::Rng;

pub(crate) const TENANTS: [&str; 2] = ["model-one", "model-two"];
/// The number of one-second slots for observation times.
const SLOTS: u16 = 300;
/// Far enough in the future that no page expires during the test.
const START_SECONDS: i64 = 4_000_000_000;

/// The expected result of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Good,
    Poison,
    FutureClock,
}

/// A record before its serialization.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) case_subject: CaseSubject,
    pub(crate) slot: u16,
    pub(crate) id: u8,
    pub(crate) sort: Sort,
}

/// One subject of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CaseSubject {
    seed: u64,
    tenant: usize,
    subject: u8,
}

impl CaseSubject {
    /// The subjects of a case.
    pub(crate) fn all(seed: u64) -> [Self; 4] {
        let case_subject = |tenant, subject| Self { seed, tenant, subject };
        [case_subject(0, 0), case_subject(0, 1), case_subject(1, 0), case_subject(1, 1)]
    }

    fn device(self) -> String {
        format!("d{}-{:x}", self.subject, self.seed)
    }

    fn key(self) -> SubjectKey {
        let tenant = TenantId::parse(TENANTS[self.tenant]).expect("a tenant");
        let subject = SubjectId::parse(&format!("device/{}", self.device())).expect("a subject");
        TenantScope::by_operator(tenant).subject(subject)
    }

    pub(crate) fn location(self) -> SubjectLocation {
        SubjectLocation { key: self.key(), table: None }
    }
}

/// The records of a case: most are a little late, some very late, some have a duplicate with
/// another time.
pub(crate) fn drawn(seed: u64, random: &mut Rng) -> Vec<Spec> {
    let places = CaseSubject::all(seed);
    let count = random.usize(60..140);
    let one = |at: usize, random: &mut Rng| {
        let newest = u16::try_from(at * usize::from(SLOTS) / count).unwrap_or(SLOTS);
        let slot = match random.u8(0..10) {
            0 => random.u16(..SLOTS),
            1..4 => newest.saturating_sub(random.u16(..40)),
            _ => newest,
        };
        let sort = match random.u8(0..24) {
            0 => Sort::Poison,
            1 => Sort::FutureClock,
            _ => Sort::Good,
        };
        Spec { case_subject: places[random.usize(..4)], slot, id: random.u8(..2), sort }
    };
    (0..count).map(|at| one(at, random)).collect()
}

impl Spec {
    pub(crate) fn position(&self) -> Position {
        let ahead = if self.sort == Sort::FutureClock { 90_000 } else { 0 };
        Position {
            observed_at: instant(i64::from(self.slot) + ahead),
            sequence: 0,
            event_id: EventId::parse(&format!("e{}", self.id)).expect("an id"),
        }
    }

    /// A position has one content in its subject, and another in the other tenant's subject.
    pub(crate) fn value(&self) -> i32 {
        let tenant = i32::try_from(self.case_subject.tenant).expect("small") * 100_000;
        i32::from(self.slot) * 10 + i32::from(self.id) + tenant
    }

    pub(crate) fn record(&self, offset: usize) -> Record {
        let kind = if self.slot.is_multiple_of(2) { "even" } else { "odd" };
        let Position { observed_at, event_id, .. } = self.position();
        let (device, value) = (self.case_subject.device(), self.value());
        let text = format!(
            r#"{{"device_id":"{device}","event_type":"{kind}","event_id":"{event_id}","timestamp":"{observed_at}","payload":{{"value":{value}}}}}"#
        );
        let text = if self.sort == Sort::Poison { text.replace('}', "") } else { text };
        let received = instant(i64::from(SLOTS));
        let topic: Arc<str> = Arc::from("telemetry");
        Record {
            source: Source::Kafka {
                topic: topic.as_ref().into(),
                partition: i32::try_from(self.case_subject.tenant).expect("small"),
                offset: i64::try_from(offset).expect("small"),
                timestamp: Some(received.micros() / 1_000),
                element: None,
            },
            key: Some(device.into_bytes()),
            value: Some(text.into_bytes()),
            headers: vec![(
                "tenant".to_owned(),
                TENANTS[self.case_subject.tenant].as_bytes().to_vec(),
            )],
            received_at: Some(received),
            ingested_at: received,
        }
    }
}

/// The expected history of each subject: a sorted map.
pub(crate) fn reference(specs: &[Spec]) -> BTreeMap<CaseSubject, BTreeMap<Position, i32>> {
    let mut subjects: BTreeMap<CaseSubject, BTreeMap<Position, i32>> = BTreeMap::new();
    for spec in specs.iter().filter(|spec| spec.sort == Sort::Good) {
        subjects.entry(spec.case_subject).or_default().insert(spec.position(), spec.value());
    }
    subjects
}

fn instant(seconds: i64) -> Timestamp {
    Timestamp::from_micros((START_SECONDS + seconds) * 1_000_000).expect("in range")
}
