//! The event log in Kafka. A send is `Ok` only after the partition's leader acknowledged the record
//! with acks=all, that is, after every in-sync replica had it.
//!
//! The producer is idempotent: its own retries do not duplicate a record. A caller's retry may
//! duplicate a record, and the ledger detects the duplicate. A record whose result timed out may
//! still arrive for another [`PATIENCE`].
//!
//! The topic's `max.message.bytes` must be at least [`ENVELOPE_BYTES`], because a batch may be as
//! large as the largest event. Kafka's default is far above that.

use std::sync::Arc;
use std::time::Duration;

use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::limits::ENVELOPE_BYTES;
use drover_core::base::time::Timestamp;
use drover_core::intake::event_log::{NotSent, Outgoing};
use drover_core::intake::record::Record;
use drover_core::ports::EventLog;
use futures_util::FutureExt as _;
use krafka::KrafkaError;
use krafka::producer::{DeliveryHandle, Producer, RecordMetadata};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::{KafkaConfig, fault, partitions};
use crate::clock;

/// How long a batch waits for more records.
const LINGER: Duration = Duration::from_millis(5);
/// The upper bound of a send, whatever its deadline: the caller has a fallback for an unreachable
/// cluster, and its own client is waiting. The Kafka client keeps trying to deliver a record
/// for this long, even after the caller has given up.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a send waits for a deleted topic, or for space in the buffer.
const BLOCK: Duration = Duration::from_secs(2);
/// The bytes of unacknowledged records above which senders wait.
const BUFFER_BYTES: usize = 32 * 1024 * 1024;

/// The partition and offset of an acknowledged record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The partition.
    pub partition: i32,
    /// The offset, or -1 if the broker detected a duplicate and gives no offset.
    pub offset: i64,
}

/// Writes records to one topic.
#[derive(Debug)]
pub struct KafkaEventLog {
    config: KafkaConfig,
    /// `None` before the first send and after a fatal error of the producer.
    producer: Mutex<Option<Arc<Producer>>>,
}

impl KafkaEventLog {
    /// An event log that connects on its first send, for callers that have a fallback.
    pub fn new(config: KafkaConfig) -> Self {
        Self { config, producer: Mutex::new(None) }
    }

    /// An event log that is connected.
    ///
    /// # Errors
    /// [`Reason::Misconfigured`]: the topic does not exist, or the brokers reject the credentials.
    /// [`Reason::Unreachable`]: no broker answers.
    pub async fn connect(config: KafkaConfig) -> Result<Self, Unavailable> {
        let event_log = Self::new(config);
        event_log.check().await?;
        Ok(event_log)
    }

    /// Connects unless a connection exists.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn check(&self) -> Result<(), Unavailable> {
        self.producer().await.map(drop)
    }

    /// Sends records and returns one result for each, in order. Records with the same key arrive in
    /// the given order.
    pub async fn produce(
        &self,
        records: &[&Record],
        deadline: Timestamp,
    ) -> Vec<Result<Placed, Unavailable>> {
        let Some(until) = instant(deadline) else {
            let late = Unavailable::new(
                Reason::Deadline,
                "the deadline has passed before records were sent",
            );
            return vec![Err(late); records.len()];
        };
        match in_time(until, self.ready()).await {
            Ok(producer) => self.send_all(&producer, records, until).await,
            Err(error) => vec![Err(error); records.len()],
        }
    }

    /// Queues all records before it waits for the first result, so that they share batches.
    async fn send_all(
        &self,
        producer: &Arc<Producer>,
        records: &[&Record],
        until: Instant,
    ) -> Vec<Result<Placed, Unavailable>> {
        let mut queued: Vec<Result<DeliveryHandle, Unavailable>> =
            Vec::with_capacity(records.len());
        for record in records {
            let queueing = producer.enqueue(outgoing(&self.config.topic, record));
            queued.push(in_time(until, self.checked(producer, queueing)).await);
        }
        let mut results = Vec::with_capacity(records.len());
        for handle in queued {
            results.push(match handle {
                Ok(handle) => in_time(until, self.checked(producer, handle)).await.map(placed),
                Err(error) => Err(error),
            });
        }
        results
    }

    /// The producer, after a check that the topic exists: a deleted topic fails all records here at
    /// once.
    async fn ready(&self) -> Result<Arc<Producer>, Unavailable> {
        let producer = self.producer().await?;
        self.checked(&producer, producer.partitions_for(&self.config.topic)).await?;
        Ok(producer)
    }

    async fn producer(&self) -> Result<Arc<Producer>, Unavailable> {
        let mut kept = self.producer.lock().await;
        if let Some(producer) = &*kept {
            return Ok(Arc::clone(producer));
        }
        let producer = Arc::new(open(&self.config).await?);
        *kept = Some(Arc::clone(&producer));
        Ok(producer)
    }

    /// Awaits a call. After a fatal error the next send opens a new producer: a warm environment
    /// must recover.
    async fn checked<T>(
        &self,
        producer: &Arc<Producer>,
        call: impl Future<Output = Result<T, KrafkaError>>,
    ) -> Result<T, Unavailable> {
        let error = match call.await {
            Ok(given) => return Ok(given),
            Err(error) => error,
        };
        if error.is_fatal() {
            let mut kept = self.producer.lock().await;
            if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, producer)) {
                tracing::warn!(%error, "the producer has failed, the next send opens a new one");
                kept.take().iter().for_each(close);
            }
        }
        Err(fault::unavailable("sending to Kafka", &error))
    }
}

