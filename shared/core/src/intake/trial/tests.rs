//! What a trial shows of records, elements and rejections.

use serde_json::{Value, json};

use super::*;
use crate::base::error::Code;
use crate::intake::contract::sample::{at, compiled, contract, record, scope};
use crate::intake::tenant::Tenant;

fn device(more: Value) -> Contract {
    let mut document = json!({
        "name": "device",
        "subject": {"kind": "device", "id": {"path": "/id"}},
        "type": {"path": "/type", "default": "reading"},
        "observed_at": {"path": "/at"},
        "payload": {"path": ""},
        "measures": [
            {"name": "temperature", "path": "/c", "unit": "celsius", "unit_path": "/unit"},
            {"name": "level", "path": "/level"},
        ],
        "status": {"path": "/state"},
        "location": {"latitude": "/lat", "longitude": "/lon"},
    });
    for (name, value) in more.as_object().expect("an object") {
        document[name] = value.clone();
    }
    contract(&document)
}

fn tried(contract: &Contract, value: &str) -> Vec<Trial> {
    try_record(contract, &record(value, &[]), &scope(), None)
}

fn accepted(trial: &Trial) -> &TriedEvent {
    match &trial.outcome {
        TrialOutcome::Accepted(event) => event,
        other => panic!("{other:?}"),
    }
}

fn code(trial: &Trial) -> Option<(Code, Option<&str>)> {
    match &trial.outcome {
        TrialOutcome::Rejected { rejection, .. } => {
            Some((rejection.code, rejection.path.as_deref()))
        }
        TrialOutcome::Accepted(_) | TrialOutcome::Ignored => None,
    }
}

#[test]
fn an_event_is_shown_with_what_its_view_reads_and_skips() {
    let record = r#"{"id":"d1","at":"2026-11-21T06:00:00Z","c":68,"unit":"fahrenheit",
        "level":"full","state":"on","lat":52.5,"lon":13.4}"#;
    let trials = tried(&device(json!({})), record);
    let [trial] = trials.as_slice() else { panic!("{trials:?}") };
    assert_eq!(trial.element, None);
    let read = accepted(trial);
    assert_eq!(read.event.subject.subject().to_string(), "device/d1");
    let measures: Vec<_> =
        read.measures.iter().map(|one| (&*one.name, one.value, one.unit.as_deref())).collect();
    assert_eq!(measures, [("temperature", 20.0, Some("celsius"))]);
    assert_eq!((read.status.as_deref(), read.location), (Some("on"), Some((52.5, 13.4))));
    assert_eq!(read.event.skipped, [Arc::from("level")]);
}

#[test]
fn each_element_has_its_own_result_and_a_record_without_elements_is_ignored() {
    let readings = device(json!({
        "transform": ". as $r | .readings[] | {id: $r.id, at, c}",
        "ignore": [{"path": "/id", "in": ["test"]}],
    }));
    let record = r#"{"id":"d1","readings":[{"at":"2026-11-21T06:00:00Z","c":1},{"c":2}]}"#;
    let trials = tried(&readings, record);
    assert_eq!(trials.iter().map(|one| one.element).collect::<Vec<_>>(), [Some(0), Some(1)]);
    accepted(&trials[0]);
    assert_eq!(code(&trials[1]), Some((Code::MissingField, Some("/at"))));

    let none = tried(&readings, r#"{"id":"d1","readings":[]}"#);
    let ignored = Trial { element: None, outcome: TrialOutcome::Ignored };
    assert_eq!(none, std::slice::from_ref(&ignored));
    let passed_over = tried(&readings, r#"{"id":"test","readings":[{}]}"#);
    assert_eq!(passed_over, [Trial { element: Some(0), ..ignored }]);
}

#[test]
fn a_record_that_cannot_be_read_is_rejected_as_a_whole() {
    let readings = device(json!({"transform": ".readings[]"}));
    assert_eq!(code(&tried(&readings, "{\"a\":")[0]), Some((Code::MalformedJson, None)));
    let failed = tried(&readings, r#"{"readings":7}"#);
    let [trial] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!((trial.element, code(trial)), (None, Some((Code::TransformFailed, None))));
}

/// The reader sees the event and the reason why its tenant does not take it now.
#[test]
fn with_a_policy_the_clock_rules_of_the_tenant_apply() {
    let value = r#"{"device_id":"d","event_type":"custom","timestamp":"2020-01-01T00:00:00Z","payload":{}}"#;
    let policy = Tenant::check(&json!({"id": "demo"})).expect("a tenant").policy();
    let old = try_record(&compiled("telemetry"), &record(value, &[]), &scope(), Some(&policy));
    let [Trial { outcome: TrialOutcome::Rejected { rejection, event }, .. }] = old.as_slice()
    else {
        panic!("{old:?}")
    };
    assert_eq!(rejection.code, Code::BeyondRetention);
    let event = event.as_ref().expect("the contract reads it");
    assert_eq!(event.event.entry.position.observed_at, at("2020-01-01T00:00:00Z"));
    accepted(&tried(&compiled("telemetry"), value)[0]);
}
