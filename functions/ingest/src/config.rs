//! The configuration, read once at start.

use drover_aws::AwsConfig;
use drover_aws::kafka::KafkaVariables;
use drover_aws::settings::kafka;
use drover_core::base::metrics::emf::Keeping;
use drover_core::base::variables::{Misconfigured, Variables};
use drover_core::pipeline::settings::PipelineSettings;
use drover_http::settings::HttpSettings;

use crate::WebhookOrigins;

/// What the environment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `DROVER_REGISTRY_TABLE`, `DROVER_DEAD_LETTER_QUEUE_URL`, `DROVER_BUFFER_QUEUE_URL`;
    /// `DROVER_REQUESTS_TABLE`: requests under an idempotency key; without an event log also
    /// `DROVER_LEDGER_TABLE`.
    pub aws: AwsConfig,
    /// `DROVER_STREAM`: `direct` (the default) or `kafka`.
    pub event_log: EventLogConfig,
    /// `DROVER_AUTH_MODE` and the claims, `DROVER_CORS_ORIGINS`.
    pub http: HttpSettings,
    /// `DROVER_WEBHOOK_ORIGINS`: senders whose webhooks may subscribe.
    pub webhook_origins: WebhookOrigins,
    /// `DROVER_METRICS_NAMESPACE` and `DROVER_METRICS_TENANTS`.
    pub metrics: Keeping,
}

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventLogConfig {
    /// No event log: ingest commits to the ledger itself, through a pipeline of its own.
    Direct(PipelineSettings),
    /// A topic of a Kafka cluster.
    Kafka(KafkaVariables),
}

impl Config {
    /// Reads the configuration from a source of variables.
    ///
    /// # Errors
    /// The first variable that is missing or wrong.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Misconfigured> {
        let variables = Variables(variable);
        let (aws, event_log) = match kafka(&variables)? {
            Some(kafka) => (AwsConfig::without_ledger(&variables)?, EventLogConfig::Kafka(kafka)),
            None => (
                AwsConfig::read(&variables)?,
                EventLogConfig::Direct(PipelineSettings::read(&variables)?),
            ),
        };
        let requests_table = Some(variables.text("DROVER_REQUESTS_TABLE")?.into());
        Ok(Self {
            aws: AwsConfig { requests_table, ..aws },
            event_log,
            http: HttpSettings::read(&variables)?,
            webhook_origins: WebhookOrigins::read(&variables)?,
            metrics: Keeping::read(&variables)?,
        })
    }
}
