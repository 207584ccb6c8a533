//! The writes and refusals of a plan.

mod feeds;
mod placement;
mod rules;
mod versions;

use serde_json::json;

use super::*;
use crate::base::limits;
use crate::intake::contract::sample::at;
use crate::registry::{Submitted, Text};

const NOW: &str = "2026-11-21T06:00:00Z";
const BY: &str = "ann@cli";

fn text(origin: &str, json: &Value) -> Text {
    Text { origin: origin.to_owned(), json: json.to_string() }
}

fn contracts(documents: &[Value]) -> Submitted {
    let contracts = documents.iter().map(|document| text("contract", document)).collect();
    Submitted { contracts, ..Submitted::default() }
}

fn tenants(documents: &[Value]) -> Submitted {
    let tenants = documents.iter().map(|document| text("tenant", document)).collect();
    Submitted { tenants, ..Submitted::default() }
}

fn plan(submitted: &Submitted, stored: &Stored) -> Plan {
    submitted.check().expect("documents").plan(stored, (BY, at(NOW))).expect("a plan")
}

/// Applies a plan.
fn apply(stored: &mut Stored, plan: Plan) {
    for write in plan.writes {
        match write.change {
            Change::Put { document, replaces } => {
                let old = stored.insert(write.name, document);
                assert_eq!(old.map(|old| old.revision), replaces);
            }
            Change::Delete => assert!(stored.remove(&write.name).is_some()),
        }
    }
}

fn applied(submitted: &Submitted) -> Stored {
    let mut stored = Stored::new();
    apply(&mut stored, plan(submitted, &Stored::new()));
    stored
}

fn contract(name: &str, measures: &[(&str, &str)]) -> Value {
    let measures: Vec<Value> =
        measures.iter().map(|(name, path)| json!({"name": name, "path": path})).collect();
    json!({"name": name, "subject": {"kind": "thing", "id": {"path": "/id"}},
        "type": {"const": "seen"}, "payload": {"path": ""}, "measures": measures})
}

fn refusals(submitted: &Submitted, stored: &Stored, expected: &[&str]) {
    let refused = submitted.check().and_then(|checked| checked.plan(stored, (BY, at(NOW))));
    let found = refused.expect_err("refusals");
    let paths: Vec<&str> = found.iter().map(|refusal| refusal.fault.path.as_str()).collect();
    assert_eq!(paths, expected, "{found:?}");
}

#[test]
fn the_revision_is_written_last_and_unchanged_documents_are_not_written() {
    let submitted = contracts(&[contract("one", &[]), contract("two", &[])]);
    let first = plan(&submitted, &Stored::new());
    assert_eq!(first.revision, 1);
    let names: Vec<String> = first.writes.iter().map(|write| write.name.storage_key()).collect();
    assert_eq!(names, ["C#one@1", "C#one", "C#two@1", "C#two", "REV"]);
    let stored = applied(&submitted);
    assert_eq!(plan(&submitted, &stored), Plan { revision: 1, writes: Vec::new() });
}

fn key(id: &str, digit: &str) -> Value {
    json!({"id": id, "sha256": digit.repeat(64), "scopes": ["read"]})
}

fn key_name(digit: &str) -> DocumentName {
    DocumentName::Key(digit.repeat(64))
}

#[test]
fn a_key_that_a_tenant_no_longer_lists_is_removed() {
    let mut stored =
        applied(&tenants(&[json!({"id": "a", "keys": [key("k", "1"), key("l", "2")]})]));
    assert!(stored.contains_key(&key_name("1")));
    let next = plan(&tenants(&[json!({"id": "a", "keys": [key("l", "2")]})]), &stored);
    apply(&mut stored, next);
    assert!(!stored.contains_key(&key_name("1")));
    assert!(stored.contains_key(&key_name("2")));
}

