//! The configuration, read once at start.

use drover_aws::AwsConfig;
use drover_aws::kafka::KafkaVariables;
use drover_aws::settings::kafka;
use drover_core::base::metrics::emf::Keeping;
use drover_core::base::variables::{Misconfigured, Variables};
use drover_core::intake::record::TopicRetention;
use drover_core::pipeline::settings::PipelineSettings;
use drover_http::settings::HttpSettings;

/// The configuration of the replay function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `DROVER_LEDGER_TABLE`, `DROVER_REGISTRY_TABLE`, `DROVER_DEAD_LETTER_QUEUE_URL`,
    /// `DROVER_BUFFER_QUEUE_URL`, `DROVER_LETTERS_TABLE` (letters and runs), and `DROVER_OUTPUTS_TABLE` (alerts).
    pub aws: AwsConfig,
    /// `DROVER_STREAM`: `direct` (the default), without rereads of offsets, or `kafka`, with the same
    /// variables as ingest.
    pub kafka: Option<KafkaVariables>,
    /// `DROVER_CACHE_BYTES` and `DROVER_CONCURRENCY`. The heads of a run use the same amount of memory again.
    pub pipeline: PipelineSettings,
    /// `DROVER_TOPIC_RETENTION_HOURS`: the maximum plausible age of a Kafka timestamp, a week by default.
    pub retention: TopicRetention,
    /// `DROVER_AUTH_MODE`, the names of the claims, and `DROVER_CORS_ORIGINS`.
    pub http: HttpSettings,
    /// `DROVER_METRICS_NAMESPACE` and `DROVER_METRICS_TENANTS`.
    pub metrics: Keeping,
}

impl Config {
    /// Reads the configuration from a source of variables.
    ///
    /// # Errors
    /// The first variable that is missing or invalid.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Misconfigured> {
        let variables = Variables(variable);
        Ok(Self {
            aws: AwsConfig {
                letters_table: Some(variables.text("DROVER_LETTERS_TABLE")?.into()),
                outputs_table: Some(variables.text("DROVER_OUTPUTS_TABLE")?.into()),
                notifications_queue_url: Some(
                    variables.url("DROVER_NOTIFICATIONS_QUEUE_URL")?.into(),
                ),
                ..AwsConfig::read(&variables)?
            },
            kafka: kafka(&variables)?,
            pipeline: PipelineSettings::read(&variables)?,
            retention: TopicRetention::read(&variables)?,
            http: HttpSettings::read(&variables)?,
            metrics: Keeping::read(&variables)?,
        })
    }
}
