//! The tables, the topics, the stream and the relay of a case.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use drover_core::base::metrics::{Meter, Tally};
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::unsent::Unsent;
use drover_core::intake::record::Incoming;
use drover_core::ledger::StoredHead;
use drover_core::memory::{Fault, Faulty, Memory, SMALL};
use drover_core::pipeline::settings::PipelineSettings;
use drover_core::pipeline::{Disposition, Pipeline};
use futures_util::FutureExt as _;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Step;
use super::target::Topics;
use crate::tests::fixture::{CONTRACT, change, record, second};
use crate::{Relay, Settings};

/// Tenants and their devices. The second tenant has topics of its own.
pub(super) const DEVICES: [(&str, &str); 3] = [("demo", "d-1"), ("demo", "d-2"), ("acme", "d-1")];

struct NotMeasured;

impl Meter for NotMeasured {
    fn record(&self, _function: &'static str, _tally: &Tally, _now: Timestamp) {}
}

pub(super) struct World {
    memory: Memory,
    faulty: Faulty<Memory>,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    pipeline: Pipeline,
    pub(super) topics: Topics,
    relay: Relay<Faulty<Memory>, Topics>,
    /// Each head as it was when the stream was last continued, by its place.
    heads: BTreeMap<String, StoredHead>,
    stream: Vec<Value>,
    /// The record of the stream that Lambda delivers next.
    next: usize,
    gave_up: bool,
    now: i64,
    /// The seconds of the events of each device.
    pub(super) committed: [BTreeSet<i64>; DEVICES.len()],
}

fn relay(ports: Faulty<Memory>, topics: Topics) -> Relay<Faulty<Memory>, Topics> {
    let settings = Settings { ledger_table: "ledger".into(), concurrency: 4, item_limits: SMALL };
    Relay::new(ports, topics, settings, Arc::new(NotMeasured))
}

impl World {
    pub(super) fn new() -> Self {
        let memory = Memory::new(second(1_000));
        let demo = r#"{"id":"demo","feeds":["ordered","settled","views"],"lateness_seconds":100}"#;
        let acme = r#"{"id":"acme","feeds":["ordered","settled"],"feed_prefix":"acme",
            "lateness_seconds":0,"idle_seconds":600}"#;
        memory.put_document("T#demo", demo);
        memory.put_document("T#acme", acme);
        memory.put_document("R#known", r#"{"contract":"mine","tenant":{"header":"tenant"}}"#);
        memory.put_contract("mine", CONTRACT);
        memory.put_document("REV", "{}");
        let (faulty, topics) = (Faulty::over(memory.clone()), Topics::default());
        let faults = Arc::new(Mutex::new(VecDeque::new()));
        let next = Arc::clone(&faults);
        faulty.fail(move |_| next.lock().unwrap().pop_front().unwrap_or(Fault::None));
        let settings = PipelineSettings { cache_bytes: 1 << 20, concurrency: 4 };
        Self {
            pipeline: Pipeline { item_limits: SMALL, ..settings.pipeline() },
            relay: relay(faulty.clone(), topics.clone()),
            heads: BTreeMap::new(),
            stream: Vec::new(),
            next: 0,
            gave_up: false,
            now: 1_000,
            committed: Default::default(),
            memory,
            faulty,
            faults,
            topics,
        }
    }

    pub(super) fn play(&mut self, step: Step) {
        match step {
            Step::Commit { device, times } => self.commit(device, &times),
            Step::Deliver(records) => self.deliver(records),
            Step::Back(records) => self.next = self.next.saturating_sub(records),
            Step::GiveUp(records) => {
                let next = (self.next + records).min(self.stream.len());
                self.gave_up |= next > self.next;
                self.next = next;
            }
            Step::Replace => self.replace(),
            Step::Wait(seconds) => self.wait(i64::from(seconds)),
            Step::Sweep => drop(self.command(&json!({ "action": "sweep" }))),
            Step::Resend(device) => self.resend(device),
            Step::Topics(taking) => *self.topics.next.lock().unwrap() = taking.into(),
            Step::Tables(faults) => *self.faults.lock().unwrap() = faults.into(),
        }
        self.continue_stream();
    }

