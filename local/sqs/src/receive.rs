//! The API for callers in the same process, without HTTP: send a body, take messages, and delete
//! them. Callers may take more than ten messages at once and limit them by bytes. Each call is one
//! transaction and never waits.

use std::time::Duration;

use uuid::Uuid;

use super::Sqs;
use super::actions::{self, Poll};
use super::message::NewMessage;
use super::protocol::{ReceivedMessage, SendMessage};
use super::rejection::SqsError;
use super::settings::{MAXIMUM_BYTES, QueueName};
use super::store::EXTRA_BYTES;

/// The size of the largest message, as counted by [`Bounds::bytes`].
pub const LARGEST_MESSAGE: usize = MAXIMUM_BYTES as usize + EXTRA_BYTES;

/// The limits of one take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The maximum number of messages.
    pub messages: u32,
    /// The maximum size: bodies, attributes, and a fixed amount per message for its metadata. With
    /// less than [`LARGEST_MESSAGE`], a due message may be too large to be returned.
    pub bytes: usize,
}

/// Messages that one receiver holds.
pub struct Taken {
    /// In the order in which they became due.
    pub messages: Vec<ReceivedMessage>,
    /// The size of the messages, as counted by [`Bounds::bytes`].
    pub bytes: usize,
    /// How long the messages stay hidden from other receivers.
    pub hidden_for: Duration,
    /// If nothing is due: the time until the next message that the queue holds becomes due.
    pub next_due_in: Option<Duration>,
}

impl Sqs {
    /// Sends a message with this body.
    ///
    /// # Errors
    /// [`SqsError::Rejected`] if the queue does not exist or the body is invalid.
    pub async fn send(&self, queue: &QueueName, body: &str) -> Result<(), SqsError> {
        let message = SendMessage { message_body: body.to_owned(), ..SendMessage::default() };
        let new_message = NewMessage::parse(message)?;
        let queue = queue.clone();
        self.act(move |queues| {
            let queue = queues.queue(&queue)?;
            queues.send(&queue, &new_message, Uuid::new_v4())
        })
        .await
    }

    /// Takes messages that are due.
    ///
    /// # Errors
    /// [`SqsError::Rejected`] if the queue does not exist.
    pub async fn take(&self, queue: &QueueName, bounds: Bounds) -> Result<Taken, SqsError> {
        let poll = Poll::of_all(queue.clone(), bounds.messages, bounds.bytes);
        let polled = self.act(move |queues| actions::receive_message(queues, &poll)).await?;
        Ok(Taken {
            messages: polled.messages,
            bytes: polled.bytes,
            hidden_for: Duration::from_secs(polled.hidden_seconds.into()),
            next_due_in: polled
                .next_due_in_millis
                .map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0))),
        })
    }

    /// Deletes messages by their receipt handles.
    ///
    /// # Errors
    /// [`SqsError::Rejected`] if a handle does not belong to this queue; nothing is deleted then.
    pub async fn delete(
        &self,
        queue: &QueueName,
        receipt_handles: Vec<String>,
    ) -> Result<(), SqsError> {
        let queue = queue.clone();
        self.act(move |queues| actions::delete_all(queues, &queue, &receipt_handles)).await
    }
}
