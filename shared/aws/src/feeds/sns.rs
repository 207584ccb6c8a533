//! The feeds as messages of an SNS topic. The attributes of a message are for filter policies.
//!
//! A FIFO topic (`.fifo`) keeps the order of each subject, and accepts a record that is sent twice for one
//! commit within five minutes once. A standard topic keeps no order.

use std::collections::HashMap;
use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::error::BuildError;
use aws_sdk_sns::operation::publish_batch::PublishBatchOutput;
use aws_sdk_sns::types::{BatchResultErrorEntry, MessageAttributeValue, PublishBatchRequestEntry};
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::time::Timestamp;
use drover_core::outputs::record::FeedRecord;
use drover_core::ports::{FeedTarget, NotPublished};

use super::{BatchTarget, FifoIds, Results, not_published, publish, refused, region, structured};
use crate::batch::{BatchLimits, FailedEntry, by_index};
use crate::calls::unavailable;

/// The type of every attribute. Its name counts towards the size of a message.
const STRING: &str = "String";

/// Sends records of feeds to one topic.
#[derive(Clone)]
pub struct SnsFeeds {
    client: Client,
    arn: String,
}

impl fmt::Debug for SnsFeeds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SnsFeeds").field("arn", &self.arn).finish_non_exhaustive()
    }
}

/// A record as a message.
pub(crate) struct Entry {
    message: String,
    attributes: Vec<(&'static str, String)>,
    fifo: Option<FifoIds>,
}

impl SnsFeeds {
    /// Feeds in the topic with this ARN, in the topic's region.
    pub fn new(sdk: &SdkConfig, arn: &str) -> Self {
        let region = region(arn).or_else(|| sdk.region().cloned());
        let config = aws_sdk_sns::config::Builder::from(sdk).region(region).build();
        Self { client: Client::from_conf(config), arn: arn.to_owned() }
    }
}

impl Entry {
    fn request(&self, index: usize) -> Result<PublishBatchRequestEntry, BuildError> {
        let attributes = self.attributes.iter().map(|(name, text)| {
            let value = MessageAttributeValue::builder().data_type(STRING).string_value(text);
            Ok(((*name).to_owned(), value.build()?))
        });
        let attributes: HashMap<_, _> = attributes.collect::<Result<_, BuildError>>()?;
        PublishBatchRequestEntry::builder()
            .id(index.to_string())
            .message(&self.message)
            .set_message_attributes(Some(attributes))
            .set_message_group_id(self.fifo.as_ref().map(|ids| ids.group.clone()))
            .set_message_deduplication_id(self.fifo.as_ref().map(|ids| ids.deduplication.clone()))
            .build()
    }
}

impl BatchTarget for SnsFeeds {
    type Entry = Entry;

    /// What a topic accepts by default. Its attribute `MaximumMessageSize` can allow more, which is not used:
    /// <https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html>
    const LIMITS: BatchLimits = BatchLimits { entries: 10, bytes: 256 * 1024 };

    fn entry(&self, topic: &str, record: &FeedRecord) -> Result<Entry, NotPublished> {
        // At most ten, or SNS discards the message for subscribed queues with raw delivery:
        // https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
        let named = |name| record.attribute(name).unwrap_or_default().to_owned();
        let attributes = vec![
            ("ce_type", named("type")),
            ("ce_source", named("source")),
            ("feed", record.feed.as_str().to_owned()),
            ("topic", topic.to_owned()),
        ];
        let fifo = self.arn.ends_with(".fifo").then(|| FifoIds::of(topic, record));
        Ok(Entry { message: structured(record)?, attributes, fifo })
    }

    fn bytes(entry: &Entry) -> usize {
        let attributes = entry.attributes.iter();
        let attributes = attributes.map(|(name, text)| name.len() + STRING.len() + text.len());
        entry.message.len() + attributes.sum::<usize>()
    }

    async fn send(&self, batch: &[Entry]) -> Result<Results, NotPublished> {
        let requests = batch.iter().enumerate().map(|(index, entry)| entry.request(index));
        let requests: Result<Vec<_>, BuildError> = requests.collect();
        let requests =
            requests.map_err(|_| refused("a message has an invalid attribute".to_owned()))?;
        let request = self.client.publish_batch().topic_arn(&self.arn);
        match request.set_publish_batch_request_entries(Some(requests)).send().await {
            Ok(answer) => Ok(results(batch.len(), answer)),
            Err(error) => Err(not_published(unavailable("publishing messages", &error))),
        }
    }
}

impl FeedTarget for SnsFeeds {
    async fn publish(
        &self,
        topic: &str,
        records: &[FeedRecord],
        _deadline: Timestamp,
    ) -> Vec<Result<(), NotPublished>> {
        publish(self, topic, records).await
    }
}

/// One result for each message. A message counts as sent only if SNS lists it as successful.
fn results(count: usize, answer: PublishBatchOutput) -> Results {
    let failed = answer.failed.unwrap_or_default().into_iter();
    let failed = failed.map(|entry| (entry.id.clone(), Err(not_sent(&entry))));
    let sent = answer.successful.unwrap_or_default().into_iter();
    let sent = sent.filter_map(|entry| Some((entry.id?, Ok(()))));
    let unmentioned = || {
        let message = "SNS returned no result for a message";
        Err(not_published(Unavailable::new(Reason::Unreachable, message)))
    };
    by_index(count, sent.chain(failed), unmentioned)
}

fn not_sent(entry: &BatchResultErrorEntry) -> NotPublished {
    let failed = FailedEntry {
        operation: "publishing a message",
        code: &entry.code,
        said: entry.message.as_deref(),
        is_sender_fault: entry.sender_fault,
    };
    not_published(failed.unavailable())
}
