//! The writing function over the ports of a [`Host`], called as API Gateway calls it; and its
//! situations, the files of `events/ingest/`.

#![expect(clippy::expect_used, reason = "a fact that does not hold ends its test")]

use std::sync::Arc;

use axum::Router;
use base64_simd::STANDARD;
use drover_core::base::metrics::emf::{Keeping, Lines};
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::message::Message;
use drover_core::intake::quota::WriteQuotas;
use drover_core::intake::record::{Record, Source};
use drover_core::memory::{Call, Fault};
use drover_core::registry::Registry;
use drover_http::gateway::with_gateway_claims;
use drover_http::{AuthMode, Gate, LocalKeys, Origins, finished};
use drover_ingest::log_breaker::LogBreaker;
use drover_ingest::{Ingest, routes};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::gateway::{self, Answer, Expected};
use crate::processor::{Extra, Host, envelope};
use crate::situation::{self, difference, only_asked, read_all};

/// What every event is compared by; other keys are compared where the expectation has them.
const ALWAYS: [&str; 5] = ["key", "contract", "observed_at", "ingested_at", "payload"];

/// One request and what is expected of it.
pub type Situation = situation::Situation<Expectation>;

/// What is expected of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The situation, in a sentence.
    pub about: String,
    /// What the clock shows.
    pub now: Timestamp,
    /// Situations that are sent first, each at its own time.
    #[serde(default)]
    pub before: Vec<String>,
    /// Documents beside those of `local/config`.
    #[serde(default)]
    pub registry: Extra,
    /// How callers prove who they are; absent: by keys.
    pub auth: Option<Auth>,
    /// What fails while this request is answered.
    #[serde(default)]
    pub down: Vec<Down>,
    /// The status.
    pub status: u64,
    /// Headers that the answer has.
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// What the body has, of objects the keys that are given.
    pub json: Option<Value>,
    /// Texts in the body.
    #[serde(default)]
    pub contains: Vec<String>,
    /// The events in the stream, in order.
    #[serde(rename = "stream")]
    pub event_log: Vec<Value>,
    /// The dead letters, in order.
    pub letters: Vec<Value>,
    /// The events in the buffer queue, in order.
    pub buffered: Vec<Value>,
}

/// The claims of a token that say who calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    tenant_claim: String,
    scope_claim: String,
    #[serde(default)]
    scope_prefix: String,
}

impl Auth {
    pub(crate) fn mode(&self) -> AuthMode {
        let Self { tenant_claim, scope_claim, scope_prefix } = self.clone();
        AuthMode::Jwt { tenant_claim, scope_claim, scope_prefix }
    }
}

/// A part of the system that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Down {
    /// The stream.
    #[serde(rename = "stream")]
    EventLog,
    /// The buffer queue.
    Buffer,
    /// The dead-letter queue.
    DeadLetters,
    /// The registry.
    Registry,
    /// Where requests under an idempotency key are kept.
    Requests,
}

impl From<Down> for Call {
    fn from(down: Down) -> Self {
        match down {
            Down::EventLog => Self::EventLog,
            Down::Buffer => Self::Buffer,
            Down::DeadLetters => Self::Letter,
            Down::Registry => Self::Document,
            Down::Requests => Self::Claim,
        }
    }
}

/// One warm environment of the writing function.
pub struct Writer<'a> {
    host: &'a Host,
    router: Router,
}

/// Every situation.
pub fn all() -> Vec<Situation> {
    read_all("ingest")
}

impl Situation {
    /// A host with the documents of this situation.
    pub fn host(&self) -> Host {
        Host::new(self.expect.now, &self.expect.registry)
    }

    /// The answer of an environment to which everything was sent that comes before.
    pub async fn answer(&self, host: &Host) -> Answer {
        let writer = Writer::over(host, self.expect.auth.as_ref());
        for name in &self.expect.before {
            let before: Self = situation::read("ingest", name);
            assert!(before.expect.before.is_empty(), "{name}: only one step before is sent");
            let answer = writer.invoke(&before.event, before.expect.now).await;
            assert_eq!(answer.status, before.expect.status, "{name}: {}", answer.text);
        }
        let down: Vec<Call> = self.expect.down.iter().copied().map(Call::from).collect();
        host.fail(move |call| if down.contains(&call) { Fault::Refused } else { Fault::None });
        writer.invoke(&self.event, self.expect.now).await
    }
}

