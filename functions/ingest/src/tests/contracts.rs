//! Tests of contracts: which contract a request gets, and what the contract does with its events.

use super::*;

/// An environment with the contract `mine`.
fn with_contract(changes: &Value) -> Environment {
    let environment = Environment::new();
    let mut contract = json!({"name": "mine", "subject": {"kind": "thing", "id": {"path": "/id"}},
        "type": {"const": "seen"}, "payload": {"path": ""}, "without_time": "received"});
    for (name, change) in changes.as_object().expect("an object") {
        contract[name] = change.clone();
    }
    environment.memory.put_contract("mine", &contract.to_string());
    environment
}

/// Takes the events out of the event log.
fn sent(environment: &Environment) -> Vec<Value> {
    let values = environment.taken().into_iter().filter_map(|record| record.value);
    values.map(|value| serde_json::from_slice(&value).expect("JSON")).collect()
}

#[test]
fn records_get_the_headers_that_the_contract_names_but_no_credentials() {
    let subject = json!({"kind": "thing", "id": {"first": [{"header": "X-Limit-U"}, {"header": "Authorization"}]}});
    let environment = with_contract(&json!({"subject": subject}));
    let path = "/api/v1/events?contract=mine";
    let answer = environment.post(path, &[("x-limit-u", "ann")], "[{},{}]");
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let ids: Vec<Value> = sent(&environment).into_iter().map(|event| event["id"].clone()).collect();
    assert_eq!(ids, ["ann", "ann"]);
    check_problem(&environment.post(path, &[], "{}"), 422, "missing_field");
}

