//! The event source for change streams, on the stream of a real table: the embedded DynamoDB, or the
//! service that `DROVER_TEST_DYNAMODB` names.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use drover_aws::Aws;
use drover_aws::tables::enable_stream;
use drover_core::base::error::Unavailable;
use drover_event_source::dynamodb::{
    Checkpoints, Destination, Filters, Settings, StartingPosition, StreamSource, TableStream,
    Target,
};
use drover_event_source::invoke::{Answered, FunctionError, Invoke};
use drover_tests::dynamodb::{ports_with, table};
use hyper::body::Bytes;
use serde_json::{Value, json};

/// Longer than any step takes on a busy machine.
const WAIT: Duration = Duration::from_secs(60);
const FUNCTION: &str = "listener";
const SUBJECTS: usize = 8;

/// What the function received: by subject, the numbers in order.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, Vec<u32>>>>);

impl Seen {
    fn add(&self, record: &Value) {
        let image = &record["dynamodb"]["NewImage"];
        let subject = image["pk"]["S"].as_str().unwrap().to_owned();
        let number = image["v"]["N"].as_str().unwrap().parse().unwrap();
        self.0.lock().unwrap().entry(subject).or_default().push(number);
    }

    fn read(&self) -> BTreeMap<String, Vec<u32>> {
        self.0.lock().unwrap().clone()
    }

    fn count(&self) -> usize {
        self.read().values().map(Vec::len).sum()
    }
}

/// A function that fails every third call, after half of its records.
struct Function {
    seen: Seen,
    calls: Mutex<u32>,
}

impl Invoke for Function {
    fn invoke(&self, name: &str, event: Bytes, _: String, _: Duration) -> Option<Answered> {
        assert_eq!(name, FUNCTION);
        let event: Value = serde_json::from_slice(&event).unwrap();
        let records = event["Records"].as_array().unwrap();
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        let handled = if calls.is_multiple_of(3) { records.len() / 2 } else { records.len() };
        records[..handled].iter().for_each(|record| self.seen.add(record));
        let failed = records.get(handled).map(|record| &record["dynamodb"]["SequenceNumber"]);
        let failed: Vec<Value> =
            failed.map(|one| json!({ "itemIdentifier": one })).into_iter().collect();
        let answer = json!({ "batchItemFailures": failed }).to_string();
        Some(Box::pin(async { Ok::<_, FunctionError>(answer.into()) }))
    }
}

/// No record is given up here.
struct Nowhere;

impl Destination for Nowhere {
    async fn send(&self, body: &str) -> Result<(), Unavailable> {
        panic!("given up: {body}")
    }
}

/// A table with a stream, and a mapping of it.
struct Fixture {
    aws: Aws,
    table: Arc<str>,
    seen: Seen,
    folder: tempfile::TempDir,
}

impl Fixture {
    async fn new(name: &str) -> Self {
        let (aws, table) = (ports_with(name).await.unwrap(), table(name));
        enable_stream(aws.dynamodb(), &table).await.unwrap();
        // A second time changes nothing.
        enable_stream(aws.dynamodb(), &table).await.unwrap();
        Self { aws, table, seen: Seen::default(), folder: tempfile::tempdir().unwrap() }
    }

    async fn start(&self, settings: Settings) -> StreamSource {
        let (tables, streams) = (self.aws.dynamodb(), self.aws.streams().clone());
        let stream = TableStream::open(tables, streams, &self.table).await.unwrap();
        let function = Function { seen: self.seen.clone(), calls: Mutex::new(0) };
        let target = Target::here(function, FUNCTION);
        let file: &Path = &self.folder.path().join("checkpoints.db");
        let checkpoints = Checkpoints::open(file).unwrap();
        StreamSource::start(stream, settings, target, Nowhere, checkpoints)
    }

    /// Writes an item with the number `v` for every subject, and an item without, which is filtered.
    async fn write(&self, number: u32) {
        for subject in 0..SUBJECTS {
            let put = |sort: u8| {
                let subject = AttributeValue::S(format!("s-{subject}"));
                let put = self.aws.dynamodb().put_item().table_name(&*self.table);
                put.item("pk", subject).item("sk", AttributeValue::B(vec![sort, 255].into()))
            };
            put(0).send().await.unwrap();
            put(255).item("v", AttributeValue::N(number.to_string())).send().await.unwrap();
        }
    }

    async fn until(&self, count: usize) {
        let reached = async {
            while self.seen.count() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let reached = tokio::time::timeout(WAIT, reached).await;
        assert!(reached.is_ok(), "{:?}", self.seen.read());
    }
}

fn settings() -> Settings {
    let heads = r#"{"dynamodb":{"NewImage":{"v":{"N":[{"exists":true}]}}}}"#;
    let mut settings = Settings::new("m");
    settings.filters = Filters::parse(&[heads]).unwrap();
    settings.parallelization = 4;
    settings.batching.records = 5;
    settings.poll_every = Duration::from_millis(20);
    settings
}

fn all(numbers: std::ops::RangeInclusive<u32>) -> BTreeMap<String, Vec<u32>> {
    (0..SUBJECTS).map(|one| (format!("s-{one}"), numbers.clone().collect())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_sent_once_and_in_order_over_partial_failures_and_a_restart() {
    let fixture = Fixture::new("stream-order").await;
    fixture.write(1).await;
    let source = fixture.start(settings()).await;
    for number in 2..=10 {
        fixture.write(number).await;
    }
    fixture.until(10 * SUBJECTS).await;
    source.stop(WAIT).await;
    assert_eq!(fixture.seen.read(), all(1..=10));

    fixture.write(11).await;
    let source = fixture.start(settings()).await;
    fixture.write(12).await;
    fixture.until(12 * SUBJECTS).await;
    source.stop(WAIT).await;
    assert_eq!(fixture.seen.read(), all(1..=12));
}

#[tokio::test(flavor = "multi_thread")]
async fn latest_begins_with_what_is_written_after_the_start() {
    let fixture = Fixture::new("stream-latest").await;
    fixture.write(1).await;
    let latest = Settings { start: StartingPosition::Latest, ..settings() };
    let source = fixture.start(latest).await;
    // The mapping has started when it sends what is written now.
    let mut number = 1;
    while fixture.seen.count() == 0 {
        number += 1;
        fixture.write(number).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fixture.write(number + 1).await;
    let reached = async {
        let last = |numbers: &Vec<u32>| numbers.last() == Some(&(number + 1));
        while !fixture.seen.read().values().all(last) || fixture.seen.read().len() < SUBJECTS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WAIT, reached).await.unwrap();
    source.stop(WAIT).await;
    for numbers in fixture.seen.read().values() {
        let first = numbers[0];
        assert!(first > 1, "{numbers:?}");
        assert_eq!(*numbers, (first..=number + 1).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_a_stream_is_refused_by_name() {
    let aws = ports_with("stream-none").await.unwrap();
    let (tables, streams) = (aws.dynamodb(), aws.streams().clone());
    let refused = TableStream::open(tables, streams, &table("stream-none")).await.unwrap_err();
    assert!(refused.to_string().contains("the table has no stream"), "{refused}");
}
