//! What a case of the model test is made of: records and a schedule, and the names that they use.

use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock};

use proptest::sample::Index;

use crate::base::error::Reason;
use crate::base::id::{EventId, Position, SubjectId, SubjectKey, TenantId};
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::event::ContractVersion;
use crate::intake::contract::{Contract, ContractDocument};
use crate::intake::record::{Record, Source};
use crate::ledger::Policy;
use crate::ledger::range_read::{HistoryRange, Order};
pub(super) use crate::memory::SMALL;
use crate::ports::SubjectLocation;
use crate::view::Specs;

/// A record of the stream, before it is written down as JSON.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) tenant: bool,
    pub(super) subject: bool,
    pub(super) slot: u16,
    pub(super) id: Id,
    pub(super) sort: Sort,
}

/// What a record says of its event's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Id {
    Given(u8),
    /// Nothing: the digest of the record is its id.
    None,
}

/// What is to become of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Good,
    /// A good record with a content that its position should not have.
    OtherContent,
    Poison,
    FutureClock,
}

/// A step of a schedule.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// An environment takes a batch of records, delivered before or not.
    Start { env: usize, picks: Vec<Index> },
    /// The same with every small record of a subject from one slot to another, in order, which makes
    /// dense pages: the large ones come late.
    StartRun { env: usize, tenant: bool, subject: bool, from: u16, to: u16 },
    /// An environment takes the same records in batches of this size, the newest first, as a
    /// tracker uploads what it could not send for weeks.
    Backlog { env: usize, tenant: bool, subject: bool, from: u16, to: u16, batch: usize },
    /// A carry of a subject starts, as an operator or a sweep asks for it.
    Carry { tenant: bool, subject: bool },
    /// The carry dies where it stands.
    CutCarry,
    /// The clock moves on by so many seconds: caches and carries depend on it.
    Later(u16),
    /// A task goes on up to its next call.
    Poll(usize),
    /// The same, several times.
    PollOften { task: usize, times: usize },
    /// An environment dies where it stands; cold: it comes back without its cache.
    Crash { env: usize, cold: bool },
    /// The next call of the ledger fails in this way.
    Fault(u8),
    /// The next message is not taken by its queue.
    QueueDown,
    /// From now on, until the next one, this is broken that the tenant `acme` alone uses.
    BreakTenant(Broken),
    /// The contract is mended, or its mistake comes back: environments that are cold read it so,
    /// and warm ones go on with what they know.
    Mend(bool),
    /// One of the two readers starts.
    Read { reader: usize, tenant: bool, subject: bool, slot: u16, kind: Kind },
    /// A reader starts to go through a part of a history, page by page.
    Walk { tenant: bool, subject: bool, walk: Walk },
}

/// What a reader asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Live,
    /// The view as of the slot.
    AsOf,
    /// The whole history.
    Whole,
    /// The history from the slot on, of so many slots.
    Range(u16),
}

/// What is broken of a tenant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Broken {
    Nothing,
    /// Its document cannot be read.
    Document,
    /// Its own table fails every call in this way.
    Table(Reason),
}

/// A part of a history and how it is gone through.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// Where the part begins and ends, if anywhere.
    pub(super) from: Option<u16>,
    pub(super) to: Option<u16>,
    pub(super) backward: bool,
    /// Only entries of a type that half of them have.
    pub(super) only_even: bool,
    /// What one answer may have.
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

impl Walk {
    pub(super) fn range(&self) -> HistoryRange {
        HistoryRange {
            from: self.from.map(|slot| instant(slot.into())),
            to: self.to.map(|slot| instant(slot.into())),
            order: if self.backward { Order::Descending } else { Order::Ascending },
            beyond: None,
            event_type: self.only_even.then(|| Arc::from(EVEN)),
            entries: self.entries,
            bytes: self.bytes,
        }
    }

    /// Whether an entry at this position belongs to it.
    pub(super) fn wants(&self, position: &Position) -> bool {
        let HistoryRange { from, to, event_type, .. } = self.range();
        from.is_none_or(|from| from <= position.observed_at)
            && to.is_none_or(|to| position.observed_at < to)
            && event_type.is_none_or(|wanted| *wanted == *type_of(position.observed_at))
    }
}

const EVEN: &str = "even";

