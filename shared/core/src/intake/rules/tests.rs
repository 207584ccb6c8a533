//! Documents of rules: every form is read, and every fault is named with its path.

use serde_json::{Value, json};

use super::{Facts, Rules, Summary};
use crate::base::limits;
use crate::base::severity::Severity;
use crate::view::rules::{
    Bound, Clear, Condition, Lasting, Part, Range, Source, Test, Value as Read, Watched,
};

/// A document with one rule, which watches the temperature unless it says something else.
fn document(members: &Value) -> Value {
    let mut rule = json!({"id": "r", "contract": "telemetry", "measure": "temperature"});
    for (name, value) in members.as_object().expect("members") {
        rule[name] = value.clone();
    }
    json!({"tenant": "a", "rules": [rule]})
}

fn watched(members: &Value) -> Watched {
    let rules = Rules::check(&document(members)).unwrap_or_else(|faults| panic!("{faults:?}"));
    rules.meanings[0].watched.clone().expect("a rule about values")
}

fn faults(document: &Value) -> Vec<String> {
    let faults = Rules::check(document).expect_err("faults");
    faults.iter().map(ToString::to_string).collect()
}

/// The path and a part of the message of the only fault.
fn check(members: &Value, path: &str, message: &str) {
    let found = faults(&document(members));
    let [fault] = found.as_slice() else { panic!("{members}: {found:#?}") };
    let expected = format!("/rules/0{path}: ");
    assert!(fault.starts_with(&expected) && fault.contains(message), "{members}: {fault}");
}

fn number(lower: Option<Bound>, upper: Option<Bound>) -> Part {
    let source = Source::Measure { name: "temperature".into(), unit: None };
    Part { source, test: Test::Within(Range { lower, upper }) }
}

#[test]
fn every_comparison_is_read() {
    let part = |condition: Value| watched(&json!({"when": condition})).parts.remove(0);
    assert_eq!(part(json!({"above": 30})), number(Some(Bound::Open(30.0)), None));
    assert_eq!(part(json!({"at_least": 30})), number(Some(Bound::Closed(30.0)), None));
    let range = number(Some(Bound::Closed(2.0)), Some(Bound::Open(8.5)));
    assert_eq!(part(json!({"at_least": 2, "below": 8.5})), range);
    assert_eq!(part(json!({"at_most": 2})), number(None, Some(Bound::Closed(2.0))));
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).into()).collect();
    let status = part(json!({"measure": "status", "is": "fault"}));
    assert_eq!(status, Part { source: Source::Status, test: Test::Is(texts(&["fault"])) });
    let mode = part(json!({"text": "/mode", "is_not": ["a", "b"]}));
    assert_eq!(mode.test, Test::IsNot(texts(&["a", "b"])));
    assert!(matches!(mode.source, Source::Text(path) if path.as_str() == "/mode"));
    assert_eq!(part(json!({"changes": true})).test, Test::Changes);
}

#[test]
fn conditions_are_combined_and_numbered() {
    let nested = json!({"when": {"all": [
        {"above": 30},
        {"any": [{"measure": "humidity", "above": 80}, {"measure": "status", "is": "wet"}]},
    ]}});
    let rule = watched(&nested);
    let any = Condition::Any(vec![Condition::Part(1), Condition::Part(2)]);
    assert_eq!(rule.when, Condition::All(vec![Condition::Part(0), any]));
    assert_eq!(rule.parts.len(), 3);
}

#[test]
fn times_ends_and_severities_are_read() {
    let plain = watched(&json!({"when": {"above": 30}}));
    assert_eq!(plain.lasting, Lasting::Events(1));
    assert_eq!(plain.clear, Clear::NotWhen(Lasting::Events(1)));
    let rule = watched(&json!({
        "when": {"above": 30}, "for": {"seconds": 120},
        "clear": {"below": 28, "for": {"seconds": 60}},
        "severity": [{"severity": "warning"}, {"severity": "critical", "when": {"above": 40}}],
    }));
    assert_eq!(rule.lasting, Lasting::Seconds(120));
    assert_eq!(rule.raises, [(Severity::Critical, Condition::Part(1))]);
    assert_eq!(rule.clear, Clear::When(Condition::Part(2), Lasting::Seconds(60)));
    let clear = |clear: Value| watched(&json!({"when": {"above": 30}, "clear": clear})).clear;
    assert_eq!(clear(json!({"after_seconds": 600})), Clear::Quiet(600));
    assert_eq!(clear(json!({"for": {"events": 3}})), Clear::NotWhen(Lasting::Events(3)));
}

