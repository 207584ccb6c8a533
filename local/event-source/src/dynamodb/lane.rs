//! One lane of a shard: the records of the partition keys that belong to it, in order. No I/O.
//!
//! At most one batch of a lane is in flight at a time, and fresh records wait until all retries are
//! handled or discarded. So the records of a partition key never overtake each other, and are never
//! in two invocations at once.

use std::collections::VecDeque;

use super::change::Change;
use super::event::{FRAME_BYTES, PAYLOAD_BYTES};
use super::sequence::SequenceNumber;
use super::settings::Batching;
use crate::batch::{Batch, Decision, Rules};

/// A record that was never sent.
#[derive(Debug)]
struct Fresh {
    change: Change,
    read_at: i64,
}

/// A record that is neither handled nor discarded.
#[derive(Debug)]
struct Pending {
    offset: i64,
    sequence: SequenceNumber,
}

/// One lane.
#[derive(Debug, Default)]
pub(super) struct Lane {
    fresh: VecDeque<Fresh>,
    fresh_bytes: usize,
    /// The batches to retry, the next one first.
    again: VecDeque<Batch<Change>>,
    is_out: bool,
    /// When the first record in flight was written.
    out_since: Option<i64>,
    /// All records of the lane that are not done, in order.
    pending: VecDeque<Pending>,
    /// The lane is done up to this record.
    done: Option<SequenceNumber>,
}

/// Records taken from a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// The records to send; empty if all records are too old.
    pub(super) batch: Batch<Change>,
    /// The records that are too old to be sent.
    pub(super) too_old: Vec<Change>,
}

/// What to do with records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Send them.
    Send(Taken),
    /// Discard this single record, which is too large for an event.
    TooLarge(Batch<Change>),
}

/// When fresh records are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// When the batch is full or its window is over.
    Full,
    /// At once, because the shard has no further records.
    Now,
}

impl Lane {
    /// A lane that continues after a checkpoint.
    pub(super) fn new(done: Option<SequenceNumber>) -> Self {
        Self { done, ..Self::default() }
    }

    /// Whether an earlier run has handled or discarded this record.
    pub(super) fn is_done(&self, sequence: &SequenceNumber) -> bool {
        self.done.as_ref().is_some_and(|done| sequence <= done)
    }

    /// Adds a record; `before` is the last record that the shard read before.
    pub(super) fn push(&mut self, change: Change, before: Option<&SequenceNumber>, now: i64) {
        if self.is_idle() {
            self.done = self.done.take().max(before.cloned());
        }
        let (offset, sequence) = (change.offset, change.sequence.clone());
        self.pending.push_back(Pending { offset, sequence });
        self.fresh_bytes += change.json.len() + 1;
        self.fresh.push_back(Fresh { change, read_at: now });
    }

    /// The records that are due, if any. The caller must pass the decision to [`Self::finished`].
    pub(super) fn take(
        &mut self,
        batching: &Batching,
        rules: &Rules,
        closing: Closing,
        now: i64,
    ) -> Option<Work> {
        if self.is_out {
            return None;
        }
        if let Some(next) = self.again.front() {
            return (next.due_at <= now).then(|| self.take_again(rules, now))?;
        }
        let due_at = self.fresh.front()?.read_at.saturating_add(batching.window_millis());
        let is_full = self.fresh.len() >= batching.records()
            || FRAME_BYTES + self.fresh_bytes > PAYLOAD_BYTES;
        let is_due = is_full || due_at <= now || closing == Closing::Now;
        is_due.then(|| self.take_fresh(batching, rules, now))?
    }

    fn take_again(&mut self, rules: &Rules, now: i64) -> Option<Work> {
        let mut batch = self.again.pop_front()?;
        let (too_old, records) =
            batch.records.into_iter().partition(|record| rules.is_too_old(record, now));
        batch.records = records;
        Some(self.out(Taken { batch, too_old }))
    }

    fn take_fresh(&mut self, batching: &Batching, rules: &Rules, now: i64) -> Option<Work> {
        let (mut records, mut too_old, mut bytes) = (Vec::new(), Vec::new(), FRAME_BYTES);
        let mut next = 0;
        while let Some(Fresh { change, .. }) = self.fresh.front() {
            let is_too_old = rules.is_too_old(change, now);
            if !is_too_old {
                bytes += change.json.len() + 1;
                if records.len() >= batching.records() || bytes > PAYLOAD_BYTES {
                    break;
                }
            }
            let Some(change) = self.pop_fresh() else { break };
            next = change.offset.saturating_add(1);
            if is_too_old { &mut too_old } else { &mut records }.push(change);
        }
        if records.is_empty() && too_old.is_empty() {
            // The record had the whole event to itself.
            let change = self.pop_fresh()?;
            let next = change.offset.saturating_add(1);
            self.is_out = true;
            self.out_since = Some(change.created_at);
            return Some(Work::TooLarge(Batch::fresh(vec![change], next)));
        }
        Some(self.out(Taken { batch: Batch::fresh(records, next), too_old }))
    }

    /// Ends the batch in flight.
    pub(super) fn finished(&mut self, decision: Decision<Change>) {
        self.is_out = false;
        while let Some(first) =
            self.pending.pop_front_if(|first| first.offset < decision.done_until)
        {
            self.done = Some(first.sequence);
        }
        for batch in decision.again.into_iter().rev() {
            self.again.push_front(batch);
        }
    }

    /// Whether the lane has no record that is not done.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty() && !self.is_out
    }

    /// The number and bytes of records that were never sent.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.fresh.len(), self.fresh_bytes)
    }

    /// The record up to which the lane is done; `read` is the last record that the shard read.
    pub(super) fn checkpoint(&self, read: Option<&SequenceNumber>) -> Option<SequenceNumber> {
        if self.is_idle() { self.done.as_ref().max(read).cloned() } else { self.done.clone() }
    }

    /// When something is due without external events, in milliseconds since 1970.
    pub(super) fn wake_at(&self, batching: &Batching) -> Option<i64> {
        if self.is_out {
            return None;
        }
        match self.again.front() {
            Some(batch) => Some(batch.due_at),
            None => {
                let first = self.fresh.front()?;
                Some(first.read_at.saturating_add(batching.window_millis()))
            }
        }
    }

    /// When the first record that is not done was written, if known.
    pub(super) fn oldest(&self) -> Option<i64> {
        let again = || self.again.front().and_then(|batch| batch.records.first());
        let fresh = || self.fresh.front().map(|fresh| &fresh.change);
        let waiting = || again().or_else(fresh).map(|change| change.created_at);
        if self.is_out { self.out_since } else { waiting() }.filter(|created_at| *created_at >= 0)
    }

    fn out(&mut self, taken: Taken) -> Work {
        let first = taken.too_old.first().into_iter().chain(taken.batch.records.first());
        self.out_since = first.min_by_key(|change| change.offset).map(|change| change.created_at);
        self.is_out = true;
        Work::Send(taken)
    }

    fn pop_fresh(&mut self) -> Option<Change> {
        let Fresh { change, read_at: _ } = self.fresh.pop_front()?;
        self.fresh_bytes -= change.json.len() + 1;
        Some(change)
    }
}
