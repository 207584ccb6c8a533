//! What can be read of running mappings at any time, without asking the stream.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::lane::Lane;

/// One partition of one mapping, as it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Records that are not handled: the end of the partition less the committed offset.
    pub lag: i64,
    /// The timestamp of the first of them in milliseconds since 1970, where it has been read and has
    /// one.
    pub oldest: Option<i64>,
}

/// Every partition that is read.
#[derive(Debug, Default)]
pub(super) struct Gauges(Mutex<BTreeMap<String, Vec<Gauge>>>);

impl Gauges {
    pub(super) fn set<'a>(&self, topic: &str, lanes: impl Iterator<Item = (i32, &'a Lane)>) {
        let gauges = lanes.map(|(partition, lane)| {
            let (lag, oldest) = (lane.lag(), lane.oldest());
            Gauge { topic: topic.to_owned(), partition, lag, oldest }
        });
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(topic.to_owned(), gauges.collect());
    }

    pub(super) fn read(&self) -> Vec<Gauge> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().flatten().cloned().collect()
    }
}
