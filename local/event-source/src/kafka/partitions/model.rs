//! Model test: partition states against an event log and a function that follow a random script,
//! with responses of every kind, invocations that end in any order, fetches of any size, and kills
//! in between. The invariants are checked after every step.

use std::collections::BTreeSet;

use drover_event_log::{Fetched, TimestampType};
use proptest::prelude::*;

use super::*;
use crate::batch::{AttemptOutcome, Failure, Moment, OnFunctionError, Reading};
use crate::kafka::event::HeaderBytes;

const PARTITIONS: i32 = 3;

/// One step of a script.
#[derive(Clone, Debug)]
enum Step {
    /// A running fetch returns at most this many records.
    Bring(u8, usize),
    /// A running invocation ends like this.
    End(u8, Ending),
    /// The process is killed: uncommitted state is lost.
    Kill,
}

/// The result of an invocation.
#[derive(Clone, Debug)]
enum Ending {
    Handled,
    /// These records are named as failed, by their index among the records of each partition.
    Named(Vec<u8>),
    Function,
    NoAnswer,
    /// Handled, but the response is lost, so the batch is retried.
    Lost,
}

struct Fixture {
    rules: Rules,
    states: PartitionStates,
    now: i64,
    /// The log, with gaps between offsets.
    stream: BTreeMap<i32, Vec<i64>>,
    fetching: Vec<(i32, i64, usize)>,
    invocations: Vec<BTreeMap<i32, Taken>>,
    committed: BTreeMap<i32, i64>,
    handled: BTreeSet<(i32, i64)>,
    given_up: BTreeSet<(i32, i64)>,
}

fn new_states(committed: &BTreeMap<i32, i64>) -> PartitionStates {
    let source = EventSource {
        arn: "arn".to_owned(),
        bootstrap_servers: "b".to_owned(),
        header_bytes: HeaderBytes::Signed,
    };
    let batching = Batching { records: 5, window: Duration::from_millis(20) };
    let mut states = PartitionStates::new("t", batching, &source);
    states.add(&(0..PARTITIONS).collect::<Vec<_>>(), committed);
    states
}

impl Fixture {
    fn new(rules: Rules, stream: BTreeMap<i32, Vec<i64>>) -> Self {
        let committed = BTreeMap::new();
        let (fetching, invocations) = (Vec::new(), Vec::new());
        let (handled, given_up) = (BTreeSet::new(), BTreeSet::new());
        let states = new_states(&committed);
        Self { rules, states, now: 0, stream, fetching, invocations, committed, handled, given_up }
    }

    fn step(&mut self, step: &Step) {
        self.now += 7;
        match step {
            Step::Bring(which, most) => self.bring(usize::from(*which), *most),
            Step::End(which, ending) => self.end(usize::from(*which), ending),
            Step::Kill => {
                self.states = new_states(&self.committed);
                self.fetching.clear();
                self.invocations.clear();
            }
        }
        self.start();
        self.check_commits();
    }

    /// The same steps as the loop of a mapping.
    fn start(&mut self) {
        let fetches = self.states.fetches(self.now).into_iter();
        self.fetching.extend(fetches.map(|(at, offset, bounds)| (at, offset, bounds.records)));
        while let Some(invocation) = self.states.next(&self.rules, self.now) {
            let Invocation::Send(taken) = invocation else { panic!("nothing here is too large") };
            self.check_sent(&taken);
            self.invocations.push(taken);
        }
    }

    fn bring(&mut self, which: usize, most: usize) {
        if self.fetching.is_empty() {
            return;
        }
        let (partition, offset, records) = self.fetching.remove(which % self.fetching.len());
        let all = &self.stream[&partition];
        let end = all.last().map_or(0, |last| last + 1);
        let found = all.iter().filter(|one| **one >= offset).take(most.min(records));
        let records: Vec<StoredRecord> = found.map(|offset| record(*offset)).collect();
        // A fetch without records may still skip offsets up to the end.
        let rest = all.iter().any(|one| *one >= offset);
        let behind = if rest { offset } else { end.max(offset) };
        let next = records.last().map_or(behind, |last| last.offset + 1);
        let state = self.states.state(partition).unwrap();
        state.fetched("t", Fetched { records, next, start: 0, end }, self.now);
    }

    fn end(&mut self, which: usize, ending: &Ending) {
        if self.invocations.is_empty() {
            return;
        }
        let invocation = self.invocations.remove(which % self.invocations.len());
        let mut decisions = BTreeMap::new();
        for (partition, taken) in invocation {
            let outcome = self.outcome(partition, &taken, ending);
            let at = Moment { now: self.now, random: 0.5 };
            let too_old = taken.too_old.iter().map(|record| (partition, record.offset));
            self.given_up.extend(too_old);
            let decision = taken.batch.decide(outcome, &self.rules, at);
            let given_up = decision.given_up.iter().map(|record| (partition, record.offset));
            self.given_up.extend(given_up);
            self.committed.insert(partition, decision.done_until);
            decisions.insert(partition, decision);
        }
        self.states.finished(decisions);
    }

