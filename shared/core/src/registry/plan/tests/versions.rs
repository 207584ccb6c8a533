//! Versions of contracts, and which next versions are refused.

use super::*;

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
