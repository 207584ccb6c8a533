//! A Kafka cluster as a [`Log`].
//!
//! Every partition has a reader with its own connection: a broker answers the requests of one
//! connection in order, so a fetch that waits for records would block every other fetch. A reader
//! keeps records that were polled but not returned, and drops them when the next fetch starts
//! elsewhere.
//!
//! Not implemented: group membership. Partitions are read by offset, and offsets are committed from
//! outside the group, so there are no rebalances, and the broker rejects a commit while the group
//! has members. While a broker is unavailable, its partitions return no records; the client retries
//! and logs it. A deleted and recreated topic behaves the same way until its partitions are listed
//! again, which replaces its readers.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drover_aws::kafka::{KafkaCluster, describe, partitions, unavailable};
use drover_core::base::error::{Reason, Unavailable};
use futures_util::FutureExt as _;
use krafka::admin::{
    AdminClient, AlterConsumerGroupOffsetsOptions, ListConsumerGroupOffsetsOptions,
    ListTopicsOptions, TopicPartition,
};
use krafka::consumer::{AutoOffsetReset, Consumer, PartitionLag};
use krafka::{ConsumerRecord, KrafkaError};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use drover_event_log::{Bounds, Fetched, Log, Position, StoredRecord, TimestampType};

/// The maximum number of partitions that are read at once, each with one connection.
const READERS: usize = 256;
/// Readers that connect at once. More would slow each other down, because authentication is
/// deliberately expensive.
const CONNECTING: usize = 2;
/// The maximum records of one poll.
const POLLED: i32 = 1_000;
/// The timeout of a request about topics or groups.
const ADMIN: Duration = Duration::from_secs(10);

/// A cluster to read from. Clones share its connections.
#[derive(Clone)]
pub struct KafkaLog(Arc<Inner>);

struct Inner {
    cluster: KafkaCluster,
    admin: AdminClient,
    /// The topics to read; `None`: all topics.
    topics: Option<Vec<String>>,
    readers: Mutex<HashMap<(String, i32), Slot>>,
    /// The id of each topic, as last seen.
    ids: Mutex<HashMap<String, TopicId>>,
    connecting: Semaphore,
}

/// The id of a topic. A recreated topic has the same name and another id.
type TopicId = [u8; 16];

/// A reader, after the first fetch of its partition.
type Slot = Arc<tokio::sync::Mutex<Option<Reader>>>;

impl KafkaLog {
    /// Connects to a cluster, to read any of its topics.
    ///
    /// # Errors
    /// No broker answers, or the brokers reject the credentials.
    pub async fn connect(cluster: KafkaCluster) -> Result<Self, Unavailable> {
        Self::open(cluster, None).await
    }

    /// Connects to a cluster, to read only these topics.
    ///
    /// # Errors
    /// As for [`Self::connect`], and [`Reason::Misconfigured`] if a topic does not exist.
    pub async fn of_topics(
        cluster: KafkaCluster,
        topics: Vec<String>,
    ) -> Result<Self, Unavailable> {
        let log = Self::open(cluster, Some(topics)).await?;
        let mut missing = Vec::new();
        for topic in log.topics().await? {
            if partitions(&log.0.admin, &topic).await?.is_none() {
                missing.push(topic);
            }
        }
        if missing.is_empty() {
            return Ok(log);
        }
        let message = format!("topics do not exist: topics=`{}`", missing.join(", "));
        Err(Unavailable::new(Reason::Misconfigured, message))
    }

    async fn open(cluster: KafkaCluster, topics: Option<Vec<String>>) -> Result<Self, Unavailable> {
        let admin = cluster.client().await?.admin().default_api_timeout(ADMIN);
        let (readers, ids) = (Mutex::default(), Mutex::default());
        let connecting = Semaphore::new(CONNECTING);
        Ok(Self(Arc::new(Inner { cluster, admin, topics, readers, ids, connecting })))
    }

    fn id(&self, topic: &str) -> Option<TopicId> {
        self.0.ids.lock().unwrap_or_else(PoisonError::into_inner).get(topic).copied()
    }

    async fn connect_reader(&self, from: Position<'_>) -> Result<Reader, Unavailable> {
        // Never fails, because the semaphore is never closed.
        let _turn = self.0.connecting.acquire().await;
        Reader::open(&self.0.cluster, from, self.id(from.topic)).await
    }

