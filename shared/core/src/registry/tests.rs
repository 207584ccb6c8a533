//! The cache: lifetimes, freshness and fallbacks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use futures_util::FutureExt as _;
use serde_json::json;

use super::*;
use crate::base::error::{Code, Extent, Reason};
use crate::intake::contract::sample::at;

/// In-memory documents that count reads.
#[derive(Default)]
struct Store {
    documents: Mutex<Stored>,
    reads: Mutex<BTreeMap<DocumentName, usize>>,
}

impl Documents for Store {
    async fn document(&self, name: &DocumentName) -> Result<Option<StoredDocument>, Unavailable> {
        *self.reads.lock().expect("a lock").entry(name.clone()).or_default() += 1;
        Ok(self.documents.lock().expect("a lock").get(name).cloned())
    }
}

impl Store {
    fn set(&self, name: DocumentName, json: impl Into<String>, revision: u64) {
        let document = StoredDocument { json: json.into(), revision };
        self.documents.lock().expect("a lock").insert(name, document);
    }

    fn reads_of(&self, name: &DocumentName) -> usize {
        self.reads.lock().expect("a lock").get(name).copied().unwrap_or(0)
    }
}

fn after(seconds: i64) -> Timestamp {
    at("2026-11-21T06:00:00Z").plus_seconds(seconds)
}

/// Every future is ready, because nothing waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("ready")
}

fn id(name: &str) -> TenantId {
    TenantId::parse(name).expect("a name")
}

fn tenant_name() -> DocumentName {
    DocumentName::Tenant(id("a"))
}

fn contract_name() -> DocumentName {
    DocumentName::Contract("mine".to_owned())
}

fn contract(measure: &str) -> String {
    json!({"name": "mine", "subject": {"kind": "thing", "id": {"path": "/id"}},
        "type": {"const": "seen"}, "payload": {"path": ""},
        "measures": [{"name": measure, "path": "/v"}]})
    .to_string()
}

fn measure(specs: &Specs) -> Option<String> {
    let spec = specs.by_contract.get("mine")?;
    spec.measures.first().map(|measure| measure.name.to_string())
}

#[test]
fn documents_have_the_keys_of_the_registry_table() {
    for (name, key) in [
        (tenant_name(), "T#a"),
        (contract_name(), "C#mine"),
        (DocumentName::Topic("telemetry".to_owned()), "R#telemetry"),
        (DocumentName::Key("00ff".to_owned()), "K#00ff"),
        (DocumentName::Revision, "REV"),
    ] {
        assert_eq!(name.storage_key(), key);
    }
}

