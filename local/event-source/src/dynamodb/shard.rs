//! The state of one shard of a mapping: where to read next, the lanes, and the checkpoint. No I/O.
//!
//! A checkpoint is due whenever it differs from the committed one. While a checkpoint is due, the
//! shard starts nothing new: so a failing file of checkpoints stops the shard, instead of growing
//! the number of records that a restart sends again.

use super::change::{Change, Read};
use super::checkpoint::{Digits, ShardCheckpoint};
use super::lane::{Closing, Lane, Work};
use super::sequence::SequenceNumber;
use super::settings::Batching;
use super::stream::StartAt;
use crate::batch::{Decision, Rules};

/// The maximum read-ahead of a shard, in bytes of JSON: enough for a full event.
const READ_AHEAD_BYTES: usize = 8 * 1024 * 1024;
/// AWS returns at most so many bytes and records in one page. The embedded DynamoDB has no limit in
/// bytes, so the number of records follows the size of the last page's largest record.
const PAGE_BYTES: usize = 1024 * 1024;
const PAGE_RECORDS: usize = 1_000;
/// The number of records of the first page, whose records may have any size.
const FIRST_PAGE_RECORDS: usize = 100;
/// The delay after a failed fetch.
const AFTER_A_FAILED_FETCH_MILLIS: i64 = 500;
/// The clocks of the stream and of the mapping may differ by so much.
const CLOCK_SKEW_MILLIS: i64 = 10_000;

/// One shard that is being read.
#[derive(Debug)]
pub(super) struct Shard {
    lanes: Vec<Lane>,
    /// The last record that was read.
    read: Option<SequenceNumber>,
    /// The next start without an iterator.
    start: StartAt,
    iterator: Option<String>,
    is_fetching: bool,
    /// When the next fetch is due; `None`: at once.
    fetch_at: Option<i64>,
    limit: usize,
    /// The shard is closed, and all of its records are read.
    is_ended: bool,
    /// Records that were written before are not sent.
    since: Option<i64>,
    /// The offset of the next record.
    next_offset: i64,
    committed: Option<ShardCheckpoint>,
    is_committing: bool,
}

/// A fetch that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fetch {
    /// The iterator; without one, where a new iterator starts.
    pub(super) from: Result<String, StartAt>,
    pub(super) limit: usize,
}

/// Why a fetch returned no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FetchFailure {
    /// A new iterator is needed.
    Expired,
    /// Records were deleted before they were read.
    Trimmed,
    /// The stream does not answer; another try comes later.
    Unavailable,
}

impl Shard {
    /// A shard that continues at its checkpoint; without one it starts at `start`. The number of
    /// lanes may have changed: then every lane continues at the lowest checkpoint.
    pub(super) fn new(
        checkpoint: Option<ShardCheckpoint>,
        start: StartAt,
        lanes: usize,
        now: i64,
    ) -> Self {
        let is_known = checkpoint.is_some();
        let since = (!is_known && start == StartAt::Latest).then_some(now);
        let since = checkpoint.as_ref().map_or(since, |checkpoint| checkpoint.since);
        let sequences = |checkpoint: &ShardCheckpoint| {
            let lanes = checkpoint.lanes.iter().map(|lane| lane.clone().map(|Digits(one)| one));
            lanes.collect::<Vec<_>>()
        };
        let mut done = checkpoint.as_ref().map(sequences).unwrap_or_default();
        let lowest = done.iter().min().cloned().flatten();
        if done.len() != lanes {
            done = vec![lowest.clone(); lanes];
        }
        let start = match (&lowest, is_known) {
            (Some(lowest), _) => StartAt::After(lowest.clone()),
            (None, true) => StartAt::TrimHorizon,
            (None, false) => start,
        };
        Self {
            lanes: done.into_iter().map(Lane::new).collect(),
            read: lowest,
            start,
            iterator: None,
            is_fetching: false,
            fetch_at: None,
            limit: FIRST_PAGE_RECORDS,
            is_ended: false,
            since,
            next_offset: 0,
            committed: checkpoint,
            is_committing: false,
        }
    }

    /// The fetch that is due, if any. The caller must pass its result to [`Self::fetched`] or
    /// [`Self::fetch_failed`].
    pub(super) fn fetch(&mut self, batching: &Batching, now: i64) -> Option<Fetch> {
        let waiting = self.lanes.iter().map(Lane::waiting);
        let (records, bytes) = waiting.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let most = batching.records().saturating_mul(self.lanes.len()).max(PAGE_RECORDS);
        let is_full = records >= most || bytes >= READ_AHEAD_BYTES;
        let is_early = self.fetch_at.is_some_and(|fetch_at| fetch_at > now);
        // The first checkpoint comes first: a restart must know when a mapping with `LATEST` began.
        let is_new = self.committed.is_none();
        if self.is_fetching || self.is_ended || is_full || is_early || is_new {
            return None;
        }
        self.is_fetching = true;
        self.fetch_at = None;
        let from = self.iterator.take().ok_or_else(|| self.start.clone());
        if self.start == StartAt::Latest {
            // A second iterator may come later than new records. So it starts at the horizon, and
            // records that are older than the mapping are skipped.
            self.start = StartAt::TrimHorizon;
        }
        Some(Fetch { from, limit: self.limit })
    }