    fn slot(&self, from: Position<'_>) -> Result<Slot, Unavailable> {
        let mut readers = self.0.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let count = readers.len();
        let key = (from.topic.to_owned(), from.partition);
        if count >= READERS && !readers.contains_key(&key) {
            let message = format!("too many partitions to read at once: maximum=`{READERS}`");
            return Err(Unavailable::new(Reason::Misconfigured, message));
        }
        Ok(Arc::clone(readers.entry(key).or_default()))
    }
}

impl Log for KafkaLog {
    async fn topics(&self) -> Result<Vec<String>, Unavailable> {
        if let Some(topics) = &self.0.topics {
            return Ok(topics.clone());
        }
        let listed = self.0.admin.list_topics(ListTopicsOptions::default()).await;
        listed.map_err(failed("listing topics"))
    }

    async fn partitions(&self, topic: &str) -> Result<Vec<i32>, Unavailable> {
        let Some(found) = describe(&self.0.admin, topic).await? else { return Ok(Vec::new()) };
        let mut ids = self.0.ids.lock().unwrap_or_else(PoisonError::into_inner);
        // A broker that does not know topic ids returns the default id.
        if found.id != TopicId::default() {
            ids.insert(topic.to_owned(), found.id);
        }
        Ok(found.partitions)
    }

    async fn fetch(&self, from: Position<'_>, bounds: Bounds) -> Result<Fetched, Unavailable> {
        let slot = self.slot(from)?;
        let mut slot = slot.lock().await;
        let known = self.id(from.topic);
        let is_anew = slot.as_mut().is_some_and(|reader| !reader.is_of(known));
        let reader = match &mut *slot {
            Some(reader) if !is_anew => reader,
            _ => {
                let reader = slot.insert(self.connect_reader(from).await?);
                reader.is_anew = is_anew;
                if is_anew {
                    let (topic, partition) = (from.topic, from.partition);
                    tracing::warn!(
                        topic,
                        partition,
                        "the topic was recreated, reading from its start"
                    );
                }
                reader
            }
        };
        reader.fetch(from.offset, bounds).await
    }

    async fn committed(&self, group: &str, topic: &str) -> Result<BTreeMap<i32, i64>, Unavailable> {
        let operation = "reading committed offsets";
        let options = ListConsumerGroupOffsetsOptions::default();
        let listed = self.0.admin.list_consumer_group_offsets(group, options).await;
        let of_topic = listed
            .map_err(failed(operation))?
            .into_iter()
            .filter(|(place, _)| place.topic() == topic)
            .map(|(place, found)| Ok((place.partition(), found.map_err(failed(operation))?.offset)))
            .collect::<Result<Vec<_>, Unavailable>>()?;
        Ok(of_topic.into_iter().filter_map(|(partition, at)| Some((partition, at?))).collect())
    }

    async fn commit(
        &self,
        group: &str,
        topic: &str,
        offsets: &BTreeMap<i32, i64>,
    ) -> Result<(), Unavailable> {
        let operation = "committing offsets";
        let offsets =
            offsets.iter().map(|(one, offset)| (TopicPartition::new(topic, *one), *offset));
        let options = AlterConsumerGroupOffsetsOptions::default();
        let committed = self.0.admin.alter_consumer_group_offsets(group, offsets, options).await;
        let mut results = committed.map_err(failed(operation))?.into_values();
        results.try_for_each(|result| result.map_err(failed(operation)))
    }
}

/// Reads one partition, from any offset.
struct Reader {
    topic: String,
    partition: i32,
    /// The id of the topic, if it was known when the reader was opened.
    id: Option<TopicId>,
    /// The topic was recreated, so requested offsets belong to the old topic until a fetch begins
    /// at the start.
    is_anew: bool,
    consumer: Consumer,
    /// Records that were polled and not returned yet.
    ready: VecDeque<StoredRecord>,
    /// The offset of the expected next fetch, at which `ready` begins.
    next: Option<i64>,
}

impl Reader {
    async fn open(
        cluster: &KafkaCluster,
        from: Position<'_>,
        id: Option<TopicId>,
    ) -> Result<Self, Unavailable> {
        let client = cluster.client().await?;
        let consumer = client
            .consumer_without_group()
            .auto_offset_reset(AutoOffsetReset::None)
            .max_poll_records(POLLED)
            .max_buffered_records(POLLED)
            .metrics_push(false)
            .build()
            .await
            .map_err(failed("opening a reader"))?;
        let assigned = consumer.assign(from.topic, vec![from.partition]).await;
        assigned.map_err(failed("opening a reader"))?;
        Ok(Self {
            topic: from.topic.to_owned(),
            partition: from.partition,
            id,
            is_anew: false,
            consumer,
            ready: VecDeque::new(),
            next: None,
        })
    }

