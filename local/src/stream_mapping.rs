//! The event source mappings of the ledger's change stream: each invokes one function by its name.
//! By default the relay has one. The first start with a mapping switches the stream on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use drover_aws::Aws;
use drover_aws::tables::enable_stream;
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

/// A mapping of the ledger's change stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamMapping {
    /// The name of the function.
    pub function: String,
    /// The settings, except for the filters. Checkpoints are kept under the name of the mapping.
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

/// The running mappings.
#[derive(Default)]
pub(crate) struct StreamSources(Vec<(String, StreamSource)>);

impl StreamSources {
    /// Starts every mapping, on the background threads.
    ///
    /// # Errors
    /// A function does not exist, or the stream or the file of checkpoints cannot be opened.
    pub(crate) async fn start(
        mappings: Vec<StreamMapping>,
        (ports, addresses): (&Aws, &Addresses),
        functions: &Functions,
        file: &Path,
        background: &Background,
    ) -> Result<Self, SetupError> {
        if mappings.is_empty() {
            return Ok(Self::default());
        }
        let checkpoints = Checkpoints::open(file)?;
        let (tables, streams) = (ports.dynamodb(), ports.streams());
        let ledger = table_names().ledger;
        enable_stream(tables, &ledger).await?;
        let stream = TableStream::open(tables, streams.clone(), &ledger).await?;
        let start =
            |StreamMapping { function, mut settings, filters, on_failure }: StreamMapping| {
                settings.filters = Filters::parse(filters)?;
                if functions.find(&function).is_none() {
                    return Err(format!("unknown function: function=`{function}`").into());
                }
                let name = settings.name.clone();
                let target = Target::here(functions.clone(), &function);
                let queue = on_failure.map(|name| {
                    let url = queue_url(addresses.sqs, &name);
                    Queue { client: ports.sqs().clone(), url }
                });
                let (stream, checkpoints) = (stream.clone(), checkpoints.clone());
                let start = || StreamSource::start(stream, settings, target, queue, checkpoints);
                Ok((name, background.on_its_threads(start)))
            };
        mappings.into_iter().map(start).collect::<Result<_, SetupError>>().map(Self)
    }

    /// The gauges of each mapping, by name.
    pub(crate) fn gauges(&self) -> Vec<(String, Arc<Gauges>)> {
        self.0.iter().map(|(name, source)| (name.clone(), source.gauges())).collect()
    }

    /// Stops all mappings at once, and waits up to `grace`.
    pub(crate) async fn stop(self, grace: Duration) {
        let sources = self.0.into_iter().map(|(_, source)| source.stop(grace));
        futures_util::future::join_all(sources).await;
    }
}
