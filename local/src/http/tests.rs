//! The HTTP port: rejected requests, timeouts, and the shape of a response.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::routing::{get, post};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use super::*;

/// Longer than any step takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(20);

fn routes() -> Router {
    Router::new()
        .route("/fine", get(|| async { "fine" }))
        .route("/never", get(std::future::pending::<()>))
        .route("/length", post(|body: Bytes| async move { body.len().to_string() }))
}

async fn ask(limit: Duration, request: Request) -> (StatusCode, Value) {
    let answer = app_within(routes(), limit).oneshot(request);
    let answer = tokio::time::timeout(LONG, answer).await.expect("in time");
    let (head, body) = answer.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn ask_as(host: &str) -> StatusCode {
    let request = Request::get("/fine").header("host", host).body(Body::empty()).unwrap();
    ask(LONG, request).await.0
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_unavailable() {
    let never = Request::get("/never").body(Body::empty()).unwrap();
    let body = Body::from_stream(futures_util::stream::pending::<std::io::Result<Bytes>>());
    let endless = Request::post("/length").body(body).unwrap();
    for request in [never, endless] {
        let (status, problem) = ask(SHORT, request).await;
        assert_eq!((status.as_u16(), &problem["code"]), (503, &Value::from("unavailable")));
        assert!(problem["correlation_id"].is_string());
    }
}

#[tokio::test]
async fn the_host_answers_to_addresses_and_localhost_only() {
    for host in ["localhost:8080", "LOCALHOST", "a.localhost", "127.0.0.1:8080", "[::1]:8080"] {
        assert_eq!(ask_as(host).await, StatusCode::OK, "{host}");
    }
    for host in ["page.example", "page.example:8080", "localhost.page.example", "", "a b", "x@"] {
        assert_eq!(ask_as(host).await, StatusCode::FORBIDDEN, "{host}");
    }
    let nameless = Request::get("/fine").body(Body::empty()).unwrap();
    assert_eq!(ask(LONG, nameless).await.0, StatusCode::OK);
}

/// A server on a free port.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

async fn start(router: Router, limits: Limits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(serve(listener, router, limits, async {
        let _ = stopped.await;
    }));
    Running { address, stop, task }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Stops the server, and waits until it has stopped.
    async fn stop(self) {
        drop(self.stop);
        tokio::time::timeout(LONG, self.task).await.unwrap().unwrap().unwrap();
    }
}

/// Reads until the other side closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    tokio::time::timeout(LONG, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

async fn write(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// Reads one response, and leaves the connection open.
async fn answer(stream: &mut TcpStream, body: &str) {
    let mut text = String::new();
    while !text.ends_with(body) {
        let mut bytes = [0; 256];
        let count = tokio::time::timeout(LONG, stream.read(&mut bytes)).await.unwrap().unwrap();
        assert_ne!(count, 0, "closed after {text}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let running = start(app(routes()), Limits::HOST).await;
    let mut stream = running.connect().await;
    for _ in 0..2 {
        write(&mut stream, "GET /fine HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        answer(&mut stream, "\r\n\r\nfine").await;
    }
    drop(stream);
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_header_is_disconnected() {
    let running = start(app(routes()), Limits { header: SHORT, ..Limits::HOST }).await;
    for beginning in ["", "GET /fine HTTP/1.1\r\nhost: loc"] {
        let mut stream = running.connect().await;
        write(&mut stream, beginning).await;
        let text = rest(stream).await;
        assert!(!text.contains("200 OK"), "{text}");
    }
    running.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_until_one_ends() {
    let running = start(app(routes()), Limits { connections: 1, ..Limits::HOST }).await;
    let mut first = running.connect().await;
    write(&mut first, "GET /fine HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    answer(&mut first, "fine").await;
    let mut second = running.connect().await;
    write(&mut second, "GET /fine HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let mut byte = [0; 1];
    assert!(tokio::time::timeout(SHORT, second.read(&mut byte)).await.is_err(), "served");
    drop(first);
    answer(&mut second, "fine").await;
    drop(second);
    running.stop().await;
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_closes_idle_connections() {
    let (entered, mut inside) = mpsc::channel(1);
    let (leave, left) = oneshot::channel::<()>();
    let left = std::sync::Arc::new(tokio::sync::Mutex::new(Some(left)));
    let held = move || async move {
        entered.send(()).await.unwrap();
        left.lock().await.take().unwrap().await.unwrap();
        "held"
    };
    let running = start(app(Router::new().route("/held", get(held))), Limits::HOST).await;
    let idle = running.connect().await;
    let mut busy = running.connect().await;
    write(&mut busy, "GET /held HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    inside.recv().await.unwrap();

    let stopping = tokio::spawn(running.stop());
    assert_eq!(rest(idle).await, "");
    leave.send(()).unwrap();
    let text = rest(busy).await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("held"), "{text}");
    stopping.await.unwrap();
}
