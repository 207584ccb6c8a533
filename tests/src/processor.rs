//! A host of the processor: the real handler over ports in memory, loaded with the documents of
//! `local/config` through the registry's own check and plan. What is in the ports afterwards is
//! one JSON value, the [`Host::outcome`]. Its situations are the files of `events/processor/`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed expectation ends its test"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use drover_core::base::cost::Metered;
use drover_core::base::error::Unavailable;
use drover_core::base::id::{Kind, SubjectId, TenantId};
use drover_core::base::limits::ItemLimits;
use drover_core::base::metrics::emf::{Keeping, Lines};
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::envelope::Envelope;
use drover_core::dead_letter::message::Message;
use drover_core::intake::document::{DocumentName, StoredDocument};
use drover_core::intake::kafka_event::BatchResponse;
use drover_core::intake::record::{Source, TopicRetention};
use drover_core::ledger::dialogue::WriteAnswer;
use drover_core::ledger::read::{Question, Snapshot};
use drover_core::ledger::shard::Shard;
use drover_core::ledger::{LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use drover_core::memory::{Call, Fault, Faulty, Memory};
use drover_core::pipeline::Pipeline;
use drover_core::pipeline::cache::HeadCache;
use drover_core::ports::{Buffer, Clock, DeadLetters, Documents, Listing, Store, SubjectLocation};
use drover_core::registry::{Change, Registry, Stored, Submitted, Text};
use drover_core::subject::reader;
use drover_core::view::{View, fold};
use drover_processor::{Failed, Processor};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::gateway;
use crate::golden::Player;
use crate::situation::{Auth, Situation, difference, only_asked_or};

/// What an invocation may take, in milliseconds.
const TIME_LIMIT: u64 = 30_000;

/// The response to Lambda.
pub type Answer = Result<BatchResponse, Failed>;

/// The records that a response reports as failed.
pub fn returned(answer: &Answer) -> BTreeSet<(String, i64)> {
    let failures = answer.iter().flat_map(|response| &response.batch_item_failures);
    let identifiers = failures.map(|failure| &failure.item_identifier);
    identifiers.map(|one| (one.partition.to_string(), one.offset)).collect()
}

/// Documents beside those of `local/config`, as `drover apply` would take them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extra {
    /// Documents of tenants.
    #[serde(default)]
    pub tenants: Vec<Value>,
    /// Routes by topic.
    #[serde(default)]
    pub topics: Map<String, Value>,
    /// Names of documents to leave out.
    #[serde(default)]
    pub without: Vec<String>,
}

/// One memory, shared by all environments.
#[derive(Clone)]
pub(crate) struct Shared {
    memory: Faulty<Memory>,
    seconds_per_write: i64,
    seconds_per_read: Arc<AtomicI64>,
}

/// What every subject is compared by; other keys are compared where the expectation has them.
const ALWAYS: &[&str] = &["history", "event_count", "epoch"];

/// What is expected of the processor.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The answer.
    pub response: Option<Value>,
    /// Or the type of the error.
    pub error: Option<String>,
    letters: Vec<Value>,
    buffered: usize,
    /// What is in the ledger afterwards, and nothing else.
    pub subjects: Map<String, Value>,
}

/// Memory, and one warm environment of the processor over it. Clones share both.
#[derive(Clone)]
pub struct Host {
    ports: Shared,
    processor: Arc<Processor<Shared>>,
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
        let ports = Shared { memory, seconds_per_write, seconds_per_read };
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
    pub(crate) fn ports(&self) -> Shared {
        self.ports.clone()
    }

    /// What is in the ports.
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
        let (letters, buffered, homes) = {
            let state = self.memory().state();
            let letters: Vec<Value> = state.letters.iter().map(letter).collect();
            let homes: Vec<SubjectLocation> = state.heads.keys().map(|key| location(key)).collect();
            (letters, state.buffer.len(), homes)
        };
        let mut subjects = Map::new();
        for location in homes {
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
        let view = self.view(&snapshot).await;
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
    async fn view(&self, snapshot: &Snapshot) -> View {
        let contracts: BTreeSet<_> = snapshot.entries().map(|entry| &entry.contract).collect();
        let contracts: Vec<_> = contracts.into_iter().cloned().collect();
        let specs = Registry::new().specs(&contracts, 0, self.ports.now(), &self.ports).await;
        let specs = specs.expect("available");
        assert!(snapshot.entries().is_sorted_by(|one, next| one.position < next.position));
        let view = snapshot.live(&specs);
        assert_eq!(view, fold(View::default(), snapshot.entries(), &specs));
        view
    }
}

impl Player for Host {
    const FOLDER: &'static str = "processor";
    type Expectation = Expectation;
    type Answer = Answer;

