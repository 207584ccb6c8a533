//! In-memory ports, a contract that is too narrow at first, and helpers for the tests.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use serde_json::{Value, json};

use crate::base::error::Unavailable;
use crate::base::id::{SubjectId, TenantId};
use crate::base::limits::ItemLimits;
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::dead_letter::letter::{Lease, LetterRange, Order, Owner, StoredLetter};
use crate::intake::record::{Incoming, Record, Source, TopicRetention};
use crate::ledger::read::Question;
use crate::memory::{Faulty, Held, Memory};
use crate::pipeline::cache::HeadCache;
use crate::pipeline::{Disposition, Pipeline};
use crate::ports::{Letters, SubjectLocation};
use crate::registry::Registry;
use crate::replay::filing::{Received, file, read};
use crate::replay::{self, Refusal, Run, RunContext, RunLimits, RunProgress, RunRequest};
use crate::subject::reader;

pub(super) const MINUTE: i64 = 60;
const NOW: i64 = 1_800_000_000;

/// A contract in which `n` must be a number.
pub(super) const NARROW: &str = r#"{
    "name": "mine", "subject": {"kind": "device", "id": {"path": "/id"}},
    "type": {"const": "seen"}, "observed_at": {"path": "/at", "format": "epoch"},
    "payload": {"path": ""}, "measures": [{"name": "n", "path": "/n"}],
    "schema": {"properties": {"n": {"type": "integer"}}}
}"#;
/// A contract in which `n` may be any value.
pub(super) const WIDE: &str = r#"{
    "name": "mine", "subject": {"kind": "device", "id": {"path": "/id"}},
    "type": {"const": "seen"}, "observed_at": {"path": "/at", "format": "epoch"},
    "payload": {"path": ""}, "measures": [{"name": "n", "path": "/n"}]
}"#;
/// A contract for records of several items, in which `n` of each item must be a number.
pub(super) const SEVERAL: &str = r#"{
    "name": "several", "subject": {"kind": "device", "id": {"path": "/id"}},
    "transform": ".items[] | select(.skip | not) | if .bad then error(\"bad\") elif (.n | type) != \"number\" then error(\"no number\") else . end",
    "type": {"const": "seen"}, "observed_at": {"path": "/at", "format": "epoch"},
    "sequence": {"path": "/turn"}, "payload": {"path": ""}, "measures": [{"name": "n", "path": "/n"}]
}"#;
/// The same contract, but `n` may be any value.
pub(super) const SEVERAL_WIDE: &str = r#"{
    "name": "several", "subject": {"kind": "device", "id": {"path": "/id"}},
    "transform": ".items[] | select(.skip | not) | if .bad then error(\"bad\") else . end",
    "type": {"const": "seen"}, "observed_at": {"path": "/at", "format": "epoch"},
    "sequence": {"path": "/turn"}, "payload": {"path": ""}, "measures": [{"name": "n", "path": "/n"}]
}"#;
pub(super) const NEWCO: &str = r#"{"id":"newco"}"#;

/// Limits so small that a few events make pages and corrections.
pub(super) const LIMITS: RunLimits = RunLimits {
    item_limits: ItemLimits {
        slice_bytes: 2_000,
        head_target_bytes: 300,
        keep_entries: 2,
        keep_bytes: 200,
        page_bytes: 300,
        ..ItemLimits::STANDARD
    },
    concurrency: 4,
    cache_bytes: 1 << 20,
    retention: TopicRetention::WEEK,
};

pub(super) struct Bench {
    pub(super) memory: Faulty<Memory>,
}

