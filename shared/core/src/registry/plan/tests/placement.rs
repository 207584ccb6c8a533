//! Moves of tenants to another ledger table.

use super::*;

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
