//! One subject over a store in memory, and entries that are named after their second.

use std::sync::Arc;

use futures_util::FutureExt as _;

use crate::base::cost::Units;
use crate::base::error::Unavailable;
use crate::base::id::{EventId, Position, SubjectId, TenantId};
use crate::base::limits::ItemLimits;
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::event::{Entry, IdOrigin, Placing};
use crate::ledger::codec::{decode_head, decode_page};
use crate::ledger::commit::Commit;
use crate::ledger::dialogue::{Answer, Ask, CommitParams, EntryOutcome, Step};
use crate::ledger::place::Arrival;
use crate::ledger::read::{Question, Snapshot};
use crate::ledger::{Head, Page, Policy, Previous};
use crate::memory::{Call, Fault, Faulty, Memory};
use crate::pipeline::subject::{Job, carry, commit};
use crate::pipeline::table_health::TableHealth;
use crate::ports::{Store as _, SubjectLocation};
use crate::registry::Registry;
use crate::subject::reader;
use crate::view::{Specs, View, fold};

pub(super) const APPLIED: EntryOutcome = EntryOutcome::Applied(Arrival::InOrder);
pub(super) const CORRECTED: EntryOutcome = EntryOutcome::Applied(Arrival::Correction);

/// How a commit ended.
pub(super) struct Finished {
    /// `None`: unavailable.
    pub(super) outcomes: Vec<Option<EntryOutcome>>,
    pub(super) unavailable: Option<Unavailable>,
    pub(super) head: Option<Arc<Head>>,
    pub(super) units: Units,
}

/// Pages of a few entries, each of them a keyframe.
pub(super) const SMALL: ItemLimits = ItemLimits { frame_bytes: 1, ..WIDE };

/// Pages of a few entries, of which the first one alone is a keyframe.
pub(super) const WIDE: ItemLimits = ItemLimits {
    head_target_bytes: 1,
    keep_entries: 1,
    page_bytes: 2_000,
    frame_bytes: 1 << 20,
    ..ItemLimits::STANDARD
};

pub(super) fn second(at: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000).expect("in range").plus_seconds(at)
}

pub(super) fn position(at: i64) -> Position {
    let event_id = EventId::parse(&format!("e{at}")).expect("an id");
    Position { observed_at: second(at), sequence: 0, event_id }
}

