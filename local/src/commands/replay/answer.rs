//! The parts of the replay function's response that this command shows or uses. Unknown fields are
//! ignored: `--json` prints the whole response.

use std::collections::BTreeMap;

use drover_core::replay::{Action, Phase};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The pause reason of a run that only needs another invocation.
const TIME: &str = "time";

/// A response. The variants are tried in this order.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Read {
    Refused { error: Refused },
    Runs { replays: Vec<Run> },
    Letters(Letters),
    Run(Box<Run>),
    Letter(Box<OpenLetter>),
}

#[derive(Debug, Deserialize)]
struct Refused {
    code: String,
    message: String,
}

/// A response.
#[derive(Debug)]
pub(super) enum Answer {
    /// The function rejected the command.
    Refused { code: String, message: String },
    /// The newest runs.
    Runs(Vec<Run>),
    /// A list of letters.
    Letters(Letters),
    /// One run.
    Run(Box<Run>),
    /// One letter.
    Letter(Box<OpenLetter>),
}

/// A run's record.
#[derive(Debug, Deserialize)]
pub(super) struct Run {
    pub(super) replay_id: String,
    pub(super) action: Action,
    pub(super) by: String,
    pub(super) phase: Phase,
    pub(super) reason: Option<String>,
    pub(super) dry_run: bool,
    pub(super) examined: u64,
    #[serde(default)]
    pub(super) outcomes: BTreeMap<String, u64>,
    #[serde(default)]
    pub(super) changed: Vec<String>,
    #[serde(default)]
    pub(super) views: Vec<View>,
    pub(super) started_at: String,
    pub(super) ended_at: Option<String>,
}

/// The digests of a subject's view before and after. Only the invocation that read the views
/// returns them in full.
#[derive(Debug, Deserialize)]
pub(super) struct View {
    pub(super) subject: String,
    pub(super) before_digest: Option<String>,
    pub(super) after_digest: Option<String>,
    #[serde(default, deserialize_with = "there")]
    pub(super) before: Option<Value>,
    #[serde(default, deserialize_with = "there")]
    pub(super) after: Option<Value>,
}

/// Deserializes a present field; `null` is a value, not a missing field.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Letters, and the counts of the open letters.
#[derive(Debug, Deserialize)]
pub(super) struct Letters {
    pub(super) total: u64,
    pub(super) complete: bool,
    pub(super) counts: BTreeMap<String, u64>,
    pub(super) letters: Vec<Letter>,
    pub(super) next_cursor: Option<String>,
}

/// A letter in a list.
#[derive(Debug, Deserialize)]
pub(super) struct Letter {
    pub(super) id: String,
    pub(super) code: String,
    pub(super) path: Option<String>,
    pub(super) message: String,
    pub(super) source: Value,
    pub(super) rejected_at: String,
    pub(super) replay_count: u32,
    pub(super) state: String,
}

/// One letter with its content: key, payload and header values in base64.
#[derive(Debug, Deserialize)]
pub(super) struct OpenLetter {
    #[serde(flatten)]
    pub(super) line: Letter,
    pub(super) contract: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) ingested_at: String,
    /// `whole`, or the reason why the content is missing.
    pub(super) content: String,
    pub(super) key: Option<String>,
    pub(super) payload: Option<String>,
    pub(super) headers: Vec<(String, String)>,
}

/// The next step for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The run is done.
    Done,
    /// The run continues in another invocation.
    Resume,
    /// A person has to act first.
    Person,
}

impl Answer {
    /// # Errors
    /// The response has none of these shapes.
    pub(super) fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        Ok(match serde_json::from_slice(body)? {
            Read::Refused { error: Refused { code, message } } => Self::Refused { code, message },
            Read::Runs { replays } => Self::Runs(replays),
            Read::Letters(letters) => Self::Letters(letters),
            Read::Run(run) => Self::Run(run),
            Read::Letter(letter) => Self::Letter(letter),
        })
    }
}

impl Run {
    pub(super) fn next(&self) -> Next {
        match self.phase {
            Phase::Done => Next::Done,
            Phase::Paused if self.reason.as_deref() == Some(TIME) => Next::Resume,
            Phase::Paused | Phase::Running | Phase::Cancelled => Next::Person,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// The function's response about a run.
    pub(in super::super) fn record() -> Value {
        json!({
            "replay_id": "0190", "action": "replay", "by": "ann@cli", "phase": "done",
            "reason": null, "dry_run": false, "filter": {}, "limit": 1000, "rate": 100,
            "max_replays": 2, "examined": 5, "outcomes": { "applied": 3, "unknown_tenant": 2 },
            "changed": ["device/d-1"], "views": [],
            "started_at": "2026-01-01T00:00:00.000Z", "updated_at": "2026-01-01T00:00:01.000Z",
            "ended_at": "2026-01-01T00:00:01.000Z",
        })
    }

    pub(in super::super) fn run(changes: Value) -> Run {
        let mut record = record();
        let Value::Object(changes) = changes else { panic!("no object") };
        record.as_object_mut().unwrap().extend(changes);
        match Answer::read(record.to_string().as_bytes()).unwrap() {
            Answer::Run(run) => *run,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_a_run_that_ran_out_of_time_continues_by_itself() {
        for (phase, reason, expected) in [
            ("done", None, Next::Done),
            ("paused", Some("time"), Next::Resume),
            ("paused", Some("unavailable: the table does not answer"), Next::Person),
            ("paused", Some("interrupted"), Next::Person),
            ("cancelled", None, Next::Person),
            ("running", None, Next::Person),
        ] {
            let run = run(json!({ "phase": phase, "reason": reason }));
            assert_eq!(run.next(), expected, "{phase}");
        }
    }

    #[test]
    fn responses_are_distinguished_by_their_content() {
        let refused = json!({ "error": { "code": "not_found", "message": "none" } });
        assert!(matches!(
            Answer::read(refused.to_string().as_bytes()),
            Ok(Answer::Refused { code, .. }) if code == "not_found"
        ));
        let runs = json!({ "replays": [record(), record()] });
        let runs = Answer::read(runs.to_string().as_bytes());
        assert!(matches!(runs, Ok(Answer::Runs(runs)) if runs.len() == 2));
        assert!(Answer::read(b"{}").is_err());
    }
}
