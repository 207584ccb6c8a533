//! The ports in memory, for tests and benchmarks; [`Faulty`] makes them fail on demand. It keeps to DynamoDB's
//! semantics as far as the ledger uses them (conditions, all-or-nothing writes within their limits, the
//! old item on a lost condition, units). It can go in steps: then every call waits before it acts, so that a test
//! decides who goes next.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::base::cost::{Metered, Units};
use crate::base::limits::TRANSACTION_ITEMS;
use crate::base::time::Timestamp;
use crate::dead_letter::message::Message;
use crate::intake::document::StoredDocument;
use crate::intake::record::Record;
use crate::intake::request::Made;
use crate::ledger::{Activity, PageWrite, StoredHead};
use crate::ports::Clock;

mod erasing;
mod faulty;
mod ledger;
mod letters;
#[cfg(any(test, feature = "model-test"))]
#[expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a case ends where it finds a mistake, as a test does"
)]
pub mod model_test;
mod queues;

#[cfg(any(test, feature = "model-test"))]
pub(crate) use self::ledger::place;

pub use self::faulty::{Call, Fault, Faulty, SAID_BY_A_SERVICE};
pub use self::letters::{Drawer, Held};

/// Everything outside, in memory. Clones share it.
#[derive(Clone)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

/// What is kept. Tests read it, and may change it.
pub struct State {
    /// Heads by place: the partition key, behind the name of the tenant's own table if it has one.
    pub heads: BTreeMap<String, StoredHead>,
    /// Keys of the listing index by place.
    pub activity: BTreeMap<String, Activity>,
    /// Pages by place and key.
    pub pages: BTreeMap<(String, Vec<u8>), PageWrite>,
    /// Pages of transactions whose heads show already, likewise.
    pub unshown: BTreeMap<(String, Vec<u8>), PageWrite>,
    /// Calls of the ledger until they show, too.
    shown_in: u8,
    /// The stream: what was sent, in order.
    pub event_log: Vec<Record>,
    /// The dead-letter queue.
    pub letters: Vec<Message>,
    /// The buffer queue.
    pub buffer: Vec<Message>,
    /// Filed letters and runs, by the owner's partition key.
    pub filed: BTreeMap<String, Drawer>,
    /// What topics hold, by partition, to be read again.
    pub topics: BTreeMap<(String, i32), Held>,
    /// Objects by bucket and key.
    pub objects: BTreeMap<(String, String), Vec<u8>>,
    /// The registry.
    pub documents: BTreeMap<String, StoredDocument>,
    /// Claims of requests, by key.
    pub requests: BTreeMap<String, Made>,
    /// What the clock shows.
    pub now: Timestamp,
    /// Writes of the ledger are done whole, but every other page shows only after that many calls of the
    /// ledger, or a pause: DynamoDB shows transactions whole to transactional reads only. `None`: at
    /// once.
    pub pages_late: Option<u8>,
    /// The most items that a transaction may have.
    pub transaction_items: usize,
    /// What was consumed so far.
    pub units: Units,
    /// Calls that wait for the next step; `None`: calls never wait.
    waiting: Option<Vec<Waker>>,
    random: u64,
}

impl Memory {
    /// Empty.
    pub fn new(now: Timestamp) -> Self {
        let state = State {
            heads: BTreeMap::new(),
            activity: BTreeMap::new(),
            pages: BTreeMap::new(),
            unshown: BTreeMap::new(),
            shown_in: 0,
            event_log: Vec::new(),
            letters: Vec::new(),
            buffer: Vec::new(),
            filed: BTreeMap::new(),
            topics: BTreeMap::new(),
            objects: BTreeMap::new(),
            documents: BTreeMap::new(),
            requests: BTreeMap::new(),
            now,
            pages_late: None,
            transaction_items: TRANSACTION_ITEMS,
            units: Units::default(),
            waiting: None,
            random: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Empty, and every call waits for a step before it acts.
    pub fn in_steps(now: Timestamp) -> Self {
        let memory = Self::new(now);
        memory.state().waiting = Some(Vec::new());
        memory
    }

    /// Lets every call that waits act when it is polled next. A task that is polled once between
    /// two steps makes at most one call of each subject.
    pub fn step(&self) {
        let waiting = self.state().waiting.as_mut().map(std::mem::take).unwrap_or_default();
        waiting.into_iter().for_each(Waker::wake);
    }

    fn give_way(&self) -> GiveWay<'_> {
        GiveWay { memory: self, waited: false }
    }

    /// Puts a document into the registry, of the first revision.
    pub fn put_document(&self, key: &str, json: &str) {
        let document = StoredDocument { json: json.to_owned(), revision: 1 };
        self.state().documents.insert(key.to_owned(), document);
    }

    /// What is kept. A panic of another test thread does not matter here.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Ends what [`State::pages_late`] began.
    pub fn show_pages(&mut self) {
        self.pages.append(&mut self.unshown);
    }

    /// One call of the ledger: the last one that does not see late pages, or one after it.
    fn count_down(&mut self) {
        match self.shown_in.checked_sub(1) {
            Some(left) => self.shown_in = left,
            None => self.show_pages(),
        }
    }

    fn charge<T>(&mut self, answer: T, units: Units) -> Metered<T> {
        self.units += units;
        Metered { answer, units }
    }
}

/// Waits for the next [`Memory::step`], if this memory goes in steps.
struct GiveWay<'a> {
    memory: &'a Memory,
    waited: bool,
}

impl Future for GiveWay<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.memory.state();
        let Some(waiting) = state.waiting.as_mut().filter(|_| !self.waited) else {
            return Poll::Ready(());
        };
        waiting.push(context.waker().clone());
        drop(state);
        self.waited = true;
        Poll::Pending
    }
}

impl Clock for Memory {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    /// Gives way, and transactions are seen whole; its clock moves only when a test moves it.
    async fn pause(&self, _duration: Duration) {
        self.give_way().await;
        self.state().show_pages();
    }

    /// A fixed sequence: nothing that a test asserts may depend on it.
    fn random(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = &mut *self.state();
        state.random = state.random.wrapping_add(STEP);
        state.random
    }
}
