//! `drover simulate`: Lambda's event source mapping for Kafka, for a function behind any Invoke
//! API, such as `cargo lambda watch`, SAM local or a host. It reads the host's event log file
//! directly, so the host need not run, or a Kafka cluster, and commits offsets for its own consumer
//! group.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;
use drover_aws::kafka::NoIdentity;
use drover_aws::{Aws, AwsConfig, LocalEndpoints};
use drover_core::base::error::Unavailable;
use drover_event_log::topic::NoTopicName;
use drover_event_log::{Embedded, Log, TopicName};
use drover_event_source::KafkaLog;
use drover_event_source::kafka::{self, Batching, Endpoint, Target, Until};
use hyper::Uri;
use tokio::sync::watch;

use super::DataArg;
use super::cluster::{ClusterArgs, bootstrap};
use super::signal::Signal;
use super::source::SourceArgs;
use crate::mapping::{self, STREAM_FILE};

/// Lambda's default for a mapping with a destination and without a limit.
const RETRIES_WITH_A_DESTINATION: u32 = 10;

/// How long a running invocation may continue after a stop signal.
const GRACE: Duration = Duration::from_secs(3);

/// Feed a function behind any Invoke API from the event log, as Lambda would; until Ctrl-C
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// Endpoint of the function: plain http, because requests are not signed
    #[arg(long, value_name = "URL")]
    endpoint: Endpoint,
    /// Name of the function
    #[arg(long, value_name = "NAME", default_value = drover_processor::FUNCTION)]
    function: String,
    /// Topic to read
    #[arg(long)]
    topic: String,
    #[command(flatten)]
    data: DataArg,
    /// Read a Kafka cluster instead of the host's event log
    #[arg(long, value_name = "HOST:PORT", value_parser = bootstrap)]
    kafka: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Consumer group of the committed offsets; the host's own group is drover-processor
    #[arg(long, default_value = "drover-simulate")]
    group: String,
    /// Queue for the on-failure messages about discarded records; it implies ten retries if
    /// --max-attempts is -1, as on Lambda
    #[arg(long, value_name = "QUEUE_URL")]
    on_failure: Option<String>,
    /// Exit when all records that existed at the start are handled
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    source: SourceArgs,
}

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The topic name is invalid.
    #[error(transparent)]
    Topic(#[from] NoTopicName),
    /// The event log file does not exist yet.
    #[error("no event log yet, create it with `drover produce`: file=`{file}`")]
    NoStream {
        /// The path of the event log file.
        file: PathBuf,
    },
    /// The credentials for the cluster are unavailable.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// Cluster flags without a cluster.
    #[error("--kafka-user, --kafka-iam and --kafka-tls require a Kafka cluster: --kafka HOST:PORT")]
    NoCluster,
    /// The event log cannot be opened or read.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// With `--once`: the topic does not exist.
    #[error("the topic does not exist: topic=`{topic}`")]
    NoTopic {
        /// The topic.
        topic: TopicName,
    },
    /// The text is not the URL of a queue.
    #[error(
        "invalid queue URL, expected for example http://127.0.0.1:9324/000000000000/NAME: \
         url=`{url}`"
    )]
    Queue {
        /// The text that was given.
        url: String,
    },
    /// Without signals, the simulation could not be stopped.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
}

/// Runs the mapping, and reports the committed offsets.
///
/// # Errors
/// [`SimulateError`]. A failing function is not an error: its records are retried.
pub async fn run(args: Args) -> Result<String, SimulateError> {
    let signal = Signal::listen().map_err(SimulateError::Signals)?;
    let topic = TopicName::parse(&args.topic)?;
    match &args.kafka {
        Some(bootstrap) => {
            let log =
                KafkaLog::connect(args.cluster.config(bootstrap, topic.as_str()).await?.cluster)
                    .await?;
            let bootstrap = bootstrap.clone();
            simulate(args, topic, log, &bootstrap, signal).await
        }
        None if args.cluster.any() => Err(SimulateError::NoCluster),
        None => {
            let file = args.data.data.join(STREAM_FILE);
            if !file.exists() {
                return Err(SimulateError::NoStream { file });
            }
            simulate(args, topic, Embedded::open(&file, None)?, mapping::BROKER, signal).await
        }
    }
}

async fn simulate<L: Log + Clone>(
    args: Args,
    topic: TopicName,
    log: L,
    brokers: &str,
    signal: Signal,
) -> Result<String, SimulateError> {
    let until = if args.once { Until::Done } else { Until::Stopped };
    if args.once && log.partitions(topic.as_str()).await?.is_empty() {
        return Err(SimulateError::NoTopic { topic });
    }
    let destination = destination(args.on_failure.as_deref()).await?;
    let mut config = args.source.config(Batching::default());
    if destination.is_some() {
        config.rules.retries.get_or_insert(RETRIES_WITH_A_DESTINATION);
    }
    let settings = mapping::settings(config, &args.group, brokers);
    let target = Target::there(args.endpoint, &args.function);
    let (stop, stopped) = watch::channel(false);
    let mapping =
        kafka::run_one(log.clone(), topic.as_str(), settings, target, destination, stopped, until);
    let told = async {
        signal.received().await;
        stop.send_replace(true);
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = mapping => {}
        () = told => {}
    }
    Ok(shown(&topic, &log.committed(&args.group, topic.as_str()).await?))
}

fn shown(topic: &TopicName, committed: &BTreeMap<i32, i64>) -> String {
    let mut text = format!("{topic}: next offset by partition\n");
    for (partition, offset) in committed {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  partition {partition}: {offset}");
    }
    text
}

/// A client for the queue: an embedded queue for http, otherwise with the credentials of the
/// environment.
async fn destination(url: Option<&str>) -> Result<Option<Aws>, SimulateError> {
    let Some(url) = url else { return Ok(None) };
    let no_queue = || SimulateError::Queue { url: url.to_owned() };
    let uri: Uri = url.parse().map_err(|_| no_queue())?;
    let authority = uri.authority().ok_or_else(no_queue)?;
    let config = AwsConfig {
        // Only this queue is used.
        ledger_table: "".into(),
        registry_table: "".into(),
        buffer_queue_url: url.into(),
        dead_letter_queue_url: url.into(),
        requests_table: None,
        letters_table: None,
        outputs_table: None,
        notifications_queue_url: None,
    };
    let origin = format!("http://{authority}");
    match uri.scheme_str() {
        Some("http") => {
            let endpoints = LocalEndpoints { dynamodb: origin.clone(), sqs: origin };
            Ok(Some(Aws::local(&endpoints, config)))
        }
        Some("https") => Ok(Some(Aws::load(config).await)),
        _ => Err(no_queue()),
    }
}
