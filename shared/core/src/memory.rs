//! The ports in memory, for tests and benchmarks. [`Faulty`] injects faults.
//!
//! [`Memory`] has the semantics of DynamoDB that the ledger uses: conditions, transactions and their
//! limits, the stored item of a failed condition, and units. In step mode ([`Memory::in_steps`]), every
//! call waits before it acts, so that a test controls the order of concurrent calls.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::base::cost::{Metered, Units};
use crate::base::limits::{ItemLimits, TRANSACTION_ITEMS};
use crate::base::time::Timestamp;
use crate::dead_letter::message::Message;
use crate::intake::document::{DocumentName, StoredDocument};
use crate::intake::record::Record;
use crate::intake::request::Made;
use crate::ledger::{Activity, PageWrite, StoredHead};
use crate::ports::Clock;
use crate::registry::StoredContract;

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
mod notifications;
mod outputs;
mod queues;

#[cfg(any(test, feature = "model-test"))]
pub(crate) use self::ledger::place;

pub use self::faulty::{Call, Fault, Faulty, SAID_BY_A_SERVICE};
pub use self::letters::{Drawer, Held};
pub use self::outputs::{Outputs, StoredEntry};

/// Limits for tests, so small that a few entries make pages, halves and keyframes.
pub const SMALL: ItemLimits = ItemLimits {
    slice_bytes: 900,
    // Every tail that is as large as the view is frozen.
    head_target_bytes: 1,
    keep_entries: 1,
    keep_bytes: 400,
    page_bytes: 200,
    frame_bytes: 500,
    read_pages: 3,
    stale_bytes: 1 << 20,
    write_pages: 7,
    write_bytes: 100_000,
};

/// All ports in memory. Clones share the state.
#[derive(Clone)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

/// The content of the ports. Tests may read and change it.
pub struct State {
    /// Heads by place: the name of the tenant's own table, if it has one, and the partition key.
    pub heads: BTreeMap<String, StoredHead>,
    /// Keys of the listing index by place.
    pub activity: BTreeMap<String, Activity>,
    /// Pages by place and key.
    pub pages: BTreeMap<(String, Vec<u8>), PageWrite>,
    /// Pages by place and key that are not visible yet, although the head of their transaction is.
    pub unshown: BTreeMap<(String, Vec<u8>), PageWrite>,
    /// The number of ledger calls until the pages in `unshown` become visible.
    shown_in: u8,
    /// The records in the event log, in order.
    pub event_log: Vec<Record>,
    /// The dead-letter queue.
    pub letters: Vec<Message>,
    /// The buffer queue.
    pub buffer: Vec<Message>,
    /// Filed letters and runs, by the owner's partition key.
    pub filed: BTreeMap<String, Drawer>,
    /// Records for rereads, by topic and partition.
    pub topics: BTreeMap<(String, i32), Held>,
    /// Objects by bucket and key.
    pub objects: BTreeMap<(String, String), Vec<u8>>,
    /// The registry.
    pub documents: BTreeMap<String, StoredDocument>,
    /// Claims of requests, by key.
    pub requests: BTreeMap<String, Made>,
    /// Timers and the state of the sweep.
    pub outputs: Outputs,
    /// The current time.
    pub now: Timestamp,
    /// The number of ledger calls after which every other page of a transaction becomes visible; a pause
    /// also makes them visible. On DynamoDB, only transactional reads see a transaction as a whole. `None`:
    /// all pages are visible at once.
    pub pages_late: Option<u8>,
    /// Every head that was written, by place, in order: what a change stream tells. `None`: they are not kept.
    pub head_writes: Option<Vec<(String, StoredHead)>>,
    /// Maximum number of items in a transaction.
    pub transaction_items: usize,
    /// The consumed units so far.
    pub units: Units,
    /// Calls that wait for the next step. `None`: step mode is off.
    waiting: Option<Vec<Waker>>,
    random: u64,
}

impl Memory {
    /// Empty ports at this time.
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
            outputs: Outputs::default(),
            now,
            pages_late: None,
            head_writes: None,
            transaction_items: TRANSACTION_ITEMS,
            units: Units::default(),
            waiting: None,
            random: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Empty ports in step mode: every call waits for [`Self::step`] before it acts.
    pub fn in_steps(now: Timestamp) -> Self {
        let memory = Self::new(now);
        memory.state().waiting = Some(Vec::new());
        memory
    }

    /// Lets every waiting call act when it is polled next. A task that is polled once between two steps makes
    /// at most one call for each subject.
    pub fn step(&self) {
        let waiting = self.state().waiting.as_mut().map(std::mem::take).unwrap_or_default();
        waiting.into_iter().for_each(Waker::wake);
    }

    fn give_way(&self) -> GiveWay<'_> {
        GiveWay { memory: self, waited: false }
    }

    /// Puts a document with revision 1 into the registry.
    pub fn put_document(&self, key: &str, json: &str) {
        let document = StoredDocument { json: json.to_owned(), revision: 1 };
        self.state().documents.insert(key.to_owned(), document);
    }

    /// Stores the next version of a contract and returns its number. The document is not checked.
    pub fn put_contract(&self, name: &str, json: &str) -> u32 {
        let current = DocumentName::Contract(name.to_owned());
        let stored = self.state().documents.get(&current.storage_key()).cloned();
        let version = stored.and_then(|stored| StoredContract::number(&stored)).unwrap_or(0) + 1;
        let stamp = r#""applied_at":"2026-01-01T00:00:00Z","applied_by":"test""#;
        let json = format!(r#"{{{stamp},"contract":{json},"version":{version}}}"#);
        let immutable = DocumentName::ContractVersion(name.to_owned(), version);
        self.put_document(&immutable.storage_key(), &json);
        self.put_document(&current.storage_key(), &json);
        version
    }

    /// The content. Ignores poisoning: a panic of another test thread does not matter.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Makes all pages visible.
    pub fn show_pages(&mut self) {
        self.pages.append(&mut self.unshown);
    }

    /// Counts one ledger call. Makes late pages visible after the last call that must not see them.
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

/// Waits for the next [`Memory::step`] in step mode.
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

    /// Waits for a step in step mode, and makes late pages visible. The time does not advance; only a test
    /// changes it.
    async fn pause(&self, _duration: Duration) {
        self.give_way().await;
        self.state().show_pages();
    }

    /// A fixed sequence. Assertions must not depend on it.
    fn random(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = &mut *self.state();
        state.random = state.random.wrapping_add(STEP);
        state.random
    }
}
