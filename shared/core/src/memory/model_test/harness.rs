//! Runs a script: a stream of records, up to four environments, readers and a carry over one store.

use std::collections::VecDeque;
use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use super::observed::{Observed, Tally};
use super::reader::{Reader, Walker};
use super::script::{
    Action, Broken, CARRIER, ENVIRONMENTS, OWN_TABLE, POLICY, READERS, SMALL, Script, WALKER,
    contract_json, instant, is_mended, key, location, run_of,
};
use super::{aging, check};
use crate::base::cost::Units;
use crate::base::error::Unavailable;
use crate::base::id::SubjectKey;
use crate::base::time::Timestamp;
use crate::dead_letter::envelope::Envelope;
use crate::intake::record::{Incoming, Source};
use crate::ledger::Head;
use crate::ledger::dialogue::CommitParams;
use crate::memory::{Call, Fault, Faulty, Memory, State};
use crate::pipeline::cache::HeadCache;
use crate::pipeline::subject::carry;
use crate::pipeline::{BreakerOpen, Disposition, Pipeline, Report};
use crate::registry::Registry;

/// The longest that Lambda lets an invocation run.
const INVOCATION_SECONDS: i64 = 15 * 60;
/// Of the tenant that has a table of its own.
const OWN_TENANT: &str = "T#acme";

fn own_tenant() -> String {
    format!(r#"{{"id":"acme","retention_days":90,"placement":{{"table":"{OWN_TABLE}"}}}}"#)
}

type Running<T> = Pin<Box<dyn Future<Output = T>>>;
type Carried = Result<(Option<Arc<Head>>, Units), Unavailable>;

/// One warm environment, and what it is doing.
struct Environment {
    pipeline: Arc<Pipeline>,
    batch: Vec<usize>,
    /// Batches that it takes next.
    backlog: VecDeque<Vec<usize>>,
    /// Calls that had failed on demand when it took the batch.
    failed_before: u32,
    running: Option<Running<Result<Report, BreakerOpen>>>,
}

/// Everything while a script runs.
struct Harness {
    observed: Observed,
    /// Calls that failed on demand: of what everyone shares.
    failed: Arc<AtomicU32>,
    environments: Vec<Environment>,
    readers: [Option<Reader>; READERS],
    walker: Option<Walker>,
    carrier: Option<Running<Carried>>,
}

/// What a script led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ran {
    /// Every stored byte before months passed.
    pub(super) bytes: Vec<Vec<u8>>,
    tally: Tally,
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
        Self {
            pipeline: pipeline(),
            batch: Vec::new(),
            backlog: VecDeque::new(),
            failed_before: 0,
            running: None,
        }
    }
}

pub(super) fn run(script: &Script) -> Result<Tally, String> {
    run_at(script, 0).map(|ran| ran.tally)
}