pub(super) type Running = Pin<Box<dyn Future<Output = Result<RunProgress, Refusal>>>>;

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(Faulty::over(Memory::new(second(0))))
    }

    /// Ports in which every call waits until it is polled again.
    pub(super) fn in_steps() -> Self {
        Self::with(Faulty::over(Memory::in_steps(second(0))))
    }

    fn with(memory: Faulty<Memory>) -> Self {
        let bench = Self { memory };
        bench.put("T#demo", r#"{"id":"demo"}"#);
        bench.put("R#known", r#"{"contract":"mine","tenant":{"header":"tenant"}}"#);
        bench.put_contract("mine", NARROW);
        bench.put("R#several", r#"{"contract":"several","tenant":{"header":"tenant"}}"#);
        bench.put_contract("several", SEVERAL);
        bench.put("REV", "{}");
        bench
    }

    pub(super) fn demo() -> Owner {
        Owner::Tenant(scope("demo"))
    }

    pub(super) fn put(&self, key: &str, json: &str) {
        self.memory.put_document(key, json);
    }

    pub(super) fn put_contract(&self, name: &str, json: &str) {
        self.memory.put_contract(name, json);
    }

    /// The time this many seconds after the start.
    pub(super) fn at(&self, seconds: i64) -> Timestamp {
        second(seconds)
    }

    pub(super) fn later(&self, seconds: i64) {
        let state = &mut *self.memory.state();
        state.now = state.now.plus_seconds(seconds);
    }

    pub(super) fn good(&self, device: &str, at: i64) -> Record {
        record("demo", at, json!({"id": device, "at": NOW + at - MINUTE, "n": at}).to_string())
    }

    /// A record that only the wide contract accepts.
    pub(super) fn narrow(&self, device: &str, at: i64) -> Record {
        record("demo", at, json!({"id": device, "at": NOW + at - MINUTE, "n": "text"}).to_string())
    }

    /// The same, with a time of observation that differs from the time of arrival.
    pub(super) fn narrow_late(&self, device: &str, at: i64, observed: i64) -> Record {
        let observed = NOW + observed - MINUTE;
        record("demo", at, json!({"id": device, "at": observed, "n": "text"}).to_string())
    }

    /// A record with a time one hour in the future.
    pub(super) fn ahead(&self, device: &str, at: i64) -> Record {
        record("demo", at, json!({"id": device, "at": NOW + at + 59 * MINUTE, "n": at}).to_string())
    }

    /// One record with these items, `ahead` of its time or not. The items have one time of observation, and
    /// their sequence is the reverse of their order in the record.
    pub(super) fn several(&self, at: i64, items: &[Value]) -> Record {
        let items: Vec<Value> = items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let mut item = item.clone();
                let ahead = if item["ahead"] == true { 60 * MINUTE } else { 0 };
                item["at"] = json!(NOW + at - MINUTE + ahead);
                item["index"] = json!(index);
                item["turn"] = json!(items.len() - index);
                item
            })
            .collect();
        let mut record = record("demo", at, json!({"items": items}).to_string());
        if let Source::Kafka { topic, .. } = &mut record.source {
            *topic = Arc::from("several");
        }
        record
    }

    pub(super) fn broken(&self, at: i64) -> Record {
        record("demo", at, "{no JSON".to_owned())
    }

    pub(super) fn of(&self, tenant: &str, device: &str, at: i64) -> Record {
        record(tenant, at, json!({"id": device, "at": NOW + at - MINUTE, "n": at}).to_string())
    }

    /// A record of two incompressible megabytes.
    pub(super) fn large(&self, device: &str, at: i64) -> Record {
        let mut state = 7_u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b' ' + (state >> 58).to_le_bytes()[0])
        };
        let noise: String = std::iter::repeat_with(&mut noise).take(2_000_000).collect();
        let device = json!({"id": device, "noise": noise}).to_string();
        record("demo", at, device)
    }

    /// Processes records like a newly started environment.
    pub(super) fn process(&self, records: &[Record]) -> Vec<Disposition> {
        let records = records.iter().cloned().map(Incoming::Record).collect();
        let pipeline = pipeline();
        let report = pipeline.process(&self.memory, records, Timestamp::MAX);
        self.run(report).expect("a closed breaker").dispositions
    }

    /// Stores all messages of the dead-letter queue as letters.
    pub(super) fn file_all(&self) {
        let messages = std::mem::take(&mut self.memory.state().letters);
        messages.iter().for_each(|message| self.file(&message.body));
    }

    pub(super) fn file(&self, body: &str) {
        self.try_file(body).expect("filed");
    }

    pub(super) fn try_file(&self, body: &str) -> Result<(), Unavailable> {
        let sent_at = Some(second(0));
        let received = Received { message_id: "m", body, sent_at };
        let now = self.memory.state().now;
        let filing = read(&received, now)?;
        self.run(file(&self.memory, &filing)).map(drop)
    }

    pub(super) fn replay(&self, owner: &Owner, request: RunRequest) -> RunProgress {
        self.try_replay(owner, request).expect("a run")
    }

    pub(super) fn try_replay(
        &self,
        owner: &Owner,
        request: RunRequest,
    ) -> Result<RunProgress, Refusal> {
        self.replay_until(owner, request, Timestamp::MAX)
    }

    pub(super) fn replay_until(
        &self,
        owner: &Owner,
        request: RunRequest,
        deadline: Timestamp,
    ) -> Result<RunProgress, Refusal> {
        self.run(replay::start(context(&self.memory), owner, request, deadline))
    }

    pub(super) fn resume(&self, owner: &Owner, id: &str) -> RunProgress {
        self.try_resume(owner, id).expect("a run")
    }

    pub(super) fn try_resume(&self, owner: &Owner, id: &str) -> Result<RunProgress, Refusal> {
        self.run(replay::resume(context(&self.memory), owner, id, "you", Timestamp::MAX))
    }

    pub(super) fn cancel(&self, owner: &Owner, id: &str) -> Run {
        self.run(replay::cancel(&self.memory, owner, id)).expect("a run")
    }

    pub(super) fn show(&self, owner: &Owner, id: &str) -> Run {
        self.run(replay::show(&self.memory, owner, id)).expect("a run").answer
    }

    pub(super) fn runs(&self, owner: &Owner) -> Vec<Run> {
        self.run(replay::recent(&self.memory, owner, 20)).expect("runs").answer
    }

    pub(super) fn take_lease(&self, owner: &Owner, lease: &Lease) {
        let now = self.memory.state().now;
        let taken = self.run(self.memory.take_lease(owner, lease, now)).expect("an answer");
        assert_eq!(taken.answer, None);
    }

    pub(super) fn letters(&self, owner: &Owner) -> Vec<StoredLetter> {
        let range = LetterRange { after: None, order: Order::Rising, limit: 1_000 };
        self.run(self.memory.letters(owner, &range)).expect("letters").answer
    }

    /// The seconds at which events of a device were observed, in order.
    pub(super) fn history(&self, tenant: &str, device: &str) -> Vec<i64> {
        let snapshot = self.run(reader::read(
            &self.memory,
            &location(tenant, device),
            Question::History { from: None, to: None },
        ));
        let Some(snapshot) = snapshot.expect("readable").0 else { return Vec::new() };
        let seconds = snapshot.entries().map(|entry| entry.position.observed_at.whole_seconds());
        seconds.map(|at| at - NOW + MINUTE).collect()
    }

    /// Everything stored except runs and leases.
    pub(super) fn everything(&self) -> String {
        let state = self.memory.state();
        let filed = state.filed.iter().map(|(owner, drawer)| (owner, &drawer.letters));
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            state.heads,
            state.pages,
            state.activity,
            state.letters,
            state.buffer,
            filed.collect::<Vec<_>>()
        )
    }

    /// Puts these records into the topic, starting at this offset.
    pub(super) fn hold(&self, records: &[Record], start: i64) {
        let offset = |record: &Record| match record.source {
            Source::Kafka { offset, .. } => offset,
            Source::Http { .. } => 0,
        };
        let records = records.iter().map(|record| (offset(record), record.clone())).collect();
        let held = Held { records, start };
        self.memory.state().topics.insert(("known".to_owned(), 0), held);
    }

    /// Lambda's message about discarded offsets.
    pub(super) fn given_up(&self, first: i64, last: i64) -> String {
        json!({
            "requestContext": {"requestId": "r", "functionArn": "f",
                "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 11},
            "responseContext": null, "version": "1.0", "timestamp": second(0).to_string(),
            "KafkaBatchInfo": {"recordsInfo": {"known-0": {
                "firstRecordOffset": first.to_string(), "lastRecordOffset": last.to_string()}}},
        })
        .to_string()
    }

    /// A Lambda event with these records.
    pub(super) fn lambda_event(&self, records: &[Record]) -> String {
        let record = |record: &Record| -> Value {
            let Source::Kafka { topic, partition, offset, timestamp, .. } = &record.source else {
                return Value::Null;
            };
            let value =
                base64_simd::STANDARD.encode_to_string(record.value.as_deref().unwrap_or(b""));
            let headers = record.headers.iter().map(|(name, bytes)| json!({name: bytes}));
            json!({"topic": topic, "partition": partition, "offset": offset, "timestamp": timestamp,
                "key": null, "value": value, "headers": headers.collect::<Vec<_>>()})
        };
        let records: Vec<Value> = records.iter().map(record).collect();
        json!({"eventSource": "aws:kafka", "records": {"known-0": records}}).to_string()
    }

    /// A run that the test polls.
    pub(super) fn start(&self, owner: &Owner, request: RunRequest) -> Running {
        let (memory, owner) = (self.memory.clone(), owner.clone());
        Box::pin(
            async move { replay::start(context(&memory), &owner, request, Timestamp::MAX).await },
        )
    }

    pub(super) fn poll_until(&self, running: &mut Running, enough: impl Fn() -> bool) {
        for _ in 0..100_000 {
            assert!(self.poll(running.as_mut()).is_none(), "the run ended early");
            if enough() {
                return;
            }
        }
        panic!("the run does not end");
    }

    pub(super) fn finish(&self, running: Running) -> Result<RunProgress, Refusal> {
        self.run(running)
    }

    /// Lets every waiting call continue.
    pub(super) fn poll<T>(
        &self,
        future: Pin<&mut (impl Future<Output = T> + ?Sized)>,
    ) -> Option<T> {
        self.memory.step();
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }

    pub(super) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        for _ in 0..1_000_000 {
            if let Some(answer) = self.poll(future.as_mut()) {
                return answer;
            }
        }
        panic!("the run does not end");
    }
}

