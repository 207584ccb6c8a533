//! The embedded stream: an append-only log of four partitions per topic, in one SQLite file.
//!
//! Promises:
//! - *What was acknowledged is there after a `kill -9` at any moment:* every answer comes after the
//!   commit, and what the kernel holds outlives the process. SQLite runs in WAL mode with
//!   `synchronous=NORMAL`, as the queues do and as Kafka's own brokers do by default: a loss of
//!   power may take the newest commits, but leaves the file whole, with offsets and records that
//!   belong together. (With `FULL` and 20,000 records a second, in calls of 100, the 95th
//!   percentile was 12 to 17 ms instead of 4 to 8 on two busy cores: too much for ingest.)
//! - *What waits is committed together,* so many small calls cost little more than few large ones.
//! - *Offsets of a partition have no gaps and never repeat;* the records of one call stand in their
//!   order, all of them or none.
//! - *A key's records are in the partition where Kafka's default partitioner puts them;* records
//!   without a key go round.
//! - *Several processes may append to one file.* A reader sees another process's records within
//!   about [`LOOK_EVERY`].
//! - *Bounded:* a record has at most [`RECORD_BYTES`], topics are at most [`TOPICS`], what waits to
//!   be written is at most [`QUEUE_BYTES`]; and nothing that [`Keep`]'s group has not done with is
//!   ever deleted.
//! - *Waiting costs nothing on the async workers:* writing and reading have a thread each.
//!
//! Topics come into being with their first record. Left out: transactions, compaction, more or fewer
//! partitions, and deleting a topic, which is deleting the file.
//!
//! The rooms: `limits` is how much there may be, `append` what an append gives; `request` is what a call wants written; `writer` and `reader` are the two threads
//! over `file`, `appending` is one transaction of the writer and `tidy` what it deletes; `checkpoint`
//! spares the writer work; `offset_index` is what is known without asking the file.

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

/// The log of one file. Clones share the file and its threads, which end with the last of them.
#[derive(Clone, Debug)]
pub struct Embedded {
    writes: mpsc::Sender<Write>,
    reads: mpsc::Sender<reader::Job>,
    offset_index: Arc<OffsetIndex>,
    queue: Arc<Semaphore>,
    /// Where the next record without a key goes.
    turn: Arc<AtomicUsize>,
    /// The checkpoint's thread ends when nobody keeps this any more.
    _kept: mpsc::Sender<()>,
}

impl Embedded {
    /// Opens the file at `path`, or creates it. Who passes a [`Keep`] deletes what need not be kept.
    ///
    /// # Errors
    /// The file cannot be opened or is none of a stream.
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

    /// Topic, partition, and one more than the highest offset, of every partition.
    pub fn ends(&self) -> Vec<(String, i32, i64)> {
        self.offset_index.ends()
    }

    /// Appends records in their order, all or none, and says where each of them is. They are durable
    /// then. Dropping the future may append them or not.
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

    /// Runs a question on the reader's thread.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Reader) -> Result<T, file::FileError> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let job: reader::Job = Box::new(move |reader: &mut Reader| {
            // Fails when the one who asked has gone.
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
        // Too late is no error: there is nothing yet.
        let _ = tokio::time::timeout(bounds.wait, partition.grown_past(from.offset)).await;
        let (start, end) = partition.bounds();
        if end <= from.offset {
            return Ok(Fetched { next: end, start, end, records: Vec::new() });
        }
        let (id, number, offset) = (topic.id(), from.partition, from.offset.max(start));
        let records = self.ask(move |reader| reader.fetch(id, number, offset, bounds)).await?;
        let next = records.last().map_or(offset, |last| last.offset + 1);
        // Another process may have appended what nobody has looked for yet; whoever comes for what is
        // behind it must not find that the partition ends before.
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
