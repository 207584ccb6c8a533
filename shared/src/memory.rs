//! The ports in memory, with faults on demand: for tests and benchmarks. It keeps to DynamoDB's
//! semantics as far as the ledger uses them (conditions, all-or-nothing writes, the old item on a
//! lost condition, units). It can go in steps: then every call waits before it acts, so that a test
//! decides who goes next.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::error::{Reason, Unavailable};
use crate::ledger::dialogue::WriteAnswer;
use crate::ledger::{Activity, Bound, LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use crate::listing::{Listing, Shard};
use crate::mutant::{Mutant, on};
use crate::pipeline::ports::{Buffer, Clock, DeadLetters, Home, Message, Metered, Store, Units};
use crate::record::Record;
use crate::registry::{DocumentName, Documents, StoredDocument};
use crate::request::{Claim, Claimed, Made, Requests};
use crate::stream::{NotSent, Outgoing, Stream};
use crate::time::Timestamp;

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
    /// The stream: what was sent, in order.
    pub stream: Vec<Record>,
    /// The dead-letter queue.
    pub letters: Vec<Message>,
    /// The buffer queue.
    pub buffer: Vec<Message>,
    /// The registry.
    pub documents: BTreeMap<String, StoredDocument>,
    /// Claims of requests, by key.
    pub requests: BTreeMap<String, Made>,
    /// What the clock shows.
    pub now: Timestamp,
    /// Asked before each call.
    pub faults: Box<dyn FnMut(Call) -> Fault + Send>,
    /// What was consumed so far.
    pub units: Units,
    /// Calls that wait for the next step; `None`: calls never wait.
    waiting: Option<Vec<Waker>>,
    random: u64,
}

/// A call that may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Store::head`]
    Head,
    /// [`Store::pages`]
    Pages,
    /// [`Store::seal`]
    Seal,
    /// [`Store::write`]
    Write,
    /// [`DeadLetters::send_letters`], once for each message
    Letter,
    /// [`Buffer::send_buffered`], once for each message
    Buffer,
    /// [`Documents::document`]
    Document,
    /// [`Listing::hours`]
    Listing,
    /// [`Requests::claim`]
    Claim,
    /// [`Stream::send`], once for each event
    Stream,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not at all.
    None,
    /// Nothing is done, and the caller is told so.
    Refused,
    /// It may or may not have been done, and the caller is not told: here it was not.
    LostBefore,
    /// The same, and here it was.
    LostAfter,
}

impl Memory {
    /// Empty, without faults.
    pub fn new(now: Timestamp) -> Self {
        let state = State {
            heads: BTreeMap::new(),
            activity: BTreeMap::new(),
            pages: BTreeMap::new(),
            stream: Vec::new(),
            letters: Vec::new(),
            buffer: Vec::new(),
            documents: BTreeMap::new(),
            requests: BTreeMap::new(),
            now,
            faults: Box::new(|_| Fault::None),
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

    /// What is kept. A panic of another test thread does not matter here.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
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

fn unreachable() -> Unavailable {
    Unavailable::new(Reason::Unreachable, "a fault on demand")
}

fn units_of(bytes: usize, per_unit: u32) -> f64 {
    let units = bytes.div_ceil(per_unit as usize).max(1);
    f64::from(u32::try_from(units).unwrap_or(u32::MAX))
}

const WRITE_UNIT: u32 = 1024;
const READ_UNIT: u32 = 4096;
/// Attribute names and numbers of an item, about.
const NAMES: usize = 13;

/// Where a subject's items are: the partition key, behind the name of its tenant's own table.
fn place(home: &Home) -> String {
    let pk = home.key.partition_key();
    home.table.as_ref().map_or_else(|| pk.clone(), |table| format!("{table}!{pk}"))
}

fn head_bytes(pk: &str, head: &StoredHead, activity: &Activity) -> usize {
    pk.len() + activity.shard.len() + activity.hour.len() + head.bytes.len() + NAMES
}

fn page_bytes(pk: &str, page: &StoredPage) -> usize {
    pk.len() + page.key.len() + page.bytes.len() + NAMES
}

impl Store for Memory {
    async fn head(&self, home: &Home) -> Result<Metered<Option<StoredHead>>, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        if (state.faults)(Call::Head) != Fault::None {
            return Err(unreachable());
        }
        let pk = place(home);
        let bytes = state.stored_head_bytes(&pk);
        let head = state.heads.get(&pk).cloned();
        Ok(state.charge(head, Units { read: units_of(bytes, READ_UNIT), write: 0.0 }))
    }

    async fn pages(
        &self,
        home: &Home,
        range: &PageRange,
    ) -> Result<Metered<Vec<StoredPage>>, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        if (state.faults)(Call::Pages) != Fault::None {
            return Err(unreachable());
        }
        let pk = place(home);
        let pages: Vec<StoredPage> = match &range.bound {
            Bound::From(key) => {
                let mine = state.pages.range((pk.clone(), key.clone())..);
                let mine = mine.take_while(|((owner, _), _)| *owner == pk);
                mine.take(range.limit).map(|(_, write)| write.page.clone()).collect()
            }
            Bound::UpTo(key) => {
                let mine = state.pages.range((pk.clone(), Vec::new())..=(pk.clone(), key.clone()));
                mine.rev().take(range.limit).map(|(_, write)| write.page.clone()).collect()
            }
        };
        let bytes = pages.iter().map(|page| page_bytes(&pk, page)).sum();
        Ok(state.charge(pages, Units { read: units_of(bytes, READ_UNIT), write: 0.0 }))
    }

    async fn seal(&self, home: &Home, page: &PageWrite) -> Result<Metered<()>, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        let fault = (state.faults)(Call::Seal);
        if matches!(fault, Fault::Refused | Fault::LostBefore) {
            return Err(unreachable());
        }
        let pk = place(home);
        let units = units_of(page_bytes(&pk, &page.page), WRITE_UNIT);
        let at = (pk, page.page.key.clone());
        if on(Mutant::BlindPagePut) {
            state.pages.insert(at, page.clone());
        } else {
            state.pages.entry(at).or_insert_with(|| page.clone());
        }
        let answer = state.charge((), Units { read: 0.0, write: units });
        if fault == Fault::LostAfter { Err(unreachable()) } else { Ok(answer) }
    }

