//! The ports in memory, with faults on demand: for tests and benchmarks. It keeps to DynamoDB's
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
use crate::base::dependency::Dependency;
use crate::base::error::{Reason, Unavailable};
use crate::base::limits::TRANSACTION_ITEMS;
use crate::base::time::Timestamp;
use crate::dead_letter::message::Message;
use crate::intake::document::StoredDocument;
use crate::intake::record::Record;
use crate::intake::request::Made;
use crate::ledger::{Activity, PageWrite, StoredHead};
use crate::ports::{Clock, SubjectLocation};

mod erasing;
mod ledger;
mod letters;
#[cfg(test)]
mod model_test;
mod queues;

#[cfg(test)]
pub(crate) use self::ledger::place;

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
    /// Asked before each call.
    pub faults: Box<dyn FnMut(Call) -> Fault + Send>,
    /// Tenants' own tables that fail every call, and why.
    pub broken_tables: BTreeMap<String, Reason>,
    /// The most items that a transaction may have.
    pub transaction_items: usize,
    /// What was consumed so far.
    pub units: Units,
    /// Calls that wait for the next step; `None`: calls never wait.
    waiting: Option<Vec<Waker>>,
    random: u64,
}

/// A call that may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `Store::head`
    Head,
    /// `Store::pages`
    Pages,
    /// `Store::seal`
    Seal,
    /// `Store::write`, `Eraser::replace_unlisted`
    Write,
    /// `Eraser::delete_pages`, and what `LetterEraser` does
    Erase,
    /// `DeadLetters::send_letters`, once for each message
    Letter,
    /// `Buffer::send_buffered`, once for each message
    Buffer,
    /// `Documents::document`
    Document,
    /// `Listing::hours`
    Listing,
    /// `Requests::claim`
    Claim,
    /// `EventLog::send`, once for each event
    EventLog,
    /// `Letters::put_chunks` and `put_letter`
    File,
    /// `Letters::replace_letter`
    Mark,
    /// What reads letters and their contents
    Filed,
    /// What reads and writes the records of runs
    Run,
    /// What reads and writes leases
    Lease,
    /// `Reread::reread` and `Objects::object`
    Reread,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not at all.
    None,
    /// Nothing is done, and the caller is told so.
    Refused,
    /// Of the ledger's calls alone: nothing is done, because this one key is asked for too often.
    HotKey,
    /// It may or may not have been done, and the caller is not told: here it was not.
    LostBefore,
    /// The same, and here it was.
    LostAfter,
    /// Of [`Call::Write`] alone: all of it is done, but every other page shows only after that many
    /// calls of the ledger, or a pause. DynamoDB shows transactions whole to transactional reads
    /// only.
    PagesLate(u8),
}

impl Memory {
    /// Empty, without faults.
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
            faults: Box::new(|_| Fault::None),
            broken_tables: BTreeMap::new(),
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
    /// Ends what [`Fault::PagesLate`] began.
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

    /// Why the table of a subject fails, if it does.
    fn broken_table(&self, location: &SubjectLocation) -> Option<Reason> {
        location.table.as_ref().and_then(|table| self.broken_tables.get(&**table)).copied()
    }

    fn check_table(&self, location: &SubjectLocation) -> Result<(), Unavailable> {
        let reason = self.broken_table(location);
        reason.map_or(Ok(()), |reason| Err(of_table(reason)))
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

/// What every fault on demand says, as services do: no tenant may ever see it.
pub const SAID_BY_A_SERVICE: &str = "User: arn:aws:iam::123456789012:role/canary is not authorized to perform: \
     dynamodb:Query on resource: table/canary-ledger";

/// What a call of the ledger says that fails in this way.
fn fails(fault: Fault) -> Unavailable {
    match fault {
        Fault::HotKey => Unavailable::new(Reason::HotKey, SAID_BY_A_SERVICE),
        _ => unreachable(),
    }
    .of(Dependency::LedgerTable)
}

fn of_table(reason: Reason) -> Unavailable {
    Unavailable::new(reason, SAID_BY_A_SERVICE).of(Dependency::LedgerTable)
}

fn unreachable() -> Unavailable {
    Unavailable::new(Reason::Unreachable, SAID_BY_A_SERVICE)
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
