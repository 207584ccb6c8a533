//! Rules of every form, and what a late event does to their episodes.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::condition::{Bound, Condition, Source, Test};
use super::sample::{
    above, absent, always, below, entries, folded, is, number, rule, simple, text, version,
};
use super::spec::{Clear, Lasting, Rule, RuleVersions, Watched};
use super::{Ending, Episode, Value};
use crate::base::limits;
use crate::base::severity::Severity;
use crate::event::Entry;
use crate::view::sample::seconds;

/// `opened-closed ending`, in seconds, with severity and value where they are not the usual ones.
fn shown(episode: &Episode) -> String {
    let at = |moment: &super::Moment| moment.at.whole_seconds();
    let mut text = format!("{}-", at(&episode.opened));
    if let Some((end, ending)) = &episode.closed {
        text.push_str(&format!("{} {}", at(end), ending.as_str()));
    }
    if episode.severity != Severity::Warning {
        text.push_str(&format!(" {}", episode.severity.as_str()));
    }
    match &episode.value {
        Some(Value::Number(value)) => text.push_str(&format!(" {value}")),
        Some(Value::Text(value)) => text.push_str(&format!(" {value}")),
        None => {}
    }
    text
}

fn check_all(versions: &RuleVersions, entries: &[Arc<Entry>], expected: &[&str]) {
    let found: Vec<String> = folded(entries, versions).1.iter().map(shown).collect();
    assert_eq!(found, expected);
}

fn check(watched: Watched, values: &[(i64, f64)], expected: &[&str]) {
    let lines: Vec<(i64, Json)> = values.iter().map(|(at, a)| (*at, json!({"a": a}))).collect();
    check_all(&always(vec![rule("r", watched)]), &entries(&lines), expected);
}

fn hot() -> Watched {
    simple(above("a", 30.0))
}

#[test]
fn a_rule_is_on_while_its_condition_holds() {
    let values = [(0, 29.0), (1, 31.0), (2, 33.0), (3, 30.0), (4, 31.0)];
    check(hot(), &values, &["1-3 cleared 31", "4- 31"]);
    check(simple(below("a", 30.0)), &values, &["0-1 cleared 29"]);
    let at_least = simple(number("a", Some(Bound::Closed(31.0)), None));
    check(at_least, &values, &["1-3 cleared 31", "4- 31"]);
    let between = number("a", Some(Bound::Closed(31.0)), Some(Bound::Open(33.0)));
    check(simple(between), &values, &["1-2 cleared 31", "4- 31"]);
}

#[test]
fn a_condition_may_have_to_hold_for_events_or_for_seconds() {
    let three = Watched { lasting: Lasting::Events(3), ..hot() };
    let values = [(0, 31.0), (1, 32.0), (2, 1.0), (3, 33.0), (4, 34.0), (5, 35.0), (6, 1.0)];
    check(three, &values, &["5-6 cleared 35"]);
    let minute = Watched { lasting: Lasting::Seconds(60), ..hot() };
    let values = [(0, 31.0), (59, 32.0), (60, 33.0), (61, 1.0), (62, 31.0), (200, 1.0)];
    check(minute, &values, &["60-61 cleared 33"]);
}

#[test]
fn hysteresis_keeps_an_episode_open_between_its_bounds() {
    let mut watched = hot();
    watched.parts.push(below("a", 28.0));
    watched.clear = Clear::When(Condition::Part(1), Lasting::Seconds(60));
    let values =
        [(0, 31.0), (10, 29.0), (20, 31.0), (30, 27.0), (80, 29.0), (90, 27.0), (150, 26.0)];
    check(watched, &values, &["0-150 cleared 31"]);
}

#[test]
fn a_quiet_end_is_in_event_time_and_seen_at_the_next_event_of_any_kind() {
    let watched = Watched { clear: Clear::Quiet(10), ..simple(is("fault")) };
    let versions = always(vec![rule("r", watched)]);
    let fault = || json!({"status": "fault"});
    let lines = [(0, fault()), (8, json!({"status": "ok"})), (10, fault()), (20, json!({"b": 1}))];
    check_all(&versions, &entries(&lines), &["0- fault"]);
    let more = [&lines[..], &[(21, json!({"b": 1})), (22, fault()), (99, fault())]].concat();
    check_all(&versions, &entries(&more), &["0-20 quiet fault", "22-32 quiet fault", "99- fault"]);
}

