//! Sends messages to a queue that may reject their text. Every body is written so that SQS accepts
//! it (`super::text`). If a queue rejects a body nevertheless, waiting does not help, and the
//! record would block its partition forever. The message is therefore sent again packed, with its
//! texts in printable ASCII. If its queue rejects that too, the message goes to the other queue:
//! the replay function accepts envelopes from both. It stores a letter that it finds in the buffer,
//! and stores a buffered record that it finds among the letters with the code `unavailable`.
//!
//! If both queues reject the message, the record stays with its source, because the queues are at
//! fault.

use std::future::Future;

use crate::base::dependency::Dependency;
use crate::base::error::{Reason, Unavailable};
use crate::dead_letter::envelope::Envelope;
use crate::dead_letter::message::Message;

/// A queue of envelopes.
pub trait Queue: Send + Sync {
    /// Sends messages and returns one result for each, in order.
    fn send(&self, messages: &[Message]) -> impl Future<Output = Vec<Sent>> + Send;
}

/// The result of sending a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The queue accepted the message.
    Taken,
    /// The queue will never accept this body.
    Refused(Unavailable),
    /// The queue may accept the message later.
    NotTaken(Unavailable),
}

impl Sent {
    /// The same result; a fault is this queue's.
    #[must_use]
    pub fn of(self, queue: Dependency) -> Self {
        match self {
            Self::Taken => Self::Taken,
            Self::Refused(unavailable) => Self::Refused(unavailable.of(queue)),
            Self::NotTaken(unavailable) => Self::NotTaken(unavailable.of(queue)),
        }
    }

    /// Combines the results of two parts of one message.
    fn and(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::NotTaken(_), _) | (Self::Refused(_), Self::Taken | Self::Refused(_)) => self,
            (Self::Taken, _) | (Self::Refused(_), Self::NotTaken(_)) => other,
        }
    }

    fn into_result(self) -> Result<(), Unavailable> {
        match self {
            Self::Taken => Ok(()),
            Self::Refused(unavailable) | Self::NotTaken(unavailable) => Err(unavailable),
        }
    }
}

/// Sends messages to a queue and returns one result for each, in order. A rejected message is sent
/// again packed, then to the other queue.
pub async fn send(
    queue: &impl Queue,
    other: &impl Queue,
    messages: &[Message],
) -> Vec<Result<(), Unavailable>> {
    let mut sent = queue.send(messages).await;
    send_packed(queue, messages, &mut sent).await;
    send_packed(other, messages, &mut sent).await;
    sent.into_iter().map(Sent::into_result).collect()
}

/// Sends the rejected messages packed. A message that is not an envelope stays rejected.
async fn send_packed(queue: &impl Queue, messages: &[Message], sent: &mut [Sent]) {
    let (mut owners, mut packed) = (Vec::new(), Vec::new());
    for (at, (message, sent)) in messages.iter().zip(sent.iter_mut()).enumerate() {
        let Sent::Refused(why) = &*sent else { continue };
        let why = why.message.as_str();
        tracing::error!(why, "a queue rejected the text of a message, sending it packed");
        match repacked(message) {
            Ok(parts) => {
                owners.extend(std::iter::repeat_n(at, parts.len()));
                packed.extend(parts);
            }
            Err(unavailable) => *sent = Sent::NotTaken(unavailable),
        }
    }
    if packed.is_empty() {
        return;
    }
    let mut answers = queue.send(&packed).await.into_iter();
    let unmentioned =
        || Unavailable::new(Reason::Unreachable, "the queue returned no result for a message");
    for owners in owners.chunk_by(|one, next| one == next) {
        let parts =
            owners.iter().map(|_| answers.next().unwrap_or_else(|| Sent::NotTaken(unmentioned())));
        let together = parts.reduce(Sent::and);
        let owner = owners.first().and_then(|at| sent.get_mut(*at));
        if let (Some(owner), Some(together)) = (owner, together) {
            *owner = together;
        }
    }
}

