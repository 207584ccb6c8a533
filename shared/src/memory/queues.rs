//! Queues, the stream, documents and requests in memory.

use super::{Call, Fault, Memory, State, unreachable};
use crate::error::Unavailable;
use crate::pipeline::ports::{Buffer, DeadLetters, Message};
use crate::registry::{DocumentName, Documents, StoredDocument};
use crate::request::{Claim, Claimed, Requests};
use crate::stream::{NotSent, Outgoing, Stream};
use crate::time::Timestamp;

impl State {
    fn send(&mut self, call: Call, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        let mut answers = Vec::new();
        for message in messages {
            let fault = (self.faults)(call);
            if matches!(fault, Fault::None | Fault::LostAfter) {
                match call {
                    Call::Buffer => self.buffer.push(message.clone()),
                    _ => self.letters.push(message.clone()),
                }
            }
            answers.push(if fault == Fault::None { Ok(()) } else { Err(unreachable()) });
        }
        answers
    }
}

impl DeadLetters for Memory {
    async fn send_letters(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        self.give_way().await;
        self.state().send(Call::Letter, messages)
    }
}

impl Buffer for Memory {
    async fn send_buffered(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        self.give_way().await;
        self.state().send(Call::Buffer, messages)
    }
}

impl Documents for Memory {
    async fn document(&self, name: &DocumentName) -> Result<Option<StoredDocument>, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        if (state.faults)(Call::Document) != Fault::None {
            return Err(unreachable());
        }
        Ok(state.documents.get(&name.storage_key()).cloned())
    }
}

impl Stream for Memory {
    async fn send(&self, events: &[Outgoing], _deadline: Timestamp) -> Vec<Result<(), NotSent>> {
        self.give_way().await;
        let state = &mut *self.state();
        let mut take = |event: &Outgoing| {
            let fault = (state.faults)(Call::Stream);
            if matches!(fault, Fault::None | Fault::LostAfter) {
                state.stream.push(event.record.clone());
            }
            if fault == Fault::None { Ok(()) } else { Err(unreachable().into()) }
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
            return Err(unreachable());
        }
        let before = state.requests.get(&claim.storage_key);
        let before = before.filter(|made| made.received_at > claim.stale()).cloned();
        let claimed = before.map_or(Claimed::First, Claimed::Before);
        if claimed == Claimed::First {
            state.requests.insert(claim.storage_key.clone(), claim.made.clone());
        }
        if fault == Fault::LostAfter { Err(unreachable()) } else { Ok(claimed) }
    }
}