#[test]
fn a_key_belongs_to_one_tenant_and_may_move() {
    let both =
        [json!({"id": "a", "keys": [key("k", "1")]}), json!({"id": "b", "keys": [key("k", "1")]})];
    refusals(&tenants(&both), &Stored::new(), &["/keys/0/sha256"]);
    let mut stored = applied(&tenants(&both[..1]));
    refusals(&tenants(&both[1..]), &stored, &["/keys/0/sha256"]);
    let moved = plan(&tenants(&[json!({"id": "a"}), both[1].clone()]), &stored);
    apply(&mut stored, moved);
    let grant = KeyGrant::read(serde_json::from_str(&stored[&key_name("1")].json).expect("JSON"));
    assert_eq!(grant.expect("a grant").tenant().id().as_str(), "b");
}

#[test]
fn documents_that_contradict_each_other_are_refused() {
    let twice = contracts(&[contract("one", &[]), contract("one", &[])]);
    refusals(&twice, &Stored::new(), &["/name"]);
    let unknown = tenants(&[json!({"id": "a", "default_contract": "none"})]);
    refusals(&unknown, &Stored::new(), &["/default_contract"]);
    let routes = json!({"topics": {"t": {"contract": "none", "tenant": {"const": "a"}}}});
    let topics = Submitted { topics: Some(text("topics", &routes)), ..Submitted::default() };
    refusals(&topics, &Stored::new(), &["/topics/t/contract"]);
    let with_contract = Submitted { contracts: vec![text("c", &contract("none", &[]))], ..topics };
    assert_eq!(plan(&with_contract, &Stored::new()).writes.len(), 4);
}

#[test]
fn every_fault_of_every_document_is_reported_with_its_origin() {
    let mut wrong = contract("one", &[("a", "/a")]);
    wrong["measures"][0]["since"] = json!(NOW);
    let submitted = Submitted {
        rules: Vec::new(),
        tenants: vec![text("tenants/a.json", &json!({"id": "A", "x": 1}))],
        contracts: vec![text("contracts/one.json", &wrong)],
        topics: None,
    };
    let found = submitted.check().expect_err("refusals");
    let found: Vec<(&str, &str)> =
        found.iter().map(|one| (one.origin.as_str(), one.fault.path.as_str())).collect();
    let tenant = "tenants/a.json";
    assert_eq!(found.len(), 3);
    for expected in [(tenant, "/id"), (tenant, "/x"), ("contracts/one.json", "/measures/0/since")] {
        assert!(found.contains(&expected), "{found:?}");
    }
}

#[test]
fn a_plan_reads_the_named_documents_and_their_references() {
    let routes = json!({"topics": {"t": {"contract": "c", "tenant": {"const": "a"}}}});
    let submitted = Submitted {
        rules: Vec::new(),
        tenants: vec![text("t", &json!({"id": "a", "keys": [key("k", "1")]}))],
        contracts: vec![text("c", &contract("one", &[]))],
        topics: Some(text("topics", &routes)),
    };
    let checked = submitted.check().expect("documents");
    let names = checked.names().map(|(origin, name)| (origin, name.storage_key()));
    let expected = [("t", "T#a"), ("c", "C#one"), ("topics", "R#t")];
    assert_eq!(names.collect::<Vec<_>>(), expected.map(|(origin, key)| (origin, key.to_owned())));
    let reads = checked.reads();
    let keys: Vec<String> = reads.iter().map(DocumentName::storage_key).collect();
    let key = format!("K#{}", "1".repeat(64));
    assert_eq!(keys, ["T#a", "C#c", "C#one", "C#telemetry", "A#a", "R#t", key.as_str(), "REV"]);
}

/// The revision document without the versions of the contracts.
fn revision(stored: &Stored) -> String {
    let document = &stored[&DocumentName::Revision].json;
    let mut document: Value = serde_json::from_str(document).expect("JSON");
    document.as_object_mut().expect("an object").remove("contracts");
    document.to_string()
}

#[test]
fn the_revision_keeps_the_current_version_of_every_contract() {
    let mut stored = applied(&contracts(&[contract("one", &[]), contract("two", &[])]));
    let changed = plan(&contracts(&[contract("two", &[("a", "/a")])]), &stored);
    apply(&mut stored, changed);
    let document: Value =
        serde_json::from_str(&stored[&DocumentName::Revision].json).expect("JSON");
    assert_eq!(document["contracts"], json!({"one": 1, "two": 2}));
}

