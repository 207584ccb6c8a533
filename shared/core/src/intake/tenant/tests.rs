//! Tenant documents, routes and keys, good and bad.

use serde_json::json;

use super::*;
use crate::intake::contract::sample::record;
use crate::intake::framing::{Compression, Frame, Framing, Tombstones};
use crate::intake::record::Record;

fn faults(document: &Value, expected: &[&str]) {
    let faults = Tenant::check(document).map(|_| ()).err().unwrap_or_default();
    let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(paths, expected, "{document} {faults:?}");
}

fn tenant(document: &Value) -> Tenant {
    Tenant::check(document).expect("a tenant")
}

#[test]
fn only_the_id_is_required() {
    let tenant = tenant(&json!({"id": "newco"}));
    assert_eq!(tenant.id.as_str(), "newco");
    assert_eq!((tenant.status, tenant.keys.len()), (Status::Active, 0));
    assert_eq!(tenant.default_contract, "telemetry");
    assert_eq!((tenant.lateness_seconds, tenant.max_future_seconds), (60, 300));
    assert_eq!((tenant.retention_days, tenant.keep_rejected), (30, false));
    let usual = Quota {
        events_per_second: 1_000,
        burst: 5_000,
        reads_per_second: Some(200),
        read_bytes_per_second: Some(20_000_000),
    };
    assert_eq!(tenant.quota, Some(usual));
    assert_eq!(tenant.placement, Placement::Pooled);
    assert_eq!(tenant.feeds, Feeds::default());
    assert_eq!(tenant.feeds.idle_seconds, 120);
}

#[test]
fn a_tenant_chooses_its_feeds_and_may_have_topics_of_its_own() {
    let of = |document: Value| tenant(&document).feeds;
    let feeds = of(json!({"id": "a", "feeds": ["settled", "views"]}));
    let has = Feed::ALL.map(|feed| feeds.has(feed));
    assert_eq!(has, [false, true, true, false]);
    assert_eq!(feeds.topic(Feed::Settled), "drover.settled");
    let own = json!({"id": "a", "feeds": ["ordered", "settled", "views", "alerts"],
        "feed_prefix": "plant-7", "idle_seconds": 600});
    let feeds = of(own);
    assert_eq!(feeds.idle_seconds, 600);
    let topics = Feed::ALL.map(|feed| feeds.topic(feed));
    assert_eq!(topics, ["plant-7.ordered", "plant-7.settled", "plant-7.views", "plant-7.alerts"]);
    assert_eq!(Feed::ALL.map(Feed::is_compacted), [false, false, true, true]);
}

#[test]
fn a_quota_of_null_is_no_quota_and_a_ledger_may_be_ones_own() {
    let tenant =
        tenant(&json!({"id": "a", "quota": null, "placement": {"table": "newco"}, "rules": []}));
    assert_eq!(tenant.quota, None);
    let quota = json!({"events_per_second": 5, "burst": 6, "reads_per_second": null});
    let quota = tenant_of_quota(quota);
    assert_eq!((quota.reads_per_second, quota.read_bytes_per_second), (None, Some(20_000_000)));
    assert_eq!(tenant.placement, Placement::Table("newco".to_owned()));
}

