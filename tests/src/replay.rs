//! The replay function over the ports of a [`Host`], called with every kind of event that Lambda
//! brings it; and its situations, the files of `events/replay/`.

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
use drover_core::memory::{Call, Drawer, Fault, Memory};
use drover_core::pipeline::Pipeline;
use drover_core::pipeline::cache::HeadCache;
use drover_core::ports::{Objects, Reread};
use drover_core::registry::Registry;
use drover_core::replay::RunLimits;
use drover_http::gateway::with_gateway_claims;
use drover_http::{Origins, finished};
use drover_intake::{AuthMode, Gate, LocalKeys};
use drover_replay::levels::{BufferLevels, Levels};
use drover_replay::{Environment, FUNCTION, Failed, QueueNames, Replay, routes};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::gateway::{Answer, Expected};
use crate::ingest::Auth;
use crate::processor::{Extra, Host};
use crate::situation::{self, difference, only_asked, read_all};

/// What every letter is compared by; other keys are compared where the expectation has them.
const ALWAYS: [&str; 4] = ["tenant", "code", "state", "whole"];
/// What every subject is compared by.
const OF_SUBJECTS: [&str; 2] = ["history", "event_count"];

/// One event and what is expected of it.
pub type Situation = situation::Situation<Expectation>;

/// What is expected of an event.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The situation, in a sentence.
    pub about: String,
    /// What the clock shows.
    pub now: Timestamp,
    /// Situations that are delivered first.
    #[serde(default)]
    pub before: Vec<String>,
    /// Documents beside those of `local/config`.
    #[serde(default)]
    pub registry: Extra,
    /// How callers prove who they are; absent: by keys.
    pub auth: Option<Auth>,
    /// What fails while this event is handled.
    #[serde(default)]
    pub down: Vec<Down>,
    /// The answer, whole: to messages.
    pub response: Option<Value>,
    /// What the answer has: to a command.
    pub answer: Option<Value>,
    /// The type of the error.
    pub error: Option<String>,
    /// The status of the answer: to a request.
    pub status: Option<u64>,
    /// Headers that it has.
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// What its body has.
    pub json: Option<Value>,
    /// The letters that are filed, in order of their owners and ids.
    pub letters: Vec<Value>,
    /// How many messages were sent to the dead-letter queue.
    #[serde(default)]
    pub sent: usize,
    /// What is in the ledger, and nothing else.
    #[serde(default)]
    pub subjects: Map<String, Value>,
}

/// A part of the system that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Down {
    /// The ledger.
    Ledger,
    /// Where letters are filed.
    Letters,
    /// The registry.
    Registry,
    /// The dead-letter queue.
    DeadLetters,
}

impl Down {
    fn fails(self, call: Call) -> bool {
        match self {
            Self::Ledger => matches!(call, Call::Head | Call::Pages | Call::Seal | Call::Write),
            Self::Letters => matches!(call, Call::File | Call::Mark | Call::Filed),
            Self::Registry => call == Call::Document,
            Self::DeadLetters => call == Call::Letter,
        }
    }
}

/// What the memory holds besides: streams, objects, and a buffer that nobody has in hand.
struct Beside(Memory);

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

/// What was counted, by metric, for all tenants together.
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

/// Memory, and one warm environment of the replay function over it.
pub struct Replayer {
    host: Host,
    auth: Option<Auth>,
    counted: Arc<Counted>,
    replay: Replay<Memory, Beside>,
}

/// Every situation.
pub fn all() -> Vec<Situation> {
    read_all("replay")
}

impl Situation {
    /// A host to which everything was delivered that comes before.
    pub async fn replayer(&self) -> Replayer {
        let host = Host::new(self.expect.now, &self.expect.registry);
        let replayer = Replayer::over(host, self.expect.auth.clone());
        for name in &self.expect.before {
            let before: Self = situation::read("replay", name);
            replayer.deliver(&before.event).await.expect("what comes before is handled");
        }
        replayer
    }

    /// Whether it is a batch of messages.
    pub fn is_of_queue(&self) -> bool {
        let event: Value = serde_json::from_str(&self.event).expect("JSON");
        event["Records"].is_array()
    }
}

impl Replayer {
    /// Over the ports of a host.
    pub fn over(host: Host, auth: Option<Auth>) -> Self {
        let counted = Arc::default();
        let replay = environment(host.memory(), auth.as_ref(), &counted);
        Self { host, auth, counted, replay }
    }

