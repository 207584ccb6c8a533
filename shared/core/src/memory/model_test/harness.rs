//! Runs a script: a stream of records, up to four environments and a reader over one store.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use super::check;
use super::script::{
    Action, Broken, OWN_TABLE, SMALL, Script, Spec, Walk, contract_json, instant, key, location,
};
use crate::base::cost::Units;
use crate::base::error::Unavailable;
use crate::base::id::{Position, SubjectKey};
use crate::base::time::Timestamp;
use crate::dead_letter::envelope::Envelope;
use crate::intake::record::{Incoming, Source};
use crate::ledger::range_read::{HistoryRange, Portion};
use crate::ledger::read::{Question, Snapshot};
use crate::memory::{Call, Fault, Faulty, Memory};
use crate::pipeline::cache::HeadCache;
use crate::pipeline::{BreakerOpen, Disposition, Pipeline, Report};
use crate::registry::Registry;
use crate::subject::reader;

const ENVIRONMENTS: usize = 4;
/// Of the tenant that has a table of its own.
const OWN_TENANT: &str = "T#acme";

fn own_tenant() -> String {
    format!(r#"{{"id":"acme","placement":{{"table":"{OWN_TABLE}"}}}}"#)
}

type Running<T> = Pin<Box<dyn Future<Output = T>>>;
type Read = Result<(Option<Snapshot>, Units), Unavailable>;
type RangeRead = Result<(Option<Portion>, Units), Unavailable>;

/// One warm environment, and what it is doing.
struct Environment {
    pipeline: Arc<Pipeline>,
    batch: Vec<usize>,
    /// Calls that had failed on demand when it took the batch.
    failed_before: u32,
    running: Option<Running<Result<Report, BreakerOpen>>>,
}

/// A reader, with what it must see.
struct Reader {
    running: Running<Read>,
    key: SubjectKey,
    question: Question,
    must_see: BTreeSet<Position>,
}

/// A reader that goes through a part of a history, answer by answer.
struct Walker {
    running: Running<RangeRead>,
    key: SubjectKey,
    walk: Walk,
    /// What is being read now.
    range: HistoryRange,
    /// What was acknowledged when it set out.
    must_see: BTreeSet<Position>,
    seen: Vec<Position>,
}

/// Everything while a script runs.
pub(super) struct Harness {
    pub(super) memory: Arc<Faulty<Memory>>,
    pub(super) specs: Vec<Spec>,
    pub(super) delivered: BTreeSet<usize>,
    pub(super) acknowledged: BTreeMap<usize, Disposition>,
    pub(super) seen: check::Seen,
    /// The history of each version that there was.
    pub(super) histories: BTreeMap<(SubjectKey, u64), Vec<Position>>,
    /// Calls that failed on demand: of what everyone shares.
    failed: Arc<AtomicU32>,
    environments: Vec<Environment>,
    reader: Option<Reader>,
    walker: Option<Walker>,
}

fn pipeline() -> Arc<Pipeline> {
    Arc::new(Pipeline {
        registry: Registry::new(),
        heads: HeadCache::new(1 << 20),
        item_limits: SMALL,
        concurrency: 2,
    })
}

impl Environment {
    fn new() -> Self {
        Self { pipeline: pipeline(), batch: Vec::new(), failed_before: 0, running: None }
    }
}

pub(super) fn run(script: &Script) -> Result<(), String> {
    run_at(script, 0).map(|_| ())
}

/// Every stored byte after a script that ran `hours` late.
pub(super) fn run_at(script: &Script, hours: i64) -> Result<Vec<Vec<u8>>, String> {
    let memory = Arc::new(Faulty::over(Memory::in_steps(instant(1_000 + hours * 3_600))));
    // In proportion to the pages, so that few events reach the limit.
    memory.state().transaction_items = SMALL.write_pages + 1;
    memory.put_document("T#demo", r#"{"id":"demo"}"#);
    memory.put_document(OWN_TENANT, &own_tenant());
    let route = r#"{"contract":"telemetry","tenant":{"header":"tenant"}}"#;
    memory.put_document("R#telemetry", route);
    memory.put_document("C#telemetry", &contract_json(false));
    memory.put_document("REV", "{}");
    let mut harness = Harness {
        memory,
        specs: script.specs.clone(),
        delivered: BTreeSet::new(),
        acknowledged: BTreeMap::new(),
        seen: check::Seen::default(),
        histories: BTreeMap::new(),
        failed: Arc::default(),
        environments: (0..ENVIRONMENTS).map(|_| Environment::new()).collect(),
        reader: None,
        walker: None,
    };
    for action in &script.actions {
        harness.act(action)?;
    }
    harness.drain()?;
    harness.memory.state().show_pages();
    check::final_state(&harness)?;
    let state = harness.memory.state();
    let heads = state.heads.values().map(|head| head.bytes.clone());
    Ok(heads.chain(state.pages.values().map(|page| page.page.bytes.clone())).collect())
}

impl Harness {
    fn act(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Start { env, picks } => {
                let batch = picks.iter().map(|pick| pick.index(self.specs.len())).collect();
                self.start(*env, batch);
                Ok(())
            }
            Action::StartRun { env, tenant, subject, from, to } => {
                self.start(*env, self.run_of(&key(*tenant, *subject), *from..=*to));
                Ok(())
            }
            Action::Poll(task) => self.poll(*task),
            Action::PollOften { task, times } => (0..*times).try_for_each(|_| self.poll(*task)),
            Action::Crash { env, cold } => {
                self.crash(*env, *cold);
                Ok(())
            }
            Action::Fault(how) => {
                const LEDGER: &[Call] = &[Call::Head, Call::Pages, Call::Seal, Call::Write];
                match how {
                    0 => self.fail_next(Fault::Refused, LEDGER),
                    1 => self.fail_next(Fault::LostBefore, LEDGER),
                    2 => self.fail_next(Fault::LostAfter, LEDGER),
                    calls => self.show_pages_late(*calls),
                }
                Ok(())
            }
            Action::QueueDown => {
                self.fail_next(Fault::Refused, &[Call::Letter, Call::Buffer]);
                Ok(())
            }
            Action::BreakTenant(broken) => {
                self.break_tenant(*broken);
                Ok(())
            }
            Action::Mend(mended) => {
                self.memory.put_document("C#telemetry", &contract_json(*mended));
                Ok(())
            }
            Action::Read { tenant, subject, slot } => {
                self.read(*tenant, *subject, *slot);
                Ok(())
            }
            Action::Walk { tenant, subject, walk } => {
                self.walk(key(*tenant, *subject), walk);
                Ok(())
            }
        }
    }

    fn break_tenant(&self, broken: Broken) {
        self.memory.put_document(OWN_TENANT, &own_tenant());
        self.memory.mend_tables();
        match broken {
            Broken::Nothing => {}
            Broken::Document => self.memory.put_document(OWN_TENANT, "no document"),
            Broken::Table(reason) => self.memory.break_table(OWN_TABLE, reason),
        }
    }

    fn fail_next(&self, fault: Fault, calls: &'static [Call]) {
        let (mut armed, failed) = (true, Arc::clone(&self.failed));
        self.memory.state().pages_late = None;
        self.memory.fail(move |call| {
            if armed && calls.contains(&call) {
                armed = false;
                failed.fetch_add(1, Ordering::Relaxed);
                return fault;
            }
            Fault::None
        });
    }

    /// From now on, until something else fails.
    fn show_pages_late(&self, calls: u8) {
        self.memory.fail_nothing();
        self.memory.state().pages_late = Some(calls);
    }

    fn start(&mut self, env: usize, batch: Vec<usize>) {
        let environment = &mut self.environments[env];
        if environment.running.is_some() {
            return;
        }
        self.delivered.extend(&batch);
        let records =
            batch.iter().map(|at| Incoming::Record(self.specs[*at].record(*at))).collect();
        environment.batch = batch;
        environment.failed_before = self.failed.load(Ordering::Relaxed);
        environment.running = Some(process(&environment.pipeline, &self.memory, records));
    }

    /// Small records of a subject by their slots, in order.
    fn run_of(&self, key: &SubjectKey, slots: RangeInclusive<u16>) -> Vec<usize> {
        let numbered = self.specs.iter().enumerate();
        let mine = numbered.filter(|(_, spec)| spec.key() == *key && slots.contains(&spec.slot));
        let mine = mine.filter(|(_, spec)| !spec.is_large());
        let mut run: Vec<usize> = mine.map(|(at, _)| at).collect();
        run.sort_by_key(|at| self.specs[*at].position());
        run
    }

    fn crash(&mut self, env: usize, cold: bool) {
        let environment = &mut self.environments[env];
        environment.running = None;
        if cold {
            environment.pipeline = pipeline();
        }
    }

    fn read(&mut self, tenant: bool, subject: bool, slot: u16) {
        if self.reader.is_some() {
            return;
        }
        let key = key(tenant, subject);
        let at = instant(i64::from(slot));
        let question = match slot % 3 {
            0 => Question::Live,
            1 => Question::AsOf(at),
            _ => Question::History { from: None, to: None },
        };
        let location = location(&key);
        let memory = Arc::clone(&self.memory);
        let running: Running<Read> =
            Box::pin(async move { reader::read(&*memory, &location, question).await });
        let must_see = self.acknowledged_of(&key);
        self.reader = Some(Reader { running, key, question, must_see });
    }

    fn acknowledged_of(&self, key: &SubjectKey) -> BTreeSet<Position> {
        let applied = |disposition: &Disposition| {
            matches!(disposition, Disposition::Applied | Disposition::Duplicate)
        };
        let mine = self.acknowledged.iter().filter(|(_, disposition)| applied(disposition));
        let specs = mine.map(|(at, _)| &self.specs[*at]).filter(|spec| spec.key() == *key);
        specs.map(Spec::position).collect()
    }

    fn walk(&mut self, key: SubjectKey, walk: &Walk) {
        if self.walker.is_some() {
            return;
        }
        let (range, must_see) = (walk.range(), self.acknowledged_of(&key));
        let running = range_read(&self.memory, &key, &range);
        let walk = walk.clone();
        self.walker = Some(Walker { running, key, walk, range, must_see, seen: Vec::new() });
    }

    /// Goes on with the next part, or ends.
    fn poll_walker(&mut self, context: &mut Context<'_>) -> Result<(), String> {
        let Some(mut walker) = self.walker.take() else { return Ok(()) };
        let Poll::Ready(sliced_now) = walker.running.as_mut().poll(context) else {
            self.walker = Some(walker);
            return Ok(());
        };
        let Ok((portion, _)) = sliced_now else { return Ok(()) };
        check::portion(self, &walker.key, &walker.walk, &walker.range, portion.as_ref())?;
        let (entries, next) = portion.map(|one| (one.entries, one.next)).unwrap_or_default();
        walker.seen.extend(entries.into_iter().map(|entry| entry.position.clone()));
        if next.is_none() {
            return check::walked(&walker.walk, &walker.seen, &walker.must_see);
        }
        walker.range.beyond = next;
        walker.running = range_read(&self.memory, &walker.key, &walker.range);
        self.walker = Some(walker);
        Ok(())
    }

    /// Tasks 0 to 3 are environments, 4 is the reader, 5 the one that walks.
    fn poll(&mut self, task: usize) -> Result<(), String> {
        let mut context = Context::from_waker(Waker::noop());
        self.memory.step();
        if task < ENVIRONMENTS {
            let environment = &mut self.environments[task];
            let Some(running) = environment.running.as_mut() else { return Ok(()) };
            if let Poll::Ready(report) = running.as_mut().poll(&mut context) {
                environment.running = None;
                let batch = std::mem::take(&mut environment.batch);
                let shared_failed =
                    environment.failed_before != self.failed.load(Ordering::Relaxed);
                self.acknowledge(&batch, report, shared_failed)?;
            }
            return check::stored_state(self);
        }
        // What a reader sees of a transaction that is being applied is not promised.
        self.memory.state().show_pages();
        if task > ENVIRONMENTS {
            return self.poll_walker(&mut context);
        }
        let Some(reader) = self.reader.as_mut() else { return Ok(()) };
        if let Poll::Ready(read) = reader.running.as_mut().poll(&mut context) {
            let Some(Reader { key, question, must_see, .. }) = self.reader.take() else {
                return Ok(());
            };
            if let Ok((snapshot, _)) = read {
                check::snapshot(self, &key, question, snapshot.as_ref(), &must_see)?;
            }
        }
        Ok(())
    }

    fn acknowledge(
        &mut self,
        batch: &[usize],
        report: Result<Report, BreakerOpen>,
        shared_failed: bool,
    ) -> Result<(), String> {
        let report = report.map_err(|open| format!("the breaker opened: {open}"))?;
        for (at, disposition) in batch.iter().zip(report.dispositions) {
            if disposition == Disposition::Returned {
                check::returned(shared_failed)?;
                continue;
            }
            let spec = self.specs[*at].clone();
            check::acknowledgement(self, *at, &spec, disposition)?;
            self.acknowledged.insert(*at, disposition);
        }
        Ok(())
    }

    /// Lets everything finish without faults: what runs, what was never acknowledged, the buffer.
    fn drain(&mut self) -> Result<(), String> {
        self.memory.fail_nothing();
        self.memory.state().pages_late = None;
        self.break_tenant(Broken::Nothing);
        for task in 0..ENVIRONMENTS {
            while self.environments[task].running.is_some() {
                self.poll(task)?;
            }
        }
        while self.reader.is_some() {
            self.poll(ENVIRONMENTS)?;
        }
        while self.walker.is_some() {
            self.poll(ENVIRONMENTS + 1)?;
        }
        for _ in 0..20 {
            let open: Vec<usize> =
                (0..self.specs.len()).filter(|at| !self.acknowledged.contains_key(at)).collect();
            for batch in open.chunks(7) {
                self.start(0, batch.to_vec());
                while self.environments[0].running.is_some() {
                    self.poll(0)?;
                }
            }
            self.drain_buffer()?;
        }
        Ok(())
    }

    /// What a replay does with the buffer: through the same pipeline, then deleted.
    fn drain_buffer(&mut self) -> Result<(), String> {
        let messages = std::mem::take(&mut self.memory.state().buffer);
        for message in messages {
            let envelope: Envelope =
                serde_json::from_str(&message.body).map_err(|error| error.to_string())?;
            let record = envelope.record().map_err(|error| error.to_string())?;
            let record = record.ok_or("a part in the buffer")?;
            let Source::Kafka { offset, .. } = record.source else { continue };
            let at = usize::try_from(offset).map_err(|error| error.to_string())?;
            self.environments[1].batch = vec![at];
            self.environments[1].failed_before = self.failed.load(Ordering::Relaxed);
            self.environments[1].running = Some(process(
                &self.environments[1].pipeline,
                &self.memory,
                vec![Incoming::Record(record)],
            ));
            self.acknowledged.remove(&at);
            while self.environments[1].running.is_some() {
                self.poll(1)?;
            }
        }
        Ok(())
    }
}

fn range_read(
    memory: &Arc<Faulty<Memory>>,
    key: &SubjectKey,
    range: &HistoryRange,
) -> Running<RangeRead> {
    let (memory, range) = (Arc::clone(memory), range.clone());
    let location = location(key);
    Box::pin(async move { reader::range(&*memory, &location, range).await })
}

fn process(
    pipeline: &Arc<Pipeline>,
    memory: &Arc<Faulty<Memory>>,
    records: Vec<Incoming>,
) -> Running<Result<Report, BreakerOpen>> {
    let (pipeline, memory) = (Arc::clone(pipeline), Arc::clone(memory));
    Box::pin(async move { pipeline.process(&*memory, records, Timestamp::MAX).await })
}
