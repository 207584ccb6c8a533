//! Facts about requests, over memory: what comes back, and where the events are afterwards.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, Request, StatusCode};
use drover_core::base::metrics::Meter;
use drover_core::base::metrics::{Metric, Tally};
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::envelope::Envelope;
use drover_core::intake::quota::WriteQuotas;
use drover_core::intake::record::{Record, Source, Wrapping};
use drover_core::memory::{Call, Fault, Faulty, Memory};
use drover_core::registry::Registry;
use drover_http::{Origins, finished};
use drover_intake::log_breaker::LogBreaker;
use drover_intake::{AuthMode, Gate, LocalKeys};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;

use super::*;

mod elements;
mod webhooks;

const NOW: &str = "2026-11-21T06:00:00Z";

/// Keeps the last counts.
#[derive(Default)]
struct Counted(Mutex<Tally>);

impl Meter for Counted {
    fn record(&self, function: &'static str, tally: &Tally, _now: Timestamp) {
        assert_eq!(function, FUNCTION);
        *self.0.lock().expect("no panic") = tally.clone();
    }
}

fn now() -> Timestamp {
    Timestamp::parse_rfc3339(NOW).expect("a time")
}

fn tenant(memory: &Faulty<Memory>, document: &Value) {
    let id = document["id"].as_str().expect("an id");
    set(memory, &format!("T#{id}"), document);
    let key = Sha256::digest(format!("{id}-key").as_bytes());
    let sha256: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let grant = json!({"tenant": id, "key": {"id": "k", "sha256": sha256, "scopes": ["write"]}});
    set(memory, &format!("K#{sha256}"), &grant);
}

fn set(memory: &Faulty<Memory>, name: &str, document: &Value) {
    memory.put_document(name, &document.to_string());
}

/// An environment with the tenants `demo` and `acme`, whose keys are `demo-key` and `acme-key`.
struct Environment {
    memory: Faulty<Memory>,
    counted: Arc<Counted>,
    router: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Environment {
    fn new() -> Self {
        Self::with_webhooks(WebhookOrigins::default())
    }

    /// An environment that webhooks of these origins may subscribe to.
    fn with_webhooks(origins: WebhookOrigins) -> Self {
        let (memory, counted) = (Faulty::over(Memory::new(now())), Arc::new(Counted::default()));
        tenant(&memory, &json!({"id": "demo"}));
        tenant(&memory, &json!({"id": "acme"}));
        let intake = Intake {
            function: FUNCTION,
            ports: memory.clone(),
            event_log: memory.clone(),
            registry: Registry::new(),
            gate: Gate { mode: AuthMode::Key(LocalKeys::Refused) },
            quotas: WriteQuotas::default(),
            log_breaker: LogBreaker::default(),
            meter: Arc::clone(&counted) as Arc<dyn Meter>,
        };
        Self {
            router: finished(routes(Arc::new(intake), origins), Origins::Local),
            memory,
            counted,
        }
    }

    fn request(&self, request: Request<Body>) -> Answer {
        let answer = self.router.clone().oneshot(request).now_or_never().expect("no I/O");
        let (head, mut body) = answer.expect("infallible").into_parts();
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let mut bytes = Vec::new();
        while let std::task::Poll::Ready(Some(frame)) =
            std::pin::Pin::new(&mut body).poll_frame(&mut context)
        {
            bytes.extend_from_slice(&frame.expect("no fault").into_data().expect("no trailers"));
        }
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Answer { status: head.status, headers: head.headers, body }
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let request = Request::post(path)
            .header("authorization", "Bearer demo-key")
            .header("content-type", "application/json");
        let request = headers.iter().fold(request, |request, (name, value)| {
            let mut request = request;
            let all = request.headers_mut().expect("no fault so far");
            all.remove(*name);
            request.header(*name, *value)
        });
        self.request(request.body(body.into()).expect("a request"))
    }

    fn events(&self, body: &Value) -> Answer {
        self.post("/api/v1/events", &[], body.to_string())
    }

    /// The records of the stream, emptied.
    fn taken(&self) -> Vec<Record> {
        std::mem::take(&mut self.memory.state().event_log)
    }

    /// These calls fail from now on.
    fn take_down(&self, calls: &'static [Call]) {
        let fault = |call| if calls.contains(&call) { Fault::Refused } else { Fault::None };
        self.memory.fail(fault);
    }

    fn counted(&self, metric: Metric) -> f64 {
        self.counted.0.lock().expect("no panic").total(metric)
    }

    fn at(&self, seconds: i64) {
        self.memory.state().now = now().plus_seconds(seconds);
    }
}

fn reading(device: &str, id: &str, value: &Value) -> Value {
    json!({
        "device_id": device, "event_id": id, "event_type": "temperature",
        "timestamp": "2026-11-21T05:59:00Z", "payload": {"value": value},
    })
}

fn good(id: &str) -> Value {
    reading("d1", id, &json!(1))
}

fn check_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (status, Some(code)));
    assert_eq!(answer.headers["content-type"], "application/problem+json");
}

