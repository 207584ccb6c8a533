//! Shared parts of the host's tests: HTTP requests as any client sends them, the binary as a
//! process, and Lambda's Kafka events ([`kafka`]).
#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of this")]

pub mod kafka;
pub mod running;

use std::io::{Seek as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use drover_local::data_folder::{Addresses, running_host};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

/// Longer than any step takes on a busy machine.
pub const WAIT: Duration = Duration::from_secs(30);

/// Posts JSON and returns status and JSON; `None` if the connection ends before the response.
pub async fn post(
    address: SocketAddr,
    path: &str,
    target: &str,
    body: &Value,
) -> Option<(u16, Value)> {
    post_with(address, path, ("x-amz-target", target), body).await
}

/// Like [`post`], with an extra header.
pub async fn post_with(
    address: SocketAddr,
    path: &str,
    (name, value): (&str, &str),
    body: &Value,
) -> Option<(u16, Value)> {
    let authorization = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, \
                         SignedHeaders=host, Signature=0";
    let request = Request::post(path)
        .header("host", address.to_string())
        .header("content-type", "application/x-amz-json-1.0")
        .header(name, value)
        .header("x-amz-date", "20260101T000000Z")
        .header("authorization", authorization)
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap();
    let answer = send(address, request).await?;
    let json = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
    Some((answer.status().as_u16(), json))
}

/// Posts JSON to the HTTP port with an API key.
pub async fn post_api(addresses: &Addresses, path: &str, key: &str, body: &Value) -> (u16, Value) {
    let request = Request::post(path)
        .header("host", addresses.http.to_string())
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {key}"))
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap();
    let answer = send(addresses.http, request).await.unwrap();
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
}

/// Gets a page of the HTTP port.
pub async fn get(addresses: &Addresses, path: &str) -> Response<Bytes> {
    let request = Request::get(path).header("host", addresses.http.to_string());
    send(addresses.http, request.body(Full::default()).unwrap()).await.unwrap()
}

/// Gets a page of the HTTP port with an API key.
pub async fn get_api(addresses: &Addresses, path: &str, key: &str) -> Response<Bytes> {
    let request = Request::get(path)
        .header("host", addresses.http.to_string())
        .header("authorization", format!("Bearer {key}"));
    send(addresses.http, request.body(Full::default()).unwrap()).await.unwrap()
}

/// Sends one request on its own connection; `None` if the connection ends before the response.
async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Option<Response<Bytes>> {
    let event_log = tokio::net::TcpStream::connect(address).await.ok()?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(event_log)).await;
    let (mut sender, connection) = handshake.ok()?;
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.ok()?.into_parts();
    Some(Response::from_parts(head, body.collect().await.ok()?.to_bytes()))
}

/// Executes one DynamoDB action that must succeed.
pub async fn dynamodb(addresses: &Addresses, action: &str, body: Value) -> Value {
    let target = format!("DynamoDB_20120810.{action}");
    let (status, answer) = post(addresses.dynamodb, "/", &target, &body).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    answer
}

/// Executes one SQS action that must succeed.
pub async fn sqs(addresses: &Addresses, action: &str, body: Value) -> Value {
    let (status, answer) =
        post(addresses.sqs, "/", &format!("AmazonSQS.{action}"), &body).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    answer
}

/// A table `notes` with the key `id`.
pub fn table() -> Value {
    json!({
        "TableName": "notes", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
    })
}

/// The binary.
pub fn drover(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drover"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the binary to its end: exit code, standard output, standard error.
pub async fn run(arguments: &[&str], input: &str) -> (i32, String, String) {
    to_its_end(drover(arguments), input).await
}

/// Like [`run`], with this environment only.
pub async fn run_with(
    environment: &[(&'static str, String)],
    arguments: &[&str],
    input: &str,
) -> (i32, String, String) {
    let mut command = drover(arguments);
    command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    to_its_end(command, input).await
}

async fn to_its_end(mut command: Command, input: &str) -> (i32, String, String) {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // Fails if the process ends before it reads its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output());
    let output = tokio::time::timeout(WAIT, ended).await.unwrap().unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// `drover serve` on free ports as a process. Dropping it ends the process.
pub struct Process {
    pub child: Child,
    pub addresses: Addresses,
}

impl Process {
    /// Starts the host, and waits until its note reports its addresses.
    pub async fn start(data: &Path) -> Self {
        let data_text = data.to_str().unwrap();
        let free = "127.0.0.1:0";
        let addresses = ["--http", free, "--lambda", free, "--dynamodb", free, "--sqs", free];
        let arguments = [addresses.as_slice(), &["--data", data_text]].concat();
        // A file, because an unread pipe would fill up and block the host.
        let mut said = tempfile::tempfile().unwrap();
        let mut host = drover(&arguments);
        host.stdout(Stdio::null()).stderr(said.try_clone().unwrap());
        let mut child = host.spawn().unwrap();
        let ready = tokio::time::timeout(WAIT, async {
            loop {
                let ended = child.try_wait().unwrap();
                if ended.is_some() {
                    said.rewind().unwrap();
                    assert_eq!(ended, None, "{}", std::io::read_to_string(said).unwrap());
                }
                match running_host(data) {
                    // A killed host may have left a note with another process id.
                    Ok(host) if host.pid == child.id() => break host.addresses,
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        });
        let Ok(addresses) = ready.await else {
            // Nothing else would end the process.
            let _ = child.kill();
            let _ = child.wait();
            panic!("the host does not answer");
        };
        Self { child, addresses }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request without a body and without a key to the HTTP port.
pub async fn ask(
    addresses: &Addresses,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Response<Bytes> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("host", addresses.http.to_string());
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    send(addresses.http, request.body(Full::default()).unwrap()).await.unwrap()
}
