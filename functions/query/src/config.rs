//! The configuration, read once at start.

use drover_core::base::metrics::emf::Keeping;
use drover_core::base::variables::{Misconfigured, Variables};
use drover_http::Origins;
use drover_http::settings::{auth_mode, origins};
use drover_intake::AuthMode;

/// What the environment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `DROVER_LEDGER_TABLE`: the ledger that all tenants share.
    pub ledger_table: String,
    /// `DROVER_REGISTRY_TABLE`: tenants, contracts, topic routes, keys.
    pub registry_table: String,
    /// `DROVER_DEAD_LETTER_QUEUE_URL`, whose sign of life is asked for.
    pub dead_letter_queue_url: String,
    /// `DROVER_BUFFER_QUEUE_URL`, likewise.
    pub buffer_queue_url: String,
    /// `DROVER_AUTH_MODE` and the claims.
    pub auth_mode: AuthMode,
    /// `DROVER_CORS_ORIGINS`
    pub origins: Origins,
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
            ledger_table: variables.text("DROVER_LEDGER_TABLE")?,
            registry_table: variables.text("DROVER_REGISTRY_TABLE")?,
            dead_letter_queue_url: variables.url("DROVER_DEAD_LETTER_QUEUE_URL")?,
            buffer_queue_url: variables.url("DROVER_BUFFER_QUEUE_URL")?,
            auth_mode: auth_mode(&variables)?,
            origins: origins(&variables),
            metrics: Keeping::read(&variables)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 4] = [
        ("DROVER_LEDGER_TABLE", "ledger"),
        ("DROVER_REGISTRY_TABLE", "registry"),
        ("DROVER_DEAD_LETTER_QUEUE_URL", "https://sqs/1/letters"),
        ("DROVER_BUFFER_QUEUE_URL", "https://sqs/1/buffer"),
    ];

    fn check(missing: &str, expected: &str) {
        let read = |name: &str| {
            let known = GOOD.iter().find(|(good, _)| *good == name && name != missing);
            known.map(|(_, value)| (*value).to_owned())
        };
        let fault = Config::read(read).err().map(|fault| fault.to_string());
        assert_eq!(fault.unwrap_or_default(), expected);
    }

    #[test]
    fn a_wrong_configuration_names_its_variable() {
        check("", "");
        for (name, _) in GOOD {
            check(name, &format!("{name} is not set"));
        }
    }
}
