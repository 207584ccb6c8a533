//! Sends records that were not applied to a queue, or back to their source. Rejected records go to the
//! dead-letter queue. Unavailable records go to the buffer queue if only their subject or tenant is affected.
//! If a queue does not accept all messages of a record, the source must send the record again.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::error::{Reason, Unavailable};
use crate::dead_letter::envelope::{buffered, letter};
use crate::dead_letter::message::Message;
use crate::intake::record::Record;
use crate::pipeline::Disposition;
use crate::pipeline::admit::Refused;
use crate::pipeline::batch::Handled;
use crate::pipeline::settled::{RecordOutcome, Settled};
use crate::ports::Ports;

/// Where records of an unavailable subject or tenant wait.
#[derive(Clone, Copy)]
pub(super) enum Waiting {
    InBuffer,
    AtSource,
}

/// A record, or one of its elements, with its disposition.
pub(super) struct Disposed {
    pub(super) handled: Box<Handled>,
    /// The index of the record.
    pub(super) index: usize,
    pub(super) disposition: Disposition,
    /// Why the record was not applied, for the log.
    pub(super) why: Option<Refused>,
}

/// Sends the messages and returns the disposition of each record.
pub(super) async fn dispose(
    ports: &impl Ports,
    settled: Vec<Settled>,
    waiting: Waiting,
) -> Vec<Disposed> {
    let mut refused = send_to_dead_letters(ports, &settled).await;
    let buffered = match waiting {
        Waiting::InBuffer => send_to_buffer(ports, &settled).await,
        Waiting::AtSource => BTreeSet::new(),
    };
    let disposed = settled.into_iter().enumerate().map(|(at, settled)| {
        let index = settled.index();
        let Settled { handled, outcome, .. } = settled;
        let (disposition, why) = match outcome {
            RecordOutcome::Applied => (Disposition::Applied, None),
            RecordOutcome::Duplicate => (Disposition::Duplicate, None),
            RecordOutcome::Ignored => (Disposition::Ignored, None),
            RecordOutcome::Rejected(rejection) => match refused.remove(&at) {
                // The record is not buffered, because the buffer queue may be unavailable too.
                Some(unavailable) => {
                    (Disposition::Returned, Some(Refused::Unavailable(unavailable)))
                }
                None => {
                    let code = rejection.code;
                    (Disposition::DeadLettered(code), Some(Refused::Rejection(rejection)))
                }
            },
            RecordOutcome::Unavailable(unavailable) => {
                let is_buffered = buffered.contains(&at);
                let disposition =
                    if is_buffered { Disposition::Buffered } else { Disposition::Returned };
                (disposition, Some(Refused::Unavailable(unavailable)))
            }
        };
        Disposed { handled, index, disposition, why }
    });
    disposed.collect()
}

/// Sends the rejected records to the dead-letter queue. Returns the records that the queue did not accept, by
/// their index in `settled`.
async fn send_to_dead_letters(
    ports: &impl Ports,
    settled: &[Settled],
) -> BTreeMap<usize, Unavailable> {
    let now = ports.now();
    let is_sent = |settled: &Settled| matches!(settled.outcome, RecordOutcome::Rejected(_));
    let letters = |Settled { handled, outcome, .. }: &Settled, record: &Record| match outcome {
        RecordOutcome::Rejected(rejection) => letter(record, rejection, handled.about(now)),
        _ => Ok(Vec::new()),
    };
    let owned = owned_messages(settled, is_sent, letters);
    let Owned { owners, messages, unwritten, together } = owned;
    let answers =
        if messages.is_empty() { Vec::new() } else { ports.send_letters(&messages).await };
    refused(&owners, answers, unwritten, &together)
}

/// Sends the unavailable records that may be buffered to the buffer queue. Returns the indexes in `settled`
/// of the records that the queue accepted.
async fn send_to_buffer(ports: &impl Ports, settled: &[Settled]) -> BTreeSet<usize> {
    let now = ports.now();
    let is_sent = |Settled { handled, outcome, .. }: &Settled| match outcome {
        RecordOutcome::Unavailable(unavailable) => handled.may_wait(unavailable),
        _ => false,
    };
    let waiting = |Settled { handled, outcome, .. }: &Settled, record: &Record| match outcome {
        RecordOutcome::Unavailable(unavailable) => {
            buffered(record, unavailable.reason, handled.about(now))
        }
        _ => Ok(Vec::new()),
    };
    let Owned { owners, messages, unwritten, together } = owned_messages(settled, is_sent, waiting);
    let answers =
        if messages.is_empty() { Vec::new() } else { ports.send_buffered(&messages).await };
    let refused = refused(&owners, answers, unwritten, &together);
    let sent = owners.into_iter().chain(together.into_keys());
    sent.filter(|at| !refused.contains_key(at)).collect()
}

