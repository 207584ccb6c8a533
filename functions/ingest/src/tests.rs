//! Tests of requests with in-memory ports: the answer, and where the events are afterwards.

use std::io::Write as _;
use std::sync::Mutex;

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

mod contracts;
mod elements;
mod event_log;
mod idempotency;
mod received;
mod simulated;
mod webhooks;

const NOW: &str = "2026-11-21T06:00:00Z";

/// Keeps the metrics of the last request.
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

    /// An environment that allows webhooks of these origins.
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

    /// Takes all records out of the event log.
    fn taken(&self) -> Vec<Record> {
        std::mem::take(&mut self.memory.state().event_log)
    }

    /// Makes these calls fail from now on.
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
fn a_bad_event_never_costs_a_good_event() {
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
fn the_record_in_the_event_log_is_the_parsed_event_keyed_by_its_subject() {
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

#[test]
fn a_rejected_single_event_is_answered_with_its_own_code() {
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
fn an_invalid_request_is_answered_with_its_code() {
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
    assert_eq!(other_method.headers["allow"], "POST,OPTIONS");
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

#[test]
fn a_registry_that_is_down_rejects_no_event() {
    let environment = Environment::new();
    environment.take_down(&[Call::Document]);
    check_problem(&environment.events(&good("e1")), 503, "unavailable");
}

#[test]
fn each_tenant_has_its_own_quota() {
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
fn rejected_events_become_letters_if_the_tenant_enables_it() {
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
fn the_routes_of_the_replaced_systems_keep_their_answers() {
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
