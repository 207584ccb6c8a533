//! Lambda's event source for Kafka, simulated: it reads a stream, sends a function the events that
//! Lambda would send, and does with the answers what Lambda would do.
//!
//! What is Lambda's: one mapping reads one topic; the form of events, answers and reports; records of
//! several partitions in one event; records of a partition in order, and one batch of a partition out
//! at a time; offsets committed after each batch; at least once. What AWS does not say is an option
//! or is said where it is decided: see `batch` and `answer`. Two things are better than Lambda's on
//! purpose: after a failure every partition comes again for itself, so that none holds up another,
//! and nothing is given up before the report of it has been taken.
//!
//! Left out: filters, schema registries, event source ARNs of self-managed clusters, pollers and
//! their scaling, starting positions other than the oldest record, and destinations other than a
//! queue.
//!
//! What it holds is bounded: per partition the batch that is out or comes again, and as much read
//! ahead; events are at most `event::PAYLOAD_BYTES` each, five at once per topic.
//!
//! The rooms, from the inside out: `event`, `answer` and `report` are what travels; `batch`,
//! `state` and `states` decide, without I/O; `invocation` is one invocation with what follows from it;
//! `drive` is a mapping's loop; here are all mappings of a stream.

mod answer;
mod batch;
mod clock;
mod drive;
mod event;
mod gauges;
mod invocation;
mod partition;
mod partitions;
mod report;
mod settings;
mod target;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use drover_aws::Aws;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use batch::{OnFunctionError, Reading, Rules};
use clock::Clock;
pub use drive::Until;
use drive::drive;
pub use event::{EventSource, HeaderBytes};
pub use gauges::Gauge;
pub use gauges::Gauges;
use invocation::MappingContext;
pub use partitions::Batching;
pub use settings::Settings;
pub use target::{Endpoint, NoEndpoint, Target};

use drover_event_log::Log;

/// How often there is a look for new topics.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Runs the mapping of one topic until it is told to stop, or has done.
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

/// The mappings of all topics of a stream, those too that come later. They stop with this value.
pub struct KafkaSource {
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
    gauges: Arc<Gauges>,
}

impl KafkaSource {
    /// Starts them.
    pub fn start<L: Log + Clone>(
        log: L,
        settings: Settings,
        target: Target,
        destination: Option<Aws>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
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
        let running = tokio::spawn(run_all(context, of_all, stopped));
        Self { stop, running, gauges }
    }

    /// What can be read of every partition.
    pub fn gauges(&self) -> Arc<Gauges> {
        Arc::clone(&self.gauges)
    }

    /// Starts nothing new, and waits no longer than this for what is under way. What is not done by
    /// then comes again at the next start.
    pub async fn stop(self, grace: Duration) {
        self.stop.send_replace(true);
        let mut running = self.running;
        if tokio::time::timeout(grace, &mut running).await.is_err() {
            running.abort();
        }
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
