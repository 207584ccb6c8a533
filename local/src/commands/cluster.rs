//! The flags of a Kafka cluster, for the commands that write to a cluster or read from it.

use std::path::PathBuf;

use clap::Args;
use drover_aws::kafka::{
    KafkaAuth, KafkaConfig, KafkaUser, KafkaVariables, NoIdentity, SaslMechanism,
};

/// The connection to the brokers.
#[derive(Args, Clone, Debug)]
pub struct ClusterArgs {
    /// User in the cluster, for SCRAM-SHA-512 unless --kafka-plain is given
    #[arg(long, value_name = "NAME", requires = "kafka_password_file")]
    kafka_user: Option<String>,
    /// File with the user's password
    #[arg(long, value_name = "FILE", requires = "kafka_user")]
    kafka_password_file: Option<PathBuf>,
    /// Authenticate by SASL/PLAIN, which Azure Event Hubs requires together with --kafka-tls
    #[arg(long, requires = "kafka_user")]
    kafka_plain: bool,
    /// Authenticate by IAM with the region and credentials of the AWS environment; implies TLS
    #[arg(long, conflicts_with = "kafka_user")]
    kafka_iam: bool,
    /// Use TLS; the brokers' certificates must come from a public authority
    #[arg(long)]
    kafka_tls: bool,
}

impl ClusterArgs {
    /// Whether any of the flags was given.
    pub(super) fn any(&self) -> bool {
        self.kafka_user.is_some() || self.kafka_iam || self.kafka_tls
    }

    /// The configuration for a topic of this cluster.
    pub(super) async fn config(
        &self,
        bootstrap: &str,
        topic: &str,
    ) -> Result<KafkaConfig, NoIdentity> {
        let (bootstrap, topic) = (bootstrap.to_owned(), topic.to_owned());
        let variables = KafkaVariables { bootstrap, topic, auth: self.auth() };
        variables.config(|file| std::fs::read_to_string(file)).await
    }

    fn auth(&self) -> KafkaAuth {
        let tls = self.kafka_tls;
        match (&self.kafka_user, &self.kafka_password_file) {
            (Some(name), Some(file)) => {
                let (name, password_file) = (name.clone(), file.clone());
                let user = KafkaUser::File { name, password_file };
                let mechanism = match self.kafka_plain {
                    true => SaslMechanism::Plain,
                    false => SaslMechanism::ScramSha512,
                };
                KafkaAuth::Sasl { mechanism, user, tls }
            }
            _ if self.kafka_iam => KafkaAuth::Iam,
            _ => KafkaAuth::None { tls },
        }
    }
}

/// Parses `HOST:PORT` of a broker, or several separated by commas.
pub(super) fn bootstrap(text: &str) -> Result<String, String> {
    let is_broker = |one: &str| {
        one.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    if text.split(',').all(is_broker) {
        return Ok(text.to_owned());
    }
    Err("expected HOST:PORT of a Kafka cluster, or several separated by commas".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        cluster: ClusterArgs,
    }

    #[test]
    fn a_cluster_has_one_kind_of_authentication() {
        let given = |flags: &[&str]| {
            let parsed = Command::try_parse_from(["drover"].iter().chain(flags)).ok()?;
            Some((parsed.cluster.any(), parsed.cluster.auth()))
        };
        assert_eq!(given(&[]), Some((false, KafkaAuth::None { tls: false })));
        assert_eq!(given(&["--kafka-tls"]), Some((true, KafkaAuth::None { tls: true })));
        assert_eq!(given(&["--kafka-iam"]), Some((true, KafkaAuth::Iam)));
        assert_eq!(given(&["--kafka-iam", "--kafka-tls"]), Some((true, KafkaAuth::Iam)));
        let user = ["--kafka-user", "app", "--kafka-password-file", "secret"];
        let (name, password_file) = ("app".to_owned(), PathBuf::from("secret"));
        let sasl = |mechanism, tls| {
            let (name, password_file) = (name.clone(), password_file.clone());
            KafkaAuth::Sasl { mechanism, user: KafkaUser::File { name, password_file }, tls }
        };
        assert_eq!(given(&user), Some((true, sasl(SaslMechanism::ScramSha512, false))));
        let plain = [&user[..], &["--kafka-plain", "--kafka-tls"]].concat();
        assert_eq!(given(&plain), Some((true, sasl(SaslMechanism::Plain, true))));
        assert_eq!(given(&["--kafka-plain"]), None);
        assert_eq!(given(&[&user[..], &["--kafka-iam"]].concat()), None);
        assert_eq!(given(&["--kafka-user", "app"]), None);
    }

    #[test]
    fn a_cluster_is_given_by_the_addresses_of_its_brokers() {
        for good in ["localhost:9092", "b-1.example:9096,b-2.example:9096", "[::1]:9092"] {
            assert_eq!(bootstrap(good).as_deref(), Ok(good));
        }
        for bad in ["", "kafka", ":9092", "host:", "host:0", "host:99999", "a:1,,b:2"] {
            assert!(bootstrap(bad).is_err(), "{bad}");
        }
    }
}
