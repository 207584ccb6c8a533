//! `drover serve`: starts the host and runs until a signal.

use std::io::Write;
use std::net::SocketAddr;
use std::str::FromStr;

use clap::Args as ClapArgs;
use drover_aws::kafka::NoIdentity;
use drover_core::intake::event_log::TOPIC;
use drover_core::intake::record::TopicRetention;
use drover_ingest::WebhookOrigins;

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
use crate::stream_mapping::StreamMapping;

/// Start the host (the default command)
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// Address of the HTTP API; port 0 selects a free port, also for the other addresses
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Address of Lambda's Invoke API
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3001")]
    lambda: SocketAddr,
    /// Address of DynamoDB
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    dynamodb: SocketAddr,
    /// Address of SQS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9324")]
    sqs: SocketAddr,
    #[command(flatten)]
    data: DataArg,
    /// The event log between ingest and the processor: embedded (the host's own log), direct (none:
    /// ingest commits to the ledger itself), or HOST:PORT of a Kafka cluster
    #[arg(long, value_name = "STREAM", default_value = "embedded")]
    stream: EventLog,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// A topic of the cluster that the processor reads; may be repeated [default: the topics of the
    /// demo routes]
    #[arg(long = "topic", value_name = "NAME")]
    topics: Vec<String>,
    /// Create missing topics in the cluster
    #[arg(long)]
    create_topics: bool,
    /// The longest retention of the topics in hours, 1 to 87600: older record timestamps are
    /// implausible and ignored
    #[arg(long, value_name = "HOURS", default_value = "168", value_parser = retention)]
    topic_retention_hours: TopicRetention,
    /// A sender whose webhooks may subscribe, as a DNS name such as eventgrid.azure.net; may be
    /// repeated [default: none]
    #[arg(long = "webhook-origin", value_name = "NAME")]
    webhook_origins: Vec<String>,
    #[command(flatten)]
    source: SourceArgs,
}

/// The kinds of event logs.
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
                .map_err(|_| "expected embedded, direct or HOST:PORT of a Kafka cluster".into()),
        }
    }
}

/// Why the host did not start, or did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The host did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The host did not stop cleanly.
    #[error(transparent)]
    Stop(#[from] FolderError),
    /// The credentials for the cluster are unavailable.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// Cluster flags without a cluster.
    #[error("--kafka-…, --topic and --create-topics require a Kafka cluster: --stream HOST:PORT")]
    NoCluster,
    /// The webhook origins are invalid.
    #[error("--webhook-origin {0}")]
    WebhookOrigins(String),
    /// The built-in demo routes are invalid.
    #[error("invalid demo routes")]
    Routes(#[from] serde_json::Error),
    /// Without signals, the host could not be stopped.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
}

/// Starts the host, prints the banner, and runs until Ctrl-C or SIGTERM.
///
/// # Errors
/// [`ServeError`].
pub async fn run(args: Args, out: &mut impl Write) -> Result<(), ServeError> {
    // Before the start, so that a signal during the start also stops the host cleanly.
    let signal = Signal::listen().map_err(ServeError::Signals)?;
    let stream = args.stream_config().await?;
    let webhook_origins = args.webhook_origins.iter().map(String::as_str);
    let webhook_origins =
        WebhookOrigins::listed(webhook_origins).map_err(ServeError::WebhookOrigins)?;
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
        webhook_origins,
        streams: vec![StreamMapping::relay()],
    })
    .await?;
    // A failed write of the banner must not stop the host.
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
