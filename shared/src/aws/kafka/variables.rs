//! How to reach a Kafka cluster, by the same variables for every function that does. The password is
//! in a file, so that no listing of the environment shows it.

use super::{KafkaConfig, Password, Security};
use crate::stream::TOPIC;
use crate::variables::{Misconfigured, Variables};

/// How to reach a Kafka cluster, but for the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaVariables {
    /// `DROVER_KAFKA_BOOTSTRAP`: `HOST:PORT`, or several with commas between them.
    pub bootstrap: String,
    /// `DROVER_KAFKA_TOPIC`: `drover.events` by default.
    pub topic: String,
    /// `DROVER_KAFKA_TLS`: `on` (the default) or `off`.
    pub tls: bool,
    /// `DROVER_KAFKA_USER`, whom SCRAM-SHA-512 lets in.
    pub user: Option<User>,
}

/// Who we are to a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// `DROVER_KAFKA_PASSWORD_FILE`: where the password is.
    pub password_file: String,
}

impl KafkaVariables {
    /// Reads them.
    ///
    /// # Errors
    /// The first variable that is missing or wrong.
    pub fn read<F>(variables: &Variables<F>) -> Result<Self, Misconfigured>
    where
        F: Fn(&str) -> Option<String>,
    {
        const TLS: &str = "DROVER_KAFKA_TLS";
        let tls = match variables.optional(TLS).as_deref() {
            None | Some("on") => true,
            Some("off") => false,
            Some(other) => {
                return Err(Misconfigured::new(TLS, format!("is not on or off: value=`{other}`")));
            }
        };
        let user = variables.optional("DROVER_KAFKA_USER").map(|name| {
            Ok(User { name, password_file: variables.text("DROVER_KAFKA_PASSWORD_FILE")? })
        });
        Ok(Self {
            bootstrap: variables.text("DROVER_KAFKA_BOOTSTRAP")?,
            topic: variables.optional("DROVER_KAFKA_TOPIC").unwrap_or_else(|| TOPIC.to_owned()),
            tls,
            user: user.transpose()?,
        })
    }

    /// With the password, which is read from its file only now.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn config(
        self,
        read: impl FnOnce(&str) -> std::io::Result<String>,
    ) -> std::io::Result<KafkaConfig> {
        let security = match self.user {
            Some(User { name, password_file }) => Security::ScramSha512 {
                user: name,
                password: Password::new(&read(&password_file)?),
                tls: self.tls,
            },
            None if self.tls => Security::Tls,
            None => Security::Plaintext,
        };
        Ok(KafkaConfig { bootstrap: self.bootstrap, topic: self.topic, security })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &[(&str, &str)]) -> Result<KafkaVariables, String> {
        let variables = Variables(|name: &str| {
            more.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned())
        });
        KafkaVariables::read(&variables).map_err(|error| error.to_string())
    }

    fn kafka(more: &[(&str, &str)]) -> KafkaConfig {
        let named = [("DROVER_KAFKA_BOOTSTRAP", "b:9092")];
        let variables = read(&[&named, more].concat()).expect("a configuration of Kafka");
        variables.config(|file| Ok(format!("password of {file}\n"))).expect("it can be read")
    }

    #[test]
    fn kafka_is_encrypted_unless_it_is_said_otherwise() {
        let expected = KafkaConfig {
            bootstrap: "b:9092".to_owned(),
            topic: "drover.events".to_owned(),
            security: Security::Tls,
        };
        assert_eq!(kafka(&[]), expected);
        let security = Security::Plaintext;
        let topic = "other".to_owned();
        let other = kafka(&[("DROVER_KAFKA_TLS", "off"), ("DROVER_KAFKA_TOPIC", "other")]);
        assert_eq!(other, KafkaConfig { topic, security, ..expected });
    }

    #[test]
    fn the_password_of_a_kafka_user_is_in_a_file() {
        let user = [("DROVER_KAFKA_USER", "app"), ("DROVER_KAFKA_PASSWORD_FILE", "/secret")];
        let password = Password::new("password of /secret");
        let expected = Security::ScramSha512 { user: "app".to_owned(), password, tls: true };
        assert_eq!(kafka(&user).security, expected);
    }

    #[test]
    fn a_cluster_that_cannot_be_reached_is_refused_by_the_name_of_its_variable() {
        let check = |more: &[(&str, &str)], expected: &str| {
            assert_eq!(read(more).expect_err("refused"), expected);
        };
        check(&[], "DROVER_KAFKA_BOOTSTRAP is not set");
        check(&[("DROVER_KAFKA_TLS", "1")], "DROVER_KAFKA_TLS is not on or off: value=`1`");
        let user = [("DROVER_KAFKA_BOOTSTRAP", "b:9092"), ("DROVER_KAFKA_USER", "app")];
        check(&user, "DROVER_KAFKA_PASSWORD_FILE is not set");
    }
}