/// The type follows from the position: it is content, and a position has one.
fn type_of(observed_at: Timestamp) -> &'static str {
    if observed_at.whole_seconds() % 2 == 0 { EVEN } else { "odd" }
}

/// A stream and a schedule.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) specs: Vec<Spec>,
    pub(super) actions: Vec<Action>,
}

/// Tasks that take turns: environments, then two readers, the walker and the carry.
pub(super) const TASKS: usize = 8;
pub(super) const ENVIRONMENTS: usize = 4;
pub(super) const READERS: usize = 2;
pub(super) const WALKER: usize = ENVIRONMENTS + READERS;
pub(super) const CARRIER: usize = WALKER + 1;

pub(super) const START: i64 = 1_800_000_000_000_000;
/// Four hours: a script's slots are sixty days, so that time makes keyframes, too. And a second, so that
/// half of them are odd.
const SLOT_MICROS: i64 = 14_401 * 1_000_000;

/// As the tenant documents have it.
pub(super) const POLICY: Policy =
    Policy { lateness_seconds: 60, max_future_seconds: 300, retention_days: 90 };

/// Without a schema, so that every environment compiles it quickly.
///
/// The mended contract extracts another payload of records without an event id, and reads another measure.
pub(super) fn contract_json(mended: bool) -> String {
    let payload = if mended {
        r#"{"first": [{"path": "/mended"}, {"path": "/payload"}]}"#
    } else {
        r#"{"path": "/payload"}"#
    };
    let measure = if mended { "warmth" } else { "temperature" };
    format!(
        r#"{{
        "name": "telemetry", "subject": {{"kind": "device", "id": {{"path": "/device_id"}}}},
        "event_id": {{"path": "/event_id"}}, "type": {{"path": "/event_type"}},
        "sequence": {{"path": "/number"}},
        "observed_at": {{"path": "/timestamp", "format": "rfc3339"}}, "without_time": "reject",
        "payload": {payload},
        "measures": [{{"name": "{measure}", "types": [], "path": "/value", "unit": "celsius"}}]
    }}"#
    )
}

thread_local! {
    /// The contract before it is mended: what it says of a record must stay true.
    static CONTRACT: Contract = compiled(false);
}

fn compiled(mended: bool) -> Contract {
    let document = ContractDocument::parse(&contract_json(mended)).expect("a document");
    Contract::compile(&document).expect("a contract")
}

/// Whether a version of the contract is a mended one: a script mends it and takes that back by turns.
pub(super) const fn is_mended(version: u32) -> bool {
    version.is_multiple_of(2)
}

/// The specs of every version that a script makes.
pub(super) fn specs() -> &'static Specs {
    /// More than a script has actions.
    const VERSIONS: u32 = 500;
    static SPECS: LazyLock<Specs> = LazyLock::new(|| {
        let usual = compiled(false);
        let (usual, mended) = (usual.version(), [usual.view_spec(), compiled(true).view_spec()]);
        let version = |number| {
            let spec = &mended[usize::from(is_mended(number))];
            (ContractVersion { number, ..usual.clone() }, Arc::clone(spec))
        };
        (1..=VERSIONS).map(version).collect()
    });
    &SPECS
}

impl Spec {
    pub(super) fn key(&self) -> SubjectKey {
        key(self.tenant, self.subject)
    }

    pub(super) fn position(&self) -> Position {
        let observed_at = self.observed_at();
        match self.id {
            Id::Given(number) => {
                let (sequence, event_id) = (sequence(number), given_id(number));
                Position { observed_at, sequence, event_id }
            }
            Id::None => CONTRACT.with(|contract| {
                let scope = scope(self.tenant);
                let event = contract.read(&self.kafka(0, self.text()).parsed(), &scope);
                event.expect("read").expect("an event").entry.position.clone()
            }),
        }
    }

    fn observed_at(&self) -> Timestamp {
        let late = if self.sort == Sort::FutureClock { 90_000 } else { 0 };
        instant(i64::from(self.slot) + late)
    }

    pub(super) fn value(&self) -> String {
        let other = if self.sort == Sort::OtherContent { 1000 } else { 0 };
        let id = match self.id {
            Id::Given(number) => i64::from(number),
            Id::None => 5,
        };
        format!("{}", i64::from(self.slot) * 10 + id + other)
    }

