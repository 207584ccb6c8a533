//! The configuration, read once at start. A wrong one is an error that names the variable, before
//! anything is taken from the stream.

use drover_core::base::metrics::emf::Keeping;
use drover_core::base::variables::{Misconfigured, Variables};
use drover_core::intake::record::TopicRetention;
use drover_core::pipeline::cache;

/// What the environment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `DROVER_LEDGER_TABLE`: the ledger that all tenants share.
    pub ledger_table: String,
    /// `DROVER_REGISTRY_TABLE`: tenants, contracts, topic routes, keys.
    pub registry_table: String,
    /// `DROVER_DEAD_LETTER_QUEUE_URL`
    pub dead_letter_queue_url: String,
    /// `DROVER_BUFFER_QUEUE_URL`
    pub buffer_queue_url: String,
    /// `DROVER_CACHE_BYTES`: what warm heads may take, a quarter of the memory by default.
    pub cache_bytes: usize,
    /// `DROVER_CONCURRENCY`: subjects that run together, 1 to 256, 100 by default.
    pub concurrency: usize,
    /// `DROVER_TOPIC_RETENTION_HOURS`: which Kafka timestamps are too old to be true, a week by default.
    pub retention: TopicRetention,
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
            cache_bytes: cache::limit(&variables)?,
            concurrency: variables.number("DROVER_CONCURRENCY", 100, 1..=256)?,
            retention: TopicRetention::read(&variables)?,
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

    fn check(change: (&str, &str), expected: &str) {
        let read = |name: &str| {
            let changed = (change.0 == name).then(|| change.1.to_owned());
            changed.or_else(|| {
                GOOD.iter().find(|(good, _)| *good == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let message = match Config::read(read) {
            Ok(_) => String::new(),
            Err(fault) => fault.to_string(),
        };
        assert_eq!(message, expected);
    }

    #[test]
    fn a_wrong_configuration_names_its_variable() {
        check(("DROVER_OTHER", ""), "");
        check(("DROVER_LEDGER_TABLE", " "), "DROVER_LEDGER_TABLE is not set");
        check(
            ("DROVER_BUFFER_QUEUE_URL", "buffer"),
            "DROVER_BUFFER_QUEUE_URL is no queue URL: value=`buffer`",
        );
        check(
            ("DROVER_CONCURRENCY", "0"),
            "DROVER_CONCURRENCY is no number from 1 to 256: value=`0`",
        );
    }
}
