//! Reads offsets of a Kafka topic again. Each call opens a client of its own and closes it: a
//! reread happens only for a batch that the event source has discarded, and cached cluster metadata
//! could make a record look lost.
//!
//! Offsets without a record (transaction markers, compacted records) are skipped. A call that takes
//! too long returns what it has, and the next call continues there.

use std::sync::Arc;
use std::time::Duration;

use drover_core::base::error::Unavailable;
use drover_core::dead_letter::envelope::Content;
use drover_core::dead_letter::origin::Offsets;
use drover_core::dead_letter::reread::{self, Again, BYTES, RECORDS};
use drover_core::intake::record::{Receipt, Record, Source};
use drover_core::ports::Reread;
use futures_util::FutureExt as _;
use krafka::consumer::{AutoOffsetReset, Consumer};
use krafka::{ConsumerRecord, KrafkaError};
use tokio::time::{Instant, timeout_at};

use super::{KafkaCluster, KafkaVariables, NoIdentity, fault, partitions};

/// The upper bound of a call.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a poll waits for records before the reader checks whether offsets without records were
/// skipped.
const LOOK: Duration = Duration::from_millis(500);
const OPERATION: &str = "rereading offsets";

/// A cluster whose topics are reread.
#[derive(Clone, Debug)]
pub struct KafkaReread {
    cluster: KafkaCluster,
}

impl KafkaReread {
    /// A cluster to read from. Each call connects.
    pub fn new(cluster: KafkaCluster) -> Self {
        Self { cluster }
    }

    /// Opens a reader of one partition and reads the partition's offset range. `None`: the
    /// partition does not exist.
    async fn open(&self, offsets: &Offsets) -> Result<Option<Reader>, Unavailable> {
        let client = self.cluster.client().await?;
        let known = partitions(&client.admin(), &offsets.topic).await?;
        if !known.is_some_and(|known| known.contains(&offsets.partition)) {
            return Ok(None);
        }
        let consumer = client
            .consumer_without_group()
            .auto_offset_reset(AutoOffsetReset::None)
            .max_poll_records(i32::try_from(RECORDS).unwrap_or(i32::MAX))
            .max_buffered_records(i32::try_from(RECORDS).unwrap_or(i32::MAX))
            .metrics_push(false)
            .build()
            .await
            .map_err(failed)?;
        let assigned = consumer.assign(&offsets.topic, vec![offsets.partition]).await;
        assigned.map_err(failed)?;
        let held = consumer.fetch_watermarks(&offsets.topic, offsets.partition).await;
        let (start, end) = held.map_err(failed)?;
        Ok(Some(Reader { consumer, held: start..end }))
    }
}

impl Reread for KafkaReread {
    async fn reread(
        &self,
        offsets: &Offsets,
        given_up: Receipt,
    ) -> Result<Option<Again>, Unavailable> {
        let until = Instant::now() + PATIENCE;
        let open = timeout_at(until, self.open(offsets)).await;
        let reader = open.unwrap_or_else(|_| Err(fault::no_answer(OPERATION)))?;
        let Some(reader) = reader else {
            return Ok(Some(Again::of(offsets, 0..0, Vec::new(), 0)));
        };
        let collected = reader.read(offsets, given_up, until).await?;
        let Collected { records, next, .. } = collected;
        Ok(Some(Again::of(offsets, reader.held.clone(), records, next)))
    }
}

/// Like [`KafkaReread`], but each call resolves the credentials too: storing letters and draining
/// the buffer never need the secret and do not wait for it, and a changed secret takes effect.
#[derive(Clone, Debug)]
pub struct KafkaRereadOnDemand(pub KafkaVariables);

impl Reread for KafkaRereadOnDemand {
    async fn reread(
        &self,
        offsets: &Offsets,
        given_up: Receipt,
    ) -> Result<Option<Again>, Unavailable> {
        let config = self.0.clone().config(|file| std::fs::read_to_string(file)).await;
        let config = config.map_err(NoIdentity::unavailable)?;
        let cluster = KafkaReread::new(config.cluster);
        cluster.reread(offsets, given_up).await
    }
}

struct Reader {
    consumer: Consumer,
    held: std::ops::Range<i64>,
}

impl Reader {
    async fn read(
        &self,
        offsets: &Offsets,
        given_up: Receipt,
        until: Instant,
    ) -> Result<Collected, Unavailable> {
        let Offsets { topic, partition, first, last } = offsets;
        let mut collected = Collected::from(self.held.start.max(*first));
        let end = last.saturating_add(1).min(self.held.end);
        if collected.next >= end {
            return Ok(collected);
        }
        self.consumer.seek(topic, *partition, collected.next).await.map_err(failed)?;
        let topic: Arc<str> = Arc::from(topic.as_str());
        while collected.next < end && Instant::now() < until {
            for record in self.consumer.poll(LOOK).await.map_err(failed)? {
                if record.offset >= end {
                    collected.next = end;
                } else if !collected.take(again(&topic, &record, given_up), record.offset) {
                    return Ok(collected);
                }
            }
            let position = self.consumer.position(&topic, *partition).await;
            collected.next = collected.next.max(position.unwrap_or(0));
        }
        let moved = collected.next >= end || collected.next > *first;
        if moved { Ok(collected) } else { Err(fault::no_answer(OPERATION)) }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Closes without waiting. The first poll starts the close, which needs the runtime's timer.
        if tokio::runtime::Handle::try_current().is_ok() {
            let _ = self.consumer.close().now_or_never();
        }
    }
}

/// The records of one answer, within its limits.
struct Collected {
    records: Vec<Record>,
    bytes: usize,
    /// The offset where the next answer begins.
    next: i64,
}

impl Collected {
    fn from(next: i64) -> Self {
        Self { records: Vec::new(), bytes: 0, next }
    }

    /// Adds a record. `false`: the answer is full, and the record goes into the next one.
    fn take(&mut self, record: Record, offset: i64) -> bool {
        let bytes = self.bytes.saturating_add(size(&record));
        let full = self.records.len() >= RECORDS || bytes > BYTES;
        if full && !self.records.is_empty() {
            self.next = offset;
            return false;
        }
        self.bytes = bytes;
        self.next = offset.saturating_add(1);
        self.records.push(record);
        true
    }
}

fn size(record: &Record) -> usize {
    let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    let headers = record.headers.iter().map(|(name, value)| name.len() + value.len());
    length(&record.key) + length(&record.value) + headers.sum::<usize>()
}

/// A null header value becomes an empty one, as in a Lambda event.
fn again(topic: &Arc<str>, record: &ConsumerRecord, given_up: Receipt) -> Record {
    let (partition, offset) = (record.partition, record.offset);
    let timestamp = Some(record.timestamp);
    let source =
        Source::Kafka { topic: Arc::clone(topic), partition, offset, timestamp, element: None };
    let headers = record.headers.iter().map(|(name, value)| {
        (name.clone(), value.as_ref().map(|value| value.to_vec()).unwrap_or_default())
    });
    let content = Content {
        key: record.key.as_ref().map(|key| key.to_vec()),
        value: record.value.as_ref().map(|value| value.to_vec()),
        headers: headers.collect(),
    };
    reread::record(source, content, given_up)
}

fn failed(error: KrafkaError) -> Unavailable {
    fault::unavailable(OPERATION, &error)
}