#[test]
fn a_route_says_what_is_around_the_json_of_its_records() {
    let route = |more: Value| {
        let mut route = json!({"contract": "message", "tenant": {"const": "demo"}});
        let members = route.as_object_mut().expect("an object");
        members.extend(more.as_object().expect("an object").clone());
        let topics = Topics::check(&json!({"topics": {"t": route}}));
        topics.map(|topics| topics.topics["t"].framing()).map_err(|faults| faults[0].path.clone())
    };
    assert_eq!(route(json!({})), Ok(Framing::default()));
    let all = json!({"framing": "confluent_json", "compression": "gzip", "tombstones": "ignore", "quoted_headers": true});
    let framing = Framing {
        framing: Frame::ConfluentJson,
        compression: Compression::Gzip,
        tombstones: Tombstones::Ignore,
        quoted_headers: true,
    };
    assert_eq!(route(all), Ok(framing));
    for (name, value) in [("framing", "avro"), ("compression", "zstd"), ("tombstones", "keep")] {
        assert_eq!(route(json!({name: value})), Err(format!("/topics/t/{name}")));
    }
    assert_eq!(route(json!({"quoted_headers": "yes"})), Err("/topics/t/quoted_headers".to_owned()));
    let lines = |tenant: Value| route(json!({"framing": "json_lines", "tenant": tenant}));
    let framing = Framing { framing: Frame::JsonLines, ..Framing::default() };
    assert_eq!(lines(json!({"header": "tenant"})), Ok(framing));
    assert_eq!(lines(json!({"path": "/tenant"})), Err("/topics/t/tenant".to_owned()));
    let envelope = json!({"topics": {"t": {"envelope": true, "compression": "gzip"}}});
    assert_eq!(Topics::check(&envelope).expect_err("a fault")[0].path, "/topics/t");
}

#[test]
fn an_invalid_document_is_refused_with_the_path() {
    faults(&json!({}), &["/id"]);
    faults(&json!({"id": "New Co"}), &["/id"]);
    faults(&json!({"id": "a", "stauts": "active"}), &["/stauts"]);
    faults(&json!({"id": "a", "status": "gone"}), &["/status"]);
    faults(&json!({"id": "a", "retention_days": 0}), &["/retention_days"]);
    faults(&json!({"id": "a", "lateness_seconds": -1}), &["/lateness_seconds"]);
    faults(&json!({"id": "a", "max_future_seconds": 1e9}), &["/max_future_seconds"]);
    faults(&json!({"id": "a", "quota": {"burst": 1}}), &["/quota/events_per_second"]);
    faults(&json!({"id": "a", "placement": "alone"}), &["/placement"]);
    faults(&json!({"id": "a", "placement": {"table": "a b c"}}), &["/placement/table"]);
    faults(&json!({"id": "a", "rules": [{"id": "hot"}]}), &["/rules"]);
    faults(&json!({"id": "a", "feeds": ["settled", "sorted"]}), &["/feeds/1"]);
    faults(&json!({"id": "a", "feeds": ["settled", "settled"]}), &["/feeds"]);
    faults(&json!({"id": "a", "feeds": "settled"}), &["/feeds"]);
    faults(&json!({"id": "a", "feed_prefix": "a topic"}), &["/feed_prefix"]);
    faults(&json!({"id": "a", "feed_prefix": ""}), &["/feed_prefix"]);
    faults(&json!({"id": "a", "idle_seconds": 0}), &["/idle_seconds"]);
    let key =
        |id: &str, digit: &str| json!({"id": id, "sha256": digit.repeat(64), "scopes": ["read"]});
    faults(&json!({"id": "a", "keys": [key("k", "a"), key("l", "b")]}), &[]);
    faults(&json!({"id": "a", "keys": [key("k", "a"), key("k", "b")]}), &["/keys/1/id"]);
    faults(&json!({"id": "a", "keys": [key("k", "a"), key("l", "a")]}), &["/keys/1/sha256"]);
    faults(&json!({"id": "a", "keys": [key("k", "A")]}), &["/keys/0/sha256"]);
}

#[test]
fn a_named_tenant_is_admitted_by_its_own_active_document_only() {
    let named = || NamedTenant(TenantId::parse("a").expect("a name"));
    let admit = |document: Option<Value>| {
        let tenant = document.map(|document| tenant(&document));
        named().admit(tenant.as_ref()).map(|scope| scope.tenant().to_string())
    };
    assert_eq!(admit(Some(json!({"id": "a"}))), Ok("a".to_owned()));
    let code = |document| admit(document).expect_err("a rejection").code;
    assert_eq!(code(None), Code::UnknownTenant);
    assert_eq!(code(Some(json!({"id": "b"}))), Code::UnknownTenant);
    assert_eq!(code(Some(json!({"id": "a", "status": "suspended"}))), Code::TenantSuspended);
}

