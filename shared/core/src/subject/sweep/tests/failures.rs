//! Subjects, tenants and items that cannot be looked at.

use super::fixture::{Played, minute};
use super::*;
use crate::ledger::StoredHead;
use crate::memory::{Call, Fault, StoredEntry};

#[test]
fn a_failing_subject_waits_longer_each_time_and_delays_nobody() {
    let (played, good) = (Played::new(), Played::key("demo", "d1"));
    let bad = Played::key("demo", "d2");
    for key in [&good, &bad] {
        played.event(key, 0);
        played.arm(TimerKind::Release, key, minute(2));
    }
    let stored = played.ports.state().heads.get(&bad.partition_key()).cloned().expect("a head");
    let broken = StoredHead { bytes: vec![255], ..stored.clone() };
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
