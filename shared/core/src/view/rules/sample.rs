//! Sample rules and entries for tests.

use std::sync::Arc;

use jsonptr::PointerBuf;
use serde_json::Value as Json;

use super::condition::{Bound, Condition, Part, Range, Source, Test};
use super::spec::{Clear, Lasting, Rule, RuleVersion, RuleVersions, Watch, Watched};
use super::{Episode, Episodes, RuleStates};
use crate::base::severity::Severity;
use crate::event::Entry;
use crate::view::sample::{CONTRACT, entry, measure, seconds, specs, status};
use crate::view::{MeasureSpec, Specs, ViewSpec};

/// The contract has the measures `a` (in celsius) and `b`, and a status.
pub(super) fn sample_specs() -> Specs {
    let celsius = MeasureSpec { unit: Some(Arc::from("celsius")), ..measure("a", "/a") };
    specs(ViewSpec {
        measures: vec![celsius, measure("b", "/b")],
        status: Some(status("/status")),
        location: None,
    })
}

pub(super) fn number(name: &str, lower: Option<Bound>, upper: Option<Bound>) -> Part {
    let source = Source::Measure { name: Arc::from(name), unit: None };
    Part { source, test: Test::Within(Range { lower, upper }) }
}

pub(super) fn above(name: &str, bound: f64) -> Part {
    number(name, Some(Bound::Open(bound)), None)
}

pub(super) fn below(name: &str, bound: f64) -> Part {
    number(name, None, Some(Bound::Open(bound)))
}

pub(super) fn is(text: &str) -> Part {
    Part { source: Source::Status, test: Test::Is(vec![Arc::from(text)]) }
}

pub(super) fn text(path: &str, test: Test) -> Part {
    Part { source: Source::Text(PointerBuf::parse(path).expect("a pointer")), test }
}

/// A rule that opens at once and closes when its one part no longer holds.
pub(super) fn simple(part: Part) -> Watched {
    Watched {
        contract: Arc::from(CONTRACT),
        parts: vec![part],
        when: Condition::Part(0),
        lasting: Lasting::Events(1),
        clear: Clear::NotWhen(Lasting::Events(1)),
        raises: Vec::new(),
    }
}

pub(super) fn rule(id: &str, watched: Watched) -> Rule {
    Rule::new(Arc::from(id), Severity::Warning, watched)
}

pub(super) fn absent(id: &str, seconds: i64) -> Rule {
    let watch = Watch::Absence { seconds, kinds: Vec::new() };
    Rule { id: Arc::from(id), severity: Severity::Warning, watch }
}

/// Rules from a second on; `None`: always.
pub(super) fn version(number: u32, from: Option<i64>, rules: Vec<Rule>) -> RuleVersion {
    let rules = rules.into_iter().map(|rule| (Arc::clone(&rule.id), Arc::new(rule)));
    RuleVersion { number, starts_at: from.map(seconds), rules: rules.collect() }
}

pub(super) fn always(rules: Vec<Rule>) -> RuleVersions {
    RuleVersions::new(vec![version(1, None, rules)])
}

pub(super) fn entries(lines: &[(i64, Json)]) -> Vec<Arc<Entry>> {
    lines.iter().map(|(at, payload)| entry("reading", *at, &payload.to_string())).collect()
}

/// Folds entries, and returns the states and the episodes.
pub(super) fn folded(
    entries: &[Arc<Entry>],
    versions: &RuleVersions,
) -> (RuleStates, Vec<Episode>) {
    let (mut states, mut episodes) = (RuleStates::default(), Episodes::default());
    let (specs, mut previous) = (sample_specs().with_rules(Arc::new(versions.clone())), None);
    for entry in entries {
        episodes.take(states.apply(entry, previous, &specs));
        previous = Some(entry.position.observed_at);
    }
    (states, episodes.list().to_vec())
}
