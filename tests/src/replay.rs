//! The replay function over the ports of a [`Host`], called with every kind of event that Lambda
//! delivers, and its situations, the files of `events/replay/`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a fact that does not hold ends its test"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use drover_core::base::error::Unavailable;
use drover_core::base::limits::ItemLimits;
use drover_core::base::metrics::{Meter, Metric, Tally};
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::envelope::Content;
use drover_core::dead_letter::object::Object;
use drover_core::dead_letter::origin::Offsets;
use drover_core::dead_letter::reread::Again;
use drover_core::intake::quota::ReadQuotas;
use drover_core::intake::record::{Receipt, TopicRetention};
use drover_core::memory::{Drawer, Faulty, Memory};
use drover_core::pipeline::Pipeline;
use drover_core::pipeline::cache::HeadCache;
use drover_core::ports::{Objects, Reread};
use drover_core::registry::Registry;
use drover_core::replay::RunLimits;
use drover_http::gateway::with_gateway_claims;
use drover_http::{Origins, finished};
use drover_intake::Gate;
use drover_replay::levels::{BufferLevels, Levels};
use drover_replay::{Environment, FUNCTION, Failed, QueueNames, Replay, routes};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::comparison::{difference, only_asked, only_asked_or};
use crate::gateway::Answer;
use crate::processor::Host;
use crate::situation::{Auth, Player, Situation};

/// The keys that are compared for every letter. Other keys are compared if the expectation has them.
const ALWAYS: [&str; 4] = ["tenant", "code", "state", "whole"];
/// The keys that are compared for every subject.
const OF_SUBJECTS: [&str; 2] = ["history", "event_count"];

/// The expectation for an event, except the answer to a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The whole answer to messages.
    pub response: Option<Value>,
    /// Keys of the answer to a command.
    pub answer: Option<Value>,
    /// The type of the error.
    pub error: Option<String>,
    /// The filed letters, in order of their owners and ids.
    pub letters: Vec<Value>,
    /// The number of messages that were sent to the dead-letter queue.
    #[serde(default)]
    sent: usize,
    /// All subjects in the ledger.
    #[serde(default)]
    subjects: Map<String, Value>,
}

/// The topics, the objects and the buffer queue of the memory. No message of the queue is in flight.
struct Beside(Faulty<Memory>);

impl Reread for Beside {
    async fn reread(
        &self,
        offsets: &Offsets,
        given_up: Receipt,
    ) -> Result<Option<Again>, Unavailable> {
        self.0.reread(offsets, given_up).await
    }
}

impl Objects for Beside {
    async fn object(&self, bucket: &str, key: &str) -> Result<Object, Unavailable> {
        self.0.object(bucket, key).await
    }
}

impl BufferLevels for Beside {
    async fn buffer_levels(&self) -> Result<Levels, Unavailable> {
        let waiting = u64::try_from(self.0.state().buffer.len()).unwrap_or(u64::MAX);
        Ok(Levels { waiting, in_flight: 0, oldest_age_seconds: None })
    }
}

/// Sums of all metrics over all tenants.
#[derive(Default)]
struct Counted(Mutex<BTreeMap<Metric, f64>>);

impl Meter for Counted {
    fn record(&self, function: &'static str, tally: &Tally, _now: Timestamp) {
        assert_eq!(function, FUNCTION);
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for metric in Metric::ALL {
            *sums.entry(metric).or_default() += tally.total(metric);
        }
    }
}

/// A host, and one warm environment of the replay function over its ports.
pub struct Replayer {
    host: Host,
    auth: Option<Auth>,
    counted: Arc<Counted>,
    replay: Replay<Faulty<Memory>, Beside>,
}

impl Situation<Replayer> {
    /// Whether the event is a batch of messages.
    pub fn is_of_queue(&self) -> bool {
        let event: Value = serde_json::from_str(&self.event).expect("JSON");
        event["Records"].is_array()
    }
}

impl Replayer {
    /// Replaces the warm environment by a cold environment.
    pub fn restart(&mut self) {
        self.replay = environment(self.host.memory(), self.auth.as_ref(), &self.counted);
    }

    /// The content of the ports.
    pub fn memory(&self) -> &Faulty<Memory> {
        self.host.memory()
    }

    /// The sum of a metric, rounded down.
    pub fn counted(&self, metric: Metric) -> usize {
        let sums = self.counted.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = sums.get(&metric).copied().unwrap_or_default();
        (0..).take_while(|count| f64::from(*count + 1) <= sum).count()
    }

    /// Every filed letter, by owner and id: its stored fields, its owner, whether it is complete, and its
    /// value as text.
    pub fn letters(&self) -> Vec<Value> {
        let state = self.memory().state();
        state.filed.iter().flat_map(|(owner, drawer)| letters(owner, drawer)).collect()
    }

    /// The content of the ledger, by subject.
    pub async fn subjects(&self) -> Value {
        self.host.outcome(Ok(Default::default())).await["subjects"].take()
    }
}

