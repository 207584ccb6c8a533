//! Simulated alerts: they show that a target is told, and touch no subject. Each fires for a minute.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::decision::Standing;
use super::stored;
use super::told::Content;
use crate::base::error::Unavailable;
use crate::base::severity::Severity;
use crate::base::time::Timestamp;
use crate::event::digest;
use crate::outputs::alerts::{AlertId, AlertState, News, time_key};

/// How long a simulated alert fires, in seconds.
const FIRES_SECONDS: i64 = 60;
/// How long it is kept, in seconds.
const KEPT_SECONDS: i64 = 7 * 24 * 60 * 60;

/// A simulated alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Simulated {
    /// Its id.
    pub id: AlertId,
    /// Its severity.
    pub severity: Severity,
    /// The line about it.
    pub summary: String,
    /// Who asked for it.
    pub by: String,
    /// When it opened.
    pub opened_at: Timestamp,
}

impl Simulated {
    /// A new one. `random` makes its id unique.
    pub fn new(
        severity: Severity,
        summary: String,
        by: &str,
        (opened_at, random): (Timestamp, u64),
    ) -> Self {
        let digest = digest(&[b"simulated", &random.to_be_bytes()]);
        let id = [&*time_key(opened_at), digest.get(..16).unwrap_or(&digest)].concat();
        let id = AlertId::parse(&id).unwrap_or_else(|| AlertId::of_time(opened_at));
        Self { id, severity, summary, by: by.to_owned(), opened_at }
    }

    /// When it closes.
    pub fn closes_at(&self) -> Timestamp {
        self.opened_at.plus_seconds(FIRES_SECONDS)
    }

    /// How it stands.
    pub fn standing(&self, now: Timestamp) -> Standing {
        let (news, number) =
            if now < self.closes_at() { (News::Opened, 1) } else { (News::Resolved, 2) };
        let content = Content { severity: self.severity, is_acknowledged: false };
        Standing { news, number, is_old: false, is_paused: false, settles_in: None, content }
    }

    /// When it expires, in seconds since 1970.
    pub fn expires_at(&self) -> i64 {
        self.opened_at.plus_seconds(KEPT_SECONDS).whole_seconds()
    }

    /// The text to store.
    ///
    /// # Errors
    /// A bug: it cannot be written.
    pub fn stored(&self) -> Result<String, Unavailable> {
        stored::written(self)
    }

    /// Reads a stored text.
    ///
    /// # Errors
    /// Another release wrote it, or it is damaged.
    pub fn read(text: &str) -> Result<Self, Unavailable> {
        stored::read(text, "simulated alert")
    }

    /// As the API shows alerts.
    pub fn to_json(&self, now: Timestamp) -> Value {
        let is_over = self.standing(now).news.is_end();
        let state = if is_over { AlertState::Resolved } else { AlertState::Firing };
        json!({
            "id": self.id.as_str(), "rule": "test", "rule_version": 0,
            "subject": { "kind": "test", "id": "test" },
            "severity": self.severity.as_str(), "state": state.as_str(),
            "opened_at": self.opened_at, "closed_at": is_over.then(|| self.closes_at()),
            "ending": is_over.then_some("cleared"), "value": null, "summary": self.summary,
            "labels": { "requested_by": self.by }, "cause": null, "latched": false, "acknowledged": null,
            "snoozed_until": null, "snoozed": null, "disabled": null, "closed": null, "test": true,
        })
    }
}
