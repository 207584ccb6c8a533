//! Kafka: how to reach it, whom to be there, and the topics that must exist.
//!
//! - [`KafkaEventLog`]: what ingest writes to
//! - [`KafkaReread`]: offsets that are read again
//! - [`KafkaVariables`]: how the environment says where it is
//! - [`MskIam`]: whom to be in MSK by IAM
//! - `secret`: whom to be by a secret of Secrets Manager
//! - `fault`: what a failed call means
//!
//! The client is young, so it shows up here, below, and where the local host reads a stream, and
//! nowhere else.
//!
//! Left out: certificates of one's own. TLS trusts Mozilla's roots, among them Amazon's, and the
//! client proves who it is by SCRAM or IAM, or not at all.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use drover_core::base::error::Unavailable;
use krafka::admin::{AdminClient, CreateTopicsOptions, DescribeTopicsOptions, NewTopic};
use krafka::auth::{AuthConfig, TlsConfig};
use krafka::error::ErrorCode;
use krafka::{Kafka, KrafkaError};

pub use self::event_log::{KafkaEventLog, Placed};
use self::fault::no_answer;
pub use self::fault::unavailable;
pub use self::iam::{MskIam, NoRegion};
pub use self::reread::{KafkaReread, KafkaRereadOnDemand};
pub use self::variables::{KafkaAuth, KafkaUser, KafkaVariables, NoIdentity};

mod event_log;
mod fault;
mod iam;
mod reread;
mod secret;
mod variables;

/// Partitions of a topic that is created here, as many as the local host's own stream has.
pub const PARTITIONS: i32 = 4;

/// Who we are in the broker's logs and quotas.
const CLIENT: &str = "drover";
/// A connection that died while an environment was frozen should cost a retry and not the
/// invocation.
const CONNECT: Duration = Duration::from_secs(2);
/// One request, its connection included.
const REQUEST: Duration = Duration::from_secs(4);
/// Reaching the cluster, whichever of its brokers answers, or one request about topics.
const START: Duration = Duration::from_secs(5);
/// How often there is a look for a topic that was created.
const LOOK: Duration = Duration::from_millis(50);

/// How to reach a topic.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// `HOST:PORT`, or several with commas between them.
    pub bootstrap: String,
    /// The topic.
    pub topic: String,
    /// What is between us and the brokers.
    pub security: Security,
}

/// Encryption and credentials.
#[derive(Clone, Debug)]
pub enum Security {
    /// Neither.
    Plaintext,
    /// Encryption alone.
    Tls,
    /// SASL with a user and its password.
    Sasl {
        /// How the password is proven.
        mechanism: SaslMechanism,
        /// The user.
        user: String,
        /// Its password.
        password: Password,
        /// Encryption below it.
        tls: bool,
    },
    /// Encryption, and IAM as MSK has it.
    MskIam(MskIam),
}

/// How a user proves its password to a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslMechanism {
    /// SCRAM-SHA-512: the password itself is never sent.
    ScramSha512,
    /// PLAIN: the password is sent, as Azure Event Hubs asks for it. Without TLS only to this machine.
    Plain,
}

/// A password. It has no way out but into the client.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// As it was configured; the line break at the end of a file is no part of it.
    pub fn new(text: &str) -> Self {
        Self(text.trim_end_matches(['\r', '\n']).to_owned())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(…)")
    }
}

impl KafkaConfig {
    /// A connection to the cluster, with connections of its own to each broker. A broker answers
    /// the requests of one connection in turn, so whoever waits for records needs a client apart.
    ///
    /// # Errors
    /// No broker answers, or they refuse the credentials.
    pub async fn client(&self) -> Result<Kafka, Unavailable> {
        self.client_as(self.security.auth()).await
    }

    async fn client_as(&self, auth: AuthConfig) -> Result<Kafka, Unavailable> {
        let client = Kafka::builder(&self.bootstrap)
            .client_id(CLIENT)
            .security(auth)
            .connect_timeout(CONNECT)
            .request_timeout(REQUEST)
            .connect();
        let operation = format!("connecting to Kafka at `{}`", self.bootstrap);
        match tokio::time::timeout(START, client).await {
            Ok(connected) => connected.map_err(|error| unavailable(&operation, &error)),
            Err(_) => Err(no_answer(&operation)),
        }
    }

