//! Decides when a batch is sent: when it is full by count or bytes, or when its window is over.

use std::time::Duration;

use tokio::time::Instant;

use drover_local_sqs::{Bounds, LARGEST_MESSAGE, ReceivedMessage, Taken};

/// Lambda's maximum size of an event, in bytes.
pub(super) const PAYLOAD_BYTES: usize = 6 * 1024 * 1024;
/// JSON at most doubles the length of a message, because SQS allows only control characters with a
/// short escape. So messages of half the size always fit.
const TAKEN_BYTES: usize = PAYLOAD_BYTES / 2;

/// The size of a batch, and how long to wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// The maximum messages of an event. Lambda allows up to 10 without a window and up to 10,000
    /// with a window.
    pub messages: u32,
    /// How long a batch stays open after its first message. Must be shorter than the queue's
    /// visibility timeout, of which it uses a part.
    pub window: Duration,
}

/// The next step for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The batch is empty.
    Wait,
    /// Wait up to this long for more messages.
    Open(Duration),
    /// Send the batch.
    Send,
}

/// Messages that are sent together.
pub(super) struct Batch {
    pub(super) messages: Vec<ReceivedMessage>,
    /// When the first message may become visible to other receivers.
    pub(super) hidden_until: Option<Instant>,
    batching: Batching,
    bytes: usize,
}

impl Batch {
    pub(super) fn new(batching: Batching) -> Self {
        Self { messages: Vec::new(), hidden_until: None, batching, bytes: 0 }
    }

    /// The remaining space.
    pub(super) fn room(&self) -> Bounds {
        let held = u32::try_from(self.messages.len()).unwrap_or(u32::MAX);
        Bounds {
            messages: self.batching.messages.saturating_sub(held),
            bytes: TAKEN_BYTES.saturating_sub(self.bytes),
        }
    }

    /// Adds messages that were taken within [`Batch::room`].
    pub(super) fn add(&mut self, taken: Taken, now: Instant) {
        if !taken.messages.is_empty() {
            self.hidden_until.get_or_insert(now + taken.hidden_for);
        }
        self.bytes += taken.bytes;
        self.messages.extend(taken.messages);
    }

    /// The next step; `left` is the remaining time of an open window.
    pub(super) fn next(&self, left: Option<Duration>) -> Next {
        let left = left.unwrap_or(self.batching.window);
        if self.messages.is_empty() {
            return Next::Wait;
        }
        if self.is_full() || left.is_zero() { Next::Send } else { Next::Open(left) }
    }

    /// Full by bytes means: the largest message would not fit.
    fn is_full(&self) -> bool {
        let room = self.room();
        room.messages == 0 || room.bytes < LARGEST_MESSAGE
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const WINDOW: Duration = Duration::from_millis(20);

    fn batch(messages: u32, window: Duration) -> Batch {
        Batch::new(Batching { messages, window })
    }

    fn taken(count: usize, bytes: usize) -> Taken {
        let message = || ReceivedMessage {
            message_id: "m".to_owned(),
            receipt_handle: "r".to_owned(),
            body_md5: "5".to_owned(),
            body: "b".to_owned(),
            attributes: BTreeMap::new(),
            attributes_md5: None,
            message_attributes: BTreeMap::new(),
        };
        Taken {
            messages: std::iter::repeat_with(message).take(count).collect(),
            bytes,
            hidden_for: Duration::from_secs(30),
            next_due_in: None,
        }
    }

    #[test]
    fn an_empty_batch_is_never_sent() {
        assert_eq!(batch(10, WINDOW).next(None), Next::Wait);
        assert_eq!(batch(10, Duration::ZERO).next(Some(Duration::ZERO)), Next::Wait);
    }

    #[test]
    fn a_batch_stays_open_until_its_window_is_over() {
        let mut batch = batch(10, WINDOW);
        batch.add(taken(1, 1), Instant::now());
        assert_eq!(batch.next(None), Next::Open(WINDOW));
        assert_eq!(
            batch.next(Some(Duration::from_millis(3))),
            Next::Open(Duration::from_millis(3))
        );
        assert_eq!(batch.next(Some(Duration::ZERO)), Next::Send);
    }

    #[test]
    fn without_a_window_the_first_messages_are_sent_at_once() {
        let mut batch = batch(10, Duration::ZERO);
        batch.add(taken(1, 1), Instant::now());
        assert_eq!(batch.next(None), Next::Send);
    }

    #[test]
    fn a_batch_full_by_count_does_not_wait() {
        let mut batch = batch(3, WINDOW);
        batch.add(taken(2, 2), Instant::now());
        assert_eq!(batch.room().messages, 1);
        batch.add(taken(1, 1), Instant::now());
        assert_eq!(batch.next(None), Next::Send);
    }

    #[test]
    fn a_batch_full_by_bytes_does_not_wait() {
        let mut batch = batch(10, WINDOW);
        batch.add(taken(1, TAKEN_BYTES - LARGEST_MESSAGE), Instant::now());
        assert_eq!(batch.next(None), Next::Open(WINDOW));
        assert_eq!(batch.room().bytes, LARGEST_MESSAGE);
        batch.add(taken(1, 1), Instant::now());
        assert_eq!(batch.next(None), Next::Send);
    }

    #[test]
    fn the_first_message_determines_how_long_all_are_hidden() {
        let (mut batch, now) = (batch(10, WINDOW), Instant::now());
        batch.add(taken(0, 0), now);
        assert_eq!(batch.hidden_until, None);
        batch.add(taken(1, 1), now);
        batch.add(taken(1, 1), now + WINDOW);
        assert_eq!(batch.hidden_until, Some(now + Duration::from_secs(30)));
    }
}
