//! What can be read of running mappings at any time, without asking the stream.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::lane::Lane;

/// One partition of one mapping, as it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gauge {
    /// The topic.
    pub(crate) topic: String,
    /// The partition.
    pub(crate) partition: i32,
    /// Everything below this offset is handled or given up.
    pub(crate) done: i64,
    /// One more than the highest offset.
    pub(crate) end: i64,
    /// The timestamp of the first record that is not done in milliseconds since 1970, where it has
    /// been read and has one.
    pub(crate) oldest: Option<i64>,
}

/// Every partition that is read.
#[derive(Debug, Default)]
pub(crate) struct Gauges(Mutex<BTreeMap<String, Vec<Gauge>>>);

impl Gauges {
    pub(super) fn set<'a>(&self, topic: &str, lanes: impl Iterator<Item = (i32, &'a Lane)>) {
        let gauges = lanes.map(|(partition, lane)| Gauge {
            topic: topic.to_owned(),
            partition,
            done: lane.done_until(),
            end: lane.end(),
            oldest: lane.oldest(),
        });
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(topic.to_owned(), gauges.collect());
    }

    pub(crate) fn read(&self) -> Vec<Gauge> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().flatten().cloned().collect()
    }
}
