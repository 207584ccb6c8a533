//! The host: starts all services in the order of their dependencies, and stops them in reverse
//! order.
//!
//! All durable data is in SQLite files in the data folder, so the process may be killed at any
//! moment. A clean stop only lets running requests finish.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use drover_aws::Aws;
use drover_core::intake::record::TopicRetention;
use drover_core::ports::Clock as _;
use drover_event_source::kafka::{Gauge, Gauges, KafkaSource};
use drover_event_source::sqs::SqsSource;
use drover_ingest::WebhookOrigins;
use drover_local_sqs::Sqs;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::background::Background;
use crate::data_folder::{Addresses, DataFolder, FolderError};
use crate::dynamodb::Dynamodb;
use crate::function::Functions;
use crate::http::{self, Limits};
use crate::lambda;
use crate::listen::{ListenError, Listener, listen};
use crate::mapping::{EventLogConfig, HostEventLog, MappingConfig};
use crate::ports::ports;
use crate::prometheus::{self, HostMeter, Levels};
use crate::setup::{self, LocalTenant, RecordSources};
use crate::stream_mapping::{CHECKPOINT_FILE, StreamMapping, StreamSources};
use crate::tenant_feeds::TenantFeeds;

/// How long running invocations and requests may continue after a stop.
const INVOCATION_GRACE: Duration = Duration::from_secs(3);
/// How long requests to the queues may continue.
const SQS_GRACE: Duration = Duration::from_secs(1);

/// The configuration of a host.
#[derive(Clone)]
pub struct HostConfig {
    /// Address of the HTTP API.
    pub http: SocketAddr,
    /// Address of Lambda's Invoke API.
    pub lambda: SocketAddr,
    /// Address of DynamoDB.
    pub dynamodb: SocketAddr,
    /// Address of SQS.
    pub sqs: SocketAddr,
    /// The data folder; created if it does not exist.
    pub data: PathBuf,
    /// Additional functions; a function with the same name replaces the host's own.
    pub functions: Functions,
    /// The event log between ingest and the processor.
    pub event_log: EventLogConfig,
    /// The retention of its topics: the host's own log deletes older records, and older record
    /// timestamps of a cluster are implausible and ignored.
    pub retention: TopicRetention,
    /// The settings of the processor's event source mapping.
    pub mapping: MappingConfig,
    /// The senders whose webhooks may subscribe.
    pub webhook_origins: WebhookOrigins,
    /// The mappings of the ledgers' change streams.
    pub streams: Vec<StreamMapping>,
}

