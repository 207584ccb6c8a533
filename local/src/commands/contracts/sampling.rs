//! `drover contracts sample TOPIC`: reads the newest records of a topic by its route and contract, stores
//! nothing, and counts the outcomes.
//!
//! The route, the contract and the tenants are those of a host or a stack. The records come from the host's event
//! log file or from a Kafka cluster.

mod newest;
mod report;
mod tally;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args as ClapArgs;
use drover_aws::Aws;
use drover_aws::kafka::NoIdentity;
use drover_core::base::error::Unavailable;
use drover_core::base::time::Timestamp;
use drover_core::intake::contract::Contract;
use drover_core::intake::record::{Receipt, TopicRetention};
use drover_core::intake::tenant::TopicRoute;
use drover_core::pipeline::sample::{SampleParams, sample};
use drover_core::registry::Registry;
use drover_event_log::topic::NoTopicName;
use drover_event_log::{Embedded, Log, TopicName};
use drover_event_source::KafkaLog;
use tokio::time::Instant;

use self::newest::Newest;
use self::tally::Tally;
use super::trying::{Ending, Shown, TryError, compiled, now};
use crate::commands::cluster::{ClusterArgs, bootstrap};
use crate::commands::target::{DatabaseArgs, NoTarget};
use crate::event_log::received;
use crate::mapping::STREAM_FILE;

/// How long a sample reads. Records that are left then are not read.
const LONGEST: Duration = Duration::from_secs(60);
/// The maximum of `--last`.
const MOST: u64 = 1_000_000;

/// Count what the newest records of a topic become: events, ignored records, and rejections by code
///
/// Exits with 1 if a record or one of its elements is rejected. Nothing is stored. The records are read as the
/// processor reads them: by the route of the topic, by its contract or that of --contract, and by the clock
/// rules of their tenants. Duplicates are not recognized. Payloads are never printed.
#[derive(ClapArgs, Clone, Debug)]
pub struct SampleArgs {
    /// The topic
    topic: String,
    /// The number of newest records to read, over all partitions
    #[arg(long, value_name = "RECORDS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=MOST))]
    last: u64,
    /// A contract document to read the records by, in the place of the contract that the route names; - for
    /// standard input
    #[arg(long, value_name = "FILE")]
    contract: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseArgs,
    /// Read a Kafka cluster instead of the host's event log, for example a stack's cluster
    #[arg(long, visible_alias = "stream", value_name = "HOST:PORT", value_parser = bootstrap)]
    kafka: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Why nothing was sampled.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The topic name is invalid.
    #[error(transparent)]
    Topic(#[from] NoTopicName),
    /// The contract cannot be read or is invalid.
    #[error(transparent)]
    Contract(#[from] TryError),
    /// The tables were not found.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The tables or the event log do not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The credentials for the cluster are unavailable.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// Cluster flags without a cluster, or a stack without one.
    #[error(
        "a Kafka cluster is needed for --aws, --kafka-user, --kafka-iam and --kafka-tls: --kafka HOST:PORT"
    )]
    NoCluster,
    /// The event log file does not exist yet.
    #[error("no event log yet, create it with `drover produce`: file=`{file}`")]
    NoStream {
        /// The path of the event log file.
        file: PathBuf,
    },
    /// The topic does not exist.
    #[error("the topic does not exist: topic=`{topic}`")]
    NoTopic {
        /// The topic.
        topic: TopicName,
    },
    /// No route says how the topic is read.
    #[error("the topic has no route, apply a topics.json that names the topic: topic=`{topic}`")]
    NoRoute {
        /// The topic.
        topic: TopicName,
    },
    /// The topic's records have been read by contracts already.
    #[error(
        "ingest writes this topic and no contract reads it, so --contract has no effect: topic=`{topic}`"
    )]
    Envelopes {
        /// The topic.
        topic: TopicName,
    },
    /// The result cannot be serialized.
    #[error("cannot serialize the results as JSON")]
    Json(#[from] serde_json::Error),
}

/// Samples the topic.
///
/// # Errors
/// [`SampleError`]
pub(super) async fn run(
    args: &SampleArgs,
    stdin: &mut impl std::io::Read,
) -> Result<Shown, SampleError> {
    let topic = TopicName::parse(&args.topic)?;
    let in_place = args.contract.as_deref().map(|path| compiled(path, stdin)).transpose()?;
    let reading = Reading::of(args, topic, in_place.map(Arc::new)).await?;
    let tally = match &args.kafka {
        Some(bootstrap) => {
            let config = args.cluster.config(bootstrap, reading.topic.as_str()).await?;
            reading.tally(KafkaLog::connect(config.cluster).await?, args.last).await?
        }
        None => {
            let file = args.database.host_folder().filter(|_| !args.cluster.any());
            let file = file.ok_or(SampleError::NoCluster)?.join(STREAM_FILE);
            if !file.exists() {
                return Err(SampleError::NoStream { file });
            }
            reading.tally(Embedded::open(&file, None)?, args.last).await?
        }
    };
    let rejected = tally.count(tally::Kind::Rejected) > 0;
    let report = report::Report { topic: &reading.topic, contract: &reading.contract, tally };
    let text = if args.json { report.json()? } else { report.text() };
    Ok(Shown { text, ending: if rejected { Ending::Rejected } else { Ending::Accepted } })
}

/// How the records of the topic are read.
struct Reading {
    topic: TopicName,
    /// The name of the contract; `None`: ingest writes the topic.
    contract: Option<Arc<str>>,
    in_place: Option<Arc<Contract>>,
    tables: Aws,
    registry: Registry,
    now: Timestamp,
}

impl Reading {
    async fn of(
        args: &SampleArgs,
        topic: TopicName,
        in_place: Option<Arc<Contract>>,
    ) -> Result<Self, SampleError> {
        let (tables, registry, now) = (args.database.tables().await?, Registry::new(), now());
        let Some(route) = registry.topic(topic.as_str(), now, &tables).await? else {
            return Err(SampleError::NoRoute { topic });
        };
        let contract = match (&*route, &in_place) {
            (TopicRoute::Envelope, None) => None,
            (TopicRoute::Envelope, Some(_)) => return Err(SampleError::Envelopes { topic }),
            (TopicRoute::Contract { .. }, Some(in_place)) => Some(Arc::clone(in_place.name())),
            (TopicRoute::Contract { contract, .. }, None) => Some(Arc::clone(contract)),
        };
        Ok(Self { topic, contract, in_place, tables, registry, now })
    }

    /// Reads the newest records and counts what they become.
    async fn tally(&self, log: impl Log, last: u64) -> Result<Tally, SampleError> {
        let until = Instant::now() + LONGEST;
        let topic: Arc<str> = Arc::from(self.topic.as_str());
        let Some(mut newest) = Newest::of(log, &topic, last, until).await? else {
            return Err(SampleError::NoTopic { topic: self.topic.clone() });
        };
        let receipt = Receipt { now: self.now, retention: TopicRetention::WEEK };
        let Self { tables: documents, registry, now, .. } = self;
        let (in_place, now) = (self.in_place.as_ref(), *now);
        let params = SampleParams { documents, registry, in_place, now };
        let mut tally = Tally::default();
        while let Some((partition, records)) = newest.next().await? {
            for record in records {
                let offset = record.offset;
                let record = received(&topic, partition, record, receipt);
                tally.add(partition, offset, sample(&params, record).await?);
            }
        }
        tally.complete = newest.is_complete();
        Ok(tally)
    }
}
