//! Runs a case: environments, an operator and a relay over one store. After every step the head of each
//! subject is held against the last one that was seen: a new one is a record of the stream.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use serde_json::json;

use super::consumers::{self, Entries, by_text};
use super::operator::{carried, forgotten, touched};
use super::relay::{Relay, StreamRecord, decoded};
use super::script::{FedScript, Step};
use crate::base::error::Unavailable;
use crate::base::id::SubjectKey;
use crate::base::time::Timestamp;
use crate::intake::record::Incoming;
use crate::intake::tenant::{Feed, Feeds, Tenant};
use crate::ledger::Policy;
use crate::ledger::read::Question;
use crate::memory::model_test::check::{histories, keys};
use crate::memory::model_test::script::{
    Action, CARRIER, ENVIRONMENTS, OWN_TABLE, POLICY, SMALL, Spec, contract_json, instant, key,
    location, run_of, specs,
};
use crate::memory::{Call, Fault, Faulty, Memory, place};
use crate::outputs::changes::CommitId;
use crate::pipeline::cache::HeadCache;
use crate::pipeline::{BreakerOpen, Pipeline, Report};
use crate::registry::Registry;

/// The longest that Lambda lets an invocation run.
const INVOCATION_SECONDS: i64 = 15 * 60;
const DAY: i64 = 24 * 60 * 60;

type Running<T> = Pin<Box<dyn Future<Output = T>>>;

pub(super) struct Environment {
    pipeline: Arc<Pipeline>,
    backlog: VecDeque<Vec<usize>>,
    pub(super) running: Option<Running<Result<Report, BreakerOpen>>>,
}

pub(super) struct Harness<'a> {
    pub(super) script: &'a FedScript,
    pub(super) memory: Arc<Faulty<Memory>>,
    pub(super) policy: Policy,
    pub(super) environments: Vec<Environment>,
    pub(super) operator: Option<Running<Result<(), Unavailable>>>,
    pub(super) relay: Relay,
    pub(super) delivering: Option<Running<usize>>,
    /// The records of all heads, in the order of commits.
    pub(super) stream: Vec<StreamRecord>,
    /// How many of them need not come again.
    pub(super) checkpoint: usize,
    /// Whether records were given up.
    pub(super) lacks_records: bool,
    /// Every entry that a subject ever had.
    pub(super) ever: BTreeMap<SubjectKey, Entries>,
    /// How many records in the topics have been looked at.
    pub(super) looked_at: usize,
}

pub(super) fn run(script: &FedScript) -> Result<(), String> {
    let mut harness = Harness::new(script);
    for step in &script.steps {
        harness.act(step)?;
    }
    harness.drain()?;
    harness.check()
}

/// Puts the documents of both tenants; their feeds.
fn put_documents(memory: &Memory, script: &FedScript) -> Feeds {
    let feeds: serde_json::Value = serde_json::from_str(script.feeds).expect("JSON");
    let lateness = script.lateness_seconds;
    let document = |id: &str, placement| {
        json!({"id": id, "retention_days": POLICY.retention_days, "lateness_seconds": lateness,
            "feeds": feeds, "placement": placement})
    };
    let demo = document("demo", json!("pooled"));
    memory.put_document("T#demo", &demo.to_string());
    memory.put_document("T#acme", &document("acme", json!({"table": OWN_TABLE})).to_string());
    let route = r#"{"contract":"telemetry","tenant":{"header":"tenant"}}"#;
    memory.put_document("R#telemetry", route);
    memory.put_contract("telemetry", &contract_json(false));
    memory.put_document("REV", "{}");
    Tenant::check(&demo).expect("a tenant").feeds
}

fn pipeline() -> Arc<Pipeline> {
    Arc::new(Pipeline {
        registry: Registry::new(),
        heads: HeadCache::new(1 << 20),
        item_limits: SMALL,
        concurrency: 2,
    })
}

