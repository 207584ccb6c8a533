//! The relay behind the change stream of a real table: the embedded DynamoDB's, or that of the service that
//! `DROVER_TEST_DYNAMODB` names.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy does not recognize test helpers as tests"
)]
#![recursion_limit = "256"]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::types::AttributeValue;
use drover_aws::Aws;
use drover_aws::tables::enable_stream;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::limits::ItemLimits;
use drover_core::base::metrics::emf::{Keeping, Lines};
use drover_core::base::time::Timestamp;
use drover_core::intake::record::{Incoming, Record, Source};
use drover_core::outputs::record::FeedRecord;
use drover_core::pipeline::settings::PipelineSettings;
use drover_core::pipeline::{Disposition, Pipeline};
use drover_core::ports::{FeedTarget, NotPublished};
use drover_event_source::dynamodb::{
    Checkpoints, Destination, Filters, Settings as MappingSettings, StreamSource, TableStream,
    Target,
};
use drover_event_source::invoke::{Answered, FunctionError, Invoke};
use drover_relay::{Relay, Settings};
use drover_tests::chaos::feeds::{log, ordered};
use drover_tests::dynamodb::{REGISTRY, ports_with, table};
use hyper::body::Bytes;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Longer than any step takes on a busy machine.
const WAIT: Duration = Duration::from_secs(120);
const SUBJECTS: usize = 5;
const EVENTS: usize = 60;
/// The second of the first event: long enough ago for all the others, on any day.
static START: LazyLock<i64> = LazyLock::new(|| seconds() - 7_200);

#[expect(clippy::disallowed_methods, reason = "the ports use the time of day")]
fn seconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    i64::try_from(now.as_secs()).expect("a time")
}
const CONTRACT: &str = r#"{
    "name": "followed", "subject": {"kind": "device", "id": {"path": "/id"}},
    "type": {"const": "seen"}, "event_id": {"path": "/n"},
    "observed_at": {"path": "/at", "format": "epoch"}, "payload": {"path": ""}
}"#;

/// Topics that are down for some calls at the start.
#[derive(Clone, Default)]
struct Topics {
    records: Arc<Mutex<Vec<(String, Value)>>>,
    calls: Arc<AtomicU32>,
}

impl FeedTarget for Topics {
    async fn publish(
        &self,
        topic: &str,
        records: &[FeedRecord],
        _deadline: Timestamp,
    ) -> Vec<Result<(), NotPublished>> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if call < 20 && call % 2 == 1 {
            let down = Unavailable::new(Reason::Unreachable, "down");
            return records.iter().map(|_| Err(NotPublished::Unavailable(down.clone()))).collect();
        }
        let taken = records.iter().map(|record| (topic.to_owned(), shown(record)));
        self.records.lock().unwrap().extend(taken);
        records.iter().map(|_| Ok(())).collect()
    }
}

/// A record as a consumer sees it.
fn shown(record: &FeedRecord) -> Value {
    let text = |bytes: Vec<u8>| Value::String(String::from_utf8(bytes).unwrap());
    let headers = record.headers().into_iter().map(|(name, value)| (name, text(value)));
    let headers: serde_json::Map<String, Value> = headers.collect();
    let value: Value =
        record.data.as_ref().map_or(Value::Null, |data| serde_json::from_str(data).unwrap());
    json!({ "key": record.key, "headers": headers, "value": value })
}

/// The relay as a function of this process.
struct Function(Arc<Relay<Aws, Topics>>);

impl Invoke for Function {
    fn invoke(&self, _: &str, event: Bytes, _: String, _: Duration) -> Option<Answered> {
        let relay = Arc::clone(&self.0);
        let event = RawValue::from_string(String::from_utf8(event.to_vec()).unwrap()).unwrap();
        Some(Box::pin(async move {
            let answer = relay.handle(LambdaEvent::new(event, Context::default())).await;
            let error = |fault: drover_relay::Failed| FunctionError {
                error_type: "Failed".to_owned(),
                error_message: fault.to_string(),
            };
            answer.map(|answer| answer.get().to_owned().into()).map_err(error)
        }))
    }
}

/// No change is given up here.
struct Nowhere;

impl Destination for Nowhere {
    async fn send(&self, body: &str) -> Result<(), Unavailable> {
        unreachable!("given up: {body}")
    }
}

async fn document(aws: &Aws, key: &str, json: &str) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = aws.dynamodb().put_item().table_name(&*table(REGISTRY));
    let put = put.item("pk", text(key)).item("d", text(json));
    put.item("v", AttributeValue::N("1".to_owned())).send().await.unwrap();
}

