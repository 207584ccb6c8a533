//! The core's ports on AWS: DynamoDB for the ledger and the registry, SQS for dead letters and the
//! buffer, and the machine's clock. SDK types stay inside this crate.
//!
//! No module reads the environment for `DROVER_…`: names and addresses come in as [`AwsConfig`].
//! The SDK reads its own variables (region, credentials, `AWS_ENDPOINT_URL_…`) in [`Aws::load`], and
//! none in local mode ([`Aws::local`]).
//!
//! - [`calls`]: timeouts, retries and error classification
//! - `dynamodb`: the ledger, letters, timers, and the registry, which [`Aws::apply`] writes
//! - `sqs`: dead letters and the buffer
//! - `s3`: objects (feature `s3`)
//! - [`Aws::streams`]: the change streams of tables (feature `streams`)
//! - `feeds`: feeds without Kafka: what their targets share, SNS and EventBridge (feature `feeds`)
//! - `batch`: batches of entries
//! - `clock`: time and random numbers
//! - [`settings`]: the environment variables for tables and queues
//! - [`tables`]: the tables, for the local host and tests
//! - `kafka`: the event log (feature `kafka`)

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::retry::RetryPartition;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    Credentials, SharedCredentialsProvider, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use self::dynamodb::{HeadRead, Put, PutOutcome, RequestBatcher};

mod batch;
pub mod calls;
mod cause;
mod clock;
mod dynamodb;
mod feeds;
#[cfg(feature = "kafka")]
pub mod kafka;
mod s3;
mod said;
pub mod settings;
mod sqs;
pub mod tables;

pub use self::dynamodb::{Applied, REGISTRY_WRITES};
#[cfg(feature = "feeds")]
pub use self::feeds::{EventBridgeFeeds, SnsFeeds};
pub use self::sqs::{QueueLevels, SqsFeeds};

/// Names and addresses of a deployment's tables and queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsConfig {
    /// The ledger table shared by all tenants that have no table of their own.
    pub ledger_table: Arc<str>,
    /// The table of tenants, contracts and routes.
    pub registry_table: Arc<str>,
    /// The queue for rejected records.
    pub dead_letter_queue_url: Arc<str>,
    /// The queue where records wait while a dependency is unavailable.
    pub buffer_queue_url: Arc<str>,
    /// The table of requests with an idempotency key. Only ingest uses it.
    pub requests_table: Option<Arc<str>>,
    /// The table of stored letters and replay runs, for functions that use it.
    pub letters_table: Option<Arc<str>>,
    /// The table of timers and alerts, for functions that use it.
    pub outputs_table: Option<Arc<str>>,
    /// The queue of notifications, for functions that use it.
    pub notifications_queue_url: Option<Arc<str>>,
}

/// Addresses of the embedded services, as `http://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalEndpoints {
    /// The embedded DynamoDB.
    pub dynamodb: String,
    /// The embedded SQS.
    pub sqs: String,
}

/// All ports of the core, on AWS.
#[derive(Clone, Debug)]
pub struct Aws {
    dynamodb: aws_sdk_dynamodb::Client,
    /// For head and page writes: [`client_that_tries_once`].
    once: aws_sdk_dynamodb::Client,
    reads: RequestBatcher<String, HeadRead>,
    puts: RequestBatcher<Put, PutOutcome>,
    sqs: aws_sdk_sqs::Client,
    #[cfg(feature = "s3")]
    s3: aws_sdk_s3::Client,
    #[cfg(feature = "streams")]
    streams: aws_sdk_dynamodbstreams::Client,
    config: AwsConfig,
}

impl Aws {
    /// Clients for a deployment, with the ambient region and credentials. Create one value per
    /// environment: it keeps its connections.
    pub async fn load(config: AwsConfig) -> Self {
        Self::new(&sdk_config().await, config)
    }

    /// Clients with the given settings, including their retries and timeouts.
    pub fn new(sdk: &SdkConfig, config: AwsConfig) -> Self {
        let dynamodb = aws_sdk_dynamodb::Client::new(sdk);
        Self {
            once: client_that_tries_once(&dynamodb),
            reads: RequestBatcher::default(),
            puts: RequestBatcher::default(),
            dynamodb,
            sqs: aws_sdk_sqs::Client::new(sdk),
            #[cfg(feature = "s3")]
            s3: aws_sdk_s3::Client::new(sdk),
            #[cfg(feature = "streams")]
            streams: aws_sdk_dynamodbstreams::Client::new(sdk),
            config,
        }
    }

