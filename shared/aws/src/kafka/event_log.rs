//! The stream in Kafka. `Ok` is what the leader of a partition acknowledged once every replica in
//! sync had it (acks=all), and nothing else is.
//!
//! The producer is idempotent: what it sends again by itself is in the topic once. What a caller
//! sends again may be there twice, which is no harm: the ledger finds it. A record whose result
//! did not come in time may still arrive for another [`PATIENCE`].
//!
//! The limit of the topic (`max.message.bytes`) must not be below [`ENVELOPE_BYTES`], Kafka's own
//! default is far above it: batches are never larger than the largest event.

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

/// How long a batch waits for company.
const LINGER: Duration = Duration::from_millis(5);
/// The most that a send takes, whatever its deadline: whoever sends has a way around a cluster that
/// is not there, and a sender of his own who waits. The client goes on with a record as long,
/// whether somebody still waits for it or not.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a send waits for a topic that has vanished, or for room in the buffer.
const BLOCK: Duration = Duration::from_secs(2);
/// Records that have no result yet, in bytes. Beyond that, callers wait.
const BUFFER_BYTES: usize = 32 * 1024 * 1024;

/// Where an acknowledged record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The partition.
    pub partition: i32,
    /// The offset; -1 where the broker knew the record already and says no more.
    pub offset: i64,
}

/// A topic to write to.
#[derive(Debug)]
pub struct KafkaEventLog {
    config: KafkaConfig,
    /// None before the first send, and after an error that a producer does not survive.
    producer: Mutex<Option<Arc<Producer>>>,
}

impl KafkaEventLog {
    /// A stream that connects with its first send: for those who have a way around Kafka when it
    /// is not there.
    pub fn new(config: KafkaConfig) -> Self {
        Self { config, producer: Mutex::new(None) }
    }

    /// A stream that is connected.
    ///
    /// # Errors
    /// [`Reason::Misconfigured`]: the topic does not exist, or the brokers refuse the credentials.
    /// [`Reason::Unreachable`]: no broker answers.
    pub async fn connect(config: KafkaConfig) -> Result<Self, Unavailable> {
        let event_log = Self::new(config);
        event_log.check().await?;
        Ok(event_log)
    }

    /// Connects, where it is not connected.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn check(&self) -> Result<(), Unavailable> {
        self.producer().await.map(drop)
    }

    /// Sends records; the answer has one result for each, in order. Records of one key arrive in
    /// the order in which they are given.
    pub async fn produce(
        &self,
        records: &[&Record],
        deadline: Timestamp,
    ) -> Vec<Result<Placed, Unavailable>> {
        let Some(until) = instant(deadline) else {
            let late = Unavailable::new(Reason::Deadline, "no time is left to send records");
            return vec![Err(late); records.len()];
        };
        match in_time(until, self.ready()).await {
            Ok(producer) => self.send_all(&producer, records, until).await,
            Err(error) => vec![Err(error); records.len()],
        }
    }

    /// All go into the producer's queue before the first result is waited for, so that they share
    /// batches.
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
            queued.push(in_time(until, self.judged(producer, queueing)).await);
        }
        let mut results = Vec::with_capacity(records.len());
        for handle in queued {
            results.push(match handle {
                Ok(handle) => in_time(until, self.judged(producer, handle)).await.map(placed),
                Err(error) => Err(error),
            });
        }
        results
    }

    /// The producer, once the topic is known to exist: a topic that has vanished is found here, at
    /// once for all records.
    async fn ready(&self) -> Result<Arc<Producer>, Unavailable> {
        let producer = self.producer().await?;
        self.judged(&producer, producer.partitions_for(&self.config.topic)).await?;
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

    /// What a call gave. A producer that an error has ended gives way to a new one, with the next
    /// send: a warm environment must not stay broken.
    async fn judged<T>(
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
                tracing::warn!(%error, "the producer has ended, the next send opens another one");
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

/// The checks come first: a producer alone would wait for a topic that is not there.
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

/// Nobody waits any more. Closing begins with the first poll, and the client goes on in the
/// background with what it has.
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

/// When a send ends, or `None` where it has passed.
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
