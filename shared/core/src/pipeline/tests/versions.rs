//! Tests of contracts that change while events flow.

use proptest::prelude::*;

use super::*;
use crate::ledger::read::Question;
use crate::subject::reader;
use crate::view::{Specs, View, fold};

/// The contract with measure and status at these paths.
fn contract(measure: &str, status: &str) -> String {
    format!(
        r#"{{
        "name": "mine", "subject": {{"kind": "device", "id": {{"path": "/id"}}}},
        "type": {{"const": "seen"}}, "observed_at": {{"path": "/at", "format": "epoch"}},
        "identity": {{"of": [{{"path": "/at"}}]}}, "payload": {{"path": "", "except": ["/id"]}},
        "measures": [{{"name": "level", "path": "{measure}"}}], "status": {{"path": "{status}"}}
    }}"#
    )
}

/// Reads of events observed in one phase of the contract: `at` is also their offset.
fn reading(device: &str, at: i64) -> Record {
    let body = format!(
        r#"{{"id":"{device}","at":{},"a":{at},"b":{},"was":"s{}","is":"t{}"}}"#,
        NOW + at,
        at * 100,
        at % 3,
        at % 4
    );
    Record { value: Some(body.into_bytes()), ..known(device, at) }
}

/// Pages and tails of a few entries, so that folds happen all the time.
fn environment() -> Pipeline {
    let item_limits = ItemLimits {
        head_target_bytes: 1,
        keep_entries: 1,
        page_bytes: 200,
        frame_bytes: 300,
        ..ItemLimits::STANDARD
    };
    Pipeline { item_limits, ..pipeline() }
}

fn deliver(memory: &Faulty<Memory>, environment: &Pipeline, records: &[Record]) {
    let records: Vec<_> = records.iter().cloned().map(Incoming::Record).collect();
    let report = environment.process(memory, records, Timestamp::MAX).now_or_never();
    let report = report.expect("memory never waits").expect("a closed breaker");
    for disposition in report.dispositions {
        assert!(matches!(disposition, Disposition::Applied | Disposition::Duplicate));
    }
}

/// The live view and the versions of the entries. The view must be the fold of the whole history.
fn state(memory: &Faulty<Memory>, device: &str) -> (View, Vec<u32>) {
    let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
    let id = SubjectId::parse(&format!("device/{device}")).expect("a subject");
    let location = SubjectLocation { key: scope.subject(id), table: None };
    let read = |question| {
        let read = reader::read(memory, &location, question).now_or_never();
        read.expect("memory never waits").expect("readable").0.expect("a subject")
    };
    let history = read(Question::History { from: None, to: None });
    let versions = Specs::default().missing(history.entries());
    let registry = Registry::new();
    let specs = registry.specs(&versions, memory).now_or_never();
    let specs = specs.expect("memory never waits").expect("specs");
    let view = read(Question::Live).live(&specs);
    assert_eq!(view, fold(View::default(), history.entries(), &specs));
    (view, history.entries().map(|entry| entry.contract_version).collect())
}

/// Delivers the records in batches of these sizes, each by one of two environments.
fn deliver_in_batches(
    memory: &Faulty<Memory>,
    environments: &[Pipeline; 2],
    records: &[Record],
    batches: &[(usize, bool)],
) {
    let mut rest = records;
    for (size, second) in batches.iter().cycle() {
        if rest.is_empty() {
            return;
        }
        let (batch, later) = rest.split_at((*size).min(rest.len()));
        deliver(memory, &environments[usize::from(*second)], batch);
        rest = later;
    }
}

fn order() -> impl Strategy<Value = Vec<i64>> {
    Just((0..20).collect::<Vec<i64>>()).prop_shuffle()
}

