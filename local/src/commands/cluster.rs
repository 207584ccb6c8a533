//! The flags of a real Kafka cluster, for the commands that write to one or read from one.

use std::path::PathBuf;

use clap::Args;
use drover_core::aws::kafka::{KafkaConfig, Password, Security};

/// What is between us and the brokers.
#[derive(Args, Clone, Debug)]
pub struct ClusterArgs {
    /// Our user there, by SCRAM-SHA-512
    #[arg(long, value_name = "NAME", requires = "kafka_password_file")]
    kafka_user: Option<String>,
    /// Where its password is
    #[arg(long, value_name = "FILE", requires = "kafka_user")]
    kafka_password_file: Option<PathBuf>,
    /// Encrypt; the brokers' certificates must come from a public authority
    #[arg(long)]
    kafka_tls: bool,
}

/// A password that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the password of the Kafka user: file=`{file}`")]
pub struct NoPassword {
    file: PathBuf,
    source: std::io::Error,
}

impl ClusterArgs {
    /// Whether any of them was given.
    pub(super) fn any(&self) -> bool {
        self.kafka_user.is_some() || self.kafka_tls
    }

    /// How to reach a topic of the cluster there.
    pub(super) fn config(&self, bootstrap: &str, topic: &str) -> Result<KafkaConfig, NoPassword> {
        let (bootstrap, topic) = (bootstrap.to_owned(), topic.to_owned());
        let security = match (&self.kafka_user, &self.kafka_password_file) {
            (Some(user), Some(file)) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|source| NoPassword { file: file.clone(), source })?;
                let (user, password) = (user.clone(), Password::new(&text));
                Security::ScramSha512 { user, password, tls: self.kafka_tls }
            }
            _ if self.kafka_tls => Security::Tls,
            _ => Security::Plaintext,
        };
        Ok(KafkaConfig { bootstrap, topic, security })
    }
}

/// `HOST:PORT` of a broker, or several with commas between them.
pub(super) fn bootstrap(text: &str) -> Result<String, String> {
    let is_broker = |one: &str| {
        one.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    if text.split(',').all(is_broker) {
        return Ok(text.to_owned());
    }
    Err("a Kafka cluster is HOST:PORT, or several with commas between them".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_the_addresses_of_brokers() {
        for good in ["localhost:9092", "b-1.example:9096,b-2.example:9096", "[::1]:9092"] {
            assert_eq!(bootstrap(good).as_deref(), Ok(good));
        }
        for bad in ["", "kafka", ":9092", "host:", "host:0", "host:99999", "a:1,,b:2"] {
            assert!(bootstrap(bad).is_err(), "{bad}");
        }
    }
}