    /// Adds the records of a fetch. `next`: the iterator for the next page, if there is one.
    pub(super) fn fetched(
        &mut self,
        records: Vec<Read>,
        next: Option<String>,
        poll_at: i64,
        now: i64,
    ) {
        self.is_fetching = false;
        self.is_ended = next.is_none();
        self.iterator = next;
        self.fetch_at = records.is_empty().then_some(poll_at);
        if let Some(largest) = records.iter().map(|record| record.bytes).max() {
            self.limit = (PAGE_BYTES / largest.max(1)).clamp(1, PAGE_RECORDS);
        }
        for record in records {
            self.add(record, now);
        }
    }

    fn add(&mut self, record: Read, now: i64) {
        let Read { sequence, created_at, bytes: _, key, json } = record;
        if self.read.as_ref().is_some_and(|read| sequence <= *read) {
            return;
        }
        let before = self.read.replace(sequence.clone());
        self.start = StartAt::After(sequence.clone());
        let since = self.since.map(|since| since.saturating_sub(CLOCK_SKEW_MILLIS));
        let is_older = since.is_some_and(|since| created_at >= 0 && created_at < since);
        let offset = self.next_offset;
        let (Some(json), Some(lane)) = (json, self.lane_of(key)) else { return };
        if !is_older && !lane.is_done(&sequence) {
            lane.push(Change { sequence, offset, created_at, json }, before.as_ref(), now);
            self.next_offset += 1;
        }
    }

    fn lane_of(&mut self, key: u64) -> Option<&mut Lane> {
        let lanes = u64::try_from(self.lanes.len()).ok()?;
        let lane = usize::try_from(key.checked_rem(lanes)?).ok()?;
        self.lanes.get_mut(lane)
    }

    /// Continues after a fetch without a page.
    pub(super) fn fetch_failed(&mut self, failure: FetchFailure, now: i64) {
        self.is_fetching = false;
        self.iterator = None;
        match failure {
            FetchFailure::Expired => {}
            FetchFailure::Trimmed if self.start == StartAt::TrimHorizon => {
                self.fetch_at = Some(now.saturating_add(AFTER_A_FAILED_FETCH_MILLIS));
            }
            FetchFailure::Trimmed => self.start = StartAt::TrimHorizon,
            FetchFailure::Unavailable => {
                self.fetch_at = Some(now.saturating_add(AFTER_A_FAILED_FETCH_MILLIS));
            }
        }
    }

    /// The shard no longer exists: there is nothing more to read.
    pub(super) fn end(&mut self) {
        self.is_fetching = false;
        self.is_ended = true;
    }

    /// The next records of any lane that are due. The caller must pass the decision to
    /// [`Self::finished`].
    pub(super) fn take(
        &mut self,
        batching: &Batching,
        rules: &Rules,
        now: i64,
    ) -> Option<(usize, Work)> {
        if self.is_committing || self.checkpoint_due().is_some() {
            return None;
        }
        let closing = if self.is_ended { Closing::Now } else { Closing::Full };
        let mut lanes = self.lanes.iter_mut().enumerate();
        lanes.find_map(|(number, lane)| Some((number, lane.take(batching, rules, closing, now)?)))
    }

    /// Ends the batch of a lane.
    pub(super) fn finished(&mut self, lane: usize, decision: Decision<Change>) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.finished(decision);
        }
    }

    /// The checkpoint to commit, if one is due. The caller must pass it to [`Self::committed`].
    pub(super) fn commit(&mut self) -> Option<ShardCheckpoint> {
        if self.is_committing {
            return None;
        }
        let checkpoint = self.checkpoint_due()?;
        self.is_committing = true;
        Some(checkpoint)
    }

    /// The checkpoint is durable.
    pub(super) fn committed(&mut self, checkpoint: ShardCheckpoint) {
        self.is_committing = false;
        self.committed = Some(checkpoint);
    }

    /// Whether the shard is closed, and all of its records are handled or discarded, durably.
    pub(super) fn is_complete(&self) -> bool {
        self.committed.as_ref().is_some_and(|committed| committed.is_complete)
    }

    /// When anything is due without external events, in milliseconds since 1970.
    pub(super) fn wake_at(&self, batching: &Batching) -> impl Iterator<Item = i64> {
        let lanes = self.lanes.iter().filter_map(|lane| lane.wake_at(batching));
        lanes.chain(self.fetch_at.filter(|_| !self.is_fetching && !self.is_ended))
    }

    /// When the first record that is not done was written, if such a record is read.
    pub(super) fn oldest(&self) -> Option<i64> {
        self.lanes.iter().filter_map(Lane::oldest).min()
    }

    /// An idle lane is done up to the last record read, so that the checkpoints of rarely used lanes
    /// move on as well.
    fn checkpoint_due(&self) -> Option<ShardCheckpoint> {
        let lanes = self.lanes.iter().map(|lane| lane.checkpoint(self.read.as_ref()).map(Digits));
        let is_complete = self.is_ended && self.lanes.iter().all(Lane::is_idle);
        let due = ShardCheckpoint { lanes: lanes.collect(), since: self.since, is_complete };
        (self.committed.as_ref() != Some(&due)).then_some(due)
    }
}

#[cfg(test)]
mod tests;