/// The same record packed, in printable ASCII; empty if the message is not an envelope.
fn repacked(message: &Message) -> Result<Vec<Message>, Unavailable> {
    let Ok(envelope) = Envelope::read(&message.body) else { return Ok(Vec::new()) };
    envelope.into_packed(message.tenant.as_ref())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::dead_letter::envelope::{Content, Encoding, Envelope, tests};
    use crate::replay::filing::{Received, read};

    /// A queue that rejects some bodies and keeps the others.
    struct Picky {
        refuses: fn(&str) -> bool,
        kept: Mutex<Vec<Message>>,
    }

    impl Picky {
        fn new(refuses: fn(&str) -> bool) -> Self {
            Self { refuses, kept: Mutex::new(Vec::new()) }
        }

        fn kept(&self) -> Vec<Message> {
            self.kept.lock().expect("no panic").clone()
        }
    }

    impl Queue for Picky {
        async fn send(&self, messages: &[Message]) -> Vec<Sent> {
            let send = |message: &Message| {
                if message.body == "down" {
                    return Sent::NotTaken(Unavailable::new(Reason::Unreachable, "down"));
                }
                if (self.refuses)(&message.body) {
                    return Sent::Refused(Unavailable::new(Reason::Bug, "characters"));
                }
                self.kept.lock().expect("no panic").push(message.clone());
                Sent::Taken
            };
            messages.iter().map(send).collect()
        }
    }

    fn everything(_: &str) -> bool {
        true
    }

    fn nothing(_: &str) -> bool {
        false
    }

    fn foreign(body: &str) -> bool {
        !body.is_ascii() || body.contains("\\u")
    }

    fn sent(queue: &Picky, other: &Picky, messages: &[Message]) -> Vec<Result<(), Reason>> {
        let sent = send(queue, other, messages).now_or_never().expect("ready");
        sent.into_iter().map(|sent| sent.map_err(|unavailable| unavailable.reason)).collect()
    }

    /// Three messages. The second has a header with non-ASCII characters.
    fn messages() -> Vec<Message> {
        let of = |header: &str| {
            let mut record = tests::record(b"{not json".to_vec());
            record.headers = vec![(header.to_owned(), vec![255])];
            tests::messages_of(&record)
        };
        [of("a"), of("\u{FFFF}é"), of("b")].concat()
    }

    fn check_kept(message: &Message) {
        let envelope = Envelope::read(&message.body).expect("an envelope");
        assert_eq!(envelope.encoding, Some(Encoding::Zstd));
        let record = envelope.record().expect("readable").expect("whole");
        assert_eq!(record.headers, [("\u{FFFF}é".to_owned(), vec![255])], "the record is whole");
        let received = Received { message_id: "m", body: &message.body, sent_at: None };
        let filing = read(&received, record.ingested_at).expect("filed");
        assert_eq!((filing.letter.id, filing.letter.code), (envelope.id, envelope.code));
        let frame: Vec<u8> = filing.chunks.into_iter().flat_map(|chunk| chunk.bytes).collect();
        assert_eq!(Content::unpack(&frame).expect("a content").headers, record.headers);
    }

    #[test]
    fn an_accepted_message_is_sent_once_and_unchanged() {
        let (queue, other) = (Picky::new(nothing), Picky::new(everything));
        assert_eq!(sent(&queue, &other, &messages()), [Ok(()); 3]);
        assert_eq!(queue.kept(), messages());
    }

    #[test]
    fn a_message_with_a_rejected_text_is_sent_packed() {
        let (queue, other) = (Picky::new(foreign), Picky::new(everything));
        assert_eq!(sent(&queue, &other, &messages()), [Ok(()); 3]);
        let kept = queue.kept();
        assert_eq!(kept.len(), 3);
        assert!(kept[2].body.is_ascii());
        check_kept(&kept[2]);
    }

    #[test]
    fn a_message_that_a_queue_rejects_even_packed_goes_to_the_other_queue() {
        let (queue, other) = (Picky::new(everything), Picky::new(nothing));
        assert_eq!(sent(&queue, &other, &messages()[1..2]), [Ok(())]);
        assert!(queue.kept().is_empty());
        check_kept(&other.kept()[0]);
    }

    #[test]
    fn a_message_that_both_queues_reject_stays_with_its_source() {
        let (queue, other) = (Picky::new(everything), Picky::new(everything));
        assert_eq!(sent(&queue, &other, &messages()), [Err(Reason::Bug); 3]);
    }

    #[test]
    fn an_unreachable_queue_does_not_count_as_rejecting() {
        let (queue, other) = (Picky::new(nothing), Picky::new(nothing));
        let down = Message { tenant: None, body: "down".to_owned() };
        assert_eq!(sent(&queue, &other, &[down]), [Err(Reason::Unreachable)]);
        assert!(other.kept().is_empty());
    }

    #[test]
    fn a_message_that_is_not_an_envelope_cannot_be_packed() {
        let (queue, other) = (Picky::new(everything), Picky::new(nothing));
        let report = Message { tenant: None, body: "{}".to_owned() };
        assert_eq!(sent(&queue, &other, &[report]), [Err(Reason::Bug)]);
    }

    #[test]
    fn every_part_of_a_large_record_must_be_accepted() {
        let queue = Picky::new(|body| body.contains("\"part\":[2,"));
        let other = Picky::new(nothing);
        let record = tests::record(tests::noise(900_000));
        let messages = tests::messages_of(&record);
        let answers = sent(&queue, &other, &messages);
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert!(other.kept().iter().any(|part| part.body.contains("\"part\":[2,")));
    }
}
