//! All partitions of a mapping: selects the records of the next event. No I/O.
//!
//! Fresh records of several partitions share an event, as on Lambda. An event is sent when it is
//! full by records or bytes, or when its oldest record has waited for the batching window. Retries
//! are sent for each partition separately.

use std::collections::BTreeMap;
use std::time::Duration;

use drover_event_log::{Bounds, StoredRecord};

use super::event::{EventSource, PAYLOAD_BYTES, frame_bytes, partition_bytes};
use super::partition::{PartitionState, Room, Taken};
use crate::batch::{Decision, Rules};

/// The size of a batch, and how long to wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batching {
    /// The maximum records of one event. Lambda accepts 1 to 10,000; its default is 100.
    pub records: usize,
    /// How long a record waits for others: 500 ms by default.
    pub window: Duration,
}

impl Default for Batching {
    /// Lambda's defaults.
    fn default() -> Self {
        Self { records: 100, window: Duration::from_millis(500) }
    }
}

/// The records that are sent together, or an offset that is only committed.
#[derive(Debug, PartialEq)]
pub(super) enum Invocation {
    /// An event with these records, by partition. Without any record, nothing is sent.
    Send(BTreeMap<i32, Taken>),
    /// A record that is too large for an event.
    TooLarge(i32, Taken),
}

/// Every partition of a topic.
pub(super) struct PartitionStates {
    topic: String,
    batching: Batching,
    /// The space for partitions and records in an event.
    event_bytes: usize,
    states: BTreeMap<i32, PartitionState>,
}

impl PartitionStates {
    pub(super) fn new(topic: &str, batching: Batching, source: &EventSource) -> Self {
        let event_bytes = PAYLOAD_BYTES.saturating_sub(frame_bytes(source));
        Self { topic: topic.to_owned(), batching, event_bytes, states: BTreeMap::new() }
    }

    /// Adds new partitions.
    pub(super) fn add(&mut self, partitions: &[i32], committed: &BTreeMap<i32, i64>) {
        for partition in partitions {
            let state = || PartitionState::new(committed.get(partition).copied());
            self.states.entry(*partition).or_insert_with(state);
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (i32, &PartitionState)> {
        self.states.iter().map(|(partition, state)| (*partition, state))
    }

    pub(super) fn state(&mut self, partition: i32) -> Option<&mut PartitionState> {
        self.states.get_mut(&partition)
    }

    /// The fetches that are due.
    pub(super) fn fetches(&mut self, now: i64) -> Vec<(i32, i64, Bounds)> {
        let records = self.batching.records;
        let due = self.states.iter_mut().filter_map(|(partition, state)| {
            state.fetch(records, now).map(|(offset, bounds)| (*partition, offset, bounds))
        });
        due.collect()
    }

    /// The next invocation, if one is due.
    pub(super) fn next(&mut self, rules: &Rules, now: i64) -> Option<Invocation> {
        for (partition, state) in &mut self.states {
            if let Some(taken) = state.take_again(rules, now) {
                return Some(Invocation::Send(BTreeMap::from([(*partition, taken)])));
            }
        }
        if self.is_due(now) {
            return self.gather(rules, now);
        }
        let idle = self.states.iter_mut().find_map(|(partition, state)| {
            state.take_nothing().map(|taken| BTreeMap::from([(*partition, taken)]))
        });
        idle.map(Invocation::Send)
    }

    /// When something is due without external events.
    pub(super) fn wake_at(&self) -> Option<i64> {
        self.states.values().filter_map(|state| state.wake_at(self.window())).min()
    }

    /// Ends an invocation.
    pub(super) fn finished(&mut self, decisions: BTreeMap<i32, Decision<StoredRecord>>) {
        for (partition, decision) in decisions {
            if let Some(state) = self.states.get_mut(&partition) {
                state.finished(decision);
            }
        }
    }

    fn window(&self) -> i64 {
        i64::try_from(self.batching.window.as_millis()).unwrap_or(i64::MAX)
    }

    fn is_due(&self, now: i64) -> bool {
        let waiting = self.states.values().map(PartitionState::waiting);
        let (records, bytes) = waiting.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let mut since = self.states.values().filter_map(PartitionState::waits_since);
        records >= self.batching.records
            || bytes >= self.event_bytes
            || since.any(|since| since.saturating_add(self.window()) <= now)
    }

    /// Fresh records, starting with the partition whose oldest record has waited longest.
    fn gather(&mut self, rules: &Rules, now: i64) -> Option<Invocation> {
        let mut order: Vec<(i64, i32)> = self
            .states
            .iter()
            .filter_map(|(partition, state)| Some((state.waits_since()?, *partition)))
            .collect();
        order.sort_unstable();
        let mut gathered = BTreeMap::new();
        let mut room = Room { records: self.batching.records, bytes: self.event_bytes };
        for (_, partition) in order {
            let Some(state) = self.states.get_mut(&partition) else { continue };
            room.bytes = room.bytes.saturating_sub(partition_bytes(&self.topic));
            let waiting_bytes = state.event_bytes();
            match state.take_fresh(room, rules, now) {
                Some(taken) => {
                    room.records = room.records.saturating_sub(taken.batch.records.len());
                    room.bytes = room.bytes.saturating_sub(waiting_bytes - state.event_bytes());
                    gathered.insert(partition, taken);
                }
                // The record had the whole event to itself.
                None if gathered.is_empty() => {
                    return state.take_one().map(|taken| Invocation::TooLarge(partition, taken));
                }
                None => {}
            }
        }
        (!gathered.is_empty()).then_some(Invocation::Send(gathered))
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
