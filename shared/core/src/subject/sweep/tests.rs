//! The sweep over a store in memory, with a played clock.

use std::sync::Arc;

use futures_util::FutureExt as _;

use super::*;
use crate::base::id::{EventId, Position, SubjectId, SubjectKey};
use crate::base::scope::TenantScope;
use crate::event::{Entry, IdOrigin, Placing};
use crate::ledger::Head;
use crate::ledger::Policy;
use crate::memory::{Call, Fault, Faulty, Memory, StoredEntry};
use crate::outputs::timers::TimerKey;
use crate::pipeline::subject::{Job, commit};
use crate::pipeline::table_health::TableHealth;
use crate::ports::Store as _;
use crate::subject::timers::Armer;

const POLICY: Policy = Policy { lateness_seconds: 60, max_future_seconds: 300, retention_days: 30 };

/// Second 0 is the start of a minute.
fn second(at: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000).expect("in range").plus_seconds(at)
}

fn minute(number: i64) -> Minute {
    Minute::of(second(60 * number))
}

/// A deployment whose clock a test plays.
struct Played {
    ports: Faulty<Memory>,
    registry: Registry,
    armer: Armer,
}

impl Played {
    /// The tenant `demo` waits for settled events and views, `acme` has a table of its own.
    fn new() -> Self {
        let ports = Faulty::over(Memory::new(second(0)));
        let feeds = r#""feeds":["settled","views"]"#;
        ports.put_document("T#demo", &format!(r#"{{"id":"demo",{feeds}}}"#));
        let placement = r#""placement":{"table":"acme-ledger"}"#;
        ports.put_document("T#acme", &format!(r#"{{"id":"acme",{feeds},{placement}}}"#));
        Self { ports, registry: Registry::new(), armer: Armer::default() }
    }

    fn at(&self, at: i64) {
        self.ports.state().now = second(at);
    }

    fn key(tenant: &str, device: &str) -> SubjectKey {
        let tenant = crate::base::id::TenantId::parse(tenant).expect("a tenant");
        let subject = SubjectId::parse(&format!("device/{device}")).expect("a subject");
        TenantScope::by_operator(tenant).subject(subject)
    }

    fn location(key: &SubjectKey) -> SubjectLocation {
        let own = key.tenant().as_str() == "acme";
        SubjectLocation { key: key.clone(), table: own.then(|| Arc::from("acme-ledger")) }
    }

    /// An event that was observed then is received now.
    fn event(&self, key: &SubjectKey, observed: i64) {
        let now = self.ports.state().now;
        let event_id = EventId::parse(&format!("e{observed}")).expect("an id");
        let entry = Arc::new(Entry {
            position: Position { observed_at: second(observed), sequence: 0, event_id },
            id_origin: IdOrigin::Given,
            event_type: Arc::from("seen"),
            contract: Arc::from("free"),
            contract_version: 0,
            ingested_at: now,
            payload: Arc::from("{}"),
            placing: Placing::default(),
        });
        let location = Self::location(key);
        let health = TableHealth::of(location.table.clone());
        let params = CommitParams::new(key.clone(), POLICY, ItemLimits::STANDARD);
        let (entries, deadline) = (vec![entry], Timestamp::MAX);
        let job = Job { location, params, entries, cached: None, deadline };
        let committed = commit(&self.ports, &self.registry, job, &health);
        assert_eq!(committed.now_or_never().expect("memory never waits").outcomes.applied(), 1);
    }

    fn head(&self, key: &SubjectKey) -> Head {
        let read = self.ports.head(&Self::location(key)).now_or_never().expect("never waits");
        let stored = read.expect("available").answer.expect("a head");
        decode_head(&stored.bytes).expect("a head")
    }

    fn arm(&self, kind: TimerKind, subject: &SubjectKey, minute: Minute) {
        let key = TimerKey { kind, subject: subject.clone() };
        let (now, timer) = (self.ports.state().now, Timer { key, minute, failures: 0 });
        let armed = self.armer.arm(&self.ports, &timer, now).now_or_never();
        armed.expect("memory never waits").expect("armed");
    }

    fn armed(&self, kind: TimerKind, subject: &SubjectKey) -> Option<Minute> {
        let key = TimerKey { kind, subject: subject.clone() };
        self.ports.state().outputs.armed.get(&key).copied()
    }

    fn sweep_at(&self, at: i64) -> Swept {
        self.at(at);
        let limits = SweepLimits::until(Timestamp::MAX);
        let swept = sweep(&self.ports, &self.registry, limits).now_or_never();
        swept.expect("memory never waits")
    }

    /// Sweeps, and expects that it catches up with this outcome of one timer.
    fn outcome_at(&self, at: i64) -> Option<TimerOutcome> {
        let swept = self.sweep_at(at);
        assert_eq!(swept.end, SweepEnd::CaughtUp);
        assert!(swept.tally.timers.values().sum::<u64>() <= 1, "{swept:?}");
        swept.tally.timers.into_keys().next()
    }

    fn entries(&self) -> usize {
        self.ports.state().outputs.entries.len()
    }
}

#[test]
fn a_silent_subject_is_released_and_its_timer_is_gone() {
    let (played, key) = (Played::new(), Played::key("demo", "d1"));
    played.event(&key, 0);
    played.arm(TimerKind::Release, &key, minute(2));
    assert_eq!(played.outcome_at(239), None, "the minute is not two minutes old");
    assert_eq!(played.head(&key).released, Some(second(-60)));
    assert_eq!(played.outcome_at(240), Some(TimerOutcome::Released));
    assert_eq!(played.head(&key).released, Some(second(0)));
    assert_eq!((played.armed(TimerKind::Release, &key), played.entries()), (None, 0));
    assert_eq!(played.outcome_at(300), None);
}

#[test]
fn the_timer_of_an_active_subject_is_moved_and_no_event_moves_it() {
    let (played, key) = (Played::new(), Played::key("demo", "d1"));
    played.event(&key, 0);
    played.arm(TimerKind::Release, &key, minute(2));
    for at in [60, 120, 180, 230] {
        played.at(at);
        played.event(&key, at);
    }
    assert_eq!(played.outcome_at(240), Some(TimerOutcome::Moved));
    assert_eq!(played.armed(TimerKind::Release, &key), Some(minute(6)));
    assert_eq!((played.entries(), played.outcome_at(479)), (1, None));
    assert_eq!(played.outcome_at(480), Some(TimerOutcome::Released));
    assert_eq!(played.head(&key).released, Some(second(230)));
}

#[test]
fn a_timer_of_a_settled_subject_is_finished_without_a_touch() {
    let (played, key) = (Played::new(), Played::key("demo", "d1"));
    played.event(&key, 0);
    played.arm(TimerKind::Release, &key, minute(2));
    assert_eq!(played.outcome_at(240), Some(TimerOutcome::Released));
    let version = played.head(&key).version;
    played.arm(TimerKind::Release, &key, minute(7));
    assert_eq!(played.outcome_at(600), Some(TimerOutcome::Finished));
    assert_eq!((played.head(&key).version, played.entries()), (version, 0));
}

#[test]
fn a_resend_touches_the_head() {
    let (played, key) = (Played::new(), Played::key("demo", "d1"));
    played.event(&key, 0);
    played.arm(TimerKind::Resend, &key, minute(2));
    assert_eq!(played.outcome_at(240), Some(TimerOutcome::Resent));
    assert_eq!(played.head(&key).touched, Some(Touch::Resend));
    assert_eq!(played.entries(), 0);
}

#[test]
fn a_timer_of_an_unknown_tenant_or_subject_is_finished() {
    let played = Played::new();
    for key in [Played::key("gone", "d1"), Played::key("demo", "d1")] {
        played.arm(TimerKind::Release, &key, minute(2));
    }
    let swept = played.sweep_at(240);
    assert_eq!(swept.tally.timers, [(TimerOutcome::Finished, 2)].into());
    assert_eq!(played.entries(), 0);
}

#[test]
fn a_timer_that_was_armed_for_another_minute_is_dropped() {
    let (played, key) = (Played::new(), Played::key("demo", "d1"));
    played.event(&key, 0);
    played.arm(TimerKind::Release, &key, minute(9));
    played.arm(TimerKind::Release, &key, minute(3));
    assert_eq!(played.armed(TimerKind::Release, &key), Some(minute(3)), "an earlier minute counts");
    played.arm(TimerKind::Release, &key, minute(5));
    assert_eq!(played.armed(TimerKind::Release, &key), Some(minute(3)), "and stays");
    assert_eq!(played.outcome_at(300), Some(TimerOutcome::Released));
    assert_eq!(played.outcome_at(660), Some(TimerOutcome::Outdated));
    assert_eq!(played.entries(), 0);
}

#[test]
fn a_timer_that_the_sweep_may_be_at_work_on_is_armed_anew() {
    let (played, key) = (Played::new(), Played::key("demo", "d1"));
    played.event(&key, 0);
    played.arm(TimerKind::Release, &key, minute(2));
    played.at(60);
    played.arm(TimerKind::Release, &key, minute(3));
    assert_eq!(played.armed(TimerKind::Release, &key), Some(minute(3)));
}

#[test]
fn a_failing_subject_waits_longer_each_time_and_delays_nobody() {
    let (played, good) = (Played::new(), Played::key("demo", "d1"));
    let bad = Played::key("demo", "d2");
    for key in [&good, &bad] {
        played.event(key, 0);
        played.arm(TimerKind::Release, key, minute(2));
    }
    let stored = played.ports.state().heads.get(&bad.partition_key()).cloned().expect("a head");
    let broken = crate::ledger::StoredHead { bytes: vec![255], ..stored.clone() };
    played.ports.state().heads.insert(bad.partition_key(), broken);
    let swept = played.sweep_at(240);
    let expected = [(TimerOutcome::Released, 1), (TimerOutcome::Failed, 1)];
    assert_eq!((swept.end, swept.tally.timers), (SweepEnd::CaughtUp, expected.into()));
    for (at, next) in [(240, 6), (480, 12), (840, 22), (1_440, 40), (2_520, 74), (4_560, 108)] {
        let failed = (at > 240).then(|| played.outcome_at(at));
        assert_eq!(failed.unwrap_or(Some(TimerOutcome::Failed)), Some(TimerOutcome::Failed));
        assert_eq!(played.armed(TimerKind::Release, &bad), Some(minute(next)), "{at}");
    }
    played.ports.state().heads.insert(bad.partition_key(), stored);
    assert_eq!(played.outcome_at(6_600), Some(TimerOutcome::Released));
}

#[test]
fn a_tenant_whose_table_fails_is_tried_once_in_a_sweep_and_delays_nobody() {
    let (played, good) = (Played::new(), Played::key("demo", "d1"));
    played.event(&good, 0);
    played.arm(TimerKind::Release, &good, minute(2));
    for device in ["d1", "d2", "d3"] {
        let key = Played::key("acme", device);
        played.event(&key, 0);
        played.arm(TimerKind::Release, &key, minute(2));
    }
    played.ports.break_table("acme-ledger", Reason::Unreachable);
    let swept = played.sweep_at(240);
    let expected = [(TimerOutcome::Released, 1), (TimerOutcome::Failed, 3)];
    assert_eq!((swept.end, swept.tally.timers), (SweepEnd::CaughtUp, expected.into()));
    played.ports.mend_tables();
    assert_eq!(played.sweep_at(480).tally.timers, [(TimerOutcome::Released, 3)].into());
}

#[test]
fn the_ledger_of_a_suspended_tenant_is_not_written_and_its_timer_waits() {
    let (played, key) = (Played::new(), Played::key("demo", "d1"));
    played.event(&key, 0);
    played.arm(TimerKind::Release, &key, minute(2));
    let active = played.ports.state().documents.get("T#demo").cloned().expect("a document");
    played.ports.put_document("T#demo", r#"{"id":"demo","status":"suspended"}"#);
    assert_eq!(played.outcome_at(240), Some(TimerOutcome::Failed));
    assert_eq!(played.head(&key).version, 1);
    played.ports.put_document("T#demo", &active.json);
    assert_eq!(played.outcome_at(2_280), Some(TimerOutcome::Released));
}

#[test]
fn where_the_shared_ledger_fails_the_sweep_ends_and_its_timers_stay_due() {
    let (played, key) = (Played::new(), Played::key("demo", "d1"));
    played.event(&key, 0);
    played.arm(TimerKind::Release, &key, minute(2));
    played.ports.fail(|call| if call == Call::Head { Fault::Refused } else { Fault::None });
    let swept = played.sweep_at(600);
    assert!(matches!(swept.end, SweepEnd::Failed(_)), "{swept:?}");
    assert_eq!(swept.next, Some(minute(2)));
    played.ports.fail_nothing();
    assert_eq!(played.outcome_at(601), Some(TimerOutcome::Released), "the lease was given back");
}

#[test]
fn a_sweep_that_was_off_for_an_hour_catches_up() {
    let played = Played::new();
    for number in 0..30 {
        let key = Played::key("demo", &format!("d{number}"));
        played.at(60 * number);
        played.event(&key, 60 * number);
        played.arm(TimerKind::Release, &key, minute(number + 2));
    }
    let swept = played.sweep_at(3_600);
    assert_eq!(swept.end, SweepEnd::CaughtUp);
    assert_eq!(swept.tally.timers, [(TimerOutcome::Released, 30)].into());
    assert_eq!((swept.tally.minutes, swept.next), (61, Some(minute(59))));
}

#[test]
fn timers_that_are_armed_before_the_first_sweep_are_not_lost() {
    let (played, key) = (Played::new(), Played::key("demo", "d1"));
    played.event(&key, 0);
    played.arm(TimerKind::Release, &key, minute(2));
    assert_eq!(played.outcome_at(86_400), Some(TimerOutcome::Released));
}

#[test]
fn timers_that_are_armed_after_the_first_sweep_are_not_lost() {
    let (played, key) = (Played::new(), Played::key("demo", "d1"));
    assert_eq!(played.outcome_at(0), None);
    played.event(&key, 0);
    played.arm(TimerKind::Release, &key, minute(2));
    assert_eq!(played.outcome_at(240), Some(TimerOutcome::Released));
}

#[test]
fn a_sweep_stops_at_its_deadline_and_the_next_one_continues() {
    let (played, key) = (Played::new(), Played::key("demo", "d1"));
    played.event(&key, 0);
    played.arm(TimerKind::Release, &key, minute(2));
    played.at(240);
    let limits = SweepLimits::until(second(240));
    let swept = sweep(&played.ports, &played.registry, limits).now_or_never().expect("no wait");
    assert_eq!((swept.end, swept.next), (SweepEnd::Deadline, Some(minute(2))));
    assert_eq!(played.outcome_at(240), Some(TimerOutcome::Released));
}

#[test]
fn a_second_sweep_does_nothing_while_the_lease_is_held() {
    let (played, key) = (Played::new(), Played::key("demo", "d1"));
    played.event(&key, 0);
    played.arm(TimerKind::Release, &key, minute(2));
    let held = SweepState::taken(None, "other".to_owned(), second(239));
    played.ports.state().outputs.sweep = held.map(|held| SweepState { next: minute(1), ..held });
    let swept = played.sweep_at(298);
    assert_eq!((swept.end, swept.next, swept.tally.minutes), (SweepEnd::Held, None, 0));
    assert_eq!(played.outcome_at(299), Some(TimerOutcome::Released), "the lease has expired");
}

#[test]
fn an_entry_that_this_version_cannot_read_stays_and_stops_nothing() {
    let (played, key) = (Played::new(), Played::key("demo", "d1"));
    played.event(&key, 0);
    played.arm(TimerKind::Release, &key, minute(2));
    let unknown = StoredEntry { subject: key.partition_key(), failures: 0 };
    for shard in 0..SHARDS {
        let at = (format!("W#{}#{shard}", minute(2).0), "snooze#1".to_owned());
        played.ports.state().outputs.entries.insert(at, unknown.clone());
    }
    let swept = played.sweep_at(240);
    let expected = [(TimerOutcome::Released, 1), (TimerOutcome::Unreadable, u64::from(SHARDS))];
    assert_eq!((swept.end, swept.tally.timers), (SweepEnd::CaughtUp, expected.into()));
    assert_eq!(played.entries(), usize::from(SHARDS));
}

#[test]
fn a_shard_with_more_entries_than_one_read_returns_is_swept_whole() {
    let played = Played::new();
    for number in 0..40 * ENTRIES_AT_ONCE {
        played.arm(TimerKind::Carry, &Played::key("gone", &format!("d{number}")), minute(2));
    }
    let swept = played.sweep_at(240);
    assert_eq!(swept.tally.timers, [(TimerOutcome::Finished, 4_000)].into());
    assert_eq!((swept.end, played.entries()), (SweepEnd::CaughtUp, 0));
}

/// The numbers in the documentation of [`sweep`] and [`Armer::arm`].
#[test]
fn a_period_of_silence_costs_two_writes_to_arm_and_two_to_finish_beside_the_touch() {
    let (played, key) = (Played::new(), Played::key("demo", "d1"));
    let idle = played.sweep_at(0).tally;
    assert_eq!((idle.minutes, idle.units), (1, Units { read: 17.0, write: 3.0 }));
    played.armer.arm(&played.ports, &timer_of(&key), second(0)).now_or_never();
    played.event(&key, 0);
    let before = played.ports.state().units;
    let again = played.armer.arm(&played.ports, &timer_of(&key), second(0)).now_or_never();
    let again = again.expect("no wait").expect("armed");
    assert_eq!(again, Units { read: 0.0, write: 2.0 });
    let touched = Units { read: 1.0, write: 1.0 };
    let swept = played.sweep_at(240).tally;
    let lease = Units { read: 1.0 + 4.0 * 16.0, write: 2.0 + 4.0 };
    let looked = Units { read: 2.0 + touched.read, write: 2.0 + touched.write };
    assert_eq!(swept.timers, [(TimerOutcome::Released, 1)].into());
    assert_eq!(swept.units.write, lease.write + looked.write);
    assert_eq!(swept.units.read, lease.read + looked.read);
    assert_eq!(played.ports.state().units.write, before.write + 2.0 + swept.units.write);
}

fn timer_of(key: &SubjectKey) -> Timer {
    let key = TimerKey { kind: TimerKind::Release, subject: key.clone() };
    Timer { key, minute: minute(2), failures: 0 }
}

#[test]
fn a_sweep_can_run_as_a_task_of_its_own() {
    fn is_send(_: impl Send) {}
    let (ports, registry) = (Memory::new(second(0)), Registry::new());
    is_send(sweep(&ports, &registry, SweepLimits::until(Timestamp::MAX)));
}
