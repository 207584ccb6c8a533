//! The configuration, read once at start. An invalid variable is an error that names the variable, before the
//! function processes any record.

use drover_aws::AwsConfig;
use drover_aws::kafka::KafkaVariables;
use drover_aws::settings::kafka;
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
    /// Where feeds are sent.
    pub target: Target,
    /// `DROVER_METRICS_NAMESPACE` and `DROVER_METRICS_TENANTS`.
    pub metrics: Keeping,
}

/// Where feeds are sent: with `DROVER_STREAM=kafka` to the cluster of `DROVER_KAFKA_…`, otherwise to the queue
/// `DROVER_FEEDS_QUEUE_URL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Topics of a Kafka cluster.
    Kafka(KafkaVariables),
    /// One SQS queue.
    Queue {
        /// Its URL.
        url: String,
    },
}

impl Target {
    fn read<F>(variables: &Variables<F>) -> Result<Self, Misconfigured>
    where
        F: Fn(&str) -> Option<String>,
    {
        const QUEUE: &str = "DROVER_FEEDS_QUEUE_URL";
        match (kafka(variables)?, variables.optional(QUEUE)) {
            (Some(kafka), None) => Ok(Self::Kafka(kafka)),
            (None, _) => Ok(Self::Queue { url: variables.url(QUEUE)? }),
            (Some(_), Some(_)) => {
                Err(Misconfigured::new(QUEUE, "cannot be combined with DROVER_STREAM=kafka"))
            }
        }
    }
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
            target: Target::read(&variables)?,
            metrics: Keeping::read(&variables)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 5] = [
        ("DROVER_LEDGER_TABLE", "ledger"),
        ("DROVER_REGISTRY_TABLE", "registry"),
        ("DROVER_OUTPUTS_TABLE", "outputs"),
        ("DROVER_DEAD_LETTER_QUEUE_URL", "https://sqs/1/letters"),
        ("DROVER_BUFFER_QUEUE_URL", "https://sqs/1/buffer"),
    ];

    fn read(more: &[(&str, &str)]) -> Result<Target, String> {
        let config = Config::read(|name| {
            let mut all = more.iter().chain(&GOOD);
            all.find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned())
        });
        config.map(|config| config.target).map_err(|fault| fault.to_string())
    }

    #[test]
    fn feeds_have_one_target() {
        let url = "https://sqs/1/feeds.fifo";
        let queue = ("DROVER_FEEDS_QUEUE_URL", url);
        let brokers = ("DROVER_KAFKA_BOOTSTRAP", "b:9092");
        let kafka = ("DROVER_STREAM", "kafka");
        // The brokers stay configured when a stack goes back to no event log.
        assert_eq!(read(&[queue, brokers]), Ok(Target::Queue { url: url.to_owned() }));
        assert!(matches!(read(&[kafka, brokers]), Ok(Target::Kafka(_))));
        assert_eq!(read(&[]), Err("DROVER_FEEDS_QUEUE_URL is not set".to_owned()));
        let both = "DROVER_FEEDS_QUEUE_URL cannot be combined with DROVER_STREAM=kafka";
        assert_eq!(read(&[queue, kafka, brokers]), Err(both.to_owned()));
    }
}