    /// Puts a new environment, which knows nothing yet, in the place of the warm one.
    pub fn restart(&mut self) {
        self.replay = environment(self.host.memory(), self.auth.as_ref(), &self.counted);
    }

    /// What is in the ports.
    pub fn memory(&self) -> &Memory {
        self.host.memory()
    }

    /// How often something was counted; of units, the whole ones.
    pub fn counted(&self, metric: Metric) -> usize {
        let sums = self.counted.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = sums.get(&metric).copied().unwrap_or_default();
        (0..).take_while(|count| f64::from(*count + 1) <= sum).count()
    }

    /// From now on, these parts do not answer.
    pub fn fail(&self, down: &[Down]) {
        let down = down.to_vec();
        self.host.fail(move |call| {
            if down.iter().any(|down| down.fails(call)) { Fault::Refused } else { Fault::None }
        });
    }

    /// One invocation with the JSON that Lambda would send.
    ///
    /// # Errors
    /// What the handler fails with.
    pub async fn deliver(&self, event: &str) -> Result<Value, Failed> {
        const TIME_LIMIT: u64 = 60_000;
        let payload = serde_json::from_str(event).expect("an event is JSON");
        let now = u64::try_from(self.memory().state().now.micros() / 1_000).expect("after 1970");
        let mut context = Context::default();
        context.deadline = now + TIME_LIMIT;
        let answer = self.replay.handle(LambdaEvent { payload, context }).await?;
        Ok(serde_json::from_str(answer.get()).expect("JSON"))
    }

    /// Every filed letter, by owner and id: what is stored of it, whose it is, whether it is whole,
    /// and its value as text.
    pub fn letters(&self) -> Vec<Value> {
        let state = self.memory().state();
        state.filed.iter().flat_map(|(owner, drawer)| letters(owner, drawer)).collect()
    }

    /// What is in the ledger, by subject.
    pub async fn subjects(&self) -> Value {
        self.host.outcome(Ok(Default::default())).await["subjects"].take()
    }
}

fn environment(
    memory: &Memory,
    auth: Option<&Auth>,
    counted: &Arc<Counted>,
) -> Replay<Memory, Beside> {
    let mode = auth.map_or(AuthMode::Key(LocalKeys::Accepted), Auth::mode);
    let limits = RunLimits {
        item_limits: ItemLimits::STANDARD,
        concurrency: 1,
        cache_bytes: 1 << 20,
        retention: TopicRetention::WEEK,
    };
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

impl Expectation {
    /// How what came back, and what is in the ports, differ from what is expected; `None`: not at all.
    pub async fn difference(
        &self,
        answer: Result<Value, Failed>,
        replayer: &Replayer,
    ) -> Option<String> {
        let answered = match (answer, self.status) {
            (Ok(answer), Some(status)) => {
                let (headers, json) = (&self.headers, self.json.as_ref());
                let expected = Expected { status, headers, json, contains: &[] };
                expected.difference(&Answer::of(&answer))
            }
            (Ok(answer), None) => {
                let answer = match &self.answer {
                    Some(asked) => only_asked(&answer, asked),
                    None => answer,
                };
                let expected = self.response.as_ref().or(self.answer.as_ref());
                difference(expected.unwrap_or(&Value::Null), &answer)
            }
            (Err(failed), _) => {
                let found = Diagnostic::from(failed);
                difference(&json!(self.error), &json!(found.error_type))
            }
        };
        if answered.is_some() {
            return answered;
        }
        let letters = asked_of(&json!(replayer.letters()), &json!(self.letters));
        let sent = replayer.memory().state().letters.len();
        let mut subjects = replayer.subjects().await;
        for (name, subject) in subjects.as_object_mut().into_iter().flatten() {
            let mut asked = self.subjects.get(name).cloned().unwrap_or_else(|| json!({}));
            OF_SUBJECTS.iter().for_each(|key| asked[key] = Value::Null);
            *subject = only_asked(subject, &asked);
        }
        let found = json!({"letters": letters, "sent": sent, "subjects": subjects});
        let expected =
            json!({"letters": self.letters, "sent": self.sent, "subjects": self.subjects});
        difference(&expected, &found)
    }
}

/// Of each letter the keys that are asked for, and those that always are.
fn asked_of(found: &Value, asked: &Value) -> Value {
    let with_always = |asked: &Value| {
        let mut asked = asked.clone();
        ALWAYS.iter().for_each(|key| asked[key] = asked[key].take());
        asked
    };
    let asked = asked.as_array().into_iter().flatten().map(with_always);
    only_asked(found, &asked.collect())
}
