//! Kafka: connection, credentials, and creation of topics.
//!
//! - [`KafkaEventLog`]: the event log that ingest writes to
//! - [`KafkaFeeds`]: the topics of the feeds
//! - [`KafkaProducer`]: the producer of both
//! - [`KafkaReread`]: reads offsets again
//! - [`KafkaVariables`]: the environment variables
//! - [`MskIam`]: IAM credentials for MSK
//! - `secret`: credentials from Secrets Manager
//! - `fault`: error classification
//!
//! The Kafka client library is young, so only this module, its submodules and the local host's
//! event source use it.
//!
//! Left out: private certificate authorities and client certificates. TLS trusts Mozilla's root
//! certificates, which include Amazon's. The client authenticates with SCRAM, with IAM, or not at
//! all.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use drover_core::base::error::Unavailable;
use krafka::admin::{
    AdminClient, ConfigResource, CreateTopicsOptions, DescribeConfigsOptions,
    DescribeTopicsOptions, NewTopic,
};
use krafka::auth::{AuthConfig, TlsConfig};
use krafka::error::ErrorCode;
use krafka::{Kafka, KrafkaError};

pub use self::event_log::KafkaEventLog;
use self::fault::no_answer;
pub use self::fault::unavailable;
pub use self::feeds::KafkaFeeds;
pub use self::iam::{MskIam, NoRegion};
pub use self::producer::{KafkaProducer, Placed};
pub use self::reread::{KafkaReread, KafkaRereadOnDemand};
pub use self::variables::{KafkaAuth, KafkaUser, KafkaVariables, NoIdentity};

mod event_log;
mod fault;
mod feeds;
mod iam;
mod producer;
mod reread;
mod secret;
mod variables;

/// The number of partitions of a topic created here, the same as in the local host's event log.
pub const PARTITIONS: i32 = 4;

/// The client id in the broker's logs and quotas.
const CLIENT: &str = "drover";
/// A connection that died while the environment was frozen should cost a retry, not the whole
/// invocation.
const CONNECT: Duration = Duration::from_secs(2);
/// One request, including its connection.
const REQUEST: Duration = Duration::from_secs(4);
/// Connecting to the cluster through any of its brokers, or one request about topics.
const START: Duration = Duration::from_secs(5);
/// The pause between checks for a newly created topic.
const LOOK: Duration = Duration::from_millis(50);

/// How to reach a topic.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// The cluster.
    pub cluster: KafkaCluster,
    /// The topic.
    pub topic: String,
}

/// How to reach a cluster.
#[derive(Clone, Debug)]
pub struct KafkaCluster {
    /// `HOST:PORT`, or several separated by commas.
    pub bootstrap: String,
    /// Encryption and credentials.
    pub security: Security,
}

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicToCreate {
    /// The name.
    pub name: String,
    /// Whether the cluster keeps only the last record of each key.
    pub is_compacted: bool,
}

/// Encryption and credentials.
#[derive(Clone, Debug)]
pub enum Security {
    /// No encryption, no credentials.
    Plaintext,
    /// Encryption without credentials.
    Tls,
    /// SASL with a user and its password.
    Sasl {
        /// The SASL mechanism.
        mechanism: SaslMechanism,
        /// The user.
        user: String,
        /// The user's password.
        password: Password,
        /// Whether the connection uses TLS.
        tls: bool,
    },
    /// TLS, with MSK's IAM authentication.
    MskIam(MskIam),
}

/// The SASL mechanism of a user with a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslMechanism {
    /// SCRAM-SHA-512: the password itself is never sent.
    ScramSha512,
    /// PLAIN, which Azure Event Hubs requires: the password is sent, so without TLS it is allowed on
    /// loopback only.
    Plain,
}

/// A password. Only the Kafka client can read it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A configured password, without the line break at the end of its file.
    pub fn new(text: &str) -> Self {
        Self(text.trim_end_matches(['\r', '\n']).to_owned())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(…)")
    }
}

impl KafkaCluster {
    /// Connects to the cluster. The client keeps its own connection to each broker. A broker
    /// answers the requests of one connection in order, so a long poll for records needs a separate
    /// client.
    ///
    /// # Errors
    /// No broker answers, or the brokers reject the credentials.
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