fn batches() -> impl Strategy<Value = Vec<(usize, bool)>> {
    proptest::collection::vec((1usize..6, any::<bool>()), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Two subjects get the same events, in other batches, by environments whose caches differ. In between,
    /// the paths of measure and status change.
    #[test]
    fn equal_events_give_equal_views_whatever_the_batches_while_a_contract_changes(
        order in order(),
        first in batches(),
        other in batches(),
        changes_after in 1usize..20,
    ) {
        let memory = memory();
        memory.put_contract("mine", &contract("/a", "/was"));
        let environments = [environment(), environment()];
        let (before, after) = order.split_at(changes_after);
        let records = |device: &str, ats: &[i64]| -> Vec<Record> {
            ats.iter().map(|at| reading(device, *at)).collect()
        };
        deliver_in_batches(&memory, &environments, &records("d1", before), &first);
        deliver_in_batches(&memory, &environments, &records("d2", before), &other);
        memory.put_contract("mine", &contract("/b", "/is"));
        memory.state().now = second(61 + 60);
        deliver_in_batches(&memory, &environments, &records("d1", after), &other);
        deliver_in_batches(&memory, &environments, &records("d2", after), &first);
        let (one, other) = (state(&memory, "d1"), state(&memory, "d2"));
        prop_assert_eq!(&one, &other);
        let expected: Vec<u32> = (0..20).map(|at| if before.contains(&at) { 2 } else { 3 }).collect();
        prop_assert_eq!(one.1, expected);
    }

    /// Every record is delivered twice, across the change and by an environment that may still know only the
    /// old version: each event is one entry, read by the version that came first.
    #[test]
    fn a_redelivery_across_a_change_is_a_duplicate(
        order in order(),
        again in order(),
        batches in batches(),
        changes_after in 0usize..40,
    ) {
        let memory = memory();
        memory.put_contract("mine", &contract("/a", "/was"));
        let environments = [environment(), environment()];
        let all: Vec<Record> = order.iter().chain(&again).map(|at| reading("d1", *at)).collect();
        let (before, after) = all.split_at(changes_after);
        deliver_in_batches(&memory, &environments, before, &batches);
        memory.put_contract("mine", &contract("/b", "/is"));
        // The caches of the environments are still fresh: one may know the old version, one the new version.
        deliver_in_batches(&memory, &environments, after, &batches);
        let (view, versions) = state(&memory, "d1");
        prop_assert_eq!((view.event_count, versions.len()), (20, 20));
        prop_assert!(versions.iter().all(|version| (2..=3).contains(version)));
        memory.state().now = second(61 + 60);
        deliver_in_batches(&memory, &environments, &all, &batches);
        prop_assert_eq!(state(&memory, "d1"), (view, versions));
    }
}

#[test]
fn two_versions_may_read_other_payloads_of_one_record() {
    let memory = memory();
    memory.put_contract("mine", &contract("/a", "/was"));
    deliver(&memory, &environment(), &[reading("d1", 1)]);
    let other =
        contract("/a", "/was").replace(r#"{"path": "", "except": ["/id"]}"#, r#"{"path": "/a"}"#);
    memory.put_contract("mine", &other);
    deliver(&memory, &environment(), &[reading("d1", 1)]);
    assert_eq!(state(&memory, "d1").1, [2]);
    // The same version with another payload is not the same content.
    let changed = Record {
        value: Some(format!(r#"{{"id":"d1","at":{},"a":7}}"#, NOW + 2).into_bytes()),
        ..known("d1", 2)
    };
    assert_eq!(process(&memory, vec![reading("d1", 2), changed]).len(), 2);
    let codes: Vec<String> =
        envelopes(&memory.state().letters).into_iter().map(|letter| letter.code).collect();
    assert_eq!(codes, ["payload_mismatch"]);
}

#[test]
fn a_subject_whose_version_is_missing_waits_in_the_buffer_and_delays_no_other() {
    let memory = memory();
    deliver(&memory, &environment(), &[known("d1", 1), known("d1", 2), known("d1", 3)]);
    memory.put_contract("mine", &contract("/a", "/was"));
    memory.state().documents.remove("C#mine@1").expect("the first version");
    let records = vec![known("d1", 4), known("d2", 5)].into_iter().map(Incoming::Record);
    let report = environment().process(&memory, records.collect(), Timestamp::MAX).now_or_never();
    let report = report.expect("memory never waits").expect("a closed breaker");
    assert_eq!(report.dispositions, [Disposition::Buffered, Disposition::Applied]);
}