    async fn write(
        &self,
        home: &Home,
        write: &LedgerWrite,
    ) -> Result<Metered<WriteAnswer>, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        let fault = (state.faults)(Call::Write);
        match fault {
            Fault::Refused => return Err(unreachable()),
            Fault::LostBefore => return Ok(state.charge(WriteAnswer::Unknown, Units::default())),
            Fault::None | Fault::LostAfter => {}
        }
        let pk = place(home);
        let stored = state.heads.get(&pk);
        let lost =
            stored.map(|head| head.version) != write.expected && !on(Mutant::NoVersionCondition);
        if lost {
            let answer = WriteAnswer::Lost(stored.cloned());
            let units = units_of(state.stored_head_bytes(&pk), WRITE_UNIT) * factor(write);
            return Ok(state.charge(answer, Units { read: 0.0, write: units }));
        }
        let units = state.replace(&pk, write);
        let answer = if fault == Fault::None { WriteAnswer::Written } else { WriteAnswer::Unknown };
        Ok(state.charge(answer, units))
    }
}

/// A transaction writes each item twice: it prepares, then commits.
fn factor(write: &LedgerWrite) -> f64 {
    if write.pages.is_empty() { 1.0 } else { 2.0 }
}

impl State {
    /// An item that replaces another costs what the larger of the two does.
    fn replace(&mut self, pk: &str, write: &LedgerWrite) -> Units {
        let bytes = head_bytes(pk, &write.head, &write.activity);
        let mut units = units_of(bytes.max(self.stored_head_bytes(pk)), WRITE_UNIT);
        for page in &write.pages {
            let at = (pk.to_owned(), page.page.key.clone());
            let before = self.pages.insert(at, page.clone());
            let before = before.map_or(0, |before| page_bytes(pk, &before.page));
            units += units_of(page_bytes(pk, &page.page).max(before), WRITE_UNIT);
        }
        units *= factor(write);
        // The listing index: one entry goes, one comes. A transaction does not write it twice.
        match self.activity.insert(pk.to_owned(), write.activity.clone()) {
            None => units += 1.0,
            Some(before) if before != write.activity => units += 2.0,
            Some(_) => {}
        }
        self.heads.insert(pk.to_owned(), write.head.clone());
        Units { read: 0.0, write: units }
    }

    fn stored_head_bytes(&self, pk: &str) -> usize {
        let stored = self.heads.get(pk).zip(self.activity.get(pk));
        stored.map_or(0, |(head, activity)| head_bytes(pk, head, activity))
    }

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

impl Listing for Memory {
    async fn hours(
        &self,
        shard: &Shard,
        below: Option<&str>,
        limit: usize,
    ) -> Result<Metered<Vec<String>>, Unavailable> {
        self.give_way().await;
        let state = &mut *self.state();
        if (state.faults)(Call::Listing) != Fault::None {
            return Err(unreachable());
        }
        let table = shard.table().map(|table| &**table);
        // No partition key has a `!`.
        let mine = |place: &str| place.rsplit_once('!').map(|(table, _)| table) == table;
        let listed = state
            .activity
            .iter()
            .filter(|(place, activity)| mine(place) && activity.shard == shard.key());
        let hours = listed.map(|(_, activity)| activity.hour.as_str());
        let hours = hours.filter(|hour| below.is_none_or(|below| *hour < below));
        let mut hours: Vec<String> = hours.map(str::to_owned).collect();
        hours.sort_unstable_by(|one, other| other.cmp(one));
        hours.truncate(limit);
        let bytes = hours.iter().map(|hour| 2 * (hour.len() + shard.key().len())).sum();
        Ok(state.charge(hours, Units { read: units_of(bytes, READ_UNIT) / 2.0, write: 0.0 }))
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

impl Clock for Memory {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    /// Gives way; its clock moves only when a test moves it.
    async fn pause(&self, _duration: Duration) {
        self.give_way().await;
    }

    /// A fixed sequence: nothing that a test asserts may depend on it.
    fn random(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = &mut *self.state();
        state.random = state.random.wrapping_add(STEP);
        state.random
    }
}