    /// The host itself: events of the processor have no callers.
    fn with_auth(host: &Host, auth: Option<&Auth>) -> Self {
        assert!(auth.is_none(), "events of the processor have no callers");
        host.clone()
    }

    fn host(&self) -> &Host {
        self
    }

    async fn deliver(&self, event: &str) -> Answer {
        self.deliver(event).await
    }

    async fn deliver_before(&self, event: &str) -> bool {
        let answer = self.deliver(event).await;
        answer.is_ok() && returned(&answer).is_empty()
    }

    fn http(_answer: &Answer) -> Option<gateway::Answer> {
        None
    }

    async fn difference(&self, answer: Answer, one: &Situation<Self>) -> Option<String> {
        let Expectation { response, error, letters, buffered, subjects } = &one.expect;
        let mut expected = json!({"letters": letters, "buffered": buffered, "subjects": subjects});
        match (response, error, &one.http) {
            (Some(response), None, None) => expected["response"] = response.clone(),
            (None, Some(error), None) => expected["error"] = json!(error),
            _ => return Some("an expectation has either a response or an error".to_owned()),
        }
        let mut found = self.outcome(answer).await;
        found["subjects"] = only_asked_or(ALWAYS, &found["subjects"], &json!(subjects));
        difference(&expected, &found)
    }
}

/// One subject at a time, so that which one a fault meets is no matter of chance.
fn environment(ports: Shared) -> Processor<Shared> {
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
    let submitted = Submitted { tenants, contracts: Vec::new(), topics };
    let checked = submitted.check().expect("documents");
    let plan = checked.plan(&Stored::new(), memory.now()).expect("a plan");
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

impl Shared {
    fn pass_time(&self) {
        let seconds = self.seconds_per_read.load(Ordering::Relaxed);
        let now = self.memory.now().plus_seconds(seconds);
        self.memory.state().now = now;
    }
}

impl Store for Shared {
    async fn head(
        &self,
        location: &SubjectLocation,
    ) -> Result<Metered<Option<StoredHead>>, Unavailable> {
        self.pass_time();
        self.memory.head(location).await
    }

    async fn pages(
        &self,
        location: &SubjectLocation,
        range: &PageRange,
    ) -> Result<Metered<Vec<StoredPage>>, Unavailable> {
        self.pass_time();
        self.memory.pages(location, range).await
    }

    async fn seal(
        &self,
        location: &SubjectLocation,
        page: &PageWrite,
    ) -> Result<Metered<()>, Unavailable> {
        self.memory.seal(location, page).await
    }

    async fn write(
        &self,
        location: &SubjectLocation,
        write: &LedgerWrite,
    ) -> Result<Metered<WriteAnswer>, Unavailable> {
        let answer = self.memory.write(location, write).await;
        let now = self.memory.now().plus_seconds(self.seconds_per_write);
        self.memory.state().now = now;
        answer
    }
}

impl Listing for Shared {
    async fn hours(
        &self,
        shard: &Shard,
        below: Option<&str>,
        limit: usize,
    ) -> Result<Metered<Vec<String>>, Unavailable> {
        self.memory.hours(shard, below, limit).await
    }
}

impl DeadLetters for Shared {
    async fn send_letters(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        self.memory.send_letters(messages).await
    }
}

impl Buffer for Shared {
    async fn send_buffered(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        self.memory.send_buffered(messages).await
    }
}

impl Documents for Shared {
    async fn document(&self, name: &DocumentName) -> Result<Option<StoredDocument>, Unavailable> {
        self.memory.document(name).await
    }
}

impl Clock for Shared {
    fn now(&self) -> Timestamp {
        self.memory.now()
    }

    async fn pause(&self, duration: Duration) {
        self.memory.pause(duration).await;
    }

    fn random(&self) -> u64 {
        self.memory.random()
    }
}
