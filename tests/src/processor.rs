//! A host of the processor: the real handler over ports in memory, with the documents of
//! `local/config` applied by the registry's own check and plan. [`Host::outcome`] is the content of
//! the ports as one JSON value. The module `player` plays the files of `events/processor/`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed expectation ends its test"
)]

mod player;
mod slow_ports;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64_simd::STANDARD;
use drover_core::base::id::{Kind, SubjectId, TenantId};
use drover_core::base::limits::ItemLimits;
use drover_core::base::metrics::emf::{Keeping, Lines};
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::envelope::Envelope;
use drover_core::dead_letter::message::Message;
use drover_core::intake::kafka_event::BatchResponse;
use drover_core::intake::record::{Source, TopicRetention};
use drover_core::ledger::read::{Question, Snapshot};
use drover_core::memory::{Call, Fault, Faulty, Memory};
use drover_core::pipeline::Pipeline;
use drover_core::pipeline::cache::HeadCache;
use drover_core::ports::{Clock, SubjectLocation};
use drover_core::registry::{Change, Registry, Stored, Submitted, Text};
use drover_core::subject::reader;
use drover_core::view::{Specs, View, fold};
use drover_processor::{Failed, Processor};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub use self::player::Expectation;
pub(crate) use self::slow_ports::SlowPorts;

/// The maximum duration of an invocation, in milliseconds.
const TIME_LIMIT: u64 = 30_000;

/// The response to Lambda.
pub type Answer = Result<BatchResponse, Failed>;

/// The records that a response reports as failed.
pub fn returned(answer: &Answer) -> BTreeSet<(String, i64)> {
    let failures = answer.iter().flat_map(|response| &response.batch_item_failures);
    let identifiers = failures.map(|failure| &failure.item_identifier);
    identifiers.map(|one| (one.partition.to_string(), one.offset)).collect()
}

/// Documents besides those of `local/config`, in the form of `drover apply`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extra {
    /// Documents of tenants.
    #[serde(default)]
    pub tenants: Vec<Value>,
    /// Routes by topic.
    #[serde(default)]
    pub topics: Map<String, Value>,
    /// Documents of alert rules; the host starts without rules.
    #[serde(default)]
    pub rules: Vec<Value>,
    /// Names of documents to leave out.
    #[serde(default)]
    pub without: Vec<String>,
}

/// The memory, and one warm environment of the processor over it. Clones share both.
#[derive(Clone)]
pub struct Host {
    ports: SlowPorts,
    processor: Arc<Processor<SlowPorts>>,
}

impl Host {
    /// A host with a fixed clock.
    pub fn new(now: Timestamp, extra: &Extra) -> Self {
        Self::with_slow_writes(now, extra, 0)
    }

    /// A host whose clock advances by so many seconds with every ledger write.
    pub fn with_slow_writes(now: Timestamp, extra: &Extra, seconds_per_write: i64) -> Self {
        let memory = Faulty::over(Memory::new(now));
        load(&memory, extra);
        let seconds_per_read = Arc::default();
        let ports = SlowPorts { memory, seconds_per_write, seconds_per_read };
        Self { processor: Arc::new(environment(ports.clone())), ports }
    }

    /// Replaces the warm environment by a cold one.
    pub fn restart(&mut self) {
        self.processor = Arc::new(environment(self.ports.clone()));
    }

    /// From now on, every ledger read takes so many seconds.
    pub fn slow_reads(&self, seconds: i64) {
        self.ports.seconds_per_read.store(seconds, Ordering::Relaxed);
    }

    /// The same ports, for another function.
    pub(crate) fn ports(&self) -> SlowPorts {
        self.ports.clone()
    }

    /// The content of the ports.
    pub fn memory(&self) -> &Faulty<Memory> {
        &self.ports.memory
    }

    /// From now on, `faults` selects the calls that fail.
    pub fn fail(&self, faults: impl FnMut(Call) -> Fault + Send + 'static) {
        self.memory().fail(faults);
    }

    /// One invocation with Lambda's JSON.
    ///
    /// # Errors
    /// The handler's error.
    pub async fn deliver(&self, event: &str) -> Answer {
        let payload = serde_json::from_str(event).expect("an event is JSON");
        let mut context = Context::default();
        let now = u64::try_from(self.memory().now().micros() / 1000).expect("after 1970");
        context.deadline = now + TIME_LIMIT;
        self.processor.handle(LambdaEvent { payload, context }).await
    }

    /// The response and the content of the ports. A subject has all keys of its view, and
    /// `history`, `epoch` and `pages`.
    pub async fn outcome(&self, answer: Answer) -> Value {
        let (letters, buffered, locations) = {
            let state = self.memory().state();
            let letters: Vec<Value> = state.letters.iter().map(letter).collect();
            let locations: Vec<SubjectLocation> =
                state.heads.keys().map(|key| location(key)).collect();
            (letters, state.buffer.len(), locations)
        };
        let mut subjects = Map::new();
        for location in locations {
            let name = format!("{} {}", location.key.tenant(), location.key.subject());
            subjects.insert(name, self.subject(&location).await);
        }
        let mut outcome = json!({"letters": letters, "buffered": buffered, "subjects": subjects});
        match answer {
            Ok(response) => outcome["response"] = json!(response),
            Err(failed) => outcome["error"] = json!(Diagnostic::from(failed).error_type),
        }
        outcome
    }

    /// The distinct ids of the sent letters.
    pub fn letter_ids(&self) -> BTreeSet<String> {
        let state = self.memory().state();
        state.letters.iter().map(|message| envelope(message).id).collect()
    }

