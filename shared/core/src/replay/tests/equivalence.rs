//! Promise 8, replay equivalence: records fail in random ways, the causes are fixed at random
//! moments, letters are stored and replayed in random order, with faults and crashes at any call.
//! In the end every history and view is the same as if nothing had ever failed. Promise 3,
//! conservation: each received record is in a history or in an open letter, exactly once.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixture::{Bench, NEWCO, SEVERAL_WIDE, WIDE, context, location, pipeline};
use crate::base::time::Timestamp;
use crate::dead_letter::letter::{Owner, State};
use crate::intake::record::{Incoming, Record};
use crate::ledger::read::Question;
use crate::memory::{Call, Fault};
use crate::pipeline::Disposition;
use crate::ports::Clock as _;
use crate::replay::{Phase, RunRequest};
use crate::subject::reader;
use crate::view::Specs;

#[derive(Clone, Debug)]
enum Sort {
    /// One record of several elements.
    Several(Vec<(u8, Part)>),
    Good,
    /// Fails until the contract is widened.
    Narrow,
    /// Fails until the clock guard is raised.
    Ahead,
    /// Fails until the tenant exists.
    Newco,
    /// Always fails.
    Broken,
}

/// An element of a record.
#[derive(Clone, Copy, Debug)]
enum Part {
    Good,
    /// Until the contract is widened.
    Narrow,
    /// Until the clock guard is raised.
    Ahead,
    /// For ever.
    Broken,
    /// The contract passes it over.
    Skipped,
}

impl Part {
    fn item(self, device: u8) -> Value {
        let id = format!("d{device}");
        match self {
            Self::Good => json!({"id": id, "n": 1}),
            Self::Narrow => json!({"id": id, "n": "text"}),
            Self::Ahead => json!({"id": id, "n": 2, "ahead": true}),
            Self::Broken => json!({"id": id, "bad": true}),
            Self::Skipped => json!({"skip": true}),
        }
    }
}

impl Sort {
    /// The elements that are events at last, and those that never are.
    fn elements(&self) -> (usize, usize) {
        let Self::Several(parts) = self else {
            return if matches!(self, Self::Broken) { (0, 1) } else { (1, 0) };
        };
        let broken = parts.iter().filter(|(_, part)| matches!(part, Part::Broken)).count();
        let skipped = parts.iter().filter(|(_, part)| matches!(part, Part::Skipped)).count();
        (parts.len() - broken - skipped, broken)
    }
}

#[derive(Clone, Copy, Debug)]
enum Mend {
    Contract,
    Guard,
    Tenant,
}

#[derive(Clone, Debug)]
enum Step {
    /// Records are delivered, for the first time or again.
    Deliver(Vec<prop::sample::Index>),
    /// Messages of the queue are stored as letters; other messages stay in the queue.
    File(Vec<prop::sample::Index>),
    Replay {
        operator: bool,
        rate: u32,
    },
    /// The newest run of an owner is resumed.
    Resume {
        operator: bool,
    },
    Mend(Mend),
}

/// The fault in a step, if any.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    None,
    /// A crash at this poll.
    Crash(usize),
    /// A failure of this call.
    Fault(usize, u8),
}

