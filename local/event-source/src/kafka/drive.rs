//! The loop of one mapping: it starts fetches and passes their records to the partition states,
//! starts invocations and passes their decisions to the partition states. It decides nothing.
//!
//! Partitions are fetched and sent concurrently, with at most [`INVOCATIONS`] invocations at once.
//! Everything runs in the task of the loop: dropping the task drops everything.

use std::collections::BTreeMap;
use std::time::Duration;

use drover_core::base::error::Unavailable;
use drover_event_log::{Bounds, Fetched, Log, Position, StoredRecord};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::gauges::Gauges;
use super::invocation::{MappingContext, play};
use super::partition::Loss;
use super::partitions::PartitionStates;
use crate::batch::Decision;

/// Concurrent invocations of one mapping, as for one of Lambda's pollers.
const INVOCATIONS: usize = 5;
/// The interval between checks for new partitions, and for ends of partitions without a running
/// fetch.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LOOK_ONLY: Bounds = Bounds { records: 1, bytes: 1, wait: Duration::ZERO };
/// The delay before the next attempt after the log failed to answer.
const PAUSE: Duration = Duration::from_millis(500);

/// When a mapping ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// When it is stopped.
    Stopped,
    /// When it is stopped, or when all records that existed at the start are done.
    Done,
}

type Fetching<'a> = BoxFuture<'a, (i32, Result<Fetched, Unavailable>)>;
type Playing<'a> = BoxFuture<'a, BTreeMap<i32, Decision<StoredRecord>>>;

/// The state of a running mapping.
struct Drive<'a, L> {
    context: &'a MappingContext<L>,
    gauges: &'a Gauges,
    states: PartitionStates,
    fetching: FuturesUnordered<Fetching<'a>>,
    playing: FuturesUnordered<Playing<'a>>,
    /// With [`Until::Done`]: the offset that each partition has to reach.
    goal: Option<BTreeMap<i32, i64>>,
}

/// Runs a mapping. After `stop` it starts nothing new, and returns with the last running
/// invocation.
pub(super) async fn drive<L: Log>(
    context: &MappingContext<L>,
    gauges: &Gauges,
    mut stop: watch::Receiver<bool>,
    until: Until,
) {
    let MappingContext { topic, settings, .. } = context;
    let states = PartitionStates::new(topic, settings.batching.clone(), &settings.source);
    let (fetching, playing) = (FuturesUnordered::new(), FuturesUnordered::new());
    let mut drive = Drive { context, gauges, states, fetching, playing, goal: None };
    tokio::select! {
        () = drive.begin(until) => {}
        _ = stop.wait_for(|stop| *stop) => return,
    }
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => {}
        () = drive.run() => {}
    }
    while let Some(decisions) = drive.playing.next().await {
        drive.states.finished(decisions);
    }
}

impl<'a, L: Log> Drive<'a, L> {
    async fn begin(&mut self, until: Until) {
        self.add_partitions().await;
        if until == Until::Done {
            self.goal = Some(self.ends().await);
        }
    }

    async fn run(&mut self) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_done() {
            self.start_what_is_due();
            self.gauges.set(&self.context.topic, self.states.all());
            let wake = self.wake();
            tokio::select! {
                Some((partition, fetched)) = self.fetching.next(), if !self.fetching.is_empty() => {
                    self.fetched(partition, fetched);
                }
                Some(decisions) = self.playing.next(), if !self.playing.is_empty() => {
                    self.states.finished(decisions);
                }
                () = tokio::time::sleep_until(wake) => {}
                _ = look.tick() => self.look().await,
            }
        }
    }

    fn start_what_is_due(&mut self) {
        let now = self.context.clock.now();
        for (partition, offset, bounds) in self.states.fetches(now) {
            self.fetching.push(Box::pin(fetch(self.context, partition, offset, bounds)));
        }
        while self.playing.len() < INVOCATIONS {
            let Some(invocation) = self.states.next(&self.context.settings.rules, now) else {
                return;
            };
            self.playing.push(Box::pin(play(self.context, invocation)));
        }
    }

    /// With all invocations running, nothing can be started; the next finished invocation wakes the
    /// loop.
    fn wake(&self) -> Instant {
        const LONG: Duration = Duration::from_secs(60);
        let now = self.context.clock.now();
        let due = self.states.wake_at().filter(|_| self.playing.len() < INVOCATIONS);
        let wait = due.map(|due| u64::try_from(due.saturating_sub(now)).unwrap_or(0));
        Instant::now() + wait.map_or(LONG, Duration::from_millis)
    }

    fn fetched(&mut self, partition: i32, fetched: Result<Fetched, Unavailable>) {
        let now = self.context.clock.now();
        let Some(state) = self.states.state(partition) else { return };
        let topic = &self.context.topic;
        match fetched {
            Ok(fetched) => {
                if let Loss::Gone(from, until) = state.fetched(topic, fetched, now) {
                    tracing::error!(%topic, partition, from, until, "records deleted before they were processed");
                }
            }
            Err(error) => {
                tracing::warn!(%topic, partition, %error, "cannot read the event log");
                state.fetch_failed(now);
            }
        }
    }

    /// Checks for new partitions, and for the ends of partitions without a running fetch.
    async fn look(&mut self) {
        let known: Vec<i32> = self.states.all().map(|(partition, _)| partition).collect();
        let partitions = self.context.log.partitions(&self.context.topic).await;
        if partitions.is_ok_and(|partitions| partitions.iter().any(|one| !known.contains(one))) {
            self.add_partitions().await;
        }
        let unseen = self.states.all().filter(|(_, state)| !state.is_fetching());
        let unseen: Vec<(i32, i64)> =
            unseen.map(|(partition, state)| (partition, state.done_until())).collect();
        for (partition, offset) in unseen {
            let (_, seen) = fetch(self.context, partition, offset, LOOK_ONLY).await;
            if let (Ok(seen), Some(state)) = (seen, self.states.state(partition)) {
                state.saw_end(seen.end);
            }
        }
    }

    async fn add_partitions(&mut self) {
        let MappingContext { log, topic, settings, .. } = self.context;
        loop {
            let partitions = log.partitions(topic).await;
            let committed = log.committed(&settings.group, topic).await;
            match (partitions, committed) {
                (Ok(partitions), Ok(committed)) => return self.states.add(&partitions, &committed),
                (Err(error), _) | (_, Err(error)) => {
                    tracing::warn!(%topic, %error, "cannot read the event log");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn ends(&mut self) -> BTreeMap<i32, i64> {
        let places = self.states.all().map(|(partition, state)| (partition, state.done_until()));
        let mut ends = BTreeMap::new();
        for (partition, offset) in places.collect::<Vec<_>>() {
            let end = loop {
                match fetch(self.context, partition, offset, LOOK_ONLY).await.1 {
                    Ok(fetched) => break fetched.end,
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            };
            ends.insert(partition, end);
        }
        ends
    }

    fn is_done(&self) -> bool {
        let Some(goal) = &self.goal else { return false };
        let done = |(partition, state): (i32, &super::partition::PartitionState)| {
            goal.get(&partition).is_none_or(|end| state.done_until() >= *end)
        };
        self.states.all().all(done)
    }
}

async fn fetch<L: Log>(
    context: &MappingContext<L>,
    partition: i32,
    offset: i64,
    bounds: Bounds,
) -> (i32, Result<Fetched, Unavailable>) {
    let from = Position { topic: &context.topic, partition, offset };
    (partition, context.log.fetch(from, bounds).await)
}
