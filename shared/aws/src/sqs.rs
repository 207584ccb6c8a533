//! Dead letters and the buffer in SQS, and feeds that go to a queue ([`SqsFeeds`]). Messages are sent in batches. If SQS accepts only a part of
//! a batch, the other messages fail one by one. The SDK retries whole batches; the caller decides
//! whether to retry a single rejected entry.
//!
//! The message group is the tenant's name, so that a fair queue serves a quiet tenant before the
//! backlog of a busy one. Both queues are standard queues: groups do not order messages.

mod feeds;
mod notifications;

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{BuildError, ProvideErrorMetadata as _};
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_sdk_sqs::types::{BatchResultErrorEntry, QueueAttributeName, SendMessageBatchRequestEntry};
use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::dead_letter::message::Message;
use drover_core::dead_letter::sending::{Queue, Sent, send};
use drover_core::ports::{Buffer, DeadLetters};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;

pub use self::feeds::SqsFeeds;
use crate::Aws;
use crate::batch::{BatchLimits, FailedEntry, batches, by_index};
use crate::calls::unavailable;

/// SQS's limits for a batch:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>
const LIMITS: BatchLimits = BatchLimits { entries: 10, bytes: 1024 * 1024 };
/// Batches sent concurrently.
const IN_FLIGHT: usize = 8;
/// The error code of a body with a forbidden character.
const CONTENTS: &str = "InvalidMessageContents";
/// The group of messages without a tenant. A tenant of that name would share only the group's place
/// in the fair queue.
const OPERATOR: &str = "operator";

/// A message on its way.
#[derive(Clone, Copy)]
struct Outgoing<'a> {
    body: &'a str,
    group: &'a str,
    /// Messages of a FIFO queue with the same one are accepted once within five minutes.
    deduplication: Option<&'a str>,
    /// Received after so many seconds.
    delay: Option<i32>,
}

/// A queue.
struct SqsQueue<'a> {
    dependency: Dependency,
    client: &'a Client,
    url: &'a str,
}

impl DeadLetters for Aws {
    async fn send_letters(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        send(&self.dead_letters(), &self.buffer(), messages).await
    }
}

impl Buffer for Aws {
    async fn send_buffered(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        send(&self.buffer(), &self.dead_letters(), messages).await
    }
}

impl Aws {
    fn dead_letters(&self) -> SqsQueue<'_> {
        let (client, url) = (&self.sqs, &self.config.dead_letter_queue_url);
        SqsQueue { dependency: Dependency::DeadLetterQueue, client, url }
    }

    fn buffer(&self) -> SqsQueue<'_> {
        let (client, url) = (&self.sqs, &self.config.buffer_queue_url);
        SqsQueue { dependency: Dependency::BufferQueue, client, url }
    }

    /// Whether the dead-letter queue answers.
    ///
    /// # Errors
    /// The queue does not answer.
    pub async fn probe_dead_letters(&self) -> Result<(), Unavailable> {
        probe(self.dead_letters()).await
    }

    /// Whether the buffer queue answers.
    ///
    /// # Errors
    /// The queue does not answer.
    pub async fn probe_buffer(&self) -> Result<(), Unavailable> {
        probe(self.buffer()).await
    }

    /// The approximate number of messages in the buffer queue.
    ///
    /// # Errors
    /// SQS does not answer, or leaves out an attribute.
    pub async fn queue_levels(&self) -> Result<QueueLevels, Unavailable> {
        let answer = self
            .sqs
            .get_queue_attributes()
            .queue_url(&*self.config.buffer_queue_url)
            .attribute_names(QueueLevels::WAITING)
            .attribute_names(QueueLevels::IN_FLIGHT)
            .attribute_names(QueueLevels::DELAYED)
            .send()
            .await
            .map_err(|error| {
                unavailable("reading a queue's attributes", &error).of(Dependency::BufferQueue)
            })?;
        QueueLevels::read(&answer.attributes.unwrap_or_default()).ok_or_else(|| {
            Unavailable::new(Reason::Unreachable, "SQS left out a queue's message counts")
                .of(Dependency::BufferQueue)
        })
    }
}

/// Approximate message counts of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueLevels {
    /// Waiting to be received.
    pub waiting: u64,
    /// Received, and neither deleted nor returned yet.
    pub in_flight: u64,
    /// Sent with a delay that has not passed yet.
    pub delayed: u64,
}

impl QueueLevels {
    const WAITING: QueueAttributeName = QueueAttributeName::ApproximateNumberOfMessages;
    const IN_FLIGHT: QueueAttributeName = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
    const DELAYED: QueueAttributeName = QueueAttributeName::ApproximateNumberOfMessagesDelayed;