fn sort() -> impl Strategy<Value = Sort> {
    prop_oneof![
        4 => Just(Sort::Good), 3 => Just(Sort::Narrow), 2 => Just(Sort::Ahead),
        2 => Just(Sort::Newco), 1 => Just(Sort::Broken),
        5 => prop::collection::vec((0_u8..3, part()), 0..6).prop_map(Sort::Several),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        4 => Just(Part::Good), 3 => Just(Part::Narrow), 2 => Just(Part::Ahead),
        1 => Just(Part::Broken), 1 => Just(Part::Skipped),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let picks = || prop::collection::vec(any::<prop::sample::Index>(), 1..6);
    prop_oneof![
        4 => picks().prop_map(Step::Deliver),
        4 => picks().prop_map(Step::File),
        3 => (any::<bool>(), 1_u32..5).prop_map(|(operator, rate)| Step::Replay { operator, rate }),
        2 => any::<bool>().prop_map(|operator| Step::Resume { operator }),
        1 => prop_oneof![Just(Mend::Contract), Just(Mend::Guard), Just(Mend::Tenant)]
            .prop_map(Step::Mend),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        2 => Just(Trouble::None),
        2 => (0_usize..60).prop_map(Trouble::Crash),
        2 => (0_usize..30, any::<u8>()).prop_map(|(call, kind)| Trouble::Fault(call, kind)),
    ]
}

struct Fixture {
    bench: Bench,
    records: Vec<Record>,
    acknowledged: Vec<bool>,
}

impl Fixture {
    fn new(sorts: &[(u8, Sort)]) -> Self {
        let bench = Bench::in_steps();
        let record = |(at, (device, sort)): (i64, &(u8, Sort))| {
            let device = format!("d{device}");
            match sort {
                Sort::Good => bench.good(&device, at),
                Sort::Narrow => bench.narrow(&device, at),
                Sort::Ahead => bench.ahead(&device, at),
                Sort::Newco => bench.of("newco", &device, at),
                Sort::Broken => bench.broken(at),
                Sort::Several(parts) => {
                    let items = parts.iter().map(|(device, part)| part.item(*device));
                    bench.several(at, &items.collect::<Vec<_>>())
                }
            }
        };
        let records: Vec<Record> = (1..).zip(sorts).map(record).collect();
        let acknowledged = vec![false; records.len()];
        Self { bench, records, acknowledged }
    }

    /// Runs a future to its end or to its crash.
    fn run<T>(&self, future: impl Future<Output = T>, trouble: Trouble) -> Option<T> {
        if let Trouble::Fault(at, kind) = trouble {
            let fault = [Fault::Refused, Fault::LostBefore, Fault::LostAfter];
            let fault = fault[usize::from(kind) % fault.len()];
            let mut calls = 0;
            self.bench.memory.fail(move |call| {
                calls += 1;
                // Reads of documents never fail here.
                if calls == at + 1 && call != Call::Document { fault } else { Fault::None }
            });
        }
        let mut future = std::pin::pin!(future);
        let polls = if let Trouble::Crash(polls) = trouble { polls } else { 100_000 };
        let ended = (0..polls).find_map(|_| self.bench.poll(future.as_mut()));
        self.bench.memory.fail_nothing();
        ended
    }

    fn deliver(&mut self, picks: &[usize], trouble: Trouble) {
        let records = picks.iter().map(|at| Incoming::Record(self.records[*at].clone()));
        let pipeline = pipeline();
        let process = pipeline.process(&self.bench.memory, records.collect(), Timestamp::MAX);
        let Some(Ok(report)) = self.run(process, trouble) else { return };
        for (at, disposition) in picks.iter().zip(report.dispositions) {
            self.acknowledged[*at] |= disposition != Disposition::Returned;
        }
        self.drain_buffer();
    }

    fn drain_buffer(&mut self) {
        let messages = std::mem::take(&mut self.bench.memory.state().buffer);
        for message in messages {
            let envelope =
                crate::dead_letter::envelope::Envelope::read(&message.body).expect("an envelope");
            let record = envelope.record().expect("readable").expect("whole");
            let dispositions = self.bench.process(&[record]);
            assert_ne!(dispositions, [Disposition::Returned]);
        }
    }

    /// A message leaves the queue only after it is stored.
    fn file(&mut self, picks: &[prop::sample::Index], trouble: Trouble) {
        for pick in picks {
            let messages = self.bench.memory.state().letters.clone();
            if messages.is_empty() {
                return;
            }
            let message = pick.get(&messages).clone();
            let now = self.bench.memory.now();
            let received = crate::replay::filing::Received {
                message_id: "m",
                body: &message.body,
                sent_at: None,
            };
            let filing = crate::replay::filing::read(&received, now).expect("filed");
            let filed = self.run(crate::replay::filing::file(&self.bench.memory, &filing), trouble);
            if matches!(filed, Some(Ok(_))) {
                let letters = &mut self.bench.memory.state().letters;
                let at = letters.iter().position(|one| *one == message).expect("it is there");
                letters.remove(at);
            }
        }
    }

    fn replay(&mut self, owner: &Owner, rate: u32, trouble: Trouble) {
        let request = RunRequest { rate, max_replays: 1_000, ..RunRequest::replay("me") };
        let memory = self.bench.memory.clone();
        let run = crate::replay::start(context(&memory), owner, request, Timestamp::MAX);
        self.run(run, trouble);
        self.bench.later(31);
    }

    fn resume(&mut self, owner: &Owner, trouble: Trouble) {
        let Some(newest) = self.bench.runs(owner).into_iter().next() else { return };
        let memory = self.bench.memory.clone();
        let id = &newest.replay_id;
        let run = crate::replay::resume(context(&memory), owner, id, "you", Timestamp::MAX);
        self.run(run, trouble);
        self.bench.later(31);
    }

    fn mend(&self, mend: Mend) {
        match mend {
            Mend::Contract => {
                self.bench.put_contract("mine", WIDE);
                self.bench.put_contract("several", SEVERAL_WIDE);
            }
            Mend::Guard => {
                self.bench.put("T#demo", r#"{"id":"demo","max_future_seconds":7200}"#);
            }
            Mend::Tenant => self.bench.put("T#newco", NEWCO),
        }
    }

    fn act(&mut self, step: &Step, trouble: Trouble) {
        let owner = |operator: &bool| if *operator { Owner::Operator } else { Bench::demo() };
        match step {
            Step::Deliver(picks) => {
                let mut picks: Vec<usize> =
                    picks.iter().map(|pick| pick.index(self.records.len())).collect();
                picks.sort_unstable();
                picks.dedup();
                self.deliver(&picks, trouble);
            }
            Step::File(picks) => self.file(picks, trouble),
            Step::Replay { operator, rate } => self.replay(&owner(operator), *rate, trouble),
            Step::Resume { operator } => self.resume(&owner(operator), trouble),
            Step::Mend(mend) => self.mend(*mend),
        }
    }

    /// Fixes every cause, delivers, stores and replays everything, without faults.
    fn settle(&mut self) {
        for mend in [Mend::Contract, Mend::Guard, Mend::Tenant] {
            self.mend(mend);
        }
        let rest: Vec<usize> =
            (0..self.records.len()).filter(|at| !self.acknowledged[*at]).collect();
        self.deliver(&rest, Trouble::None);
        self.bench.file_all();
        for owner in [Bench::demo(), Owner::Operator] {
            self.replay(&owner, 100, Trouble::None);
            let run = self.bench.runs(&owner).remove(0);
            assert_eq!(run.phase, Phase::Done);
        }
    }

    /// Every history and view, by tenant and device.
    fn subjects(&self) -> BTreeMap<(String, String), Value> {
        let devices = || (0..3).map(|device| format!("d{device}"));
        let both = ["demo", "newco"].into_iter();
        let all = both.flat_map(|tenant| devices().map(move |device| (tenant.to_owned(), device)));
        all.map(|subject| (subject.clone(), self.subject(&subject.0, &subject.1))).collect()
    }

    fn subject(&self, tenant: &str, device: &str) -> Value {
        let (memory, location) = (&self.bench.memory, location(tenant, device));
        let all = Question::History { from: None, to: None };
        let history = self.bench.run(reader::read(memory, &location, all)).expect("readable").0;
        let Some(history) = history else { return Value::Null };
        let live =
            self.bench.run(reader::read(memory, &location, Question::Live)).expect("readable").0;
        let live = live.expect("there is a head");
        let versions = Specs::default().missing(live.entries());
        let registry = crate::registry::Registry::new();
        let specs = registry.specs(&versions, memory);
        let specs = self.bench.run(specs).expect("specs");
        let entries = history.entries().map(|entry| {
            json!([
                entry.position.observed_at,
                entry.position.sequence,
                entry.position.event_id.as_str(),
                entry.ingested_at,
                &*entry.payload
            ])
        });
        json!({"history": entries.collect::<Vec<_>>(), "view": live.live(&specs).to_json()})
    }

    fn open_letters(&self) -> usize {
        let letters = [Bench::demo(), Owner::Operator].map(|owner| self.bench.letters(&owner));
        letters.iter().flatten().filter(|stored| stored.letter.state != State::Resolved).count()
    }

    fn applied(&self) -> usize {
        let histories = self.subjects().into_values();
        histories.map(|subject| subject["history"].as_array().map_or(0, Vec::len)).sum()
    }
}

/// The elements of a record have one time of observation; the sequence alone orders them.
#[test]
fn replayed_elements_take_the_place_that_their_sequence_says() {
    let parts = vec![(0, Part::Good), (0, Part::Narrow), (0, Part::Skipped), (0, Part::Good)];
    let mut fixture = Fixture::new(&[(0, Sort::Several(parts))]);
    fixture.deliver(&[0], Trouble::None);
    let sequences = |fixture: &Fixture| {
        let subject = fixture.subject("demo", "d0");
        let history = subject["history"].as_array().expect("a history").clone();
        history.iter().map(|entry| entry[1].clone()).collect::<Vec<_>>()
    };
    assert_eq!(sequences(&fixture), [1, 4]);
    fixture.settle();
    assert_eq!(sequences(&fixture), [1, 3, 4]);
}

/// Found by the test below: the late event was folded as if its contract had no measures, because
/// every event in the pages around it was of another contract.
#[test]
fn regression_a_late_event_of_another_contract_than_its_neighbours() {
    let sorts = [
        (0, Sort::Good),
        (0, Sort::Several(vec![(0, Part::Good)])),
        (0, Sort::Narrow),
        (0, Sort::Good),
    ];
    let mut never = Fixture::new(&sorts);
    never.mend(Mend::Contract);
    never.deliver(&[0, 1, 2, 3], Trouble::None);
    let mut late = Fixture::new(&sorts);
    late.mend(Mend::Contract);
    late.deliver(&[1], Trouble::None);
    late.deliver(&[2], Trouble::None);
    late.deliver(&[0, 3], Trouble::None);
    assert_eq!(late.subjects(), never.subjects());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn failing_and_being_replayed_ends_in_the_same_state_as_never_failing(
        sorts in prop::collection::vec((0_u8..3, sort()), 1..24),
        steps in prop::collection::vec((step(), trouble()), 0..24),
    ) {
        let mut never = Fixture::new(&sorts);
        for mend in [Mend::Contract, Mend::Guard, Mend::Tenant] {
            never.mend(mend);
        }
        let all: Vec<usize> = (0..sorts.len()).collect();
        never.deliver(&all, Trouble::None);
        never.bench.file_all();

        let mut fixture = Fixture::new(&sorts);
        for (step, trouble) in &steps {
            fixture.act(step, *trouble);
        }
        fixture.settle();
        prop_assert_eq!(fixture.subjects(), never.subjects());
        let elements = || sorts.iter().map(|(_, sort)| sort.elements());
        let broken: usize = elements().map(|(_, broken)| broken).sum();
        prop_assert_eq!(fixture.open_letters(), broken);
        prop_assert_eq!(fixture.applied(), elements().map(|(events, _)| events).sum::<usize>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn a_replay_during_live_traffic_loses_and_duplicates_nothing(
        sorts in prop::collection::vec((0_u8..2, prop_oneof![Just(Sort::Good), Just(Sort::Narrow)]), 2..24),
        turns in prop::collection::vec(any::<bool>(), 400),
        rate in 1_u32..30,
    ) {
        let mut never = Fixture::new(&sorts);
        never.mend(Mend::Contract);
        let all: Vec<usize> = (0..sorts.len()).collect();
        never.deliver(&all, Trouble::None);

        let mut fixture = Fixture::new(&sorts);
        let is_narrow = |at: &usize| matches!(sorts[*at].1, Sort::Narrow);
        let (narrow, good): (Vec<usize>, Vec<usize>) = all.into_iter().partition(is_narrow);
        fixture.deliver(&narrow, Trouble::None);
        fixture.bench.file_all();
        fixture.mend(Mend::Contract);
        let request = RunRequest { rate, max_replays: 1_000, ..RunRequest::replay("me") };
        let mut replay = fixture.bench.start(&Bench::demo(), request);
        let (memory, records, batches) =
            (fixture.bench.memory.clone(), fixture.records.clone(), good.clone());
        let mut stream = std::pin::pin!(async move {
            let pipeline = pipeline();
            let mut dispositions = Vec::new();
            for batch in batches.chunks(3) {
                let records = batch.iter().map(|at| Incoming::Record(records[*at].clone())).collect();
                let report = pipeline.process(&memory, records, Timestamp::MAX).await;
                dispositions.extend(report.expect("a closed breaker").dispositions);
            }
            dispositions
        });
        let (mut replayed, mut streamed) = (None, None);
        for turn in turns.into_iter().chain([true, false].into_iter().cycle().take(100_000)) {
            if turn && replayed.is_none() {
                replayed = fixture.bench.poll(replay.as_mut());
            } else if !turn && streamed.is_none() {
                streamed = fixture.bench.poll(stream.as_mut());
            }
            if replayed.is_some() && streamed.is_some() {
                break;
            }
        }
        prop_assert!(replayed.is_some_and(|replayed| replayed.is_ok()));
        let dispositions = streamed.expect("it ends");
        for (at, disposition) in good.iter().zip(dispositions) {
            fixture.acknowledged[*at] = disposition != Disposition::Returned;
        }
        fixture.drain_buffer();
        fixture.settle();
        prop_assert_eq!(fixture.subjects(), never.subjects());
        prop_assert_eq!(fixture.open_letters(), 0);
    }
}

/// The number of cases from `PROPTEST_CASES`, bounded because each case has many runs.
fn cases() -> u32 {
    ProptestConfig::default().cases.min(400)
}
