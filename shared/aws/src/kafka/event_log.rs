//! The event log in Kafka: a topic of a cluster, and its producer.
//!
//! A caller's retry may duplicate a record, and the ledger detects the duplicate.
//!
//! The topic's `max.message.bytes` must be at least
//! [`ENVELOPE_BYTES`](drover_core::base::limits::ENVELOPE_BYTES), because a batch may be as large as
//! the largest event. Kafka's default is far above that.

use drover_core::base::error::Unavailable;
use drover_core::base::time::Timestamp;
use drover_core::intake::event_log::{NotSent, Outgoing};
use drover_core::intake::record::Record;
use drover_core::ports::{EventLog, NotPublished};

use super::KafkaConfig;
use super::producer::{KafkaProducer, Placed};

/// Writes records to one topic.
#[derive(Debug)]
pub struct KafkaEventLog {
    topic: String,
    producer: KafkaProducer,
}

impl KafkaEventLog {
    /// An event log that connects on its first send, for callers that have a fallback.
    pub fn new(config: KafkaConfig) -> Self {
        Self { topic: config.topic, producer: KafkaProducer::new(config.cluster) }
    }

    /// An event log that is connected.
    ///
    /// # Errors
    /// [`Reason::Misconfigured`](drover_core::base::error::Reason::Misconfigured): the topic does not
    /// exist, or the brokers reject the credentials.
    /// [`Reason::Unreachable`](drover_core::base::error::Reason::Unreachable): no broker answers.
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
        self.producer.check(&self.topic).await
    }

    /// Sends records and returns one result for each, in order. Records with the same key arrive in
    /// the given order.
    pub async fn produce(
        &self,
        records: &[&Record],
        deadline: Timestamp,
    ) -> Vec<Result<Placed, Unavailable>> {
        let outgoing = records.iter().map(|record| outgoing(&self.topic, record));
        let results = self.producer.produce(&self.topic, outgoing, deadline).await;
        results.into_iter().map(|one| one.map_err(NotPublished::into_unavailable)).collect()
    }
}

impl EventLog for KafkaEventLog {
    async fn send(&self, events: &[Outgoing], deadline: Timestamp) -> Vec<Result<(), NotSent>> {
        let records: Vec<&Record> = events.iter().map(|event| &event.record).collect();
        let results = self.produce(&records, deadline).await;
        results.into_iter().map(|result| result.map(drop).map_err(NotSent::from)).collect()
    }
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
