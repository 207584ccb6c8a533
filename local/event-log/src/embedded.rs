//! The embedded event log: an append-only log with four partitions per topic, in one SQLite file.
//!
//! Guarantees:
//! - *Acknowledged records survive `kill -9` at any moment.* Every answer follows its commit, and
//!   data in the kernel's buffers survives the process. SQLite runs in WAL mode with
//!   `synchronous=NORMAL`, like the queues here and like Kafka's brokers by default: a power
//!   failure may lose the newest commits, but the file stays consistent, with matching offsets and
//!   records. (With `FULL` and 20,000 records a second, in calls of 100, the 95th percentile was 12
//!   to 17 ms instead of 4 to 8 on two busy cores: too much for ingest.)
//! - *Waiting calls are committed together,* so many small calls cost little more than a few large
//!   calls.
//! - *Offsets of a partition have no gaps and never repeat.* The records of one call keep their
//!   order, and are appended all or none.
//! - *A record with a key goes to the partition that Kafka's default partitioner chooses.* Records
//!   without a key go to the partitions in turn.
//! - *Several processes may append to one file.* A reader sees another process's records within
//!   about [`LOOK_EVERY`].
//! - *Bounded.* A record has at most [`RECORD_BYTES`], a file at most [`TOPICS`] topics, and the
//!   write queue at most [`QUEUE_BYTES`]. A record that [`Keep`]'s group has not committed is never
//!   deleted.
//! - *Waiting does not block async workers:* writing and reading have one thread each.
//!
//! The first record of a topic creates the topic. Not implemented: transactions, compaction,
//! another number of partitions, and deleting a topic (delete the file instead).
//!
//! Modules: `limits` are the bounds; `append` is the result of an append; `request` encodes the
//! records of one call; `writer` and `reader` are the two threads over `file`; `appending` is one
//! transaction of the writer, and `tidy` its deletion of old records; `checkpoint` relieves the
//! writer; `offset_index` is the state that needs no read of the file.

mod append;
mod appending;
mod checkpoint;
mod file;
mod limits;
mod offset_index;
mod reader;
mod request;
#[cfg(test)]
mod tests;
mod tidy;
mod writer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use drover_core::base::error::{Reason, Unavailable};
use tokio::sync::{Semaphore, oneshot};

use super::{Bounds, Fetched, Log, NewRecord, Position, TopicName};
use append::stopped;
pub use append::{AppendError, RecordLocation};
use file::broken;
use limits::PERMIT_BYTES;
pub use limits::{Keep, LOOK_EVERY, PARTITIONS, QUEUE_BYTES, RECORD_BYTES, TOPICS};
use offset_index::OffsetIndex;
use reader::Reader;
use request::{Request, Written};
use writer::{Write, Writer};

/// The event log of one file. Clones share the file and its threads; the threads end with the last
/// clone.
#[derive(Clone, Debug)]
pub struct Embedded {
    writes: mpsc::Sender<Write>,
    reads: mpsc::Sender<reader::Job>,
    offset_index: Arc<OffsetIndex>,
    queue: Arc<Semaphore>,
    /// The round-robin counter for records without a key.
    turn: Arc<AtomicUsize>,
    /// Dropping the last clone closes this channel, which ends the checkpoint thread.
    _kept: mpsc::Sender<()>,
}

impl Embedded {
    /// Opens the file at `path`, or creates it. A [`Keep`] enables the deletion of old records.
    ///
    /// # Errors
    /// The file cannot be opened or is not an event log.
    pub fn open(path: &Path, keep: Option<Keep>) -> Result<Self, Unavailable> {
        let writer_file = file::open(path).map_err(broken)?;
        let mut reader = Reader::new(file::open(path).map_err(broken)?);
        let offset_index = Arc::new(OffsetIndex::default());
        reader.look(&offset_index).map_err(broken)?;
        let turn = Arc::new(AtomicUsize::new(offset_index.records()));
        let (writes, to_write) = mpsc::channel();
        let (reads, to_read) = mpsc::channel();
        let writer = Writer::new(writer_file, Arc::clone(&offset_index), keep);
        spawn("stream-writer", move || writer.run(&to_write))?;
        let seen = Arc::clone(&offset_index);
        spawn("stream-reader", move || reader.run(&to_read, &seen))?;
        let (kept, keeping) = mpsc::channel();
        let moved = file::open(path).map_err(broken)?;
        spawn("stream-checkpoint", move || checkpoint::run(&moved, &keeping))?;
        let queue = Arc::new(Semaphore::new(QUEUE_BYTES / PERMIT_BYTES));
        Ok(Self { writes, reads, offset_index, queue, turn, _kept: kept })
    }

