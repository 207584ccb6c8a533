//! One partition of a mapping: what was read of it and waits to be sent, what is out, what comes
//! again, and up to where it is done. No I/O.
//!
//! At most one batch of a partition is out at a time, and nothing fresh is sent before everything that
//! comes again is handled or given up: so records stay in order, and the committed offset, which is
//! one number, never passes a record that is neither.

use std::collections::VecDeque;
use std::time::Duration;

use drover_event_log::{Bounds, Fetched, StoredRecord};

use super::batch::{Batch, Decision, Rules};
use super::event::record_bytes;

/// What a partition reads ahead, in bytes of records: base64 makes a full payload of it.
const READ_AHEAD_BYTES: usize = 4 * 1024 * 1024;
/// How long a fetch waits for a first record.
const FETCH_WAIT: Duration = Duration::from_millis(500);
/// How long a partition waits after a fetch that failed.
const AFTER_A_FAILED_FETCH_MILLIS: i64 = 500;

/// A record that nobody has sent yet.
#[derive(Debug)]
struct Fresh {
    record: StoredRecord,
    read_at: i64,
    /// What it takes in an event.
    event_bytes: usize,
}

/// One partition.
#[derive(Debug, Default)]
pub(super) struct PartitionState {
    fresh: VecDeque<Fresh>,
    fresh_bytes: usize,
    /// What the fresh records take in an event.
    event_bytes: usize,
    /// What comes again, the front first.
    again: VecDeque<Batch>,
    is_out: bool,
    /// The timestamp of the first record that is out.
    out_since: Option<i64>,
    is_fetching: bool,
    /// After a fetch that failed: when the next one is due.
    fetch_at: Option<i64>,
    /// Where to read on.
    position: i64,
    /// The first offset that the partition held when it was first read.
    start: i64,
    /// The highest end that was seen.
    end: i64,
    /// What is durable; `None`: nothing yet.
    committed: Option<i64>,
}

/// What was taken from a partition to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// What is sent; without records where all of them are too old.
    pub(super) batch: Batch,
    /// What is not sent any more.
    pub(super) too_old: Vec<StoredRecord>,
}

/// What may still be taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

/// What became known of a partition by a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Every record was there.
    None,
    /// Records that nobody had handled are gone from the stream: those from the first offset until
    /// before the second.
    Gone(i64, i64),
}

impl PartitionState {
    /// A partition that goes on where the group was.
    pub(super) fn new(committed: Option<i64>) -> Self {
        Self { position: committed.unwrap_or(0), committed, ..Self::default() }
    }

    /// The fetch that is due, if one is: it must be answered by [`Self::fetched`] or
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

    /// Takes in what a fetch gave.
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

    /// Takes in where the partition ends now.
    pub(super) fn saw_end(&mut self, end: i64) {
        self.end = self.end.max(end);
    }

    /// Waits before the next fetch.
    pub(super) fn fetch_failed(&mut self, now: i64) {
        self.is_fetching = false;
        self.fetch_at = Some(now.saturating_add(AFTER_A_FAILED_FETCH_MILLIS));
    }

    /// Whether a fetch is under way, which will say where the partition ends.
    pub(super) fn is_fetching(&self) -> bool {
        self.is_fetching
    }

    /// The batch that comes again, if it is due.
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

    /// Fresh records within this room, if the partition may send any. `None` where not even the first one
    /// has room.
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

    /// Nothing to send, but an offset to commit: the rest of what was read is no records.
    pub(super) fn take_nothing(&mut self) -> Option<Taken> {
        let idle = !self.is_out && self.again.is_empty() && self.fresh.is_empty();
        if !idle || self.committed.unwrap_or(0) == self.position {
            return None;
        }
        Some(self.out(Batch::fresh(Vec::new(), self.position), Vec::new()))
    }

    /// Takes back what was out. Everything below the decision's offset has been committed.
    pub(super) fn finished(&mut self, decision: Decision) {
        self.is_out = false;
        self.committed = Some(decision.done_until);
        for batch in decision.again.into_iter().rev() {
            self.again.push_front(batch);
        }
    }

    /// When there is something to do without news from outside, in milliseconds since 1970.
    pub(super) fn wake_at(&self, window: i64) -> Option<i64> {
        let again = self.again.front().map(|batch| batch.due_at).filter(|_| !self.is_out);
        let fresh = self.waits_since().map(|since| since.saturating_add(window));
        [again, fresh, self.fetch_at].into_iter().flatten().min()
    }

    /// Since when its oldest fresh record has waited, if it may be sent now.
    pub(super) fn waits_since(&self) -> Option<i64> {
        self.fresh.front().map(|fresh| fresh.read_at).filter(|_| self.may_send_fresh())
    }

    /// Fresh records that may be sent now, and what they take in an event.
    pub(super) fn waiting(&self) -> (usize, usize) {
        if !self.may_send_fresh() {
            return (0, 0);
        }
        (self.fresh.len(), self.event_bytes)
    }

    /// What all fresh records take in an event.
    pub(super) fn event_bytes(&self) -> usize {
        self.event_bytes
    }

    /// Everything below this offset is handled or given up.
    pub(super) fn done_until(&self) -> i64 {
        self.committed.unwrap_or(self.start)
    }

    /// One more than the highest offset that is known of.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// The timestamp of the first record that is not done, where it is known and has one.
    pub(super) fn oldest(&self) -> Option<i64> {
        let again = || self.again.front().and_then(|batch| batch.records.first());
        let fresh = || self.fresh.front().map(|fresh| &fresh.record);
        let waiting = || again().or_else(fresh).map(|record| record.timestamp);
        if self.is_out { self.out_since } else { waiting() }.filter(|timestamp| *timestamp >= 0)
    }

    fn out(&mut self, batch: Batch, too_old: Vec<StoredRecord>) -> Taken {
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