/// Runs a script that many `hours` late.
pub(super) fn run_at(script: &Script, hours: i64) -> Result<Ran, String> {
    let now = instant(401).plus_seconds(hours * 3_600);
    let memory = Arc::new(Faulty::over(Memory::in_steps(now)));
    // In proportion to the pages, so that few events reach the limit.
    memory.state().transaction_items = SMALL.write_pages + 1;
    memory.put_document("T#demo", r#"{"id":"demo","retention_days":90}"#);
    memory.put_document(OWN_TENANT, &own_tenant());
    let route = r#"{"contract":"telemetry","tenant":{"header":"tenant"}}"#;
    memory.put_document("R#telemetry", route);
    memory.put_contract("telemetry", &contract_json(false));
    memory.put_document("REV", "{}");
    let mut harness = Harness {
        observed: Observed::new(memory, script.specs.clone()),
        failed: Arc::default(),
        environments: (0..ENVIRONMENTS).map(|_| Environment::new()).collect(),
        readers: Default::default(),
        walker: None,
        carrier: None,
    };
    for action in &script.actions {
        harness.act(action)?;
    }
    harness.drain()?;
    let Harness { mut observed, .. } = harness;
    observed.memory.state().show_pages();
    check::final_state(&observed)?;
    let bytes = stored_bytes(&observed.memory.state());
    // It takes several times what the script did.
    if script.specs.len().is_multiple_of(4) {
        aging::age(&mut observed, &pipeline())?;
    }
    Ok(Ran { bytes, tally: observed.tally })
}

fn stored_bytes(state: &State) -> Vec<Vec<u8>> {
    let heads = state.heads.values().map(|head| head.bytes.clone());
    heads.chain(state.pages.values().map(|page| page.page.bytes.clone())).collect()
}

impl Harness {
    fn act(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Start { env, picks } => {
                let batch =
                    picks.iter().map(|pick| pick.index(self.observed.specs.len())).collect();
                self.start(*env, batch);
                Ok(())
            }
            Action::StartRun { env, tenant, subject, from, to } => {
                let run = run_of(&self.observed.specs, &key(*tenant, *subject), *from..=*to);
                self.start(*env, run);
                Ok(())
            }
            Action::Backlog { env, tenant, subject, from, to, batch } => {
                self.take_backlog(*env, &key(*tenant, *subject), *from..=*to, *batch);
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
                if is_mended(self.observed.contract_version) != *mended {
                    let contract = contract_json(*mended);
                    let version = self.observed.memory.put_contract("telemetry", &contract);
                    self.observed.contract_version = version;
                }
                Ok(())
            }
            Action::Read { reader, tenant, subject, slot, kind } => {
                let (observed, key) = (&self.observed, key(*tenant, *subject));
                self.readers[*reader]
                    .get_or_insert_with(|| Reader::start(observed, key, *slot, *kind));
                Ok(())
            }
            Action::Walk { tenant, subject, walk } => {
                let (observed, key) = (&self.observed, key(*tenant, *subject));
                self.walker.get_or_insert_with(|| Walker::start(observed, key, walk));
                Ok(())
            }
            Action::Carry { tenant, subject } => {
                let (observed, key) = (&self.observed, key(*tenant, *subject));
                self.carrier.get_or_insert_with(|| carried(&observed.memory, &key));
                Ok(())
            }
            Action::CutCarry => {
                self.carrier = None;
                Ok(())
            }
            Action::Later(seconds) => {
                self.pass(i64::from(*seconds));
                Ok(())
            }
        }
    }

    /// No invocation, no request and no partly visible transaction is as old as `INVOCATION_SECONDS`.
    fn pass(&mut self, seconds: i64) {
        {
            let state = &mut *self.observed.memory.state();
            state.now = state.now.plus_seconds(seconds);
        }
        if seconds >= INVOCATION_SECONDS {
            (0..ENVIRONMENTS).for_each(|env| self.crash(env, false));
            self.readers = Default::default();
            (self.walker, self.carrier) = (None, None);
            self.observed.memory.state().show_pages();
        }
    }

    fn break_tenant(&self, broken: Broken) {
        self.observed.memory.put_document(OWN_TENANT, &own_tenant());
        self.observed.memory.mend_tables();
        match broken {
            Broken::Nothing => {}
            Broken::Document => self.observed.memory.put_document(OWN_TENANT, "no document"),
            Broken::Table(reason) => self.observed.memory.break_table(OWN_TABLE, reason),
        }
    }

    fn fail_next(&self, fault: Fault, calls: &'static [Call]) {
        let (mut armed, failed) = (true, Arc::clone(&self.failed));
        self.observed.memory.state().pages_late = None;
        self.observed.memory.fail(move |call| {
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
        self.observed.memory.fail_nothing();
        self.observed.memory.state().pages_late = Some(calls);
    }

    fn start(&mut self, env: usize, batch: Vec<usize>) {
        let environment = &mut self.environments[env];
        if environment.running.is_some() {
            return;
        }
        self.observed.delivered.extend(&batch);
        let records =
            batch.iter().map(|at| Incoming::Record(self.observed.specs[*at].record(*at))).collect();
        environment.batch = batch;
        environment.failed_before = self.failed.load(Ordering::Relaxed);
        environment.running = Some(process(&environment.pipeline, &self.observed.memory, records));
    }

    fn take_backlog(
        &mut self,
        env: usize,
        key: &SubjectKey,
        slots: RangeInclusive<u16>,
        batch: usize,
    ) {
        let mut newest_first = run_of(&self.observed.specs, key, slots);
        newest_first.reverse();
        let batches = newest_first.chunks(batch).map(<[usize]>::to_vec);
        let environment = &mut self.environments[env];
        environment.backlog.extend(batches);
        if environment.running.is_none()
            && let Some(first) = environment.backlog.pop_front()
        {
            self.start(env, first);
        }
    }

    fn crash(&mut self, env: usize, cold: bool) {
        let environment = &mut self.environments[env];
        environment.running = None;
        environment.backlog.clear();
        if cold {
            environment.pipeline = pipeline();
        }
    }

    fn poll(&mut self, task: usize) -> Result<(), String> {
        let mut context = Context::from_waker(Waker::noop());
        self.observed.memory.step();
        match task {
            CARRIER => {
                let Some(running) = self.carrier.as_mut() else { return Ok(()) };
                if running.as_mut().poll(&mut context).is_ready() {
                    self.carrier = None;
                }
                check::stored_state(&mut self.observed)
            }
            WALKER => {
                self.show_earlier_pages();
                let Some(walker) = self.walker.take() else { return Ok(()) };
                self.walker = walker.poll(&mut self.observed, &mut context)?;
                Ok(())
            }
            ENVIRONMENTS..WALKER => {
                let Some(reader) = self.readers[task - ENVIRONMENTS].take() else { return Ok(()) };
                if !reader.counts() {
                    self.show_earlier_pages();
                }
                self.readers[task - ENVIRONMENTS] =
                    reader.poll(&mut self.observed, &mut context)?;
                Ok(())
            }
            environment => self.poll_environment(environment, &mut context),
        }
    }

    fn poll_environment(&mut self, env: usize, context: &mut Context<'_>) -> Result<(), String> {
        let environment = &mut self.environments[env];
        let Some(running) = environment.running.as_mut() else { return Ok(()) };
        if let Poll::Ready(report) = running.as_mut().poll(context) {
            environment.running = None;
            let batch = std::mem::take(&mut environment.batch);
            let next = environment.backlog.pop_front();
            let shared_failed = environment.failed_before != self.failed.load(Ordering::Relaxed);
            self.acknowledge(&batch, report, shared_failed)?;
            if let Some(next) = next {
                self.start(env, next);
            }
        }
        check::stored_state(&mut self.observed)
    }

    /// A reader of a part of a history can tell whether the transaction of its head is whole. What it
    /// shows of earlier transactions is not promised.
    fn show_earlier_pages(&self) {
        let state = &mut *self.observed.memory.state();
        let heads = &state.heads;
        let is_earlier =
            |place: &str, version: u64| heads.get(place).is_some_and(|head| head.version > version);
        let earlier: Vec<_> = state
            .unshown
            .iter()
            .filter(|((place, _), page)| is_earlier(place, page.version))
            .map(|(at, _)| at.clone())
            .collect();
        for at in earlier {
            if let Some(page) = state.unshown.remove(&at) {
                state.pages.insert(at, page);
            }
        }
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
                check::answer::returned(shared_failed)?;
                continue;
            }
            let spec = self.observed.specs[*at].clone();
            check::answer::acknowledgement(&self.observed, *at, &spec, disposition)?;
            self.observed.acknowledged.insert(*at, disposition);
        }
        Ok(())
    }

    /// Lets everything finish without faults: what runs, what was never acknowledged, the buffer.
    fn drain(&mut self) -> Result<(), String> {
        self.observed.memory.fail_nothing();
        self.observed.memory.state().pages_late = None;
        self.break_tenant(Broken::Nothing);
        for task in 0..ENVIRONMENTS {
            while self.environments[task].running.is_some() {
                self.poll(task)?;
            }
        }
        for reader in 0..READERS {
            while self.readers[reader].is_some() {
                self.poll(ENVIRONMENTS + reader)?;
            }
        }
        while self.walker.is_some() {
            self.poll(WALKER)?;
        }
        while self.carrier.is_some() {
            self.poll(CARRIER)?;
        }
        for _ in 0..20 {
            let open: Vec<usize> = (0..self.observed.specs.len())
                .filter(|at| !self.observed.acknowledged.contains_key(at))
                .collect();
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
        let messages = std::mem::take(&mut self.observed.memory.state().buffer);
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
                &self.observed.memory,
                vec![Incoming::Record(record)],
            ));
            self.observed.acknowledged.remove(&at);
            while self.environments[1].running.is_some() {
                self.poll(1)?;
            }
        }
        Ok(())
    }
}

fn carried(memory: &Arc<Faulty<Memory>>, key: &SubjectKey) -> Running<Carried> {
    let (memory, location) = (Arc::clone(memory), location(key));
    let params = CommitParams::new(key.clone(), POLICY, SMALL);
    let registry = Registry::new();
    Box::pin(async move { carry(&*memory, &registry, location, params).await })
}

fn process(
    pipeline: &Arc<Pipeline>,
    memory: &Arc<Faulty<Memory>>,
    records: Vec<Incoming>,
) -> Running<Result<Report, BreakerOpen>> {
    let (pipeline, memory) = (Arc::clone(pipeline), Arc::clone(memory));
    Box::pin(async move { pipeline.process(&*memory, records, Timestamp::MAX).await })
}
