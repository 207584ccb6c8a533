//! A relay over ports in memory, and the change stream of what is committed.

use std::sync::Mutex;

use drover_core::base::error::Reason;
use drover_core::base::metrics::Counts;
use drover_core::base::time::Timestamp;
use drover_core::intake::record::{Incoming, Record, Source};
use drover_core::ledger::StoredHead;
use drover_core::memory::{Faulty, Memory};
use drover_core::outputs::record::{CORRECTION, FeedRecord};
use drover_core::outputs::timers::TimerKind;
use drover_core::pipeline::settings::PipelineSettings;
use drover_core::pipeline::{Disposition, Pipeline};
use drover_core::ports::{FeedTarget, NotPublished};
use drover_core::registry::StoredRules;
use futures_util::FutureExt as _;
use lambda_runtime::Context;
use serde_json::{Value, json};

use super::super::*;

const NOW: i64 = 1_800_000_000;
pub(super) const CONTRACT: &str = r#"{
    "name": "mine", "subject": {"kind": "device", "id": {"path": "/id"}},
    "type": {"const": "seen"}, "observed_at": {"path": "/at", "format": "epoch"},
    "payload": {"path": ""},
    "measures": [{"name": "heat", "path": "/heat", "unit": "celsius"}], "status": {"path": "/status"}
}"#;
const SETTINGS: PipelineSettings = PipelineSettings { cache_bytes: 1 << 20, concurrency: 4 };

/// What a topic does with a record.
pub(super) type Answers = fn(&str, &FeedRecord) -> Result<(), NotPublished>;

/// Topics in memory.
#[derive(Clone)]
pub(super) struct Topics {
    answers: Arc<Mutex<Answers>>,
    pub(super) records: Arc<Mutex<Vec<(String, FeedRecord)>>>,
    pub(super) calls: Arc<Mutex<Vec<String>>>,
}

impl FeedTarget for Topics {
    async fn publish(
        &self,
        topic: &str,
        records: &[FeedRecord],
        _deadline: Timestamp,
    ) -> Vec<Result<(), NotPublished>> {
        self.calls.lock().unwrap().push(topic.to_owned());
        let answers = *self.answers.lock().unwrap();
        let results: Vec<_> = records.iter().map(|record| answers(topic, record)).collect();
        let taken = records.iter().zip(&results).filter(|(_, result)| result.is_ok());
        let taken = taken.map(|(record, _)| (topic.to_owned(), record.clone()));
        self.records.lock().unwrap().extend(taken);
        results
    }
}

/// Keeps the sum of all counts.
#[derive(Default)]
struct Counted(Mutex<Counts>);

impl Meter for Counted {
    fn record(&self, function: &'static str, tally: &Tally, _now: Timestamp) {
        assert_eq!(function, FUNCTION);
        tally.tenants.values().for_each(|counts| self.0.lock().unwrap().merge(counts.clone()));
    }
}

