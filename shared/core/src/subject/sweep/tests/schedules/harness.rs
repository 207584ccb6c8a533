//! Runs a case: a relay and two sweeps over one store in step mode. After every call the head of each subject
//! is held against the last one that was seen: a new one is a record for the relay.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use super::super::fixture::{POLICY, Played, entry, second};
use crate::base::error::{Reason, Unavailable};
use crate::base::id::SubjectKey;
use crate::base::limits::ItemLimits;
use crate::base::time::Timestamp;
use crate::intake::tenant::{Feed, Feeds};
use crate::ledger::Head;
use crate::ledger::codec::decode_head;
use crate::ledger::dialogue::CommitParams;
use crate::ledger::touch::Touch;
use crate::memory::{Call, Fault, Faulty, Memory, place};
use crate::outputs::changes::Changes;
use crate::outputs::timers::arming::armed_by;
use crate::outputs::timers::{Minute, Timer, TimerKind};
use crate::pipeline::subject::{Job, commit};
use crate::pipeline::table_health::TableHealth;
use crate::registry::Registry;
use crate::subject::sweep::{SweepLimits, sweep};
use crate::subject::timers::Armer;

pub(super) const SUBJECTS: usize = 4;
pub(super) const RELAY: usize = 0;
/// The relay and two sweeps.
pub(super) const TASKS: usize = 3;

/// Pages of one or two events, each of them a keyframe.
const SMALL: ItemLimits = ItemLimits {
    head_target_bytes: 1,
    keep_entries: 1,
    page_bytes: 300,
    frame_bytes: 1,
    ..ItemLimits::STANDARD
};

/// The longest that a relay works on a record, with pauses of its environment.
const RECORD_SECONDS: i64 = 60;
/// Longer than every timer and every wait after a failure.
const DRAINED_MINUTES: i64 = 150;

type Running = Pin<Box<dyn Future<Output = Result<(), Unavailable>>>>;

/// What a relay has to do.
#[derive(Clone)]
enum Record {
    /// With the heads before and after.
    Commit(usize, Box<(Option<Head>, Head)>),
    Resend(usize),
}

pub(super) struct Harness {
    ports: Arc<Faulty<Memory>>,
    armer: Arc<Armer>,
    /// How far the clock of the relay is ahead, in seconds.
    skew: i64,
    tasks: [Option<Running>; TASKS],
    record_started: Timestamp,
    places: Vec<String>,
    heads: [Option<Head>; SUBJECTS],
    stream: Vec<Record>,
    checkpoint: usize,
    /// Subjects whose resend was armed and not touched yet.
    resends: BTreeSet<usize>,
    /// How many writes to timers began.
    writes: Arc<AtomicUsize>,
    /// Whether every sweep so far ran without a pause.
    is_calm: bool,
}

/// Two subjects of one tenant; the tenant of the third has a table of its own, that of the fourth no feed.
pub(super) fn key(subject: usize) -> SubjectKey {
    match subject {
        0 => Played::key("demo", "d1"),
        1 => Played::key("demo", "d2"),
        2 => Played::key("acme", "d1"),
        _ => Played::key("bare", "d1"),
    }
}

/// The feeds of the tenant of a subject.
fn feeds(subject: usize) -> Feeds {
    let enabled: &[Feed] = match subject {
        3 => &[],
        _ => &[Feed::Settled, Feed::Views],
    };
    Feeds { enabled: enabled.iter().copied().collect(), ..Feeds::default() }
}

