//! The configuration, read once at start.

use drover_aws::kafka::KafkaVariables;
use drover_core::base::metrics::emf::Keeping;
use drover_core::base::variables::{Misconfigured, Variables};
use drover_core::intake::record::TopicRetention;
use drover_core::pipeline::cache;
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
    /// `DROVER_LETTERS_TABLE`: filed letters, and runs.
    pub letters_table: String,
    /// `DROVER_DEAD_LETTER_QUEUE_URL`
    pub dead_letter_queue_url: String,
    /// `DROVER_BUFFER_QUEUE_URL`
    pub buffer_queue_url: String,
    /// `DROVER_STREAM`: `direct` (the default), where no offsets are read again, or `kafka`, with the
    /// variables that ingest has for it.
    pub kafka: Option<KafkaVariables>,
    /// `DROVER_CACHE_BYTES`: what warm heads may take, a quarter of the memory by default; those of a run as much.
    pub cache_bytes: usize,
    /// `DROVER_CONCURRENCY`: subjects that run together, 1 to 256, 100 by default.
    pub concurrency: usize,
    /// `DROVER_TOPIC_RETENTION_HOURS`: which Kafka timestamps are too old to be true, a week by default.
    pub retention: TopicRetention,
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
            letters_table: variables.text("DROVER_LETTERS_TABLE")?,
            dead_letter_queue_url: variables.url("DROVER_DEAD_LETTER_QUEUE_URL")?,
            buffer_queue_url: variables.url("DROVER_BUFFER_QUEUE_URL")?,
            kafka: kafka(&variables)?,
            cache_bytes: cache::limit(&variables)?,
            concurrency: variables.number("DROVER_CONCURRENCY", 100, 1..=256)?,
            retention: TopicRetention::read(&variables)?,
            auth_mode: auth_mode(&variables)?,
            origins: origins(&variables),
            metrics: Keeping::read(&variables)?,
        })
    }
}

fn kafka<F>(variables: &Variables<F>) -> Result<Option<KafkaVariables>, Misconfigured>
where
    F: Fn(&str) -> Option<String>,
{
    const STREAM: &str = "DROVER_STREAM";
    match variables.optional(STREAM).as_deref() {
        None | Some("direct") => Ok(None),
        Some("kafka") => KafkaVariables::read(variables).map(Some),
        Some(other) => Err(Misconfigured::new(STREAM, format!("is no stream: value=`{other}`"))),
    }
}

#[cfg(test)]
mod tests {
    use drover_aws::kafka::KafkaAuth;

    use super::*;

    const GOOD: [(&str, &str); 5] = [
        ("DROVER_LEDGER_TABLE", "ledger"),
        ("DROVER_REGISTRY_TABLE", "registry"),
        ("DROVER_LETTERS_TABLE", "letters"),
        ("DROVER_DEAD_LETTER_QUEUE_URL", "https://sqs/1/letters"),
        ("DROVER_BUFFER_QUEUE_URL", "https://sqs/1/buffer"),
    ];

    fn read(changes: &[(&str, &str)]) -> Result<Config, String> {
        let variable = |name: &str| {
            let all = changes.iter().chain(&GOOD);
            all.into_iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned())
        };
        Config::read(variable).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_wrong_configuration_names_its_variable() {
        for (name, _) in GOOD {
            assert_eq!(read(&[(name, " ")]), Err(format!("{name} is not set")));
        }
        let check = |change, expected: &str| assert_eq!(read(&[change]), Err(expected.to_owned()));
        check(
            ("DROVER_BUFFER_QUEUE_URL", "buffer"),
            "DROVER_BUFFER_QUEUE_URL is no queue URL: value=`buffer`",
        );
        check(("DROVER_STREAM", "tape"), "DROVER_STREAM is no stream: value=`tape`");
        check(("DROVER_STREAM", "kafka"), "DROVER_KAFKA_BOOTSTRAP is not set");
        check(
            ("DROVER_CONCURRENCY", "0"),
            "DROVER_CONCURRENCY is no number from 1 to 256: value=`0`",
        );
    }

    #[test]
    fn offsets_are_read_again_only_from_a_stream() {
        assert_eq!(read(&[]).expect("good").kafka, None);
        let cluster = [("DROVER_STREAM", "kafka"), ("DROVER_KAFKA_BOOTSTRAP", "b:9092")];
        let kafka = read(&cluster).expect("good").kafka.expect("a cluster");
        assert_eq!(
            (kafka.bootstrap.as_str(), kafka.auth),
            ("b:9092", KafkaAuth::None { tls: true })
        );
    }
}
