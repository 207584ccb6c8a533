//! How a poller inside the process takes messages and settles them: more than ten at once, bounded
//! by bytes too, each call one transaction, without HTTP and without waiting.

use std::time::Duration;

use super::Sqs;
use super::actions::{self, Poll};
use super::protocol::ReceivedMessage;
use super::rejection::SqsError;
use super::settings::{MAXIMUM_BYTES, QueueName};
use super::store::EXTRA_BYTES;

/// What the largest message counts towards [`Bounds::bytes`].
pub(crate) const LARGEST_MESSAGE: usize = MAXIMUM_BYTES as usize + EXTRA_BYTES;

/// How much is taken at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) messages: u32,
    /// Bodies, attributes, and for each message about as much as everything else about it. With
    /// less than [`LARGEST_MESSAGE`] there may be something due that is not given.
    pub(crate) bytes: usize,
}

/// Messages in the hands of one receiver.
pub(crate) struct Taken {
    /// Those that were due first come first.
    pub(crate) messages: Vec<ReceivedMessage>,
    /// What they count towards the bounds.
    pub(crate) bytes: usize,
    /// How long nobody else gets them.
    pub(crate) hidden_for: Duration,
    /// When nothing is due: how long until something is, as far as the queue knows now.
    pub(crate) next_due_in: Option<Duration>,
}

impl Sqs {
    /// Takes what is due.
    ///
    /// # Errors
    /// [`SqsError::Rejected`] where there is no such queue.
    pub(crate) async fn take(&self, queue: &QueueName, bounds: Bounds) -> Result<Taken, SqsError> {
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
    pub(crate) async fn delete(
        &self,
        queue: &QueueName,
        receipt_handles: Vec<String>,
    ) -> Result<(), SqsError> {
        let queue = queue.clone();
        self.act(move |queues| actions::delete_all(queues, &queue, &receipt_handles)).await
    }
}