    /// Topic, partition and end offset (one more than the highest offset) of every partition.
    pub fn ends(&self) -> Vec<(String, i32, i64)> {
        self.offset_index.ends()
    }

    /// Appends records in order, all or none, and returns the location of each. The records are
    /// durable when this returns. A dropped future may or may not have appended them.
    ///
    /// # Errors
    /// [`AppendError`].
    pub async fn append(
        &self,
        topic: &TopicName,
        records: &[NewRecord],
    ) -> Result<Vec<RecordLocation>, AppendError> {
        let request = Request::new(records, || self.turn.fetch_add(1, Ordering::Relaxed))?;
        let permits = (request.bytes() / PERMIT_BYTES + 1).min(QUEUE_BYTES / PERMIT_BYTES);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.queue).acquire_many_owned(permits).await;
        let room = room.map_err(|_| stopped())?;
        let (answer, answered) = oneshot::channel();
        let (parts, offset_index) = request.split();
        let write = Write::Append { topic: topic.clone(), parts, answer, _room: room };
        self.writes.send(write).map_err(|_| stopped())?;
        let written: Vec<Written> = answered.await.map_err(|_| stopped())??;
        Ok(offset_index.into_iter().filter_map(|place| place.among(&written)).collect())
    }

    /// Runs a query on the reader's thread.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Reader) -> Result<T, file::FileError> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let job: reader::Job = Box::new(move |reader: &mut Reader| {
            // Fails if the caller is gone.
            let _ = answer.send(question(reader));
        });
        self.reads.send(job).map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?.map_err(broken)
    }
}

impl Log for Embedded {
    async fn topics(&self) -> Result<Vec<String>, Unavailable> {
        Ok(self.offset_index.topics())
    }

    async fn partitions(&self, topic: &str) -> Result<Vec<i32>, Unavailable> {
        let partitions = self.offset_index.of(topic).map(|_| (0..PARTITIONS).map(u32::cast_signed));
        Ok(partitions.into_iter().flatten().collect())
    }

    async fn fetch(&self, from: Position<'_>, bounds: Bounds) -> Result<Fetched, Unavailable> {
        let nothing = Fetched { next: from.offset, ..Fetched::default() };
        let Some(topic) = self.offset_index.of(from.topic) else {
            tokio::time::sleep(bounds.wait).await;
            return Ok(nothing);
        };
        let Some(partition) = topic.partition(from.partition) else { return Ok(nothing) };
        // A timeout is not an error: there is nothing to read yet.
        let _ = tokio::time::timeout(bounds.wait, partition.grown_past(from.offset)).await;
        let (start, end) = partition.bounds();
        if end <= from.offset {
            return Ok(Fetched { next: end, start, end, records: Vec::new() });
        }
        let (id, number, offset) = (topic.id(), from.partition, from.offset.max(start));
        let records = self.ask(move |reader| reader.fetch(id, number, offset, bounds)).await?;
        let next = records.last().map_or(offset, |last| last.offset + 1);
        // The fetch may find records of another process that the index does not know yet. Later
        // fetches must not see an end below these records.
        partition.reaches(next);
        Ok(Fetched { records, next, start, end: end.max(next) })
    }

    async fn committed(&self, group: &str, topic: &str) -> Result<BTreeMap<i32, i64>, Unavailable> {
        let (group, topic) = (group.to_owned(), topic.to_owned());
        self.ask(move |reader| reader.committed(&group, &topic)).await
    }

    async fn commit(
        &self,
        group: &str,
        topic: &str,
        offsets: &BTreeMap<i32, i64>,
    ) -> Result<(), Unavailable> {
        let (answer, answered) = oneshot::channel();
        let write = Write::Commit {
            group: group.to_owned(),
            topic: topic.to_owned(),
            offsets: offsets.clone(),
            answer,
        };
        self.writes.send(write).map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Unavailable> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map(drop).map_err(|error| Unavailable::new(Reason::Bug, error.to_string()))
}