#[test]
fn one_bad_event_never_costs_a_good_one() {
    let environment = Environment::new();
    let batch = json!([good("e1"), reading("d1", "e2", &json!("warm")), good("e3")]);
    let answer = environment.events(&batch);
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!((&answer.body["accepted"], &answer.body["rejected"]), (&json!(2), &json!(1)));
    assert_eq!(answer.body["received_at"], "2026-11-21T06:00:00.000Z");
    let results = &answer.body["results"];
    assert_eq!(results[0], json!({"index": 0, "status": "accepted", "event_id": "e1"}));
    assert_eq!(results[1]["status"], "rejected");
    assert_eq!(results[1]["error"]["code"], "schema_violation");
    assert_eq!(results[1]["error"]["path"], "/payload/value");
    assert_eq!(results[2]["event_id"], "e3");
    assert_eq!(environment.taken().len(), 2);
    assert!((environment.counted(Metric::MessagesProcessed) - 3.0).abs() < f64::EPSILON);
}

#[test]
fn what_goes_into_the_stream_is_the_checked_event_under_its_subjects_key() {
    let environment = Environment::new();
    let headers = [("x-correlation-id", "c-1"), ("traceparent", "00-a-b-01")];
    let answer = environment.post("/api/v1/events", &headers, good("e1").to_string());
    assert_eq!(answer.headers["x-correlation-id"], "c-1");
    let [record] = environment.taken().try_into().expect("one record");
    assert_eq!(record.key.as_deref(), Some(&b"demo/device/d1"[..]));
    let value: Value = serde_json::from_slice(&record.value.expect("a value")).expect("JSON");
    assert_eq!(
        value,
        json!({
            "v": 1, "tenant": "demo", "contract": "telemetry", "kind": "device", "id": "d1",
            "event_id": "e1", "type": "temperature", "observed_at": "2026-11-21T05:59:00.000Z",
            "ingested_at": "2026-11-21T06:00:00.000Z", "payload": {"value": 1},
        })
    );
    let carried = [("correlation_id", "c-1"), ("traceparent", "00-a-b-01")];
    let carried = carried.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    assert_eq!(record.headers, carried);
}

/// An environment with a contract of its own, named `mine`.
fn with_contract(changes: &Value) -> Environment {
    let environment = Environment::new();
    let mut contract = json!({"name": "mine", "subject": {"kind": "thing", "id": {"path": "/id"}},
        "type": {"const": "seen"}, "payload": {"path": ""}, "without_time": "received"});
    for (name, change) in changes.as_object().expect("an object") {
        contract[name] = change.clone();
    }
    set(&environment.memory, "C#mine", &contract);
    environment
}

/// The events in the stream.
fn sent(environment: &Environment) -> Vec<Value> {
    let values = environment.taken().into_iter().filter_map(|record| record.value);
    values.map(|value| serde_json::from_slice(&value).expect("JSON")).collect()
}

