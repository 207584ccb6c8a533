//! The keys and minutes of timers.

use super::*;
use crate::base::id::{SubjectId, TenantId};

fn subject(id: &str) -> SubjectKey {
    let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
    scope.subject(SubjectId::parse(id).expect("a subject"))
}

fn timer(id: &str) -> Timer {
    let key = TimerKey { kind: TimerKind::Release, subject: subject(id) };
    Timer { key, minute: Minute(29_000_000), failures: 3 }
}

fn second(at: i64) -> Timestamp {
    Timestamp::MIN.plus_seconds(at - Timestamp::MIN.whole_seconds())
}

#[test]
fn the_words_of_stored_items_never_change() {
    let words: Vec<&str> = TimerKind::ALL.into_iter().map(TimerKind::as_str).collect();
    assert_eq!(words, ["release", "carry", "resend", "absence", "snooze"]);
    for kind in TimerKind::ALL {
        assert_eq!(TimerKind::parse(kind.as_str()), Some(kind));
    }
    let timer = timer("device/d1");
    assert_eq!(timer.partition().key(), "W#29000000#14");
    assert_eq!(timer.key.sort_key(), "release#d8ec314c03349b1402bdd7ced2eb4e35");
}

#[test]
fn an_entry_is_read_as_it_was_written() {
    for id in ["device/d1", "device/a#b%c/d", "user/ü"] {
        let timer = timer(id);
        let subject = timer.key.subject.partition_key();
        let read = Timer::read(timer.minute, &timer.key.sort_key(), &subject, timer.failures);
        assert_eq!(read, Some(timer));
    }
}

#[test]
fn an_entry_of_an_unknown_kind_or_of_another_subject_is_not_read() {
    let timer = timer("device/d1");
    let (sort_key, subject) = (timer.key.sort_key(), timer.key.subject.partition_key());
    let read = |sort_key: &str, subject: &str| Timer::read(timer.minute, sort_key, subject, 0);
    assert!(read(&sort_key, &subject).is_some());
    assert_eq!(read(&sort_key.replace("release", "test"), &subject), None);
    assert_eq!(read(&sort_key, "T#demo#S#device#d2"), None);
    for damaged in ["", "T#demo", "T#demo#S#device", "T#Demo#S#device#d1", "T#demo#S#device#%"] {
        assert_eq!(read(&sort_key, damaged), None, "{damaged}");
    }
    assert_eq!(read("", &subject), None);
}

/// DynamoDB's limit for a sort key is 1,024 bytes, for a partition key 2,048.
#[test]
fn the_keys_of_the_longest_subject_fit_into_dynamodb() {
    let long = |length| "x".repeat(length);
    let scope = TenantScope::by_operator(TenantId::parse(&long(64)).expect("a tenant"));
    let subject = SubjectId::parse(&format!("{}/{}", long(64), "#".repeat(300)));
    let subject = scope.subject(subject.expect("a subject"));
    assert!(subject.partition_key().len() < 2_048);
    let key = TimerKey { kind: TimerKind::Release, subject };
    assert!(key.sort_key().len() < 1_024);
}

#[test]
fn subjects_are_spread_over_all_shards() {
    let shards: std::collections::BTreeSet<u8> =
        (0..500).map(|number| timer(&format!("device/d{number}")).key.shard()).collect();
    assert_eq!(shards, (0..SHARDS).collect());
}

#[test]
fn a_timer_is_at_least_three_minutes_from_being_swept_when_it_is_set() {
    for at in [0, 59, 60, 61, 119] {
        let now = second(at);
        let set = Minute::earliest(now);
        assert!(set > Minute::newest_swept(now.plus_seconds(3 * 60)), "{at}");
        assert!(set <= Minute::newest_swept(now.plus_seconds(4 * 60)), "{at}");
    }
}

#[test]
fn minutes_before_1970_are_rounded_down() {
    assert_eq!(Minute::of(second(-1)), Minute(-1));
    assert_eq!(Minute::of(second(0)), Minute(0));
}