#[test]
fn the_unit_of_a_rule_belongs_to_its_measure() {
    let rule = watched(&json!({"unit": "fahrenheit", "when": {"all": [
        {"above": 80}, {"measure": "humidity", "above": 80}, {"unit": "kelvin", "below": 400},
    ]}}));
    let units = rule.parts.iter().map(|part| match &part.source {
        Source::Measure { unit, .. } => unit.as_deref(),
        Source::Status | Source::Text(_) => None,
    });
    assert_eq!(units.collect::<Vec<_>>(), [Some("fahrenheit"), None, Some("kelvin")]);
}

#[test]
fn a_fault_of_a_condition_names_its_place() {
    check(&json!({"when": {"abov": 30}}), "/when/abov", "no such field is known");
    check(&json!({"when": {"above": "30"}}), "/when/above", "not of type \"number\"");
    check(&json!({"when": {"above": 30, "at_least": 3}}), "/when", "one lower");
    check(&json!({"when": {"above": 30, "below": 30}}), "/when", "no number is within");
    check(&json!({"when": {"at_least": 31, "at_most": 30}}), "/when", "no number is within");
    check(&json!({"when": {"above": 30, "changes": true}}), "/when", "one kind of comparison");
    check(&json!({"when": {"measure": "humidity"}}), "/when", "expected a comparison");
    check(&json!({"when": {"measure": "status", "above": 1}}), "/when", "a text is compared by");
    check(&json!({"when": {"is": "on"}}), "/when", "a number is compared by");
    check(&json!({"when": {"text": "mode", "is": "on"}}), "/when/text", "does not match");
    check(&json!({"when": {"text": "/~2", "is": "on"}}), "/when/text", "a JSON Pointer");
    check(&json!({"when": {"text": "/m", "unit": "V", "is": "on"}}), "/when", "no unit");
    let both = json!({"when": {"text": "/m", "measure": "status", "is": "on"}});
    check(&both, "/when", "measure or text, not both");
    check(&json!({"when": {"is": []}}), "/when/is", "");
    check(&json!({"when": {"all": [{"above": 1}], "above": 2}}), "/when", "all stands alone");
    check(&json!({"when": {"all": [{"above": 1}], "any": [{"above": 2}]}}), "/when", "not both");
    check(&json!({"when": {"any": [{"above": 1}, {"below": true}]}}), "/when/any/1/below", "");
    let deep = json!({"any": [{"all": [{"any": [{"all": [{"above": 1}]}]}]}]});
    check(&json!({"when": deep}), "/when/any/0/all/0/any/0", "nested too deeply");
    let many: Vec<Value> = (0..16).map(|bound| json!({"above": bound})).collect();
    let one_more = json!({"when": {"any": many}, "clear": {"below": 0}});
    check(&one_more, "", "too many comparisons: comparisons=`17` limit=`16`");
    let twice = json!({"when": {"any": [{"changes": true}, {"measure": "b", "changes": true}]}});
    check(&twice, "/when/any/1", "changes is for one comparison");
    let cleared = json!({"when": {"above": 1}, "clear": {"changes": true}});
    check(&cleared, "/clear", "changes is for one comparison");
}

