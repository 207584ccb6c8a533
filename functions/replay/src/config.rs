//! The configuration, read once at start.

use drover_aws::AwsConfig;
use drover_aws::kafka::KafkaVariables;
use drover_aws::settings::kafka;
use drover_core::base::metrics::emf::Keeping;
use drover_core::base::variables::{Misconfigured, Variables};
use drover_core::intake::record::TopicRetention;
use drover_core::pipeline::settings::PipelineSettings;
use drover_http::settings::HttpSettings;

/// What the environment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `DROVER_LEDGER_TABLE`, `DROVER_REGISTRY_TABLE`, `DROVER_DEAD_LETTER_QUEUE_URL`,
    /// `DROVER_BUFFER_QUEUE_URL`; `DROVER_LETTERS_TABLE`: filed letters, and runs.
    pub aws: AwsConfig,
    /// `DROVER_STREAM`: `direct` (the default), where no offsets are read again, or `kafka`, with the
    /// variables that ingest has for it.
    pub kafka: Option<KafkaVariables>,
    /// `DROVER_CACHE_BYTES` and `DROVER_CONCURRENCY`; the heads of a run take as much again.
    pub pipeline: PipelineSettings,
    /// `DROVER_TOPIC_RETENTION_HOURS`: which Kafka timestamps are too old to be true, a week by default.
    pub retention: TopicRetention,
    /// `DROVER_AUTH_MODE` and the claims, `DROVER_CORS_ORIGINS`.
    pub http: HttpSettings,
    /// `DROVER_METRICS_NAMESPACE` and `DROVER_METRICS_TENANTS`.
    pub metrics: Keeping,
}

impl Config {
    /// Reads the configuration from a source of variables.
    ///
    /// # Errors
    /// The first variable that is missing or wrong.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Misconfigured> {
        let variables = Variables(variable);
        Ok(Self {
            aws: AwsConfig {
                letters_table: Some(variables.text("DROVER_LETTERS_TABLE")?.into()),
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
