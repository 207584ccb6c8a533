//! What follows the heads in a case: it takes batches of the stream in order, reads as it is told and writes
//! to the topics. Each read and each record that is sent is a step, between any two of which it may die.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use crate::base::error::Unavailable;
use crate::base::id::SubjectKey;
use crate::intake::tenant::Feeds;
use crate::ledger::codec::decode_head;
use crate::ledger::read::{Answer, Ask};
use crate::ledger::{Head, StoredHead};
use crate::memory::model_test::script::location;
use crate::memory::{Faulty, Memory};
use crate::outputs::changes::Changes;
use crate::outputs::feeds::{self, Delivery, Step};
use crate::outputs::record::FeedRecord;
use crate::outputs::views;
use crate::ports::{Clock, Store};
use crate::registry::Registry;
use crate::view::Specs;

/// The images of a head before and after a commit.
#[derive(Clone, Debug)]
pub(super) struct StreamRecord {
    pub(super) key: SubjectKey,
    pub(super) old: Option<StoredHead>,
    pub(super) new: StoredHead,
}

/// A relay, and what it writes to.
#[derive(Clone)]
pub(super) struct Relay {
    pub(super) memory: Arc<Faulty<Memory>>,
    pub(super) feeds: Arc<Feeds>,
    pub(super) topics: Arc<Mutex<Vec<(SubjectKey, FeedRecord)>>>,
}

impl Relay {
    /// Delivers a batch; how many of its records need not come again.
    pub(super) async fn deliver(self, batch: Vec<StreamRecord>) -> usize {
        let mut last: BTreeMap<SubjectKey, Changes> = BTreeMap::new();
        let mut delivered = 0;
        for StreamRecord { key, old, new } in batch {
            let old = old.as_ref().map(decoded);
            let changes = Changes::between(old.as_ref(), &decoded(&new));
            if self.send_events(&key, changes.clone()).await.is_err() {
                break;
            }
            last.insert(key, changes);
            delivered += 1;
        }
        for (key, last) in last {
            if views::is_due(&self.feeds, &last) && self.send_view(&key).await.is_err() {
                return 0;
            }
        }
        delivered
    }

    async fn send_events(&self, key: &SubjectKey, changes: Changes) -> Result<(), Unavailable> {
        let now = self.memory.now();
        let (mut delivery, mut step) = Delivery::start(key, &self.feeds, changes, now);
        loop {
            let answer = match step {
                Step::Done => return Ok(()),
                Step::Ask(ask) => feeds::Answer::Read(self.read(key, ask).await?),
                Step::Send(records) => {
                    for record in records {
                        self.send(key, record).await;
                    }
                    feeds::Answer::Sent
                }
            };
            (delivery, step) = delivery.answer(answer)?;
        }
    }

    async fn send_view(&self, key: &SubjectKey) -> Result<(), Unavailable> {
        let Answer::Head(Some(stored)) = self.read(key, Ask::Head).await? else { return Ok(()) };
        let (head, memory) = (decoded(&stored), &*self.memory);
        let versions = Specs::default().missing(&head.tail);
        let specs = Registry::new().specs(&versions, memory).await?;
        if let Some(record) = views::record(key, head, &specs) {
            self.send(key, record).await;
        }
        Ok(())
    }

    async fn read(&self, key: &SubjectKey, ask: Ask) -> Result<Answer, Unavailable> {
        let (memory, location) = (&*self.memory, location(key));
        Ok(match ask {
            Ask::Head => Answer::Head(memory.head(&location).await?.answer),
            Ask::Pages(range) => Answer::Pages(memory.pages(&location, &range).await?.answer),
            Ask::Pause { .. } => {
                memory.pause(std::time::Duration::ZERO).await;
                Answer::Paused
            }
        })
    }

    async fn send(&self, key: &SubjectKey, record: FeedRecord) {
        give_way().await;
        self.topics.lock().expect("nobody panics").push((key.clone(), record));
    }
}

pub(super) fn decoded(stored: &StoredHead) -> Head {
    decode_head(&stored.bytes).expect("a head")
}

/// Ready when it is polled the second time.
async fn give_way() {
    let mut waited = false;
    poll_fn(|_| match std::mem::replace(&mut waited, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}
