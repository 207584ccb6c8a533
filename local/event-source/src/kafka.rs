//! Simulates Lambda's event source mapping for Kafka: it reads an event log, sends a function the
//! events that Lambda would send, and handles the responses as Lambda does.
//!
//! As on Lambda: one mapping reads one topic; the format of events, responses and on-failure
//! messages; one event may hold records of several partitions; records of a partition stay in
//! order, with one batch of a partition in flight at a time; offsets are committed after each
//! batch; delivery is at least once. Where AWS documents no behavior, there is an option, or the
//! module that decides says so: see `batch` and `answer`. Two differences from Lambda are
//! deliberate: after a failure each partition is retried separately, so that no partition blocks
//! another, and records are only discarded after their on-failure message is accepted.
//!
//! Not implemented: filters, schema registries, event source ARNs of self-managed clusters, pollers
//! and their scaling, starting positions other than the oldest record, and destinations other than
//! a queue.
//!
//! Memory is bounded: per partition, the batch in flight or waiting for a retry, and as much read
//! ahead; events have at most `event::PAYLOAD_BYTES` each, five at once per topic.
//!
//! Modules, from the inside out: `event`, `answer` and `report` are the wire formats; the crate's
//! `batch`, and `partition` and `partitions`, decide without I/O; `invocation` runs one invocation
//! and its consequences; `drive` is the loop of a mapping; this module runs all mappings of an event
//! log.

mod answer;
mod drive;
mod event;
mod gauges;
mod invocation;
mod partition;
mod partitions;
mod report;
mod settings;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use drover_aws::Aws;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use drive::Until;
use drive::drive;
pub use event::{EventSource, HeaderBytes};
pub use gauges::Gauge;
pub use gauges::Gauges;
use invocation::MappingContext;
pub use partitions::Batching;
pub use settings::Settings;

pub use crate::batch::{OnFunctionError, Reading, Rules};
use crate::clock::Clock;
use crate::running::Running;
pub use crate::target::{Endpoint, NoEndpoint, Target};
use drover_event_log::Log;

/// The interval between checks for new topics.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Runs the mapping of one topic until it is stopped, or is complete.
pub async fn run_one<L: Log>(
    log: L,
    topic: &str,
    settings: Settings,
    target: Target,
    destination: Option<Aws>,
    stop: watch::Receiver<bool>,
    until: Until,
) {
    let clock = Clock::start();
    let topic = topic.to_owned();
    let context = MappingContext { log, topic, settings, target, destination, clock };
    drive(&context, &Gauges::default(), stop, until).await;
}

/// The mappings of all topics of an event log, including topics created later. Dropping this value
/// stops them.
pub struct KafkaSource {
    running: Running,
    gauges: Arc<Gauges>,
}

impl KafkaSource {
    /// Starts the mappings.
    pub fn start<L: Log + Clone>(
        log: L,
        settings: Settings,
        target: Target,
        destination: Option<Aws>,
    ) -> Self {
        let gauges = Arc::new(Gauges::default());
        let of_all = Arc::clone(&gauges);
        let context = move |topic: String| MappingContext {
            log: log.clone(),
            topic,
            settings: settings.clone(),
            target: target.clone(),
            destination: destination.clone(),
            clock: Clock::start(),
        };
        let running = Running::start(|stopped| run_all(context, of_all, stopped));
        Self { running, gauges }
    }

    /// The gauges of every partition.
    pub fn gauges(&self) -> Arc<Gauges> {
        Arc::clone(&self.gauges)
    }

    /// Stops new invocations and waits up to `grace` for running ones. Unfinished batches are
    /// retried after the next start.
    pub async fn stop(self, grace: Duration) {
        self.running.stop(grace).await;
    }
}

async fn run_all<L: Log>(
    context: impl Fn(String) -> MappingContext<L>,
    gauges: Arc<Gauges>,
    mut stop: watch::Receiver<bool>,
) {
    let (mut known, mut mappings) = (BTreeSet::new(), JoinSet::new());
    let log = context(String::new()).log;
    loop {
        for topic in log.topics().await.unwrap_or_default() {
            if known.insert(topic.clone()) {
                let (context, gauges, stop) = (context(topic), Arc::clone(&gauges), stop.clone());
                mappings.spawn(async move { drive(&context, &gauges, stop, Until::Stopped).await });
            }
        }
        let stopped = stop.wait_for(|stop| *stop);
        if tokio::time::timeout(LOOK_EVERY, stopped).await.is_ok() {
            break;
        }
    }
    while mappings.join_next().await.is_some() {}
}
