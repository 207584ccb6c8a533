//! The state of one partition of a mapping: records that wait to be sent, the batch in flight,
//! batches to retry, and the committed offset. No I/O.
//!
//! At most one batch of a partition is in flight at a time, and fresh records wait until all
//! retries are handled or discarded. So records stay in order, and the committed offset, a single
//! number, never passes a record that is neither handled nor discarded.

use std::collections::VecDeque;
use std::time::Duration;

use drover_event_log::{Bounds, Fetched, StoredRecord};

use super::event::record_bytes;
use crate::batch::{Batch, Decision, Rules};

/// The maximum read-ahead of a partition, in bytes of records; base64 makes a full payload of it.
const READ_AHEAD_BYTES: usize = 4 * 1024 * 1024;
/// How long a fetch waits for a first record.
const FETCH_WAIT: Duration = Duration::from_millis(500);
/// The delay after a failed fetch.
const AFTER_A_FAILED_FETCH_MILLIS: i64 = 500;

/// A record that was never sent.
#[derive(Debug)]
struct Fresh {
    record: StoredRecord,
    read_at: i64,
    /// The size of the record in an event.
    event_bytes: usize,
}

/// One partition.
#[derive(Debug, Default)]
pub(super) struct PartitionState {
    fresh: VecDeque<Fresh>,
    fresh_bytes: usize,
    /// The size of all fresh records in an event.
    event_bytes: usize,
    /// The batches to retry, the next one first.
    again: VecDeque<Batch<StoredRecord>>,
    is_out: bool,
    /// The timestamp of the first record in flight.
    out_since: Option<i64>,
    is_fetching: bool,
    /// After a failed fetch: when the next fetch is due.
    fetch_at: Option<i64>,
    /// The offset of the next fetch.
    position: i64,
    /// The first offset that the partition held at the first fetch.
    start: i64,
    /// The highest end offset seen.
    end: i64,
    /// The committed offset; `None`: nothing is committed yet.
    committed: Option<i64>,
}

/// Records taken from a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// The records to send; empty if all records are too old.
    pub(super) batch: Batch<StoredRecord>,
    /// The records that are too old to be sent.
    pub(super) too_old: Vec<StoredRecord>,
}

/// The remaining space in an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

/// Whether a fetch skipped deleted records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// No record is missing.
    None,
    /// Records were deleted from the log before they were handled: from the first offset up to, but
    /// excluding, the second.
    Gone(i64, i64),
}

impl PartitionState {
    /// A partition that continues at the group's committed offset.
    pub(super) fn new(committed: Option<i64>) -> Self {
        Self { position: committed.unwrap_or(0), committed, ..Self::default() }
    }

    /// The fetch that is due, if any. The caller must pass its result to [`Self::fetched`] or
    /// [`Self::fetch_failed`].
    pub(super) fn fetch(&mut self, batch_size: usize, now: i64) -> Option<(i64, Bounds)> {
        let full = self.fresh.len() >= batch_size || self.fresh_bytes >= READ_AHEAD_BYTES;
        if self.is_fetching || full || self.fetch_at.is_some_and(|fetch_at| fetch_at > now) {
            return None;
        }
        self.is_fetching = true;
        self.fetch_at = None;
        let bounds = Bounds {
            records: batch_size - self.fresh.len(),
            bytes: READ_AHEAD_BYTES - self.fresh_bytes,
            wait: FETCH_WAIT,
        };
        Some((self.position, bounds))
    }

    /// Adds the records of a fetch.
    pub(super) fn fetched(&mut self, topic: &str, fetched: Fetched, now: i64) -> Loss {
        self.is_fetching = false;
        let gone = self.committed.is_some() && fetched.start > self.position;
        if self.committed.is_none() {
            self.start = fetched.start;
        }
        let loss = if gone { Loss::Gone(self.position, fetched.start) } else { Loss::None };
        for record in fetched.records {
            let event_bytes = record_bytes(topic, &record);
            self.fresh_bytes += record.bytes();
            self.event_bytes += event_bytes;
            self.fresh.push_back(Fresh { record, read_at: now, event_bytes });
        }
        self.position = fetched.next;
        self.end = fetched.end;
        loss
    }

    /// Raises the known end of the partition.
    pub(super) fn saw_end(&mut self, end: i64) {
        self.end = self.end.max(end);
    }

    /// Delays the next fetch.
    pub(super) fn fetch_failed(&mut self, now: i64) {
        self.is_fetching = false;
        self.fetch_at = Some(now.saturating_add(AFTER_A_FAILED_FETCH_MILLIS));
    }

    /// Whether a fetch is running; its result contains the end of the partition.
    pub(super) fn is_fetching(&self) -> bool {
        self.is_fetching
    }

