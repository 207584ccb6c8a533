//! A Kafka cluster as a [`Log`].
//!
//! Every partition has a reader with a connection of its own: a broker answers the requests of one
//! connection in turn, so a fetch that waits for records would hold up every other one. What a
//! reader got and nobody asked for yet stays with it, and goes when somebody reads on elsewhere.
//!
//! Left out: membership of the group. Partitions are read by offset and offsets are committed from
//! outside of the group, so nothing is rebalanced, and the broker refuses a commit while somebody
//! else is a member. A broker that is gone looks like partitions where nothing new comes: the
//! client goes on trying, and says so in its log. So does, for good, a topic that was deleted and made
//! anew: its readers are replaced as soon as somebody looks for its partitions.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drover_aws::kafka::{KafkaConfig, describe, partitions, unavailable};
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

/// Partitions that are read at once, each by a connection.
const READERS: usize = 256;
/// Readers that connect beside each other. More of them would be too slow for each other: proving
/// who one is takes its time on purpose.
const CONNECTING: usize = 2;
/// Records that one poll gives.
const POLLED: i32 = 1_000;
/// One request about topics or groups.
const ADMIN: Duration = Duration::from_secs(10);

/// A cluster to read from. Clones share its connections.
#[derive(Clone)]
pub struct KafkaLog(Arc<Inner>);

struct Inner {
    config: KafkaConfig,
    admin: AdminClient,
    /// All that there are, where nothing is said.
    topics: Option<Vec<String>>,
    readers: Mutex<HashMap<(String, i32), Slot>>,
    /// Which topic a name stands for, as it was last seen.
    ids: Mutex<HashMap<String, TopicId>>,
    connecting: Semaphore,
}

/// The identity of a topic, whose name may get another one.
type TopicId = [u8; 16];

/// A reader, once somebody has asked for its partition.
type Slot = Arc<tokio::sync::Mutex<Option<Reader>>>;

impl KafkaLog {
    /// Connects to a cluster, to read any of its topics. The topic of `config` means nothing here.
    ///
    /// # Errors
    /// No broker answers, or they refuse the credentials.
    pub async fn connect(config: KafkaConfig) -> Result<Self, Unavailable> {
        Self::open(config, None).await
    }

    /// Connects to a cluster, to read these topics and no others.
    ///
    /// # Errors
    /// As [`Self::connect`], and where one of them does not exist ([`Reason::Misconfigured`]).
    pub async fn of_topics(config: KafkaConfig, topics: Vec<String>) -> Result<Self, Unavailable> {
        let log = Self::open(config, Some(topics)).await?;
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

    async fn open(config: KafkaConfig, topics: Option<Vec<String>>) -> Result<Self, Unavailable> {
        let admin = config.client().await?.admin().default_api_timeout(ADMIN);
        let (readers, ids) = (Mutex::default(), Mutex::default());
        let connecting = Semaphore::new(CONNECTING);
        Ok(Self(Arc::new(Inner { config, admin, topics, readers, ids, connecting })))
    }

    fn id(&self, topic: &str) -> Option<TopicId> {
        self.0.ids.lock().unwrap_or_else(PoisonError::into_inner).get(topic).copied()
    }

    async fn connect_reader(&self, from: Position<'_>) -> Result<Reader, Unavailable> {
        // It is never closed, so a turn always comes.
        let _turn = self.0.connecting.acquire().await;
        Reader::open(&self.0.config, from, self.id(from.topic)).await
    }

    fn slot(&self, from: Position<'_>) -> Result<Slot, Unavailable> {
        let mut readers = self.0.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let count = readers.len();
        let key = (from.topic.to_owned(), from.partition);
        if count >= READERS && !readers.contains_key(&key) {
            let message = format!("too many partitions are read at once: at_most=`{READERS}`");
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
        // A broker that knows no ids says nothing about the topic.
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
                    tracing::warn!(topic, partition, "made anew, it is read from its start");
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

/// Reads one partition, from wherever it is told to.
struct Reader {
    topic: String,
    partition: i32,
    /// Which topic this is, where that was known when it was opened.
    id: Option<TopicId>,
    /// Offsets that are asked for are another topic's, until somebody begins at the start.
    is_anew: bool,
    consumer: Consumer,
    /// What was polled and not given away yet.
    ready: VecDeque<StoredRecord>,
    /// The offset at which the next fetch is expected, with which `ready` begins.
    next: Option<i64>,
}

impl Reader {
    async fn open(
        config: &KafkaConfig,
        from: Position<'_>,
        id: Option<TopicId>,
    ) -> Result<Self, Unavailable> {
        let client = config.client().await?;
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

    /// Whether the name still stands for the topic that it reads. What was not known when it was
    /// opened is what is known first.
    fn is_of(&mut self, known: Option<TopicId>) -> bool {
        self.id = self.id.or(known);
        self.id == known
    }

    async fn fetch(&mut self, offset: i64, bounds: Bounds) -> Result<Fetched, Unavailable> {
        if self.is_anew {
            let (start, end) = self.watermarks().await?;
            // Who only looks (and does not wait) is told, and goes on as before.
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
        // From here on nothing waits, so that a fetch which is dropped has given nothing away.
        let position = lag.and_then(|lag| lag.position).unwrap_or(offset);
        let at = self.ready.front().map_or(position, |first| first.offset);
        // The client goes back by itself where the log ends before the offset.
        let records = if at < offset { Vec::new() } else { take(&mut self.ready, bounds) };
        let next = match records.last() {
            Some(last) if !self.ready.is_empty() => last.offset.saturating_add(1),
            Some(_) => position,
            None => at,
        };
        self.next = (at >= offset).then_some(next);
        Ok(Fetched { records, next, start, end: end.max(next) })
    }

    /// Records before the start are gone, and those beyond the end are not there.
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
        // Closing begins with the first poll, and starts a timer.
        if Handle::try_current().is_ok() {
            let _ = self.consumer.close().now_or_never();
        }
    }
}

/// The first records within the bounds, and one in any case.
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
            // The client's list may grow, Kafka's bit cannot.
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
