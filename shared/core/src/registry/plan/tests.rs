//! The writes and refusals of a plan.

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

/// Number, person and measures of a stored version; with `None`, of the current version.
fn version(stored: &Stored, name: &str, number: Option<u32>) -> (u32, String, Vec<String>) {
    let name = match number {
        None => DocumentName::Contract(name.to_owned()),
        Some(number) => DocumentName::ContractVersion(name.to_owned(), number),
    };
    let version = StoredContract::parse(&stored[&name]).expect("a version");
    let measures = version.contract.measures.into_iter().map(|measure| measure.name);
    (version.version, version.applied_by, measures.collect())
}

fn refusals(submitted: &Submitted, stored: &Stored, expected: &[&str]) {
    let refused = submitted.check().and_then(|checked| checked.plan(stored, (BY, at(NOW))));
    let found = refused.expect_err("refusals");
    let paths: Vec<&str> = found.iter().map(|refusal| refusal.fault.path.as_str()).collect();
    assert_eq!(paths, expected, "{found:?}");
}

#[test]
fn a_changed_contract_is_a_new_version_and_the_old_version_stays() {
    let mut stored = applied(&contracts(&[contract("mine", &[("a", "/a")])]));
    let first = (1, BY.to_owned(), vec!["a".to_owned()]);
    assert_eq!(version(&stored, "mine", None), first);
    assert_eq!(version(&stored, "mine", Some(1)), first);
    let changed = contracts(&[contract("mine", &[("a", "/a"), ("b", "/b")])]);
    let second = plan(&changed, &stored);
    let written: Vec<String> = second.writes.iter().map(|write| write.name.storage_key()).collect();
    assert_eq!(written, ["C#mine@2", "C#mine", "REV"]);
    apply(&mut stored, second);
    let second = (2, BY.to_owned(), vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(version(&stored, "mine", None), second);
    assert_eq!(version(&stored, "mine", Some(2)), second);
    assert_eq!(version(&stored, "mine", Some(1)), first);
    assert_eq!(plan(&changed, &stored).writes, [], "the same document is no new version");
    let StoredDocument { json, .. } = &stored[&DocumentName::Contract("mine".to_owned())];
    assert!(json.contains(r#""applied_at":"2026-11-21T06:00:00.000Z""#), "{json}");
}

#[test]
fn a_version_that_this_release_cannot_read_is_followed_by_the_next_number() {
    let mut stored = applied(&contracts(&[contract("mine", &[])]));
    let later = json!({"version": 4, "applied_at": NOW, "applied_by": "b", "contract": {"x": 1}});
    let name = DocumentName::Contract("mine".to_owned());
    stored.get_mut(&name).expect("a contract").json = later.to_string();
    let submitted = contracts(&[contract("mine", &[])]);
    refusals(&submitted, &stored, &[""]);
    let consent = Consent { identities: Identities::MayChange, ..Consent::default() };
    let checked = submitted.check().expect("documents");
    let planned = checked.plan_with(consent, &stored, (BY, at(NOW))).expect("a plan");
    apply(&mut stored, planned);
    assert_eq!(version(&stored, "mine", None).0, 5);
}

#[test]
fn a_long_name_of_a_person_is_cut() {
    let submitted = contracts(&[contract("mine", &[])]);
    let by = "\u{e9}".repeat(limits::APPLIED_BY_BYTES);
    let planned = submitted.check().expect("documents").plan(&Stored::new(), (&by, at(NOW)));
    let mut stored = Stored::new();
    apply(&mut stored, planned.expect("a plan"));
    assert_eq!(version(&stored, "mine", None).1.len(), limits::APPLIED_BY_BYTES);
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
    assert_eq!(keys, ["T#a", "C#c", "C#one", "C#telemetry", "R#t", key.as_str(), "REV"]);
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

fn placed(status: &str, placement: Value) -> Submitted {
    tenants(&[json!({"id": "a", "status": status, "placement": placement})])
}

fn refused(submitted: &Submitted, stored: &Stored, moves: Moves) -> Vec<String> {
    let checked = submitted.check().expect("documents");
    match checked.plan_with(Consent { moves, ..Consent::default() }, stored, (BY, at(NOW))) {
        Ok(_) => Vec::new(),
        Err(refusals) => refusals.into_iter().map(|one| one.fault.path).collect(),
    }
}

/// Every change of a placement, and whether it is allowed.
#[test]
fn a_tenant_moves_only_suspended_before_and_after_and_only_on_request() {
    let own = || json!({"table": "ledger-a"});
    let places = [json!("pooled"), own(), json!({"table": "ledger-b"})];
    for (from, to) in places.iter().flat_map(|from| places.iter().map(move |to| (from, to))) {
        for before in ["active", "suspended"] {
            let stored = applied(&placed(before, from.clone()));
            for (after, moves) in [
                ("active", Moves::Refused),
                ("active", Moves::Allowed),
                ("suspended", Moves::Refused),
                ("suspended", Moves::Allowed),
            ] {
                let expected: &[&str] = match (before, after, moves) {
                    _ if from == to => &[],
                    ("active", _, _) => &["/placement"],
                    (_, "active", Moves::Refused) => &["/placement", "/status"],
                    (_, "active", Moves::Allowed) => &["/status"],
                    (_, _, Moves::Refused) => &["/placement"],
                    (_, _, Moves::Allowed) => &[],
                };
                let submitted = placed(after, to.clone());
                let found = refused(&submitted, &stored, moves);
                assert_eq!(found, expected, "{before} {from} to {after} {to}, {moves:?}");
                let moved = submitted.check().expect("documents").moves(&stored).len();
                assert_eq!(moved, usize::from(from != to));
            }
        }
    }
}

#[test]
fn a_new_tenant_may_have_any_placement_and_an_absent_placement_is_the_default() {
    let own = placed("active", json!({"table": "ledger-a"}));
    assert_eq!(refused(&own, &Stored::new(), Moves::Refused), [""; 0]);
    let stored = applied(&tenants(&[json!({"id": "a"})]));
    assert_eq!(refused(&placed("active", json!("pooled")), &stored, Moves::Refused), [""; 0]);
    let stored = applied(&placed("active", json!("pooled")));
    assert_eq!(refused(&tenants(&[json!({"id": "a"})]), &stored, Moves::Refused), [""; 0]);
    // Removing the placement moves the tenant back.
    assert_eq!(
        refused(&tenants(&[json!({"id": "a"})]), &applied(&own), Moves::Refused),
        ["/placement"]
    );
}

/// Documents of another version, and invalid documents.
#[test]
fn an_unreadable_stored_tenant_does_not_count_as_suspended() {
    let stored = |json: &str| {
        let document = StoredDocument { json: json.to_owned(), revision: 1 };
        Stored::from([(
            DocumentName::Tenant(crate::base::id::TenantId::parse("a").expect("an id")),
            document,
        )])
    };
    let pooled = tenants(&[json!({"id": "a", "status": "suspended"})]);
    for (json, expected) in [
        (r#"{"id":"a","more":1,"placement":"pooled"}"#, &[][..]),
        (r#"{"id":"a","more":1,"placement":{"table":"ledger-a"}}"#, &["/placement"]),
        (r#"{"id":"a","status":"frozen","placement":{"table":"ledger-a"}}"#, &["/placement"]),
        (r#"{"id":"a","status":"suspended","placement":{"region":"there"}}"#, &[]),
        (r#"{"id":"a","placement":{"region":"there"}}"#, &["/placement"]),
        ("no JSON", &[]),
    ] {
        assert_eq!(refused(&pooled, &stored(json), Moves::Allowed), expected, "{json}");
    }
}

#[test]
fn a_refusal_names_the_tenant_and_the_remedy() {
    let submitted = placed("active", json!({"table": "ledger-a"}));
    let stored = applied(&placed("active", json!("pooled")));
    let refused = submitted.check().expect("documents").plan(&stored, (BY, at(NOW)));
    let told = refused.expect_err("a refusal")[0].to_string();
    let expected = "tenant: /placement: a tenant can be moved only while it is suspended: apply it with \
                    \"status\":\"suspended\" and its old placement, wait 60 s until every environment \
                    knows and 900 s more until the longest invocation has ended, then apply the new \
                    placement with --move: tenant=`a` from=`the shared ledger` to=`the table ledger-a`";
    assert_eq!(told, expected);
}

fn with_schema(schema: Value) -> Submitted {
    let mut document = contract("one", &[]);
    document["schema"] = schema;
    contracts(&[document])
}

#[test]
fn a_version_must_be_compatible_as_tenants_and_topics_ask() {
    let wide = || with_schema(json!({"type": "object"}));
    let narrow = || with_schema(json!({"type": "object", "required": ["v"]}));
    let asking = |level: &str| {
        let tenant = json!({"id": "a", "default_contract": "one", "compatibility": level});
        Submitted { tenants: vec![text("tenant", &tenant)], ..wide() }
    };
    refusals(&narrow(), &applied(&wide()), &["/schema/required"]);
    assert_eq!(plan(&wide(), &applied(&narrow())).writes.len(), 3);
    refusals(&narrow(), &applied(&asking("full")), &["/schema/required"]);
    assert_eq!(plan(&narrow(), &applied(&asking("forward"))).writes.len(), 3);
    let mut stored = applied(&asking("none"));
    assert_eq!(plan(&narrow(), &stored).writes.len(), 3);
    // A topic asks for more than the tenant.
    let route = json!({"contract": "one", "tenant": {"const": "a"}, "compatibility": "backward"});
    let topics = json!({"topics": {"t": route}});
    let topics = Submitted { topics: Some(text("topics", &topics)), ..Submitted::default() };
    let next = plan(&topics, &stored);
    apply(&mut stored, next);
    refusals(&narrow(), &stored, &["/schema/required"]);
    // The topic takes back what it asked for.
    let topics = json!({"topics": {"t": {"contract": "one", "tenant": {"const": "a"}}}});
    let topics = Submitted { topics: Some(text("topics", &topics)), ..Submitted::default() };
    let next = plan(&topics, &stored);
    apply(&mut stored, next);
    assert_eq!(plan(&narrow(), &stored).writes.len(), 3);
}

#[test]
fn the_next_version_of_a_built_in_contract_is_compared_with_it() {
    let mut telemetry =
        serde_json::to_value(builtin("telemetry").expect("a document")).expect("JSON");
    telemetry["schema"]["required"] = json!(["more"]);
    refusals(&contracts(&[telemetry.clone()]), &Stored::new(), &["/schema/required"]);
    let incompatibilities = Incompatibilities { rejecting: true, undecided: false };
    let consent = Consent { incompatibilities, ..Consent::default() };
    let checked = contracts(&[telemetry]).check().expect("documents");
    assert!(checked.plan_with(consent, &Stored::new(), (BY, at(NOW))).is_ok());
}
