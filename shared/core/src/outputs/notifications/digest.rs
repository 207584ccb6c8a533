//! Digests: one notification about the alerts of a backlog, for targets that ask for it.
//!
//! A target has one record of its digests. Alerts are added to the open digest; when it is due, it is closed and sent,
//! and further alerts go into the next one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::stored;
use crate::base::error::Unavailable;
use crate::base::id::TenantId;
use crate::base::severity::Severity;
use crate::base::time::Timestamp;
use crate::outputs::alerts::{Alert, AlertId, time_key};
use crate::outputs::notifications::told::{RETRY_AFTER, TRY_SECONDS};

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
    /// Whether a message waits until the open digest is due. None does after one was given up.
    pub is_waiting: bool,
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

    fn merge(&mut self, other: &Self) {
        self.severity = self.severity.max(other.severity);
        self.since = self.since.into_iter().chain(other.since).min();
        for (rule, count) in &other.rules {
            *self.rules.entry(rule.clone()).or_default() += count;
        }
        let room = KNOWN.saturating_sub(self.ids.len());
        self.ids.extend(other.ids.iter().take(room).cloned());
        let opened = self.opened.into_iter().chain(other.opened);
        let opened = opened.reduce(|one, two| (one.0.min(two.0), one.1.max(two.1)));
        self.opened = opened;
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
        let mut with = Self { is_waiting: true, ..self.clone() };
        with.open.add(alert, now);
        Some(with)
    }

    /// When a message about it has to be handled; `None`: there is nothing to tell.
    pub fn due_at(&self) -> Option<Timestamp> {
        let open = self.open.since.map(|since| since.plus_seconds(DUE_SECONDS));
        self.closed.as_ref().map(|closed| closed.next_at).or(open)
    }

    /// As a try begins: the open digest is closed, if none is on its way. `None`: a try is not due, or nothing is to be
    /// told. `again`: whether it is made also before it is due.
    #[must_use]
    pub fn begun(&self, again: bool, now: Timestamp) -> Option<Self> {
        let due_at = self.due_at()?;
        if due_at > now && !again {
            return None;
        }
        let mut begun = self.clone();
        let mut closed = begun.closed.take().unwrap_or_else(|| {
            let digest = std::mem::take(&mut begun.open);
            begun.number = self.number.saturating_add(1);
            Closed { number: self.number, digest, tries: 0, next_at: now }
        });
        closed.next_at = now.plus_seconds(TRY_SECONDS);
        Some(Self { closed: Some(closed), is_waiting: true, ..begun })
    }

    /// After a target took the digest with this number. `None`: another one is on its way.
    #[must_use]
    pub fn taken(&self, number: u32) -> Option<Self> {
        let is_it = self.closed.as_ref().is_some_and(|closed| closed.number == number);
        let is_waiting = self.open.since.is_some();
        is_it.then(|| Self { closed: None, is_waiting, ..self.clone() })
    }

    /// After a try of the digest with this number failed. After the last one it is a part of the open digest again, for
    /// which no message waits. `None`: another one is on its way.
    #[must_use]
    pub fn failed(&self, number: u32, wait_seconds: i64, now: Timestamp) -> Option<Self> {
        let closed = self.closed.as_ref().filter(|closed| closed.number == number)?;
        let index = usize::try_from(closed.tries).unwrap_or(usize::MAX);
        let Some(delay) = RETRY_AFTER.get(index) else { return self.given_up(number) };
        let next_at = now.plus_seconds((*delay).max(wait_seconds));
        let tries = closed.tries.saturating_add(1);
        Some(Self { closed: Some(Closed { tries, next_at, ..closed.clone() }), ..self.clone() })
    }

    /// After the digest with this number was given up. `None`: another one is on its way.
    #[must_use]
    pub fn given_up(&self, number: u32) -> Option<Self> {
        let closed = self.closed.as_ref().filter(|closed| closed.number == number)?;
        let mut open = self.open.clone();
        open.merge(&closed.digest);
        Some(Self { open, closed: None, is_waiting: false, ..self.clone() })
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
        stored::read(text, "digest")
    }
}
