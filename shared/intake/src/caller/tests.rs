//! Authentication and authorization, with a registry in memory.

use drover_core::memory::Memory;
use futures_util::FutureExt as _;

use super::*;

const KEY: &str = "a-key";

fn digits(key: &str) -> String {
    Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000).expect("in range")
}

/// The tenants `demo` and `asleep` (suspended). `KEY` belongs to `tenant` and has the scope
/// `write`.
fn memory(tenant: &str, local: bool) -> Memory {
    let memory = Memory::new(now());
    memory.put_document("T#demo", r#"{"id":"demo"}"#);
    memory.put_document("T#asleep", r#"{"id":"asleep","status":"suspended"}"#);
    let sha256 = digits(KEY);
    let grant = format!(
        r#"{{"tenant":"{tenant}","key":{{"id":"k","sha256":"{sha256}","scopes":["write"],"local":{local}}}}}"#
    );
    memory.put_document(&format!("K#{sha256}"), &grant);
    memory
}

fn admit(
    memory: &Memory,
    mode: AuthMode,
    proof: &Proof,
    needed: Scope,
) -> Result<String, &'static str> {
    let caller = caller(memory, mode, proof, needed);
    caller.map(|caller| caller.scope.tenant().to_string())
}

fn caller(
    memory: &Memory,
    mode: AuthMode,
    proof: &Proof,
    needed: Scope,
) -> Result<Caller, &'static str> {
    let registry = Registry::new();
    let gate = Gate { mode };
    let admitted = gate.admit(proof, needed, now(), &registry, memory).now_or_never();
    admitted.expect("memory never waits").map_err(|denied| denied.error.code())
}

fn bearer(text: &str) -> Proof {
    Proof { authorization: Some(text.as_bytes().to_vec()), claims: None }
}

fn check_key(memory: &Memory, text: &str, needed: Scope, expected: Result<&str, &str>) {
    let admitted = admit(memory, AuthMode::Key(LocalKeys::Refused), &bearer(text), needed);
    assert_eq!(admitted.as_deref().map_err(|code| *code), expected, "{text}");
}

#[test]
fn a_key_admits_its_own_tenant_within_its_scopes() {
    let memory = memory("demo", false);
    check_key(&memory, "Bearer a-key", Scope::Write, Ok("demo"));
    check_key(&memory, "bearer  a-key ", Scope::Write, Ok("demo"));
    check_key(&memory, "Bearer a-key", Scope::Read, Err("forbidden"));
    check_key(&memory, "Bearer a-kez", Scope::Write, Err("unauthorized"));
    for text in ["a-key", "Basic a-key", "Bearer ", "Bearer", "", &"x".repeat(300)] {
        check_key(&memory, text, Scope::Write, Err("unauthorized"));
    }
    let none = Proof::default();
    let mode = AuthMode::Key(LocalKeys::Accepted);
    assert_eq!(admit(&memory, mode, &none, Scope::Write), Err("unauthorized"));
}

#[test]
fn a_suspended_or_unknown_tenant_is_refused() {
    check_key(&memory("asleep", false), "Bearer a-key", Scope::Write, Err("tenant_suspended"));
    check_key(&memory("unknown", false), "Bearer a-key", Scope::Write, Err("unauthorized"));
}

#[test]
fn a_local_key_is_refused_elsewhere() {
    let memory = memory("demo", true);
    check_key(&memory, "Bearer a-key", Scope::Write, Err("unauthorized"));
    let mode = AuthMode::Key(LocalKeys::Accepted);
    assert_eq!(admit(&memory, mode, &bearer("Bearer a-key"), Scope::Write), Ok("demo".to_owned()));
}

/// A stored grant under the digits of another key, as a mistaken write would leave it.
#[test]
fn the_stored_hash_must_equal_the_hash_of_the_sent_key() {
    let memory = memory("demo", false);
    let stored = memory.state().documents.get(&format!("K#{}", digits(KEY))).cloned();
    let stored = stored.expect("the grant");
    memory.state().documents.insert(format!("K#{}", digits("other")), stored);
    check_key(&memory, "Bearer other", Scope::Write, Err("unauthorized"));
}

fn jwt(prefix: &str) -> AuthMode {
    AuthMode::Jwt {
        tenant_claim: "tenant".to_owned(),
        scope_claim: "scope".to_owned(),
        scope_prefix: prefix.to_owned(),
    }
}

fn check_claims(claims: &[(&str, &str)], needed: Scope, expected: Result<&str, &str>) {
    check_prefixed("", claims, needed, expected);
}

fn check_prefixed(
    prefix: &str,
    claims: &[(&str, &str)],
    needed: Scope,
    expected: Result<&str, &str>,
) {
    let memory = memory("demo", false);
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let claims = Some(Claims(claims.iter().map(own).collect()));
    let mode = jwt(prefix);
    let proof = Proof { claims, ..bearer("Bearer a-key") };
    let admitted = admit(&memory, mode, &proof, needed);
    assert_eq!(admitted.as_deref().map_err(|code| *code), expected);
}

