//! Tests of ignored records and of values that no view can read. Both are counted.

use super::*;
use crate::base::metrics::Metric;

const SOME: &str = r#"{
    "name": "some", "subject": {"kind": "device", "id": {"path": "/id"}},
    "type": {"const": "seen"}, "observed_at": {"path": "/at", "format": "epoch"},
    "payload": {"path": ""}, "syntax": "lenient", "ignore": [{"path": "/id", "in": ["ping"]}],
    "measures": [{"name": "speed", "path": "/speed"}]
}"#;

fn with_route(more: &str) -> Faulty<Memory> {
    let memory = memory();
    memory.put_contract("some", SOME);
    let route = format!(r#"{{"contract":"some","tenant":{{"path":"/tenant"}}{more}}}"#);
    memory.put_document("R#some", &route);
    memory
}

fn some(value: Option<&str>, at: i64) -> Record {
    let value = value.map(|value| value.as_bytes().to_vec());
    Record { value, ..record("some", "", "", at) }
}

fn report(memory: &Faulty<Memory>, records: Vec<Record>) -> Report {
    let records = records.into_iter().map(Incoming::Record).collect();
    let report = pipeline().process(memory, records, Timestamp::MAX).now_or_never();
    report.expect("memory never waits").expect("a closed breaker")
}

#[test]
fn an_ignored_record_is_acknowledged_and_counted_and_makes_no_letter() {
    let memory = with_route(r#","tombstones":"ignore""#);
    let ping = format!(r#"{{"tenant":"demo","id":"ping","at":{NOW}}}"#);
    let report = report(&memory, vec![some(Some(&ping), 0), some(None, 1)]);
    assert_eq!(report.dispositions, [Disposition::Ignored, Disposition::Ignored]);
    assert!((report.tally.total(Metric::RecordsIgnored) - 2.0).abs() < f64::EPSILON);
    let demo = report.tally.tenants.keys().flatten().map(TenantId::as_str).collect::<Vec<_>>();
    assert_eq!(demo, ["demo"], "the tombstone has no tenant");
    assert!(memory.state().letters.is_empty() && memory.state().buffer.is_empty());
}

#[test]
fn an_element_that_the_fields_ignore_is_counted_and_its_neighbours_are_applied() {
    let memory = with_route("");
    let contract = SOME.replace(r#""syntax""#, r#""transform": ".items[]", "syntax""#);
    memory.put_contract("some", &contract);
    let items = [("d1", "1"), ("ping", "2"), ("d2", "NaN")];
    let items = items.map(|(id, v)| format!(r#"{{"id":"{id}","at":{NOW},"speed":{v}}}"#)).join(",");
    let value = format!(r#"{{"tenant":"demo","items":[{items}]}}"#);
    let report = report(&memory, vec![some(Some(&value), 0)]);
    assert_eq!(report.dispositions, [Disposition::Applied]);
    for (metric, count) in [
        (Metric::MessagesProcessed, 1.0),
        (Metric::EventsProcessed, 2.0),
        (Metric::RecordsIgnored, 1.0),
    ] {
        assert!((report.tally.total(metric) - count).abs() < f64::EPSILON, "{metric:?}");
    }
    assert!(memory.state().letters.is_empty());
}

#[test]
fn a_tombstone_becomes_a_letter_unless_the_route_ignores_tombstones() {
    let memory = with_route("");
    let found = process(&memory, vec![some(None, 0)]);
    assert_eq!(found, [Disposition::DeadLettered(Code::EmptyValue)]);
}

#[test]
fn an_ignored_record_of_a_tenant_that_may_not_write_is_rejected_like_any_other() {
    let memory = with_route(r#","tombstones":"ignore""#);
    memory.put_document(
        "R#some",
        r#"{"contract":"some","tenant":{"const":"nobody"},"tombstones":"ignore"}"#,
    );
    let found = process(&memory, vec![some(None, 0)]);
    assert_eq!(found, [Disposition::DeadLettered(Code::UnknownTenant)]);
}

/// The body is not strict JSON, and the route reads the tenant from it.
#[test]
fn a_lenient_body_is_readable_for_the_route_as_well() {
    let memory = with_route("");
    let value = format!(r#"{{"tenant":"demo","id":"d1","at":{NOW},"speed":NaN}}"#);
    let report = report(&memory, vec![some(Some(&value), 0)]);
    assert_eq!(report.dispositions, [Disposition::Applied]);
}

#[test]
fn a_value_that_no_view_can_read_is_counted_by_field() {
    let memory = with_route("");
    let value = |speed: &str, at: i64| {
        format!(r#"{{"tenant":"demo","id":"d1","at":{},"speed":{speed}}}"#, NOW + at)
    };
    let records = [value("\"fast\"", 0), value("7", 1), value("null", 2)];
    let records = records.iter().zip(0..).map(|(value, at)| some(Some(value), at)).collect();
    let report = report(&memory, records);
    assert_eq!(report.dispositions, [Disposition::Applied; 3]);
    let skipped: Vec<_> = report.tally.tenants.values().flat_map(|one| &one.skipped).collect();
    assert_eq!(skipped, [(&Arc::from("speed"), &1)]);
}
