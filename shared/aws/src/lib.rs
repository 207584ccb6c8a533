//! The ports on AWS: DynamoDB for the ledger and the registry, SQS for dead letters and the
//! buffer, the machine's clock. SDK types go no further than this crate.
//!
//! Nothing here reads an environment variable of ours: names and addresses come in as
//! [`AwsConfig`]. The SDK reads its own (region, credentials, `AWS_ENDPOINT_URL_…`) in
//! [`Aws::load`], and in local mode ([`Aws::local`]) not even that.
//!
//! - [`calls`]: how long a call may take, how often it is tried, what its failure means
//! - `dynamodb`: the ledger, the registry, which [`Aws::apply`] writes, and letters
//! - `sqs`: dead letters and the buffer
//! - `s3`: objects, under the feature of that name
//! - `clock`: time and chance
//! - [`tables`]: the tables, for the local host and tests
//! - `kafka`: the stream, under the feature of that name

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::retry::RetryPartition;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    Credentials, SharedCredentialsProvider, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use self::dynamodb::{HeadRead, Put, PutOutcome, RequestBatcher};

pub mod calls;
mod cause;
mod clock;
mod dynamodb;
#[cfg(feature = "kafka")]
pub mod kafka;
mod s3;
mod said;
mod sqs;
pub mod tables;

pub use self::dynamodb::Applied;
pub use self::sqs::QueueLevels;

/// Names and addresses of what a deployment consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsConfig {
    /// The ledger table that all tenants without one of their own share.
    pub ledger_table: Arc<str>,
    /// The table of tenants, contracts and routes.
    pub registry_table: Arc<str>,
    /// Where rejected records go.
    pub dead_letter_queue_url: Arc<str>,
    /// Where records wait for a part of the system which is unavailable.
    pub buffer_queue_url: Arc<str>,
    /// The table of requests under an idempotency key; ingest's alone.
    pub requests_table: Option<Arc<str>>,
    /// The table of filed letters and of runs, for those who speak of them.
    pub letters_table: Option<Arc<str>>,
}

/// Where the embedded services listen, as `http://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalEndpoints {
    /// The embedded DynamoDB.
    pub dynamodb: String,
    /// The embedded SQS.
    pub sqs: String,
}

/// Everything outside, on AWS.
#[derive(Clone, Debug)]
pub struct Aws {
    dynamodb: aws_sdk_dynamodb::Client,
    /// For writes of heads and pages: [`client_that_tries_once`].
    once: aws_sdk_dynamodb::Client,
    reads: RequestBatcher<String, HeadRead>,
    puts: RequestBatcher<Put, PutOutcome>,
    sqs: aws_sdk_sqs::Client,
    #[cfg(feature = "s3")]
    s3: aws_sdk_s3::Client,
    config: AwsConfig,
}

impl Aws {
    /// Clients for a deployment, with the ambient region and credentials. One value serves a whole
    /// warm environment: its connections are kept.
    pub async fn load(config: AwsConfig) -> Self {
        Self::new(&sdk_config().await, config)
    }

    /// Clients with settings that somebody else made. They keep their own retries and timeouts.
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
            config,
        }
    }

    /// Clients for embedded services, with more time than on AWS.
    pub fn local(endpoints: &LocalEndpoints, config: AwsConfig) -> Self {
        Self::at(endpoints, calls::patient_timeouts(), config)
    }

    /// The same with the time that a deployment gives, for services whose silence is to be seen.
    pub fn impatient(endpoints: &LocalEndpoints, config: AwsConfig) -> Self {
        Self::at(endpoints, calls::timeouts(), config)
    }

    fn at(endpoints: &LocalEndpoints, timeouts: TimeoutConfig, config: AwsConfig) -> Self {
        let sdk = local_sdk_config(timeouts);
        // Its own, or all clients of a process would use up the retries of each other.
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
            config,
        }
    }

    /// The same, with objects in whatever listens there and speaks as S3 does.
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
}

/// A client that does not try again, and does not watch how fast an answer comes in, because its attempts
/// end with their time. It is one of its own because settings that each call overrides are put together
/// again with each call; connections and credentials it shares with the one that it is made from.
fn client_that_tries_once(client: &aws_sdk_dynamodb::Client) -> aws_sdk_dynamodb::Client {
    let config = client.config().to_builder().retry_config(calls::no_retries());
    let config = config.stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// The SDK's own settings from its default chain, with our HTTP client, retries and timeouts.
pub async fn sdk_config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        .retry_config(calls::retries())
        .timeout_config(calls::timeouts())
        .load()
        .await
}

/// A fixed region and fixed credentials: without them the default chain would ask the instance
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

/// Named because the SDK's default would bring a second crypto library.
fn http_client() -> SharedHttpClient {
    let provider = Provider::Rustls(CryptoMode::Ring);
    aws_smithy_http_client::Builder::new().tls_provider(provider).build_https()
}
