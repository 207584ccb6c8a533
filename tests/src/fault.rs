//! A service with one deliberate fault, to show that a suite notices it: a proxy in front of the
//! real or embedded service, which changes requests or responses. `DROVER_TEST_FAULT` selects the
//! fault, and `tests/services/run --mutants` runs every suite with the faults that it must notice.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::service::variable;

/// The variable with the name of the fault.
pub const VARIABLE: &str = "DROVER_TEST_FAULT";

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// No fault: shows that the proxy alone changes nothing.
    Nothing,
    /// DynamoDB acknowledges every third conditional put, and the last of several statements,
    /// without storing it.
    ForgottenPuts,
    /// DynamoDB swaps the answers of the first two of several statements.
    SwappedAnswers,
    /// DynamoDB ignores conditions.
    IgnoredConditions,
    /// DynamoDB writes only the first item of a transaction.
    TornTransactions,
    /// DynamoDB omits the last item of a response with three or more items, of each table's part of
    /// a batch, and of a page of a stream with three or more records.
    ShortQueries,
    /// DynamoDB reports twice the units.
    DoubledUnits,
    /// DynamoDB reports that items expire, but they do not.
    NoExpiry,
    /// SQS acknowledges the last message of every batch without storing it.
    ForgottenMessages,
    /// SQS stores a message without its group.
    NoGroups,
    /// SQS acknowledges a delete and continues to deliver the message.
    KeptMessages,
    /// SQS reports no dead-letter queue.
    NoRedrive,
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "nothing" => Self::Nothing,
            "forgotten_puts" => Self::ForgottenPuts,
            "swapped_answers" => Self::SwappedAnswers,
            "ignored_conditions" => Self::IgnoredConditions,
            "torn_transactions" => Self::TornTransactions,
            "short_queries" => Self::ShortQueries,
            "doubled_units" => Self::DoubledUnits,
            "no_expiry" => Self::NoExpiry,
            "forgotten_messages" => Self::ForgottenMessages,
            "no_groups" => Self::NoGroups,
            "kept_messages" => Self::KeptMessages,
            "no_redrive" => Self::NoRedrive,
            _ => return Err(format!("unknown fault: {VARIABLE}=`{name}`")),
        })
    }
}

/// The handling of a request.
enum Course {
    /// Forward the request, which may be changed.
    Forward,
    /// Do not forward the request; this is the response.
    Answer(Value),
}

/// The address to use instead of this one; unchanged without a fault.
///
/// # Errors
/// The fault is unknown, or the machine has no free port.
pub fn before(service: SocketAddr) -> Result<SocketAddr, String> {
    static PROXIES: Mutex<BTreeMap<SocketAddr, SocketAddr>> = Mutex::new(BTreeMap::new());
    let Some(name) = variable(VARIABLE) else { return Ok(service) };
    let fault: Fault = name.parse()?;
    let mut proxies = PROXIES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(proxy) = proxies.get(&service) {
        return Ok(*proxy);
    }
    let proxy = start(service, fault).map_err(|error| error.to_string())?;
    proxies.insert(service, proxy);
    Ok(proxy)
}

#[derive(Clone, Copy)]
struct Proxy {
    service: SocketAddr,
    fault: Fault,
}

/// The threads of the proxy end with the process.
fn start(service: SocketAddr, fault: Fault) -> std::io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    std::thread::Builder::new().name("fault".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let app = Router::new().fallback(pass).with_state(Proxy { service, fault });
            let app = app.layer(axum::extract::DefaultBodyLimit::disable());
            axum::serve(TcpListener::from_std(listener)?, app).await
        })
    })?;
    Ok(address)
}

