//! When a batch is sent: when it is full by count or by bytes, or when its window is over.

use std::time::Duration;

use tokio::time::Instant;

use drover_local_sqs::{Bounds, LARGEST_MESSAGE, ReceivedMessage, Taken};

/// Lambda's limit on an event, in bytes.
pub(super) const PAYLOAD_BYTES: usize = 6 * 1024 * 1024;
/// JSON makes a text at most twice as long, for SQS takes no control characters but those that have
/// a short form; so messages of half as many bytes always fit.
const TAKEN_BYTES: usize = PAYLOAD_BYTES / 2;

/// How much is sent at once, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// The most messages of an event. Lambda takes up to 10 without a window and up to 10,000 with
    /// one.
    pub messages: u32,
    /// How long a batch stays open after its first message. Shorter than the queue's visibility
    /// timeout, of which it is a part.
    pub window: Duration,
}

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// There is nothing in it yet.
    Wait,
    /// There may come more for so long.
    Open(Duration),
    /// It goes out.
    Send,
}

/// Messages that go out together.
pub(super) struct Batch {
    pub(super) messages: Vec<ReceivedMessage>,
    /// When the first of them may be given to others.
    pub(super) hidden_until: Option<Instant>,
    batching: Batching,
    bytes: usize,
}

impl Batch {
    pub(super) fn new(batching: Batching) -> Self {
        Self { messages: Vec::new(), hidden_until: None, batching, bytes: 0 }
    }

    /// What still fits.
    pub(super) fn room(&self) -> Bounds {
        let held = u32::try_from(self.messages.len()).unwrap_or(u32::MAX);
        Bounds {
            messages: self.batching.messages.saturating_sub(held),
            bytes: TAKEN_BYTES.saturating_sub(self.bytes),
        }
    }

    /// Adds what was taken within [`Batch::room`].
    pub(super) fn add(&mut self, taken: Taken, now: Instant) {
        if !taken.messages.is_empty() {
            self.hidden_until.get_or_insert(now + taken.hidden_for);
        }
        self.bytes += taken.bytes;
        self.messages.extend(taken.messages);
    }

    /// What to do with it; `left` is what is left of a window that was opened.
    pub(super) fn next(&self, left: Option<Duration>) -> Next {
        let left = left.unwrap_or(self.batching.window);
        if self.messages.is_empty() {
            return Next::Wait;
        }
        if self.is_full() || left.is_zero() { Next::Send } else { Next::Open(left) }
    }

    /// By bytes it is full where the largest message would not fit any more.
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
    fn nothing_is_never_sent() {
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
    fn without_a_window_the_first_messages_go_at_once() {
        let mut batch = batch(10, Duration::ZERO);
        batch.add(taken(1, 1), Instant::now());
        assert_eq!(batch.next(None), Next::Send);
    }

    #[test]
    fn a_batch_with_all_its_messages_does_not_wait() {
        let mut batch = batch(3, WINDOW);
        batch.add(taken(2, 2), Instant::now());
        assert_eq!(batch.room().messages, 1);
        batch.add(taken(1, 1), Instant::now());
        assert_eq!(batch.next(None), Next::Send);
    }

    #[test]
    fn a_batch_that_the_largest_message_would_not_fit_into_does_not_wait() {
        let mut batch = batch(10, WINDOW);
        batch.add(taken(1, TAKEN_BYTES - LARGEST_MESSAGE), Instant::now());
        assert_eq!(batch.next(None), Next::Open(WINDOW));
        assert_eq!(batch.room().bytes, LARGEST_MESSAGE);
        batch.add(taken(1, 1), Instant::now());
        assert_eq!(batch.next(None), Next::Send);
    }

    #[test]
    fn the_first_message_says_until_when_all_are_hidden() {
        let (mut batch, now) = (batch(10, WINDOW), Instant::now());
        batch.add(taken(0, 0), now);
        assert_eq!(batch.hidden_until, None);
        batch.add(taken(1, 1), now);
        batch.add(taken(1, 1), now + WINDOW);
        assert_eq!(batch.hidden_until, Some(now + Duration::from_secs(30)));
    }
}
