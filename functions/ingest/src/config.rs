//! The configuration, read once at start.

use drover_aws::kafka::KafkaVariables;
use drover_core::base::metrics::emf::Keeping;
use drover_core::base::variables::{Misconfigured, Variables};
use drover_core::pipeline::cache;
use drover_http::Origins;
use drover_http::settings::{auth_mode, origins};
use drover_intake::AuthMode;

/// What the environment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `DROVER_REGISTRY_TABLE`: tenants, contracts, topic routes, keys.
    pub registry_table: String,
    /// `DROVER_REQUESTS_TABLE`: requests under an idempotency key.
    pub requests_table: String,
    /// `DROVER_DEAD_LETTER_QUEUE_URL`
    pub dead_letter_queue_url: String,
    /// `DROVER_BUFFER_QUEUE_URL`
    pub buffer_queue_url: String,
    /// `DROVER_STREAM`: `direct` (the default) or `kafka`.
    pub event_log: EventLogConfig,
    /// `DROVER_AUTH_MODE` and the claims.
    pub auth_mode: AuthMode,
    /// `DROVER_CORS_ORIGINS`
    pub origins: Origins,
    /// `DROVER_METRICS_NAMESPACE` and `DROVER_METRICS_TENANTS`.
    pub metrics: Keeping,
}

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventLogConfig {
    /// No stream: ingest commits to the ledger itself.
    Direct {
        /// `DROVER_LEDGER_TABLE`: the ledger that all tenants share.
        ledger_table: String,
        /// `DROVER_CACHE_BYTES`: what warm heads may take, a quarter of the memory by default.
        cache_bytes: usize,
        /// `DROVER_CONCURRENCY`: subjects that run together, 1 to 256, 100 by default.
        concurrency: usize,
    },
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
        Ok(Self {
            registry_table: variables.text("DROVER_REGISTRY_TABLE")?,
            requests_table: variables.text("DROVER_REQUESTS_TABLE")?,
            dead_letter_queue_url: variables.url("DROVER_DEAD_LETTER_QUEUE_URL")?,
            buffer_queue_url: variables.url("DROVER_BUFFER_QUEUE_URL")?,
            event_log: EventLogConfig::read(&variables)?,
            auth_mode: auth_mode(&variables)?,
            origins: origins(&variables),
            metrics: Keeping::read(&variables)?,
        })
    }
}

impl EventLogConfig {
    fn read<F>(variables: &Variables<F>) -> Result<Self, Misconfigured>
    where
        F: Fn(&str) -> Option<String>,
    {
        const STREAM: &str = "DROVER_STREAM";
        match variables.optional(STREAM).as_deref() {
            None | Some("direct") => Ok(Self::Direct {
                ledger_table: variables.text("DROVER_LEDGER_TABLE")?,
                cache_bytes: cache::limit(variables)?,
                concurrency: variables.number("DROVER_CONCURRENCY", 100, 1..=256)?,
            }),
            Some("kafka") => Ok(Self::Kafka(KafkaVariables::read(variables)?)),
            Some(other) => {
                Err(Misconfigured::new(STREAM, format!("is no stream: value=`{other}`")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &[(&str, &str)]) -> Result<EventLogConfig, String> {
        let variables = Variables(|name: &str| {
            more.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned())
        });
        EventLogConfig::read(&variables).map_err(|error| error.to_string())
    }

    #[test]
    fn a_stream_that_cannot_be_is_refused_by_the_name_of_its_variable() {
        let check = |more: &[(&str, &str)], expected: &str| {
            assert_eq!(read(more).expect_err("refused"), expected);
        };
        check(&[("DROVER_STREAM", "tape")], "DROVER_STREAM is no stream: value=`tape`");
        let kafka = [("DROVER_STREAM", "kafka")];
        check(&kafka, "DROVER_KAFKA_BOOTSTRAP is not set");
    }
}
