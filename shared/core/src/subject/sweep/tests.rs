//! The sweep over a store in memory, with a played clock.

use futures_util::FutureExt as _;

use self::fixture::{Played, minute, second};
use super::*;
use crate::base::id::SubjectKey;
use crate::memory::Memory;
use crate::outputs::timers::TimerKey;

mod failures;
mod fixture;
mod schedules;

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