impl EventLog for KafkaEventLog {
    async fn send(&self, events: &[Outgoing], deadline: Timestamp) -> Vec<Result<(), NotSent>> {
        let records: Vec<&Record> = events.iter().map(|event| &event.record).collect();
        let results = self.produce(&records, deadline).await;
        results.into_iter().map(|result| result.map(drop).map_err(NotSent::from)).collect()
    }
}

impl Drop for KafkaEventLog {
    fn drop(&mut self) {
        self.producer.get_mut().take().iter().for_each(close);
    }
}

/// Checks that the topic exists before it opens a producer: a producer would wait for a missing
/// topic.
async fn open(config: &KafkaConfig) -> Result<Producer, Unavailable> {
    let client = config.client().await?;
    if partitions(&client.admin(), &config.topic).await?.is_none() {
        let message = format!("the topic does not exist: topic=`{}`", config.topic);
        return Err(Unavailable::new(Reason::Misconfigured, message).of(Dependency::EventLog));
    }
    let producer = client
        .producer()
        .idempotent(true)
        .linger(LINGER)
        .batch_size(ENVELOPE_BYTES)
        .buffer_memory(BUFFER_BYTES)
        .delivery_timeout(PATIENCE)
        .max_block(BLOCK)
        .metrics_push(false);
    producer.build().await.map_err(|error| fault::unavailable("opening a producer", &error))
}

/// Closes a producer without waiting. The first poll starts the close, and the client delivers the
/// queued records in the background.
fn close(producer: &Arc<Producer>) {
    let _ = producer.close().now_or_never();
}

fn placed(acknowledged: RecordMetadata) -> Placed {
    Placed { partition: acknowledged.partition, offset: acknowledged.offset }
}

fn outgoing(topic: &str, record: &Record) -> krafka::Record {
    let value = record.value.clone().unwrap_or_default();
    let mut outgoing = krafka::Record::new(topic, value);
    if record.value.is_none() {
        outgoing = outgoing.without_value();
    }
    if let Some(key) = &record.key {
        outgoing = outgoing.key(key.clone());
    }
    let headers = record.headers.iter();
    headers.fold(outgoing, |outgoing, (name, value)| outgoing.header(name, value.clone()))
}

/// When a send times out, or `None` if the deadline has passed.
fn instant(deadline: Timestamp) -> Option<Instant> {
    let left = deadline.micros().checked_sub(clock::now().micros())?;
    let left = Duration::from_micros(u64::try_from(left).ok().filter(|left| *left > 0)?);
    Some(Instant::now() + left.min(PATIENCE))
}

async fn in_time<T>(
    until: Instant,
    call: impl Future<Output = Result<T, Unavailable>>,
) -> Result<T, Unavailable> {
    timeout_at(until, call).await.unwrap_or_else(|_| Err(fault::no_answer("sending to Kafka")))
}