pub(super) fn context(memory: &Faulty<Memory>) -> RunContext<'_, Faulty<Memory>, Faulty<Memory>> {
    RunContext { ports: memory, sources: memory, limits: LIMITS }
}

pub(super) fn pipeline() -> Pipeline {
    Pipeline {
        registry: Registry::new(),
        heads: HeadCache::new(LIMITS.cache_bytes),
        item_limits: LIMITS.item_limits,
        concurrency: LIMITS.concurrency,
    }
}

pub(super) fn scope(tenant: &str) -> TenantScope {
    TenantScope::by_operator(TenantId::parse(tenant).expect("a tenant"))
}

pub(super) fn location(tenant: &str, device: &str) -> SubjectLocation {
    let subject = SubjectId::parse(&format!("device/{device}")).expect("a subject");
    SubjectLocation { key: scope(tenant).subject(subject), table: None }
}

fn second(at: i64) -> Timestamp {
    Timestamp::from_micros(NOW * 1_000_000).expect("in range").plus_seconds(at)
}

/// A record with offset `at` and a timestamp this many seconds after one minute ago.
fn record(tenant: &str, at: i64, value: String) -> Record {
    let stamp = second(at - MINUTE);
    Record {
        source: Source::Kafka {
            topic: Arc::from("known"),
            partition: 0,
            offset: at,
            timestamp: Some(stamp.micros() / 1_000),
            element: None,
        },
        key: None,
        value: Some(value.into_bytes()),
        headers: vec![("tenant".to_owned(), tenant.as_bytes().to_vec())],
        received_at: Some(stamp),
        ingested_at: stamp,
    }
}