fn of_kind(name: &str, kind: &str) -> Value {
    let mut contract = contract(name, &[]);
    contract["subject"]["kind"] = json!(kind);
    contract
}

#[test]
fn the_revision_keeps_every_kind_that_a_contract_ever_had() {
    let mut stored = applied(&tenants(&[json!({"id": "a"})]));
    assert_eq!(revision(&stored), "{}");
    let first = plan(&contracts(&[of_kind("one", "pump"), of_kind("two", "door")]), &stored);
    apply(&mut stored, first);
    assert_eq!(revision(&stored), r#"{"kinds":["door","pump"]}"#);
    let submitted = contracts(&[of_kind("one", "valve")]);
    refusals(&submitted, &stored, &["/subject/kind"]);
    let consent = Consent { identities: Identities::MayChange, ..Consent::default() };
    let checked = submitted.check().expect("documents");
    let changed = checked.plan_with(consent, &stored, (BY, at(NOW))).expect("a plan");
    apply(&mut stored, changed);
    assert_eq!(revision(&stored), r#"{"kinds":["door","pump","valve"]}"#);
    let other = plan(&tenants(&[json!({"id": "b"})]), &stored);
    apply(&mut stored, other);
    assert_eq!(revision(&stored), r#"{"kinds":["door","pump","valve"]}"#);
}

#[test]
fn a_revision_without_kinds_gets_them_when_its_contracts_are_applied_again() {
    let submitted = contracts(&[of_kind("one", "pump")]);
    let mut stored = applied(&submitted);
    stored.get_mut(&DocumentName::Revision).expect("a revision").json = "{}".to_owned();
    let again = plan(&submitted, &stored);
    assert_eq!((again.revision, again.writes.len()), (2, 1));
    apply(&mut stored, again);
    assert_eq!(revision(&stored), r#"{"kinds":["pump"]}"#);
    assert_eq!(plan(&submitted, &stored).writes, []);
}

#[test]
fn kinds_of_variants_count_and_kinds_are_bounded() {
    let mut varied = of_kind("one", "pump");
    varied["variants"] = json!([{"when": {"header": "h", "equals": "v"},
        "subject": {"kind": "valve", "id": {"path": "/id"}}}]);
    assert_eq!(revision(&applied(&contracts(&[varied]))), r#"{"kinds":["pump","valve"]}"#);
    let many = |count: usize| -> Vec<Value> {
        (0..count).map(|at| of_kind(&format!("c{at}"), &format!("k{at}"))).collect()
    };
    applied(&contracts(&many(limits::KINDS)));
    refusals(&contracts(&many(limits::KINDS + 1)), &Stored::new(), &["/subject/kind"]);
}

#[test]
fn a_media_type_is_one_contracts_only() {
    let reads = |name: &str, media_types: &[&str]| {
        let mut contract = of_kind(name, "pump");
        contract["media_types"] = json!(media_types);
        contract
    };
    let stored = applied(&contracts(&[reads("one", &["a/B", "a/c"])]));
    assert_eq!(revision(&stored), r#"{"kinds":["pump"],"media_types":{"a/b":"one","a/c":"one"}}"#);
    refusals(&contracts(&[reads("two", &["x/y", "A/b"])]), &stored, &["/media_types/1"]);
    refusals(
        &contracts(&[reads("two", &["x/y"]), reads("three", &["x/y"])]),
        &Stored::new(),
        &["/media_types/0"],
    );
    let mut handed = stored;
    let over = contracts(&[reads("one", &["a/c"]), reads("two", &["a/b"])]);
    let plan = plan(&over, &handed);
    apply(&mut handed, plan);
    assert_eq!(revision(&handed), r#"{"kinds":["pump"],"media_types":{"a/b":"two","a/c":"one"}}"#);
}
