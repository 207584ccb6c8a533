//! The writing function over the ports of a [`Host`], called as API Gateway calls it; and its
//! situations, the files of `events/ingest/`.

#![expect(clippy::expect_used, reason = "a fact that does not hold ends its test")]

use std::sync::Arc;

use axum::Router;
use base64_simd::STANDARD;
use drover_core::base::metrics::emf::{Keeping, Lines};
use drover_core::dead_letter::message::Message;
use drover_core::intake::quota::WriteQuotas;
use drover_core::intake::record::{Record, Source};
use drover_core::registry::Registry;
use drover_http::gateway::{NotARequest, with_gateway_claims};
use drover_http::{Origins, finished};
use drover_ingest::{FUNCTION, WebhookOrigins, routes};
use drover_intake::log_breaker::LogBreaker;
use drover_intake::{Gate, Intake};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::comparison::{difference, only_asked_or};
use crate::gateway::{self, Answer, difference_of};
use crate::processor::{Host, envelope};
use crate::situation::{Auth, Player, Situation};

/// The keys that are compared for every event. Other keys are compared if the expectation has them.
const ALWAYS: [&str; 5] = ["key", "contract", "observed_at", "ingested_at", "payload"];

/// The origin whose webhooks may subscribe.
const WEBHOOK_ORIGIN: &str = "eventgrid.azure.net";

/// The location of a request's events afterwards.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The beginning of the error's text, if the invocation fails.
    error: Option<String>,
    /// The events in the event log, in order.
    #[serde(rename = "stream")]
    event_log: Vec<Value>,
    /// The dead letters, in order.
    letters: Vec<Value>,
    /// The events in the buffer queue, in order.
    buffered: Vec<Value>,
}

/// One warm environment of the writing function.
pub struct Writer {
    host: Host,
    router: Router,
}

impl Player for Writer {
    const FOLDER: &'static str = "ingest";
    type Expectation = Expectation;
    type Answer = Result<Answer, NotARequest>;

    fn with_auth(host: &Host, auth: Option<&Auth>) -> Self {
        let mode = Auth::mode(auth);
        let intake = Intake {
            function: FUNCTION,
            event_log: host.memory().clone(),
            ports: host.memory().clone(),
            registry: Registry::new(),
            gate: Gate { mode: mode.clone() },
            quotas: WriteQuotas::default(),
            log_breaker: LogBreaker::default(),
            meter: Arc::new(Lines { keeping: Keeping::default(), write: |_line| () }),
        };
        let origins = WebhookOrigins::listed([WEBHOOK_ORIGIN]).expect("a name");
        let routes = routes(Arc::new(intake), origins);
        let routes = with_gateway_claims(routes, &mode);
        Self { host: host.clone(), router: finished(routes, Origins::Local) }
    }

    fn host(&self) -> &Host {
        &self.host
    }

    async fn deliver(&self, event: &str) -> Self::Answer {
        gateway::invoke(&self.router, event).await
    }

    async fn deliver_before(&self, event: &str) -> bool {
        self.deliver(event).await.is_ok_and(|answer| (200..300).contains(&answer.status))
    }

    fn http(answer: &Self::Answer) -> Option<Answer> {
        answer.clone().ok()
    }

    async fn difference(&self, answer: Self::Answer, one: &Situation<Self>) -> Option<String> {
        let Expectation { error, event_log, letters, buffered } = &one.expect;
        let answered = difference_of(&answer, one.http.as_ref(), error.as_deref());
        let expected = json!({"stream": event_log, "letters": letters, "buffered": buffered});
        let state = self.host.memory().state();
        let sent = state.event_log.iter().map(sent).collect();
        let waiting = state.buffer.iter().map(waiting).collect();
        let found = json!({
            "stream": only_asked_or(&ALWAYS, &sent, &json!(event_log)),
            "letters": state.letters.iter().map(letter).collect::<Vec<_>>(),
            "buffered": only_asked_or(&ALWAYS, &waiting, &json!(buffered)),
        });
        answered.or_else(|| difference(&expected, &found))
    }
}

/// An event of the event log: its envelope, the key of its record, and the headers as texts.
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
