//! What is not applied goes to a queue or back to its source: rejected records to the dead letters,
//! unavailable ones to the buffer where only their subject or their tenant is affected. A record that its
//! queue did not take, whole, stays with its source.

use std::collections::BTreeMap;

use crate::base::error::{Rejection, Unavailable};
use crate::base::mutant::{Mutant, on};
use crate::dead_letter::envelope::{buffered, letter};
use crate::dead_letter::message::Message;
use crate::pipeline::Disposition;
use crate::pipeline::batch::{Handled, State};
use crate::ports::Ports;

/// Sends the rejected records to the dead-letter queue; those that it does not take stay with
/// their source.
pub(super) async fn send_to_dead_letters(ports: &impl Ports, handled: &mut [Handled]) {
    let now = ports.now();
    let letters = |handled: &Handled| match &handled.state {
        State::Rejected(rejection) => letter(&handled.record, rejection, handled.about(now)),
        _ => Ok(Vec::new()),
    };
    let Owned { owners, messages, unwritten } = owned_messages(handled, letters);
    if messages.is_empty() && unwritten.is_empty() {
        return;
    }
    let answers = ports.send_letters(&messages).await;
    let refused = refused(&owners, answers, unwritten);
    for (at, handled) in handled.iter_mut().enumerate() {
        let State::Rejected(Rejection { code, message, .. }) = &handled.state else { continue };
        let code = *code;
        handled.why = Some(message.clone());
        handled.state = match refused.get(&at) {
            // Not for the buffer: the queues may be what is wrong.
            Some(unavailable) if !on(Mutant::AckBeforeDeadLetter) => {
                handled.why = Some(unavailable.message.clone());
                State::Done(Disposition::Returned)
            }
            _ => State::Done(Disposition::DeadLettered(code)),
        };
    }
}

/// Sends unavailable records to the buffer queue, where they may wait there, and returns the rest.
pub(super) async fn send_to_buffer(ports: &impl Ports, handled: &mut [Handled]) {
    let now = ports.now();
    let waiting = |handled: &Handled| match &handled.state {
        State::Unavailable(unavailable) if handled.may_wait(unavailable) => {
            buffered(&handled.record, unavailable.reason, handled.about(now))
        }
        _ => Ok(Vec::new()),
    };
    let Owned { owners, messages, unwritten } = owned_messages(handled, waiting);
    let answers =
        if messages.is_empty() { Vec::new() } else { ports.send_buffered(&messages).await };
    let refused = refused(&owners, answers, unwritten);
    for (at, handled) in handled.iter_mut().enumerate() {
        // Owners rise: they were found from the first record to the last.
        let taken = owners.binary_search(&at).is_ok() && !refused.contains_key(&at);
        end_unavailable(handled, if taken { Disposition::Buffered } else { Disposition::Returned });
    }
}

/// Leaves every unavailable record with its source.
pub(super) fn return_unavailable(handled: &mut [Handled]) {
    for handled in handled {
        end_unavailable(handled, Disposition::Returned);
    }
}

fn end_unavailable(handled: &mut Handled, disposition: Disposition) {
    if let State::Unavailable(unavailable) = &handled.state {
        handled.why = Some(unavailable.message.clone());
        handled.state = State::Done(disposition);
    }
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
    handled: &[Handled],
    messages_of: impl Fn(&Handled) -> Result<Vec<Message>, Unavailable>,
) -> Owned {
    let mut owned = Owned::default();
    for (at, handled) in handled.iter().enumerate() {
        match messages_of(handled) {
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

/// The records of which a queue did not take every message, with those that were not written.
fn refused(
    owners: &[usize],
    answers: Vec<Result<(), Unavailable>>,
    unwritten: BTreeMap<usize, Unavailable>,
) -> BTreeMap<usize, Unavailable> {
    let pairs = owners.iter().zip(answers);
    let refused = pairs.filter_map(|(at, answer)| Some((*at, answer.err()?)));
    unwritten.into_iter().chain(refused).collect()
}
