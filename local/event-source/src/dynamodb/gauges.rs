//! The current state of a running mapping, readable at any time without asking the stream.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::shards::Shards;

/// One shard of a mapping, as last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// The shard.
    pub shard: String,
    /// When the first record was written that is read and neither handled nor discarded, in
    /// milliseconds since 1970.
    pub oldest: Option<i64>,
}

impl Gauge {
    /// Lambda's `IteratorAge` at this time, in milliseconds: the age of the oldest record that is
    /// not done; 0 without such a record.
    pub fn iterator_age(&self, now: i64) -> i64 {
        self.oldest.map_or(0, |oldest| now.saturating_sub(oldest).max(0))
    }
}

/// What happened since the mapping started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How often reading continued at the horizon, because records were trimmed before they were
    /// read.
    pub trimmed: u64,
    /// The discarded records.
    pub discarded: u64,
}

/// The gauges and counts of one mapping.
#[derive(Debug, Default)]
pub struct Gauges(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    oldest: BTreeMap<String, Option<i64>>,
    counts: Counts,
}

impl Gauges {
    /// The gauges of all shards that are being read, in the order of their ids.
    pub fn read(&self) -> Vec<Gauge> {
        let gauge = |(shard, oldest): (&String, &Option<i64>)| Gauge {
            shard: shard.clone(),
            oldest: *oldest,
        };
        self.with(|state| state.oldest.iter().map(gauge).collect())
    }

    /// The counts since the start.
    pub fn counts(&self) -> Counts {
        self.with(|state| state.counts)
    }

    pub(super) fn set(&self, shards: &Shards) {
        let oldest = shards.reading().map(|(id, shard)| (id.to_owned(), shard.oldest()));
        self.with(|state| state.oldest = oldest.collect());
    }

    pub(super) fn trimmed(&self) {
        self.with(|state| state.counts.trimmed += 1);
    }

    pub(super) fn discarded(&self, records: usize) {
        let records = u64::try_from(records).unwrap_or(u64::MAX);
        self.with(|state| state.counts.discarded = state.counts.discarded.saturating_add(records));
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
