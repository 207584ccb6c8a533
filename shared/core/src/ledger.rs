//! The ledger: one subject's whole history in order, as one *head* and *pages*.
//!
//! The head is the one item that every commit replaces, under the condition that its version is
//! still the one that was read. It holds the newest entries (the *tail*) and the view before them
//! (the *base*). Older entries live in pages, keyed by their last position and naming the page before
//! them. Every few pages one is a *keyframe*: it carries the view that holds just before its first
//! entry (its *opening*).
//!
//! A late event rewrites the one page that owns its position, however many stand behind it. The views
//! behind it are then out of date: the head says from where ([`Stale`]), readers and writers trust no
//! view behind that, and a *carry* brings them up to date later, for many late events at once.
//!
//! Nothing here does I/O. [`commit::Commit`] and [`read::Reading`] are step machines: they say what
//! to read and what to write ([`dialogue::Ask`], [`read::Ask`]), and a store obeys.
//!
//! - [`codec`]: the bytes of heads and pages
//! - [`place`]: where entries go: into the tail, or into pages (a correction)
//! - `seal`: what is frozen and sealed
//! - `frame`: which pages are keyframes, and how a page is halved
//! - `carry`: when and how views that are out of date are brought up to date
//! - `seek`: the keyframe that a fold begins with
//! - [`dialogue`]: what a commit asks, and what a store answers
//! - [`commit`]: from events to a conditional write, with every retry
//! - [`touch`]: why a head is written though no event came
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
use crate::ledger::touch::Touch;
use crate::view::View;

mod carry;
pub mod codec;
pub mod commit;
pub mod dialogue;
mod forget;
mod frame;
pub mod place;
pub mod range_read;
pub mod read;
mod seal;
mod seek;
pub mod shard;
pub mod touch;

/// The one item that every commit replaces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    /// Rises by one with each commit; 0 is a subject that nothing was written of.
    pub version: u64,
    /// Rises by one with each commit that changes something settled.
    pub epoch: u64,
    /// Rises when the ledger moves to another table or is restored. Heads are ordered by era, then
    /// version.
    pub era: u64,
    /// Which versions of contracts and rules the views were folded by.
    pub generation: u64,
    /// Why the last commit wrote a head though no event came; `None`: events came, or it was a carry.
    pub touched: Option<Touch>,
    /// Until when the subject is known to be silent, while that is later than its last event. Alerts that time
    /// alone opens or closes depend on it.
    pub looked_until: Option<Timestamp>,
    /// The largest accepted `observed_at`.
    pub watermark: Option<Timestamp>,
    /// Everything observed at or before it is settled: the largest watermark less lateness that any
    /// commit saw. It never falls.
    pub released: Option<Timestamp>,
    /// The key of the last page: everything at or before it lives in pages.
    pub sealed: Option<Position>,
    /// Where the last page stands among the keyframes; `None`: there is no page, or it was forgotten.
    pub frame: Option<Frame>,
    /// When the last page expires, in seconds since 1970.
    pub page_expires_at: i64,
    /// How long after its last entry the page that the next commit seals is kept, in days. It is
    /// decided when entries are frozen, so that all who seal them put the same page.
    pub kept_days: i64,
    /// All entries that there ever were, also those that expired.
    pub count: u64,
    /// The view after the last page. Out of date while `stale` is set. Shared, because most
    /// commits leave it as it is.
    pub base: Arc<View>,
    /// The entries after `sealed`, sorted.
    pub tail: Vec<Arc<Entry>>,
    /// How many of the oldest tail entries the next commit seals into pages.
    pub frozen: usize,
    /// Set while views are out of date.
    pub stale: Option<Box<Stale>>,
    /// What this commit inserted at or before `sealed`: a reader that does not find it there has met
    /// a transaction that is only partly visible.
    pub note: Vec<Position>,
    /// Set by the commits of a carry, until the next commit.
    pub carried: Option<Box<Carried>>,
    /// Everything at or before it was forgotten ([`Head::forget`]): no reader looks there again.
    pub forgotten: Option<Position>,
}

/// From where on views are out of date: the openings of all keyframes behind it, and the base. The
/// history itself never is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The earliest position that was inserted since the last carry.
    pub from: Position,
    /// When the first event that did so was received.
    pub since: Timestamp,
    /// How many events did so.
    pub inserts: u64,
    /// The number of the keyframe that still holds.
    pub number: u64,
    /// When pages behind that keyframe may begin to expire, in seconds since 1970.
    pub expires_at: i64,
}

