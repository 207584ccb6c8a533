//! The configuration, read once at start. An invalid variable is an error that names the variable, before the
//! function processes any record.

use drover_aws::AwsConfig;
use drover_aws::kafka::KafkaVariables;
use drover_core::base::metrics::emf::Keeping;
use drover_core::base::variables::{Misconfigured, Variables};
use drover_core::pipeline::settings::PipelineSettings;

/// The configuration of the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `DROVER_LEDGER_TABLE`, `DROVER_REGISTRY_TABLE`, `DROVER_DEAD_LETTER_QUEUE_URL`,
    /// `DROVER_BUFFER_QUEUE_URL`, `DROVER_OUTPUTS_TABLE`.
    pub aws: AwsConfig,
    /// `DROVER_CONCURRENCY`.
    pub pipeline: PipelineSettings,
    /// `DROVER_KAFKA_…`: the cluster of the feeds' topics.
    pub kafka: KafkaVariables,
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
                outputs_table: Some(variables.text("DROVER_OUTPUTS_TABLE")?.into()),
                ..AwsConfig::read(&variables)?
            },
            pipeline: PipelineSettings::read(&variables)?,
            kafka: KafkaVariables::read(&variables)?,
            metrics: Keeping::read(&variables)?,
        })
    }
}
