//! The current state of running mappings, readable at any time without asking the event log.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::partition::PartitionState;

/// One partition of one mapping, as last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Every record below this offset is handled or discarded.
    pub done: i64,
    /// One more than the highest offset.
    pub end: i64,
    /// The timestamp of the first record that is not done, in milliseconds since 1970, if the
    /// record is read and has a timestamp.
    pub oldest: Option<i64>,
}

impl Gauge {
    /// The number of offsets that are not done.
    pub fn lag(&self) -> u64 {
        u64::try_from(self.end.saturating_sub(self.done)).unwrap_or(0)
    }
}

/// Every partition that the mappings read.
#[derive(Debug, Default)]
pub struct Gauges(Mutex<BTreeMap<String, Vec<Gauge>>>);

impl Gauges {
    pub(super) fn set<'a>(
        &self,
        topic: &str,
        states: impl Iterator<Item = (i32, &'a PartitionState)>,
    ) {
        let gauges = states.map(|(partition, state)| Gauge {
            topic: topic.to_owned(),
            partition,
            done: state.done_until(),
            end: state.end(),
            oldest: state.oldest(),
        });
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(topic.to_owned(), gauges.collect());
    }

    /// All gauges, in order.
    pub fn read(&self) -> Vec<Gauge> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().flatten().cloned().collect()
    }
}
