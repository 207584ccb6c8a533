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
    /// `DROVER_BUFFER_QUEUE_URL`, `DROVER_OUTPUTS_TABLE`, `DROVER_NOTIFICATIONS_QUEUE_URL`.
    pub aws: AwsConfig,
    /// `DROVER_CONCURRENCY`.
    pub pipeline: PipelineSettings,
    /// Where feeds are sent.
    pub target: Target,
    /// `DROVER_METRICS_NAMESPACE` and `DROVER_METRICS_TENANTS`.
    pub metrics: Keeping,
}

/// Where feeds are sent: nowhere with `DROVER_FEEDS=off`; with `DROVER_STREAM=kafka` to the cluster of
/// `DROVER_KAFKA_…`, otherwise to the one target that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nowhere: the relay only keeps alerts.
    Nowhere,
    /// Topics of a Kafka cluster.
    Kafka(KafkaVariables),
    /// `DROVER_FEEDS_QUEUE_URL`: one SQS queue.
    Queue {
        /// Its URL.
        url: String,
    },
    /// `DROVER_FEEDS_TOPIC_ARN`: one SNS topic.
    Topic {
        /// Its ARN.
        arn: String,
    },
    /// `DROVER_FEEDS_BUS`: one EventBridge bus.
    Bus {
        /// Its name or ARN.
        bus: String,
    },
}

const FEEDS: &str = "DROVER_FEEDS";
const OFF: &str = "off";
const QUEUE: &str = "DROVER_FEEDS_QUEUE_URL";
const TOPIC: &str = "DROVER_FEEDS_TOPIC_ARN";
const BUS: &str = "DROVER_FEEDS_BUS";

impl Target {
    fn read<F>(variables: &Variables<F>) -> Result<Self, Misconfigured>
    where
        F: Fn(&str) -> Option<String>,
    {
        let kafka = kafka(variables)?;
        let given = [QUEUE, TOPIC, BUS].map(|name| Some((name, variables.optional(name)?)));
        let mut given = given.into_iter().flatten();
        let (first, second) = (given.next(), given.next());
        match (variables.optional(FEEDS).as_deref(), &kafka, &first) {
            (None | Some("on"), _, _) => {}
            (Some(OFF), None, None) => return Ok(Self::Nowhere),
            (Some(OFF), _, _) => {
                let fault = "cannot be off with a target of feeds";
                return Err(Misconfigured::new(FEEDS, fault));
            }
            (Some(word), _, _) => {
                let fault = format!("must be on or off: value=`{word}`");
                return Err(Misconfigured::new(FEEDS, fault));
            }
        }
        match (kafka, first, second) {
            (Some(kafka), None, _) => Ok(Self::Kafka(kafka)),
            (Some(_), Some((name, _)), _) => {
                Err(Misconfigured::new(name, "cannot be combined with DROVER_STREAM=kafka"))
            }
            (None, Some((QUEUE, _)), None) => Ok(Self::Queue { url: variables.url(QUEUE)? }),
            (None, Some((TOPIC, arn)), None) => Self::topic(arn),
            (None, Some((_, bus)), None) => Self::bus(bus),
            (None, Some((one, _)), Some((other, _))) => {
                Err(Misconfigured::new(other, format!("cannot be combined with {one}")))
            }
            (None, None, _) => {
                let fault = format!(
                    "or {TOPIC} or {BUS} must be set, unless DROVER_STREAM is kafka or {FEEDS} is {OFF}"
                );
                Err(Misconfigured::new(QUEUE, fault))
            }
        }
    }

    fn topic(arn: String) -> Result<Self, Misconfigured> {
        match is_arn_of("sns", &arn) {
            true => Ok(Self::Topic { arn }),
            false => Err(Misconfigured::new(TOPIC, format!("must be a topic ARN: value=`{arn}`"))),
        }
    }

    fn bus(bus: String) -> Result<Self, Misconfigured> {
        match !bus.contains(':') || is_arn_of("events", &bus) {
            true => Ok(Self::Bus { bus }),
            false => {
                let fault = format!("must be the name or ARN of a bus: value=`{bus}`");
                Err(Misconfigured::new(BUS, fault))
            }
        }
    }
}

