//! Cold starts on this machine: from the start of a function's process to its first request to the
//! Runtime API (its clients exist by then), and to its first response. This program fakes the
//! Runtime API, and tables and queues are those of a host. Lambda's own part (placement, download
//! of the archive, less CPU than here) is not included.
//!
//! `sam build --parameter-overrides Architecture=x86_64`, then `cargo build --release -p
//! drover-local -p drover-bench && target/release/drover-bench cold .aws-sam/build`

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use drover_local::data_folder::running_host;
use drover_tests::chaos::process::Process;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::letters::{drover, write};
use crate::print;

const STARTS: usize = 20;
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(folder: Option<String>) -> anyhow::Result<()> {
    let folder = PathBuf::from(folder.unwrap_or_else(|| ".aws-sam/build".to_owned()));
    tokio::runtime::Runtime::new().context("a runtime")?.block_on(measure(&folder))
}

async fn measure(folder: &Path) -> anyhow::Result<()> {
    let program = crate::http::program()?;
    let location = tempfile::tempdir().context("a folder for the host")?;
    let data = location.path().join("data");
    let _host = Process::start(&program, &data).await.map_err(|fault| anyhow!(fault))?;
    let key = tenant(&program, &data, location.path())?;
    let addresses = running_host(&data)?.addresses;
    let services = [
        ("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{}", addresses.dynamodb)),
        ("AWS_ENDPOINT_URL_SQS", format!("http://{}", addresses.sqs)),
    ];
    for (function, event) in events(&key)? {
        let bootstrap = folder.join(function).join("bootstrap");
        let (mut polls, mut answers) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            let start = start(&bootstrap, &services, &event).await?;
            polls.push(start.poll);
            answers.push(start.answer);
        }
        let bytes = std::fs::metadata(&bootstrap)?.len();
        let size = bytes as f64 / 1e6;
        print(&format!(
            "{function}: {size:.1} MB; first poll {}, first answer {} ({STARTS} starts)",
            shown(polls),
            shown(answers)
        ));
    }
    Ok(())
}

fn shown(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |index: usize| times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    let last = times.len().saturating_sub(1);
    format!("{:.0} ms ({:.0} to {:.0})", at(last / 2), at(0), at(last))
}

/// A tenant with a key that is valid outside the host too.
fn tenant(program: &Path, data: &Path, location: &Path) -> anyhow::Result<String> {
    let made = Command::new(program).args(["key", "cold"]).stderr(Stdio::null()).output()?;
    let made = String::from_utf8(made.stdout)?;
    let (key, line) = made.split_once('\n').context("a key and its line")?;
    let line: Value = serde_json::from_str(line)?;
    let config = location.join("config");
    write(&config, "tenants/cold.json", &json!({"id": "cold", "keys": [line]}))?;
    let routes = json!({"telemetry": {"contract": "telemetry", "tenant": {"header": "tenant"}}});
    write(&config, "topics.json", &json!({"topics": routes}))?;
    drover(program, data, &["apply", config.to_str().context("a folder")?], "")?;
    Ok(key.to_owned())
}

/// One event for each function, which makes the function read and, except for query, write.
fn events(key: &str) -> anyhow::Result<[(&'static str, String); 4]> {
    let body = r#"{"device_id":"cold-1","event_type":"temperature","payload":{"value":20}}"#;
    let record = json!({
        "topic": "telemetry", "partition": 0, "offset": 1, "timestamp": now_millis(), "timestampType": "CREATE_TIME",
        "value": base64_simd::STANDARD.encode_to_string(body),
        "headers": [{"tenant": b"cold".to_vec()}],
    });
    let kafka = json!({"eventSource": "aws:kafka", "records": {"telemetry-0": [record]}});
    let command = json!({"action": "inspect", "tenant": "cold"});
    Ok([
        ("Ingest", http(key, "POST", "/api/v1/events", Some(body)).to_string()),
        ("Processor", kafka.to_string()),
        ("Query", http(key, "GET", "/api/v1/subjects", None).to_string()),
        ("Replay", command.to_string()),
    ])
}

fn now_millis() -> u64 {
    let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_millis());
    u64::try_from(now).unwrap_or(0)
}

