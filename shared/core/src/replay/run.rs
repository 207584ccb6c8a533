//! The record of a run: its parameters, progress and outcomes. It is the audit trail and the state
//! for resuming. It contains names of subjects but none of their content, because it is kept longer
//! than the content.

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
/// Maximum number of changed subjects in a record.
pub const CHANGED: usize = 100;
/// Maximum decompressed size of a record.
const PLAIN_BYTES: usize = 16 * 1024 * 1024;
const LEVEL: i32 = 3;

/// The phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// An invocation works on it.
    Running,
    /// Waits to be resumed.
    Paused,
    /// All letters are processed, or the limit is reached.
    Done,
    /// Cancelled by a caller.
    Cancelled,
}

/// Digests of a view before and after a run. A run's record outlives the views' data, so it
/// contains no views; a digest shows whether a view is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewDigests {
    /// The subject as `kind/id`; in the operator's runs prefixed with the tenant's name.
    pub subject: String,
    /// The digest before the run ([`view_digest`](super::view_digest)); `None` if the subject did
    /// not exist.
    pub before: Option<String>,
    /// The digest after the run.
    pub after: Option<String>,
}

/// A replay run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The run's id. Ids increase with time.
    pub replay_id: String,
    /// The action.
    pub action: Action,
    /// Who started the run.
    pub by: String,
    /// The phase.
    pub phase: Phase,
    /// Why the run is paused.
    pub reason: Option<PublicReason>,
    /// Whether the run writes nothing.
    pub dry_run: bool,
    /// Selects the letters.
    pub filter: Filter,
    /// Maximum number of letters.
    pub limit: u64,
    /// Maximum number of letters per second.
    pub rate: u32,
    /// Number of failed replays after which a letter is parked.
    pub max_replays: u32,
    /// Number of processed letters.
    pub examined: u64,
    /// Number of letters by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Subjects whose view changed, or would change; at most [`CHANGED`].
    pub changed: BTreeSet<String>,
    /// Digests of the views of some changed subjects.
    pub views: Vec<ViewDigests>,
    /// The requested number of views.
    pub views_wanted: usize,
    /// When the run started. It ignores letters that were stored later.
    pub started_at: Timestamp,
    /// When the record was written.
    pub updated_at: Timestamp,
    /// When the run finished or was cancelled.
    pub ended_at: Option<Timestamp>,
    /// Who last resumed the run, if it was resumed.
    #[serde(default)]
    pub resumed_by: Option<String>,
    /// The last processed letter.
    pub cursor: Option<String>,
}

impl Run {
    /// A new run.
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

    /// Whether the run is done or cancelled.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done | Phase::Cancelled)
    }

    /// Number of letters up to the limit.
    pub(super) fn left(&self) -> u64 {
        self.limit.saturating_sub(self.examined)
    }

    /// Counts the outcome of a letter.
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

    /// When the record expires, in seconds since 1970.
    pub(super) fn expires_at(&self) -> i64 {
        self.started_at.plus_seconds(KEPT_DAYS * 24 * 60 * 60).whole_seconds()
    }

    /// Encodes the record. All of its lists are short, so it stays far below DynamoDB's limit of
    /// 400 KB.
    ///
    /// # Errors
    /// A bug, or no memory. An empty record would lose the run.
    pub(super) fn stored(&self, version: u64) -> Result<StoredRun, Unavailable> {
        let unwritten = || Unavailable::new(Reason::Bug, "a run's record could not be written");
        let json = serde_json::to_vec(self).map_err(|error| unwritten().caused_by(error))?;
        let bytes = zstd::bulk::compress(&json, LEVEL);
        Ok(StoredRun { bytes: bytes.map_err(|error| unwritten().caused_by(error))?, version })
    }

    /// Decodes a record.
    ///
    /// # Errors
    /// [`Reason::Corrupt`]: the record is invalid.
    pub(super) fn read(stored: &StoredRun) -> Result<Self, Unavailable> {
        let plain = zstd::bulk::decompress(&stored.bytes, PLAIN_BYTES).ok();
        let run = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
        run.ok_or_else(|| {
            Unavailable::new(Reason::Corrupt, "invalid stored run").of(Dependency::LettersTable)
        })
    }
}