    /// Commits one event for each of these seconds before now.
    fn commit(&mut self, device: usize, before: &[u16]) {
        let (tenant, name) = DEVICES[device];
        let times: Vec<i64> = before.iter().map(|before| self.now - i64::from(*before)).collect();
        let now = second(self.now);
        let records = times.iter().map(|at| Incoming::Record(record(tenant, name, *at, now)));
        let processed = self.pipeline.process(&self.memory, records.collect(), Timestamp::MAX);
        let report = processed.now_or_never().expect("memory never waits").expect("it runs");
        let is_kept = |one| matches!(one, &Disposition::Applied | &Disposition::Duplicate);
        assert!(report.dispositions.iter().all(is_kept), "{report:?}");
        self.committed[device].extend(times);
    }

    /// One invocation of the relay. `None`: the environment died, and another one takes over.
    fn invoke(&mut self, event: &Value) -> Option<Value> {
        let event = RawValue::from_string(event.to_string()).unwrap();
        let answered = self.relay.handle(LambdaEvent::new(event, Context::default()));
        let answer = answered.now_or_never();
        if answer.is_none() {
            self.replace();
        }
        // A failed sweep is a failed invocation.
        let answer = answer?.ok()?;
        Some(serde_json::from_str(answer.get()).unwrap())
    }

    fn deliver(&mut self, records: usize) {
        let end = (self.next + records).min(self.stream.len());
        let batch = &self.stream[self.next..end];
        if batch.is_empty() {
            return;
        }
        let event = json!({ "Records": batch });
        let Some(response) = self.invoke(&event) else { return };
        // Lambda delivers everything from the first record that failed.
        let failures = response["batchItemFailures"].as_array().unwrap().iter();
        let numbers = failures.map(|one| one["itemIdentifier"].as_str().unwrap().parse().unwrap());
        self.next = numbers.min().unwrap_or(end);
    }

    fn replace(&mut self) {
        self.relay = relay(self.faulty.clone(), self.topics.clone());
    }

    fn wait(&mut self, seconds: i64) {
        self.now += seconds;
        self.memory.state().now = second(self.now);
    }

    fn command(&mut self, command: &Value) -> Option<Value> {
        let answer = self.invoke(command);
        self.continue_stream();
        answer
    }

    fn resend(&mut self, device: Option<usize>) {
        match device {
            Some(device) => {
                let (tenant, name) = DEVICES[device];
                let subject = format!("device/{name}");
                self.command(&json!({ "action": "resend", "tenant": tenant, "subject": subject }));
            }
            None => {
                for tenant in ["demo", "acme"] {
                    self.command(&json!({ "action": "resend", "tenant": tenant }));
                }
            }
        }
    }

    /// Appends the heads that changed to the stream.
    fn continue_stream(&mut self) {
        let heads = self.memory.state().heads.clone();
        for (place, new) in &heads {
            let old = self.heads.get(place);
            if old != Some(new) {
                let number = self.stream.len().to_string();
                self.stream.push(change(place, &number, old, new));
            }
        }
        self.heads = heads;
    }

    /// Everything works again; operators do their part, and time passes until nothing is left to do.
    pub(super) fn end(&mut self) -> Result<(), String> {
        self.faults.lock().unwrap().clear();
        self.topics.next.lock().unwrap().clear();
        self.topics.poison.lock().unwrap().clear();
        if self.gave_up {
            self.resend(None);
        }
        for _ in 0..100 {
            while self.next < self.stream.len() {
                let before = self.next;
                self.deliver(5);
                if self.next == before {
                    return Err("the relay makes no progress".to_owned());
                }
            }
            self.replay_letters();
            self.wait(150);
            self.command(&json!({ "action": "sweep" })).ok_or("the sweep fails")?;
            // An armed minute without an entry is left by an environment that failed between the two writes.
            let is_set = !self.memory.state().outputs.entries.is_empty();
            if !is_set && self.next == self.stream.len() {
                return Ok(());
            }
        }
        Err(format!("timers never end: {:?}", self.memory.state().outputs.entries))
    }

    /// What replaying a letter of the relay does.
    fn replay_letters(&mut self) {
        let letters = std::mem::take(&mut self.memory.state().letters);
        for letter in letters {
            let (tenant, subject, _) = Unsent::read(&letter.body).expect("a letter of the relay");
            let (tenant, subject) = (tenant.as_str(), subject.to_string());
            self.command(&json!({ "action": "resend", "tenant": tenant, "subject": subject }));
        }
    }
}
