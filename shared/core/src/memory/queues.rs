//! Queues, the event log, documents and requests in memory.

use super::{Memory, State};
use crate::base::error::{Reason, Unavailable};
use crate::base::time::Timestamp;
use crate::dead_letter::message::Message;
use crate::dead_letter::sending::{Queue, Sent, send};
use crate::dead_letter::text::is_sendable;
use crate::intake::document::{DocumentName, StoredDocument};
use crate::intake::event_log::{NotSent, Outgoing};
use crate::intake::request::{Claim, Claimed};
use crate::ports::{Buffer, DeadLetters, Documents, EventLog, Requests};

/// The maximum size of a message in SQS, in bytes.
const MESSAGE_BYTES: usize = 1024 * 1024;

/// The error of a message that SQS rejects.
fn refusal(Message { body, .. }: &Message) -> Option<Sent> {
    let broken = |fault: &str| Unavailable::new(Reason::Bug, fault);
    if body.is_empty() || body.len() > MESSAGE_BYTES {
        return Some(Sent::NotTaken(broken("the length of the body is invalid in SQS")));
    }
    let sendable = body.chars().all(is_sendable);
    (!sendable).then(|| Sent::Refused(broken("the body has characters that SQS rejects")))
}

/// One of the two queues.
struct InMemory<'a>(&'a Memory, fn(&mut State) -> &mut Vec<Message>);

impl Queue for InMemory<'_> {
    async fn send(&self, messages: &[Message]) -> Vec<Sent> {
        let Self(memory, queue) = self;
        memory.give_way().await;
        let state = &mut *memory.state();
        let take = |message: &Message| {
            refusal(message).unwrap_or_else(|| {
                queue(state).push(message.clone());
                Sent::Taken
            })
        };
        messages.iter().map(take).collect()
    }
}

fn letters(state: &mut State) -> &mut Vec<Message> {
    &mut state.letters
}

fn buffer(state: &mut State) -> &mut Vec<Message> {
    &mut state.buffer
}

impl DeadLetters for Memory {
    async fn send_letters(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        send(&InMemory(self, letters), &InMemory(self, buffer), messages).await
    }
}

impl Buffer for Memory {
    async fn send_buffered(&self, messages: &[Message]) -> Vec<Result<(), Unavailable>> {
        send(&InMemory(self, buffer), &InMemory(self, letters), messages).await
    }
}

impl Documents for Memory {
    async fn document(&self, name: &DocumentName) -> Result<Option<StoredDocument>, Unavailable> {
        self.give_way().await;
        Ok(self.state().documents.get(&name.storage_key()).cloned())
    }
}

impl EventLog for Memory {
    async fn send(&self, events: &[Outgoing], _deadline: Timestamp) -> Vec<Result<(), NotSent>> {
        self.give_way().await;
        let state = &mut *self.state();
        state.event_log.extend(events.iter().map(|event| event.record.clone()));
        events.iter().map(|_| Ok(())).collect()
    }
}

impl Requests for Memory {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        let before = state.requests.get(&claim.storage_key);
        let before = before.filter(|made| made.received_at > claim.stale()).cloned();
        let claimed = before.map_or(Claimed::First, Claimed::Before);
        if claimed == Claimed::First {
            state.requests.insert(claim.storage_key.clone(), claim.made.clone());
        }
        Ok(claimed)
    }
}
