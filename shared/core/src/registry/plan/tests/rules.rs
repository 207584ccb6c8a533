//! Versions of alert rules, and which rules are refused.

use super::*;
use crate::base::id::TenantId;
use crate::registry::StoredRules;
use crate::view::rules::Watch;

fn rules(tenant: &str, rules: &[Value]) -> Text {
    text("rules", &json!({"tenant": tenant, "rules": rules}))
}

fn above(measure: &str, bound: i64) -> Value {
    json!({"id": "r", "contract": "mine", "measure": measure, "when": {"above": bound}})
}

/// The tenant `a`, the contract `mine` with the measure `m`, and these rules.
fn submitted(rules: Text) -> Submitted {
    let tenants = tenants(&[json!({"id": "a"})]).tenants;
    let contracts = contracts(&[contract("mine", &[("m", "/m")])]).contracts;
    Submitted { tenants, contracts, rules: vec![rules], topics: None }
}

fn only(rules: Text) -> Submitted {
    Submitted { rules: vec![rules], ..Submitted::default() }
}

fn version(stored: &Stored, number: Option<u32>) -> StoredRules {
    let tenant = TenantId::parse("a").expect("a name");
    let name = match number {
        None => DocumentName::Rules(tenant),
        Some(number) => DocumentName::RulesVersion(tenant, number),
    };
    StoredRules::parse(&stored[&name]).expect("a version")
}

#[test]
fn changed_rules_are_a_new_version_that_starts_later_and_the_old_version_stays() {
    let mut stored = applied(&submitted(rules("a", &[above("m", 30)])));
    let first = version(&stored, None);
    assert_eq!((first.version, first.applied_by.as_str()), (1, BY));
    assert_eq!(first.starts_at, at(NOW), "nobody knows the tenant yet");
    assert_eq!(version(&stored, Some(1)), first);

    let changed = only(rules("a", &[above("m", 40)]));
    let next = plan(&changed, &stored);
    let written: Vec<String> = next.writes.iter().map(|write| write.name.storage_key()).collect();
    assert_eq!(written, ["A#a@2", "A#a", "REV"]);
    apply(&mut stored, next);
    assert_eq!((version(&stored, None).version, version(&stored, Some(1))), (2, first));
    assert_eq!(version(&stored, None).starts_at, at(NOW).plus_seconds(90));
    assert_eq!(plan(&changed, &stored).writes, [], "the same document is no new version");
}

#[test]
fn a_version_never_starts_before_the_version_before_it() {
    let mut stored = applied(&submitted(rules("a", &[above("m", 30)])));
    let earlier = at(NOW).plus_seconds(-3_600);
    let next = only(rules("a", &[])).check().expect("documents").plan(&stored, (BY, earlier));
    apply(&mut stored, next.expect("a plan"));
    let (first, second) = (version(&stored, Some(1)), version(&stored, Some(2)));
    assert_eq!((second.applied_at, second.starts_at), (earlier, first.starts_at));
}

#[test]
fn rules_without_their_tenant_contract_or_measure_are_refused() {
    let stored = applied(&submitted(rules("a", &[])));
    let check = |rules: Text, path: &str| refusals(&only(rules), &stored, &[path]);
    check(rules("b", &[]), "/tenant");
    check(rules("a", &[above("n", 30)]), "/rules/0/when");
    let silent = json!({"id": "s", "contract": "other", "absent": {"seconds": 9}});
    check(rules("a", &[silent]), "/rules/0/contract");
    // A contract that is applied together with the rules counts, and a built-in one.
    let mut both = submitted(rules("a", &[above("n", 30)]));
    refusals(&both, &stored, &["/rules/0/when"]);
    both.contracts = contracts(&[contract("mine", &[("m", "/m"), ("n", "/n")])]).contracts;
    plan(&both, &stored);
    let built_in = json!({"id": "r", "contract": "telemetry", "measure": "temperature", "when": {"above": 30}});
    plan(&only(rules("a", &[built_in])), &stored);
}

#[test]
fn two_documents_of_one_tenant_are_refused() {
    let twice = vec![rules("a", &[]), rules("a", &[])];
    let found = Submitted { rules: twice, ..Submitted::default() }.check().expect_err("refused");
    assert_eq!(found[0].fault.path, "/tenant");
}

#[test]
fn a_stored_version_is_folded_by_the_kinds_of_its_time() {
    let silent = json!({"id": "s", "contract": "mine", "absent": {"seconds": 9}});
    let stored = applied(&submitted(rules("a", &[silent])));
    let current = version(&stored, None);
    let compiled = current.version(&current.checked().expect("rules")).expect("kinds");
    assert_eq!((compiled.number, compiled.starts_at), (1, Some(at(NOW))));
    let Watch::Absence { kinds, .. } = &compiled.rules["s"].watch else { panic!("{compiled:?}") };
    assert_eq!(kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(), ["thing"]);
}

fn told(targets: &[&str]) -> Value {
    let mut rule = above("m", 30);
    rule["targets"] = json!(targets);
    rule
}

fn with_targets(names: &[&str]) -> Vec<Text> {
    let target = |name: &&str| json!({"id": name, "kind": "sns", "topic": "arn:aws:sns:eu-central-1:111122223333:t"});
    let targets: Vec<Value> = names.iter().map(target).collect();
    tenants(&[json!({"id": "a", "targets": targets})]).tenants
}

#[test]
fn rules_name_only_targets_that_their_tenant_has() {
    let contracts = contracts(&[contract("mine", &[("m", "/m")])]).contracts;
    let both = |names: &[&str], rules: Text| Submitted {
        tenants: with_targets(names),
        contracts: contracts.clone(),
        rules: vec![rules],
        topics: None,
    };
    let mut stored = applied(&both(&["ops", "am"], rules("a", &[told(&["ops"])])));
    let faults = |submitted: &Submitted, stored: &Stored| -> Vec<(String, String)> {
        let plan = submitted.check().expect("documents").plan(stored, (BY, at(NOW)));
        let refusals = plan.err().unwrap_or_default();
        refusals.into_iter().map(|one| (one.fault.path, one.fault.message)).collect()
    };
    // Other rules, with the stored tenant and with a submitted one.
    let unknown = |path: &str| {
        (
            path.to_owned(),
            "the tenant's document has no target with this name: target=`x`".to_owned(),
        )
    };
    let other = only(rules("a", &[told(&["am", "x"])]));
    assert_eq!(faults(&other, &stored), [unknown("/rules/0/targets/1")]);
    assert_eq!(
        faults(&both(&["am"], rules("a", &[told(&["x"])])), &stored),
        [unknown("/rules/0/targets/0")]
    );
    // The tenant loses a target that the stored rules name.
    let less = Submitted { tenants: with_targets(&["am"]), ..Submitted::default() };
    let message = "the tenant's alert rules name another target: rule=`r` target=`ops`";
    assert_eq!(faults(&less, &stored), [("/targets".to_owned(), message.to_owned())]);
    // Both change together.
    let next = plan(&both(&["am"], rules("a", &[told(&["am"])])), &stored);
    apply(&mut stored, next);
    assert_eq!(faults(&less, &stored), []);
}