/// Messages, each with the index of its record or element in the settled list.
#[derive(Default)]
struct Owned {
    owners: Vec<usize>,
    messages: Vec<Message>,
    /// The records that could not be encoded as messages.
    unwritten: BTreeMap<usize, Unavailable>,
    /// Elements without a message of their own, each with the first sent element of the same record. The
    /// message of that element stands for the whole record.
    together: BTreeMap<usize, usize>,
}

/// Maximum total size of the values in the messages of one record, in bytes. The message of each element
/// contains the whole record, and a record may have a thousand elements. Above this size, one message stands
/// for the whole record. When that message is replayed, the elements that were applied are duplicates.
const ELEMENTS_BYTES: usize = 4 * 1024 * 1024;

fn owned_messages(
    settled: &[Settled],
    is_sent: impl Fn(&Settled) -> bool,
    messages_of: impl Fn(&Settled, &Record) -> Result<Vec<Message>, Unavailable>,
) -> Owned {
    let mut owned = Owned::default();
    let mut next = 0;
    for elements in settled.chunk_by(|one, next| one.index() == next.index()) {
        let sent = elements.iter().enumerate().filter(|(_, settled)| is_sent(settled));
        let sent: Vec<(usize, &Settled)> = sent.map(|(at, one)| (next + at, one)).collect();
        next += elements.len();
        let bytes = sent.first().and_then(|(_, one)| one.handled.whole().value.as_deref());
        let bytes = bytes.map_or(0, <[u8]>::len).saturating_mul(sent.len());
        match sent.split_first() {
            Some(((first, one), others)) if !others.is_empty() && bytes > ELEMENTS_BYTES => {
                owned.take(*first, messages_of(one, one.handled.whole()));
                owned.together.extend(others.iter().map(|(at, _)| (*at, *first)));
            }
            _ => sent.into_iter().for_each(|(at, one)| {
                owned.take(at, messages_of(one, &one.handled.record()));
            }),
        }
    }
    owned
}

impl Owned {
    fn take(&mut self, at: usize, written: Result<Vec<Message>, Unavailable>) {
        match written {
            Ok(messages) => {
                self.owners.extend(std::iter::repeat_n(at, messages.len()));
                self.messages.extend(messages);
            }
            Err(unavailable) => {
                self.unwritten.insert(at, unavailable);
            }
        }
    }
}

/// The records that could not be encoded, and those with a message that the queue did not accept. A message
/// without an answer counts as not accepted.
fn refused(
    owners: &[usize],
    answers: Vec<Result<(), Unavailable>>,
    unwritten: BTreeMap<usize, Unavailable>,
    together: &BTreeMap<usize, usize>,
) -> BTreeMap<usize, Unavailable> {
    let unmentioned = || Err(Unavailable::new(Reason::Unreachable, "a message without an answer"));
    let answers = answers.into_iter().chain(std::iter::repeat_with(unmentioned));
    let pairs = owners.iter().zip(answers);
    let refused = pairs.filter_map(|(at, answer)| Some((*at, answer.err()?)));
    let mut refused: BTreeMap<usize, Unavailable> = unwritten.into_iter().chain(refused).collect();
    let others = together.iter().filter_map(|(at, first)| Some((*at, refused.get(first)?.clone())));
    let others: Vec<(usize, Unavailable)> = others.collect();
    refused.extend(others);
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_without_an_answer_counts_as_not_accepted() {
        let refused = refused(
            &[3, 4, 4],
            vec![Ok(()), Ok(())],
            BTreeMap::new(),
            &BTreeMap::from([(5, 3), (6, 4)]),
        );
        assert_eq!(refused.into_keys().collect::<Vec<_>>(), [4, 6]);
    }
}
