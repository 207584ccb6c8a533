//! `drover serve`: starts the host and waits for a signal to stop.

use std::io::Write;
use std::net::SocketAddr;
use std::str::FromStr;

use clap::Args as ClapArgs;
use drover_aws::kafka::NoIdentity;
use drover_core::intake::event_log::TOPIC;
use drover_core::intake::record::TopicRetention;

use super::DataArg;
use super::cluster::{ClusterArgs, bootstrap};
use super::signal::Signal;
use super::source::SourceArgs;
use crate::banner::banner;
use crate::data_folder::FolderError;
use crate::function::Functions;
use crate::host::{Host, HostConfig, StartError};
use crate::mapping::{ClusterConfig, EventLogConfig, MappingConfig, Missing};
use crate::setup::demo_topics;

/// Start the host (also without the word)
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// The HTTP API; port 0 is any free port, here and below
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Lambda's Invoke API
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3001")]
    lambda: SocketAddr,
    /// DynamoDB
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    dynamodb: SocketAddr,
    /// SQS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9324")]
    sqs: SocketAddr,
    #[command(flatten)]
    data: DataArg,
    /// The stream between ingest and the processor: embedded (the host's own log), direct (none:
    /// ingest commits to the ledger itself), or HOST:PORT of a Kafka cluster
    #[arg(long, value_name = "STREAM", default_value = "embedded")]
    stream: EventLog,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// A topic of the cluster that the processor reads; may be repeated [default: those of the demo
    /// routes]
    #[arg(long = "topic", value_name = "NAME")]
    topics: Vec<String>,
    /// Create those topics of the cluster that do not exist
    #[arg(long)]
    create_topics: bool,
    /// How long the topics hold records, the longest of them, 1 to 87600: an older timestamp cannot
    /// be true
    #[arg(long, value_name = "HOURS", default_value = "168", value_parser = retention)]
    topic_retention_hours: TopicRetention,
    #[command(flatten)]
    source: SourceArgs,
}

/// The streams that there are.
#[derive(Clone, Debug)]
enum EventLog {
    Embedded,
    Direct,
    Kafka(String),
}

impl FromStr for EventLog {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "embedded" => Ok(Self::Embedded),
            "direct" => Ok(Self::Direct),
            other => bootstrap(other)
                .map(Self::Kafka)
                .map_err(|_| "a stream is embedded, direct or HOST:PORT of a Kafka cluster".into()),
        }
    }
}

/// Why the host did not start, or did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It did not stop cleanly.
    #[error(transparent)]
    Stop(#[from] FolderError),
    /// Whom to be in a cluster.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// Flags of a cluster that there is none of.
    #[error("--kafka-…, --topic and --create-topics are for a Kafka cluster: --stream HOST:PORT")]
    NoCluster,
    /// The demo routes, which are part of the program.
    #[error("the demo routes are broken")]
    Routes(#[from] serde_json::Error),
    /// Nothing would ever stop it.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
}

/// Starts, greets, and runs until Ctrl-C or SIGTERM.
///
/// # Errors
/// [`ServeError`].
pub async fn run(args: Args, out: &mut impl Write) -> Result<(), ServeError> {
    // Before the start, so that a signal in the middle of it stops cleanly too.
    let signal = Signal::listen().map_err(ServeError::Signals)?;
    let stream = args.stream_config().await?;
    let host = Host::start(HostConfig {
        http: args.http,
        lambda: args.lambda,
        dynamodb: args.dynamodb,
        sqs: args.sqs,
        data: args.data.data,
        functions: Functions::default(),
        event_log: stream,
        retention: args.topic_retention_hours,
        mapping: args.source.config(MappingConfig::default().batching),
    })
    .await?;
    // The host is useful without anyone who reads this.
    let _ = out.write_all(banner(&host).as_bytes()).and_then(|()| out.flush());
    signal.received().await;
    Ok(host.stop().await?)
}

fn retention(text: &str) -> Result<TopicRetention, String> {
    let hours = text.parse().map_err(|_| "not a number of hours".to_owned())?;
    TopicRetention::of_hours(hours)
}

impl Args {
    async fn stream_config(&self) -> Result<EventLogConfig, ServeError> {
        let of_cluster = self.cluster.any() || self.create_topics || !self.topics.is_empty();
        match &self.stream {
            EventLog::Embedded | EventLog::Direct if of_cluster => Err(ServeError::NoCluster),
            EventLog::Embedded => Ok(EventLogConfig::Embedded),
            EventLog::Direct => Ok(EventLogConfig::Direct),
            EventLog::Kafka(bootstrap) => Ok(EventLogConfig::Kafka(ClusterConfig {
                cluster: self.cluster.config(bootstrap, TOPIC).await?,
                topics: match self.topics.as_slice() {
                    [] => demo_topics()?,
                    named => named.to_vec(),
                },
                missing: if self.create_topics { Missing::Created } else { Missing::Refused },
            })),
        }
    }
}