fn environment(
    memory: &Faulty<Memory>,
    auth: Option<&Auth>,
    counted: &Arc<Counted>,
) -> Replay<Faulty<Memory>, Beside> {
    let limits = RunLimits {
        item_limits: ItemLimits::STANDARD,
        concurrency: 1,
        cache_bytes: 1 << 20,
        retention: TopicRetention::WEEK,
    };
    let mode = Auth::mode(auth);
    let environment = Arc::new(Environment {
        ports: memory.clone(),
        sources: Beside(memory.clone()),
        pipeline: Pipeline {
            registry: Registry::new(),
            heads: HeadCache::new(limits.cache_bytes),
            item_limits: limits.item_limits,
            concurrency: limits.concurrency,
        },
        limits,
        queues: QueueNames::of_urls(
            "https://sqs/1/drover-dead-letters",
            "https://sqs/1/drover-buffer",
        ),
        gate: Gate { mode: mode.clone() },
        quotas: ReadQuotas::default(),
        meter: Arc::clone(counted) as Arc<dyn Meter>,
    });
    let routes = routes(Arc::clone(&environment));
    let routes = with_gateway_claims(routes, &mode);
    Replay::new(environment, finished(routes, Origins::Local))
}

fn letters<'a>(owner: &str, drawer: &'a Drawer) -> impl Iterator<Item = Value> + use<'a> {
    let tenant = owner.strip_prefix("T#").and_then(|rest| rest.strip_suffix("#D"));
    let tenant = tenant.map(str::to_owned);
    drawer.letters.values().map(move |stored| {
        let letter = &stored.letter;
        let chunk = |number| drawer.chunks.get(&(letter.id.clone(), number)).cloned();
        let frame: Option<Vec<Vec<u8>>> = (1..=letter.chunks).map(chunk).collect();
        let content = frame.and_then(|frame| Content::unpack(&frame.concat()).ok());
        let mut shown = json!(letter);
        shown["tenant"] = json!(tenant);
        shown["whole"] = json!(content.is_some());
        let value = content.and_then(|content| content.value);
        shown["value"] = json!(value.map(|value| String::from_utf8_lossy(&value).into_owned()));
        shown
    })
}

impl Player for Replayer {
    const FOLDER: &'static str = "replay";
    type Expectation = Expectation;
    type Answer = Result<Value, Failed>;

    fn with_auth(host: &Host, auth: Option<&Auth>) -> Self {
        let counted = Arc::default();
        let replay = environment(host.memory(), auth, &counted);
        Self { host: host.clone(), auth: auth.cloned(), counted, replay }
    }

    fn host(&self) -> &Host {
        &self.host
    }

    async fn deliver(&self, event: &str) -> Self::Answer {
        const TIME_LIMIT: u64 = 60_000;
        let payload = serde_json::from_str(event).expect("an event is JSON");
        let now = u64::try_from(self.memory().state().now.micros() / 1_000).expect("after 1970");
        let mut context = Context::default();
        context.deadline = now + TIME_LIMIT;
        let answer = self.replay.handle(LambdaEvent { payload, context }).await?;
        Ok(serde_json::from_str(answer.get()).expect("JSON"))
    }

    async fn deliver_before(&self, event: &str) -> bool {
        self.deliver(event).await.is_ok()
    }

    fn http(answer: &Self::Answer) -> Option<Answer> {
        let answer = answer.as_ref().ok().filter(|answer| answer["statusCode"].is_number());
        answer.map(Answer::of)
    }

    async fn difference(&self, answer: Self::Answer, one: &Situation<Self>) -> Option<String> {
        let Expectation { letters, sent, subjects, .. } = &one.expect;
        let answered = match &one.http {
            Some(http) => match Self::http(&answer) {
                Some(answer) => http.difference(&answer),
                None => Some(format!("no answer to a request: {answer:?}")),
            },
            None => one.expect.difference_of_answer(answer),
        };
        let expected = json!({"letters": letters, "sent": sent, "subjects": subjects});
        let found = json!({
            "letters": only_asked_or(&ALWAYS, &json!(self.letters()), &json!(letters)),
            "sent": self.memory().state().letters.len(),
            "subjects": only_asked_or(&OF_SUBJECTS, &self.subjects().await, &json!(subjects)),
        });
        answered.or_else(|| difference(&expected, &found))
    }
}

impl Expectation {
    fn difference_of_answer(&self, answer: Result<Value, Failed>) -> Option<String> {
        match answer {
            Ok(answer) => {
                let expected = self.response.as_ref().or(self.answer.as_ref());
                let answer = match &self.answer {
                    Some(asked) => only_asked(&answer, asked),
                    None => answer,
                };
                difference(expected.unwrap_or(&Value::Null), &answer)
            }
            Err(failed) => {
                difference(&json!(self.error), &json!(Diagnostic::from(failed).error_type))
            }
        }
    }
}
