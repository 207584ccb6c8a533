//! Properties of the fold for arbitrary rules, versions and histories: promises 9, 10 and 11.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::condition::{Condition, Part, Test};
use super::naive;
use super::sample::{above, absent, below, is, rule, sample_specs, text, version};
use super::spec::{Clear, Lasting, Rule, RuleVersions, Watched};
use super::{Episode, Episodes, RuleStates};
use crate::base::severity::Severity;
use crate::event::Entry;
use crate::view::sample::{CONTRACT, entry, seconds};

const IDS: [&str; 4] = ["r0", "r1", "r2", "r3"];

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        (0..4i8).prop_map(|bound| above("a", bound.into())),
        (0..4i8).prop_map(|bound| below("a", bound.into())),
        (0..4i8).prop_map(|bound| above("b", bound.into())),
        Just(is("on")),
        Just(text("/text", Test::IsNot(vec![Arc::from("x")]))),
    ]
}

fn lasting() -> impl Strategy<Value = Lasting> {
    prop_oneof![(1..4u32).prop_map(Lasting::Events), (1..15i64).prop_map(Lasting::Seconds)]
}

/// A condition over one part or several, which are added to the parts of a rule.
fn condition(parts: Vec<Part>, combine: usize, all: &mut Vec<Part>) -> Condition {
    let first = all.len();
    all.extend(parts);
    let numbers: Vec<Condition> = (first..all.len()).map(Condition::Part).collect();
    match (numbers.as_slice(), combine) {
        ([one], _) => one.clone(),
        ([one, rest @ ..], 0) => Condition::All(vec![one.clone(), Condition::Any(rest.to_vec())]),
        (_, 1) => Condition::All(numbers),
        _ => Condition::Any(numbers),
    }
}

fn watched() -> impl Strategy<Value = Watched> {
    let when = (prop::collection::vec(part(), 1..4), 0..3usize, any::<bool>());
    let raises = prop::collection::vec((part(), any::<bool>()), 0..3);
    let clear = (0..3u8, prop::collection::vec(part(), 1..3), 0..3usize, 1..15i64);
    (when, lasting(), raises, clear, lasting()).prop_map(|(when, lasting, raises, clear, quiet)| {
        let (mut parts, (when, combine, changes)) = (Vec::new(), when);
        let mut when = when;
        if changes && let Some(first) = when.first_mut() {
            first.test = Test::Changes;
        }
        let when = condition(when, combine, &mut parts);
        let raises = raises.into_iter().map(|(part, critical)| {
            let severity = if critical { Severity::Critical } else { Severity::Error };
            (severity, condition(vec![part], 0, &mut parts))
        });
        let raises = raises.collect();
        let clear = match clear {
            (0, ..) => Clear::NotWhen(quiet),
            (1, when, combine, _) => Clear::When(condition(when, combine, &mut parts), quiet),
            (_, _, _, seconds) => Clear::Quiet(seconds),
        };
        let contract = Arc::from(CONTRACT);
        Watched { contract, parts, when, lasting, clear, raises }
    })
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let one = prop_oneof![
        6 => watched().prop_map(|watched| rule("", watched)),
        1 => (1..15i64).prop_map(|seconds| absent("", seconds)),
    ];
    prop::collection::vec((one, prop::sample::select(&IDS[..])), 1..4).prop_map(|rules| {
        rules.into_iter().map(|(rule, id)| Rule { id: Arc::from(id), ..rule }).collect()
    })
}

/// One to three versions. A later one often keeps rules of the one before.
fn versions() -> impl Strategy<Value = RuleVersions> {
    let changed = || prop::option::of((1..100i64, rules(), any::<bool>()));
    (prop::option::of(0..20i64), rules(), changed(), changed()).prop_map(
        |(from, rules, second, third)| {
            let mut versions = vec![version(1, from, rules)];
            for (number, (from, rules, kept)) in (2..).zip(second.into_iter().chain(third)) {
                let mut rules = rules;
                if kept && let Some(before) = versions.last() {
                    rules.truncate(1);
                    let before = before.rules.values().map(|rule| Rule::clone(rule));
                    rules = before.chain(rules).collect();
                }
                versions.push(version(number, Some(from), rules));
            }
            RuleVersions::new(versions)
        },
    )
}

