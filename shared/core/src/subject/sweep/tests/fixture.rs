//! A deployment in memory with a played clock.

use std::sync::Arc;

use futures_util::FutureExt as _;

use super::super::*;
use crate::base::id::{EventId, Position, SubjectId, SubjectKey};
use crate::base::scope::TenantScope;
use crate::event::{Entry, IdOrigin, Placing};
use crate::ledger::{Head, Policy};
use crate::memory::{Faulty, Memory};
use crate::outputs::timers::TimerKey;
use crate::pipeline::subject::{Job, commit};
use crate::pipeline::table_health::TableHealth;
use crate::ports::Store as _;
use crate::subject::timers::Armer;

pub(super) const POLICY: Policy =
    Policy { lateness_seconds: 60, max_future_seconds: 300, retention_days: 30 };

/// Second 0 is the start of a minute.
pub(super) fn second(at: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000).expect("in range").plus_seconds(at)
}

pub(super) fn minute(number: i64) -> Minute {
    Minute::of(second(60 * number))
}

/// An event.
pub(super) fn entry(observed_at: Timestamp, ingested_at: Timestamp) -> Arc<Entry> {
    let event_id = EventId::parse(&format!("e{}", observed_at.micros())).expect("an id");
    Arc::new(Entry {
        position: Position { observed_at, sequence: 0, event_id },
        id_origin: IdOrigin::Given,
        event_type: Arc::from("seen"),
        contract: Arc::from("free"),
        contract_version: 0,
        ingested_at,
        payload: Arc::from("{}"),
        placing: Placing::default(),
    })
}

/// A deployment whose clock a test plays.
pub(super) struct Played {
    pub(super) ports: Faulty<Memory>,
    pub(super) registry: Registry,
    pub(super) armer: Armer,
}

impl Played {
    /// The tenant `demo` waits for settled events and views, `acme` has a table of its own.
    pub(super) fn new() -> Self {
        let ports = Faulty::over(Memory::new(second(0)));
        let feeds = r#""feeds":["settled","views"]"#;
        ports.put_document("T#demo", &format!(r#"{{"id":"demo",{feeds}}}"#));
        let placement = r#""placement":{"table":"acme-ledger"}"#;
        ports.put_document("T#acme", &format!(r#"{{"id":"acme",{feeds},{placement}}}"#));
        Self { ports, registry: Registry::new(), armer: Armer::default() }
    }

    pub(super) fn at(&self, at: i64) {
        self.ports.state().now = second(at);
    }

    pub(super) fn key(tenant: &str, device: &str) -> SubjectKey {
        let tenant = TenantId::parse(tenant).expect("a tenant");
        let subject = SubjectId::parse(&format!("device/{device}")).expect("a subject");
        TenantScope::by_operator(tenant).subject(subject)
    }

    pub(super) fn location(key: &SubjectKey) -> SubjectLocation {
        let own = key.tenant().as_str() == "acme";
        SubjectLocation { key: key.clone(), table: own.then(|| Arc::from("acme-ledger")) }
    }

    /// An event that was observed then is received now.
    pub(super) fn event(&self, key: &SubjectKey, observed: i64) {
        let now = self.ports.state().now;
        let entry = entry(second(observed), now);
        let location = Self::location(key);
        let health = TableHealth::of(location.table.clone());
        let params = CommitParams::new(key.clone(), POLICY, ItemLimits::STANDARD);
        let (entries, deadline) = (vec![entry], Timestamp::MAX);
        let job = Job { location, params, entries, cached: None, deadline };
        let committed = commit(&self.ports, &self.registry, job, &health);
        assert_eq!(committed.now_or_never().expect("memory never waits").outcomes.applied(), 1);
    }

    pub(super) fn head(&self, key: &SubjectKey) -> Head {
        let read = self.ports.head(&Self::location(key)).now_or_never().expect("never waits");
        let stored = read.expect("available").answer.expect("a head");
        decode_head(&stored.bytes).expect("a head")
    }

    pub(super) fn arm(&self, kind: TimerKind, subject: &SubjectKey, minute: Minute) {
        let key = TimerKey { kind, subject: subject.clone() };
        let (now, timer) = (self.ports.state().now, Timer { key, minute, failures: 0 });
        let armed = self.armer.arm(&self.ports, &timer, now).now_or_never();
        armed.expect("memory never waits").expect("armed");
    }

    pub(super) fn armed(&self, kind: TimerKind, subject: &SubjectKey) -> Option<Minute> {
        let key = TimerKey { kind, subject: subject.clone() };
        self.ports.state().outputs.armed.get(&key).copied()
    }

    pub(super) fn sweep_at(&self, at: i64) -> Swept {
        self.at(at);
        let limits = SweepLimits::until(Timestamp::MAX);
        let swept = sweep(&self.ports, &self.registry, limits).now_or_never();
        swept.expect("memory never waits")
    }

    /// Sweeps, and expects that it catches up with this outcome of one timer.
    pub(super) fn outcome_at(&self, at: i64) -> Option<TimerOutcome> {
        let swept = self.sweep_at(at);
        assert_eq!(swept.end, SweepEnd::CaughtUp);
        assert!(swept.tally.timers.values().sum::<u64>() <= 1, "{swept:?}");
        swept.tally.timers.into_keys().next()
    }

    pub(super) fn entries(&self) -> usize {
        self.ports.state().outputs.entries.len()
    }
}
