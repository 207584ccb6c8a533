//! The event source mappings of the ledgers' change streams: each invokes one function by its name, with the
//! changes of the shared table and of each tenant's own table that is added. By default the relay has one. The
//! first start with a mapping switches the stream of the shared table on.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drover_aws::Aws;
use drover_aws::tables::enable_stream;
use drover_core::base::error::Unavailable;
use drover_event_source::dynamodb::{
    Checkpoints, Filters, Gauges, Queue, Settings, StreamSource, TableStream, Target,
};

use crate::background::Background;
use crate::data_folder::Addresses;
use crate::function::Functions;
use crate::ports::{queue_url, table_names};
use crate::setup::SetupError;

/// The file of checkpoints in a data folder.
pub(crate) const CHECKPOINT_FILE: &str = "checkpoints.db";

/// A mapping of the ledgers' change streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamMapping {
    /// The name of the function.
    pub function: String,
    /// The settings, except for the filters. Checkpoints are kept under the name of the mapping, those of a tenant's own table under
    /// `NAME/TABLE`.
    pub settings: Settings,
    /// The patterns of the filter criteria; none: every record is sent.
    pub filters: &'static [&'static str],
    /// The name of the host's queue for on-failure messages; `None`: no messages.
    pub on_failure: Option<String>,
}

/// Heads and no pages: by the sort key of a head, and by an attribute that only heads have. On AWS one of the
/// two is enough, and the second is the form that Lambda's documentation shows.
const HEADS: [&str; 2] = [
    r#"{"dynamodb":{"Keys":{"sk":{"B":["SA=="]}}}}"#,
    r#"{"dynamodb":{"NewImage":{"a":{"S":[{"exists":true}]}}}}"#,
];
/// Lambda reads four times a second; here a feed should follow at once.
const POLL_EVERY: Duration = Duration::from_millis(100);
const LANES: usize = 4;

impl StreamMapping {
    /// The mapping of the relay.
    pub fn relay() -> Self {
        let mut settings = Settings::new(drover_relay::FUNCTION);
        settings.batching.records = 500;
        settings.parallelization = LANES;
        settings.poll_every = POLL_EVERY;
        let function = drover_relay::FUNCTION.to_owned();
        Self { function, settings, filters: &HEADS, on_failure: None }
    }
}

/// The running mappings. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct StreamSources {
    running: Arc<Mutex<Vec<Source>>>,
    /// `None`: there is no mapping.
    parts: Option<Arc<Parts>>,
}

/// A running mapping of one table.
struct Source {
    name: String,
    table: Arc<str>,
    source: StreamSource,
}

/// What a mapping is started with.
struct Parts {
    mappings: Vec<StreamMapping>,
    ports: Aws,
    queues: std::net::SocketAddr,
    functions: Functions,
    checkpoints: Checkpoints,
}

impl StreamSources {
    /// Starts every mapping on the shared table, on the background threads.
    ///
    /// # Errors
    /// A function does not exist, or the stream or the file of checkpoints cannot be opened.
    pub(crate) async fn start(
        mut mappings: Vec<StreamMapping>,
        (ports, addresses): (&Aws, &Addresses),
        functions: &Functions,
        file: &Path,
        background: &Background,
    ) -> Result<Self, SetupError> {
        if mappings.is_empty() {
            return Ok(Self::default());
        }
        for StreamMapping { function, settings, filters, .. } in &mut mappings {
            settings.filters = Filters::parse(filters)?;
            if functions.find(function).is_none() {
                return Err(format!("unknown function: function=`{function}`").into());
            }
        }
        let parts = Parts {
            mappings,
            ports: ports.clone(),
            queues: addresses.sqs,
            functions: functions.clone(),
            checkpoints: Checkpoints::open(file)?,
        };
        let sources = Self { running: Arc::default(), parts: Some(Arc::new(parts)) };
        let ledger = table_names().ledger;
        enable_stream(ports.dynamodb(), &ledger).await?;
        let stream = TableStream::open(ports.dynamodb(), ports.streams().clone(), &ledger).await?;
        background.on_its_threads(|| sources.run(&ledger, &stream, str::to_owned));
        Ok(sources)
    }

    /// Adds a tenant's own table: switches its stream on, and starts every mapping on it. Nothing happens if
    /// the table was added before. The mappings run on the threads of the caller.
    ///
    /// # Errors
    /// The table does not exist, or DynamoDB does not answer.
    pub(crate) async fn add(&self, table: &str) -> Result<(), Unavailable> {
        let Some(parts) = &self.parts else { return Ok(()) };
        if self.lock().iter().any(|source| &*source.table == table) {
            return Ok(());
        }
        let (tables, streams) = (parts.ports.dynamodb(), parts.ports.streams().clone());
        enable_stream(tables, table).await?;
        let stream = TableStream::open(tables, streams, table).await?;
        self.run(table, &stream, |mapping| format!("{mapping}/{table}"));
        Ok(())
    }

    fn run(&self, table: &str, stream: &TableStream, name: impl Fn(&str) -> String) {
        let Some(parts) = &self.parts else { return };
        for StreamMapping { function, settings, on_failure, .. } in parts.mappings.clone() {
            let name = name(&settings.name);
            let settings = Settings { name: name.clone(), ..settings };
            let target = Target::here(parts.functions.clone(), &function);
            let queue = on_failure.map(|name| {
                let url = queue_url(parts.queues, &name);
                Queue { client: parts.ports.sqs().clone(), url }
            });
            let checkpoints = parts.checkpoints.clone();
            let source = StreamSource::start(stream.clone(), settings, target, queue, checkpoints);
            self.lock().push(Source { name, table: Arc::from(table), source });
        }
    }

    /// The gauges of each mapping, by name.
    pub(crate) fn gauges(&self) -> Vec<(String, Arc<Gauges>)> {
        let running = self.lock();
        running.iter().map(|one| (one.name.clone(), one.source.gauges())).collect()
    }

    /// Stops all mappings at once, and waits up to `grace`.
    pub(crate) async fn stop(&self, grace: Duration) {
        let running = std::mem::take(&mut *self.lock());
        let stopping = running.into_iter().map(|one| one.source.stop(grace));
        futures_util::future::join_all(stopping).await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Source>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
