//! The record of a run: who asked for what, how far it came, and what became of the letters. It is
//! the audit trail, and what a run goes on from. It names subjects and holds nothing of their content,
//! because it is kept longer than that.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::action::Action;
use super::request::{Filter, RunRequest};
use crate::base::dependency::Dependency;
use crate::base::error::{Reason, Unavailable};
use crate::base::public_reason::PublicReason;
use crate::base::time::Timestamp;
use crate::dead_letter::letter::{LetterAttempt, StoredRun};

/// How long a record is kept.
const KEPT_DAYS: i64 = 400;
/// Subjects that a record names as changed.
pub const CHANGED: usize = 100;
/// The most bytes that a record unpacks to.
const PLAIN_BYTES: usize = 16 * 1024 * 1024;
const LEVEL: i32 = 3;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// An invocation is at work.
    Running,
    /// It waits to be resumed.
    Paused,
    /// It has seen every letter, or its limit.
    Done,
    /// Somebody ended it.
    Cancelled,
}

/// Which view there was before a run, and which after it. A record of a run outlives what it is
/// about, so it holds no views: a digest tells whether a view is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewDigests {
    /// Whose, as `kind/id`; in the operator's runs behind the tenant's name.
    pub subject: String,
    /// Before the run ([`view_digest`](super::view_digest)); `None`: nothing was ever
    /// written of it.
    pub before: Option<String>,
    /// After it.
    pub after: Option<String>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id: ids rise with time.
    pub replay_id: String,
    /// What it does.
    pub action: Action,
    /// Who started it.
    pub by: String,
    /// How far it is.
    pub phase: Phase,
    /// Why it is paused.
    pub reason: Option<PublicReason>,
    /// Whether it writes nothing.
    pub dry_run: bool,
    /// Which letters.
    pub filter: Filter,
    /// At most so many.
    pub limit: u64,
    /// At most so many a second.
    pub rate: u32,
    /// A letter that was replayed so often without success is parked.
    pub max_replays: u32,
    /// Letters that it took in hand.
    pub examined: u64,
    /// What became of them.
    pub outcomes: BTreeMap<String, u64>,
    /// Subjects whose view changed, or would change: at most [`CHANGED`].
    pub changed: BTreeSet<String>,
    /// Digests of the views of some of them.
    pub views: Vec<ViewDigests>,
    /// How many views were asked for.
    pub views_wanted: usize,
    /// When it started: what was filed later is not its business.
    pub started_at: Timestamp,
    /// When this was written.
    pub updated_at: Timestamp,
    /// When it was done or cancelled.
    pub ended_at: Option<Timestamp>,
    /// Who resumed it last, where that was somebody.
    #[serde(default)]
    pub resumed_by: Option<String>,
    /// The last letter that it is done with.
    pub cursor: Option<String>,
}

impl Run {
    /// A run that is about to start.
    pub(super) fn new(replay_id: String, request: RunRequest, now: Timestamp) -> Self {
        let RunRequest { action, by, filter, dry_run, limit, rate, max_replays, views } = request;
        Self {
            replay_id,
            action,
            by,
            phase: Phase::Running,
            reason: None,
            dry_run,
            filter,
            limit,
            rate,
            max_replays,
            examined: 0,
            outcomes: BTreeMap::new(),
            changed: BTreeSet::new(),
            views: Vec::new(),
            views_wanted: views,
            started_at: now,
            updated_at: now,
            ended_at: None,
            resumed_by: None,
            cursor: None,
        }
    }

    /// Whether there is nothing left to do.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done | Phase::Cancelled)
    }

    /// Letters that it may still take in hand.
    pub(super) fn left(&self) -> u64 {
        self.limit.saturating_sub(self.examined)
    }

    /// Counts what became of a letter.
    pub(super) fn count(&mut self, tried: &LetterAttempt) {
        self.examined += 1;
        for (outcome, count) in &tried.outcomes {
            *self.outcomes.entry(outcome.clone()).or_default() += count;
        }
        for subject in &tried.changed {
            if self.changed.len() < CHANGED {
                self.changed.insert(subject.clone());
            }
        }
    }

    /// When its record may be deleted, in seconds since 1970.
    pub(super) fn expires_at(&self) -> i64 {
        self.started_at.plus_seconds(KEPT_DAYS * 24 * 60 * 60).whole_seconds()
    }

    /// The record as it is stored: all of its lists are short, so it is far below an item's 400 KB.
    ///
    /// # Errors
    /// A bug, or no memory. An empty record in its place would be a lost run.
    pub(super) fn stored(&self, version: u64) -> Result<StoredRun, Unavailable> {
        let unwritten = || Unavailable::new(Reason::Bug, "a run's record could not be written");
        let json = serde_json::to_vec(self).map_err(|error| unwritten().caused_by(error))?;
        let bytes = zstd::bulk::compress(&json, LEVEL);
        Ok(StoredRun { bytes: bytes.map_err(|error| unwritten().caused_by(error))?, version })
    }

    /// Reads a record.
    ///
    /// # Errors
    /// Broken: it is none of ours.
    pub(super) fn read(stored: &StoredRun) -> Result<Self, Unavailable> {
        let plain = zstd::bulk::decompress(&stored.bytes, PLAIN_BYTES).ok();
        let run = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
        run.ok_or_else(|| {
            Unavailable::new(Reason::Corrupt, "a stored run has another shape than ours")
                .of(Dependency::LettersTable)
        })
    }
}
