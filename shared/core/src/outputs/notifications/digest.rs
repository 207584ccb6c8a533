//! Digests: one notification about the alerts of a backlog, for targets that ask for it.
//!
//! A target has one record of its digests. Alerts are added to the open digest; when it is due, it is closed and sent,
//! and further alerts go into the next one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::error::{Reason, Unavailable};
use crate::base::id::TenantId;
use crate::base::severity::Severity;
use crate::base::time::Timestamp;
use crate::outputs::alerts::{Alert, AlertId, time_key};
use crate::outputs::notifications::told::RETRY_AFTER;

/// How long after its first alert a digest is sent, in seconds.
pub const DUE_SECONDS: i64 = 900;
/// How many alerts of a digest are known by their ids. Of more, one that comes again is counted again.
const KNOWN: usize = 200;

/// The digests of a target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Digests {
    /// The number of the open digest.
    pub number: u32,
    /// To which alerts are added.
    pub open: Digest,
    /// The digest on its way.
    pub closed: Option<Closed>,
}

/// Alerts of a backlog, counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// When the first one was added.
    pub since: Option<Timestamp>,
    /// By rule.
    pub rules: BTreeMap<String, u64>,
    /// The highest severity.
    pub severity: Severity,
    /// The ids of the first ones.
    pub ids: BTreeSet<String>,
    /// When the first of them opened, and the last.
    pub opened: Option<(Timestamp, Timestamp)>,
}

/// A digest on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Closed {
    /// Its number.
    pub number: u32,
    /// Its content.
    pub digest: Digest,
    /// The tries so far.
    pub tries: u32,
    /// When the next one is due.
    pub next_at: Timestamp,
}

impl Digest {
    /// How many alerts there are.
    pub fn count(&self) -> u64 {
        self.rules.values().sum()
    }

    /// Whether it has this alert.
    pub fn has(&self, id: &AlertId) -> bool {
        self.ids.contains(id.as_str())
    }

    fn add(&mut self, alert: &Alert, now: Timestamp) {
        let episode = &alert.episode;
        let opened_at = episode.opened.at;
        self.since.get_or_insert(now);
        *self.rules.entry(episode.rule.to_string()).or_default() += 1;
        self.severity =
            if self.count() == 1 { episode.severity } else { self.severity.max(episode.severity) };
        if self.ids.len() < KNOWN {
            self.ids.insert(alert.id.as_str().to_owned());
        }
        let (first, last) = self.opened.unwrap_or((opened_at, opened_at));
        self.opened = Some((first.min(opened_at), last.max(opened_at)));
    }

    /// The digest in the form of an alert, so that every target can show it.
    pub fn to_json(&self, tenant: &TenantId, number: u32) -> Value {
        let rules: Vec<String> =
            self.rules.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
        let summary = format!(
            "{} alerts opened in events that were received more than an hour after they were observed: {}",
            self.count(),
            rules.join(", "),
        );
        let id = format!("{}{number:016x}", time_key(self.since.unwrap_or(Timestamp::MIN)));
        json!({
            "id": id, "rule": "backlog", "rule_version": 0,
            "subject": { "kind": "tenant", "id": tenant.as_str() },
            "severity": self.severity.as_str(), "state": "resolved", "value": self.count(),
            "opened_at": self.opened.map(|(first, _)| first), "closed_at": self.opened.map(|(_, last)| last),
            "summary": summary, "labels": {}, "cause": null, "rules": self.rules,
        })
    }
}

impl Digests {
    /// Adds an alert. `None`: the open digest has it.
    #[must_use]
    pub fn with(&self, alert: &Alert, now: Timestamp) -> Option<Self> {
        if self.open.has(&alert.id) {
            return None;
        }
        let mut with = self.clone();
        with.open.add(alert, now);
        Some(with)
    }

    /// When a message about it has to be handled; `None`: there is nothing to tell.
    pub fn due_at(&self) -> Option<Timestamp> {
        let open = self.open.since.map(|since| since.plus_seconds(DUE_SECONDS));
        self.closed.as_ref().map(|closed| closed.next_at).or(open)
    }

    /// With the open digest closed, if none is on its way.
    #[must_use]
    pub fn closing(&self, now: Timestamp) -> Self {
        if self.closed.is_some() {
            return self.clone();
        }
        let digest = self.open.clone();
        let closed = Some(Closed { number: self.number, digest, tries: 0, next_at: now });
        Self { number: self.number.saturating_add(1), open: Digest::default(), closed }
    }

    /// After a target took the digest on its way.
    #[must_use]
    pub fn taken(&self) -> Self {
        Self { closed: None, ..self.clone() }
    }

    /// After a try failed. `None`: it was the last one.
    #[must_use]
    pub fn failed(&self, wait_seconds: i64, now: Timestamp) -> Option<Self> {
        let closed = self.closed.as_ref()?;
        let tries = closed.tries.saturating_add(1);
        let index = usize::try_from(closed.tries).unwrap_or(usize::MAX);
        let delay = RETRY_AFTER.get(index).copied()?;
        let next_at = now.plus_seconds(delay.max(wait_seconds));
        Some(Self { closed: Some(Closed { tries, next_at, ..closed.clone() }), ..self.clone() })
    }

    /// The text to store.
    ///
    /// # Errors
    /// A bug: it cannot be written.
    pub fn stored(&self) -> Result<String, Unavailable> {
        serde_json::to_string(self)
            .map_err(|fault| Unavailable::new(Reason::Bug, fault.to_string()))
    }

    /// Reads a stored text.
    ///
    /// # Errors
    /// Another release wrote it, or it is damaged.
    pub fn read(stored: &str) -> Result<Self, Unavailable> {
        serde_json::from_str(stored)
            .map_err(|_| Unavailable::new(Reason::Corrupt, "invalid stored digest"))
    }
}
