//! Tests of the layers of every router: ids, problems, panics, origins.

use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::StatusCode;
use axum::routing::get;
use drover_core::base::time::Timestamp;
use drover_core::intake::tenant::Scope;
use drover_core::memory::Memory;
use drover_core::registry::Registry;
use drover_intake::{AuthMode, Gate, LocalKeys};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::Credentials;

fn router() -> Router {
    let routes = Router::new()
        .route("/fine", get(|| async { "fine" }).post(|| async { "posted" }))
        .route("/panic", get(panics));
    finished(routes.route_layer(from_fn(json_only)), Origins::Local)
}

async fn panics() -> &'static str {
    panic!("with a payload in its words")
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

fn ask(method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = headers
        .iter()
        .fold(Request::builder().method(method).uri(path), |request, (name, value)| {
            request.header(*name, *value)
        })
        .body(Body::empty())
        .expect("a request");
    let response = router().oneshot(request).now_or_never().expect("no I/O").expect("infallible");
    let (head, body) = response.into_parts();
    Answer { status: head.status, headers: head.headers, body: json_of(body) }
}

fn json_of(mut body: Body) -> Value {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut bytes = Vec::new();
    while let std::task::Poll::Ready(Some(frame)) =
        std::pin::Pin::new(&mut body).poll_frame(&mut context)
    {
        let data: Bytes = frame.expect("no fault").into_data().expect("no trailers");
        bytes.extend_from_slice(&data);
    }
    serde_json::from_slice(&bytes).unwrap_or_default()
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn check_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status);
    assert_eq!(header(answer, "content-type"), "application/problem+json");
    assert_eq!(answer.body["status"], status);
    assert_eq!(answer.body["code"], code);
    assert_eq!(answer.body["type"], "about:blank");
    assert_eq!(answer.body["correlation_id"], header(answer, "x-correlation-id"));
}

#[test]
fn every_response_carries_the_requests_correlation_id_or_a_new_one() {
    let own = ask("GET", "/fine", &[("x-correlation-id", "mine-1")]);
    assert_eq!((own.status, header(&own, "x-correlation-id")), (StatusCode::OK, "mine-1"));
    for odd in ["", "two words", &"x".repeat(129)] {
        let answer = ask("GET", "/fine", &[("x-correlation-id", odd)]);
        assert_eq!(header(&answer, "x-correlation-id").len(), 36, "a UUID for {odd}");
    }
}

#[test]
fn an_unknown_route_an_unknown_method_and_a_panic_are_problems() {
    check_problem(&ask("GET", "/none", &[]), 404, "not_found");
    let other = ask("DELETE", "/fine", &[]);
    check_problem(&other, 405, "method_not_allowed");
    assert_eq!(header(&other, "allow"), "GET,HEAD,POST");
    let panicked = ask("GET", "/panic", &[("x-correlation-id", "mine-2")]);
    check_problem(&panicked, 500, "internal");
    assert_eq!(
        panicked.body,
        json!({
            "type": "about:blank", "title": "Internal Server Error", "status": 500,
            "code": "internal", "detail": "Internal Server Error", "correlation_id": "mine-2",
        })
    );
}

#[test]
fn a_client_that_does_not_accept_json_gets_406() {
    check_problem(&ask("GET", "/fine", &[("accept", "text/html")]), 406, "not_acceptable");
    check_problem(&ask("GET", "/fine", &[("accept", "*/*;q=0")]), 406, "not_acceptable");
    for accept in ["*/*", "application/*", "text/html, application/json;q=0.5", "Application/JSON"]
    {
        assert_eq!(ask("GET", "/fine", &[("accept", accept)]).status, StatusCode::OK, "{accept}");
    }
}

#[test]
fn only_local_pages_may_read_responses() {
    let allowed = |origin: &str, path: &str| {
        let answer = ask("GET", path, &[("origin", origin)]);
        header(&answer, "access-control-allow-origin").to_owned()
    };
    for origin in
        ["http://localhost:3000", "http://localhost", "https://127.0.0.1:1", "http://[::1]:8080"]
    {
        assert_eq!(allowed(origin, "/fine"), origin);
        assert_eq!(allowed(origin, "/none"), origin, "an error, too");
    }
    for origin in
        ["http://localhost.example.com", "http://example.com:80", "null", "http://localhost:x"]
    {
        assert_eq!(allowed(origin, "/fine"), "", "{origin}");
    }
    let listed = Origins::Listed(vec!["https://app.example.com".to_owned()]);
    assert!(listed.allow(&HeaderValue::from_static("https://app.example.com")));
    assert!(!listed.allow(&HeaderValue::from_static("http://localhost:3000")));
}

/// Runs a closure and returns its log output.
fn logged(run: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
    tracing::subscriber::with_default(log.finish(), run);
    let bytes = lines.0.lock().expect("not poisoned").clone();
    String::from_utf8(bytes).expect("text")
}

/// A route that requires the scope `read`. The tenant `demo` has the key `a-secret-key` with that
/// scope.
fn guarded() -> Router {
    let now = Timestamp::from_millis(1_800_000_000_000).expect("in range");
    let memory = Memory::new(now);
    memory.put_document("T#demo", r#"{"id":"demo"}"#);
    let sha256 = "bf8061f00bac730cb63cc24bc76f81ec26b449bf6d465075843ce0bf8100f606";
    let key = format!(r#"{{"id":"reader-1","sha256":"{sha256}","scopes":["read"]}}"#);
    memory.put_document(&format!("K#{sha256}"), &format!(r#"{{"tenant":"demo","key":{key}}}"#));
    let gate = Arc::new(Gate { mode: AuthMode::Key(LocalKeys::Refused) });
    let registry = Arc::new(Registry::new());
    let read = move |credentials: Credentials| async move {
        let admitted = gate.admit(credentials.proof(), Scope::Read, now, &registry, &memory).await;
        let caller = credentials.admitted(admitted)?;
        Ok::<_, Problem>(caller.scope.tenant().to_string())
    };
    finished(Router::new().route("/read/{id}", get(read)), Origins::Local)
}

fn asked(key: &str) -> String {
    let request = Request::get("/read/d-1?secret=query").header("x-correlation-id", "c-1");
    let request = request.header("authorization", format!("Bearer {key}"));
    let request = request.body(Body::empty()).expect("a request");
    logged(|| drop(guarded().oneshot(request).now_or_never().expect("no I/O")))
}

#[test]
fn each_request_is_logged_with_its_caller_and_never_with_a_key() {
    let log = asked("a-secret-key");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("answered")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    for part in [
        "method=GET",
        "/read/{id}",
        "status=200",
        "milliseconds=",
        "tenant=demo",
        "key:reader-1",
        "c-1",
    ] {
        assert!(lines[0].contains(part), "{part}: {log}");
    }
    let unknown = asked("another-secret-key");
    for part in ["status=401", "unknown key:", "refused"] {
        assert!(unknown.contains(part), "{part}: {unknown}");
    }
    for log in [log, unknown] {
        assert!(!log.contains("secret"), "{log}");
    }
}
