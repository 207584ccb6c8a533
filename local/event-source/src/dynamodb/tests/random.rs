//! Random streams, functions and kills: each key's records are sent in order and at least once, and
//! no record is lost, except those that are given up, which on-failure messages name.
//!
//! `DROVER_TEST_SEED` repeats the case of that seed, which a failure reports.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::sync::watch;

use super::script::{self, Function, Messages, ScriptedStream};
use crate::batch::OnFunctionError;
use crate::clock::Clock;
use crate::dynamodb::drive::drive;
use crate::dynamodb::invocation::MappingContext;
use crate::dynamodb::*;
use crate::invoke::FunctionError;

const CASES: u64 = 150;
const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// One key of one family of shards: the order of its records.
type Order = BTreeMap<&'static str, Vec<u64>>;

#[test]
#[expect(clippy::disallowed_methods, reason = "the environment selects a case")]
fn no_key_is_out_of_order_and_no_record_is_lost() {
    let given = std::env::var("DROVER_TEST_SEED").ok();
    let given = given.map(|seed| seed.parse().expect("a number"));
    let first = given.unwrap_or_else(|| fastrand::u64(..));
    let cases = if given.is_some() { 1 } else { CASES };
    for seed in (0..cases).map(|case| first.wrapping_add(case)) {
        let run = std::panic::AssertUnwindSafe(|| Case::new(seed).run());
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("DROVER_TEST_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// What the function saw, and what it did.
#[derive(Default)]
struct Seen {
    handled: BTreeSet<u64>,
    /// The keys of running invocations.
    busy: BTreeSet<&'static str>,
}

struct Case {
    random: fastrand::Rng,
    stream: ScriptedStream,
    order: Order,
    keys: BTreeMap<u64, &'static str>,
    seen: Arc<Mutex<Seen>>,
    messages: Messages,
    checkpoints: Checkpoints,
    settings: Settings,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let settings = settings(&mut random);
        Self {
            stream: ScriptedStream::with_faults(random.u64(..)),
            random,
            order: Order::new(),
            keys: BTreeMap::new(),
            seen: Arc::default(),
            messages: Messages::default(),
            checkpoints: script::checkpoints(),
            settings,
        }
    }

    fn run(mut self) {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(async {
            self.stream.put("0", &[]);
            let mut open = vec!["0".to_owned()];
            for _ in 0..self.random.usize(1..8) {
                self.write(&mut open);
                let life = Duration::from_millis(self.random.u64(1..5_000));
                // The number of lanes may change with a restart.
                self.settings.parallelization = self.random.usize(1..4);
                self.live(life, Mood::Random).await;
            }
            // From here on everything succeeds, so the mapping must finish.
            for _ in 0..60 {
                // A record may be in the range of a message of another lane and still wait.
                if self.not_done().is_empty() && self.done_count() >= self.keys.len() {
                    break;
                }
                self.live(Duration::from_secs(20), Mood::Good).await;
            }
        });
        self.check();
    }

    /// Writes records, each key always into the same open shard, and perhaps splits a shard.
    fn write(&mut self, open: &mut Vec<String>) {
        for _ in 0..self.random.usize(0..25) {
            let key = self.random.choice(KEYS).unwrap();
            // A child of the shard that the key was in holds its later records.
            let shard = shard_of(open, key);
            self.stream.put_at(&shard, &[key], self.random.i64(-90..0));
            let number = *self.stream.numbers()[&shard].last().unwrap();
            self.order.entry(key).or_default().push(number);
            self.keys.insert(number, key);
        }
        if self.random.u8(..) < 60 {
            let split = open.remove(self.random.usize(..open.len()));
            let children = [format!("{split}0"), format!("{split}1")];
            self.stream.split(&split, &[&children[0], &children[1]]);
            open.extend(children);
        }
    }

    /// Runs the mapping for so long, and then kills it at whatever it does.
    async fn live(&mut self, life: Duration, mood: Mood) {
        let (_stop, stopped) = watch::channel(false);
        let context = MappingContext {
            stream: self.stream.clone(),
            settings: self.settings.clone(),
            target: Target::here(self.function(mood), script::FUNCTION),
            destination: self.messages.clone(),
            checkpoints: self.checkpoints.clone(),
            gauges: Arc::default(),
            clock: Clock::start(),
        };
        self.messages.refuse(mood == Mood::Random && self.random.u8(..) < 50);
        let _ = tokio::time::timeout(life, drive(&context, stopped)).await;
        self.seen.lock().unwrap().busy.clear();
    }

    fn function(&mut self, mood: Mood) -> Function {
        let random = Mutex::new(self.random.fork());
        let (seen, messages) = (Arc::clone(&self.seen), self.messages.clone());
        let (order, keys) = (self.order.clone(), self.keys.clone());
        Function::new(move |sent| {
            let busy: BTreeSet<&'static str> = sent.iter().map(|one| keys[one]).collect();
            begin(&mut seen.lock().unwrap(), &messages, &order, &sent, &busy, &keys);
            let (millis, answer) = answer(&mut random.lock().unwrap(), &sent, mood);
            let seen = Arc::clone(&seen);
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                let mut seen = seen.lock().unwrap();
                seen.busy.retain(|key| !busy.contains(key));
                let (handled, response) = answer;
                seen.handled.extend(handled);
                response
            })
        })
    }

    /// The records that are neither handled nor named in a message.
    fn not_done(&self) -> Vec<(String, u64)> {
        let (seen, given_up) = (self.seen.lock().unwrap(), self.messages.ranges());
        let all = self.stream.numbers().into_iter();
        let all = all
            .flat_map(|(shard, numbers)| numbers.into_iter().map(move |one| (shard.clone(), one)));
        let is_done = |(shard, number): &(String, u64)| {
            seen.handled.contains(number) || is_named(&given_up, shard, *number)
        };
        all.filter(|one| !is_done(one)).collect()
    }

    fn check(&self) {
        assert_eq!(self.not_done(), [], "lost");
        let Retries { attempts, age, .. } = &self.settings.rules;
        let messages = self.messages.all();
        assert!(attempts.is_some() || age.is_some() || messages.is_empty());
        let done = self.done_count();
        assert!(done >= self.keys.len(), "{done} of {}", self.keys.len());
    }

    /// The number of records that are handled or counted in a message, at most. The range of a message may
    /// contain records of other lanes, but it counts only its own records.
    fn done_count(&self) -> usize {
        let messages = self.messages.all();
        let sizes = messages.iter().map(|message| &message["DDBStreamBatchInfo"]["batchSize"]);
        let given_up: u64 = sizes.map(|size| size.as_u64().unwrap()).sum();
        self.seen.lock().unwrap().handled.len() + usize::try_from(given_up).unwrap()
    }
}