    /// The function's effect on the records, and its response.
    fn outcome(&mut self, partition: i32, taken: &Taken, ending: &Ending) -> AttemptOutcome {
        let offsets: Vec<i64> = taken.batch.records.iter().map(|record| record.offset).collect();
        if offsets.is_empty() {
            return AttemptOutcome::Handled;
        }
        let named = match ending {
            Ending::Function => return AttemptOutcome::Failed(Failure::Function),
            Ending::NoAnswer => return AttemptOutcome::Failed(Failure::NoAnswer),
            Ending::Handled | Ending::Lost => BTreeSet::new(),
            Ending::Named(places) => {
                let at = |place: &u8| offsets[usize::from(*place) % offsets.len()];
                places.iter().map(at).collect::<BTreeSet<i64>>()
            }
        };
        let handled = offsets.iter().filter(|offset| !named.contains(offset));
        self.handled.extend(handled.map(|offset| (partition, *offset)));
        match ending {
            Ending::Lost => AttemptOutcome::Failed(Failure::NoAnswer),
            _ if named.is_empty() => AttemptOutcome::Handled,
            _ => AttemptOutcome::Named(named),
        }
    }

    /// One batch of a partition is in flight at a time. A batch begins with the first record that
    /// is not done; with `Resume` it has no gaps, so that no record overtakes another.
    fn check_sent(&self, taken: &BTreeMap<i32, Taken>) {
        for (partition, one) in taken {
            assert!(
                !self.invocations.iter().any(|out| out.contains_key(partition)),
                "partition {partition} is in flight twice"
            );
            let done = self.committed.get(partition).copied().unwrap_or(0);
            let mut sent: Vec<i64> =
                one.batch.records.iter().chain(&one.too_old).map(|record| record.offset).collect();
            sent.sort_unstable();
            let not_done = self.stream[partition].iter().copied().filter(|one| *one >= done);
            let expected: Vec<i64> = not_done.take(sent.len()).collect();
            if self.rules.reading == Reading::Resume {
                assert_eq!(sent, expected, "in order and without a gap");
            } else {
                assert_eq!(sent.first(), expected.first());
                assert!(sent.len() <= 5);
            }
        }
    }

    /// Every record below a committed offset is handled or discarded.
    fn check_commits(&self) {
        for (partition, committed) in &self.committed {
            for offset in self.stream[partition].iter().filter(|offset| *offset < committed) {
                let place = (*partition, *offset);
                assert!(
                    self.handled.contains(&place) || self.given_up.contains(&place),
                    "{place:?}"
                );
            }
        }
    }

    fn is_done(&self) -> bool {
        self.stream.iter().all(|(partition, offsets)| {
            let end = offsets.last().map_or(0, |last| last + 1);
            self.committed.get(partition).copied().unwrap_or(0) >= end
        })
    }
}

fn record(offset: i64) -> StoredRecord {
    let timestamp_type = TimestampType::CreateTime;
    let (key, value, headers) = (None, None, Vec::new());
    StoredRecord { offset, timestamp: offset, timestamp_type, key, value, headers }
}

fn some_stream() -> impl Strategy<Value = BTreeMap<i32, Vec<i64>>> {
    let gaps = proptest::collection::vec(1_i64..4, 0..25);
    proptest::collection::vec(gaps, PARTITIONS as usize).prop_map(|partitions| {
        let offsets = partitions.into_iter().map(|gaps| {
            let sum = |last: &mut i64, gap| {
                *last += gap;
                Some(*last)
            };
            gaps.into_iter().scan(-1, sum).collect()
        });
        (0..).zip(offsets).collect()
    })
}

fn some_rules() -> impl Strategy<Value = Rules> {
    (
        prop_oneof![Just(Reading::Resume), Just(Reading::Listed)],
        prop_oneof![Just(OnFunctionError::SendAgain), Just(OnFunctionError::Bisect)],
        proptest::option::of(0_u32..4),
        proptest::option::of((50_u64..2_000).prop_map(Duration::from_millis)),
    )
        .prop_map(|(reading, on_function_error, retries, oldest)| Rules {
            reading,
            on_function_error,
            retries,
            oldest,
        })
}

fn some_step() -> impl Strategy<Value = Step> {
    let ending = prop_oneof![
        3 => Just(Ending::Handled),
        3 => proptest::collection::vec(any::<u8>(), 1..4).prop_map(Ending::Named),
        2 => Just(Ending::Function),
        1 => Just(Ending::NoAnswer),
        1 => Just(Ending::Lost),
    ];
    prop_oneof![
        10 => (any::<u8>(), 0_usize..7).prop_map(|(which, most)| Step::Bring(which, most)),
        10 => (any::<u8>(), ending).prop_map(|(which, ending)| Step::End(which, ending)),
        1 => Just(Step::Kill),
    ]
}

proptest! {
    #[test]
    fn every_record_is_handled_or_discarded_in_order(
        rules in some_rules(),
        stream in some_stream(),
        steps in proptest::collection::vec(some_step(), 0..120),
    ) {
        let mut fixture = Fixture::new(rules.clone(), stream);
        fixture.start();
        for step in &steps {
            fixture.step(step);
        }
        // From here on everything succeeds, so the mapping must finish.
        for calm in 0.. {
            prop_assert!(calm < 5_000, "no end");
            if fixture.is_done() {
                break;
            }
            fixture.step(&Step::Bring(0, 5));
            fixture.step(&Step::End(0, Ending::Handled));
        }
        for (partition, offsets) in &fixture.stream {
            for offset in offsets {
                let place = (*partition, *offset);
                let given_up = fixture.given_up.contains(&place);
                prop_assert!(fixture.handled.contains(&place) || given_up, "lost: {place:?}");
                prop_assert!(!given_up || rules.retries.is_some() || rules.oldest.is_some());
            }
        }
    }
}