async fn documents(aws: &Aws) {
    let tenant = r#"{"id":"followed","feeds":["ordered","settled","views"],"lateness_seconds":60,"idle_seconds":60}"#;
    let stamp = r#""applied_at":"2026-01-01T00:00:00Z","applied_by":"test""#;
    let contract = format!(r#"{{{stamp},"contract":{CONTRACT},"version":1}}"#);
    document(aws, "T#followed", tenant).await;
    document(aws, "R#followed", r#"{"contract":"followed","tenant":{"const":"followed"}}"#).await;
    document(aws, "C#followed@1", &contract).await;
    document(aws, "C#followed", &contract).await;
}

fn record(subject: usize, number: usize) -> Incoming {
    let at = *START + i64::try_from(number).unwrap() * 10;
    let stamp = Timestamp::from_millis((*START + 3_600) * 1_000).unwrap();
    Incoming::Record(Record {
        source: Source::Kafka {
            topic: "followed".into(),
            partition: 0,
            offset: i64::try_from(number).unwrap(),
            timestamp: Some(stamp.micros() / 1_000),
            element: None,
        },
        key: None,
        value: Some(format!(r#"{{"id":"d-{subject}","n":"e-{number:03}","at":{at}}}"#).into()),
        headers: Vec::new(),
        received_at: Some(stamp),
        ingested_at: stamp,
    })
}

/// The events of all subjects in disorder, each of them twice: batches of six records.
fn batches() -> Vec<Vec<(usize, usize)>> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut events: Vec<(usize, usize)> = (0..SUBJECTS)
        .flat_map(|subject| (0..EVENTS).map(move |number| (subject, number)))
        .collect();
    events.extend(events.clone());
    // Most come nearly in order, some far too late.
    events.sort_by_cached_key(|(_, number)| {
        number + if random.u32(0..8) == 0 { EVENTS } else { random.usize(0..5) }
    });
    events.chunks(6).map(<[_]>::to_vec).collect()
}

async fn within(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < WAIT, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn mapping() -> MappingSettings {
    let mut settings = MappingSettings::new("relay");
    let filters = [r#"{"dynamodb":{"Keys":{"sk":{"B":["SA=="]}}}}"#];
    settings.filters = Filters::parse(&filters).unwrap();
    settings.parallelization = 2;
    settings.batching.records = 20;
    settings.poll_every = Duration::from_millis(20);
    settings
}

async fn source(
    aws: &Aws,
    ledger: &str,
    topics: &Topics,
    folder: &tempfile::TempDir,
) -> StreamSource {
    let settings =
        Settings { ledger_table: ledger.into(), concurrency: 4, item_limits: ItemLimits::STANDARD };
    let meter = Arc::new(Lines { keeping: Keeping::default(), write: |_| {} });
    let relay = Relay::new(aws.clone(), topics.clone(), settings, meter);
    let stream = TableStream::open(aws.dynamodb(), aws.streams().clone(), ledger).await.unwrap();
    let target = Target::here(Function(Arc::new(relay)), "relay");
    let checkpoints = Checkpoints::open(&folder.path().join("checkpoints.db")).unwrap();
    StreamSource::start(stream, mapping(), target, Nowhere, checkpoints)
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_hold_the_history_while_topics_fail_and_the_relay_restarts() {
    let (aws, ledger) = (ports_with("relay-stream").await.unwrap(), table("relay-stream"));
    enable_stream(aws.dynamodb(), &ledger).await.unwrap();
    documents(&aws).await;
    let (topics, folder) = (Topics::default(), tempfile::tempdir().unwrap());
    let settings = PipelineSettings { cache_bytes: 1 << 20, concurrency: 4 };
    let pipeline: Pipeline = settings.pipeline();
    let mut running = source(&aws, &ledger, &topics, &folder).await;
    let batches = batches();
    for (turn, batch) in batches.iter().enumerate() {
        if turn == batches.len() / 2 {
            running.stop(WAIT).await;
            running = source(&aws, &ledger, &topics, &folder).await;
        }
        let records = batch.iter().map(|(subject, number)| record(*subject, *number)).collect();
        let report = pipeline.process(&aws, records, Timestamp::MAX).await.unwrap();
        let is_kept =
            |one: &Disposition| matches!(one, Disposition::Applied | Disposition::Duplicate);
        assert!(report.dispositions.iter().all(is_kept), "{report:?}");
    }
    let history = |subject: usize| -> Vec<Value> {
        let event = |number: usize| {
            let at = *START + i64::try_from(number).unwrap() * 10;
            let id = format!("e-{number:03}");
            let time = Timestamp::from_millis(at * 1_000).unwrap().to_string();
            json!([time, id, { "id": format!("d-{subject}"), "n": id, "at": at }])
        };
        (0..EVENTS).map(event).collect()
    };
    // What is as new as the lateness allows is not settled yet.
    let settled = EVENTS - 6;
    let holds = |topic: &str, subject: usize| -> Vec<Value> {
        let key = format!("followed/device/d-{subject}");
        let records = topics.records.lock().unwrap();
        let mine = records.iter().filter(|(to, record)| to == topic && record["key"] == key);
        mine.map(|(_, record)| record.clone()).collect()
    };
    for subject in 0..SUBJECTS {
        let history = history(subject);
        within("every event is in `ordered`", async || {
            ordered(&holds("drover.ordered", subject)) == history
        })
        .await;
        within("the settled events are in `settled`, in order", async || {
            log(&holds("drover.settled", subject)) == history[..settled]
        })
        .await;
        within("the last view has every event", async || {
            let views = holds("drover.views", subject);
            views.last().is_some_and(|view| view["value"]["event_count"] == EVENTS)
        })
        .await;
    }
    running.stop(WAIT).await;
}
