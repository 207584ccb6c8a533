//! The feeds as topics of a cluster: CloudEvents in binary content mode.

use drover_core::base::time::Timestamp;
use drover_core::outputs::record::FeedRecord;
use drover_core::ports::{FeedTarget, NotPublished};

use super::KafkaCluster;
use super::producer::KafkaProducer;

/// Writes records of feeds.
#[derive(Debug)]
pub struct KafkaFeeds {
    producer: KafkaProducer,
}

impl KafkaFeeds {
    /// Feeds in a cluster. The first send connects.
    pub fn new(cluster: KafkaCluster) -> Self {
        Self { producer: KafkaProducer::new(cluster) }
    }
}

impl FeedTarget for KafkaFeeds {
    async fn publish(
        &self,
        topic: &str,
        records: &[FeedRecord],
        deadline: Timestamp,
    ) -> Vec<Result<(), NotPublished>> {
        let outgoing = records.iter().map(|record| outgoing(topic, record));
        let results = self.producer.produce(topic, outgoing, deadline).await;
        // A record without a result may be queued still, and would arrive after newer ones.
        if results.iter().any(|result| matches!(result, Err(NotPublished::Unavailable(_)))) {
            self.producer.give_up().await;
        }
        results.into_iter().map(|result| result.map(drop)).collect()
    }
}

fn outgoing(topic: &str, record: &FeedRecord) -> krafka::Record {
    let key = record.key.clone();
    let outgoing = match &record.data {
        Some(data) => krafka::Record::new(topic, data.as_bytes().to_vec()).key(key),
        None => krafka::Record::tombstone(topic, key),
    };
    let headers = record.headers().into_iter();
    headers.fold(outgoing, |outgoing, (name, value)| outgoing.header(name, value))
}