/// A request as an HTTP API forwards it.
fn http(key: &str, method: &str, path: &str, body: Option<&str>) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": {"authorization": format!("Bearer {key}"), "content-type": "application/json"},
        "requestContext": {
            "accountId": "1", "apiId": "a", "domainName": "a", "domainPrefix": "a",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "bench"},
            "requestId": "r", "routeKey": "$default", "stage": "$default",
            "time": "21/Nov/2026:06:05:00 +0000", "timeEpoch": now_millis(),
        },
        "body": body, "isBase64Encoded": false,
    })
}

struct Start {
    poll: Duration,
    answer: Duration,
}

/// The requests to the Runtime API.
#[derive(Default)]
struct Seen {
    polled: Mutex<Option<Instant>>,
    answered: Mutex<Option<(Instant, String)>>,
    done: Notify,
}

async fn start(
    bootstrap: &Path,
    services: &[(&str, String)],
    event: &str,
) -> anyhow::Result<Start> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let seen = Arc::new(Seen::default());
    let routes = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(answered))
        .with_state((Arc::clone(&seen), event.to_owned()));
    let server = tokio::spawn(axum::serve(listener, routes).into_future());
    let mut command = Command::new(bootstrap);
    command.env_clear().envs(variables()).envs(services.iter().cloned());
    command.env("AWS_LAMBDA_RUNTIME_API", address.to_string());
    let started = Instant::now();
    let mut child = Killed(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    let waited = tokio::time::timeout(PATIENCE, seen.done.notified()).await;
    server.abort();
    if waited.is_err() {
        bail!("{} did not respond: {:?}", bootstrap.display(), child.0.try_wait());
    }
    let polled = seen.polled.lock().ok().and_then(|polled| *polled).context("a poll")?;
    let answered = seen.answered.lock().ok().and_then(|mut answered| answered.take());
    let (answered, answer) = answered.context("an answer")?;
    let good = ["\"statusCode\":2", "\"batchItemFailures\":[]", "\"letters\":"];
    if !good.iter().any(|part| answer.contains(part)) {
        bail!("{} answered {answer}", bootstrap.display());
    }
    Ok(Start { poll: polled - started, answer: answered - started })
}

/// A process that is killed when the measurement ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn next(State((seen, event)): State<(Arc<Seen>, String)>) -> Response {
    let first = seen.polled.lock().ok().is_some_and(|mut polled| {
        let first = polled.is_none();
        polled.get_or_insert_with(Instant::now);
        first
    });
    if !first {
        std::future::pending::<()>().await;
    }
    let deadline = now_millis() + 30_000;
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:1:function:f".to_owned(),
        ),
    ];
    (headers, event).into_response()
}

async fn answered(State((seen, _)): State<(Arc<Seen>, String)>, body: Bytes) -> &'static str {
    let now = Instant::now();
    if let Ok(mut answered) = seen.answered.lock() {
        *answered = Some((now, String::from_utf8_lossy(&body).into_owned()));
    }
    seen.done.notify_one();
    ""
}

/// The variables that Lambda and the template set.
fn variables() -> Vec<(&'static str, String)> {
    let queue = |name: &str| format!("http://127.0.0.1/000000000000/drover-{name}");
    let fixed = [
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "f"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "f"),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("DROVER_LEDGER_TABLE", "drover-ledger"),
        ("DROVER_REGISTRY_TABLE", "drover-registry"),
        ("DROVER_REQUESTS_TABLE", "drover-requests"),
        ("DROVER_LETTERS_TABLE", "drover-letters"),
        ("DROVER_OUTPUTS_TABLE", "drover-outputs"),
    ];
    let mut variables: Vec<_> = fixed.map(|(name, value)| (name, value.to_owned())).into();
    variables.push(("DROVER_DEAD_LETTER_QUEUE_URL", queue("dead-letters")));
    variables.push(("DROVER_BUFFER_QUEUE_URL", queue("buffer")));
    variables
}
