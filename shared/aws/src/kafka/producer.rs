//! A producer of a cluster. A record is sent only after its partition's leader acknowledged it with
//! acks=all, that is, after every in-sync replica had it.
//!
//! The producer is idempotent: its own retries do not duplicate a record, and the records of one
//! partition keep their order. A caller's retry may duplicate a record. A record whose result timed
//! out may still arrive for another [`PATIENCE`], unless the caller gives it up
//! ([`KafkaProducer::give_up`]).

use std::sync::Arc;
use std::time::Duration;

use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::limits::ENVELOPE_BYTES;
use drover_core::base::time::Timestamp;
use drover_core::ports::NotPublished;
use futures_util::FutureExt as _;
use krafka::{CloseOptions, KrafkaError};

use krafka::producer::{DeliveryHandle, Producer, RecordMetadata};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::{KafkaCluster, fault, partitions};
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

/// A producer that connects on its first send.
#[derive(Debug)]
pub struct KafkaProducer {
    cluster: KafkaCluster,
    /// `None` before the first send and after a fatal error of the producer.
    producer: Mutex<Option<Arc<Producer>>>,
}

impl KafkaProducer {
    /// A producer for a cluster.
    pub fn new(cluster: KafkaCluster) -> Self {
        Self { cluster, producer: Mutex::new(None) }
    }

    /// Connects unless a connection exists, and checks that a topic exists.
    ///
    /// # Errors
    /// [`Reason::Misconfigured`]: the topic does not exist, or the brokers reject the credentials.
    /// [`Reason::Unreachable`]: no broker answers.
    pub async fn check(&self, topic: &str) -> Result<(), Unavailable> {
        self.producer(topic).await.map(drop).map_err(NotPublished::into_unavailable)
    }

    /// Sends records to a topic and returns one result for each, in order. Records with the same key
    /// arrive in the given order.
    pub async fn produce(
        &self,
        topic: &str,
        records: impl ExactSizeIterator<Item = krafka::Record>,
        deadline: Timestamp,
    ) -> Vec<Result<Placed, NotPublished>> {
        let count = records.len();
        let Some(until) = instant(deadline) else {
            let late = Unavailable::new(
                Reason::Deadline,
                "the deadline has passed before records were sent",
            );
            return vec![Err(NotPublished::Unavailable(late)); count];
        };
        match in_time(until, self.ready(topic)).await {
            Ok(producer) => self.send_all(&producer, records, until).await,
            Err(error) => vec![Err(error); count],
        }
    }

    /// Queues all records before it waits for the first result, so that they share batches. Behind a record
    /// that cannot be queued, none is: it would arrive before a record that is older.
    async fn send_all(
        &self,
        producer: &Arc<Producer>,
        records: impl ExactSizeIterator<Item = krafka::Record>,
        until: Instant,
    ) -> Vec<Result<Placed, NotPublished>> {
        let mut queued: Vec<Result<DeliveryHandle, NotPublished>> =
            Vec::with_capacity(records.len());
        let mut failed = None;
        for record in records {
            if let Some(failed) = &failed {
                queued.push(Err(NotPublished::clone(failed)));
                continue;
            }
            let queueing = producer.enqueue(record);
            let handle = in_time(until, self.checked(producer, queueing)).await;
            failed = handle.as_ref().err().cloned();
            queued.push(handle);
        }
        let mut results = Vec::with_capacity(queued.len());
        for handle in queued {
            results.push(match handle {
                Ok(handle) => in_time(until, self.checked(producer, handle)).await.map(placed),
                Err(error) => Err(error),
            });
        }
        results
    }

    /// Drops the records that are queued and not acknowledged, so that none of them arrives after
    /// what the caller sends next. The next send opens a new producer.
    pub async fn give_up(&self) {
        let producer = self.producer.lock().await.take();
        if let Some(producer) = producer {
            // Fails because records are dropped, which is the intention.
            let _ = producer.close_with(CloseOptions::new().timeout(Duration::ZERO)).await;
        }
    }

    /// The producer, after a check that the topic exists: a deleted topic fails all records here at
    /// once.
    async fn ready(&self, topic: &str) -> Result<Arc<Producer>, NotPublished> {
        let producer = self.producer(topic).await?;
        self.checked(&producer, producer.partitions_for(topic)).await?;
        Ok(producer)
    }

    async fn producer(&self, topic: &str) -> Result<Arc<Producer>, NotPublished> {
        let mut kept = self.producer.lock().await;
        if let Some(producer) = &*kept {
            return Ok(Arc::clone(producer));
        }
        let producer = Arc::new(open(&self.cluster, topic).await?);
        *kept = Some(Arc::clone(&producer));
        Ok(producer)
    }

    /// Awaits a call. After a fatal error the next send opens a new producer: a warm environment
    /// must recover.
    async fn checked<T>(
        &self,
        producer: &Arc<Producer>,
        call: impl Future<Output = Result<T, KrafkaError>>,
    ) -> Result<T, NotPublished> {
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
        Err(fault::not_published("sending to Kafka", &error))
    }
}

impl Drop for KafkaProducer {
    fn drop(&mut self) {
        self.producer.get_mut().take().iter().for_each(close);
    }
}

/// Checks that the topic exists before it opens a producer: a producer would wait for a missing
/// topic.
async fn open(cluster: &KafkaCluster, topic: &str) -> Result<Producer, NotPublished> {
    let client = cluster.client().await.map_err(NotPublished::Unavailable)?;
    let found = partitions(&client.admin(), topic).await;
    if found.map_err(NotPublished::Unavailable)?.is_none() {
        return Err(NotPublished::Closed(missing(topic)));
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
    producer.build().await.map_err(|error| fault::not_published("opening a producer", &error))
}

fn missing(topic: &str) -> Unavailable {
    let message = format!("the topic does not exist: topic=`{topic}`");
    Unavailable::new(Reason::Misconfigured, message).of(Dependency::EventLog)
}

/// Closes a producer without waiting. The first poll starts the close, and the client delivers the
/// queued records in the background.
fn close(producer: &Arc<Producer>) {
    let _ = producer.close().now_or_never();
}

fn placed(acknowledged: RecordMetadata) -> Placed {
    Placed { partition: acknowledged.partition, offset: acknowledged.offset }
}

/// When a send times out, or `None` if the deadline has passed.
fn instant(deadline: Timestamp) -> Option<Instant> {
    let left = deadline.micros().checked_sub(clock::now().micros())?;
    let left = Duration::from_micros(u64::try_from(left).ok().filter(|left| *left > 0)?);
    Some(Instant::now() + left.min(PATIENCE))
}

async fn in_time<T>(
    until: Instant,
    call: impl Future<Output = Result<T, NotPublished>>,
) -> Result<T, NotPublished> {
    let late = |_| Err(NotPublished::Unavailable(fault::no_answer("sending to Kafka")));
    timeout_at(until, call).await.unwrap_or_else(late)
}