#[test]
fn entries_and_unknown_names_are_cached_for_a_minute() {
    let (store, registry) = (Store::default(), Registry::new());
    assert!(now(registry.tenant(&id("a"), after(0), &store)).expect("an answer").is_none());
    store.set(tenant_name(), r#"{"id":"a"}"#, 1);
    assert!(now(registry.tenant(&id("a"), after(59), &store)).expect("an answer").is_none());
    assert_eq!(store.reads_of(&tenant_name()), 1);
    let found = now(registry.tenant(&id("a"), after(60), &store)).expect("an answer");
    assert_eq!(found.expect("a tenant").id, id("a"));
    now(registry.tenant(&id("a"), after(119), &store)).expect("an answer");
    assert_eq!(store.reads_of(&tenant_name()), 2);
}

#[test]
fn an_entry_is_not_fresh_after_the_clock_has_gone_back() {
    let (store, registry) = (Store::default(), Registry::new());
    for seconds in [0, -1] {
        now(registry.tenant(&id("a"), after(seconds), &store)).expect("an answer");
    }
    assert_eq!(store.reads_of(&tenant_name()), 2);
}

#[test]
fn names_over_the_limit_evict_the_least_recently_used() {
    let (store, registry) = (Store::default(), Registry::new());
    for number in 0..=crate::base::limits::REGISTRY_ENTRIES {
        let key = format!("{number:064x}");
        assert!(now(registry.key(&key, after(0), &store)).expect("an answer").is_none());
    }
    for (number, reads) in [(1, 1), (0, 2)] {
        let key = format!("{number:064x}");
        now(registry.key(&key, after(0), &store)).expect("an answer");
        assert_eq!(store.reads_of(&DocumentName::Key(key)), reads);
    }
}

#[test]
fn a_built_in_contract_is_used_until_one_is_stored() {
    let (store, registry) = (Store::default(), Registry::new());
    let find = |name: &str, seconds| {
        let found = now(registry.contract(name, after(seconds), &store)).expect("an answer");
        found.map(|contract| contract.view_spec().measures.len())
    };
    assert_eq!(find("telemetry", 0), Some(3));
    assert_eq!(find("other", 0), None);
    assert_eq!(find("No Name", 0), None);
    let json = contract("m").replace("\"mine\"", "\"telemetry\"");
    store.set(DocumentName::Contract("telemetry".to_owned()), json, 1);
    assert_eq!(find("telemetry", 59), Some(3));
    assert_eq!(find("telemetry", 60), Some(1));
}

#[test]
fn a_compiled_contract_is_shared() {
    let (store, registry) = (Store::default(), Registry::new());
    let find = || now(registry.contract("telemetry", after(0), &store)).expect("an answer");
    let (first, second) = (find().expect("a contract"), find().expect("a contract"));
    assert!(Arc::ptr_eq(&first, &second));
}

#[test]
fn an_invalid_stored_document_is_unavailable_and_not_cached() {
    let (store, registry) = (Store::default(), Registry::new());
    let topic = DocumentName::Topic("t".to_owned());
    let key = DocumentName::Key("k".to_owned());
    for name in [tenant_name(), contract_name(), topic.clone(), key.clone()] {
        store.set(name, r#"{"id":7}"#, 1);
    }
    let reasons = [
        now(registry.tenant(&id("a"), after(0), &store)).map(|_| ()),
        now(registry.contract("mine", after(0), &store)).map(|_| ()),
        now(registry.topic("t", after(0), &store)).map(|_| ()),
        now(registry.key("k", after(0), &store)).map(|_| ()),
    ];
    for reason in reasons {
        assert_eq!(reason.expect_err("unavailable").reason, Reason::Corrupt);
    }
    store.set(tenant_name(), r#"{"id":"a"}"#, 2);
    assert!(now(registry.tenant(&id("a"), after(1), &store)).expect("an answer").is_some());
}

#[test]
fn specs_older_than_the_requested_revision_are_read_again() {
    let (store, registry) = (Store::default(), Registry::new());
    let names = [Arc::from("mine"), Arc::from("gone")];
    let specs = |at_least, seconds| now(registry.specs(&names, at_least, after(seconds), &store));
    store.set(DocumentName::Revision, "{}", 4);
    store.set(contract_name(), contract("old"), 4);
    let first = specs(0, 0).expect("specs");
    assert_eq!((first.revision, measure(&first).as_deref()), (4, Some("old")));
    assert_eq!(first.by_contract["gone"], Arc::default());

    store.set(contract_name(), contract("new"), 5);
    store.set(DocumentName::Revision, "{}", 5);
    let warm = specs(4, 30).expect("specs");
    assert_eq!((warm.revision, measure(&warm).as_deref()), (4, Some("old")));
    let newer = specs(5, 30).expect("specs");
    assert_eq!((newer.revision, measure(&newer).as_deref()), (5, Some("new")));
    assert_eq!(store.reads_of(&contract_name()), 2);
}

#[test]
fn specs_have_the_revision_of_the_oldest_contract() {
    let (store, registry) = (Store::default(), Registry::new());
    store.set(DocumentName::Revision, "{}", 4);
    store.set(contract_name(), contract("old"), 4);
    now(registry.contract("mine", after(0), &store)).expect("an answer");
    store.set(DocumentName::Revision, "{}", 5);
    let other = [Arc::from("other")];
    assert_eq!(now(registry.specs(&other, 5, after(1), &store)).expect("specs").revision, 5);
    let both = [Arc::from("mine"), Arc::from("other")];
    assert_eq!(now(registry.specs(&both, 0, after(2), &store)).expect("specs").revision, 4);
    assert_eq!(now(registry.specs(&both, 5, after(2), &store)).expect("specs").revision, 5);
}

#[test]
fn the_kinds_are_those_of_built_in_and_stored_contracts() {
    let (store, registry) = (Store::default(), Registry::new());
    let kinds = |seconds| -> Vec<String> {
        let kinds = now(registry.kinds(after(seconds), &store)).expect("an answer");
        kinds.iter().map(Kind::to_string).collect()
    };
    let built_in = ["asset", "device", "entity", "learner", "user"];
    assert_eq!(kinds(0), built_in);
    store.set(DocumentName::Revision, r#"{"kinds":["device","pump"]}"#, 1);
    assert_eq!(kinds(59), built_in);
    assert_eq!(kinds(60), ["asset", "device", "entity", "learner", "pump", "user"]);
    assert_eq!(store.reads_of(&DocumentName::Revision), 2);
    store.set(DocumentName::Revision, r#"{"kinds":["No Kind"]}"#, 2);
    let broken = now(registry.kinds(after(200), &store)).expect_err("unavailable");
    assert_eq!((broken.reason, broken.extent), (Reason::Corrupt, Extent::Everyone));
}

#[test]
fn a_registry_older_than_the_ledger_is_unavailable() {
    let (store, registry) = (Store::default(), Registry::new());
    store.set(DocumentName::Revision, "{}", 4);
    let specs = now(registry.specs(&[], 5, after(0), &store));
    assert_eq!(specs.expect_err("unavailable").reason, Reason::Misconfigured);
}

fn example(text: &str) -> Text {
    Text { origin: "example".to_owned(), json: text.to_owned() }
}

/// The documents of `local/config/`.
fn examples() -> Submitted {
    Submitted {
        tenants: vec![
            example(include_str!("../../../../local/config/tenants/demo.json")),
            example(include_str!("../../../../local/config/tenants/acme.json")),
        ],
        contracts: Vec::new(),
        topics: Some(example(include_str!("../../../../local/config/topics.json"))),
    }
}

#[test]
fn a_registry_of_the_example_documents_finds_everything() {
    let (store, registry) = (Store::default(), Registry::new());
    let plan = examples().check().expect("documents").plan(&Stored::new(), after(0));
    for write in plan.expect("a plan").writes {
        match write.change {
            Change::Put { document, replaces: None } => {
                store.set(write.name, document.json, document.revision);
            }
            other => panic!("{other:?}"),
        }
    }
    for (key, name) in [("drover-demo-key", "demo"), ("drover-acme-key", "acme")] {
        use sha2::Digest as _;
        let hash: String =
            sha2::Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
        let grant =
            now(registry.key(&hash, after(0), &store)).expect("an answer").expect("a grant");
        assert_eq!((grant.tenant().id().as_str(), grant.key().local), (name, true));
        assert_eq!(grant.key().scopes.len(), 3);
        let tenant = now(registry.tenant(&id(name), after(0), &store)).expect("an answer");
        grant.tenant().admit(tenant.as_deref()).expect("a scope");
    }
    let topics: BTreeSet<&str> = BTreeSet::from([
        "drover.events",
        "telemetry",
        "telematics.raw.telematics_heartbeat",
        "learner.events",
        "events",
        "iothub",
        "cloudevents",
    ]);
    for topic in topics {
        let route = now(registry.topic(topic, after(0), &store)).expect("an answer");
        if let TopicRoute::Contract { contract, .. } = &*route.expect("a route") {
            let contract = now(registry.contract(contract, after(0), &store)).expect("an answer");
            assert!(contract.is_some(), "{topic}");
        }
    }
}

#[test]
fn a_route_and_the_registry_together_make_a_scope() {
    use crate::intake::contract::sample::record;
    let (store, registry) = (Store::default(), Registry::new());
    store.set(tenant_name(), r#"{"id":"a"}"#, 1);
    store.set(DocumentName::Tenant(id("b")), r#"{"id":"b","status":"suspended"}"#, 1);
    let route = Topics::route(json!({"contract": "telemetry", "tenant": {"header": "tenant"}}));
    let route = route.expect("a route");
    let admit = |name: &str| {
        let record = record("{}", &[("tenant", name.as_bytes())]);
        let named = route.tenant(&record.parsed()).expect("a name");
        let tenant = now(registry.tenant(named.id(), after(0), &store)).expect("an answer");
        named.admit(tenant.as_deref()).map_err(|rejection| rejection.code)
    };
    assert_eq!(admit("a").map(|scope| scope.tenant().to_string()), Ok("a".to_owned()));
    assert_eq!(admit("b"), Err(Code::TenantSuspended));
    assert_eq!(admit("c"), Err(Code::UnknownTenant));
}
