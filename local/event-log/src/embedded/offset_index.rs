//! The topics and the bounds of their partitions, in memory. Both threads update the index, and
//! readers wait here for new records.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::Row;
use tokio::sync::Notify;

use super::limits::PARTITIONS;

/// Every topic by name.
#[derive(Debug, Default)]
pub(super) struct OffsetIndex(RwLock<BTreeMap<String, Arc<Topic>>>);

/// One topic.
#[derive(Debug)]
pub(super) struct Topic {
    id: i64,
    partitions: [Partition; PARTITIONS as usize],
}

/// One partition.
#[derive(Debug, Default)]
pub(super) struct Partition {
    start: AtomicI64,
    end: AtomicI64,
    grown: Notify,
}

/// The state of one partition, as read from the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) topic: String,
    pub(super) topic_id: i64,
    pub(super) partition: u32,
    pub(super) start: i64,
    pub(super) end: i64,
}

impl Seen {
    pub(super) const SELECT: &str = "
        SELECT topics.name, topics.id, partition, start_offset, end_offset
        FROM topics JOIN partitions ON partitions.topic = topics.id";

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            topic: row.get(0)?,
            topic_id: row.get(1)?,
            partition: row.get(2)?,
            start: row.get(3)?,
            end: row.get(4)?,
        })
    }
}

impl OffsetIndex {
    pub(super) fn of(&self, topic: &str) -> Option<Arc<Topic>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(topic).map(Arc::clone)
    }

    pub(super) fn topics(&self) -> Vec<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// The end offset of each partition of each topic.
    pub(super) fn ends(&self) -> Vec<(String, i32, i64)> {
        let topics = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let of_topic = |(name, topic): (&String, &Arc<Topic>)| {
            let ends = topic.partitions.each_ref().map(|partition| partition.bounds().1);
            let name = name.clone();
            (0..).zip(ends).map(move |(partition, end)| (name.clone(), partition, end))
        };
        topics.iter().flat_map(of_topic).collect()
    }

    /// The number of records ever appended.
    pub(super) fn records(&self) -> usize {
        let topics = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let ends = topics.values().flat_map(|topic| &topic.partitions);
        let records: i64 = ends.map(|partition| partition.bounds().1).sum();
        usize::try_from(records).unwrap_or(0)
    }

    /// Updates the index. Starts and ends only grow, so the order of updates does not matter.
    pub(super) fn saw(&self, seen: &[Seen]) {
        for news in seen {
            let topic = self.of(&news.topic).unwrap_or_else(|| self.create(news));
            if let Some(partition) = topic.partition(news.partition.cast_signed()) {
                partition.start.fetch_max(news.start, Ordering::AcqRel);
                partition.reaches(news.end);
            }
        }
    }

    fn create(&self, news: &Seen) -> Arc<Topic> {
        let mut topics = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let create = || Arc::new(Topic { id: news.topic_id, partitions: Default::default() });
        Arc::clone(topics.entry(news.topic.clone()).or_insert_with(create))
    }
}

impl Topic {
    pub(super) fn id(&self) -> i64 {
        self.id
    }

    pub(super) fn partition(&self, number: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(number).ok()?)
    }
}

impl Partition {
    /// The first offset, and one more than the last.
    pub(super) fn bounds(&self) -> (i64, i64) {
        (self.start.load(Ordering::Acquire), self.end.load(Ordering::Acquire))
    }

    /// Raises the end to at least this offset.
    pub(super) fn reaches(&self, end: i64) {
        if self.end.fetch_max(end, Ordering::AcqRel) < end {
            self.grown.notify_waiters();
        }
    }

    /// Waits until there is a record at or after this offset.
    pub(super) async fn grown_past(&self, offset: i64) {
        loop {
            let grown = self.grown.notified();
            tokio::pin!(grown);
            // Subscribes before the check, so that no growth between check and wait is missed.
            grown.as_mut().enable();
            if self.bounds().1 > offset {
                return;
            }
            grown.await;
        }
    }
}
