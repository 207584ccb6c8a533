//! What is not applied goes to a queue or back to its source: rejected records to the dead letters,
//! unavailable ones to the buffer where only their subject or their tenant is affected. A record that its
//! queue did not take, whole, stays with its source.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::error::{Reason, Unavailable};
use crate::base::mutant::{Mutant, on};
use crate::dead_letter::envelope::{buffered, letter};
use crate::dead_letter::message::Message;
use crate::pipeline::Disposition;
use crate::pipeline::admit::Refused;
use crate::pipeline::batch::Handled;
use crate::pipeline::settled::{RecordOutcome, Settled};
use crate::ports::Ports;

/// Where records wait whose subject or tenant is unavailable.
#[derive(Clone, Copy)]
pub(super) enum Waiting {
    InBuffer,
    AtSource,
}

/// A record and where it is now.
pub(super) struct Disposed {
    pub(super) handled: Handled,
    pub(super) disposition: Disposition,
    /// Why it was not applied, for the log.
    pub(super) why: Option<Refused>,
}

/// Sends what is not applied to its queue, or back to its source.
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
        let Settled { handled, outcome, .. } = settled;
        let (disposition, why) = match outcome {
            RecordOutcome::Applied => (Disposition::Applied, None),
            RecordOutcome::Duplicate => (Disposition::Duplicate, None),
            RecordOutcome::Rejected(rejection) => match refused.remove(&at) {
                // Not for the buffer: the queues may be what is wrong.
                Some(unavailable) if !on(Mutant::AckBeforeDeadLetter) => {
                    (Disposition::Returned, Some(Refused::Unavailable(unavailable)))
                }
                _ => {
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
        Disposed { handled, disposition, why }
    });
    disposed.collect()
}

/// Sends the rejected records to the dead-letter queue. Gives those that it did not take, by their
/// places.
async fn send_to_dead_letters(
    ports: &impl Ports,
    settled: &[Settled],
) -> BTreeMap<usize, Unavailable> {
    let now = ports.now();
    let letters = |settled: &Settled| match &settled.outcome {
        RecordOutcome::Rejected(rejection) => {
            let handled = &settled.handled;
            letter(&handled.record, rejection, handled.about(now))
        }
        _ => Ok(Vec::new()),
    };
    let Owned { owners, messages, unwritten } = owned_messages(settled, letters);
    let answers =
        if messages.is_empty() { Vec::new() } else { ports.send_letters(&messages).await };
    refused(&owners, answers, unwritten)
}

/// Sends unavailable records to the buffer queue, where they may wait there. Gives those that it
/// took, by their places.
async fn send_to_buffer(ports: &impl Ports, settled: &[Settled]) -> BTreeSet<usize> {
    let now = ports.now();
    let waiting = |Settled { handled, outcome, .. }: &Settled| match outcome {
        RecordOutcome::Unavailable(unavailable) if handled.may_wait(unavailable) => {
            buffered(&handled.record, unavailable.reason, handled.about(now))
        }
        _ => Ok(Vec::new()),
    };
    let Owned { owners, messages, unwritten } = owned_messages(settled, waiting);
    let answers =
        if messages.is_empty() { Vec::new() } else { ports.send_buffered(&messages).await };
    let refused = refused(&owners, answers, unwritten);
    owners.into_iter().filter(|at| !refused.contains_key(at)).collect()
}

/// Messages, and for each the index of the record that it is of.
#[derive(Default)]
struct Owned {
    owners: Vec<usize>,
    messages: Vec<Message>,
    /// The records that could not be written as messages.
    unwritten: BTreeMap<usize, Unavailable>,
}

fn owned_messages(
    settled: &[Settled],
    messages_of: impl Fn(&Settled) -> Result<Vec<Message>, Unavailable>,
) -> Owned {
    let mut owned = Owned::default();
    for (at, settled) in settled.iter().enumerate() {
        match messages_of(settled) {
            Ok(messages) => {
                owned.owners.extend(std::iter::repeat_n(at, messages.len()));
                owned.messages.extend(messages);
            }
            Err(unavailable) => {
                owned.unwritten.insert(at, unavailable);
            }
        }
    }
    owned
}

/// The records of which a queue did not take every message, with those that were not written. A
/// message without an answer was not taken.
fn refused(
    owners: &[usize],
    answers: Vec<Result<(), Unavailable>>,
    unwritten: BTreeMap<usize, Unavailable>,
) -> BTreeMap<usize, Unavailable> {
    let unmentioned = || Err(Unavailable::new(Reason::Unreachable, "a message without an answer"));
    let answers = answers.into_iter().chain(std::iter::repeat_with(unmentioned));
    let pairs = owners.iter().zip(answers);
    let refused = pairs.filter_map(|(at, answer)| Some((*at, answer.err()?)));
    unwritten.into_iter().chain(refused).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_without_an_answer_was_not_taken() {
        let refused = refused(&[3, 4, 4], vec![Ok(()), Ok(())], BTreeMap::new());
        assert_eq!(refused.into_keys().collect::<Vec<_>>(), [4]);
    }
}
