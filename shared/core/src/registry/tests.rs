//! The cache: lifetimes, freshness and fallbacks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use futures_util::FutureExt as _;
use serde_json::json;

use super::*;
use crate::base::error::{Code, Extent, Reason};
use crate::base::id::{EventId, Position};
use crate::event::{Entry, IdOrigin, Placing};
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

/// A stored version of a contract with one measure.
fn contract(name: &str, version: u32, measure: &str) -> String {
    let contract = json!({"name": name, "subject": {"kind": "thing", "id": {"path": "/id"}},
        "type": {"const": "seen"}, "payload": {"path": ""},
        "measures": [{"name": measure, "path": "/v"}]});
    json!({"version": version, "applied_at": "2026-11-21T06:00:00Z", "applied_by": "ann",
        "contract": contract})
    .to_string()
}

impl Store {
    /// Stores a version and makes it the current one.
    fn set_contract(&self, name: &str, version: u32, measure: &str) {
        let json = contract(name, version, measure);
        self.set(DocumentName::ContractVersion(name.to_owned(), version), json.clone(), 1);
        self.set(DocumentName::Contract(name.to_owned()), json, u64::from(version));
    }
}

/// An entry that a version of a contract read.
fn entry_of(version: &ContractVersion) -> Entry {
    Entry {
        position: Position {
            observed_at: after(0),
            sequence: 0,
            event_id: EventId::parse("e").expect("an id"),
        },
        id_origin: IdOrigin::Given,
        event_type: Arc::from("seen"),
        contract: Arc::clone(&version.contract),
        contract_version: version.number,
        ingested_at: after(0),
        payload: Arc::from("{}"),
        placing: Placing::default(),
    }
}

/// The first measure of each of these versions of a contract.
fn measures(
    registry: &Registry,
    store: &Store,
    name: &str,
    versions: &[u32],
) -> Result<Vec<Option<String>>, Unavailable> {
    let version = |number: &u32| ContractVersion { contract: Arc::from(name), number: *number };
    let versions: Vec<ContractVersion> = versions.iter().map(version).collect();
    let specs = now(registry.specs(&versions, store))?;
    let entries = versions.iter().map(|version| {
        let spec = specs.of(&entry_of(version)).expect("a spec");
        spec.measures.first().map(|measure| measure.name.to_string())
    });
    Ok(entries.collect())
}

#[test]
fn documents_have_the_keys_of_the_registry_table() {
    for (name, key) in [
        (tenant_name(), "T#a"),
        (contract_name(), "C#mine"),
        (DocumentName::ContractVersion("mine".to_owned(), 12), "C#mine@12"),
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
    store.set_contract("telemetry", 1, "m");
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
fn each_version_has_its_own_spec_whatever_is_cached() {
    let (store, registry) = (Store::default(), Registry::new());
    store.set_contract("mine", 1, "old");
    let current = now(registry.contract("mine", after(0), &store)).expect("an answer");
    assert_eq!(current.expect("a contract").version().number, 1);
    store.set_contract("mine", 2, "new");
    let (old, new) = (Some("old".to_owned()), Some("new".to_owned()));
    let found = measures(&registry, &store, "mine", &[1, 2]).expect("specs");
    assert_eq!(found, [old.clone(), new.clone()]);
    // The current version is cached for a minute. Specs are cached for ever, because versions never change.
    let current = now(registry.contract("mine", after(59), &store)).expect("an answer");
    assert_eq!(current.expect("a contract").version().number, 1);
    let current = now(registry.contract("mine", after(60), &store)).expect("an answer");
    assert_eq!(current.expect("a contract").version().number, 2);
    assert_eq!(measures(&registry, &store, "mine", &[2, 1]).expect("specs"), [new, old]);
    let version = |number| DocumentName::ContractVersion("mine".to_owned(), number);
    assert_eq!((store.reads_of(&version(1)), store.reads_of(&version(2))), (0, 1));
}

#[test]
fn version_0_is_the_built_in_contract_even_if_another_is_stored() {
    let (store, registry) = (Store::default(), Registry::new());
    store.set_contract("telemetry", 1, "m");
    let found = measures(&registry, &store, "telemetry", &[0, 1]).expect("specs");
    assert_eq!(found, [Some("temperature".to_owned()), Some("m".to_owned())]);
    assert_eq!(measures(&registry, &store, "never", &[0]).expect("specs"), [None]);
}

#[test]
fn a_missing_or_broken_version_holds_up_its_tenants_and_nobody_else() {
    let (store, registry) = (Store::default(), Registry::new());
    let missing = measures(&registry, &store, "mine", &[3]).expect_err("unavailable");
    assert_eq!((missing.reason, missing.extent), (Reason::Misconfigured, Extent::Tenant));
    assert!(missing.message.contains("C#mine@3"), "{missing}");
    store.set(DocumentName::ContractVersion("mine".to_owned(), 3), "{}", 1);
    let broken = measures(&registry, &store, "mine", &[3]).expect_err("unavailable");
    assert_eq!((broken.reason, broken.extent), (Reason::Corrupt, Extent::Tenant));
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
        rules: Vec::new(),
    }
}

#[test]
fn a_registry_of_the_example_documents_finds_everything() {
    let (store, registry) = (Store::default(), Registry::new());
    let plan = examples().check().expect("documents").plan(&Stored::new(), ("ann", after(0)));
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