#[test]
fn the_highest_severity_counts_with_its_value() {
    let mut watched = hot();
    watched.parts.extend([above("a", 40.0), above("a", 50.0)]);
    watched.raises =
        vec![(Severity::Error, Condition::Part(1)), (Severity::Critical, Condition::Part(2))];
    let values = [(0, 31.0), (1, 41.0), (2, 35.0), (3, 42.0), (4, 20.0), (5, 60.0)];
    check(watched, &values, &["0-4 cleared error 41", "5- critical 60"]);
}

#[test]
fn parts_are_read_from_different_events_as_last_known() {
    let mut watched = hot();
    watched.parts.push(below("b", 5.0));
    let both = || vec![Condition::Part(0), Condition::Part(1)];
    watched.when = Condition::All(both());
    let lines = [
        (0, json!({"a": 31})),
        (1, json!({"b": 4})),
        (2, json!({"c": 1})),
        (3, json!({"a": 20})),
        (4, json!({"b": 3})),
        (5, json!({"a": 31, "b": 9})),
    ];
    let all = always(vec![rule("r", watched.clone())]);
    check_all(&all, &entries(&lines), &["1-3 cleared 4"]);
    watched.when = Condition::Any(both());
    check_all(&always(vec![rule("r", watched)]), &entries(&lines), &["0- 31"]);
}

#[test]
fn texts_and_changes_are_conditions() {
    let lines = [
        (0, json!({"status": "on", "mode": "x"})),
        (1, json!({"status": "on", "mode": "y"})),
        (2, json!({"status": "off", "mode": 7})),
        (3, json!({"status": "off"})),
    ];
    let check = |part, expected: &[&str]| {
        check_all(&always(vec![rule("r", simple(part))]), &entries(&lines), expected);
    };
    check(is("on"), &["0-2 cleared on"]);
    check(text("/mode", Test::IsNot(vec![Arc::from("x")])), &["1- y"]);
    let changes = |source| super::Part { source, test: Test::Changes };
    check(changes(Source::Status), &["2-3 cleared off"]);
}

#[test]
fn a_gap_is_an_episode_from_its_deadline_to_the_next_event() {
    let versions = always(vec![absent("r", 900)]);
    let beat = |at: i64| (at, json!({"b": 1}));
    let lines = [beat(0), beat(900), beat(1_801), beat(4_000)];
    check_all(&versions, &entries(&lines), &["1800-1801 heard", "2701-4000 heard"]);
    // A late heartbeat divides the gap.
    let lines = [beat(0), beat(900), beat(1_801), beat(2_500), beat(4_000)];
    check_all(&versions, &entries(&lines), &["1800-1801 heard", "3400-4000 heard"]);
    let lines = [beat(0), beat(900), beat(1_801), beat(2_700), beat(3_500), beat(4_000)];
    check_all(&versions, &entries(&lines), &["1800-1801 heard"]);
}

#[test]
fn numbers_are_compared_in_the_unit_of_the_rule() {
    let mut watched = hot();
    let fahrenheit = Some(Arc::from("fahrenheit"));
    watched.parts[0].source = Source::Measure { name: Arc::from("a"), unit: fahrenheit };
    check(watched, &[(0, -2.0), (1, 0.0)], &["1- 32"]);
}

#[test]
fn a_late_event_opens_moves_divides_and_withdraws_episodes() {
    let history = [(0, 31.0), (10, 32.0), (20, 33.0), (30, 20.0)];
    let with = |late: (i64, f64)| {
        let mut values = history.to_vec();
        values.push(late);
        values.sort_by_key(|(at, _)| *at);
        values
    };
    let three = || Watched { lasting: Lasting::Events(3), ..hot() };
    check(three(), &history, &["20-30 cleared 33"]);
    check(three(), &with((5, 31.5)), &["10-30 cleared 32"]);
    check(three(), &with((15, 1.0)), &[]);
    check(hot(), &with((15, 1.0)), &["0-15 cleared 31", "20-30 cleared 33"]);
    check(hot(), &with((40, 35.0)), &["0-30 cleared 31", "40- 35"]);
}

fn bound(id: &str, bound: f64) -> Rule {
    rule(id, simple(above("a", bound)))
}