    fn text(&self) -> String {
        let (at, value) = (self.observed_at(), self.value());
        let (odd_key, odd_value) = ('\u{FFFE}', '\u{FFFF}');
        let id = match self.id {
            Id::Given(number) => {
                format!(r#""event_id":"{}","number":"{}""#, given_id(number), sequence(number))
            }
            Id::None => format!(r#""mended":{{"mended":true,"value":{value}}}"#),
        };
        // The first key is one that no contract reads, and that no queue takes as it is.
        format!(
            r#"{{"{odd_key}":"{odd_value}","device_id":"d{}","event_type":"{}",{id},"timestamp":"{at}","payload":{{{}"value":{value},"unit":"celsius"}}}}"#,
            u8::from(self.subject),
            type_of(at),
            self.noise(),
        )
    }

    /// Whether it is too large for a page with others. That follows from the position, as the type
    /// does: it is content, and a position has one.
    pub(super) fn is_large(&self) -> bool {
        self.slot % 13 == 7
    }

    /// What makes it large: nothing of this can be compressed.
    fn noise(&self) -> String {
        if !self.is_large() {
            return String::new();
        }
        let id = match self.id {
            Id::Given(number) => u64::from(number),
            Id::None => 5,
        };
        let mut state = u64::from(self.slot) << 8 | id | 1;
        let mut next = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            char::from(b'a' + u8::try_from((state >> 40) % 26).expect("a letter"))
        };
        format!(r#""noise":"{}","#, (0..280).map(|_| next()).collect::<String>())
    }

    pub(super) fn record(&self, offset: usize) -> Record {
        let text = self.text();
        self.kafka(offset, if self.sort == Sort::Poison { text.replace('}', "") } else { text })
    }

    fn kafka(&self, offset: usize, value: String) -> Record {
        // Received after the last slot, whatever the delivery: the broker stamps it. Within two
        // hours, so that views can be out of date for an hour.
        let quarters = i64::try_from(offset % 8).expect("small");
        let received = instant(400).plus_seconds(quarters * 15 * 60);
        Record {
            source: Source::Kafka {
                topic: "telemetry".into(),
                partition: i32::from(self.tenant),
                offset: i64::try_from(offset).expect("small"),
                timestamp: Some(received.micros() / 1_000),
                element: None,
            },
            key: Some(format!("{}", u8::from(self.subject)).into_bytes()),
            value: Some(value.into_bytes()),
            headers: vec![
                ("tenant".into(), tenant(self.tenant).as_bytes().to_vec()),
                ("\u{FFFF}\u{1}".into(), vec![0, 255]),
            ],
            received_at: Some(received),
            ingested_at: received,
        }
    }
}

/// Small records of a subject by their slots, in order.
pub(super) fn run_of(specs: &[Spec], key: &SubjectKey, slots: RangeInclusive<u16>) -> Vec<usize> {
    let mine = specs.iter().enumerate();
    let mine = mine.filter(|(_, spec)| spec.key() == *key && slots.contains(&spec.slot));
    let mine = mine.filter(|(_, spec)| !spec.is_large());
    let mut run: Vec<usize> = mine.map(|(at, _)| at).collect();
    run.sort_by_key(|at| specs[*at].position());
    run
}

/// The time of a slot.
pub(super) fn instant(slot: i64) -> Timestamp {
    Timestamp::from_micros(START + slot * SLOT_MICROS).expect("in range")
}

pub(super) fn tenant(which: bool) -> &'static str {
    if which { "acme" } else { "demo" }
}

/// Orders events of one instant otherwise than their ids do.
fn sequence(number: u8) -> u64 {
    u64::from(u8::MAX - number)
}

fn given_id(number: u8) -> EventId {
    EventId::parse(&format!("e{number}")).expect("an id")
}

fn scope(which: bool) -> TenantScope {
    TenantScope::by_operator(TenantId::parse(tenant(which)).expect("a tenant"))
}

pub(super) fn key(which: bool, subject: bool) -> SubjectKey {
    let subject = SubjectId::parse(&format!("device/d{}", u8::from(subject)));
    scope(which).subject(subject.expect("a subject"))
}

/// The table of `acme`'s own.
pub(super) const OWN_TABLE: &str = "acme-ledger";

/// Where a subject lives.
pub(super) fn location(key: &SubjectKey) -> SubjectLocation {
    let is_own = key.tenant().as_str() == tenant(true);
    SubjectLocation { key: key.clone(), table: is_own.then(|| Arc::from(OWN_TABLE)) }
}
