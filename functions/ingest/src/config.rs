//! The configuration, read once at start.

use drover_aws::AwsConfig;
use drover_aws::kafka::KafkaVariables;
use drover_aws::settings::kafka;
use drover_core::base::metrics::emf::Keeping;
use drover_core::base::variables::{Misconfigured, Variables};
use drover_core::pipeline::settings::PipelineSettings;
use drover_http::settings::HttpSettings;

use crate::WebhookOrigins;

/// The configuration of ingest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `DROVER_REGISTRY_TABLE`, `DROVER_DEAD_LETTER_QUEUE_URL`, `DROVER_BUFFER_QUEUE_URL`,
    /// `DROVER_REQUESTS_TABLE` (requests with an idempotency key), `DROVER_OUTPUTS_TABLE` (alerts of other
    /// systems), `DROVER_NOTIFICATIONS_QUEUE_URL` (simulated alerts), and in direct mode
    /// `DROVER_LEDGER_TABLE`.
    pub aws: AwsConfig,
    /// `DROVER_STREAM`: `direct` (the default) or `kafka`.
    pub event_log: EventLogConfig,
    /// `DROVER_AUTH_MODE`, the names of the claims, and `DROVER_CORS_ORIGINS`.
    pub http: HttpSettings,
    /// `DROVER_WEBHOOK_ORIGINS`: the origins of webhooks that may subscribe.
    pub webhook_origins: WebhookOrigins,
    /// `DROVER_METRICS_NAMESPACE` and `DROVER_METRICS_TENANTS`.
    pub metrics: Keeping,
}

/// The destination of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventLogConfig {
    /// No event log: ingest commits events to the ledger itself, through its own pipeline.
    Direct(PipelineSettings),
    /// A topic of a Kafka cluster.
    Kafka(KafkaVariables),
}

impl Config {
    /// Reads the configuration from a source of variables.
    ///
    /// # Errors
    /// The first variable that is missing or invalid.
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
        let outputs_table = Some(variables.text("DROVER_OUTPUTS_TABLE")?.into());
        let notifications_queue_url = Some(variables.url("DROVER_NOTIFICATIONS_QUEUE_URL")?.into());
        Ok(Self {
            aws: AwsConfig { requests_table, outputs_table, notifications_queue_url, ..aws },
            event_log,
            http: HttpSettings::read(&variables)?,
            webhook_origins: WebhookOrigins::read(&variables)?,
            metrics: Keeping::read(&variables)?,
        })
    }
}