async fn pass(
    State(proxy): State<Proxy>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Full<Bytes>> {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let action = target.and_then(|target| target.rsplit('.').next()).unwrap_or_default().to_owned();
    let mut asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let kept = asked.clone();
    if let Course::Answer(answer) = proxy.fault.request(&action, &mut asked) {
        return answered(StatusCode::OK, answer.to_string().into());
    }
    match forward(proxy.service, headers, asked.to_string().into()).await {
        Ok((status, body)) if status.is_success() => {
            let mut answer: Value = serde_json::from_slice(&body).unwrap_or_default();
            proxy.fault.answer(&action, &kept, &mut answer);
            answered(status, answer.to_string().into())
        }
        Ok((status, body)) => answered(status, body),
        Err(_) => answered(StatusCode::BAD_GATEWAY, Bytes::new()),
    }
}

fn answered(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/x-amz-json-1.0");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}

/// Sends the same request on its own connection.
async fn forward(
    service: SocketAddr,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TokioIo::new(TcpStream::connect(service).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection);
    let mut request = Request::post("/").body(Full::new(body))?;
    *request.headers_mut() = headers;
    request.headers_mut().remove(header::CONTENT_LENGTH);
    let answer = sender.send_request(request).await?;
    Ok((answer.status(), answer.into_body().collect().await?.to_bytes()))
}

impl Fault {
    /// Changes a request.
    fn request(self, action: &str, asked: &mut Value) -> Course {
        static PUTS: AtomicU32 = AtomicU32::new(0);
        match (self, action) {
            (Self::ForgottenPuts, "PutItem")
                if asked.get("ConditionExpression").is_some()
                    && PUTS.fetch_add(1, Ordering::Relaxed) % 3 == 2 =>
            {
                return Course::Answer(json!({}));
            }
            (Self::ForgottenPuts, "BatchExecuteStatement") => forget_last(asked, "Statements"),
            (Self::IgnoredConditions, "BatchExecuteStatement") => forget_versions(asked),
            (Self::IgnoredConditions, _) => forget_conditions(asked),
            (Self::TornTransactions, "TransactWriteItems") => keep_first(asked, "TransactItems"),
            (Self::NoExpiry, "UpdateTimeToLive") => return Course::Answer(json!({})),
            (Self::ForgottenMessages, "SendMessageBatch") => {
                forget_last(asked, "Entries");
            }
            (Self::NoGroups, _) => forget_groups(asked),
            (Self::KeptMessages, "DeleteMessage") => return Course::Answer(json!({})),
            (Self::NoRedrive, "CreateQueue") => {
                remove(asked.get_mut("Attributes"), "RedrivePolicy");
            }
            _ => {}
        }
        Course::Forward
    }

    /// Changes the response to a request.
    fn answer(self, action: &str, asked: &Value, answer: &mut Value) {
        match (self, action) {
            (Self::ShortQueries, "Query" | "GetRecords") => {
                let list = if action == "Query" { "Items" } else { "Records" };
                let items = answer.get_mut(list).and_then(Value::as_array_mut);
                if let Some(items) = items.filter(|items| items.len() > 2) {
                    items.pop();
                }
            }
            (Self::ShortQueries, "BatchGetItem") => {
                let tables = answer.get_mut("Responses").and_then(Value::as_object_mut);
                for items in tables.into_iter().flat_map(|tables| tables.values_mut()) {
                    items.as_array_mut().map(Vec::pop);
                }
            }
            (Self::ForgottenPuts, "BatchExecuteStatement") => {
                let done = answer.get_mut("Responses").and_then(Value::as_array_mut);
                let wanted = asked.get("Statements").and_then(Value::as_array).map_or(0, Vec::len);
                done.into_iter().for_each(|done| done.resize(wanted, json!({})));
            }
            (Self::SwappedAnswers, "BatchExecuteStatement") => {
                let done = answer.get_mut("Responses").and_then(Value::as_array_mut);
                if let Some(done) = done.filter(|done| done.len() > 1) {
                    done.swap(0, 1);
                }
            }
            (Self::DoubledUnits, _) => double_units(answer.get_mut("ConsumedCapacity")),
            (Self::ForgottenMessages, "SendMessageBatch") => {
                let last =
                    asked.get("Entries").and_then(Value::as_array).and_then(|all| all.last());
                let id = last.and_then(|entry| entry.get("Id")).cloned().unwrap_or_default();
                let sent = answer.get_mut("Successful").and_then(Value::as_array_mut);
                sent.into_iter().for_each(|sent| {
                    sent.push(json!({ "Id": id, "MessageId": "m", "MD5OfMessageBody": "" }));
                });
            }
            _ => {}
        }
    }
}

fn remove(object: Option<&mut Value>, key: &str) {
    if let Some(object) = object.and_then(Value::as_object_mut) {
        object.remove(key);
    }
}

/// Removes the condition of a write, or of each write of a transaction, with the values that only
/// the condition uses.
fn forget_conditions(asked: &mut Value) {
    if asked.get("KeyConditionExpression").is_some() || asked.get("UpdateExpression").is_some() {
        return;
    }
    for key in ["ConditionExpression", "ExpressionAttributeValues", "ExpressionAttributeNames"] {
        remove(Some(asked), key);
    }
    let items = asked.get_mut("TransactItems").and_then(Value::as_array_mut);
    for item in items.into_iter().flatten() {
        for write in item.as_object_mut().into_iter().flat_map(|item| item.values_mut()) {
            forget_conditions(write);
        }
    }
}

/// Removes from statements the expected version: the last value of an update.
fn forget_versions(asked: &mut Value) {
    for statement in asked.get_mut("Statements").and_then(Value::as_array_mut).into_iter().flatten()
    {
        let text = statement.get("Statement").and_then(Value::as_str).unwrap_or_default();
        let Some(without) = text.strip_suffix(r#" AND "v" = ?"#).map(str::to_owned) else {
            continue;
        };
        let values = statement.get_mut("Parameters").and_then(Value::as_array_mut);
        values.and_then(Vec::pop);
        statement.as_object_mut().map(|all| all.insert("Statement".to_owned(), json!(without)));
    }
}

/// Keeps a single entry, because an empty list would be rejected.
fn forget_last(asked: &mut Value, list: &str) {
    let list = asked.get_mut(list).and_then(Value::as_array_mut);
    if let Some(list) = list.filter(|list| list.len() > 1) {
        list.pop();
    }
}

fn keep_first(asked: &mut Value, list: &str) {
    if let Some(list) = asked.get_mut(list).and_then(Value::as_array_mut) {
        list.truncate(1);
    }
}

fn forget_groups(asked: &mut Value) {
    remove(Some(asked), "MessageGroupId");
    for entry in asked.get_mut("Entries").and_then(Value::as_array_mut).into_iter().flatten() {
        remove(Some(entry), "MessageGroupId");
    }
}

/// Doubles the units of one capacity, or of a list.
fn double_units(capacity: Option<&mut Value>) {
    match capacity {
        Some(Value::Array(all)) => all.iter_mut().for_each(|one| double_units(Some(one))),
        Some(Value::Object(one)) => {
            let units = one.get("CapacityUnits").and_then(Value::as_f64).unwrap_or_default();
            one.insert("CapacityUnits".to_owned(), json!(units * 2.0));
        }
        _ => {}
    }
}