impl HostConfig {
    /// A host on free ports of 127.0.0.1, with the host's own functions.
    pub fn on_free_ports(data: impl Into<PathBuf>) -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            http: free,
            lambda: free,
            dynamodb: free,
            sqs: free,
            data: data.into(),
            functions: Functions::default(),
            event_log: EventLogConfig::default(),
            retention: TopicRetention::WEEK,
            mapping: MappingConfig::default(),
            webhook_origins: WebhookOrigins::default(),
            streams: vec![StreamMapping::relay()],
        }
    }
}

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// An address cannot be used.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// An embedded service or its setup failed.
    #[error("cannot start a part of the host: part=`{part}`")]
    Part {
        /// The name of the part.
        part: &'static str,
        /// The error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The names of a host's parts.
#[derive(Clone, Debug)]
pub struct Parts {
    /// DynamoDB tables.
    pub tables: Vec<String>,
    /// SQS queues.
    pub queues: Vec<String>,
    /// Lambda functions.
    pub functions: Vec<String>,
    /// The demo tenants.
    pub tenants: Vec<LocalTenant>,
    /// The description of the event log.
    pub event_log: String,
}

/// A running host. Dropping it stops its parts without waiting.
pub struct Host {
    folder: DataFolder,
    addresses: Addresses,
    parts: Parts,
    sources: Sources,
    http: Server,
    lambda: Server,
    sqs: Server,
    dynamodb: Dynamodb,
}

impl Host {
    /// Starts everything. When this returns, all services answer and `host.json` contains their
    /// addresses.
    ///
    /// # Errors
    /// [`StartError`]; nothing keeps running then.
    pub async fn start(config: HostConfig) -> Result<Self, StartError> {
        let folder = DataFolder::take(&config.data).await?;
        let Listeners { http, lambda, dynamodb, sqs } = Listeners::open(&config).await?;
        let addresses = Addresses {
            http: http.address,
            lambda: lambda.address,
            dynamodb: dynamodb.address,
            sqs: sqs.address,
        };
        let file = folder.path().join("dynamodb.db");
        let dynamodb = Dynamodb::start(&file, dynamodb.listener);
        let dynamodb = dynamodb.map_err(failed("dynamodb"))?;
        let (queue_file, queues) = open_sqs(&folder).await?;
        let queues_served = queue_file.clone();
        let sqs =
            Server::start("sqs", |stop| drover_local_sqs::serve(sqs.listener, queues_served, stop));
        let ports = ports(&addresses);
        setup::tables(&ports).await.map_err(failed("tables"))?;
        let tenants = setup::demo_tenants(&ports).await.map_err(failed("tenants"))?;
        let event_log =
            HostEventLog::open(&config.event_log, config.retention, folder.path()).await;
        let event_log = event_log.map_err(failed("stream"))?;
        let meter = HostMeter::new(&setup::METERED, setup::metric_lines(), ports.now());
        let meter = Arc::new(meter.map_err(failed("metrics"))?);
        let retention = config.retention;
        let feeds = event_log.feeds(retention, folder.path()).map_err(failed("feeds"))?;
        let (event_log_used, queues_used) = (&event_log, &queue_file);
        let records =
            RecordSources { event_log: event_log_used, retention, queues: queues_used, feeds };
        let functions = setup::functions(&addresses, records, config.webhook_origins, &meter)
            .and(config.functions);
        let parts = Parts {
            tables: dynamodb.tables().map_err(failed("tables"))?,
            queues,
            functions: functions.names().map(str::to_owned).collect(),
            tenants,
            event_log: event_log.shown(),
        };
        let background = Background::start().map_err(failed("threads"))?;
        let kafka = background
            .on_its_threads(|| event_log.feed(config.mapping, functions.clone(), ports.clone()));
        let queue_sources =
            background.on_its_threads(|| setup::queue_sources(&queue_file, &functions));
        let queue_sources = queue_sources.map_err(failed("queues"))?;
        let clients = (&ports, &addresses);
        let file = folder.path().join(CHECKPOINT_FILE);
        let streams =
            StreamSources::start(config.streams, clients, &functions, &file, &background).await;
        let streams = streams.map_err(failed("streams"))?;
        let tenant_feeds = TenantFeeds::new(ports.clone(), event_log.clone(), streams.clone());
        let tenant_feeds = background.on_its_threads(|| tokio::spawn(tenant_feeds.watch()));
        // Ends with the background threads.
        drop(background.on_its_threads(|| setup::sweep(&functions)));
        let gauges = kafka.as_ref().map(KafkaSource::gauges);
        let requests = meter.requests();
        let metrics = prometheus::routes(meter, levels(queue_file, event_log, gauges, ports));
        let app = requests.counted(http::app(functions.routes().merge(metrics)));
        let http =
            Server::start("http", |stop| http::serve(http.listener, app, Limits::HOST, stop));
        let lambda =
            Server::start("lambda", |stop| lambda::serve(lambda.listener, functions, stop));
        folder.announce(&addresses)?;
        let sources = Sources { kafka, queue_sources, streams, tenant_feeds, background };
        Ok(Self { folder, addresses, parts, sources, http, lambda, sqs, dynamodb })
    }

    /// The addresses of its services.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The names of its parts.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The absolute path of its data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The gauges of every partition that the mapping reads, as last seen.
    pub fn gauges(&self) -> Vec<Gauge> {
        self.sources.kafka.as_ref().map(|kafka| kafka.gauges().read()).unwrap_or_default()
    }

    /// The gauges and counts of each mapping of the ledgers' change streams, by its name.
    pub fn stream_gauges(&self) -> Vec<(String, Arc<drover_event_source::dynamodb::Gauges>)> {
        self.sources.streams.gauges()
    }

    /// Stops everything within seconds, whatever clients do: first HTTP requests, event sources and
    /// invocations, then queues and tables.
    ///
    /// # Errors
    /// `host.json` could not be removed; everything is stopped anyway.
    pub async fn stop(self) -> Result<(), FolderError> {
        let withdrawn = self.folder.withdraw();
        self.http.stop(INVOCATION_GRACE).await;
        self.sources.stop(INVOCATION_GRACE).await;
        self.lambda.stop(INVOCATION_GRACE).await;
        tokio::join!(self.sqs.stop(SQS_GRACE), self.dynamodb.stop());
        withdrawn
    }
}

/// The event sources, and their threads.
struct Sources {
    kafka: Option<KafkaSource>,
    queue_sources: Vec<SqsSource>,
    streams: StreamSources,
    tenant_feeds: JoinHandle<()>,
    background: Background,
}

impl Sources {
    /// Stops all event sources at once, and waits up to `grace`.
    async fn stop(self, grace: Duration) {
        // Otherwise it could start a mapping that nobody stops.
        self.tenant_feeds.abort();
        let of_queues = self.queue_sources.into_iter().map(|source| source.stop(grace));
        let of_event_log = async {
            if let Some(kafka) = self.kafka {
                kafka.stop(grace).await;
            }
        };
        let of_queues = futures_util::future::join_all(of_queues);
        tokio::join!(of_event_log, of_queues, self.streams.stop(grace));
        drop(self.background);
    }
}

/// Every listener, opened before any service starts.
struct Listeners {
    http: Listener,
    lambda: Listener,
    dynamodb: Listener,
    sqs: Listener,
}

impl Listeners {
    async fn open(config: &HostConfig) -> Result<Self, ListenError> {
        Ok(Self {
            http: listen("--http", config.http).await?,
            lambda: listen("--lambda", config.lambda).await?,
            dynamodb: listen("--dynamodb", config.dynamodb).await?,
            sqs: listen("--sqs", config.sqs).await?,
        })
    }
}

/// The queue file with all queues, and their names.
async fn open_sqs(folder: &DataFolder) -> Result<(Sqs, Vec<String>), StartError> {
    let sqs = Sqs::open(&folder.path().join("sqs.db")).map_err(failed("sqs"))?;
    let queues = setup::queues(&sqs).await.map_err(failed("queues"))?;
    Ok((sqs, queues))
}

/// The levels that a scrape reads.
fn levels(sqs: Sqs, event_log: HostEventLog, gauges: Option<Arc<Gauges>>, ports: Aws) -> Levels {
    let partitions = Box::new(move || {
        let levels = event_log.levels(gauges.as_deref());
        Box::pin(async { Ok(levels) }) as _
    });
    Levels { sqs, partitions, now: Box::new(move || ports.now()) }
}

fn failed<E>(part: &'static str) -> impl FnOnce(E) -> StartError
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    move |error| StartError::Part { part, source: error.into() }
}

/// A server as a task. Dropping it stops the server.
struct Server {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    fn start<S>(
        part: &'static str,
        serve: impl FnOnce(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>) -> S,
    ) -> Self
    where
        S: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let server = serve(Box::pin(async {
            // A message and a dropped sender both mean: stop.
            let _ = stopped.await;
        }));
        let task = tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(part, error = &error as &dyn std::error::Error, "server failed");
            }
        });
        Self { stop, task }
    }

    /// Stops the server, and waits up to `grace` for its clients.
    async fn stop(mut self, grace: Duration) {
        drop(self.stop);
        if tokio::time::timeout(grace, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}
