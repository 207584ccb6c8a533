//! Rules are checked with the contracts that they name, and become versions for the fold.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Declared, Rules, compiled_against};
use crate::intake::contract::sample::compiled;
use crate::view::rules::{Watch, Watched};

fn declared() -> BTreeMap<String, Declared> {
    let names = ["telemetry", "heartbeat"];
    names.map(|name| (name.to_owned(), Declared::by(&compiled(name)))).into()
}

fn rules(rule: Value) -> Rules {
    Rules::check(&json!({"tenant": "a", "rules": [rule]})).expect("rules")
}

fn check(rule: Value, expected: &[&str]) {
    let faults = compiled_against(&rules(rule), &declared()).expect_err("faults");
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults, expected);
}

#[test]
fn a_contract_decides_what_a_rule_can_watch() {
    let hot = |contract: &str, when: Value| json!({"id": "r", "contract": contract, "when": when});
    check(
        hot("telemetri", json!({"measure": "temperature", "above": 1})),
        &["/rules/0/contract: no contract has this name"],
    );
    check(
        hot(
            "telemetry",
            json!({"any": [{"measure": "humidity", "above": 1}, {"measure": "temp", "above": 1}]}),
        ),
        &[
            "/rules/0/when/any/1: the contract has no measure `temp`; it has: temperature, humidity, battery",
        ],
    );
    check(
        hot("telemetry", json!({"measure": "status", "is": "on"})),
        &["/rules/0/when: the contract has no status"],
    );
    check(
        hot("telemetry", json!({"measure": "temperature", "unit": "percent", "above": 1})),
        &[
            "/rules/0/when: the contract has `temperature` in `celsius`, which does not convert to `percent`",
        ],
    );
    check(
        hot("heartbeat", json!({"measure": "no-such", "above": 1})),
        &["/rules/0/when: the contract has no measure `no-such`; it has: speed, status"],
    );
    for fine in [
        hot("telemetry", json!({"measure": "temperature", "unit": "fahrenheit", "above": 1})),
        hot("telemetry", json!({"text": "/anything", "is": "on"})),
        hot("heartbeat", json!({"measure": "status", "is": "on"})),
    ] {
        assert!(compiled_against(&rules(fine), &declared()).is_ok());
    }
}

#[test]
fn absence_watches_the_kinds_of_its_contract() {
    let silent = rules(json!({"id": "s", "contract": "heartbeat", "absent": {"seconds": 9}}));
    let version = compiled_against(&silent, &declared()).expect("rules");
    match &version.rules["s"].watch {
        Watch::Absence { seconds, kinds } => {
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
            assert_eq!((*seconds, kinds), (9, vec!["asset"]));
        }
        Watch::Values { .. } => panic!("{version:?}"),
    }
}

#[test]
fn rules_with_other_texts_and_times_have_the_same_shape() {
    let shape = |members: Value| {
        let mut rule = json!({"id": "r", "contract": "telemetry", "measure": "temperature", "when": {"above": 30}});
        for (name, value) in members.as_object().expect("members") {
            rule[name] = value.clone();
        }
        let version = compiled_against(&rules(rule), &declared()).expect("rules");
        match &version.rules["r"].watch {
            Watch::Values { shape, .. } => *shape,
            Watch::Absence { .. } => panic!("{version:?}"),
        }
    };
    let usual = shape(json!({}));
    // The digest is stored.
    assert_eq!(usual, 0x2a93_f71b);
    assert_eq!(shape(json!({"summary": "x", "for": {"events": 3}, "latch": true})), usual);
    assert_ne!(shape(json!({"when": {"above": 31}})), usual);
    assert_ne!(shape(json!({"when": {"at_least": 30}})), usual);
    assert_ne!(shape(json!({"clear": {"below": 28}})), usual);
    assert_ne!(shape(json!({"clear": {"after_seconds": 28}})), usual);
}

#[test]
fn every_member_of_a_rule_about_values_reaches_the_fold() {
    let rule = rules(json!({
        "id": "r", "contract": "telemetry", "measure": "temperature", "when": {"above": 30},
        "clear": {"below": 28}, "severity": [{"severity": "info"}, {"severity": "error", "when": {"above": 40}}],
    }));
    let version = compiled_against(&rule, &declared()).expect("rules");
    let Watch::Values { watched, .. } = &version.rules["r"].watch else { panic!("{version:?}") };
    let Watched { contract, parts, raises, .. } = &**watched;
    assert_eq!((&**contract, parts.len(), raises.len()), ("telemetry", 3, 1));
}
