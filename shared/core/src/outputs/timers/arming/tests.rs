//! Which timers a commit needs.

use super::*;
use crate::base::id::{EventId, Position, SubjectId, TenantId};
use crate::base::scope::TenantScope;
use crate::intake::tenant::{Feed, Feeds};
use crate::ledger::touch::Touch;
use crate::ledger::{Head, Stale};

const NOW: i64 = 600;

fn second(at: i64) -> Timestamp {
    Timestamp::from_micros(at * 1_000_000).expect("in range")
}

fn subject() -> SubjectKey {
    let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
    scope.subject(SubjectId::parse("device/d1").expect("a subject"))
}

fn feeds(enabled: &[Feed], idle_seconds: u32) -> Feeds {
    Feeds { enabled: enabled.iter().copied().collect(), idle_seconds, ..Feeds::default() }
}

fn stale() -> Option<Box<Stale>> {
    let event_id = EventId::parse("e").expect("an id");
    let from = Position { observed_at: second(5), sequence: 0, event_id };
    Some(Box::new(Stale { from, since: second(500), inserts: 1, number: 1, expires_at: 0 }))
}

fn settled(version: u64) -> Head {
    let at = Some(second(100));
    Head { version, watermark: at, released: at, ..Head::default() }
}

fn unsettled(version: u64) -> Head {
    Head { watermark: Some(second(160)), ..settled(version) }
}

/// Kinds and minutes.
fn armed(old: Option<&Head>, new: &Head, feeds: &Feeds) -> Vec<(TimerKind, i64)> {
    let timers = armed_by(&subject(), &Changes::between(old, new), feeds.into(), second(NOW));
    assert!(timers.iter().all(|timer| timer.key.subject == subject() && timer.failures == 0));
    timers.iter().map(|timer| (timer.key.kind, timer.minute.0)).collect()
}

#[test]
fn the_first_unsettled_event_arms_a_release_and_later_events_do_not() {
    let feeds = &feeds(&[Feed::Settled], 600);
    let release = [(TimerKind::Release, 20)];
    assert_eq!(armed(None, &unsettled(1), feeds), release);
    assert_eq!(armed(Some(&settled(1)), &unsettled(2), feeds), release);
    assert_eq!(armed(Some(&unsettled(1)), &unsettled(2), feeds), []);
    assert_eq!(armed(Some(&unsettled(1)), &settled(2), feeds), []);
    assert_eq!(armed(None, &settled(1), feeds), []);
}

#[test]
fn a_release_is_armed_only_where_a_feed_waits_for_settled_events() {
    let others = [Feed::Ordered, Feed::Views, Feed::Alerts];
    assert_eq!(armed(None, &unsettled(1), &feeds(&others, 120)), []);
    let all = armed(None, &unsettled(1), &feeds(&Feed::ALL, 120));
    assert_eq!(all, [(TimerKind::Release, 12)]);
}

#[test]
fn a_timer_is_set_at_least_two_minutes_ahead() {
    for (idle_seconds, minute) in [(1, 12), (120, 12), (179, 12), (180, 13), (3_600, 70)] {
        let feeds = feeds(&[Feed::Settled], idle_seconds);
        let expected = [(TimerKind::Release, minute)];
        assert_eq!(armed(None, &unsettled(1), &feeds), expected, "{idle_seconds}");
    }
}

#[test]
fn views_that_become_stale_arm_a_carry_once() {
    let (before, after) = (settled(1), Head { stale: stale(), ..settled(2) });
    let later = Head { version: 3, ..after.clone() };
    for (feeds, minute) in [(feeds(&[], 120), 70), (feeds(&[Feed::Views], 120), 12)] {
        let expected = [(TimerKind::Carry, minute)];
        assert_eq!(armed(Some(&before), &after, &feeds), expected);
        assert_eq!(armed(Some(&after), &later, &feeds), []);
        assert_eq!(armed(Some(&later), &settled(4), &feeds), []);
    }
}

#[test]
fn where_commits_may_be_missing_the_state_after_them_counts() {
    let feeds = &feeds(&Feed::ALL, 120);
    let both = [(TimerKind::Release, 12), (TimerKind::Carry, 12)];
    let old = Head { stale: stale(), ..unsettled(1) };
    let resent = Head { version: 2, touched: Some(Touch::Resend), ..old.clone() };
    let gap = Head { version: 7, ..old.clone() };
    let moved = Head { era: 1, version: 2, ..old.clone() };
    for new in [resent, gap, moved] {
        assert_eq!(armed(Some(&old), &new, feeds), both);
    }
    assert_eq!(armed(Some(&old), &settled(7), feeds), []);
}

#[test]
fn a_timer_stays_only_if_it_is_due_earlier_and_out_of_the_sweeps_reach() {
    for (armed, expected) in [(11, false), (12, true), (20, true), (21, false)] {
        assert_eq!(stays(Minute(armed), Minute(20), second(NOW)), expected, "{armed}");
    }
}