#[test]
fn verified_claims_give_tenant_and_scopes_and_a_key_is_ignored() {
    check_claims(&[("tenant", "demo"), ("scope", "read write")], Scope::Write, Ok("demo"));
    check_claims(&[("tenant", "demo"), ("scope", "[write x]")], Scope::Write, Ok("demo"));
    check_claims(&[("tenant", "demo"), ("scope", "rewrite")], Scope::Write, Err("forbidden"));
    check_claims(&[("tenant", "demo")], Scope::Write, Err("forbidden"));
    check_claims(&[("scope", "write")], Scope::Write, Err("unauthorized"));
    check_claims(&[("tenant", "De Mo"), ("scope", "write")], Scope::Write, Err("unauthorized"));
    check_claims(&[("tenant", "unknown"), ("scope", "write")], Scope::Write, Err("unauthorized"));
    let mode = jwt("");
    let without = admit(&memory("demo", false), mode, &bearer("Bearer a-key"), Scope::Write);
    assert_eq!(without, Err("unauthorized"));
}

#[test]
fn a_caller_has_the_name_of_its_credentials() {
    let by = |mode, proof: &Proof| {
        let caller = caller(&memory("demo", false), mode, proof, Scope::Write);
        caller.expect("it passes").by.to_string()
    };
    let key = AuthMode::Key(LocalKeys::Refused);
    assert_eq!(by(key, &bearer("Bearer a-key")), "key:k");
    let jwt = jwt("");
    let token = |subject: Option<&str>| {
        let named = [("tenant", "demo"), ("scope", "write")].into_iter();
        let claims = named.chain(subject.map(|subject| ("sub", subject)));
        let claims = claims.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Proof { claims: Some(Claims(claims.collect())), ..Proof::default() }
    };
    assert_eq!(by(jwt.clone(), &token(Some("a|1\r\nx"))), "token:a|1x");
    assert_eq!(
        by(jwt.clone(), &token(Some(&"x".repeat(500)))),
        format!("token:{}", "x".repeat(128))
    );
    assert_eq!(by(jwt, &token(None)), "token:");
}

#[test]
fn scopes_of_other_systems_and_claims_with_several_tenants_are_refused() {
    let scope = |scope| [("tenant", "demo"), ("scope", scope)];
    check_claims(&scope("billing/admin"), Scope::Admin, Err("forbidden"));
    check_claims(&scope("drover/write"), Scope::Write, Err("forbidden"));
    check_prefixed("drover/", &scope("[drover/write x]"), Scope::Write, Ok("demo"));
    check_prefixed("drover/", &scope("billing/write write"), Scope::Write, Err("forbidden"));
    check_prefixed("drover/", &scope("drover/read"), Scope::Write, Err("forbidden"));
    for tenant in
        ["[demo]", "[demo acme]", r#"["demo"]"#, "demo acme", "demo,acme", " demo", "", "7.5"]
    {
        let claims = [("tenant", tenant), ("scope", "write")];
        check_claims(&claims, Scope::Write, Err("unauthorized"));
    }
}

#[test]
fn a_token_without_a_subject_has_the_name_of_its_client() {
    let named = [("tenant", "demo"), ("scope", "write"), ("client_id", "billing-job")];
    let claims = named.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let claims = Some(Claims(claims.into_iter().collect()));
    let proof = Proof { claims, ..Proof::default() };
    let caller = caller(&memory("demo", false), jwt(""), &proof, Scope::Write);
    assert_eq!(&*caller.expect("it passes").by, "token:billing-job");
}

/// Sums counts over all tenants.
#[derive(Default)]
struct Counted(std::sync::Mutex<f64>);

impl Meter for Counted {
    fn record(&self, _function: &'static str, tally: &Tally, _now: Timestamp) {
        let mut sum = self.0.lock().expect("not poisoned");
        *sum += tally.total(Metric::AuthenticationFailures);
    }
}

#[test]
fn failed_authentication_is_counted_and_a_missing_scope_is_not() {
    let count = |text: &str, needed| {
        let meter = Counted::default();
        let memory = memory("demo", false);
        let registry = Registry::new();
        let gate = Gate { mode: AuthMode::Key(LocalKeys::Refused) };
        let proof = bearer(text);
        let admitted = gate.admit(&proof, needed, now(), &registry, &memory);
        let admitted = admitted.now_or_never().expect("memory never waits");
        let _ = counted(admitted, &meter, "query", now());
        meter.0.into_inner().expect("not poisoned")
    };
    assert!(count("Bearer a-kez", Scope::Write) == 1.0);
    assert!(count("Bearer ", Scope::Write) == 1.0);
    assert!(count("Bearer a-key", Scope::Write) == 0.0);
    assert!(count("Bearer a-key", Scope::Read) == 0.0, "403 is not counted");
}
