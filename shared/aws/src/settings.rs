//! The settings that several functions share on AWS: tables, queues, and the event log. Every function reads
//! them here, so that a variable has the same name, check and error everywhere. A setting of a single
//! function is in its own `config`.

use drover_core::base::variables::{Misconfigured, Variables};

use crate::AwsConfig;
#[cfg(feature = "kafka")]
use crate::kafka::KafkaVariables;

impl AwsConfig {
    /// What every function needs: `DROVER_REGISTRY_TABLE`, `DROVER_DEAD_LETTER_QUEUE_URL`,
    /// `DROVER_BUFFER_QUEUE_URL`; and `DROVER_LEDGER_TABLE`, the ledger that all tenants share.
    ///
    /// # Errors
    /// The first variable that is missing or wrong.
    pub fn read<F>(variables: &Variables<F>) -> Result<Self, Misconfigured>
    where
        F: Fn(&str) -> Option<String>,
    {
        let ledger_table = variables.text("DROVER_LEDGER_TABLE")?.into();
        Ok(Self { ledger_table, ..Self::without_ledger(variables)? })
    }

    /// The same for functions that touch no ledger. No ledger has an empty name.
    ///
    /// # Errors
    /// The first variable that is missing or wrong.
    pub fn without_ledger<F>(variables: &Variables<F>) -> Result<Self, Misconfigured>
    where
        F: Fn(&str) -> Option<String>,
    {
        Ok(Self {
            ledger_table: "".into(),
            registry_table: variables.text("DROVER_REGISTRY_TABLE")?.into(),
            dead_letter_queue_url: variables.url("DROVER_DEAD_LETTER_QUEUE_URL")?.into(),
            buffer_queue_url: variables.url("DROVER_BUFFER_QUEUE_URL")?.into(),
            requests_table: None,
            letters_table: None,
            outputs_table: None,
            notifications_queue_url: None,
        })
    }
}

/// `DROVER_STREAM`: `direct` (the default), which has no event log (`None`), or `kafka`, with the variables
/// of the cluster.
///
/// # Errors
/// Another event log, or the first variable of the cluster that is missing or wrong.
#[cfg(feature = "kafka")]
pub fn kafka<F>(variables: &Variables<F>) -> Result<Option<KafkaVariables>, Misconfigured>
where
    F: Fn(&str) -> Option<String>,
{
    const STREAM: &str = "DROVER_STREAM";
    match variables.optional(STREAM).as_deref() {
        None | Some("direct") => Ok(None),
        Some("kafka") => KafkaVariables::read(variables).map(Some),
        Some(other) => {
            Err(Misconfigured::new(STREAM, format!("must be direct or kafka: value=`{other}`")))
        }
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

    fn variables<'a>(
        changes: &'a [(&str, &str)],
    ) -> Variables<impl Fn(&str) -> Option<String> + 'a> {
        Variables(move |name: &str| {
            let mut all = changes.iter().chain(&GOOD);
            all.find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_wrong_table_or_queue_is_named() {
        let read = |changes: &[(&str, &str)]| {
            AwsConfig::read(&variables(changes)).map_err(|fault| fault.to_string())
        };
        for (name, _) in GOOD {
            assert_eq!(read(&[(name, " ")]), Err(format!("{name} is not set")));
        }
        let fault = "DROVER_BUFFER_QUEUE_URL must be a queue URL: value=`buffer`";
        assert_eq!(read(&[("DROVER_BUFFER_QUEUE_URL", "buffer")]), Err(fault.to_owned()));
        let all = read(&[]).expect("good");
        assert_eq!((&*all.ledger_table, &*all.registry_table), ("ledger", "registry"));
        assert_eq!(&*all.dead_letter_queue_url, "https://sqs/1/letters");
        assert_eq!(&*all.buffer_queue_url, "https://sqs/1/buffer");
        let without = AwsConfig::without_ledger(&variables(&[("DROVER_LEDGER_TABLE", "")]));
        assert_eq!(without, Ok(AwsConfig { ledger_table: "".into(), ..all }));
    }

    #[cfg(feature = "kafka")]
    #[test]
    fn the_event_log_is_none_or_a_cluster() {
        let read = |changes: &[(&str, &str)]| {
            let read = kafka(&variables(changes)).map_err(|fault| fault.to_string());
            read.map(|cluster| cluster.map(|cluster| cluster.bootstrap))
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("DROVER_STREAM", "direct")]), Ok(None));
        let cluster = [("DROVER_STREAM", "kafka"), ("DROVER_KAFKA_BOOTSTRAP", "b:9092")];
        assert_eq!(read(&cluster), Ok(Some("b:9092".to_owned())));
        let fault = "DROVER_KAFKA_BOOTSTRAP is not set";
        assert_eq!(read(&[("DROVER_STREAM", "kafka")]), Err(fault.to_owned()));
        let fault = "DROVER_STREAM must be direct or kafka: value=`tape`";
        assert_eq!(read(&[("DROVER_STREAM", "tape")]), Err(fault.to_owned()));
    }
}