/// The keyframes that the last commits wrote in a carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Views were out of date from this position on.
    pub from: Position,
    /// The head version of the first commit of the carry.
    pub since_version: u64,
}

/// Where a page stands among the keyframes: what it says of the last keyframe at or before it. Of a
/// page that was written before a keyframe came between, it is an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// How many keyframes there were up to this one.
    pub number: u64,
    /// When its first entry was observed, in seconds since 1970.
    pub since: i64,
    /// Bytes of entries from its first page to the page that says so, as stored.
    pub bytes: u64,
    /// When it would expire, were it no keyframe, in seconds since 1970.
    pub expires_at: i64,
}

/// What makes a page a keyframe.
#[derive(Clone, Debug, PartialEq)]
pub struct Keyframe {
    /// The view just before the first entry.
    pub opening: View,
    /// How many entries there are before the first one, also those that expired.
    pub count: u64,
    /// Which versions of contracts and rules the view was folded by.
    pub generation: u64,
}

/// The page before a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Its key. Where that page is missing, history begins behind it.
    pub key: Position,
    /// When it expires, were it no keyframe, in seconds since 1970: before then it is never taken
    /// for missing.
    pub expires_at: i64,
}

/// A run of entries, immutable once settled.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The head version of the commit that wrote it (or froze it). A reader or writer whose head
    /// is older has an old head.
    pub version: u64,
    /// The page before it; `None`: it is the first one that there was.
    pub previous: Option<Previous>,
    /// When it expires, were it no keyframe, in seconds since 1970. Of two pages the later one never
    /// expires before the earlier one.
    pub expires_at: i64,
    /// The keyframe at or before it.
    pub frame: Frame,
    /// What a keyframe carries.
    pub keyframe: Option<Keyframe>,
    /// Sorted, never empty.
    pub entries: Vec<Arc<Entry>>,
}

impl Page {
    /// Its key: the position of its last entry.
    pub fn key(&self) -> Option<&Position> {
        self.entries.last().map(|entry| &entry.position)
    }

    /// When it is gone for everyone, whether it was deleted or not, in seconds since 1970.
    pub fn gone_at(&self) -> i64 {
        let bonus = if self.keyframe.is_some() { limits::KEYFRAME_GRACE_DAYS } else { 0 };
        self.expires_at.saturating_add(bonus * SECONDS_PER_DAY)
    }

    /// Whether nobody looks at it any more.
    pub(crate) fn is_gone(&self, now: Timestamp) -> bool {
        self.gone_at() <= now.whole_seconds()
    }

    /// Whether it is a keyframe whose opening is up to date. Behind the start of a carry only keyframes
    /// that the carry wrote are: a reader may still see those that they replace.
    pub fn holds(&self, head: &Head) -> bool {
        let is_behind =
            |from: &Position| self.previous.as_ref().is_some_and(|previous| previous.key >= *from);
        let is_stale = head.stale.as_ref().is_some_and(|stale| is_behind(&stale.from));
        let is_replaced = head.carried.as_ref().is_some_and(|carried| {
            is_behind(&carried.from) && self.version < carried.since_version
        });
        self.keyframe.is_some() && !is_stale && !is_replaced
    }
}

impl Previous {
    /// Whether it may be missing: it expired.
    pub(crate) fn is_gone(&self, now: Timestamp) -> bool {
        has_expired(self.expires_at, now)
    }
}

/// Whether a page that is missing is missing because it expired.
fn has_expired(expires_at: i64, now: Timestamp) -> bool {
    expires_at <= now.whole_seconds()
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

    /// How long after its last entry a page is kept, in days.
    fn kept_days(&self) -> i64 {
        self.retention_days.saturating_add(limits::PAGE_GRACE_DAYS)
    }
}

/// When a page whose last entry was observed then expires, in seconds since 1970.
fn expiry(observed_at: Timestamp, kept_days: i64) -> i64 {
    observed_at.whole_seconds().saturating_add(kept_days.saturating_mul(SECONDS_PER_DAY))
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
        ["T#", tenant.as_str(), "#", kind.as_str(), "#", &number.to_string()].concat()
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