    /// Creates those of the topics that do not exist, with [`PARTITIONS`] partitions and the
    /// broker's own settings for the rest, and waits until the brokers say that they are there.
    ///
    /// # Errors
    /// [`Unavailable`]; some may have been created.
    pub async fn create_topics(&self, names: &[&str]) -> Result<(), Unavailable> {
        let failed = |error: KrafkaError| unavailable("creating topics", &error);
        const BROKERS_OWN: i16 = -1;
        let topics = names.iter().map(|name| NewTopic::new(*name, PARTITIONS, BROKERS_OWN));
        let topics: Vec<NewTopic> = topics.collect::<Result<_, _>>().map_err(failed)?;
        let options = CreateTopicsOptions::default().timeout(START);
        let admin = self.client().await?.admin();
        for (name, created) in admin.create_topics(topics, options).await.map_err(failed)? {
            match created {
                Ok(()) => tracing::info!(topic = name, "created a topic"),
                Err(KrafkaError::Broker { code: ErrorCode::TopicAlreadyExists, .. }) => {}
                Err(error) => {
                    return Err(unavailable(&format!("creating the topic `{name}`"), &error));
                }
            }
        }
        self.until_known(&admin, names).await
    }

    /// What one broker has created another one, or the same, may not know for a moment.
    async fn until_known(&self, admin: &AdminClient, names: &[&str]) -> Result<(), Unavailable> {
        let known = async {
            for name in names {
                while partitions(admin, name).await?.is_none() {
                    tokio::time::sleep(LOOK).await;
                }
            }
            Ok(())
        };
        let late = |_| Err(no_answer("waiting for the topics that were created"));
        tokio::time::timeout(START, known).await.unwrap_or_else(late)
    }
}

impl Security {
    fn auth(&self) -> AuthConfig {
        match self {
            Self::Plaintext => AuthConfig::plaintext(),
            Self::Tls => AuthConfig::ssl(TlsConfig::new()),
            Self::Sasl { mechanism, user, password, tls } => {
                let auth = match mechanism {
                    SaslMechanism::ScramSha512 => AuthConfig::sasl_scram_sha512(user, &password.0),
                    SaslMechanism::Plain => AuthConfig::sasl_plain(user, &password.0),
                };
                if *tls { auth.with_tls(TlsConfig::new()) } else { auth }
            }
            Self::MskIam(identity) => identity.auth(),
        }
    }
}

/// The partitions of a topic in order, or `None` where there is no such topic.
///
/// # Errors
/// No broker says.
pub async fn partitions(admin: &AdminClient, topic: &str) -> Result<Option<Vec<i32>>, Unavailable> {
    Ok(describe(admin, topic).await?.map(|found| found.partitions))
}

/// A topic as the brokers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundTopic {
    /// Its identity: another one once it was deleted and made anew.
    pub id: [u8; 16],
    /// Its partitions, in order.
    pub partitions: Vec<i32>,
}

/// Looks a topic up; `None`: there is no such topic.
///
/// # Errors
/// No broker says.
pub async fn describe(admin: &AdminClient, topic: &str) -> Result<Option<FoundTopic>, Unavailable> {
    let operation = format!("looking up the topic `{topic}`");
    let options = DescribeTopicsOptions::default().timeout(START);
    let described = admin.describe_topics([topic], options).await;
    let mut described: HashMap<_, _> =
        described.map_err(|error| unavailable(&operation, &error))?;
    match described.remove(topic) {
        Some(Ok(found)) => {
            let partitions = found.partitions.iter().map(|one| one.partition).collect();
            Ok(Some(FoundTopic { id: found.topic_id, partitions }))
        }
        None | Some(Err(KrafkaError::Broker { code: ErrorCode::UnknownTopicOrPartition, .. })) => {
            Ok(None)
        }
        Some(Err(error)) => Err(unavailable(&operation, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let password = Password::new("secret-1\r\n");
        assert_eq!(password, Password::new("secret-1"));
        for mechanism in [SaslMechanism::ScramSha512, SaslMechanism::Plain] {
            let (user, password) = ("app".to_owned(), password.clone());
            let config = KafkaConfig {
                bootstrap: "127.0.0.1:9092".to_owned(),
                topic: "events".to_owned(),
                security: Security::Sasl { mechanism, user, password, tls: true },
            };
            let shown = format!("{config:?} {:?}", config.security.auth());
            assert!(shown.contains("app") && !shown.contains("secret-1"), "{shown}");
        }
    }
}
