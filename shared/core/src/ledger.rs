//! The ledger: one subject's whole history in order, as one *head* and *pages*.
//!
//! The head is the one item that every commit replaces, under the condition that its version is
//! still the one that was read. It holds the newest entries (the *tail*) and the view before them
//! (the *base*). Older entries live in pages, each with the view that holds just before its first
//! entry (its *opening*), keyed by its last position and naming the page before it.
//!
//! Nothing here does I/O. [`commit::Commit`] and [`read::Reading`] are step machines: they say what
//! to read and what to write ([`dialogue::Ask`], [`read::Ask`]), and a store obeys.
//!
//! - [`codec`]: the bytes of heads and pages
//! - [`place`]: where entries go: into the tail, or into pages (a correction)
//! - `seal`: what is frozen, sealed and halved
//! - [`dialogue`]: what a commit asks, and what a store answers
//! - [`commit`]: from events to a conditional write, with every retry
//! - `forget`: the head of a subject that is forgotten
//! - [`read`]: a consistent cut of head and pages, though writers go on
//! - [`mod@range_read`]: a bounded part of history, either way round, and where the next one begins

use std::sync::Arc;

use crate::base::error::{Code, Rejection};
use crate::base::hash::fnv1a;
use crate::base::id::{Kind, Position, SubjectKey, TenantId};
use crate::base::limits;
use crate::base::span::Span;
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::view::{Specs, View, fold};

pub mod codec;
pub mod commit;
pub mod dialogue;
mod forget;
pub mod place;
pub mod range_read;
pub mod read;
mod seal;
pub mod shard;

/// The one item that every commit replaces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    /// Rises by one with each commit; 0 is a subject that nothing was written of.
    pub version: u64,
    /// Rises by one with each commit that changes something settled.
    pub epoch: u64,
    /// The registry revision that its views were made with.
    pub revision: u64,
    /// The largest accepted `observed_at`.
    pub watermark: Option<Timestamp>,
    /// The key of the last page: everything at or before it lives in pages.
    pub sealed: Option<Position>,
    /// The view after the last page. Provisional while `repair` is set. Shared, because most
    /// commits leave it as it is.
    pub base: Arc<View>,
    /// The entries after `sealed`, sorted.
    pub tail: Vec<Arc<Entry>>,
    /// How many of the oldest tail entries the next commit seals into pages.
    pub frozen: usize,
    /// Set while a correction has not reached the last page.
    pub repair: Option<Box<Repair>>,
    /// Everything at or before it was forgotten ([`Head::forget`]): no reader looks there again.
    pub forgotten: Option<Position>,
}

/// How far a correction has come: the openings of all later pages, and the base, are provisional.
#[derive(Clone, Debug, PartialEq)]
pub struct Repair {
    /// The key of the last page that is right.
    pub good: Position,
    /// The view after that page.
    pub view: View,
}

/// A run of entries, immutable once settled.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The head version of the commit that wrote it (or froze it). A reader or writer whose head
    /// is older has an old head.
    pub version: u64,
    /// The key of the page before it. Where that page is missing, history begins here.
    pub previous: Option<Position>,
    /// The view just before the first entry.
    pub opening: View,
    /// Sorted, never empty.
    pub entries: Vec<Arc<Entry>>,
}

impl Page {
    /// Its key: the position of its last entry.
    pub fn key(&self) -> Option<&Position> {
        self.entries.last().map(|entry| &entry.position)
    }

    /// The view after its last entry.
    pub fn closing(&self, specs: &Specs) -> View {
        fold(self.opening.clone(), &self.entries, specs)
    }
}

/// What a tenant decides about its ledgers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How far behind the watermark something counts as settled.
    pub lateness_seconds: i64,
    /// How far ahead of its receipt an event may be observed.
    pub max_future_seconds: i64,
    /// How far behind its receipt an event may be observed, and how long pages are kept after
    /// their last entry was observed.
    pub retention_days: i64,
}

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

impl Policy {
    /// The guards against bad clocks. They compare with the time of receipt, so that a replay
    /// decides what the first attempt decided, and they come before everything else: what they
    /// refuse moves no watermark.
    ///
    /// # Errors
    /// `future_timestamp`, `beyond_retention`.
    pub fn guard(&self, entry: &Entry) -> Result<(), Rejection> {
        let (observed_at, ingested_at) = (entry.position.observed_at, entry.ingested_at);
        if observed_at > ingested_at.plus_seconds(self.max_future_seconds) {
            let ahead = Span::between(ingested_at, observed_at);
            let allowed = Span::of_seconds(self.max_future_seconds);
            let message = format!("observed {ahead} in the future, {allowed} allowed");
            return Err(Rejection::new(Code::FutureTimestamp, message));
        }
        let retained = self.retention_days.saturating_mul(SECONDS_PER_DAY);
        if observed_at < ingested_at.plus_seconds(-retained) {
            let age = Span::between(observed_at, ingested_at);
            let message = format!("observed {age} ago, {} kept", Span::of_seconds(retained));
            return Err(Rejection::new(Code::BeyondRetention, message));
        }
        Ok(())
    }