impl<'a> Harness<'a> {
    fn new(script: &'a FedScript) -> Self {
        let memory = Arc::new(Faulty::over(Memory::in_steps(instant(401))));
        memory.state().transaction_items = SMALL.write_pages + 1;
        let feeds = Arc::new(put_documents(&memory, script));
        let environment =
            || Environment { pipeline: pipeline(), backlog: VecDeque::new(), running: None };
        let relay =
            Relay { memory: Arc::clone(&memory), feeds, topics: Arc::new(Mutex::new(Vec::new())) };
        Self {
            script,
            memory,
            policy: Policy { lateness_seconds: script.lateness_seconds.into(), ..POLICY },
            environments: (0..ENVIRONMENTS).map(|_| environment()).collect(),
            operator: None,
            relay,
            delivering: None,
            stream: Vec::new(),
            checkpoint: 0,
            lacks_records: false,
            ever: BTreeMap::new(),
            looked_at: 0,
        }
    }

    fn act(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Ledger(action) => self.act_on_ledger(action)?,
            Step::Relay(most) => self.start_relay(*most),
            Step::Takeover(back) => {
                self.delivering = None;
                self.checkpoint = self.checkpoint.saturating_sub(*back);
            }
            Step::GiveUp(records) => self.give_up(*records),
            Step::Touch { tenant, subject, touch } => {
                let key = key(*tenant, *subject);
                self.operator
                    .get_or_insert_with(|| touched(&self.memory, &key, self.policy, *touch));
            }
            Step::Forget { tenant, subject } => {
                let key = key(*tenant, *subject);
                self.operator.get_or_insert_with(|| forgotten(&self.memory, &key));
            }
            Step::Days(days) => {
                self.pass(i64::from(*days) * DAY);
                self.delete_some(*days);
            }
        }
        Ok(())
    }

    fn give_up(&mut self, records: usize) {
        self.delivering = None;
        self.checkpoint = self.stream.len().min(self.checkpoint + records);
        self.lacks_records = true;
    }

    fn act_on_ledger(&mut self, action: &Action) -> Result<(), String> {
        let all = &self.script.specs;
        match action {
            Action::Start { env, picks } => {
                let batch = picks.iter().map(|pick| pick.index(all.len())).collect();
                self.take(*env, [batch]);
            }
            Action::StartRun { env, tenant, subject, from, to } => {
                self.take(*env, [run_of(all, &key(*tenant, *subject), *from..=*to)]);
            }
            Action::Backlog { env, tenant, subject, from, to, batch } => {
                let mut newest_first = run_of(all, &key(*tenant, *subject), *from..=*to);
                newest_first.reverse();
                self.take(*env, newest_first.chunks(*batch).map(<[usize]>::to_vec));
            }
            Action::Carry { tenant, subject } => {
                let key = key(*tenant, *subject);
                self.operator.get_or_insert_with(|| carried(&self.memory, &key, self.policy));
            }
            Action::CutCarry => self.operator = None,
            Action::Poll(task) => self.poll(*task)?,
            Action::PollOften { task, times } => {
                (0..*times).try_for_each(|_| self.poll(*task))?;
            }
            Action::Crash { env, cold } => self.crash(*env, *cold),
            Action::Fault(how) => self.fault(*how),
            Action::Later(seconds) => self.pass(i64::from(*seconds)),
            Action::QueueDown
            | Action::BreakTenant(_)
            | Action::Mend(_)
            | Action::Read { .. }
            | Action::Walk { .. } => {}
        }
        Ok(())
    }

    /// The next call of the ledger fails in this way, or pages show late from now on.
    fn fault(&self, how: u8) {
        const LEDGER: [Call; 4] = [Call::Head, Call::Pages, Call::Seal, Call::Write];
        let fault = match how {
            0 => Fault::Refused,
            1 => Fault::LostBefore,
            2 => Fault::LostAfter,
            calls => {
                self.memory.fail_nothing();
                self.memory.state().pages_late = Some(calls);
                return;
            }
        };
        let mut armed = true;
        self.memory.state().pages_late = None;
        self.memory.fail(move |call| {
            let fails = LEDGER.contains(&call) && std::mem::take(&mut armed);
            if fails { fault } else { Fault::None }
        });
    }

    /// No invocation and no partly visible transaction is as old as `INVOCATION_SECONDS`.
    fn pass(&mut self, seconds: i64) {
        {
            let state = &mut *self.memory.state();
            state.now = state.now.plus_seconds(seconds);
        }
        if seconds >= INVOCATION_SECONDS {
            (0..ENVIRONMENTS).for_each(|env| self.crash(env, false));
            (self.operator, self.delivering) = (None, None);
            self.memory.state().show_pages();
        }
    }

    /// DynamoDB deletes late and in no order: of the pages that may be deleted, about half.
    fn delete_some(&self, seed: u8) {
        let state = &mut *self.memory.state();
        let (now, mut random) = (state.now.whole_seconds(), u64::from(seed));
        state.pages.retain(|_, page| {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e);
            page.expires_at > now || random >> 63 == 0
        });
    }

    fn take(&mut self, env: usize, batches: impl IntoIterator<Item = Vec<usize>>) {
        self.environments[env].backlog.extend(batches);
        self.start_next(env);
    }

    fn start_next(&mut self, env: usize) {
        let environment = &mut self.environments[env];
        if environment.running.is_some() {
            return;
        }
        let Some(batch) = environment.backlog.pop_front() else { return };
        let specs: &[Spec] = &self.script.specs;
        let records = batch.iter().map(|at| Incoming::Record(specs[*at].record(*at))).collect();
        let (pipeline, memory) = (Arc::clone(&environment.pipeline), Arc::clone(&self.memory));
        environment.running =
            Some(Box::pin(
                async move { pipeline.process(&*memory, records, Timestamp::MAX).await },
            ));
    }

    fn crash(&mut self, env: usize, cold: bool) {
        let environment = &mut self.environments[env];
        environment.running = None;
        environment.backlog.clear();
        if cold {
            environment.pipeline = pipeline();
        }
    }

    pub(super) fn start_relay(&mut self, most: usize) {
        let rest = &self.stream[self.checkpoint..];
        if self.delivering.is_none() && !rest.is_empty() {
            let batch = rest[..most.min(rest.len())].to_vec();
            self.delivering = Some(Box::pin(self.relay.clone().deliver(batch)));
        }
    }

    pub(super) fn poll(&mut self, task: usize) -> Result<(), String> {
        let mut context = Context::from_waker(Waker::noop());
        self.memory.step();
        match task {
            CARRIER => {
                let running = self.operator.as_mut();
                if running.is_some_and(|running| running.as_mut().poll(&mut context).is_ready()) {
                    self.operator = None;
                }
            }
            ENVIRONMENTS..CARRIER => return self.poll_relay(&mut context),
            env => {
                let running = self.environments[env].running.as_mut();
                if running.is_some_and(|running| running.as_mut().poll(&mut context).is_ready()) {
                    self.environments[env].running = None;
                    self.start_next(env);
                }
            }
        }
        self.capture()
    }

    fn poll_relay(&mut self, context: &mut Context<'_>) -> Result<(), String> {
        let Some(running) = self.delivering.as_mut() else { return Ok(()) };
        if let Poll::Ready(delivered) = running.as_mut().poll(context) {
            self.delivering = None;
            self.checkpoint += delivered;
        }
        let topics = Arc::clone(&self.relay.topics);
        let topics = topics.lock().expect("nobody panics");
        for (key, record) in &topics[self.looked_at..] {
            let stored = self.memory.state().heads[&place(&location(key))].clone();
            let head = decoded(&stored);
            consumers::sent_now(record, &head, &self.ever[key])?;
            let commit = CommitId { era: head.era, version: head.version }.to_string();
            if record.feed == Feed::Views && record.attribute("drovercommit") == Some(&commit) {
                let live = self.read(key, Question::Live)?.map(|live| live.live(specs()));
                consumers::is_view(key, &head, live.as_ref(), record)?;
            }
        }
        self.looked_at = topics.len();
        Ok(())
    }

    /// Between two steps at most one head of a subject is written.
    fn capture(&mut self) -> Result<(), String> {
        let mut new = Vec::new();
        for key in keys() {
            let last = self.stream.iter().rev().find(|record| record.key == key);
            let old = last.map(|record| record.new.clone());
            let stored = self.memory.state().heads.get(&place(&location(&key))).cloned();
            new.extend(
                stored.filter(|stored| Some(stored) != old.as_ref()).map(|new| StreamRecord {
                    key,
                    old,
                    new,
                }),
            );
        }
        if !new.is_empty() {
            for (key, entries) in histories(&self.memory.state())? {
                self.ever.entry(key).or_default().extend(by_text(&entries));
            }
        }
        self.stream.extend(new);
        Ok(())
    }
}