    /// Clients for embedded services, with longer timeouts than on AWS.
    pub fn local(endpoints: &LocalEndpoints, config: AwsConfig) -> Self {
        Self::at(endpoints, calls::patient_timeouts(), config)
    }

    /// Clients for embedded services with the timeouts of a deployment, for tests of unresponsive
    /// services.
    pub fn impatient(endpoints: &LocalEndpoints, config: AwsConfig) -> Self {
        Self::at(endpoints, calls::timeouts(), config)
    }

    fn at(endpoints: &LocalEndpoints, timeouts: TimeoutConfig, config: AwsConfig) -> Self {
        let sdk = local_sdk_config(timeouts);
        // A partition per client: otherwise all clients of the process share one retry quota.
        let retries = RetryPartition::custom("local").build();
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(&sdk)
            .endpoint_url(&endpoints.dynamodb)
            .retry_partition(retries.clone())
            .build();
        let sqs = aws_sdk_sqs::config::Builder::from(&sdk)
            .endpoint_url(&endpoints.sqs)
            .retry_partition(retries)
            .build();
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(dynamodb);
        Self {
            once: client_that_tries_once(&dynamodb),
            reads: RequestBatcher::default(),
            puts: RequestBatcher::default(),
            dynamodb,
            sqs: aws_sdk_sqs::Client::from_conf(sqs),
            #[cfg(feature = "s3")]
            s3: aws_sdk_s3::Client::new(&sdk),
            #[cfg(feature = "streams")]
            streams: aws_sdk_dynamodbstreams::Client::from_conf(
                aws_sdk_dynamodbstreams::config::Builder::from(&sdk)
                    .endpoint_url(&endpoints.dynamodb)
                    .build(),
            ),
            config,
        }
    }

    /// Reads objects from an S3-compatible service at this address.
    #[cfg(feature = "s3")]
    #[must_use]
    pub fn with_objects_at(self, endpoint: &str) -> Self {
        let config = self.s3.config().to_builder().endpoint_url(endpoint).force_path_style(true);
        Self { s3: aws_sdk_s3::Client::from_conf(config.build()), ..self }
    }

    /// The DynamoDB client, for [`tables::create_tables`].
    pub fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        &self.dynamodb
    }

    /// The client for the change streams of tables.
    #[cfg(feature = "streams")]
    pub fn streams(&self) -> &aws_sdk_dynamodbstreams::Client {
        &self.streams
    }

    /// The SQS client, for queues that the configuration does not name.
    pub fn sqs(&self) -> &aws_sdk_sqs::Client {
        &self.sqs
    }
}

/// A client without retries and without stalled-stream protection: its attempts end at their
/// timeout. It is a client of its own because the SDK rebuilds settings that are overridden per
/// call on every call. It shares connections and credentials with the given client.
fn client_that_tries_once(client: &aws_sdk_dynamodb::Client) -> aws_sdk_dynamodb::Client {
    let config = client.config().to_builder().retry_config(calls::no_retries());
    let config = config.stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// The SDK's settings from its default chain, with our HTTP client, retries and timeouts.
pub async fn sdk_config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        .retry_config(calls::retries())
        .timeout_config(calls::timeouts())
        .load()
        .await
}

/// A fixed region and fixed credentials: otherwise the default chain would query the instance
/// metadata service, and wait for it on a machine that has none.
fn local_sdk_config(timeouts: TimeoutConfig) -> SdkConfig {
    let credentials = Credentials::new("local", "local", None, None, "local");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client())
        .retry_config(calls::retries())
        .timeout_config(timeouts)
        .build()
}

/// Set explicitly because the SDK's default would pull in a second crypto library.
fn http_client() -> SharedHttpClient {
    let provider = Provider::Rustls(CryptoMode::Ring);
    aws_smithy_http_client::Builder::new().tls_provider(provider).build_https()
}