    /// The offsets of the records in the buffer queue.
    pub fn buffered(&self) -> Vec<Option<i64>> {
        let state = self.memory().state();
        state.buffer.iter().map(|message| offset(&envelope(message).source)).collect()
    }

    async fn subject(&self, location: &SubjectLocation) -> Value {
        let question = Question::History { from: None, to: None };
        let (snapshot, _) = reader::read(&self.ports, location, question).await.expect("available");
        let snapshot = snapshot.expect("a subject with a head");
        let view = self.view(location, &snapshot).await;
        let history = snapshot.entries().map(|entry| {
            json!([entry.position.observed_at, entry.position.event_id.as_str(), entry.event_type])
        });
        let mut shown = view.to_json();
        shown["history"] = history.collect();
        shown["epoch"] = json!(snapshot.head.epoch);
        shown["pages"] = json!(snapshot.pages.len());
        shown
    }

    /// The live view, which must be the fold of the history (promise 1).
    async fn view(&self, location: &SubjectLocation, snapshot: &Snapshot) -> View {
        let versions = Specs::default().missing(snapshot.entries());
        let (key, now) = (&location.key, self.memory().now());
        let specs = Registry::new().folded_by(key, &versions, now, &self.ports).await;
        let specs = specs.expect("available");
        assert!(snapshot.entries().is_sorted_by(|one, next| one.position < next.position));
        let view = snapshot.live(&specs);
        assert_eq!(view, fold(View::default(), snapshot.entries(), &specs));
        view
    }
}

/// One subject at a time, so that the order of calls, and so of faults, is deterministic.
fn environment(ports: SlowPorts) -> Processor<SlowPorts> {
    let pipeline = Pipeline {
        registry: Registry::new(),
        heads: HeadCache::new(1 << 20),
        item_limits: ItemLimits::STANDARD,
        concurrency: 1,
    };
    Processor::new(
        ports,
        pipeline,
        TopicRetention::WEEK,
        Arc::new(Lines { keeping: Keeping::default(), write: |_line| () }),
    )
}

fn load(memory: &Faulty<Memory>, extra: &Extra) {
    let text = |origin: &str, json: String| Text { origin: origin.to_owned(), json };
    let mut topics: Value =
        serde_json::from_str(include_str!("../../local/config/topics.json")).expect("JSON");
    for (topic, route) in &extra.topics {
        topics["topics"][topic] = route.clone();
    }
    let demo = include_str!("../../local/config/tenants/demo.json");
    let acme = include_str!("../../local/config/tenants/acme.json");
    let mut tenants = vec![text("demo", demo.to_owned()), text("acme", acme.to_owned())];
    tenants.extend(extra.tenants.iter().map(|tenant| text("extra", tenant.to_string())));
    let topics = Some(text("topics", topics.to_string()));
    let rules = extra.rules.iter().map(|rules| text("rules", rules.to_string())).collect();
    let submitted = Submitted { tenants, topics, rules, ..Submitted::default() };
    let checked = submitted.check().expect("documents");
    let plan = checked.plan(&Stored::new(), ("test", memory.now())).expect("a plan");
    for write in plan.writes {
        if let Change::Put { document, .. } = write.change {
            memory.state().documents.insert(write.name.storage_key(), document);
        }
    }
    for name in &extra.without {
        memory.state().documents.remove(name).expect("a document to leave out");
    }
}

pub(crate) fn envelope(message: &Message) -> Envelope {
    let envelope: Envelope = serde_json::from_str(&message.body).expect("an envelope");
    assert_eq!(envelope.tenant.as_deref(), message.tenant.as_ref().map(TenantId::as_str));
    envelope
}

fn letter(message: &Message) -> Value {
    let Envelope { tenant, code, path, contract, source, .. } = envelope(message);
    let offset = offset(&source);
    json!({"tenant": tenant, "code": code, "path": path, "contract": contract, "offset": offset})
}

/// A source without a name has a partition that no topic has.
fn offset(source: &Source) -> Option<i64> {
    match source {
        Source::Kafka { partition: -1, .. } | Source::Http { .. } => None,
        Source::Kafka { offset, .. } => Some(*offset),
    }
}

/// Parses `T#<tenant>#S#<kind>#<id>`.
fn location(partition_key: &str) -> SubjectLocation {
    let parts: Vec<&str> = partition_key.splitn(5, '#').collect();
    let &["T", tenant, "S", kind, id] = parts.as_slice() else {
        unreachable!("no partition key of the shared table: {partition_key}");
    };
    let scope = TenantScope::by_operator(TenantId::parse(tenant).expect("a tenant"));
    let kind = Kind::parse(kind).expect("a kind");
    let subject = SubjectId::decoded(kind, id).expect("a subject");
    SubjectLocation { key: scope.subject(subject), table: None }
}

/// Lambda's Kafka event with these records, all with the timestamp `now`.
pub fn kafka(topic: &str, tenant: &str, records: &[Value], now: Timestamp) -> String {
    let records = records.iter().enumerate().map(|(offset, value)| {
        json!({
            "topic": topic, "partition": 0, "offset": offset, "timestampType": "CREATE_TIME",
            "timestamp": now.micros() / 1_000,
            "value": STANDARD.encode_to_string(value.to_string()),
            "headers": [{"tenant": tenant.as_bytes()}],
        })
    });
    let mut by_partition = Map::new();
    by_partition.insert(format!("{topic}-0"), records.collect());
    let source = "arn:aws:kafka:eu-central-1:123456789012:cluster/drover/1";
    json!({"eventSource": "aws:kafka", "eventSourceArn": source, "bootstrapServers": "b:9098",
        "records": by_partition})
    .to_string()
}