#[test]
fn an_ignored_event_is_acknowledged_and_counted() {
    let environment = with_contract(&json!({"ignore": [{"path": "/id", "in": ["ping"]}]}));
    let path = "/api/v1/events?contract=mine";
    let answer = environment.post(path, &[], r#"[{"id":"a"},{"id":"ping"}]"#);
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let counts = ["accepted", "ignored", "rejected"].map(|name| answer.body[name].clone());
    assert_eq!(counts, [json!(1), json!(1), json!(0)]);
    assert_eq!(answer.body["results"][1], json!({"index": 1, "status": "ignored"}));
    assert!((environment.counted(Metric::RecordsIgnored) - 1.0).abs() < f64::EPSILON);
    assert_eq!(sent(&environment).len(), 1);
    let answer = environment.post(path, &[], r#"{"id":"ping"}"#);
    assert_eq!((answer.status, &answer.body["accepted"]), (StatusCode::ACCEPTED, &json!(0)));
    assert!(sent(&environment).is_empty());
}

#[test]
fn a_value_that_no_view_can_read_is_counted_by_field() {
    let environment = with_contract(&json!({"measures": [{"name": "speed", "path": "/v"}]}));
    let path = "/api/v1/events?contract=mine";
    environment.post(path, &[], r#"[{"id":"a","v":"fast"},{"id":"a","v":null},{"id":"b","v":1}]"#);
    let tally = environment.counted.0.lock().expect("no panic").clone();
    let skipped: Vec<_> = tally.tenants.values().flat_map(|counts| &counts.skipped).collect();
    assert_eq!(skipped, [(&Arc::from("speed"), &1)]);
}

#[test]
fn a_lenient_contract_reads_bare_words_of_a_whole_batch() {
    let environment = with_contract(&json!({"syntax": "lenient"}));
    let path = "/api/v1/events?contract=mine";
    let answer = environment.post(path, &[], r#"[{"id":"a","v":NaN},{"id":"b","v":1}]"#);
    assert_eq!(answer.body["accepted"], 2);
    assert_eq!(sent(&environment)[0]["payload"], json!({"id": "a", "v": null}));
    let strict = environment.post("/api/v1/events", &[], r#"[{"v":NaN}]"#);
    check_problem(&strict, 400, "malformed_json");
}

const CLOUD_EVENT: [(&str, &str); 5] = [
    ("ce-specversion", "1.0"),
    ("ce-id", "c-1"),
    ("ce-type", "t"),
    ("ce-source", "/x"),
    ("ce-subject", "caf%C3%A9 100%"),
];

#[test]
fn a_cloud_event_in_binary_mode_is_one_event_with_any_data() {
    let environment = Environment::new();
    for (media_type, body, payload) in [
        ("application/json", "[{\"a\":1},{\"a\":2}]", json!([{"a": 1}, {"a": 2}])),
        ("application/json", "{\"events\":[1]}", json!({"events": [1]})),
        ("text/plain", "hello", json!("hello")),
        ("application/xml", "<a/>", json!("<a/>")),
        ("text/plain", "", json!(null)),
    ] {
        let headers = [&CLOUD_EVENT[..], &[("content-type", media_type)]].concat();
        let answer = environment.post("/api/v1/events", &headers, body);
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{body} {}", answer.body);
        let [event] = sent(&environment).try_into().expect("one event");
        assert_eq!((&event["payload"], &event["id"]), (&payload, &json!("café 100%")));
        assert_eq!(event["contract"], "cloudevents");
    }
}

#[test]
fn the_media_type_selects_the_contract_and_mode_of_a_request_without_a_contract() {
    let environment = Environment::new();
    let whole =
        r#"{"specversion":"1.0","id":"c-2","source":"/x","type":"t","subject":"s","data":1}"#;
    let structured =
        [&CLOUD_EVENT[..], &[("content-type", "application/cloudevents+json")]].concat();
    for headers in [&structured[..], &structured[5..]] {
        let answer = environment.post("/api/v1/events", headers, whole);
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
        let [event] = sent(&environment).try_into().expect("one event");
        assert_eq!((&event["id"], &event["event_id"]), (&json!("s"), &json!("c-2")));
    }
    let batch = [("content-type", "application/cloudevents-batch+json")];
    let answer = environment.post("/api/v1/events", &batch, format!("[{whole},{whole}]"));
    assert_eq!(answer.body["accepted"], 2);
    let named = environment.post("/api/v1/events?contract=message", &batch, format!("[{whole}]"));
    check_problem(&named, 422, "no_event_accepted");
}

#[test]
fn a_media_type_that_the_contract_names_is_json() {
    let environment =
        with_contract(&json!({"media_types": ["text/plain", "application/vnd.acme"]}));
    let (chosen, named) = ("/api/v1/events", "/api/v1/events?contract=mine");
    for media_type in ["text/plain; charset=UTF-8", "Application/Vnd.Acme"] {
        let answer =
            environment.post(named, &[("content-type", media_type)], r#"[{"id":"a"},{"id":"b"}]"#);
        assert_eq!(answer.body["accepted"], 2, "{media_type}: {}", answer.body);
        assert_eq!(sent(&environment).len(), 2);
    }
    let csv = environment.post(named, &[("content-type", "text/csv")], r#"{"id":"a"}"#);
    check_problem(&csv, 415, "unsupported_media_type");
    let other = environment.post(chosen, &[("content-type", "text/csv")], r#"{"id":"a"}"#);
    check_problem(&other, 415, "unsupported_media_type");
}

#[test]
fn cloud_events_are_accepted_in_binary_mode() {
    let environment = Environment::new();
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "e1"),
        ("ce-source", "pump-7"),
        ("ce-type", "started"),
        ("ce-time", "2026-11-21T05:59:00Z"),
    ];
    let answer =
        environment.post("/api/v1/events?contract=cloudevents", &headers, r#"{"rpm":900}"#);
    assert_eq!(answer.body["results"][0]["event_id"], "e1", "{}", answer.body);
    let [record] = environment.taken().try_into().expect("one record");
    assert_eq!(record.key.as_deref(), Some(&b"demo/entity/pump-7"[..]));
}
