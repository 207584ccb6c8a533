//! The processor as a player of golden situations.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Answer, Host, returned};
use crate::comparison::{difference, only_asked_or};
use crate::gateway;
use crate::situation::{Auth, Player, Situation};

/// The keys by which every subject is compared; other keys are compared if the expectation has them.
const ALWAYS: &[&str] = &["history", "event_count", "epoch"];

/// The expectation of an invocation of the processor.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The response.
    pub response: Option<Value>,
    /// The type of the error, instead of a response.
    pub error: Option<String>,
    letters: Vec<Value>,
    buffered: usize,
    /// The whole content of the ledger afterwards.
    pub subjects: Map<String, Value>,
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