/// Whether a text is an ARN of this service: `arn:PARTITION:SERVICE:…`.
fn is_arn_of(service: &str, text: &str) -> bool {
    let mut parts = text.split(':');
    parts.next() == Some("arn") && parts.nth(1) == Some(service)
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
                notifications_queue_url: Some(
                    variables.url("DROVER_NOTIFICATIONS_QUEUE_URL")?.into(),
                ),
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

    const GOOD: [(&str, &str); 6] = [
        ("DROVER_LEDGER_TABLE", "ledger"),
        ("DROVER_REGISTRY_TABLE", "registry"),
        ("DROVER_OUTPUTS_TABLE", "outputs"),
        ("DROVER_DEAD_LETTER_QUEUE_URL", "https://sqs/1/letters"),
        ("DROVER_BUFFER_QUEUE_URL", "https://sqs/1/buffer"),
        ("DROVER_NOTIFICATIONS_QUEUE_URL", "https://sqs/1/notifications"),
    ];

    fn read(more: &[(&str, &str)]) -> Result<Target, String> {
        let config = Config::read(|name| {
            let mut all = more.iter().chain(&GOOD);
            all.find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned())
        });
        config.map(|config| config.target).map_err(|fault| fault.to_string())
    }

    const URL: &str = "https://sqs/1/feeds.fifo";
    const ARN: &str = "arn:aws:sns:eu-central-1:111122223333:feeds";
    const BUS_ARN: &str = "arn:aws:events:eu-central-1:111122223333:event-bus/feeds";
    const BROKERS: (&str, &str) = ("DROVER_KAFKA_BOOTSTRAP", "b:9092");
    const KAFKA: (&str, &str) = ("DROVER_STREAM", "kafka");

    fn targets() -> [((&'static str, &'static str), Target); 4] {
        [
            ((QUEUE, URL), Target::Queue { url: URL.to_owned() }),
            ((TOPIC, ARN), Target::Topic { arn: ARN.to_owned() }),
            ((BUS, "feeds"), Target::Bus { bus: "feeds".to_owned() }),
            ((BUS, BUS_ARN), Target::Bus { bus: BUS_ARN.to_owned() }),
        ]
    }

    #[test]
    fn each_target_is_named_by_its_variable_and_kafka_by_the_stream() {
        for (variable, target) in targets() {
            // The brokers stay configured when a stack goes back to no event log.
            assert_eq!(read(&[variable, BROKERS]), Ok(target));
        }
        let blank = [QUEUE, TOPIC, BUS].map(|name| (name, " "));
        assert!(matches!(read(&[&blank[..], &[KAFKA, BROKERS]].concat()), Ok(Target::Kafka(_))));
    }

    #[test]
    fn feeds_have_exactly_one_target() {
        let none = "DROVER_FEEDS_QUEUE_URL or DROVER_FEEDS_TOPIC_ARN or DROVER_FEEDS_BUS must be set, \
                    unless DROVER_STREAM is kafka or DROVER_FEEDS is off";
        assert_eq!(read(&[]), Err(none.to_owned()));
        for (variable, _) in targets() {
            let both = format!("{} cannot be combined with DROVER_STREAM=kafka", variable.0);
            assert_eq!(read(&[variable, KAFKA, BROKERS]), Err(both));
        }
        for (one, other) in [(QUEUE, TOPIC), (QUEUE, BUS), (TOPIC, BUS)] {
            let both = format!("{other} cannot be combined with {one}");
            assert_eq!(read(&[(one, ARN), (other, BUS_ARN)]), Err(both));
        }
    }

    #[test]
    fn a_relay_without_feeds_says_so() {
        assert_eq!(read(&[(FEEDS, "off"), BROKERS]), Ok(Target::Nowhere));
        let fault = "DROVER_FEEDS cannot be off with a target of feeds";
        assert_eq!(read(&[(FEEDS, "off"), (QUEUE, URL)]), Err(fault.to_owned()));
        assert_eq!(read(&[(FEEDS, "off"), KAFKA, BROKERS]), Err(fault.to_owned()));
        let fault = "DROVER_FEEDS must be on or off: value=`no`";
        assert_eq!(read(&[(FEEDS, "no"), (QUEUE, URL)]), Err(fault.to_owned()));
    }

    #[test]
    fn a_value_of_another_kind_is_shown() {
        let check = |name: &'static str, value: &str, expected: &str| {
            assert_eq!(read(&[(name, value)]), Err(format!("{name} {expected}: value=`{value}`")));
        };
        check(QUEUE, ARN, "must be a queue URL");
        check(TOPIC, BUS_ARN, "must be a topic ARN");
        check(TOPIC, "feeds", "must be a topic ARN");
        check(BUS, ARN, "must be the name or ARN of a bus");
        check(BUS, URL, "must be the name or ARN of a bus");
    }
}
