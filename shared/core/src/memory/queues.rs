//! Queues, the stream, documents and requests in memory.

use super::{Call, Fault, Memory, State, unreachable};
use crate::base::dependency::Dependency;
use crate::base::error::{Reason, Unavailable};
use crate::base::time::Timestamp;
use crate::dead_letter::message::Message;
use crate::dead_letter::sending::{Queue, Sent, send};
use crate::dead_letter::text::is_sendable;
use crate::intake::document::{DocumentName, StoredDocument};
use crate::intake::event_log::{NotSent, Outgoing};
use crate::intake::request::{Claim, Claimed};
use crate::ports::{Buffer, DeadLetters, Documents, EventLog, Requests};

/// What SQS takes at most, in bytes.
const MESSAGE_BYTES: usize = 1024 * 1024;

impl State {
    fn send(&mut self, call: Call, messages: &[Message]) -> Vec<Sent> {
        let mut answers = Vec::new();
        for message in messages {
            let fault = (self.faults)(call);
            if let (Fault::None, Some(refusal)) = (fault, refusal(message)) {
                answers.push(refusal);
                continue;
            }
            if matches!(fault, Fault::None | Fault::LostAfter) {
                match call {
                    Call::Buffer => self.buffer.push(message.clone()),
                    _ => self.letters.push(message.clone()),
                }
            }
            let taken = fault == Fault::None;
            answers.push(if taken { Sent::Taken } else { Sent::NotTaken(unreachable()) });
        }
        answers
    }
}

/// What SQS says of a message that it does not take.
fn refusal(Message { body, .. }: &Message) -> Option<Sent> {
    let broken = |fault: &str| Unavailable::new(Reason::Bug, fault);
    if body.is_empty() || body.len() > MESSAGE_BYTES {
        return Some(Sent::NotTaken(broken("a body of no length that SQS takes")));
    }
    let sendable = body.chars().all(is_sendable);
    (!sendable).then(|| Sent::Refused(broken("a body with characters that SQS refuses")))
}

/// One of the two queues.
struct InMemory<'a>(&'a Memory, Call);

impl Queue for InMemory<'_> {
    async fn send(&self, messages: &[Message]) -> Vec<Sent> {
        let Self(memory, call) = self;
        memory.give_way().await;
        let sent = memory.state().send(*call, messages);
        let queue = match call {
            Call::Buffer => Dependency::BufferQueue,
            _ => Dependency::DeadLetterQueue,
        };
        sent.into_iter().map(|sent| sent.of(queue)).collect()
    }
}

impl DeadLetters for Memory {
    async fn send_letters(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        send(&InMemory(self, Call::Letter), &InMemory(self, Call::Buffer), messages).await
    }
}

impl Buffer for Memory {
    async fn send_buffered(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        send(&InMemory(self, Call::Buffer), &InMemory(self, Call::Letter), messages).await
    }
}

impl Documents for Memory {
    async fn document(&self, name: &DocumentName) -> Result<Option<StoredDocument>, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        if (state.faults)(Call::Document) != Fault::None {
            return Err(unreachable().of(Dependency::Registry));
        }
        Ok(state.documents.get(&name.storage_key()).cloned())
    }
}

impl EventLog for Memory {
    async fn send(&self, events: &[Outgoing], _deadline: Timestamp) -> Vec<Result<(), NotSent>> {
        self.give_way().await;
        let state = &mut *self.state();
        let mut take = |event: &Outgoing| {
            let fault = (state.faults)(Call::EventLog);
            if matches!(fault, Fault::None | Fault::LostAfter) {
                state.event_log.push(event.record.clone());
            }
            if fault == Fault::None {
                Ok(())
            } else {
                Err(unreachable().of(Dependency::EventLog).into())
            }
        };
        events.iter().map(&mut take).collect()
    }
}

impl Requests for Memory {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        let fault = (state.faults)(Call::Claim);
        if matches!(fault, Fault::Refused | Fault::LostBefore) {
            return Err(unreachable().of(Dependency::RequestsTable));
        }
        let before = state.requests.get(&claim.storage_key);
        let before = before.filter(|made| made.received_at > claim.stale()).cloned();
        let claimed = before.map_or(Claimed::First, Claimed::Before);
        if claimed == Claimed::First {
            state.requests.insert(claim.storage_key.clone(), claim.made.clone());
        }
        if fault == Fault::LostAfter {
            Err(unreachable().of(Dependency::RequestsTable))
        } else {
            Ok(claimed)
        }
    }
}