    /// When a page whose last entry was observed then may be deleted, in seconds since 1970.
    fn expires_at(&self, observed_at: Timestamp) -> i64 {
        let days = self.retention_days.saturating_add(limits::PAGE_GRACE_DAYS);
        observed_at.whole_seconds().saturating_add(days.saturating_mul(SECONDS_PER_DAY))
    }
}

/// A head as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredHead {
    /// The version, which conditions compare.
    pub version: u64,
    /// [`codec::encode_head`].
    pub bytes: Vec<u8>,
}

/// A page as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPage {
    /// [`Position::to_bytes`] of its last entry.
    pub key: Vec<u8>,
    /// [`codec::encode_page`].
    pub bytes: Vec<u8>,
}

/// A page on its way to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageWrite {
    /// What is stored.
    pub page: StoredPage,
    /// The version of the head that it is written with.
    pub version: u64,
    /// The version of the page that must still be stored under its key; `None`: none may be.
    pub replaces: Option<u64>,
    /// When DynamoDB may delete it, in seconds since 1970.
    pub expires_at: i64,
}

/// One commit: the new head, and the pages that change with it, all or nothing.
///
/// The pages have conditions of their own, because a head can be seen before the pages of its
/// transaction are: what was read of them then must not be written back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerWrite {
    /// The version that must still be stored; `None`: no head may be stored.
    pub expected: Option<u64>,
    /// The new head.
    pub head: StoredHead,
    /// Where listings find the subject.
    pub activity: Activity,
    /// Pages that are replaced or new.
    pub pages: Vec<PageWrite>,
}

/// Some pages next to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRange {
    /// Where they begin, and which way they go.
    pub bound: Bound,
    /// At most so many pages.
    pub limit: usize,
}

/// Where pages begin, and which way they go. Keys are bytes and compare as such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The page of this key and the later ones, in order.
    From(Vec<u8>),
    /// The page of this key and the earlier ones, backwards.
    UpTo(Vec<u8>),
}

impl PageRange {
    /// Pages in order, from the one of this key on.
    pub fn from(key: Vec<u8>, limit: usize) -> Self {
        Self { bound: Bound::From(key), limit }
    }

    /// Pages backwards, from the one of this key on.
    pub fn up_to(key: Vec<u8>, limit: usize) -> Self {
        Self { bound: Bound::UpTo(key), limit }
    }
}

/// The keys of the listing index: which shard, and the hour of the last event with the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// `T#<tenant>#<kind>#<shard>`
    pub shard: String,
    /// `<hour>#<id>`, the hour as eight digits.
    pub hour: String,
}

/// The smallest key after that of a position.
pub(crate) fn key_after(position: &Position) -> Vec<u8> {
    let mut bytes = position.to_bytes();
    bytes.push(0);
    bytes
}

/// Shards of the listing index, so that no single key takes every subject of a tenant.
pub const ACTIVITY_SHARDS: u64 = 8;

impl Activity {
    /// The key of one shard.
    pub(crate) fn shard_key(tenant: &TenantId, kind: &Kind, number: u64) -> String {
        format!("T#{tenant}#{kind}#{number}")
    }

    /// Where a subject stands whose newest event was observed at `watermark`. Its hour starts at
    /// an offset of its own, so that the turn of the hour does not move every subject at once.
    pub fn of(key: &SubjectKey, watermark: Timestamp) -> Self {
        const HOUR: u64 = 3_600;
        let (subject, hash) = (key.subject(), fnv1a(key.subject().id().as_bytes()));
        let offset = (hash / ACTIVITY_SHARDS) % HOUR;
        let seconds = u64::try_from(watermark.whole_seconds()).unwrap_or(0);
        Self {
            shard: Self::shard_key(key.tenant(), subject.kind(), hash % ACTIVITY_SHARDS),
            hour: format!("{:08}#{}", (seconds + offset) / HOUR, subject.encoded()),
        }
    }
}

#[cfg(test)]
mod tests;