impl Harness {
    pub(super) fn new(skew: i64) -> Self {
        let ports = Faulty::over(Memory::in_steps(second(10_000)));
        let fed = r#""feeds":["settled","views"]"#;
        ports.put_document("T#demo", &format!(r#"{{"id":"demo",{fed}}}"#));
        let own = r#""placement":{"table":"acme-ledger"}"#;
        ports.put_document("T#acme", &format!(r#"{{"id":"acme",{fed},{own}}}"#));
        ports.put_document("T#bare", r#"{"id":"bare"}"#);
        let harness = Self {
            ports: Arc::new(ports),
            armer: Arc::default(),
            skew,
            tasks: [None, None, None],
            record_started: Timestamp::MIN,
            places: (0..SUBJECTS).map(|at| place(&Played::location(&key(at)))).collect(),
            heads: [None, None, None, None],
            stream: Vec::new(),
            checkpoint: 0,
            resends: BTreeSet::new(),
            writes: Arc::default(),
            is_calm: true,
        };
        harness.fail(|_| Fault::None);
        harness
    }

    fn now(&self) -> Timestamp {
        self.ports.state().now
    }

    /// Commits an event. It may fail, and then nobody sends it again.
    pub(super) fn event(&mut self, subject: usize, ago: i64) -> Result<(), String> {
        let (now, location) = (self.now(), Played::location(&key(subject)));
        let params = CommitParams::new(key(subject), POLICY, SMALL);
        let (entries, deadline) = (vec![entry(now.plus_seconds(-ago), now)], Timestamp::MAX);
        let job = Job { location, params, entries, cached: None, deadline };
        let (ports, registry) = (Arc::clone(&self.ports), Registry::new());
        let mut commit = Box::pin(async move {
            let health = TableHealth::of(job.location.table.clone());
            commit(&*ports, &registry, job, &health).await;
        });
        while self.advance(commit.as_mut()).is_pending() {
            self.capture()?;
        }
        self.capture()
    }

    pub(super) fn want_resend(&mut self, subject: usize) {
        self.stream.push(Record::Resend(subject));
    }

    /// Starts a task that does not run. In a calm case a sweep runs to its end at once.
    pub(super) fn start(&mut self, task: usize, is_calm: bool) -> Result<(), String> {
        if self.tasks[task].is_some() {
            return Ok(());
        }
        self.tasks[task] = if task == RELAY { self.relay() } else { Some(self.sweep()) };
        if task != RELAY && is_calm {
            return self.poll(task, usize::MAX);
        }
        self.is_calm &= task == RELAY;
        Ok(())
    }

    fn relay(&mut self) -> Option<Running> {
        let record = self.stream.get(self.checkpoint)?.clone();
        let now = self.now().plus_seconds(self.skew);
        let timers = match record {
            Record::Commit(subject, heads) => {
                let changes = Changes::between(heads.0.as_ref(), &heads.1);
                armed_by(&key(subject), &changes, (&feeds(subject)).into(), now)
            }
            Record::Resend(subject) => vec![Timer::new(TimerKind::Resend, key(subject), now, now)],
        };
        self.record_started = self.now();
        let (ports, armer) = (Arc::clone(&self.ports), Arc::clone(&self.armer));
        Some(Box::pin(async move {
            for timer in timers {
                armer.arm(&*ports, &timer, now).await?;
            }
            Ok(())
        }))
    }

    fn sweep(&self) -> Running {
        let ports = Arc::clone(&self.ports);
        let limits = SweepLimits { item_limits: SMALL, ..SweepLimits::until(Timestamp::MAX) };
        Box::pin(async move {
            sweep(&*ports, &Registry::new(), limits).await;
            Ok(())
        })
    }

    pub(super) fn poll(&mut self, task: usize, calls: usize) -> Result<(), String> {
        for _ in 0..calls {
            let Some(mut running) = self.tasks[task].take() else { return Ok(()) };
            match self.advance(running.as_mut()) {
                Poll::Pending => self.tasks[task] = Some(running),
                Poll::Ready(done) if task == RELAY && done.is_ok() => self.delivered(),
                Poll::Ready(_) => {}
            }
            self.capture()?;
        }
        Ok(())
    }

    pub(super) fn poll_to_write(&mut self, task: usize, writes: usize) -> Result<(), String> {
        let until = self.writes.load(Ordering::Relaxed) + writes;
        while self.tasks[task].is_some() && self.writes.load(Ordering::Relaxed) < until {
            self.poll(task, 1)?;
        }
        Ok(())
    }

    fn delivered(&mut self) {
        if let Record::Resend(subject) = self.stream[self.checkpoint] {
            // Of a subject without a head there is nothing to send.
            self.resends.extend(self.heads[subject].is_some().then_some(subject));
        }
        self.checkpoint += 1;
    }

    fn advance<T>(&self, running: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
        self.ports.step();
        running.poll(&mut Context::from_waker(Waker::noop()))
    }

    pub(super) fn crash(&mut self, task: usize) {
        self.tasks[task] = None;
        if task == RELAY {
            self.armer = Arc::default();
        }
    }

    pub(super) fn redeliver(&mut self, records: usize) {
        self.tasks[RELAY] = None;
        self.checkpoint = self.checkpoint.saturating_sub(records);
    }

    pub(super) fn pass(&mut self, seconds: i64) {
        let now = self.now().plus_seconds(seconds);
        self.ports.state().now = now;
        if now > self.record_started.plus_seconds(RECORD_SECONDS) {
            self.tasks[RELAY] = None;
        }
    }

    /// The next call of the ledger or of the timers fails in this way.
    pub(super) fn fault(&self, how: u8) {
        let calls: &'static [Call] = match how / 3 {
            0 => &[Call::Head, Call::Write],
            1 => &[Call::TimerRead],
            2 => &[Call::TimerWrite],
            _ => &[Call::SweepState],
        };
        let fault = match how % 3 {
            0 => Fault::Refused,
            1 => Fault::LostBefore,
            _ => Fault::LostAfter,
        };
        let mut armed = true;
        self.fail(move |call| {
            let fails = calls.contains(&call) && std::mem::take(&mut armed);
            if fails { fault } else { Fault::None }
        });
    }

    /// Counts writes to timers, whether they fail or not.
    fn fail(&self, mut faults: impl FnMut(Call) -> Fault + Send + 'static) {
        let writes = Arc::clone(&self.writes);
        self.ports.fail(move |call| {
            writes.fetch_add(usize::from(call == Call::TimerWrite), Ordering::Relaxed);
            faults(call)
        });
    }

    pub(super) fn break_table(&self, is_broken: bool) {
        match is_broken {
            true => self.ports.break_table("acme-ledger", Reason::Unreachable),
            false => self.ports.mend_tables(),
        }
    }

    /// Between two calls at most one head of a subject is written.
    fn capture(&mut self) -> Result<(), String> {
        for subject in 0..SUBJECTS {
            let version = self.heads[subject].as_ref().map(|head| head.version);
            let stored = {
                let state = self.ports.state();
                let stored = state.heads.get(&self.places[subject]);
                stored.filter(|stored| Some(stored.version) != version).cloned()
            };
            let Some(stored) = stored else { continue };
            let new = decode_head(&stored.bytes).expect("a head");
            let old = self.heads[subject].replace(new.clone());
            self.touched(subject, old.as_ref(), &new)?;
            self.stream.push(Record::Commit(subject, Box::new((old, new))));
        }
        Ok(())
    }

    fn touched(&mut self, subject: usize, old: Option<&Head>, new: &Head) -> Result<(), String> {
        match (new.touched, old) {
            (Some(Touch::Resend), _) => drop(self.resends.remove(&subject)),
            (Some(Touch::Release), Some(old)) if self.is_calm => {
                let received = old.tail.iter().map(|entry| entry.ingested_at).max();
                let newest = received.max(old.watermark).expect("there is an event");
                if self.now() < newest.plus_seconds(feeds(subject).idle_seconds.into()) {
                    return Err(format!("released early: subject=`{subject}`"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Nothing fails or stops any more. The relay delivers everything, and a sweep runs each minute.
    pub(super) fn drain(&mut self) -> Result<(), String> {
        self.ports.fail_nothing();
        self.ports.mend_tables();
        for _ in 0..DRAINED_MINUTES {
            while self.checkpoint < self.stream.len() {
                self.start(RELAY, true)?;
                self.poll(RELAY, usize::MAX)?;
            }
            self.pass(60);
            (RELAY..TASKS).try_for_each(|task| self.poll(task, usize::MAX))?;
            self.start(TASKS - 1, true)?;
        }
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), String> {
        for (subject, head) in self.heads.iter().enumerate() {
            let Some(head) = head else { continue };
            let waits = feeds(subject).has(Feed::Settled);
            if waits && head.released < head.watermark {
                return Err(format!("not released: subject=`{subject}`"));
            }
            if head.stale.is_some() {
                return Err(format!("stale: subject=`{subject}`"));
            }
        }
        if !self.resends.is_empty() {
            return Err(format!("not sent again: {:?}", self.resends));
        }
        let outputs = &self.ports.state().outputs;
        // What a stopped sweep wrote late, behind the cursor, belongs to no timer and expires.
        let next = outputs.sweep.as_ref().map_or(Minute(i64::MAX), |sweep| sweep.next);
        let is_met = |key: &(String, String)| minute_of(&key.0).is_none_or(|minute| minute >= next);
        let is_left = outputs.entries.keys().any(is_met) || !outputs.armed.is_empty();
        if is_left { Err(format!("timers are left: {outputs:?}")) } else { Ok(()) }
    }
}

/// The minute of a partition key `W#<minute>#<shard>`.
fn minute_of(partition: &str) -> Option<Minute> {
    partition.split('#').nth(1)?.parse().ok().map(Minute)
}