fn topics(routes: &Value, expected: &[&str]) {
    let document = json!({"topics": routes});
    let faults = Topics::check(&document).map(|_| ()).err().unwrap_or_default();
    let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(paths, expected, "{routes} {faults:?}");
}

#[test]
fn a_route_names_a_contract_and_who_vouches_or_is_an_envelope() {
    topics(&json!({"t": {"contract": "telemetry", "tenant": {"header": "tenant"}}}), &[]);
    topics(&json!({"t": {"envelope": true}}), &[]);
    topics(&json!({"t": {"envelope": false}}), &["/topics/t/envelope"]);
    topics(&json!({"t": {"contract": "telemetry"}}), &["/topics/t"]);
    topics(&json!({"t": {"envelope": true, "contract": "c"}}), &["/topics/t"]);
    topics(&json!({"a/b": {"envelope": true}}), &["/topics/a~1b"]);
    topics(&json!({"t": {"contract": "c", "tenant": {"const": "A"}}}), &["/topics/t/tenant/const"]);
    topics(&json!({"t": {"contract": "c", "tenant": {"path": "x"}}}), &["/topics/t/tenant/path"]);
    topics(&json!({"t": {"contract": "c", "tenant": {}}}), &["/topics/t/tenant"]);
}

fn route(tenant: &Value) -> TopicRoute {
    Topics::route(json!({"contract": "c", "tenant": tenant})).expect("a route")
}

fn check(route: &TopicRoute, record: &Record, expected: Result<&str, (Code, Option<&str>)>) {
    let named = route.tenant(&record.parsed());
    let found = named.as_ref().map(|named| named.id().as_str());
    let found = found.map_err(|rejection| (rejection.code, rejection.path.as_deref()));
    assert_eq!(found, expected);
}

#[test]
fn a_route_finds_the_tenant_where_it_says() {
    let header = route(&json!({"header": "tenant"}));
    check(&header, &record("{", &[("tenant", b"acme")]), Ok("acme"));
    check(&header, &record("{}", &[]), Err((Code::UnknownTenant, None)));
    check(&header, &record("{}", &[("tenant", b"A B")]), Err((Code::InvalidId, None)));
    check(&header, &record("{}", &[("tenant", b"\xff")]), Err((Code::InvalidId, None)));
    check(&route(&json!({"const": "demo"})), &record("{", &[]), Ok("demo"));
    let path = route(&json!({"path": "/tenant_id"}));
    check(&path, &record(r#"{"tenant_id":"acme"}"#, &[]), Ok("acme"));
    check(&path, &record("{}", &[]), Err((Code::UnknownTenant, Some("/tenant_id"))));
    check(&path, &record(r#"{"tenant_id":[]}"#, &[]), Err((Code::InvalidId, Some("/tenant_id"))));
    check(&path, &record("{", &[]), Err((Code::MalformedJson, None)));
}

#[test]
fn an_envelope_says_its_tenant_itself() {
    let envelope = TopicRoute::Envelope;
    check(&envelope, &record(r#"{"tenant":"acme"}"#, &[("tenant", b"demo")]), Ok("acme"));
    check(&envelope, &record("{}", &[]), Err((Code::MissingField, Some("/tenant"))));
}

#[test]
fn a_key_grant_is_read_as_it_was_stored() {
    let tenant = tenant(&json!({"id": "a", "keys": [
        {"id": "k", "sha256": "0".repeat(64), "scopes": ["write", "admin"], "local": true}]}));
    let stored = KeyGrant::stored(&tenant.id, &tenant.keys[0]).expect("JSON");
    let grant = KeyGrant::read(serde_json::from_str(&stored).expect("JSON")).expect("a grant");
    assert_eq!(grant.key(), &tenant.keys[0]);
    assert_eq!(grant.tenant().admit(Some(&tenant)).expect("a scope").tenant(), &tenant.id);
}

fn tenant_of_quota(quota: serde_json::Value) -> Quota {
    tenant(&json!({"id": "a", "quota": quota})).quota.expect("a quota")
}
