//! Subjects that are sent again, over a store in memory.

use std::sync::Arc;

use futures_util::FutureExt as _;

use super::*;
use crate::base::id::{EventId, Position, SubjectKey};
use crate::base::limits::ItemLimits;
use crate::event::{Entry, IdOrigin, Placing};
use crate::ledger::codec::decode_head;
use crate::ledger::dialogue::CommitParams;
use crate::ledger::touch::Touch;
use crate::memory::Memory;
use crate::pipeline::subject::{Job, commit};
use crate::pipeline::table_health::TableHealth;
use crate::ports::SubjectLocation;

const DEVICES: usize = 11;

struct Fixture {
    memory: Memory,
    registry: Registry,
    scope: TenantScope,
    tenant: Tenant,
}

impl Fixture {
    /// A tenant with subjects, and another one with the same subjects.
    fn new(document: &str) -> Self {
        let memory = Memory::new(second(0));
        memory.put_document("REV", "{}");
        let tenant: serde_json::Value = serde_json::from_str(document).expect("JSON");
        let tenant = Tenant::check(&tenant).expect("a tenant");
        let scope = TenantScope::by_operator(tenant.id.clone());
        let fixture = Self { memory, registry: Registry::new(), scope, tenant };
        let other = TenantScope::by_operator(TenantId::parse("other").expect("a tenant"));
        for scope in [&fixture.scope, &other] {
            (0..DEVICES).for_each(|number| fixture.event(scope.subject(device(number))));
        }
        fixture
    }

    fn event(&self, key: SubjectKey) {
        let event_id = EventId::parse("e").expect("an id");
        let entry = Arc::new(Entry {
            position: Position { observed_at: second(-60), sequence: 0, event_id },
            id_origin: IdOrigin::Given,
            event_type: Arc::from("seen"),
            contract: Arc::from("free"),
            contract_version: 0,
            ingested_at: second(0),
            payload: Arc::from("{}"),
            placing: Placing::default(),
        });
        let params = CommitParams::new(key.clone(), self.tenant.policy(), ItemLimits::STANDARD);
        let location = SubjectLocation { key, table: None };
        let (entries, deadline) = (vec![entry], Timestamp::MAX);
        let job = Job { location, params, entries, cached: None, deadline };
        let health = TableHealth::of(None);
        let committed = commit(&self.memory, &self.registry, job, &health);
        assert_eq!(committed.now_or_never().expect("ready").outcomes.applied(), 1);
    }

    fn resend(&self, subjects: Subjects, stop_at: Timestamp) -> Result<Visited, NotResent> {
        let limits = ResendLimits { stop_at, item_limits: ItemLimits::STANDARD };
        let of_tenant = (&self.scope, &self.tenant);
        resend(&self.memory, &self.registry, of_tenant, (subjects, Touch::Resend), limits)
            .now_or_never()
            .expect("ready")
    }

    /// The subjects whose heads were touched, and how often.
    fn touched(&self) -> Vec<(String, u64)> {
        let state = self.memory.state();
        let heads = state.heads.iter().filter_map(|(place, stored)| {
            let head = decode_head(&stored.bytes).expect("a head");
            (head.touched == Some(Touch::Resend)).then(|| (place.clone(), head.version - 1))
        });
        heads.collect()
    }
}

fn second(at: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000).expect("in range").plus_seconds(at)
}

fn device(number: usize) -> SubjectId {
    SubjectId::parse(&format!("device/d-{number}")).expect("a subject")
}

const DEMO: &str = r#"{"id":"demo","feeds":["views"]}"#;

#[test]
fn all_subjects_of_the_tenant_are_touched_once_and_no_others() {
    let fixture = Fixture::new(DEMO);
    let resent = fixture.resend(Subjects::All { after: None }, Timestamp::MAX).expect("resent");
    assert_eq!((resent.subjects, resent.next), (DEVICES, None));
    let touched = fixture.touched();
    assert_eq!(touched.len(), DEVICES);
    for (place, times) in touched {
        assert!(place.contains("T#demo#S#device#d-"), "{place}");
        assert_eq!(times, 1, "{place}");
    }
}

#[test]
fn a_call_without_time_does_one_subject_and_the_next_call_goes_on() {
    let fixture = Fixture::new(DEMO);
    let (mut calls, mut after) = (0, None);
    loop {
        let resent = fixture.resend(Subjects::All { after }, Timestamp::MIN).expect("resent");
        assert_eq!(resent.subjects, 1);
        calls += 1;
        after = resent.next;
        if after.is_none() {
            break;
        }
    }
    let touched = fixture.touched();
    assert_eq!((calls, touched.len()), (DEVICES, DEVICES));
    assert!(touched.iter().all(|(_, times)| *times == 1), "{touched:?}");
}

#[test]
fn one_subject_is_touched() {
    let fixture = Fixture::new(DEMO);
    let resent = fixture.resend(Subjects::One(device(3)), Timestamp::MIN).expect("resent");
    assert_eq!((resent.subjects, resent.next), (1, None));
    assert_eq!(fixture.touched().len(), 1);
}

#[test]
fn nothing_is_touched_for_an_unknown_subject_without_feeds_or_while_suspended() {
    let check = |document: &str, subjects: &Subjects, expected: &str| {
        let fixture = Fixture::new(document);
        let refused = fixture.resend(subjects.clone(), Timestamp::MAX).expect_err("refused");
        assert_eq!(refused.to_string(), expected);
        assert_eq!(fixture.touched(), []);
    };
    let (all, unknown) = (Subjects::All { after: None }, Subjects::One(device(99)));
    check(DEMO, &unknown, "the tenant has no such subject: subject=`device/d-99`");
    check(r#"{"id":"demo"}"#, &all, "the tenant has no feeds and no alert rules: tenant=`demo`");
    let suspended = r#"{"id":"demo","feeds":["views"],"status":"suspended"}"#;
    for subjects in [all, Subjects::One(device(3))] {
        check(suspended, &subjects, "the tenant is suspended: tenant=`demo`");
    }
}
