//! Dead letters that were filed: what the table keeps of each, and whose they are.
//!
//! A letter is one small item, and its content (key, value, headers, packed) stands beside it in
//! chunks: lists and counts read no payloads, and a change of state rewrites none. Chunks are put
//! first and the letter last, so that a letter is there only with the content that its message brought;
//! of one that comes in parts, each part brings its own chunk, and it is whole when none is missing.
//!
//! The letters of a tenant are under `T#<tenant>#D`. Those of nobody (no tenant was established, or
//! the message was none of ours) are under `O#D`, the operator's.

mod restamp;

use serde::{Deserialize, Serialize};

use crate::base::id::TenantId;
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::dead_letter::origin::Origin;
use crate::intake::record::{Receipt, Stamps, TopicRetention, Wrapping};

/// How long a letter is kept after it was filed.
pub const LETTER_DAYS: i64 = 90;
/// Chunks outlive their letter by this, because DynamoDB deletes in no order.
pub const CHUNK_GRACE_DAYS: i64 = 7;
/// The code of records that the event source gave up: nobody has looked at them yet.
pub const UNDELIVERED: &str = "undelivered";
/// The most letters that one call lists.
pub const LISTED: usize = 1_000;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Whose letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A tenant's.
    Tenant(TenantScope),
    /// Nobody's: the person's who runs the system.
    Operator,
}

/// A dead letter, without its content. As JSON it stays below 1 KB where names are of usual length,
/// which is one write unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// The digest of where it came from, behind the time of its receipt: letters sort by it.
    pub id: String,
    /// Why it is here: a rejection's code, [`UNDELIVERED`], or
    /// [`UNAVAILABLE`](crate::dead_letter::envelope::UNAVAILABLE) for a part of a record of the buffer.
    pub code: String,
    /// JSON Pointer to the culprit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// For a person.
    pub message: String,
    /// The contract that was to read it, where that was established.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// The subject, `kind/id`, where it came that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Where it came from.
    pub source: Origin,
    /// What the value is still wrapped in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrapping: Option<Wrapping>,
    /// A receipt time that a redelivery repeats, where the source has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
    /// When it entered: what every decision uses.
    pub ingested_at: Timestamp,
    /// When it was rejected first.
    pub rejected_at: Timestamp,
    /// When it was filed.
    pub filed_at: Timestamp,
    /// The trace or correlation id that came with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Chunks of its content.
    pub chunks: u32,
    /// Bytes that its content unpacks to, or the most that they can be.
    pub bytes: usize,
    /// What has become of it.
    pub state: State,
    /// Replays that did not help.
    pub replay_count: u32,
    /// The last run that took it in hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<LetterAttempt>,
}

/// What has become of a letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits for a replay.
    #[default]
    Open,
    /// Its event is in the ledger; of a batch, each record is there or in a letter of its own.
    Resolved,
    /// Replays leave it alone unless they ask for parked ones.
    Parked,
}

/// What a run did with a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterAttempt {
    /// The run.
    pub run: String,
    /// How it ended, each outcome with how often: `applied`, `duplicate`, a code, `parked`.
    pub outcomes: Vec<(String, u64)>,
    /// Subjects whose view it changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

/// A letter as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLetter {
    /// The letter.
    pub letter: Letter,
    /// Rises with every change.
    pub version: u64,
}

/// Which letters to list, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterRange {
    /// Behind this id; `None`: from the start.
    pub after: Option<String>,
    /// Which way.
    pub order: Order,
    /// At most so many, of which there may be [`LISTED`].
    pub limit: usize,
}

/// Which way to go through ids, and so through times of receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The oldest first.
    Rising,
    /// The newest first.
    Falling,
}

/// The content of a letter that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The letter's id.
    pub id: String,
    /// How many chunks it has.
    pub chunks: u32,
}

/// A chunk of a content, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiledChunk {
    /// The id of its letter, which may be there or not.
    pub id: String,
    /// Which, from 1.
    pub number: u32,
    /// A piece of the packed content.
    pub bytes: Vec<u8>,
}

/// An item that is kept as JSON, with a version: a run's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRun {
    /// A zstd frame of the record's JSON.
    pub bytes: Vec<u8>,
    /// Rises with every change.
    pub version: u64,
}

/// The right to run: one at a time for each owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The run.
    pub run: String,
    /// Tells the invocations of one run apart.
    pub token: String,
    /// Until when it holds unless it is renewed.
    pub until: Timestamp,
}

impl Owner {
    /// The partition that everything of it is under.
    pub fn partition_key(&self) -> String {
        match self {
            Self::Tenant(scope) => format!("T#{}#D", scope.tenant()),
            Self::Operator => "O#D".to_owned(),
        }
    }

    /// The tenant, if it is one.
    pub fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Tenant(scope) => Some(scope.tenant()),
            Self::Operator => None,
        }
    }
}

impl Letter {
    /// When it may be deleted, in seconds since 1970.
    pub fn expires_at(&self) -> i64 {
        self.filed_at.whole_seconds().saturating_add(LETTER_DAYS * DAY_SECONDS)
    }

    /// When its chunks may be deleted, in seconds since 1970.
    pub fn chunks_expire_at(&self) -> i64 {
        self.expires_at().saturating_add(CHUNK_GRACE_DAYS * DAY_SECONDS)
    }

    /// What to ask for its content by.
    pub fn wanted(&self) -> Wanted {
        Wanted { id: self.id.clone(), chunks: self.chunks }
    }

    /// When its records were given up, of a letter that stands for many.
    pub fn given_up(&self, retention: TopicRetention) -> Receipt {
        Receipt { now: self.ingested_at, retention }
    }

    /// The two times of its record.
    pub fn stamps(&self) -> Stamps {
        Stamps { received_at: self.received_at, ingested_at: self.ingested_at }
    }
}
