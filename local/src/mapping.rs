//! The host's own event source: which stream the processor is fed from, and how its mapping is set.
//!
//! Unlike on Lambda, where a mapping with an on-failure destination tries ten times unless it is told
//! otherwise, the host's tries without end: nothing is lost on a laptop because a table was gone for
//! an hour. What it is told to give up, and what fits no event, is reported to the dead-letter queue.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use drover_aws::Aws;
use drover_aws::kafka::{KafkaConfig, KafkaEventLog, KafkaReread};
use drover_core::base::error::Unavailable;
use drover_core::base::metrics::Meter;
use drover_core::base::time::Timestamp;
use drover_core::intake::event_log::{NotSent, Outgoing, TOPIC};
use drover_core::intake::record::TopicRetention;
use drover_core::pipeline::direct::Direct;
use drover_core::ports::EventLog;
use drover_event_log::embedded::{Keep, PARTITIONS};
use drover_event_log::{Embedded, Log as _};
use drover_event_source::KafkaLog;
use drover_event_source::kafka::{
    Batching, EventSource, HeaderBytes, KafkaSource, Rules, Settings, Target,
};
use drover_event_source::kafka::{Gauge, Gauges};

use crate::event_log::{EmbeddedEventLog, HostReread, LogReread};
use crate::function::Functions;
use crate::prometheus::PartitionLevel;
use crate::setup::pipeline;

/// Whose committed offsets the host goes on from.
pub const GROUP: &str = "drover-processor";
/// The stream's file in a data folder.
pub(crate) const STREAM_FILE: &str = "stream.db";
/// What events say of the embedded stream's brokers.
pub(crate) const BROKER: &str = "localhost:9092";

const KEPT_BYTES: u64 = 1 << 30;
/// Lambda's default is 100 records within 500 ms; here an event is to be readable at once.
const BATCHING: Batching = Batching { records: 500, window: Duration::from_millis(20) };

/// The stream between ingest and the processor.
#[derive(Clone, Debug, Default)]
pub enum EventLogConfig {
    /// The host's own log.
    #[default]
    Embedded,
    /// None: ingest commits to the ledger itself.
    Direct,
    /// A real Kafka cluster.
    Kafka(ClusterConfig),
}

/// The part of a cluster that is the host's.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// The cluster, and the topic that ingest writes to.
    pub cluster: KafkaConfig,
    /// The topics that the processor reads: no others, because the cluster is not the host's alone.
    pub topics: Vec<String>,
    /// What becomes of those that do not exist.
    pub missing: Missing,
}

/// What becomes of topics that do not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The host does not start.
    Refused,
    /// They are created.
    Created,
}

/// How the processor is fed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingConfig {
    /// How much is sent at once, and when.
    pub batching: Batching,
    /// When it is sent again, and when no more.
    pub rules: Rules,
    /// How header bytes are written.
    pub header_bytes: HeaderBytes,
}

impl Default for MappingConfig {
    fn default() -> Self {
        let (rules, header_bytes) = (Rules::default(), HeaderBytes::default());
        Self { batching: BATCHING, rules, header_bytes }
    }
}

/// The stream of a host.
#[derive(Clone)]
pub(crate) enum HostEventLog {
    /// The host's own log.
    Embedded(Embedded),
    /// None.
    Direct,
    /// A real Kafka cluster.
    Kafka(Cluster),
}

/// A cluster, connected.
#[derive(Clone)]
pub(crate) struct Cluster {
    bootstrap: String,
    log: KafkaLog,
    event_log: Arc<KafkaEventLog>,
    reread: KafkaReread,
}

impl Cluster {
    async fn connect(config: &ClusterConfig) -> Result<Self, Unavailable> {
        let ClusterConfig { cluster, topics, missing } = config;
        if *missing == Missing::Created {
            let mut wanted: Vec<&str> = topics.iter().map(String::as_str).collect();
            wanted.push(&cluster.topic);
            wanted.sort_unstable();
            wanted.dedup();
            cluster.create_topics(&wanted).await?;
        }
        let log = KafkaLog::of_topics(cluster.clone(), topics.clone()).await?;
        let event_log = Arc::new(KafkaEventLog::connect(cluster.clone()).await?);
        let reread = KafkaReread::new(cluster.clone());
        Ok(Self { bootstrap: cluster.bootstrap.clone(), log, event_log, reread })
    }
}

impl HostEventLog {
    /// Opens it in a data folder, or connects to it.
    pub(crate) async fn open(
        config: &EventLogConfig,
        retention: TopicRetention,
        folder: &Path,
    ) -> Result<Self, Unavailable> {
        let age = retention.duration();
        let keep = Keep { group: GROUP.to_owned(), age, bytes: KEPT_BYTES };
        match config {
            EventLogConfig::Embedded => {
                Embedded::open(&folder.join(STREAM_FILE), Some(keep)).map(Self::Embedded)
            }
            EventLogConfig::Direct => Ok(Self::Direct),
            EventLogConfig::Kafka(config) => Cluster::connect(config).await.map(Self::Kafka),
        }
    }

