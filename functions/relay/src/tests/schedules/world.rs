//! The tables, the topics, the stream and the relay of a case.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use drover_core::base::metrics::{Meter, Tally};
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::unsent::Unsent;
use drover_core::intake::record::Incoming;
use drover_core::ledger::StoredHead;
use drover_core::ledger::codec::decode_head;
use drover_core::memory::{Fault, Faulty, Memory, SMALL};
use drover_core::pipeline::settings::PipelineSettings;
use drover_core::pipeline::{Disposition, Pipeline};
use drover_core::registry::StoredRules;
use futures_util::FutureExt as _;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Step;
use super::acts::Acts;
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
    pub(super) memory: Memory,
    pub(super) faulty: Faulty<Memory>,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    pipeline: Pipeline,
    pub(super) topics: Topics,
    relay: Relay<Faulty<Memory>, Topics>,
    /// The last head of each place in the stream.
    heads: BTreeMap<String, StoredHead>,
    stream: Vec<Value>,
    /// The record of the stream that Lambda delivers next.
    next: usize,
    gave_up: bool,
    pub(super) now: i64,
    /// The seconds of the events of each device.
    pub(super) committed: [BTreeSet<i64>; DEVICES.len()],
    pub(super) acts: Acts,
    /// The number of the version of the first tenant's alert rules.
    rules: u32,
    /// Whether subjects that are silent already may not be watched by the newest rules.
    is_unwatched: bool,
}

fn relay(ports: Faulty<Memory>, topics: Topics) -> Relay<Faulty<Memory>, Topics> {
    let settings = Settings { ledger_table: "ledger".into(), concurrency: 4, item_limits: SMALL };
    Relay::new(ports, topics, settings, Arc::new(NotMeasured))
}

/// Rules of every form; the second of two versions has other ones of the same names, and others not at all.
fn rules(version: u32) -> Value {
    let when = |id: &str, when: Value| json!({ "id": id, "contract": "mine", "measure": "heat", "when": when });
    let mut hot = when("hot", json!({ "above": 30 }));
    hot["clear"] = json!({ "below": 15, "for": { "events": 2 } });
    hot["severity"] =
        json!([{ "severity": "warning" }, { "severity": "critical", "when": { "above": 36 } }]);
    hot["latch"] = json!(true);
    let mut often = when("often", json!({ "at_least": 12 }));
    often["for"] = json!({ "events": 3 });
    let mut long = when("long", json!({ "below": 25 }));
    long["for"] = json!({ "seconds": 40 });
    let mut quiet = when("quiet", json!({ "above": 34 }));
    quiet["clear"] = json!({ "after_seconds": 60 });
    let fault = json!({ "id": "fault", "contract": "mine", "measure": "status", "when": { "is": "fault" } });
    let moved = json!({ "id": "moved", "contract": "mine", "measure": "status", "when": { "changes": true } });
    let both = json!({ "id": "both", "contract": "mine", "when": { "all": [
        { "measure": "heat", "above": 20 }, { "measure": "status", "is": "fault" } ] } });
    let silent = |seconds: u32| json!({ "id": "silent", "contract": "mine", "absent": { "seconds": seconds } });
    let rules = if version % 2 == 1 {
        json!([hot, often, long, quiet, fault, moved, both, silent(90)])
    } else {
        let mut hotter = when("hot", json!({ "above": 36 }));
        hotter["severity"] = json!("error");
        json!([hotter, often, quiet, both, silent(200)])
    };
    let mut document = json!({ "tenant": "demo", "rules": rules });
    for rule in document["rules"].as_array_mut().expect("a list") {
        rule["targets"] = json!(["ops"]);
    }
    document
}

impl World {
    pub(super) fn new() -> Self {
        let memory = Memory::new(second(1_000));
        memory.state().head_writes = Some(Vec::new());
        let demo = r#"{"id":"demo","feeds":["ordered","settled","views","alerts"],
            "lateness_seconds":100}"#;
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
        let mut world = Self {
            pipeline: Pipeline { item_limits: SMALL, ..settings.pipeline() },
            relay: relay(faulty.clone(), topics.clone()),
            heads: BTreeMap::new(),
            stream: Vec::new(),
            next: 0,
            gave_up: false,
            now: 1_000,
            committed: Default::default(),
            acts: Acts::default(),
            rules: 0,
            is_unwatched: false,
            memory,
            faulty,
            faults,
            topics,
        };
        world.apply_rules();
        world
    }

    /// Applies the next version of the first tenant's alert rules.
    fn apply_rules(&mut self) {
        self.rules += 1;
        let applied_at = second(self.now);
        let stored = StoredRules {
            version: self.rules,
            applied_at,
            applied_by: "a test".to_owned(),
            // The first version reads all events.
            starts_at: if self.rules == 1 { second(0) } else { applied_at.plus_seconds(90) },
            kinds: BTreeMap::from([("mine".to_owned(), vec!["device".to_owned()])]),
            rules: rules(self.rules),
        };
        let json = stored.to_json().expect("JSON");
        self.memory.put_document(&format!("A#demo@{}", self.rules), &json);
        self.memory.put_document("A#demo", &json);
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
            Step::Rules => {
                self.apply_rules();
                self.watch();
            }
            Step::Act(alert, act) => self.act(alert, act),
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

    /// What applying rules about silence does.
    fn watch(&mut self) {
        let answer = self.command(&json!({ "action": "watch", "tenant": "demo" }));
        self.is_unwatched = answer.is_none_or(|answer| answer["subjects"].is_null());
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

    /// How many commits of carries the stream has.
    pub(super) fn carries(&self) -> usize {
        let heads = self.stream.iter().filter_map(|record| {
            let bytes = record["dynamodb"]["NewImage"]["d"]["B"].as_str()?;
            decode_head(&base64_simd::STANDARD.decode_to_vec(bytes).ok()?).ok()
        });
        heads.filter(|head| head.carried.is_some()).count()
    }

    /// Appends the heads that were written to the stream.
    fn continue_stream(&mut self) {
        let written = self.memory.state().head_writes.replace(Vec::new());
        for (place, new) in written.into_iter().flatten() {
            let number = self.stream.len().to_string();
            let old = self.heads.get(&place);
            self.stream.push(change(&place, &number, old, &new));
            self.heads.insert(place, new);
        }
    }

    /// Everything works again; operators do their part, and time passes until nothing is left to do.
    pub(super) fn end(&mut self) -> Result<(), String> {
        self.faults.lock().unwrap().clear();
        self.topics.next.lock().unwrap().clear();
        self.topics.poison.lock().unwrap().clear();
        self.repeat_acts();
        self.continue_stream();
        if self.gave_up {
            self.wait(150);
            self.resend(None);
        }
        if self.is_unwatched {
            self.watch();
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