    /// The next batch to retry, if it is due.
    pub(super) fn take_again(&mut self, rules: &Rules, now: i64) -> Option<Taken> {
        if self.is_out || self.again.front()?.due_at > now {
            return None;
        }
        let mut batch = self.again.pop_front()?;
        let (too_old, records) =
            batch.records.into_iter().partition(|record| rules.is_too_old(record, now));
        batch.records = records;
        Some(self.out(batch, too_old))
    }

    /// Fresh records within this room, if the partition may send any. `None` if the first record
    /// does not fit.
    pub(super) fn take_fresh(&mut self, room: Room, rules: &Rules, now: i64) -> Option<Taken> {
        if !self.may_send_fresh() {
            return None;
        }
        let (mut records, mut too_old, mut bytes) = (Vec::new(), Vec::new(), 0);
        while let Some(fresh) = self.fresh.front() {
            let is_too_old = rules.is_too_old(&fresh.record, now);
            if !is_too_old {
                bytes += fresh.event_bytes;
                if records.len() >= room.records || bytes > room.bytes {
                    break;
                }
            }
            let list = if is_too_old { &mut too_old } else { &mut records };
            list.extend(self.pop_fresh());
        }
        if records.is_empty() && too_old.is_empty() {
            return None;
        }
        Some(self.out(Batch::fresh(records, self.next_fresh()), too_old))
    }

    /// The first fresh record alone, whatever its size.
    pub(super) fn take_one(&mut self) -> Option<Taken> {
        if !self.may_send_fresh() {
            return None;
        }
        let record = self.pop_fresh()?;
        let batch = Batch::fresh(vec![record], self.next_fresh());
        Some(self.out(batch, Vec::new()))
    }

    /// An offset to commit without records, if the last offsets that were read hold no records.
    pub(super) fn take_nothing(&mut self) -> Option<Taken> {
        let idle = !self.is_out && self.again.is_empty() && self.fresh.is_empty();
        if !idle || self.committed.unwrap_or(0) == self.position {
            return None;
        }
        Some(self.out(Batch::fresh(Vec::new(), self.position), Vec::new()))
    }

    /// Ends the batch in flight. Everything below the decision's offset is committed.
    pub(super) fn finished(&mut self, decision: Decision<StoredRecord>) {
        self.is_out = false;
        self.committed = Some(decision.done_until);
        for batch in decision.again.into_iter().rev() {
            self.again.push_front(batch);
        }
    }

    /// When something is due without external events, in milliseconds since 1970.
    pub(super) fn wake_at(&self, window: i64) -> Option<i64> {
        let again = self.again.front().map(|batch| batch.due_at).filter(|_| !self.is_out);
        let fresh = self.waits_since().map(|since| since.saturating_add(window));
        [again, fresh, self.fetch_at].into_iter().flatten().min()
    }

    /// The time since which the oldest fresh record waits, if it may be sent now.
    pub(super) fn waits_since(&self) -> Option<i64> {
        self.fresh.front().map(|fresh| fresh.read_at).filter(|_| self.may_send_fresh())
    }

    /// The fresh records that may be sent now: their number, and their size in an event.
    pub(super) fn waiting(&self) -> (usize, usize) {
        if !self.may_send_fresh() {
            return (0, 0);
        }
        (self.fresh.len(), self.event_bytes)
    }

    /// The size of all fresh records in an event.
    pub(super) fn event_bytes(&self) -> usize {
        self.event_bytes
    }

    /// Every record below this offset is handled or discarded.
    pub(super) fn done_until(&self) -> i64 {
        self.committed.unwrap_or(self.start)
    }

    /// One more than the highest known offset.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// The timestamp of the first record that is not done, if the record is read and has a
    /// timestamp.
    pub(super) fn oldest(&self) -> Option<i64> {
        let again = || self.again.front().and_then(|batch| batch.records.first());
        let fresh = || self.fresh.front().map(|fresh| &fresh.record);
        let waiting = || again().or_else(fresh).map(|record| record.timestamp);
        if self.is_out { self.out_since } else { waiting() }.filter(|timestamp| *timestamp >= 0)
    }

    fn out(&mut self, batch: Batch<StoredRecord>, too_old: Vec<StoredRecord>) -> Taken {
        let first = too_old.first().into_iter().chain(batch.records.first());
        self.out_since = first.min_by_key(|record| record.offset).map(|record| record.timestamp);
        self.is_out = true;
        Taken { batch, too_old }
    }

    fn pop_fresh(&mut self) -> Option<StoredRecord> {
        let Fresh { record, event_bytes, read_at: _ } = self.fresh.pop_front()?;
        self.fresh_bytes -= record.bytes();
        self.event_bytes -= event_bytes;
        Some(record)
    }

    fn may_send_fresh(&self) -> bool {
        !self.is_out && self.again.is_empty()
    }

    fn next_fresh(&self) -> i64 {
        self.fresh.front().map_or(self.position, |fresh| fresh.record.offset)
    }
}
