//! What those inside the process do with messages without HTTP: send a text, take messages, and
//! settle them: more than ten at once, bounded by bytes too, each call one transaction, without
//! waiting.

use std::time::Duration;

use uuid::Uuid;

use super::Sqs;
use super::actions::{self, Poll};
use super::message::NewMessage;
use super::protocol::{ReceivedMessage, SendMessage};
use super::rejection::SqsError;
use super::settings::{MAXIMUM_BYTES, QueueName};
use super::store::EXTRA_BYTES;

/// What the largest message counts towards [`Bounds::bytes`].
pub const LARGEST_MESSAGE: usize = MAXIMUM_BYTES as usize + EXTRA_BYTES;

/// How much is taken at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Messages.
    pub messages: u32,
    /// Bodies, attributes, and for each message about as much as everything else about it. With
    /// less than [`LARGEST_MESSAGE`] there may be something due that is not given.
    pub bytes: usize,
}

/// Messages in the hands of one receiver.
pub struct Taken {
    /// Those that were due first come first.
    pub messages: Vec<ReceivedMessage>,
    /// What they count towards the bounds.
    pub bytes: usize,
    /// How long nobody else gets them.
    pub hidden_for: Duration,
    /// When nothing is due: how long until something is, as far as the queue knows now.
    pub next_due_in: Option<Duration>,
}

impl Sqs {
    /// Sends a text.
    ///
    /// # Errors
    /// [`SqsError::Rejected`] where there is no such queue, or it takes no such text.
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

    /// Takes what is due.
    ///
    /// # Errors
    /// [`SqsError::Rejected`] where there is no such queue.
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

    /// Deletes messages by the handles of their receives.
    ///
    /// # Errors
    /// [`SqsError::Rejected`] for what is no handle of this queue; nothing is deleted then.
    pub async fn delete(
        &self,
        queue: &QueueName,
        receipt_handles: Vec<String>,
    ) -> Result<(), SqsError> {
        let queue = queue.clone();
        self.act(move |queues| actions::delete_all(queues, &queue, &receipt_handles)).await
    }
}
