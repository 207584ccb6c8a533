//! The feeds as messages of a queue: CloudEvents as structured JSON, those of all feeds in one queue.
//!
//! A FIFO queue (`.fifo`) keeps the order of each subject: the message group is the subject, and a record that is
//! sent twice for one commit within five minutes is accepted once. A standard queue keeps no order; its message
//! group is the tenant, for a fair queue.

use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::sending::Sent;
use drover_core::dead_letter::text::sendable;
use drover_core::event::digest;
use drover_core::outputs::record::FeedRecord;
use drover_core::ports::{FeedTarget, NotPublished};

use super::{Outgoing, SqsQueue};

/// One batch after the other, so that no message overtakes another one of its subject.
const ONE_BY_ONE: usize = 1;

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
struct Written {
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

    fn is_fifo(&self) -> bool {
        self.url.ends_with(".fifo")
    }

    fn written(&self, topic: &str, record: &FeedRecord) -> Result<Written, NotPublished> {
        let body = record.structured().map(sendable).map_err(|fault| {
            let message = format!("a record of a feed is not JSON: {fault}");
            NotPublished::Refused(Unavailable::new(Reason::Bug, message))
        })?;
        if !self.is_fifo() {
            let group = record.key.split('/').next().unwrap_or_default().to_owned();
            return Ok(Written { body, group, deduplication: None });
        }
        let attribute = |name| record.attribute(name).unwrap_or_default().as_bytes();
        let parts =
            [topic.as_bytes(), attribute("source"), attribute("id"), attribute("drovercommit")];
        // Keys and ids may be longer than the 128 characters that SQS allows.
        let group = digest(&[record.key.as_bytes()]);
        Ok(Written { body, group, deduplication: Some(digest(&parts)) })
    }
}

impl FeedTarget for SqsFeeds {
    async fn publish(
        &self,
        topic: &str,
        records: &[FeedRecord],
        _deadline: Timestamp,
    ) -> Vec<Result<(), NotPublished>> {
        let written: Vec<_> = records.iter().map(|record| self.written(topic, record)).collect();
        let outgoing = written.iter().flatten().map(|written| Outgoing {
            body: &written.body,
            group: &written.group,
            deduplication: written.deduplication.as_deref(),
        });
        let outgoing: Vec<Outgoing<'_>> = outgoing.collect();
        let (client, url) = (&self.client, self.url.as_str());
        let queue = SqsQueue { dependency: Dependency::EventLog, client, url };
        let mut sent = queue.send_all(&outgoing, ONE_BY_ONE).await.into_iter();
        let unmentioned = || Unavailable::new(Reason::Bug, "a message has no result");
        let result = |written: Result<Written, NotPublished>| {
            written?;
            match sent.next().unwrap_or_else(|| Sent::NotTaken(unmentioned())) {
                Sent::Taken => Ok(()),
                Sent::Refused(unavailable) => Err(NotPublished::Refused(unavailable)),
                Sent::NotTaken(unavailable) => Err(NotPublished::Unavailable(unavailable)),
            }
        };
        written.into_iter().map(result).collect()
    }
}