pub(super) struct Fixture {
    pub(super) memory: Faulty<Memory>,
    pipeline: Pipeline,
    pub(super) relay: Relay<Faulty<Memory>, Topics>,
    pub(super) topics: Topics,
    counted: Arc<Counted>,
    /// The change stream.
    pub(super) stream: Vec<Value>,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let memory = Faulty::over(Memory::new(second(1_000)));
        memory.put_document(
            "T#demo",
            r#"{"id":"demo","feeds":["ordered","settled","views"],"lateness_seconds":0}"#,
        );
        memory.put_document(
            "T#acme",
            r#"{"id":"acme","feeds":["ordered"],"feed_prefix":"acme","lateness_seconds":0}"#,
        );
        memory.put_document("T#quiet", r#"{"id":"quiet"}"#);
        memory.put_document("T#away", r#"{"id":"away","feeds":["views"],"status":"suspended"}"#);
        memory.put_document("R#known", r#"{"contract":"mine","tenant":{"header":"tenant"}}"#);
        memory.put_contract("mine", CONTRACT);
        memory.put_document("REV", "{}");
        let answers: Answers = |_, _| Ok(());
        let topics = Topics {
            answers: Arc::new(Mutex::new(answers)),
            records: Arc::default(),
            calls: Arc::default(),
        };
        let counted = Arc::new(Counted::default());
        let settings = Settings {
            ledger_table: "ledger".into(),
            concurrency: 4,
            item_limits: ItemLimits::STANDARD,
        };
        let meter = Arc::clone(&counted) as Arc<dyn Meter>;
        let relay = Relay::new(memory.clone(), topics.clone(), settings, meter);
        let (pipeline, stream) = (SETTINGS.pipeline(), Vec::new());
        Self { memory, pipeline, relay, topics, counted, stream }
    }

    /// Commits one event for each of these times, and appends the change to the stream.
    pub(super) fn commit(&mut self, tenant: &str, device: &str, times: &[i64]) {
        let place = format!("T#{tenant}#S#device#{device}");
        let head = |memory: &Memory| {
            let state = memory.state();
            let mut heads = state.heads.iter().filter(|(key, _)| key.ends_with(&place));
            heads.next().map(|(_, head)| head.clone())
        };
        let old = head(&self.memory);
        let records =
            times.iter().map(|at| Incoming::Record(record(tenant, device, *at, second(1_000))));
        let processed = self.pipeline.process(&self.memory, records.collect(), Timestamp::MAX);
        let report = processed.now_or_never().expect("memory never waits").expect("it runs");
        assert!(report.dispositions.iter().all(|one| *one == Disposition::Applied), "{report:?}");
        let new = head(&self.memory).expect("a head");
        let number = self.stream.len().to_string();
        self.stream.push(change(&place, &number, old.as_ref(), &new));
    }

    /// Delivers records of the stream; the numbers of those that have to come again.
    pub(super) fn deliver(&self, records: &[Value]) -> Vec<String> {
        let event = json!({ "Records": records }).to_string();
        let event = serde_json::value::RawValue::from_string(event).unwrap();
        let answered = self.relay.handle(LambdaEvent::new(event, Context::default()));
        let response = answered.now_or_never().expect("memory never waits").expect("an event");
        let response: Value = serde_json::from_str(response.get()).unwrap();
        let failures = response["batchItemFailures"].as_array().unwrap().iter();
        failures.map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
    }

    /// Delivers changes that are not in the stream; the data of the first correction that they caused.
    pub(super) fn deliver_for(&self, records: &[Value]) -> Value {
        assert_eq!(self.deliver(records), Vec::<String>::new());
        let sent = self.topics.records.lock().unwrap();
        let correction = |record: &FeedRecord| record.attribute("type") == Some(CORRECTION);
        let (_, first) = sent.iter().find(|(_, record)| correction(record)).expect("a correction");
        serde_json::from_str(first.data.as_deref().unwrap()).unwrap()
    }

    pub(super) fn command(&self, command: &Value) -> Value {
        self.try_command(command).expect("a command")
    }

    pub(super) fn try_command(&self, command: &Value) -> Result<Value, Failed> {
        let event = serde_json::value::RawValue::from_string(command.to_string()).unwrap();
        let answered = self.relay.handle(LambdaEvent::new(event, Context::default()));
        let answer = answered.now_or_never().expect("memory never waits")?;
        Ok(serde_json::from_str(answer.get()).unwrap())
    }

    pub(super) fn answer(&self, answers: Answers) {
        *self.topics.answers.lock().unwrap() = answers;
    }

    /// The ids of the records in a topic that were sent since the last call, in order.
    pub(super) fn sent(&self, topic: &str) -> Vec<String> {
        let mut records = self.topics.records.lock().unwrap();
        let (mine, others) =
            std::mem::take(&mut *records).into_iter().partition(|(to, _)| to == topic);
        *records = others;
        let mine: Vec<(String, FeedRecord)> = mine;
        let id = |record: &FeedRecord| record.attribute("id").unwrap().to_owned();
        mine.iter().map(|(_, record)| id(record)).collect()
    }

    /// The subjects with an armed timer of this kind.
    pub(super) fn armed(&self, kind: TimerKind) -> Vec<String> {
        let state = self.memory.state();
        let keys = state.outputs.armed.keys().filter(|key| key.kind == kind);
        keys.map(|key| key.subject.subject().to_string()).collect()
    }

    pub(super) fn counted(&self, metric: Metric) -> f64 {
        self.counted.0.lock().unwrap().get(metric)
    }

    /// All counts since the last call.
    pub(super) fn take_counts(&self) -> Counts {
        std::mem::take(&mut *self.counted.0.lock().unwrap())
    }

    /// Gives a tenant one alert rule, which is in force from the first event on.
    pub(super) fn put_rule(&self, tenant: &str, rule: &Value) {
        let stored = StoredRules {
            version: 1,
            applied_at: second(-100_000),
            applied_by: "a test".to_owned(),
            starts_at: second(-100_000),
            kinds: BTreeMap::from([("mine".to_owned(), vec!["device".to_owned()])]),
            rules: json!({ "tenant": tenant, "rules": [rule] }),
        };
        let json = stored.to_json().unwrap();
        self.memory.put_document(&format!("A#{tenant}"), &json);
        self.memory.put_document(&format!("A#{tenant}@1"), &json);
    }
}

pub(super) fn second(at: i64) -> Timestamp {
    Timestamp::from_micros(NOW * 1_000_000).unwrap().plus_seconds(at)
}

/// A record of an event that was observed at this second, and received at `stamp`. The time alone decides the content:
/// a heat of 0 to 39 and, of every third event, a status.
pub(super) fn record(tenant: &str, device: &str, at: i64, stamp: Timestamp) -> Record {
    Record {
        source: Source::Kafka {
            topic: Arc::from("known"),
            partition: 0,
            offset: at,
            timestamp: Some(stamp.micros() / 1_000),
            element: None,
        },
        key: None,
        value: Some(content(device, at).to_string().into_bytes()),
        headers: vec![("tenant".to_owned(), tenant.as_bytes().to_vec())],
        received_at: Some(stamp),
        ingested_at: stamp,
    }
}

fn content(device: &str, at: i64) -> Value {
    let mut content = json!({ "id": device, "at": NOW + at, "heat": at.wrapping_mul(7_919) % 40 });
    if at % 3 == 0 {
        content["status"] = json!(if at % 2 == 0 { "fault" } else { "ok" });
    }
    content
}

pub(super) fn change(
    partition_key: &str,
    number: &str,
    old: Option<&StoredHead>,
    new: &StoredHead,
) -> Value {
    let image = |head: &StoredHead| {
        let bytes = base64(&head.bytes);
        json!({ "v": { "N": head.version.to_string() }, "d": { "B": bytes } })
    };
    let mut dynamodb = json!({
        "Keys": { "pk": { "S": partition_key }, "sk": { "B": "SA==" } },
        "ApproximateCreationDateTime": NOW, "SizeBytes": 1, "SequenceNumber": number,
        "NewImage": image(new),
    });
    if let Some(old) = old {
        dynamodb["OldImage"] = image(old);
    }
    json!({
        "eventID": number, "eventName": "MODIFY", "awsRegion": "eu-central-1",
        "eventSourceARN": "arn:aws:dynamodb:eu-central-1:0:table/ledger/stream/1",
        "dynamodb": dynamodb,
    })
}

pub(super) fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// The text of a position begins with its time.
pub(super) fn times(ids: &[String]) -> Vec<i64> {
    let seconds = |id: &String| {
        let time = id.split_once('/').map_or("", |(time, _)| time);
        Timestamp::parse_rfc3339(time).map(|time| time.whole_seconds() - NOW)
    };
    ids.iter().filter_map(seconds).collect()
}

pub(super) fn down() -> NotPublished {
    NotPublished::Unavailable(Unavailable::new(Reason::Unreachable, "down"))
}