#[test]
fn headers_that_a_contract_names_go_along_and_those_that_prove_who_sends_do_not() {
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
fn what_a_contract_ignores_is_acknowledged_and_counted() {
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
fn a_value_that_no_view_can_read_is_counted_by_its_field() {
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
fn a_cloud_event_in_binary_mode_is_one_event_whatever_its_data_is() {
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
fn the_media_type_chooses_contract_and_mode_where_the_request_names_none() {
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
fn a_single_event_that_is_rejected_is_answered_with_its_own_code() {
    let environment = Environment::new();
    let mut future = good("e1");
    future["timestamp"] = json!("2026-11-21T06:05:01Z");
    check_problem(&environment.events(&future), 422, "future_timestamp");
    let mut old = good("e1");
    old["timestamp"] = json!("2026-10-21T06:00:00Z");
    check_problem(&environment.events(&old), 422, "beyond_retention");
    let answer = environment.events(&json!([future, old]));
    check_problem(&answer, 422, "no_event_accepted");
    assert_eq!(answer.body["errors"][1]["index"], 1);
    assert_eq!(answer.body["errors"][1]["code"], "beyond_retention");
    assert_eq!(answer.body["title"], "Unprocessable Content");
    let unknown = environment.post("/api/v1/events?contract=none", &[], good("e1").to_string());
    check_problem(&unknown, 422, "unknown_contract");
    check_problem(&environment.events(&json!("text")), 422, "schema_violation");
    assert!(environment.taken().is_empty());
}

#[test]
fn a_body_that_names_another_tenant_is_refused() {
    let environment = Environment::new();
    let mut event = good("e1");
    event["tenant_id"] = json!("acme");
    check_problem(&environment.events(&event), 422, "tenant_mismatch");
    let beside = json!({"events": [good("e1")], "tenant_id": "acme"});
    check_problem(&environment.events(&beside), 422, "tenant_mismatch");
    event["tenant_id"] = json!("demo");
    assert_eq!(environment.events(&event).status, StatusCode::ACCEPTED);
    let [record] = environment.taken().try_into().expect("one record");
    assert_eq!(record.key.as_deref(), Some(&b"demo/device/d1"[..]));
}

#[test]
fn a_request_as_a_whole_may_be_wrong_in_many_ways() {
    let environment = Environment::new();
    let path = "/api/v1/events";
    let event = good("e1").to_string();
    for (headers, body, status, code) in [
        (("authorization", "Bearer wrong"), event.as_str(), 401, "unauthorized"),
        (("content-type", "text/plain"), &event, 415, "unsupported_media_type"),
        (("content-encoding", "br"), &event, 415, "unsupported_encoding"),
        (("content-encoding", "gzip"), &event, 400, "malformed_encoding"),
        (("accept", "text/html"), &event, 406, "not_acceptable"),
        (("idempotency-key", "two words"), &event, 400, "invalid_parameter"),
        (("x-any", ""), "{", 400, "malformed_json"),
        (("x-any", ""), "[]", 422, "empty_batch"),
    ] {
        check_problem(&environment.post(path, &[headers], body.to_owned()), status, code);
    }
    let large = vec![b' '; SENT_BYTES + 1];
    check_problem(&environment.post(path, &[], large), 413, "too_large");
    let typo = environment.post("/api/v1/events?contrct=x", &[], event);
    check_problem(&typo, 400, "unknown_parameter");
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let other_method = environment.request(request);
    check_problem(&other_method, 405, "method_not_allowed");
    assert_eq!(other_method.headers["allow"], "POST");
    assert!(environment.taken().is_empty());
}

#[test]
fn a_compressed_batch_of_lines_is_read_line_by_line() {
    let environment = Environment::new();
    let lines = format!("{}\n{{broken\n{}\n", good("e1"), good("e2"));
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(lines.as_bytes()).expect("memory takes it");
    let headers = [("content-type", "application/x-ndjson"), ("content-encoding", "gzip")];
    let packed = encoder.finish().expect("memory takes it");
    let answer = environment.post("/api/v1/events", &headers, packed);
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.body["results"][1]["error"]["code"], "malformed_json");
    assert_eq!(environment.taken().len(), 2);
}

fn without_time_and_id() -> Value {
    json!({"device_id": "d1", "event_type": "battery", "payload": {"value": 80}})
}

#[test]
fn a_request_repeated_under_its_key_is_the_same_request() {
    let environment = Environment::new();
    let send = |key: &str, body: &Value| {
        environment.post("/api/v1/events", &[("idempotency-key", key)], body.to_string())
    };
    let batch = json!([without_time_and_id(), without_time_and_id()]);
    let first = send("k1", &batch);
    environment.at(3600);
    let again = send("k1", &batch);
    assert_eq!(first.body, again.body);
    let records = environment.taken();
    assert_eq!(records.len(), 4);
    assert_eq!(
        records[..2],
        records[2..]
            .iter()
            .map(|record| Record { headers: records[0].headers.clone(), ..record.clone() })
            .collect::<Vec<_>>()
    );
    assert_ne!(first.body["results"][0]["event_id"], first.body["results"][1]["event_id"]);
    check_problem(&send("k1", &json!([good("e1")])), 422, "idempotency_mismatch");
    assert!(environment.taken().is_empty());
    let other = send("k2", &batch);
    assert_ne!(other.body["batch_id"], first.body["batch_id"]);
    environment.at(24 * 3600 + 1);
    let next_day = send("k1", &batch);
    assert_ne!(next_day.body["received_at"], first.body["received_at"]);
}

#[test]
fn the_same_key_of_another_tenant_is_another_request() {
    let environment = Environment::new();
    let send = |key: &str| {
        let headers = [("authorization", key), ("idempotency-key", "k1")];
        environment.post("/api/v1/events", &headers, without_time_and_id().to_string())
    };
    let (demo, acme) = (send("Bearer demo-key"), send("Bearer acme-key"));
    assert_eq!((demo.status, acme.status), (StatusCode::ACCEPTED, StatusCode::ACCEPTED));
    assert_ne!(demo.body["batch_id"], acme.body["batch_id"]);
}

#[test]
fn a_claim_that_cannot_be_put_fails_the_request_before_anything_is_sent() {
    let environment = Environment::new();
    environment.take_down(&[Call::Claim]);
    let headers = [("idempotency-key", "k1")];
    let answer = environment.post("/api/v1/events", &headers, good("e1").to_string());
    check_problem(&answer, 503, "unavailable");
    assert!(environment.taken().is_empty());
}

#[test]
fn without_the_stream_events_wait_in_the_buffer_as_they_would_have_been_sent() {
    let environment = Environment::new();
    environment.take_down(&[Call::EventLog]);
    let answer = environment.events(&json!([good("e1"), reading("d1", "e2", &json!("warm"))]));
    assert_eq!((answer.status, &answer.body["accepted"]), (StatusCode::ACCEPTED, &json!(1)));
    let state = environment.memory.state();
    let [message] = &state.buffer[..] else { panic!("{} messages", state.buffer.len()) };
    let envelope: Envelope = serde_json::from_str(&message.body).expect("an envelope");
    assert_eq!(envelope.code, "unavailable");
    assert_eq!(envelope.tenant.as_deref(), Some("demo"));
    assert_eq!(envelope.wrapping, Some(Wrapping::Event));
    assert_eq!(envelope.ingested_at, now());
    assert!(matches!(envelope.source, Source::Http { index: 0, .. }));
    drop(state);
    assert!((environment.counted(Metric::RecordsBuffered) - 1.0).abs() < f64::EPSILON);
}

#[test]
fn a_stream_that_was_not_there_twice_is_left_alone_for_five_seconds() {
    let environment = Environment::new();
    let sends = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sends);
    environment.memory.fail(move |call| {
        let sends = call == Call::EventLog;
        count.fetch_add(usize::from(sends), Ordering::Relaxed);
        if sends { Fault::Refused } else { Fault::None }
    });
    for seconds in [0, 0, 1, 4] {
        environment.at(seconds);
        let answer = environment.events(&json!([good("e1")]));
        assert_eq!((answer.status, &answer.body["accepted"]), (StatusCode::ACCEPTED, &json!(1)));
    }
    assert_eq!((sends.load(Ordering::Relaxed), environment.memory.state().buffer.len()), (2, 4));
    // It is there again, and is asked when the time is over.
    environment.take_down(&[]);
    environment.at(4);
    environment.events(&json!([good("e3")]));
    assert_eq!((environment.taken().len(), environment.memory.state().buffer.len()), (0, 5));
    environment.at(5);
    environment.events(&json!([good("e3")]));
    assert_eq!((environment.taken().len(), environment.memory.state().buffer.len()), (1, 5));
}

#[test]
fn a_stream_is_asked_again_where_the_buffer_fails_meanwhile() {
    let environment = Environment::new();
    environment.take_down(&[Call::EventLog]);
    for _ in 0..2 {
        environment.events(&json!([good("e1")]));
    }
    environment.take_down(&[Call::Buffer]);
    // Nobody asked the stream for this one, and its sender sends it again.
    check_problem(&environment.events(&json!([good("e1")])), 503, "unavailable");
    assert_eq!(environment.events(&json!([good("e1")])).status, StatusCode::ACCEPTED);
    assert_eq!(environment.taken().len(), 1);
}

#[test]
fn a_stream_is_not_left_alone_after_a_send_that_arrived() {
    let environment = Environment::new();
    for down in [&[Call::EventLog][..], &[], &[Call::EventLog], &[]] {
        environment
            .memory
            .fail(move |call| if down.contains(&call) { Fault::Refused } else { Fault::None });
        environment.events(&json!([good("e1")]));
    }
    assert_eq!((environment.taken().len(), environment.memory.state().buffer.len()), (2, 2));
}

#[test]
fn without_stream_and_buffer_nothing_is_promised() {
    let environment = Environment::new();
    environment.take_down(&[Call::EventLog, Call::Buffer]);
    let answer = environment.events(&json!([good("e1"), good("e2")]));
    check_problem(&answer, 503, "unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(answer.body["detail"], "Service Unavailable");
}

#[test]
fn a_registry_that_is_down_is_no_fault_of_the_events() {
    let environment = Environment::new();
    environment.take_down(&[Call::Document]);
    check_problem(&environment.events(&good("e1")), 503, "unavailable");
}

#[test]
fn a_quota_is_the_tenants_own() {
    let environment = Environment::new();
    let quota = json!({"events_per_second": 1, "burst": 2});
    tenant(&environment.memory, &json!({"id": "demo", "quota": quota}));
    let two = json!([good("e1"), good("e2")]);
    assert_eq!(environment.events(&two).status, StatusCode::ACCEPTED);
    let refused = environment.events(&two);
    check_problem(&refused, 429, "rate_limited");
    assert_eq!(refused.headers["retry-after"], "2");
    let acme = [("authorization", "Bearer acme-key")];
    let other = environment.post("/api/v1/events", &acme, two.to_string());
    assert_eq!(other.status, StatusCode::ACCEPTED);
}

#[test]
fn rejected_events_are_kept_where_their_tenant_wants_them() {
    let environment = Environment::new();
    tenant(&environment.memory, &json!({"id": "demo", "keep_rejected": true}));
    environment.events(&json!([good("e1"), reading("d1", "e2", &json!("warm"))]));
    let acme = [("authorization", "Bearer acme-key")];
    environment.post("/api/v1/events", &acme, json!([{}]).to_string());
    let state = environment.memory.state();
    let [message] = &state.letters[..] else { panic!("{} letters", state.letters.len()) };
    let letter: Envelope = serde_json::from_str(&message.body).expect("an envelope");
    assert_eq!((letter.code.as_str(), letter.wrapping), ("schema_violation", None));
    assert_eq!(letter.contract.as_deref(), Some("telemetry"));
    assert!(matches!(letter.source, Source::Http { index: 1, .. }));
}

#[test]
fn cloud_events_come_in_binary_mode_too() {
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

#[test]
fn the_routes_of_the_replaced_systems_answer_as_they_did() {
    let environment = Environment::new();
    let event = json!({
        "learner_id": "l-9", "course_id": "c", "lesson_id": "s", "event_type": "lesson_started",
        "event_data": {}, "timestamp": NOW,
    });
    let body = json!({"events": [event]}).to_string();
    let collected = environment.post("/collect", &[], body);
    assert_eq!(collected.status, StatusCode::ACCEPTED);
    assert_eq!(collected.body["success"], true);
    assert_eq!(collected.body["timestamp"], "2026-11-21T06:00:00.000Z");
    let get = |path: &str| {
        let request = Request::get(path).header("authorization", "Bearer demo-key");
        environment.request(request.body(Body::empty()).expect("a request"))
    };
    assert_eq!(get("/current_time?name=Ada").body["message"], "Hello Ada");
    check_problem(&get("/current_time?name=A%07B"), 400, "invalid_parameter");
    check_problem(&get("/current_time?nme=Ada"), 400, "unknown_parameter");
    assert_eq!(get("/hello").body, json!({"message": "Hello World!"}));
    let keys: Vec<Vec<u8>> = environment.taken().into_iter().filter_map(|one| one.key).collect();
    assert_eq!(keys, [&b"demo/learner/l-9"[..], b"demo/user/Ada"]);
    environment.take_down(&[Call::EventLog, Call::Buffer]);
    check_problem(&get("/current_time?name=Ada"), 503, "unavailable");
}
