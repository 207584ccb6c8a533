//! Stored dead letters and their owners.
//!
//! A letter is one small item. Its packed content (key, value, headers) is in separate chunk items,
//! so that lists and counts read no payloads and a change of state rewrites none. Chunks are
//! written before the letter, so a stored letter always has the content of its message. If a record
//! has several parts, each part stores its own chunk, and the content is complete when no chunk is
//! missing.
//!
//! A tenant's letters have the partition key `T#<tenant>#D`. Letters without a tenant (unknown
//! tenant, or a foreign message) belong to the operator, under `O#D`.

mod restamp;

use serde::{Deserialize, Serialize};

use crate::base::id::TenantId;
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::dead_letter::origin::Origin;
use crate::intake::record::{Receipt, Stamps, TopicRetention, Wrapping};

/// How long a letter is kept after it was stored.
pub const LETTER_DAYS: i64 = 90;
/// Days that chunks outlive their letter, because DynamoDB deletes in no order.
pub const CHUNK_GRACE_DAYS: i64 = 7;
/// The code of records that the event source discarded before they were processed.
pub const UNDELIVERED: &str = "undelivered";
/// Maximum number of letters per listing call.
pub const LISTED: usize = 1_000;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// The owner of letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A tenant.
    Tenant(TenantScope),
    /// The operator, for letters without a tenant.
    Operator,
}

/// A dead letter without its content. With names of usual length its JSON stays below 1 KB, which
/// is one write unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// The time of receipt followed by the digest of the source. Letters sort by id.
    pub id: String,
    /// A rejection code, [`UNDELIVERED`], or
    /// [`UNAVAILABLE`](crate::dead_letter::envelope::UNAVAILABLE) for a record, or a part of one,
    /// from the buffer.
    pub code: String,
    /// JSON Pointer to the invalid value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Message for people.
    pub message: String,
    /// The record's contract, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// The record's subject as `kind/id`, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Where the record came from.
    pub source: Origin,
    /// The wrapper of a value that could not be unwrapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrapping: Option<Wrapping>,
    /// A receipt time that a redelivery repeats, if the source has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
    /// When Drover received the record. Every decision uses it.
    pub ingested_at: Timestamp,
    /// When the record was first rejected.
    pub rejected_at: Timestamp,
    /// When the letter was stored.
    pub filed_at: Timestamp,
    /// The record's trace or correlation id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Number of chunks of the content.
    pub chunks: u32,
    /// Decompressed size of the content in bytes, or an upper bound.
    pub bytes: usize,
    /// The state.
    pub state: State,
    /// Number of failed replays.
    pub replay_count: u32,
    /// The last run that processed the letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<LetterAttempt>,
}

/// The state of a letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waits for a replay.
    #[default]
    Open,
    /// The event is in the ledger. For a batch, each record is in the ledger or in a letter of its
    /// own.
    Resolved,
    /// Replays skip the letter unless they select parked letters.
    Parked,
}

/// The result of a run for a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterAttempt {
    /// The run.
    pub run: String,
    /// Outcomes with their counts: `applied`, `duplicate`, a code, `parked`.
    pub outcomes: Vec<(String, u64)>,
    /// Subjects whose view changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

/// A stored letter with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLetter {
    /// The letter.
    pub letter: Letter,
    /// Increases with every change.
    pub version: u64,
}

/// Which letters to list, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterRange {
    /// Only letters after this id; `None`: from the start.
    pub after: Option<String>,
    /// The order.
    pub order: Order,
    /// Maximum number of letters, at most [`LISTED`].
    pub limit: usize,
}

/// The order of ids, and so of times of receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Rising,
    /// Newest first.
    Falling,
}

/// Identifies the content of a letter to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The letter's id.
    pub id: String,
    /// The number of its chunks.
    pub chunks: u32,
}

/// A stored chunk of a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiledChunk {
    /// The id of its letter, which may not exist.
    pub id: String,
    /// The chunk's number, from 1.
    pub number: u32,
    /// A piece of the packed content.
    pub bytes: Vec<u8>,
}

/// A stored record of a run, with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRun {
    /// A zstd frame of the record's JSON.
    pub bytes: Vec<u8>,
    /// Increases with every change.
    pub version: u64,
}

/// The lease of a run. Each owner has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The run.
    pub run: String,
    /// Identifies the invocation that works on the run.
    pub token: String,
    /// When the lease expires unless it is renewed.
    pub until: Timestamp,
}

impl Owner {
    /// The partition key of all items of this owner.
    pub fn partition_key(&self) -> String {
        match self {
            Self::Tenant(scope) => format!("T#{}#D", scope.tenant()),
            Self::Operator => "O#D".to_owned(),
        }
    }

    /// The tenant; `None` for the operator.
    pub fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Tenant(scope) => Some(scope.tenant()),
            Self::Operator => None,
        }
    }
}

impl Letter {
    /// When the letter expires, in seconds since 1970.
    pub fn expires_at(&self) -> i64 {
        self.filed_at.whole_seconds().saturating_add(LETTER_DAYS * DAY_SECONDS)
    }

    /// When the letter's chunks expire, in seconds since 1970.
    pub fn chunks_expire_at(&self) -> i64 {
        self.expires_at().saturating_add(CHUNK_GRACE_DAYS * DAY_SECONDS)
    }

    /// Identifies the letter's content.
    pub fn wanted(&self) -> Wanted {
        Wanted { id: self.id.clone(), chunks: self.chunks }
    }

    /// The receipt of the discarded records of a batch's letter.
    pub fn given_up(&self, retention: TopicRetention) -> Receipt {
        Receipt { now: self.ingested_at, retention }
    }

    /// The two receipt times of its record.
    pub fn stamps(&self) -> Stamps {
        Stamps { received_at: self.received_at, ingested_at: self.ingested_at }
    }
}
