//! What a due timer becomes.

use std::sync::Arc;

use super::*;
use crate::base::id::{EventId, Position};
use crate::event::{Entry, IdOrigin, Placing};
use crate::intake::tenant::{Feed, Feeds};
use crate::ledger::Stale;

fn second(at: i64) -> Timestamp {
    Timestamp::from_micros(at * 1_000_000).expect("in range")
}

fn position(at: i64) -> Position {
    let event_id = EventId::parse("e").expect("an id");
    Position { observed_at: second(at), sequence: 0, event_id }
}

fn entry(observed: i64, ingested: i64) -> Arc<Entry> {
    Arc::new(Entry {
        position: position(observed),
        id_origin: IdOrigin::Given,
        event_type: "t".into(),
        contract: "c".into(),
        contract_version: 0,
        ingested_at: second(ingested),
        payload: "{}".into(),
        placing: Placing::default(),
    })
}

/// Observed up to 1,000, received up to 1,100, settled up to 940.
fn unsettled() -> Head {
    Head {
        version: 3,
        watermark: Some(second(1_000)),
        released: Some(second(940)),
        tail: vec![entry(980, 1_100), entry(1_000, 1_010)],
        ..Head::default()
    }
}

fn stale(since: i64) -> Head {
    let (from, since) = (position(5), second(since));
    let stale = Stale { from, since, inserts: 1, number: 1, expires_at: 0 };
    Head { stale: Some(Box::new(stale)), ..unsettled() }
}

fn feeds(enabled: &[Feed]) -> Feeds {
    Feeds { enabled: enabled.iter().copied().collect(), ..Feeds::default() }
}

fn at(kind: TimerKind, head: &Head, enabled: &[Feed], now: i64) -> Look {
    look(kind, head, (&feeds(enabled)).into(), &Specs::default(), second(now))
}

const RELEASE: Look = Look::Touch(Touch::Release);

#[test]
fn a_subject_is_released_two_minutes_after_its_newest_event_was_received() {
    let released = |head: &Head, now| at(TimerKind::Release, head, &[Feed::Settled], now);
    assert_eq!(released(&unsettled(), 1_219), Look::Move(Minute(22)));
    assert_eq!(released(&unsettled(), 1_220), RELEASE);
}

#[test]
fn a_subject_whose_clock_is_ahead_is_released_two_minutes_after_its_newest_observation() {
    let ahead = Head { watermark: Some(second(1_400)), ..unsettled() };
    let released = |now| at(TimerKind::Release, &ahead, &[Feed::Settled], now);
    assert_eq!(released(1_220), Look::Move(Minute(25)));
    assert_eq!(released(1_520), RELEASE);
}

#[test]
fn a_subject_without_unsettled_events_or_without_a_feed_for_them_is_finished() {
    let settled = Head { released: Some(second(1_000)), ..unsettled() };
    assert_eq!(at(TimerKind::Release, &settled, &[Feed::Settled], 9_000), Look::Finish);
    assert_eq!(at(TimerKind::Release, &unsettled(), &[Feed::Views], 9_000), Look::Finish);
}

#[test]
fn stale_views_are_carried_after_a_minute_where_a_feed_waits_else_after_an_hour() {
    let carried = |enabled: &[Feed], now| at(TimerKind::Carry, &stale(2_000), enabled, now);
    assert_eq!(carried(&[Feed::Views], 2_059), Look::Move(Minute(36)));
    assert_eq!(carried(&[Feed::Views], 2_060), Look::Carry);
    assert_eq!(carried(&[], 2_060), Look::Move(Minute(93)));
    assert_eq!(carried(&[], 5_600), Look::Carry);
    assert_eq!(at(TimerKind::Carry, &unsettled(), &[Feed::Views], 9_000), Look::Finish);
}

#[test]
fn a_resend_is_always_touched() {
    let expected = Look::Touch(Touch::Resend);
    assert_eq!(at(TimerKind::Resend, &unsettled(), &[], 0), expected);
}

#[test]
fn a_subject_that_does_not_exist_or_was_forgotten_is_finished() {
    let forgotten = stale(0).forget();
    for kind in TimerKind::ALL {
        for head in [Head::default(), forgotten.clone()] {
            assert_eq!(at(kind, &head, &Feed::ALL, 9_000), Look::Finish, "{kind:?}");
        }
    }
}

#[test]
fn the_wait_after_failures_doubles_up_to_a_limit() {
    let waits = [0, 1, 2, 3, 4, 5, 6, u32::MAX].map(|failures| next_try(failures, second(0)).0);
    assert_eq!(waits, [2, 2, 4, 8, 16, 32, 32, 32]);
}
