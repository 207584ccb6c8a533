//! The configuration, read once at start.

use drover_aws::AwsConfig;
use drover_core::base::metrics::emf::Keeping;
use drover_core::base::variables::{Misconfigured, Variables};
use drover_http::settings::HttpSettings;

/// The configuration of the query function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `DROVER_LEDGER_TABLE`, `DROVER_REGISTRY_TABLE`, `DROVER_DEAD_LETTER_QUEUE_URL`,
    /// `DROVER_BUFFER_QUEUE_URL`, and `DROVER_OUTPUTS_TABLE` (alerts). The queues are used for health probes only.
    pub aws: AwsConfig,
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
                outputs_table: Some(variables.text("DROVER_OUTPUTS_TABLE")?.into()),
                ..AwsConfig::read(&variables)?
            },
            http: HttpSettings::read(&variables)?,
            metrics: Keeping::read(&variables)?,
        })
    }
}
