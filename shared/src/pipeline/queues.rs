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
        _ => Vec::new(),
    };
    let (owners, messages) = owned_messages(handled, letters);
    if messages.is_empty() {
        return;
    }
    let answers = world.send_letters(&messages).await;
    let refused = refused(&owners, answers);
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
            buffered(&handled.record, unavailable.reason, handled.about(now))
        }
        _ => Vec::new(),
    };
    let (owners, messages) = owned_messages(handled, parked);
    let answers =
        if messages.is_empty() { Vec::new() } else { world.send_buffered(&messages).await };
    let refused = refused(&owners, answers);
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
fn owned_messages(
    handled: &[Handled],
    messages_of: impl Fn(&Handled) -> Vec<Message>,
) -> (Vec<usize>, Vec<Message>) {
    let all = handled.iter().enumerate();
    all.flat_map(|(at, handled)| messages_of(handled).into_iter().map(move |message| (at, message)))
        .unzip()
}

/// The records of which a queue did not take every message.
fn refused(
    owners: &[usize],
    answers: Vec<Result<(), Unavailable>>,
) -> BTreeMap<usize, Unavailable> {
    let pairs = owners.iter().zip(answers);
    pairs.filter_map(|(at, answer)| answer.err().map(|unavailable| (*at, unavailable))).collect()
}