impl<'a> Writer<'a> {
    /// Over the ports of a host.
    pub fn over(host: &'a Host, auth: Option<&Auth>) -> Self {
        let mode = auth.map_or(AuthMode::Key(LocalKeys::Accepted), Auth::mode);
        let routes = routes(Ingest {
            event_log: host.memory().clone(),
            ports: host.memory().clone(),
            registry: Registry::new(),
            gate: Gate { mode },
            quotas: WriteQuotas::default(),
            log_breaker: LogBreaker::default(),
            meter: Arc::new(Lines { keeping: Keeping::default(), write: |_line| () }),
        });
        let routes = if auth.is_some() { with_gateway_claims(routes) } else { routes };
        Self { host, router: finished(routes, Origins::Local) }
    }

    /// One invocation with the JSON that API Gateway sends, at this time.
    pub async fn invoke(&self, event: &str, now: Timestamp) -> Answer {
        self.host.memory().state().now = now;
        gateway::invoke(&self.router, event).await
    }
}

impl Expectation {
    /// How an answer, and what is in the ports, differ from what is expected; `None`: not at all.
    pub fn difference(&self, answer: &Answer, host: &Host) -> Option<String> {
        let Self { status, headers, json, contains, .. } = self;
        let answered = Expected { status: *status, headers, json: json.as_ref(), contains };
        let state = host.memory().state();
        let event_log: Vec<Value> = state.event_log.iter().map(sent).collect();
        let buffered: Vec<Value> = state.buffer.iter().map(waiting).collect();
        let letters: Vec<Value> = state.letters.iter().map(letter).collect();
        let found = json!({
            "stream": asked_of(&event_log, &self.event_log), "letters": letters,
            "buffered": asked_of(&buffered, &self.buffered),
        });
        let expected =
            json!({"stream": self.event_log, "letters": self.letters, "buffered": self.buffered});
        answered.difference(answer).or_else(|| difference(&expected, &found))
    }
}

/// Of each event the keys that are asked for, and those that always are.
fn asked_of(found: &[Value], asked: &[Value]) -> Value {
    let with_always = |asked: &Value| {
        let mut asked = asked.as_object().cloned().unwrap_or_default();
        for key in ALWAYS {
            asked.entry(key).or_insert(Value::Null);
        }
        Value::Object(asked)
    };
    only_asked(&json!(found), &asked.iter().map(with_always).collect())
}

/// An event of the stream: its envelope, the key of its record, and the headers as texts.
fn sent(record: &Record) -> Value {
    let headers = record.headers.iter().map(|(name, value)| (name.clone(), text(value).into()));
    let headers = headers.collect();
    event(record.key.as_deref(), record.value.as_deref(), headers)
}

/// An event of the buffer queue in the same shape.
fn waiting(message: &Message) -> Value {
    let envelope = envelope(message);
    let bytes = |text: &String| STANDARD.decode_to_vec(text).expect("base64");
    let headers = envelope.headers.iter();
    let headers = headers.map(|(name, value)| (name.clone(), text(&bytes(value)).into()));
    let headers = headers.collect();
    let (key, value) = (envelope.key.as_ref().map(bytes), envelope.value.as_ref().map(bytes));
    event(key.as_deref(), value.as_deref(), headers)
}

fn event(key: Option<&[u8]>, value: Option<&[u8]>, headers: Map<String, Value>) -> Value {
    let mut event: Map<String, Value> =
        serde_json::from_slice(value.expect("a value")).expect("an envelope");
    event.insert("key".to_owned(), json!(key.map(text)));
    event.insert("headers".to_owned(), headers.into());
    event.into()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn letter(message: &Message) -> Value {
    let letter = envelope(message);
    let Source::Http { index, .. } = letter.source else {
        unreachable!("a letter of ingest that was no request: {:?}", letter.source);
    };
    json!({"tenant": letter.tenant, "code": letter.code, "path": letter.path,
        "contract": letter.contract, "index": index})
}