#[test]
fn an_entry_is_read_by_the_version_at_the_earlier_of_its_times() {
    let versions = RuleVersions::new(vec![version(1, Some(100), vec![bound("r", 30.0)])]);
    let hot = |at: i64| (at, json!({"a": 31}));
    check_all(&versions, &entries(&[hot(50), hot(99)]), &[]);
    check_all(&versions, &entries(&[hot(50), hot(100)]), &["100- 31"]);
    // A late event of the morning, and an event with a clock that is ahead.
    let mut late = entries(&[hot(50), hot(120)]);
    for (entry, ingested) in late.iter_mut().zip([150, 80]) {
        Arc::make_mut(entry).ingested_at = seconds(ingested);
    }
    check_all(&versions, &late, &[]);
}

#[test]
fn an_episode_goes_on_under_a_successor_and_ends_with_its_rule() {
    let versions = RuleVersions::new(vec![
        version(1, None, vec![bound("r", 30.0), bound("other", 90.0)]),
        version(2, Some(10), vec![bound("r", 40.0)]),
        version(3, Some(20), Vec::new()),
    ]);
    let line = |at: i64, a: f64| (at, json!({"a": a}));
    let kept = [line(0, 31.0), line(9, 31.0), line(10, 41.0), line(19, 45.0), line(25, 45.0)];
    check_all(&versions, &entries(&kept), &["0-25 rule removed 31"]);
    let cleared = [line(0, 31.0), line(11, 39.0)];
    check_all(&versions, &entries(&cleared), &["0-11 cleared 31"]);
}

#[test]
fn another_condition_starts_to_count_again_and_another_time_goes_on() {
    let twice =
        |bound, events| Watched { lasting: Lasting::Events(events), ..simple(above("a", bound)) };
    let check = |second: Watched, expected: &[&str]| {
        let versions = RuleVersions::new(vec![
            version(1, None, vec![rule("r", twice(30.0, 3))]),
            version(2, Some(10), vec![rule("r", second)]),
        ]);
        let line = |at: i64| (at, json!({"a": 45}));
        check_all(&versions, &entries(&[line(0), line(1), line(10), line(11)]), expected);
    };
    check(twice(30.0, 3), &["10- 45"]);
    check(twice(40.0, 2), &["11- 45"]);
    check(twice(30.0, 4), &["11- 45"]);
}

#[test]
fn a_subject_has_states_of_a_bounded_number_of_rules() {
    let rules = (0..=limits::RULE_STATES).map(|number| bound(&format!("r{number:02}"), 30.0));
    let versions = always(rules.collect());
    let lines = [(0, json!({"a": 31})), (1, json!({"a": 32}))];
    let (states, episodes) = folded(&entries(&lines), &versions);
    assert_eq!((episodes.len(), states.over()), (limits::RULE_STATES, 2));
}

#[test]
fn the_largest_states_have_their_stated_size() {
    let long = |number: usize| format!("{number:0>width$}", width = limits::RULE_ID_BYTES);
    let rules = (0..limits::RULE_STATES).map(|number| {
        let mut watched = simple(text("/t", Test::Changes));
        watched.parts.extend((1..limits::RULE_PARTS).map(|_| text("/t", Test::IsNot(Vec::new()))));
        let rest = (1..limits::RULE_PARTS).map(Condition::Part).collect();
        watched.when = Condition::Any(rest);
        watched.clear = Clear::NotWhen(Lasting::Events(u32::MAX));
        rule(&long(number), watched)
    });
    let lines = [(0, json!({"t": "x".repeat(100)}))];
    let mut entries = entries(&lines);
    let id = crate::base::id::EventId::parse(&"e".repeat(crate::base::id::EVENT_ID_LIMIT));
    Arc::make_mut(&mut entries[0]).position.event_id = id.expect("an id");
    let (states, _) = folded(&entries, &always(rules.collect()));
    let size = states.encode().len();
    assert!(size <= super::RuleStates::LARGEST, "{size}");
    assert!(size > super::RuleStates::LARGEST * 3 / 4, "{size} {}", super::RuleStates::LARGEST);
}

#[test]
fn a_state_of_another_format_is_told_from_a_damaged_one() {
    use super::{RuleStates, UndecodableRules};
    assert_eq!(RuleStates::decode(&[9, 0]), Err(UndecodableRules::Format(9)));
    assert_eq!(RuleStates::decode(&[1, 5]), Err(UndecodableRules::Damaged));
    assert_eq!(RuleStates::decode(&[]), Ok(RuleStates::default()));
}

#[test]
fn every_ending_has_a_word() {
    let endings = [Ending::Cleared, Ending::Quiet, Ending::Heard, Ending::RuleRemoved];
    let words: Vec<_> = endings.map(Ending::as_str).to_vec();
    assert_eq!(words, ["cleared", "quiet", "heard", "rule removed"]);
}
