//! Batches of messages and their queue. Lambda identifies the queue by ARN, the configuration by
//! URL. Both end with the queue's name, and only the names are compared.
//!
//! The types are our own: two small structs in which most fields are optional.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>

use std::collections::BTreeSet;

use drover_core::base::metrics::Tally;
use drover_core::base::time::Timestamp;
use drover_core::replay::filing::Received;
use serde::{Deserialize, Serialize};

use crate::{Environment, FUNCTION, ReplayPorts, ReplaySources};

const SOURCE: &str = "aws:sqs";

/// A message as Lambda delivers it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    pub(crate) message_id: String,
    #[serde(default)]
    body: Option<String>,
    event_source: String,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: String,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes {
    /// Milliseconds since 1970, as a string.
    #[serde(default)]
    sent_timestamp: Option<String>,
}

/// A partial batch response.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchResponse {
    /// The messages to deliver again; empty on success.
    batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchItemFailure {
    item_identifier: String,
}

/// The result of a batch: the failed messages and the counts.
#[derive(Default)]
pub(crate) struct BatchOutcome {
    /// Indexes of failed messages in the batch.
    pub(crate) failed: BTreeSet<usize>,
    pub(crate) tally: Tally,
}

/// The names of the two queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueNames {
    dead_letters: String,
    buffer: String,
}

/// The messages come from a queue that is not configured. None was processed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("messages from a queue that is not configured: arn=`{0}`")]
pub struct UnknownQueue(String);

enum Queue {
    DeadLetters,
    Buffer,
}

impl QueueNames {
    /// Takes the names from the ends of two queue URLs.
    pub fn of_urls(dead_letters: &str, buffer: &str) -> Self {
        let name = |url: &str| url.rsplit('/').next().unwrap_or(url).to_owned();
        Self { dead_letters: name(dead_letters), buffer: name(buffer) }
    }

    /// The queue of all messages; `None` if there are no messages.
    fn queue_of(&self, messages: &[Message]) -> Result<Option<Queue>, UnknownQueue> {
        let Some(first) = messages.first() else { return Ok(None) };
        let arn = first.event_source_arn.as_str();
        let other = messages.iter().find(|message| message.event_source_arn != arn);
        if let Some(other) = other {
            return Err(UnknownQueue(other.event_source_arn.clone()));
        }
        match arn.rsplit(':').next() {
            Some(name) if name == self.dead_letters => Ok(Some(Queue::DeadLetters)),
            Some(name) if name == self.buffer => Ok(Some(Queue::Buffer)),
            _ => Err(UnknownQueue(arn.to_owned())),
        }
    }
}

impl Message {
    pub(crate) fn is_of_sqs(&self) -> bool {
        self.event_source == SOURCE
    }

    /// Whether the message was sent longer ago than this; false if the time is unknown.
    pub(crate) fn is_older_than(&self, seconds: i64, now: Timestamp) -> bool {
        self.received().sent_at.is_some_and(|sent_at| sent_at.plus_seconds(seconds) <= now)
    }

    pub(crate) fn received(&self) -> Received<'_> {
        let sent_at = self.attributes.sent_timestamp.as_deref();
        let sent_at = sent_at.and_then(|millis| millis.parse().ok());
        Received {
            message_id: &self.message_id,
            body: self.body.as_deref().unwrap_or_default(),
            sent_at: sent_at.and_then(Timestamp::from_millis),
        }
    }
}

impl<W: ReplayPorts, B: ReplaySources> Environment<W, B> {
    /// Processes a batch until the deadline. Unprocessed messages are delivered again.
    pub(crate) async fn take(
        &self,
        messages: Vec<Message>,
        deadline: Timestamp,
    ) -> Result<BatchResponse, UnknownQueue> {
        let BatchOutcome { failed, tally } = match self.queues.queue_of(&messages)? {
            None => BatchOutcome::default(),
            Some(Queue::DeadLetters) => self.file(&messages, deadline).await,
            Some(Queue::Buffer) => self.drain(&messages, deadline).await,
        };
        self.meter.record(FUNCTION, &tally, self.ports.now());
        let failed = failed.into_iter().filter_map(|place| messages.get(place));
        let failure =
            |message: &Message| BatchItemFailure { item_identifier: message.message_id.clone() };
        Ok(BatchResponse { batch_item_failures: failed.map(failure).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(arn: &str) -> Message {
        let json =
            format!(r#"{{"messageId":"m","eventSource":"aws:sqs","eventSourceARN":"{arn}"}}"#);
        serde_json::from_str(&json).expect("a message")
    }

    fn check(arns: &[&str], expected: Result<Option<&str>, &str>) {
        let names = QueueNames::of_urls("https://sqs/1/letters", "http://127.0.0.1:9/0/buffer");
        let messages: Vec<Message> = arns.iter().map(|arn| message(arn)).collect();
        let found = names.queue_of(&messages).map(|queue| {
            queue.map(|queue| match queue {
                Queue::DeadLetters => "letters",
                Queue::Buffer => "buffer",
            })
        });
        let expected = expected.map_err(|arn| UnknownQueue(arn.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_queue_is_identified_by_the_last_part_of_its_arn() {
        const LETTERS: &str = "arn:aws:sqs:eu-central-1:1:letters";
        const BUFFER: &str = "arn:aws:sqs:eu-central-1:1:buffer";
        const OTHER: &str = "arn:aws:sqs:eu-central-1:1:my-letters";
        check(&[], Ok(None));
        check(&[LETTERS, LETTERS], Ok(Some("letters")));
        check(&[BUFFER], Ok(Some("buffer")));
        check(&[OTHER], Err(OTHER));
        check(&[LETTERS, BUFFER], Err(BUFFER));
    }
}