    /// Creates the missing topics with [`PARTITIONS`] partitions and the broker's defaults, and
    /// waits until the brokers list them.
    ///
    /// # Errors
    /// [`Unavailable`]. Some topics may have been created.
    pub async fn create_topics(&self, topics: &[TopicToCreate]) -> Result<(), Unavailable> {
        self.create_topics_with(topics, PARTITIONS).await.map(drop)
    }

    /// The same with another number of partitions. Returns the names of the topics that did not exist.
    ///
    /// # Errors
    /// As for [`Self::create_topics`].
    pub async fn create_topics_with(
        &self,
        topics: &[TopicToCreate],
        partitions: i32,
    ) -> Result<BTreeSet<String>, Unavailable> {
        let failed = |error: KrafkaError| unavailable("creating topics", &error);
        const BROKERS_OWN: i16 = -1;
        let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        let new_topic = |topic: &TopicToCreate| {
            let new = NewTopic::new(&topic.name, partitions, BROKERS_OWN)?;
            let compacted = ("cleanup.policy", "compact");
            let configs = topic.is_compacted.then_some(compacted);
            Ok(configs.into_iter().fold(new, |new, (name, value)| new.with_config(name, value)))
        };
        let topics: Vec<NewTopic> =
            topics.iter().map(new_topic).collect::<Result<_, _>>().map_err(failed)?;
        let options = CreateTopicsOptions::default().timeout(START);
        let admin = self.client().await?.admin();
        let mut new = BTreeSet::new();
        for (name, created) in admin.create_topics(topics, options).await.map_err(failed)? {
            match created {
                Ok(()) => {
                    tracing::info!(topic = name, "created a topic");
                    new.insert(name);
                }
                Err(KrafkaError::Broker { code: ErrorCode::TopicAlreadyExists, .. }) => {}
                Err(error) => {
                    return Err(unavailable(&format!("creating the topic `{name}`"), &error));
                }
            }
        }
        self.until_known(&admin, &names).await?;
        Ok(new)
    }

    /// The topics among these that the cluster compacts.
    ///
    /// # Errors
    /// No broker answers, the caller may not read settings of topics, or a topic does not exist.
    pub async fn compacted(&self, topics: &[&str]) -> Result<BTreeSet<String>, Unavailable> {
        const POLICY: &str = "cleanup.policy";
        let failed = |error: KrafkaError| unavailable("reading the settings of topics", &error);
        let options = DescribeConfigsOptions::default();
        let options = options.config_names(vec![POLICY.to_owned()]).timeout(START);
        let resources: Vec<_> = topics.iter().map(|topic| ConfigResource::topic(*topic)).collect();
        let admin = self.client().await?.admin();
        let mut compacted = BTreeSet::new();
        for (topic, entries) in admin.describe_configs(resources, options).await.map_err(failed)? {
            let entries = entries.map_err(failed)?;
            let policy = entries.into_iter().find(|entry| entry.name == POLICY);
            let policy = policy.and_then(|entry| entry.value).unwrap_or_default();
            if policy.split(',').any(|part| part.trim() == "compact") {
                compacted.insert(topic.name);
            }
        }
        Ok(compacted)
    }

    /// Waits until the brokers list the topics: a new topic may be unknown to a broker for a
    /// moment.
    async fn until_known(&self, admin: &AdminClient, names: &[&str]) -> Result<(), Unavailable> {
        let known = async {
            for name in names {
                while partitions(admin, name).await?.is_none() {
                    tokio::time::sleep(LOOK).await;
                }
            }
            Ok(())
        };
        let late = |_| Err(no_answer("waiting for the new topics"));
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

/// The partitions of a topic in order, or `None` if the topic does not exist.
///
/// # Errors
/// No broker answers.
pub async fn partitions(admin: &AdminClient, topic: &str) -> Result<Option<Vec<i32>>, Unavailable> {
    Ok(describe(admin, topic).await?.map(|found| found.partitions))
}

/// A topic as the brokers describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundTopic {
    /// The topic's id. A topic that was deleted and created again has a new id.
    pub id: [u8; 16],
    /// The topic's partitions, in order.
    pub partitions: Vec<i32>,
}

/// Looks a topic up. `None`: the topic does not exist.
///
/// # Errors
/// No broker answers.
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
            let cluster = KafkaCluster {
                bootstrap: "127.0.0.1:9092".to_owned(),
                security: Security::Sasl { mechanism, user, password, tls: true },
            };
            let shown = format!("{cluster:?} {:?}", cluster.security.auth());
            assert!(shown.contains("app") && !shown.contains("secret-1"), "{shown}");
        }
    }
}
