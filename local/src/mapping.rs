//! The event source of the host: the event log that the processor is invoked from, and the settings
//! of the mapping.
//!
//! On Lambda, a mapping with an on-failure destination retries ten times by default. The host
//! retries without limit, so that an hour without a table loses nothing. Records that an explicit
//! limit discards, and records that fit no event, are reported to the dead-letter queue.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use drover_aws::Aws;
use drover_aws::kafka::{
    KafkaCluster, KafkaConfig, KafkaEventLog, KafkaFeeds, KafkaReread, TopicToCreate,
};
use drover_core::base::error::Unavailable;
use drover_core::base::metrics::Meter;
use drover_core::base::time::Timestamp;
use drover_core::intake::event_log::{NotSent, Outgoing, TOPIC};
use drover_core::intake::record::TopicRetention;
use drover_core::intake::tenant::{Feed, Feeds};
use drover_core::pipeline::direct::Direct;
use drover_core::ports::EventLog;
use drover_core::registry::OwnFeedTopic;
use drover_event_log::embedded::{Keep, PARTITIONS};
use drover_event_log::{Embedded, Log as _};
use drover_event_source::KafkaLog;
use drover_event_source::kafka::{
    Batching, EventSource, HeaderBytes, KafkaSource, Rules, Settings, Target,
};
use drover_event_source::kafka::{Gauge, Gauges};

use crate::event_log::{EmbeddedEventLog, HostFeeds, HostReread, LogReread};
use crate::function::Functions;
use crate::prometheus::PartitionLevel;
use crate::setup::pipeline;

/// The consumer group of the host's committed offsets.
pub const GROUP: &str = "drover-processor";
/// The file of the event log in a data folder.
pub(crate) const STREAM_FILE: &str = "stream.db";
/// The bootstrap server in events of the embedded log.
pub(crate) const BROKER: &str = "localhost:9092";

const KEPT_BYTES: u64 = 1 << 30;
/// Lambda's default is 100 records within 500 ms; here a sent event must be readable at once.
const BATCHING: Batching = Batching { records: 500, window: Duration::from_millis(20) };

/// The event log between ingest and the processor.
#[derive(Clone, Debug, Default)]
pub enum EventLogConfig {
    /// The host's own log.
    #[default]
    Embedded,
    /// No event log: ingest commits to the ledger itself.
    Direct,
    /// A real Kafka cluster.
    Kafka(ClusterConfig),
}

/// The host's part of a cluster.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// The cluster, and the topic that ingest writes to.
    pub cluster: KafkaConfig,
    /// The topics that the processor reads. No others, because the cluster may be shared.
    pub topics: Vec<String>,
    /// The handling of missing topics.
    pub missing: Missing,
}

/// The handling of missing topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The host does not start.
    Refused,
    /// The topics are created.
    Created,
}

/// The settings of the processor's mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingConfig {
    /// The size of a batch, and how long to wait for it.
    pub batching: Batching,
    /// When a batch is retried, and when it is discarded.
    pub rules: Rules,
    /// The encoding of header bytes.
    pub header_bytes: HeaderBytes,
}

impl Default for MappingConfig {
    fn default() -> Self {
        let (rules, header_bytes) = (Rules::default(), HeaderBytes::default());
        Self { batching: BATCHING, rules, header_bytes }
    }
}

/// The event log of a host.
#[derive(Clone)]
pub(crate) enum HostEventLog {
    /// The host's own log.
    Embedded(Embedded),
    /// No event log.
    Direct,
    /// A real Kafka cluster.
    Kafka(Cluster),
}

/// A connected cluster.
#[derive(Clone)]
pub(crate) struct Cluster {
    bootstrap: String,
    log: KafkaLog,
    event_log: Arc<KafkaEventLog>,
    feeds: Arc<KafkaFeeds>,
    reread: KafkaReread,
    cluster: KafkaCluster,
    missing: Missing,
}

impl Cluster {
    async fn connect(config: &ClusterConfig) -> Result<Self, Unavailable> {
        let ClusterConfig { cluster, topics, missing } = config;
        if *missing == Missing::Created {
            let kept = topics.iter().chain([&cluster.topic]).cloned();
            let kept = kept.map(|name| TopicToCreate { name, is_compacted: false });
            let mut wanted: Vec<TopicToCreate> = kept.chain(shared_feeds()).collect();
            wanted.sort_unstable();
            wanted.dedup();
            cluster.cluster.create_topics(&wanted).await?;
        }
        let log = KafkaLog::of_topics(cluster.cluster.clone(), topics.clone()).await?;
        let event_log = Arc::new(KafkaEventLog::connect(cluster.clone()).await?);
        let reread = KafkaReread::new(cluster.cluster.clone());
        let feeds = Arc::new(KafkaFeeds::new(cluster.cluster.clone()));
        let bootstrap = cluster.cluster.bootstrap.clone();
        let (cluster, missing) = (cluster.cluster.clone(), *missing);
        Ok(Self { bootstrap, log, event_log, feeds, reread, cluster, missing })
    }
}

