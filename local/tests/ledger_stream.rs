//! The ledger's change stream from the embedded DynamoDB to a function of the host: the events that
//! the function receives are those that Lambda would send.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use common::{WAIT, dynamodb, sqs};
use drover_event_source::dynamodb::{Counts, Settings};
use drover_local::data_folder::Addresses;
use drover_local::function::DEFAULT_TIMEOUT;
use drover_local::stream_mapping::StreamMapping;
use drover_local::{FunctionError, Functions, Host, HostConfig};
use serde_json::{Value, json};
use tempfile::tempdir;

const LEDGER: &str = "drover-ledger";
const FUNCTION: &str = "listener";
/// A queue that no function reads.
const QUEUE: &str = "drover-dead-letters-failed";

/// What the function received, record by record.
type Seen = Arc<Mutex<Vec<Value>>>;

/// Only items with the number `v` are sent.
const FILTERS: &[&str] = &[r#"{"dynamodb":{"NewImage":{"v":{"N":[{"exists":true}]}}}}"#];

fn settings() -> Settings {
    Settings { poll_every: Duration::from_millis(20), ..Settings::new("heads") }
}

/// A host whose function returns `answer(event)`.
async fn start<A>(
    data: &Path,
    seen: &Seen,
    settings: Settings,
    on_failure: Option<String>,
    answer: A,
) -> Host
where
    A: Fn(&Value) -> Result<Value, FunctionError> + Send + Sync + 'static,
{
    let seen = Arc::clone(seen);
    let function = move |event: Bytes, _| {
        let event: Value = serde_json::from_slice(&event).unwrap();
        let answer = answer(&event);
        seen.lock().unwrap().extend(event["Records"].as_array().unwrap().clone());
        async move { Ok(Bytes::from(answer?.to_string())) }
    };
    let functions = Functions::default().with(FUNCTION, DEFAULT_TIMEOUT, function);
    let function = FUNCTION.to_owned();
    let mapping = StreamMapping { function, settings, filters: FILTERS, on_failure };
    let streams = vec![mapping];
    let config = HostConfig { functions, streams, ..HostConfig::on_free_ports(data) };
    Host::start(config).await.unwrap()
}

/// Writes an item with the number `v`, and an item without.
async fn write(addresses: &Addresses, subject: &str, version: u32) {
    let key = json!({ "pk": { "S": subject }, "sk": { "B": "/w==" } });
    let mut head = key.clone();
    head["v"] = json!({ "N": version.to_string() });
    let page = json!({ "pk": { "S": subject }, "sk": { "B": "AAE=" } });
    for item in [page, head] {
        dynamodb(addresses, "PutItem", json!({ "TableName": LEDGER, "Item": item })).await;
    }
}

async fn until(reached: impl AsyncFn() -> bool) {
    let looking = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WAIT, looking).await.unwrap();
}

/// Subject and version of every record, in order.
fn versions(seen: &Seen) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let version = |record: &Value| {
        let image = &record["dynamodb"]["NewImage"];
        (text(&image["pk"]["S"]), text(&image["v"]["N"]))
    };
    seen.lock().unwrap().iter().map(version).collect()
}

fn expected(list: &[(&str, u32)]) -> Vec<(String, String)> {
    list.iter().map(|(subject, version)| ((*subject).to_owned(), version.to_string())).collect()
}

#[tokio::test]
async fn a_function_receives_each_change_once_and_in_order_also_over_a_restart() {
    let (data, seen) = (tempdir().unwrap(), Seen::default());
    let host = start(data.path(), &seen, settings(), None, |_| Ok(Value::Null)).await;
    for version in 1..=3 {
        write(host.addresses(), "a", version).await;
    }
    let mut all = vec![("a", 1), ("a", 2), ("a", 3)];
    until(async || seen.lock().unwrap().len() >= all.len()).await;
    assert_eq!(versions(&seen), expected(&all));
    host.stop().await.unwrap();

    let host = start(data.path(), &seen, settings(), None, |_| Ok(Value::Null)).await;
    write(host.addresses(), "b", 1).await;
    all.push(("b", 1));
    until(async || seen.lock().unwrap().len() >= all.len()).await;
    assert_eq!(versions(&seen), expected(&all));
    let (name, gauges) = host.stream_gauges().pop().unwrap();
    assert_eq!((name.as_str(), gauges.counts()), ("heads", Counts::default()));
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_record_has_the_format_of_lambda_with_both_images() {
    let (data, seen) = (tempdir().unwrap(), Seen::default());
    let host = start(data.path(), &seen, settings(), None, |_| Ok(Value::Null)).await;
    write(host.addresses(), "a", 1).await;
    write(host.addresses(), "a", 2).await;
    until(async || seen.lock().unwrap().len() >= 2).await;
    let record = seen.lock().unwrap()[1].clone();
    let (change, arn) = (&record["dynamodb"], record["eventSourceARN"].as_str().unwrap());
    assert!(arn.contains(":table/drover-ledger/stream/"), "{arn}");
    assert!(change["ApproximateCreationDateTime"].is_i64(), "{change}");
    let key = json!({ "pk": { "S": "a" }, "sk": { "B": "/w==" } });
    let image = |version: &str| json!({ "pk": key["pk"], "sk": key["sk"], "v": { "N": version } });
    let expected = json!({
        "eventID": record["eventID"], "eventName": "MODIFY", "eventVersion": "1.1",
        "eventSource": "aws:dynamodb", "awsRegion": record["awsRegion"],
        "dynamodb": {
            "ApproximateCreationDateTime": change["ApproximateCreationDateTime"],
            "Keys": key, "NewImage": image("2"), "OldImage": image("1"),
            "SequenceNumber": change["SequenceNumber"], "SizeBytes": change["SizeBytes"],
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": arn,
    });
    assert_eq!(record, expected);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_record_that_is_given_up_is_named_in_the_queue() {
    let (data, seen) = (tempdir().unwrap(), Seen::default());
    let mut settings = settings();
    settings.rules.attempts = Some(1);
    let odd = || FunctionError { error_type: "Odd".to_owned(), error_message: "no".to_owned() };
    let queue = Some(QUEUE.to_owned());
    let host = start(data.path(), &seen, settings, queue, move |_| Err(odd())).await;
    write(host.addresses(), "a", 1).await;
    let url = format!("http://{}/000000000000/{QUEUE}", host.addresses().sqs);
    let body = Arc::new(Mutex::new(Value::Null));
    until(async || {
        let request = json!({ "QueueUrl": url });
        let answer = sqs(host.addresses(), "ReceiveMessage", request).await;
        let Some(message) = answer["Messages"].get(0) else { return false };
        *body.lock().unwrap() = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
        true
    })
    .await;
    let body = body.lock().unwrap().clone();
    assert_eq!(body["requestContext"]["condition"], "RetryAttemptsExhausted");
    assert_eq!(body["requestContext"]["approximateInvokeCount"], 2);
    let sequence = seen.lock().unwrap()[0]["dynamodb"]["SequenceNumber"].clone();
    assert_eq!(body["DDBStreamBatchInfo"]["startSequenceNumber"], sequence);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_mapping_of_an_unknown_function_stops_the_start() {
    let data = tempdir().unwrap();
    let (function, settings) = ("nobody".to_owned(), settings());
    let streams = vec![StreamMapping { function, settings, filters: FILTERS, on_failure: None }];
    let config = HostConfig { streams, ..HostConfig::on_free_ports(data.path()) };
    let Err(error) = Host::start(config).await else { panic!("the host started") };
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "unknown function: function=`nobody`");
}