pub(super) fn entry(at: i64) -> Arc<Entry> {
    with_payload(at, &format!(r#"{{"text":"{}","value":{at}}}"#, "x".repeat(120)))
}

pub(super) fn with_payload(at: i64, payload: &str) -> Arc<Entry> {
    Arc::new(Entry {
        position: position(at),
        id_origin: IdOrigin::Given,
        event_type: Arc::from("seen"),
        contract: Arc::from("free"),
        contract_version: 0,
        ingested_at: second(at),
        payload: Arc::from(payload),
        placing: Placing::default(),
    })
}

/// Text that does not compress, as a JSON string.
pub(super) fn noise(length: usize, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let letter = u8::try_from(state % 58).expect("below 58") + b'A';
        char::from(if letter == b'\\' { b'0' } else { letter })
    };
    let text: String = (0..length).map(|_| next()).collect();
    format!("\"{text}\"")
}

/// One subject in a store of its own, and one warm writer.
pub(super) struct Subject {
    pub(super) memory: Faulty<Memory>,
    pub(super) registry: Registry,
    pub(super) location: SubjectLocation,
    pub(super) item_limits: ItemLimits,
    pub(super) deadline: Timestamp,
    pub(super) cached: Option<Arc<Head>>,
}

impl Subject {
    pub(super) fn new(item_limits: ItemLimits) -> Self {
        let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
        let key = scope.subject(SubjectId::parse("device/d1").expect("a subject"));
        Self {
            memory: Faulty::over(Memory::new(second(0))),
            registry: Registry::new(),
            location: SubjectLocation { key, table: None },
            item_limits,
            deadline: Timestamp::MAX,
            cached: None,
        }
    }

    /// Pages of four entries at 0, 10, 20, …: so many of them, and a tail of one entry.
    pub(super) fn with_pages(item_limits: ItemLimits, pages: i64) -> Self {
        let mut subject = Self::new(item_limits);
        for page in 0..pages {
            subject.apply((0..4).map(|at| entry(40 * page + 10 * at)));
            let frozen = Head { frozen: 4, ..subject.head() };
            subject.store(&frozen);
            subject.cached = Some(Arc::new(frozen));
        }
        subject.apply([entry(40 * pages)]);
        assert_eq!(subject.pages().len(), usize::try_from(pages).expect("few"));
        subject
    }

    /// Puts a head into the store as it is.
    pub(super) fn store(&self, head: &Head) {
        let bytes = crate::ledger::codec::encode_head(head).expect("a head");
        let mut state = self.memory.state();
        state.heads.get_mut(&self.location.key.partition_key()).expect("a head").bytes = bytes;
    }

    pub(super) fn policy() -> Policy {
        Policy { lateness_seconds: 60, max_future_seconds: 300, retention_days: 30 }
    }

    pub(super) fn params(&self) -> CommitParams {
        let now = self.memory.state().now;
        let key = self.location.key.clone();
        CommitParams { now, ..CommitParams::new(key, Self::policy(), self.item_limits) }
    }

    /// What `drover carry` does.
    pub(super) fn carry(&self) {
        let (location, params) = (self.location.clone(), self.params());
        let carried = carry(&self.memory, &self.registry, location, params).now_or_never();
        carried.expect("memory never waits").expect("carried");
    }

    /// What another writer does who believes in `cached`.
    pub(super) fn commit_with(
        &self,
        cached: Option<Arc<Head>>,
        entries: impl IntoIterator<Item = Arc<Entry>>,
    ) -> Finished {
        let entries: Vec<_> = entries.into_iter().collect();
        let job = Job {
            location: self.location.clone(),
            params: self.params(),
            entries,
            cached,
            deadline: self.deadline,
        };
        let health = TableHealth::of(self.location.table.clone());
        let committed = commit(&self.memory, &self.registry, job, &health).now_or_never();
        let committed = committed.expect("memory never waits");
        let outcomes = committed.outcomes.iter().map(|outcome| outcome.ok().cloned()).collect();
        let unavailable = committed.outcomes.iter().find_map(|outcome| outcome.err().cloned());
        let (head, units) = (committed.head, committed.units);
        Finished { outcomes, unavailable, head, units }
    }

    pub(super) fn commit(&mut self, entries: impl IntoIterator<Item = Arc<Entry>>) -> Finished {
        let cached = self.cached.take();
        let committed = self.commit_with(cached, entries);
        self.cached.clone_from(&committed.head);
        committed
    }

    /// The outcomes of a commit that finishes.
    pub(super) fn apply(
        &mut self,
        entries: impl IntoIterator<Item = Arc<Entry>>,
    ) -> Vec<Option<EntryOutcome>> {
        let committed = self.commit(entries);
        assert_eq!(committed.unavailable, None);
        committed.outcomes
    }

    pub(super) fn head(&self) -> Head {
        let state = self.memory.state();
        let stored = state.heads.get(&self.location.key.partition_key()).expect("a head");
        decode_head(&stored.bytes).expect("bytes of this version")
    }

    /// Every stored page.
    pub(super) fn pages(&self) -> Vec<Page> {
        let state = self.memory.state();
        let page = |bytes: &[u8]| decode_page(bytes).expect("bytes of this version");
        state.pages.values().map(|write| page(&write.page.bytes)).collect()
    }

    /// Goes on to the time when the page that ends at this second has expired, were it no keyframe.
    pub(super) fn pass_expiry_of(&self, at: i64) {
        let days = Self::policy().kept_days();
        self.memory.state().now = second(at).plus_seconds(days * 24 * 60 * 60);
    }

    /// What an operator does by hand, and DynamoDB to an expired page.
    pub(super) fn delete(&self, at: usize) {
        let mut state = self.memory.state();
        let key = state.pages.keys().nth(at).expect("a page").clone();
        state.pages.remove(&key);
    }

    pub(super) fn fail(&self, faults: impl FnMut(Call) -> Fault + Send + 'static) {
        self.memory.fail(faults);
    }

    pub(super) fn snapshot(&self, question: Question) -> Snapshot {
        let read = reader::read(&self.memory, &self.location, question).now_or_never();
        read.expect("memory never waits").expect("an answer").0.expect("a head")
    }

    /// The seconds of the whole history, as a reader sees it.
    pub(super) fn history(&self) -> Vec<i64> {
        let snapshot = self.snapshot(Question::History { from: None, to: None });
        snapshot.entries().map(|entry| since_start(entry)).collect()
    }

    pub(super) fn live_count(&self) -> u64 {
        self.snapshot(Question::Live).live(&Specs::default()).event_count
    }

    pub(super) fn count_as_of(&self, at: i64) -> Option<u64> {
        let instant = second(at);
        let view = self.snapshot(Question::AsOf(instant)).as_of(instant, &Specs::default());
        view.map(|view| view.event_count)
    }

    /// One call of the store, for a commit that a test holds in hand.
    pub(super) fn obey(&self, ask: Ask) -> Answer {
        let memory = &self.memory;
        match ask {
            Ask::Specs(versions) => {
                let specs = self.registry.specs(&versions, memory);
                Answer::Specs(specs.now_or_never().expect("ready").expect("specs"))
            }
            Ask::Head => Answer::Head(
                memory.head(&self.location).now_or_never().expect("ready").expect("a head").answer,
            ),
            Ask::Seal(page) => {
                memory.seal(&self.location, &page).now_or_never().expect("ready").expect("sealed");
                Answer::Sealed
            }
            Ask::Pages(range) => {
                let pages = memory.pages(&self.location, &range).now_or_never().expect("ready");
                Answer::Pages(pages.expect("pages").answer)
            }
            Ask::Write(write) => {
                let written = memory.write(&self.location, &write).now_or_never().expect("ready");
                Answer::Write(written.expect("an answer").answer)
            }
            Ask::Together(key) => {
                let read = memory.together(&self.location, &key).now_or_never().expect("ready");
                let (head, page) = read.expect("an answer").answer;
                Answer::Together(head, page)
            }
            Ask::Pause { .. } => {
                memory.state().show_pages();
                Answer::Paused
            }
        }
    }

    /// Drives a commit until it wants to write, or to its end.
    pub(super) fn until_write(&self, (mut commit, mut step): (Commit, Step)) -> (Commit, Step) {
        while let Step::Ask(ask) = step {
            if let Ask::Write(write) = ask {
                return (commit, Step::Ask(Ask::Write(write)));
            }
            (commit, step) = commit.answer(self.obey(ask)).expect("no failure");
        }
        (commit, step)
    }
}

/// Pages name the ones before them, no page expires before an earlier one, keyframes that hold open with the
/// fold of everything before them, and so does the base, if it is up to date.
pub(super) fn check_holding(subject: &Subject) {
    let head = subject.head();
    let (mut view, mut count, mut before) = (View::default(), 0, None);
    // What a writer sealed that came no further is not part of the history yet.
    for page in subject.pages().into_iter().filter(|page| page.key() <= head.sealed.as_ref()) {
        assert_eq!(page.previous, before, "the page before {:?}", page.key());
        assert!(before.is_none_or(|before| before.expires_at <= page.expires_at));
        if page.holds(&head) {
            let keyframe = page.keyframe.as_ref().expect("a keyframe");
            assert_eq!((&keyframe.opening, keyframe.count), (&view, count), "{:?}", page.key());
        }
        view = fold(view, &page.entries, &Specs::default());
        count += page.entries.len() as u64;
        before = page.key().map(|key| Previous { key: key.clone(), expires_at: page.expires_at });
    }
    let last = before.map(|before| (before.key, before.expires_at));
    assert_eq!(head.sealed.map(|sealed| (sealed, head.page_expires_at)), last);
    assert_eq!(head.count, count + head.tail.len() as u64);
    assert!(head.stale.is_some() || *head.base == view, "the base");
}

/// The same, and again once views were brought up to date.
pub(super) fn check_whole(subject: &Subject) {
    check_holding(subject);
    subject.carry();
    subject.memory.state().show_pages();
    assert_eq!(subject.head().stale, None);
    check_holding(subject);
}

pub(super) fn since_start(entry: &Entry) -> i64 {
    (entry.position.observed_at.micros() - second(0).micros()) / 1_000_000
}
