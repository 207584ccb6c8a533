//! The feeds as messages of a queue: CloudEvents as structured JSON, those of all feeds in one queue.
//!
//! A FIFO queue (`.fifo`) keeps the order of each subject: the message group is the subject, and a record that is
//! sent twice for one commit within five minutes is accepted once. A standard queue keeps no order; its message
//! group is the tenant, for a fair queue.

use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use drover_core::base::dependency::Dependency;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::sending::Sent;
use drover_core::outputs::record::FeedRecord;
use drover_core::ports::{FeedTarget, NotPublished};

use super::{LIMITS, Outgoing, SqsQueue};
use crate::batch::BatchLimits;
use crate::feeds::{BatchTarget, FifoIds, Results, not_published, publish, structured};

/// Sends records of feeds to one queue.
#[derive(Clone)]
pub struct SqsFeeds {
    client: Client,
    url: String,
}

impl fmt::Debug for SqsFeeds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SqsFeeds").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A record as a message.
pub(crate) struct Entry {
    body: String,
    group: String,
    deduplication: Option<String>,
}

impl SqsFeeds {
    /// Feeds in the queue with this URL.
    pub fn new(sdk: &SdkConfig, url: &str) -> Self {
        Self::with(Client::new(sdk), url)
    }

    /// The same with an existing client.
    pub fn with(client: Client, url: &str) -> Self {
        Self { client, url: url.to_owned() }
    }
}

impl BatchTarget for SqsFeeds {
    type Entry = Entry;

    const LIMITS: BatchLimits = LIMITS;

    fn entry(&self, topic: &str, record: &FeedRecord) -> Result<Entry, NotPublished> {
        let body = structured(record)?;
        if self.url.ends_with(".fifo") {
            let FifoIds { group, deduplication } = FifoIds::of(topic, record);
            return Ok(Entry { body, group, deduplication: Some(deduplication) });
        }
        let group = record.key.split('/').next().unwrap_or_default().to_owned();
        Ok(Entry { body, group, deduplication: None })
    }

    fn bytes(entry: &Entry) -> usize {
        entry.body.len()
    }

    async fn send(&self, batch: &[Entry]) -> Result<Results, NotPublished> {
        let outgoing = batch.iter().map(|entry| Outgoing {
            body: &entry.body,
            group: &entry.group,
            deduplication: entry.deduplication.as_deref(),
            delay: None,
        });
        let outgoing: Vec<Outgoing<'_>> = outgoing.collect();
        let (client, url) = (&self.client, self.url.as_str());
        let queue = SqsQueue { dependency: Dependency::EventLog, client, url };
        let result = |sent: Sent| match sent {
            Sent::Taken => Ok(()),
            Sent::Refused(unavailable) | Sent::NotTaken(unavailable) => {
                Err(not_published(unavailable))
            }
        };
        match queue.try_batch(&outgoing).await {
            Ok(sent) => Ok(sent.into_iter().map(result).collect()),
            Err(fault) => result(fault).map(|()| Results::new()),
        }
    }
}

impl FeedTarget for SqsFeeds {
    async fn publish(
        &self,
        topic: &str,
        records: &[FeedRecord],
        _deadline: Timestamp,
    ) -> Vec<Result<(), NotPublished>> {
        publish(self, topic, records).await
    }
}