/// The topics of the feeds of tenants without a prefix of their own.
fn shared_feeds() -> impl Iterator<Item = TopicToCreate> {
    let feeds = Feeds::default();
    let topic = move |feed: Feed| TopicToCreate {
        name: feeds.topic(feed),
        is_compacted: feed.is_compacted(),
    };
    Feed::ALL.into_iter().map(topic)
}

impl HostEventLog {
    /// Opens the log in the data folder, or connects to the cluster.
    pub(crate) async fn open(
        config: &EventLogConfig,
        retention: TopicRetention,
        folder: &Path,
    ) -> Result<Self, Unavailable> {
        let age = retention.duration();
        let keep = Keep { group: Some(GROUP.to_owned()), age, bytes: KEPT_BYTES };
        match config {
            EventLogConfig::Embedded => {
                Embedded::open(&folder.join(STREAM_FILE), Some(keep)).map(Self::Embedded)
            }
            EventLogConfig::Direct => Ok(Self::Direct),
            EventLogConfig::Kafka(config) => Cluster::connect(config).await.map(Self::Kafka),
        }
    }

    /// Where feeds are sent: to the cluster, or to a file in the data folder.
    pub(crate) fn feeds(
        &self,
        retention: TopicRetention,
        folder: &Path,
    ) -> Result<HostFeeds, Unavailable> {
        match self {
            Self::Kafka(cluster) => Ok(HostFeeds::Kafka(Arc::clone(&cluster.feeds))),
            Self::Embedded(_) | Self::Direct => HostFeeds::open(folder, retention.duration()),
        }
    }

    /// Creates the topics of tenants' feeds in the cluster, if the host may create topics there. The host's own
    /// log creates a topic with its first record.
    ///
    /// # Errors
    /// [`Unavailable`]. Some topics may have been created.
    pub(crate) async fn create_feed_topics(
        &self,
        topics: &[OwnFeedTopic],
    ) -> Result<(), Unavailable> {
        match self {
            Self::Kafka(Cluster { cluster, missing: Missing::Created, .. }) => {
                let topics = topics.iter().cloned();
                let topics = topics.map(|OwnFeedTopic { name, is_compacted }| TopicToCreate {
                    name,
                    is_compacted,
                });
                cluster.create_topics(&topics.collect::<Vec<_>>()).await
            }
            Self::Kafka(_) | Self::Embedded(_) | Self::Direct => Ok(()),
        }
    }

    /// Starts the processor's mapping, if there is an event log to read.
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

    /// The event log that ingest sends to.
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

    /// The event log for reading again by offsets.
    pub(crate) fn reread(&self) -> HostReread {
        match self {
            Self::Embedded(log) => HostReread::Embedded(LogReread::new(log.clone())),
            Self::Kafka(cluster) => HostReread::Kafka(cluster.reread.clone()),
            Self::Direct => HostReread::Direct,
        }
    }

    /// The processor's lag in every partition that it reads. For the embedded log the ends are
    /// those of the log itself, so that every acknowledged record counts; a topic that has no
    /// reader yet lags completely.
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
            // The ends of a cluster need a request; the gauges have the last ends seen.
            Self::Direct | Self::Kafka(_) => {}
        }
        gauges.into_iter().map(level).collect()
    }

    /// Checks that the event log answers; `None`: there is no event log.
    pub(crate) async fn probe(&self) -> Option<Result<(), Unavailable>> {
        match self {
            Self::Embedded(log) => Some(log.committed(GROUP, TOPIC).await.map(drop)),
            Self::Kafka(cluster) => Some(cluster.event_log.check().await),
            Self::Direct => None,
        }
    }

    /// A description for a person.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Embedded(_) => format!("embedded, {PARTITIONS} partitions per topic"),
            Self::Direct => "none, ingest commits to the ledger itself".to_owned(),
            Self::Kafka(cluster) => format!("Kafka at {}", cluster.bootstrap),
        }
    }
}

/// The event log of a host, as ingest uses it.
pub(crate) enum Sending {
    /// The host's own log.
    Embedded(EmbeddedEventLog),
    /// No event log: events go directly to the ledger.
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

/// The settings of a mapping. The ARN in its events is a placeholder, because the cluster is not on
/// AWS.
pub(crate) fn settings(config: MappingConfig, group: &str, brokers: &str) -> Settings {
    let MappingConfig { batching, rules, header_bytes } = config;
    let source = EventSource {
        arn: "arn:aws:kafka:us-east-1:000000000000:cluster/drover-local/0".to_owned(),
        bootstrap_servers: brokers.to_owned(),
        header_bytes,
    };
    Settings { group: group.to_owned(), batching, rules, source }
}