    /// Whether the name still refers to the reader's topic. If the id was unknown when the reader
    /// was opened, the first known id counts.
    fn is_of(&mut self, known: Option<TopicId>) -> bool {
        self.id = self.id.or(known);
        self.id == known
    }

    async fn fetch(&mut self, offset: i64, bounds: Bounds) -> Result<Fetched, Unavailable> {
        if self.is_anew {
            let (start, end) = self.watermarks().await?;
            // A fetch without waiting only asks for the bounds and does not restart the reader.
            if offset != start || bounds.wait.is_zero() {
                return Ok(Fetched { records: Vec::new(), next: start, start, end });
            }
            self.is_anew = false;
        }
        if self.next != Some(offset) {
            self.next = None;
            self.ready.clear();
            let moved = self.consumer.seek(&self.topic, self.partition, offset).await;
            moved.map_err(failed("reading"))?;
            self.next = Some(offset);
        }
        if self.ready.is_empty() {
            match self.consumer.poll(bounds.wait).await {
                Ok(polled) => self.ready.extend(polled.into_iter().map(stored)),
                Err(KrafkaError::NoOffset { .. }) => return self.out_of_range(offset).await,
                Err(error) => {
                    self.next = None;
                    return Err(failed("reading")(error));
                }
            }
        }
        let lag = self.consumer.lag().await.into_values().next();
        let bounds_of = |lag: &PartitionLag| lag.log_start_offset.zip(lag.high_watermark);
        let (start, end) = match lag.as_ref().and_then(bounds_of) {
            Some(known) => known,
            None => self.watermarks().await?,
        };
        // No await from here on, so that a dropped fetch loses no records.
        let position = lag.and_then(|lag| lag.position).unwrap_or(offset);
        let at = self.ready.front().map_or(position, |first| first.offset);
        // The client moves back by itself if the log ends before the offset.
        let records = if at < offset { Vec::new() } else { take(&mut self.ready, bounds) };
        let next = match records.last() {
            Some(last) if !self.ready.is_empty() => last.offset.saturating_add(1),
            Some(_) => position,
            None => at,
        };
        self.next = (at >= offset).then_some(next);
        Ok(Fetched { records, next, start, end: end.max(next) })
    }

    /// The offset is before the start or after the end: returns no records and the nearest valid
    /// offset.
    async fn out_of_range(&mut self, offset: i64) -> Result<Fetched, Unavailable> {
        self.next = None;
        let (start, end) = self.watermarks().await?;
        Ok(Fetched { records: Vec::new(), next: offset.min(end).max(start), start, end })
    }

    async fn watermarks(&self) -> Result<(i64, i64), Unavailable> {
        let found = self.consumer.fetch_watermarks(&self.topic, self.partition).await;
        found.map_err(failed("looking up offsets"))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Closing starts a timer with the first poll, which needs a runtime.
        if Handle::try_current().is_ok() {
            let _ = self.consumer.close().now_or_never();
        }
    }
}

/// The first records within the bounds, at least one.
fn take(ready: &mut VecDeque<StoredRecord>, bounds: Bounds) -> Vec<StoredRecord> {
    let mut bytes = 0_usize;
    let fitting = ready.iter().take(bounds.records).take_while(|record| {
        bytes = bytes.saturating_add(record.bytes());
        bytes <= bounds.bytes
    });
    let count = fitting.count().max(1).min(ready.len());
    ready.drain(..count).collect()
}

fn stored(record: ConsumerRecord) -> StoredRecord {
    StoredRecord {
        offset: record.offset,
        timestamp: record.timestamp,
        timestamp_type: match record.timestamp_type {
            krafka::TimestampType::LogAppendTime => TimestampType::LogAppendTime,
            // The client's enum may grow; Kafka's flag is a single bit.
            _ => TimestampType::CreateTime,
        },
        key: record.key,
        value: record.value,
        headers: record.headers,
    }
}

fn failed(operation: &'static str) -> impl Fn(KrafkaError) -> Unavailable {
    move |error| unavailable(operation, &error)
}