/// The only open shard whose id has the bits of the key as its path.
fn shard_of(open: &[String], key: &str) -> String {
    let bits = KEYS.iter().position(|one| *one == key).unwrap();
    let path: String =
        (0..20).map(|bit| if bits >> (bit % 3) & 1 == 1 { '1' } else { '0' }).collect();
    let path = format!("0{path}");
    open.iter().find(|shard| path.starts_with(shard.as_str())).unwrap().clone()
}

fn is_named(given_up: &[(String, u64, u64)], shard: &str, number: u64) -> bool {
    given_up.iter().any(|(of, first, last)| of == shard && (*first..=*last).contains(&number))
}

/// The function may fail, or not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Random,
    Good,
}

fn settings(random: &mut fastrand::Rng) -> Settings {
    let mut settings = Settings::new("m");
    settings.batching.records = random.usize(1..12);
    settings.batching.window = Duration::from_millis(random.u64(0..300));
    settings.poll_every = Duration::from_millis(random.u64(50..300));
    settings.rules.attempts = random.bool().then(|| random.u32(0..4));
    settings.rules.age = (random.u8(..) < 80).then(|| Duration::from_secs(random.u64(60..100)));
    if random.bool() {
        settings.rules.on_function_error = OnFunctionError::Bisect;
    }
    settings
}

/// No key is in two invocations, and every earlier record of each key is handled, given up, or
/// earlier in this event.
fn begin(
    seen: &mut Seen,
    messages: &Messages,
    order: &Order,
    sent: &[u64],
    busy: &BTreeSet<&'static str>,
    keys: &BTreeMap<u64, &'static str>,
) {
    assert!(!sent.is_empty(), "an empty event");
    assert!(seen.busy.is_disjoint(busy), "a key is in two invocations");
    seen.busy.extend(busy);
    let given_up = messages.ranges();
    for (place, number) in sent.iter().enumerate() {
        for earlier in order[keys[number]].iter().take_while(|earlier| *earlier < number) {
            let is_named =
                given_up.iter().any(|(_, first, last)| (*first..=*last).contains(earlier));
            let is_done = seen.handled.contains(earlier) || sent[..place].contains(earlier);
            assert!(is_done || is_named, "{number} overtakes {earlier}");
        }
    }
}

type Answer = (Vec<u64>, Result<Value, FunctionError>);

/// How long the function takes, which records it handles, and its response.
fn answer(random: &mut fastrand::Rng, sent: &[u64], mood: Mood) -> (u64, Answer) {
    let millis = random.u64(0..400);
    let all = || sent.to_vec();
    let error = FunctionError { error_type: "Odd".to_owned(), error_message: "no".to_owned() };
    let choice = if mood == Mood::Good { 0 } else { random.u8(0..8) };
    let answer = match choice {
        0..3 => (all(), Ok(Value::Null)),
        3 | 4 => {
            let first = random.usize(..sent.len());
            let mut failed: Vec<u64> =
                sent[first..].iter().copied().filter(|_| random.bool()).collect();
            failed.push(sent[first]);
            random.shuffle(&mut failed);
            let failures =
                failed.iter().map(|one| json!({ "itemIdentifier": script::digits(*one) }));
            let failures: Vec<Value> = failures.collect();
            (sent[..first].to_vec(), Ok(json!({ "batchItemFailures": failures })))
        }
        // Handled, but the response is lost.
        5 => (all(), Err(error)),
        6 => (Vec::new(), Err(error)),
        _ => (Vec::new(), Ok(json!({ "batchItemFailures": [{ "itemIdentifier": "" }] }))),
    };
    (millis, answer)
}