    fn read(attributes: &HashMap<QueueAttributeName, String>) -> Option<Self> {
        let level = |name: QueueAttributeName| attributes.get(&name)?.parse().ok();
        Some(Self {
            waiting: level(Self::WAITING)?,
            in_flight: level(Self::IN_FLIGHT)?,
            delayed: level(Self::DELAYED)?,
        })
    }
}

async fn probe(queue: SqsQueue<'_>) -> Result<(), Unavailable> {
    let SqsQueue { dependency, client, url } = queue;
    let request = client
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(QueueAttributeName::ApproximateNumberOfMessages);
    let sent = request.send().await;
    let failed = |error| unavailable("reading a queue's attributes", &error).of(dependency);
    sent.map(|_| ()).map_err(failed)
}

impl Queue for SqsQueue<'_> {
    async fn send(&self, messages: &[Message]) -> Vec<Sent> {
        let outgoing: Vec<Outgoing<'_>> = messages.iter().map(Outgoing::of).collect();
        self.send_all(&outgoing).await
    }
}

impl<'a> Outgoing<'a> {
    fn of(message: &'a Message) -> Self {
        let group = message.tenant.as_ref().map_or(OPERATOR, |tenant| tenant.as_str());
        Self { body: &message.body, group, deduplication: None, delay: None }
    }
}

impl SqsQueue<'_> {
    /// Sends messages, several batches at once, and returns one result for each, in order.
    async fn send_all(&self, messages: &[Outgoing<'_>]) -> Vec<Sent> {
        let batches = batches(messages, LIMITS, |message| message.body.len());
        let sends: Vec<_> = batches.into_iter().map(|batch| self.send_batch(batch)).collect();
        // `buffered` keeps the order: the answer has one result for each message, in order.
        let sent = stream::iter(sends).buffered(IN_FLIGHT).concat().await;
        sent.into_iter().map(|sent| sent.of(self.dependency)).collect()
    }

    async fn send_batch(&self, batch: &[Outgoing<'_>]) -> Vec<Sent> {
        match self.try_batch(batch).await {
            // SQS rejects a single bad entry. If a compatible service rejects the whole batch, the
            // good messages must still be sent.
            Err(Sent::Refused(_)) if batch.len() > 1 => {
                let mut sent = Vec::with_capacity(batch.len());
                for alone in batch.chunks(1) {
                    sent.extend(self.try_batch(alone).await.unwrap_or_else(|fault| vec![fault]));
                }
                sent
            }
            sent => sent.unwrap_or_else(|fault| vec![fault; batch.len()]),
        }
    }

    /// Returns one result for each message, or one error for the whole batch.
    async fn try_batch(&self, batch: &[Outgoing<'_>]) -> Result<Vec<Sent>, Sent> {
        let entries = entries(batch).map_err(|_| {
            let message = "cannot build the request for a batch of messages";
            Sent::NotTaken(Unavailable::new(Reason::Bug, message))
        })?;
        let request = self.client.send_message_batch().queue_url(self.url);
        match request.set_entries(Some(entries)).send().await {
            Ok(answer) => Ok(results(batch.len(), answer)),
            Err(error) => Err(not_sent(error.code(), unavailable("sending messages", &error))),
        }
    }
}

/// Classifies a failed message: SQS rejects its body, or failed for another reason.
fn not_sent(code: Option<&str>, unavailable: Unavailable) -> Sent {
    match code {
        Some(CONTENTS) => Sent::Refused(unavailable),
        _ => Sent::NotTaken(unavailable),
    }
}

/// The id of an entry is its index in the batch.
fn entries(batch: &[Outgoing<'_>]) -> Result<Vec<SendMessageBatchRequestEntry>, BuildError> {
    let numbered = batch.iter().enumerate();
    numbered
        .map(|(index, message)| {
            SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body(message.body)
                .message_group_id(message.group)
                .set_message_deduplication_id(message.deduplication.map(str::to_owned))
                .set_delay_seconds(message.delay)
                .build()
        })
        .collect()
}

/// One result for each entry. An entry counts as sent only if SQS lists it as successful.
fn results(count: usize, answer: SendMessageBatchOutput) -> Vec<Sent> {
    let failed = answer.failed.into_iter().map(|entry| {
        let sent = not_sent(Some(&entry.code), failure(&entry));
        (entry.id, sent)
    });
    let sent = answer.successful.into_iter().map(|entry| (entry.id, Sent::Taken));
    let unmentioned =
        || Unavailable::new(Reason::Unreachable, "SQS returned no result for a message");
    by_index(count, sent.chain(failed), || Sent::NotTaken(unmentioned()))
}

fn failure(entry: &BatchResultErrorEntry) -> Unavailable {
    let failed = FailedEntry {
        operation: "sending a message",
        code: &entry.code,
        said: entry.message.as_deref(),
        is_sender_fault: entry.sender_fault,
    };
    failed.unavailable()
}
