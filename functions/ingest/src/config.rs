//! The configuration, read once at start.

use drover_core::aws::kafka::{KafkaConfig, Password, Security};
use drover_core::stream::TOPIC;
use drover_core::variables::{Misconfigured, Variables};
use drover_core::web::settings::{auth_mode, origins};
use drover_core::web::{AuthMode, Origins};

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
    pub stream: StreamConfig,
    /// `DROVER_AUTH_MODE` and the claims.
    pub auth_mode: AuthMode,
    /// `DROVER_CORS_ORIGINS`
    pub origins: Origins,
}

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamConfig {
    /// No stream: ingest commits to the ledger itself.
    Direct {
        /// `DROVER_LEDGER_TABLE`: the ledger that all tenants share.
        ledger_table: String,
        /// `DROVER_CACHE_BYTES`: what warm heads may take, 8 MiB by default.
        cache_bytes: usize,
        /// `DROVER_CONCURRENCY`: subjects that run together, 1 to 256, 32 by default.
        concurrency: usize,
    },
    /// A topic of a Kafka cluster.
    Kafka(KafkaVariables),
}

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
            stream: StreamConfig::read(&variables)?,
            auth_mode: auth_mode(&variables)?,
            origins: origins(&variables),
        })
    }
}

impl StreamConfig {
    fn read<F>(variables: &Variables<F>) -> Result<Self, Misconfigured>
    where
        F: Fn(&str) -> Option<String>,
    {
        const STREAM: &str = "DROVER_STREAM";
        match variables.optional(STREAM).as_deref() {
            None | Some("direct") => Ok(Self::Direct {
                ledger_table: variables.text("DROVER_LEDGER_TABLE")?,
                cache_bytes: variables.number("DROVER_CACHE_BYTES", 8 << 20, 0..=1 << 30)?,
                concurrency: variables.number("DROVER_CONCURRENCY", 32, 1..=256)?,
            }),
            Some("kafka") => Ok(Self::Kafka(KafkaVariables::read(variables)?)),
            Some(other) => {
                Err(Misconfigured::new(STREAM, format!("is no stream: value=`{other}`")))
            }
        }
    }
}

impl KafkaVariables {
    fn read<F>(variables: &Variables<F>) -> Result<Self, Misconfigured>
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

    fn read(more: &[(&str, &str)]) -> Result<StreamConfig, String> {
        let variables = Variables(|name: &str| {
            more.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned())
        });
        StreamConfig::read(&variables).map_err(|error| error.to_string())
    }

    fn kafka(more: &[(&str, &str)]) -> KafkaConfig {
        let named = [("DROVER_STREAM", "kafka"), ("DROVER_KAFKA_BOOTSTRAP", "b:9092")];
        let Ok(StreamConfig::Kafka(variables)) = read(&[&named, more].concat()) else {
            panic!("no configuration of Kafka")
        };
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
    fn a_stream_that_cannot_be_is_refused_by_the_name_of_its_variable() {
        let check = |more: &[(&str, &str)], expected: &str| {
            assert_eq!(read(more).expect_err("refused"), expected);
        };
        check(&[("DROVER_STREAM", "tape")], "DROVER_STREAM is no stream: value=`tape`");
        let kafka = [("DROVER_STREAM", "kafka")];
        check(&kafka, "DROVER_KAFKA_BOOTSTRAP is not set");
        let tls = [("DROVER_KAFKA_TLS", "1")];
        check(&[kafka, tls].concat(), "DROVER_KAFKA_TLS is not on or off: value=`1`");
        let user = [("DROVER_KAFKA_BOOTSTRAP", "b:9092"), ("DROVER_KAFKA_USER", "app")];
        check(&[&kafka[..], &user].concat(), "DROVER_KAFKA_PASSWORD_FILE is not set");
    }
}