    /// Starts to feed the processor from it, where there is something to read.
    pub(crate) fn feed(
        &self,
        config: MappingConfig,
        functions: Functions,
        destination: Aws,
    ) -> Option<KafkaSource> {
        let target = Target::here(functions, drover_processor::FUNCTION);
        match self {
            Self::Embedded(log) => {
                let settings = settings(config, GROUP, BROKER);
                Some(KafkaSource::start(log.clone(), settings, target, Some(destination)))
            }
            Self::Direct => None,
            Self::Kafka(Cluster { bootstrap, log, .. }) => {
                let settings = settings(config, GROUP, bootstrap);
                Some(KafkaSource::start(log.clone(), settings, target, Some(destination)))
            }
        }
    }

    /// What ingest sends to.
    pub(crate) fn sending(&self, ports: Aws, meter: Arc<dyn Meter>) -> Sending {
        match self {
            Self::Embedded(log) => Sending::Embedded(EmbeddedEventLog::new(log.clone())),
            Self::Direct => Sending::Direct(Box::new(Direct {
                ports,
                pipeline: pipeline(),
                meter,
                function: drover_ingest::FUNCTION,
            })),
            Self::Kafka(cluster) => Sending::Kafka(Arc::clone(&cluster.event_log)),
        }
    }

    /// What it has, by offsets.
    pub(crate) fn reread(&self) -> HostReread {
        match self {
            Self::Embedded(log) => HostReread::Embedded(LogReread::new(log.clone())),
            Self::Kafka(cluster) => HostReread::Kafka(cluster.reread.clone()),
            Self::Direct => HostReread::Direct,
        }
    }

    /// How far the processor is behind, in every partition that it reads. The ends are the stream's
    /// own, so that no record is left out that somebody was told is durable; a topic that nobody
    /// has begun to read is all behind.
    pub(crate) fn levels(&self, gauges: Option<&Gauges>) -> Vec<PartitionLevel> {
        let mut gauges = gauges.map(Gauges::read).unwrap_or_default();
        match self {
            Self::Embedded(log) => {
                for (topic, partition, end) in log.ends() {
                    let is_it = |one: &Gauge| one.topic == topic && one.partition == partition;
                    match gauges.iter().position(is_it).and_then(|at| gauges.get_mut(at)) {
                        Some(gauge) => gauge.end = gauge.end.max(end),
                        None => gauges.push(Gauge { topic, partition, done: 0, end, oldest: None }),
                    }
                }
            }
            // A cluster has no ends without being asked; what is read has been seen.
            Self::Direct | Self::Kafka(_) => {}
        }
        gauges.into_iter().map(level).collect()
    }

    /// Asks it for a sign of life; `None`: there is no stream.
    pub(crate) async fn probe(&self) -> Option<Result<(), Unavailable>> {
        match self {
            Self::Embedded(log) => Some(log.committed(GROUP, TOPIC).await.map(drop)),
            Self::Kafka(cluster) => Some(cluster.event_log.check().await),
            Self::Direct => None,
        }
    }

    /// What it is, for a person.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Embedded(_) => format!("embedded, {PARTITIONS} partitions per topic"),
            Self::Direct => "none, ingest commits to the ledger itself".to_owned(),
            Self::Kafka(cluster) => format!("Kafka at {}", cluster.bootstrap),
        }
    }
}

/// The stream of a host, as ingest sends to it.
pub(crate) enum Sending {
    /// The host's own log.
    Embedded(EmbeddedEventLog),
    /// None: the ledger itself.
    Direct(Box<Direct<Aws>>),
    /// A real Kafka cluster.
    Kafka(Arc<KafkaEventLog>),
}

impl EventLog for Sending {
    async fn send(&self, events: &[Outgoing], deadline: Timestamp) -> Vec<Result<(), NotSent>> {
        match self {
            Self::Embedded(log) => log.send(events, deadline).await,
            Self::Direct(direct) => direct.send(events, deadline).await,
            Self::Kafka(event_log) => event_log.send(events, deadline).await,
        }
    }
}

fn level(gauge: Gauge) -> PartitionLevel {
    let (lag, oldest) = (gauge.lag(), gauge.oldest.and_then(Timestamp::from_millis));
    PartitionLevel { topic: gauge.topic, partition: gauge.partition, lag, oldest }
}

/// The settings of a mapping, whose events name a cluster of AWS that is none.
pub(crate) fn settings(config: MappingConfig, group: &str, brokers: &str) -> Settings {
    let MappingConfig { batching, rules, header_bytes } = config;
    let source = EventSource {
        arn: "arn:aws:kafka:us-east-1:000000000000:cluster/drover-local/0".to_owned(),
        bootstrap_servers: brokers.to_owned(),
        header_bytes,
    };
    Settings { group: group.to_owned(), batching, rules, source }
}
