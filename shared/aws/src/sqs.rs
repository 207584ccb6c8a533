//! Dead letters and the buffer in SQS, and feeds that go to a queue ([`SqsFeeds`]). Messages are sent in batches. If SQS accepts only a part of
//! a batch, the other messages fail one by one. The SDK retries whole batches; the caller decides
//! whether to retry a single rejected entry.
//!
//! The message group is the tenant's name, so that a fair queue serves a quiet tenant before the
//! backlog of a busy one. Both queues are standard queues: groups do not order messages.

mod feeds;

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
use crate::calls::{Failure, unavailable};
use crate::said::Said;

/// SQS's limits for a batch:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>
const BATCH_ENTRIES: usize = 10;
const BATCH_BYTES: usize = 1024 * 1024;
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
        self.send_all(&outgoing, IN_FLIGHT).await
    }
}

impl<'a> Outgoing<'a> {
    fn of(message: &'a Message) -> Self {
        let group = message.tenant.as_ref().map_or(OPERATOR, |tenant| tenant.as_str());
        Self { body: &message.body, group, deduplication: None }
    }
}

impl SqsQueue<'_> {
    /// Sends messages, several batches at once, and returns one result for each, in order.
    async fn send_all(&self, messages: &[Outgoing<'_>], in_flight: usize) -> Vec<Sent> {
        let sends: Vec<_> =
            batches(messages).into_iter().map(|batch| self.send_batch(batch)).collect();
        // `buffered` keeps the order: the answer has one result for each message, in order.
        let sent = stream::iter(sends).buffered(in_flight).concat().await;
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

/// Splits messages into as few batches as the limits allow, in order. A message above the limit
/// gets a batch of its own, which SQS rejects.
fn batches<'m, 'a>(messages: &'m [Outgoing<'a>]) -> Vec<&'m [Outgoing<'a>]> {
    let (mut batches, mut rest) = (Vec::new(), messages);
    while !rest.is_empty() {
        let mut bytes = 0_usize;
        let fitting = rest.iter().take(BATCH_ENTRIES).take_while(|message| {
            bytes = bytes.saturating_add(message.body.len());
            bytes <= BATCH_BYTES
        });
        let (batch, later) = rest.split_at(fitting.count().max(1));
        batches.push(batch);
        rest = later;
    }
    batches
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
                .build()
        })
        .collect()
}

/// One result for each entry. An entry counts as sent only if SQS lists it as successful.
fn results(count: usize, answer: SendMessageBatchOutput) -> Vec<Sent> {
    let failed = answer.failed.into_iter().map(|entry| {
        let sent = not_sent(Some(&entry.code), refused(&entry));
        (entry.id, sent)
    });
    let sent = answer.successful.into_iter().map(|entry| (entry.id, Sent::Taken));
    let mut by_id: HashMap<String, Sent> = sent.chain(failed).collect();
    let unmentioned =
        || Unavailable::new(Reason::Unreachable, "SQS returned no result for a message");
    let result = |index: usize| by_id.remove(&index.to_string());
    (0..count)
        .map(result)
        .map(|sent| sent.unwrap_or_else(|| Sent::NotTaken(unmentioned())))
        .collect()
}

fn refused(entry: &BatchResultErrorEntry) -> Unavailable {
    let reason = match Failure::of_code(&entry.code) {
        // SQS says who is at fault, even with an unknown code.
        Failure::Unknown if entry.sender_fault => Reason::Bug,
        failure => failure.reason(),
    };
    let said = Said(entry.message.as_deref().unwrap_or("nothing"));
    Unavailable::new(
        reason,
        format!("sending a message failed: code=`{}` said=`{said}`", entry.code),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sizes: &[usize], expected: &[usize]) {
        let bodies: Vec<String> = sizes.iter().map(|size| "x".repeat(*size)).collect();
        let message = |body| Outgoing { body, group: OPERATOR, deduplication: None };
        let messages: Vec<_> = bodies.iter().map(|body| message(body)).collect();
        let counts: Vec<usize> = batches(&messages).iter().map(|batch| batch.len()).collect();
        assert_eq!(counts, expected, "sizes {sizes:?}");
    }

    #[test]
    fn a_batch_ends_at_ten_messages_or_one_mebibyte() {
        check(&[], &[]);
        check(&[1; 10], &[10]);
        check(&[1; 21], &[10, 10, 1]);
        check(&[512 * 1024; 3], &[2, 1]);
        check(&[1, 1024 * 1024, 1], &[1, 1, 1]);
    }

    #[test]
    fn a_message_over_the_limit_gets_a_batch_of_its_own() {
        check(&[1, 2 * 1024 * 1024, 1], &[1, 1, 1]);
        check(&[2 * 1024 * 1024], &[1]);
    }
}