#[test]
fn a_fault_of_a_rule_names_its_place() {
    check(&json!({}), "", "expected when or absent");
    let when = |members: Value| {
        let mut members = members;
        members["when"] = json!({"above": 30});
        members
    };
    check(&when(json!({"absent": {"seconds": 9}})), "", "expected when or absent");
    check(&when(json!({"for": {}})), "/for", "expected events or seconds");
    check(&when(json!({"for": {"events": 1, "seconds": 1}})), "/for", "expected events or");
    check(&when(json!({"for": {"events": 1_001}})), "/for/events", "greater than the maximum");
    check(&when(json!({"for": {"seconds": 0}})), "/for/seconds", "less than the minimum");
    check(&when(json!({"clear": {}})), "/clear", "");
    let mixed = json!({"clear": {"after_seconds": 5, "below": 3}});
    check(&when(mixed), "/clear", "after_seconds stands alone");
    check(&when(json!({"severity": "bad"})), "/severity", "");
    let steps = |steps: Value| when(json!({"severity": steps}));
    let above = json!({"severity": "critical", "when": {"above": 40}});
    check(&steps(json!([above])), "/severity", "exactly one severity without when");
    let lower = json!([{"severity": "error"}, {"severity": "info", "when": {"above": 40}}]);
    check(&steps(lower), "/severity/1/severity", "a severity above");
    check(&when(json!({"notify": "later"})), "/notify", "");
    check(&when(json!({"targets": ["a", "a"]})), "/targets/1", "named twice");
    check(&when(json!({"labels": {"a": "b\n"}})), "/labels/a", "control characters");
    check(&when(json!({"labels": {"a b": "c"}})), "/labels", "");
    check(&when(json!({"latch": "yes"})), "/latch", "not of type \"boolean\"");
    check(&when(json!({"summary": "{{value}"})), "/summary", "has no end");
    check(&when(json!({"summary": "{{vale}}"})), "/summary", "expected one of these names");
    let long = "é".repeat(limits::RULE_TEXT_BYTES / 2 + 1);
    check(&when(json!({"description": long})), "/description", "at most 512 bytes");
    check(&when(json!({"id": "No Name"})), "/id", "does not match");
    check(&when(json!({"unknown": 1})), "/unknown", "no such field is known");
}

#[test]
fn a_rule_about_absence_has_nothing_else() {
    let rule = |members: Value| {
        let mut rule = json!({"id": "r", "contract": "c", "absent": {"seconds": 900}});
        for (name, value) in members.as_object().expect("members") {
            rule[name] = value.clone();
        }
        json!({"tenant": "a", "rules": [rule]})
    };
    assert!(Rules::check(&rule(json!({"severity": "critical"}))).is_ok());
    let found = faults(&rule(json!({"measure": "m", "for": {"events": 2}})));
    assert_eq!(
        found,
        [
            "/rules/0/measure: a rule with absent does not have this member",
            "/rules/0/for: a rule with absent does not have this member",
        ]
    );
    let steps = json!({"severity": [{"severity": "info"}]});
    assert_eq!(faults(&rule(steps)), ["/rules/0/severity: a rule with absent has one severity"]);
}

#[test]
fn names_are_unique_and_numbers_are_bounded() {
    let rule = |id: String| json!({"id": id, "contract": "c", "absent": {"seconds": 9}});
    let found = faults(&json!({"tenant": "a", "rules": [rule("r".into()), rule("r".into())]}));
    assert_eq!(found, ["/rules/1/id: two rules have this name"]);
    let rules: Vec<Value> = (0..=10).map(|number| rule(format!("r{number}"))).collect();
    let found = faults(&json!({"tenant": "a", "rules": rules}));
    assert_eq!(found, ["/rules/10/contract: too many rules name this contract: limit=`10`"]);
    let many: Vec<Value> = (0..=limits::RULES)
        .map(|number| json!({"id": format!("r{number}"), "contract": format!("c{number}"), "absent": {"seconds": 9}}))
        .collect();
    let found = faults(&json!({"tenant": "a", "rules": many}));
    assert!(found[0].starts_with("/rules: ") && found.len() == 1, "{found:?}");
    assert_eq!(faults(&json!({"rules": []})), ["/tenant: this field is required"]);
    assert!(Rules::check(&json!({"tenant": "a", "rules": []})).is_ok());
}

#[test]
fn a_summary_is_filled_in_and_what_is_missing_is_left_out() {
    let value = Read::Number(31.5);
    let facts = Facts {
        tenant: "a",
        subject: ("device", "d-1"),
        rule: "hot",
        measure: Some("temperature"),
        value: Some(&value),
        unit: Some("celsius"),
        severity: Severity::Warning,
        opened_at: "2026-11-21T06:10:00.000Z",
    };
    let line = |text: &str, facts: &Facts<'_>| Summary::parse(text).expect("a line").line(facts);
    assert_eq!(line("{{subject.id}} is at {{ value }} {{unit}}", &facts), "d-1 is at 31.5 celsius");
    assert_eq!(line(Summary::USUAL, &facts), "hot: device/d-1 31.5 celsius");
    let silent = Facts { value: None, unit: None, measure: None, ..facts };
    assert_eq!(line(Summary::USUAL, &silent), "hot: device/d-1");
    let all = "{{tenant}} {{subject.kind}} {{measure}} {{severity}} {{opened_at}}";
    assert_eq!(line(all, &facts), "a device temperature warning 2026-11-21T06:10:00.000Z");
}