fn payload() -> impl Strategy<Value = Json> {
    let value = |name: &'static str, value: BoxedStrategy<Json>| {
        prop::option::weighted(0.5, value).prop_map(move |value| (name, value))
    };
    let number = || (-1..6i8).prop_map(Json::from).boxed();
    let word =
        |words: &'static [&'static str]| prop::sample::select(words).prop_map(Json::from).boxed();
    let members = (
        value("a", number()),
        value("b", number()),
        value("status", word(&["on", "off"])),
        value("text", word(&["x", "y"])),
    );
    members.prop_map(|(a, b, status, text)| {
        let members = [a, b, status, text].into_iter();
        let members = members.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Json::Object(members.collect::<Map<_, _>>())
    })
}

/// A sorted history. Some events are late, some are of another contract.
fn history() -> impl Strategy<Value = Vec<Arc<Entry>>> {
    let line = (payload(), 0..12i64, prop_oneof![3 => Just(0i64), 1 => -50..50i64], 0..8u8);
    prop::collection::vec(line, 0..40).prop_map(|lines| {
        let mut at = 0;
        let lines = lines.into_iter().enumerate().map(|(number, (payload, step, delay, other))| {
            at += step;
            let mut entry = Entry::clone(&entry("reading", at, &payload.to_string()));
            entry.position.sequence = number as u64;
            entry.ingested_at = seconds(at + delay);
            if other == 0 {
                entry.contract = Arc::from("other");
            }
            Arc::new(entry)
        });
        lines.collect()
    })
}

fn sorted(mut episodes: Vec<Episode>) -> Vec<Episode> {
    let key = |one: &Episode| {
        let event = one.opened.event.clone();
        (Arc::clone(&one.rule), one.opened.at, event, one.closed.clone())
    };
    episodes.sort_by_key(key);
    episodes
}

/// The episodes of a history that is folded in batches, with the state stored between them.
fn in_batches(
    entries: &[Arc<Entry>],
    versions: &RuleVersions,
    cuts: &[usize],
) -> (RuleStates, Vec<Episode>) {
    let (specs, mut previous) = (sample_specs().with_rules(Arc::new(versions.clone())), None);
    let (mut stored, mut found) = (Vec::new(), Episodes::default());
    for (number, entry) in entries.iter().enumerate() {
        let mut states = RuleStates::decode(&stored).expect("states that were stored");
        if cuts.contains(&number) {
            // A reader knows only the state.
            let open: Vec<Episode> = Episodes::open_in(&states).list().to_vec();
            let known = found.list().iter().filter(|one| one.closed.is_none()).cloned();
            assert_eq!(sorted(open), sorted(known.collect()));
        }
        found.take(states.apply(entry, previous, &specs));
        previous = Some(entry.position.observed_at);
        stored = states.encode();
        assert!(stored.len() <= RuleStates::LARGEST);
    }
    (RuleStates::decode(&stored).expect("states"), found.list().to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_fold_finds_the_naive_episodes(
        entries in history(),
        versions in versions(),
    ) {
        let (states, found) = super::sample::folded(&entries, &versions);
        let expected = naive::episodes(&entries, &sample_specs(), &versions, &IDS);
        prop_assert_eq!(sorted(found), sorted(expected));
        prop_assert!(states.encode().len() <= RuleStates::LARGEST);
        prop_assert_eq!(states.over(), 0);
    }

    #[test]
    fn storing_the_states_between_entries_changes_nothing(
        entries in history(),
        versions in versions(),
        cuts in prop::collection::vec(0..40usize, 0..5),
    ) {
        let whole = super::sample::folded(&entries, &versions);
        prop_assert_eq!(in_batches(&entries, &versions, &cuts), whole);
    }

    #[test]
    fn damaged_bytes_are_refused_or_are_states(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(states) = RuleStates::decode(&bytes) {
            prop_assert_eq!(RuleStates::decode(&states.encode()), Ok(states));
        }
    }

    #[test]
    fn a_rule_that_is_off_costs_nothing(entries in history()) {
        let rules = vec![rule("r0", super::sample::simple(above("a", 100.0))), absent("r1", 1_000)];
        let (states, episodes) = super::sample::folded(&entries, &super::sample::always(rules));
        prop_assert_eq!((states.encode(), episodes), (Vec::new(), Vec::new()));
    }
}

#[test]
fn the_generated_payloads_are_read() {
    let entries = [entry("reading", 0, &json!({"a": 5}).to_string())];
    let versions = super::sample::always(vec![rule("r0", super::sample::simple(above("a", 4.0)))]);
    assert_eq!(super::sample::folded(&entries, &versions).1.len(), 1);
}
