//! One append transaction: assigns offsets in the order of the writes. Records of one partition
//! from several writes share a row.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::append::AppendError;
use super::file::FileError;
use super::limits::{PARTITIONS, TOPICS};
use super::offset_index::Seen;
use super::request::{CHUNK_BYTES, Part, Written};
use crate::TopicName;

/// The state of the transaction.
pub(super) struct Appending<'a> {
    transaction: Transaction<'a>,
    now_millis: i64,
    topics: BTreeMap<TopicName, i64>,
    ends: BTreeMap<(i64, u32), Growing>,
}

/// One partition.
struct Growing {
    topic: TopicName,
    start: i64,
    end: i64,
    /// The last records before `end`, which are not in a row yet.
    count: i64,
    bytes: Vec<u8>,
}

impl<'a> Appending<'a> {
    pub(super) fn new(transaction: Transaction<'a>, now_millis: i64) -> Self {
        Self { transaction, now_millis, topics: BTreeMap::new(), ends: BTreeMap::new() }
    }

    /// Appends the parts and returns the first offset of each. The inner error concerns this write
    /// only.
    pub(super) fn append(
        &mut self,
        topic: &TopicName,
        parts: &[Part],
    ) -> Result<Result<Vec<Written>, AppendError>, FileError> {
        let Some(id) = self.topic(topic)? else {
            return Ok(Err(AppendError::TooManyTopics { topic: topic.clone() }));
        };
        let mut written = Vec::with_capacity(parts.len());
        for part in parts {
            written.push((part.partition, self.add(topic, id, part)?));
        }
        Ok(Ok(written))
    }

    fn add(&mut self, topic: &TopicName, id: i64, part: &Part) -> Result<i64, FileError> {
        let place = (id, part.partition);
        let mut growing = match self.ends.remove(&place) {
            Some(growing) => growing,
            None => self.partition(topic, id, part.partition)?,
        };
        if growing.count > 0 && growing.bytes.len() + part.bytes.len() > CHUNK_BYTES {
            self.put(place, &mut growing)?;
        }
        let base = growing.end;
        growing.bytes.extend_from_slice(&part.bytes);
        growing.count += i64::from(part.count);
        growing.end += i64::from(part.count);
        self.ends.insert(place, growing);
        Ok(base)
    }

    /// Stores the offsets that a group commits.
    pub(super) fn commit_offsets(
        &self,
        group: &str,
        topic: &str,
        offsets: &BTreeMap<i32, i64>,
    ) -> Result<(), FileError> {
        let mut put = self.transaction.prepare_cached(
            "INSERT INTO committed (consumer_group, topic, partition, next_offset)
             VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset",
        )?;
        for (partition, next) in offsets {
            put.execute(params![group, topic, partition, next])?;
        }
        Ok(())
    }

    /// Writes the remaining rows, commits, and returns the new bounds of the partitions.
    pub(super) fn finish(mut self) -> Result<Vec<Seen>, FileError> {
        let mut seen = Vec::new();
        for (place, mut growing) in std::mem::take(&mut self.ends) {
            self.put(place, &mut growing)?;
            let (topic_id, partition) = place;
            let Growing { topic, start, end, .. } = growing;
            self.transaction
                .prepare_cached(
                    "UPDATE partitions SET end_offset = ?3 WHERE topic = ?1 AND partition = ?2",
                )?
                .execute(params![topic_id, partition, end])?;
            let topic = topic.as_str().to_owned();
            seen.push(Seen { topic, topic_id, partition, start, end });
        }
        self.transaction.commit()?;
        Ok(seen)
    }

    /// Inserts the gathered records as a row.
    fn put(&self, place: (i64, u32), growing: &mut Growing) -> Result<(), FileError> {
        let (topic, partition) = place;
        let base = growing.end - growing.count;
        let mut put = self.transaction.prepare_cached(
            "INSERT INTO chunks (topic, partition, base, count, appended_at, records)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let Growing { count, bytes, .. } = &*growing;
        put.execute(params![topic, partition, base, count, self.now_millis, bytes])?;
        growing.bytes.clear();
        growing.count = 0;
        Ok(())
    }

    /// The topic's id; creates the topic if it does not exist. `None`: the file has too many
    /// topics.
    fn topic(&mut self, name: &TopicName) -> Result<Option<i64>, FileError> {
        if let Some(id) = self.topics.get(name) {
            return Ok(Some(*id));
        }
        let mut select =
            self.transaction.prepare_cached("SELECT id FROM topics WHERE name = ?1")?;
        let found = select.query_row([name.as_str()], |row| row.get(0)).optional()?;
        let id = match found {
            Some(id) => Some(id),
            None => self.create(name)?,
        };
        if let Some(id) = id {
            self.topics.insert(name.clone(), id);
        }
        Ok(id)
    }

    fn create(&self, name: &TopicName) -> Result<Option<i64>, FileError> {
        let topics: usize =
            self.transaction.query_row("SELECT COUNT(*) FROM topics", [], |row| row.get(0))?;
        if topics >= TOPICS {
            return Ok(None);
        }
        self.transaction.execute("INSERT INTO topics (name) VALUES (?1)", [name.as_str()])?;
        let id = self.transaction.last_insert_rowid();
        for partition in 0..PARTITIONS {
            self.transaction.execute(
                "INSERT INTO partitions (topic, partition) VALUES (?1, ?2)",
                params![id, partition],
            )?;
        }
        Ok(Some(id))
    }

    fn partition(&self, topic: &TopicName, id: i64, partition: u32) -> Result<Growing, FileError> {
        let mut select = self.transaction.prepare_cached(
            "SELECT start_offset, end_offset FROM partitions WHERE topic = ?1 AND partition = ?2",
        )?;
        Ok(select.query_row(params![id, partition], |row| {
            let (start, end) = (row.get(0)?, row.get(1)?);
            Ok(Growing { topic: topic.clone(), start, end, count: 0, bytes: Vec::new() })
        })?)
    }
}
