//! The configuration, read once at start. An invalid variable is an error that names the variable, before the
//! function handles any message.

use drover_aws::AwsConfig;
use drover_core::base::metrics::emf::Keeping;
use drover_core::base::variables::{Misconfigured, Variables};

use crate::sending::Allowed;

const PRIVATE_HOSTS: &str = "DROVER_NOTIFY_PRIVATE_HOSTS";

/// The configuration of the notify function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `DROVER_LEDGER_TABLE`, `DROVER_REGISTRY_TABLE`, `DROVER_DEAD_LETTER_QUEUE_URL`,
    /// `DROVER_BUFFER_QUEUE_URL`, `DROVER_OUTPUTS_TABLE`, `DROVER_NOTIFICATIONS_QUEUE_URL`.
    pub aws: AwsConfig,
    /// `DROVER_NOTIFY_PRIVATE_HOSTS`: names of hosts that may have private addresses and be reached by http, separated
    /// by commas.
    pub private_hosts: Allowed,
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
        let hosts = variables.optional(PRIVATE_HOSTS).unwrap_or_default();
        Ok(Self {
            aws: AwsConfig {
                outputs_table: Some(variables.text("DROVER_OUTPUTS_TABLE")?.into()),
                notifications_queue_url: Some(
                    variables.url("DROVER_NOTIFICATIONS_QUEUE_URL")?.into(),
                ),
                ..AwsConfig::read(&variables)?
            },
            private_hosts: Allowed::parse(&hosts).map_err(|fault| {
                Misconfigured::new(PRIVATE_HOSTS, format!("is invalid: {fault}"))
            })?,
            metrics: Keeping::read(&variables)?,
        })
    }
}
