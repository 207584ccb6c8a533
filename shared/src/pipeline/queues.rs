//! What is not applied goes to a queue or back to its source: rejected records to the dead letters,
//! unavailable ones to the buffer where only a few subjects wait. A record that its queue did not
//! take, whole, stays with its source.

use std::collections::BTreeMap;

use crate::dead_letter::{buffered, letter};
use crate::error::{Rejection, Unavailable};
use crate::mutant::{Mutant, on};
use crate::pipeline::Disposition;
use crate::pipeline::batch::{Handled, State};
use crate::pipeline::ports::{Message, World};

/// Sends the rejected records to the dead-letter queue; those that it does not take stay with
/// their source.
pub(super) async fn bury(world: &impl World, handled: &mut [Handled]) {
    let now = world.now();
    let letters = |handled: &Handled| match &handled.state {
        State::Rejected(rejection) => letter(&handled.record, rejection, handled.about(now)),
        _ => Ok(Vec::new()),
    };
    let Owned { owners, messages, unwritten } = owned_messages(handled, letters);
    if messages.is_empty() && unwritten.is_empty() {
        return;
    }
    let answers = world.send_letters(&messages).await;
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

/// Sends unavailable records to the buffer queue, where that is to be done, and returns the rest.
pub(super) async fn park(world: &impl World, handled: &mut [Handled], few: bool) {
    let now = world.now();
    let parked = |handled: &Handled| match &handled.state {
        State::Unavailable(unavailable) if few && handled.may_wait(unavailable) => {
            buffered(&handled.record, &unavailable.message, handled.about(now))
        }
        _ => Ok(Vec::new()),
    };
    let Owned { owners, messages, unwritten } = owned_messages(handled, parked);
    let answers =
        if messages.is_empty() { Vec::new() } else { world.send_buffered(&messages).await };
    let refused = refused(&owners, answers, unwritten);
    for (at, handled) in handled.iter_mut().enumerate() {
        if let State::Unavailable(unavailable) = &handled.state {
            handled.why = Some(unavailable.message.clone());
            // Owners rise: they were found from the first record to the last.
            let taken = owners.binary_search(&at).is_ok() && !refused.contains_key(&at);
            let disposition = if taken { Disposition::Buffered } else { Disposition::Returned };
            handled.state = State::Done(disposition);
        }
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
