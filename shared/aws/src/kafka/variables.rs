//! How to reach a Kafka cluster, by the same variables for every function that does. No variable is
//! a secret: a password is in Secrets Manager, or in a file where there is none, so that no listing
//! of the environment shows it.
//!
//! Variables that contradict each other are refused, because the one that is not followed may be
//! the one that was meant.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use aws_config::SdkConfig;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::variables::{Misconfigured, Variables};
use drover_core::intake::event_log::TOPIC;

use super::{KafkaConfig, MskIam, NoRegion, Password, SaslMechanism, Security, secret};
use crate::sdk_config;

const AUTH: &str = "DROVER_KAFKA_AUTH";
const PASSWORD_FILE: &str = "DROVER_KAFKA_PASSWORD_FILE";
const SECRET: &str = "DROVER_KAFKA_SECRET_ARN";
const TLS: &str = "DROVER_KAFKA_TLS";
const USER: &str = "DROVER_KAFKA_USER";

/// How to reach a Kafka cluster, but for what is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaVariables {
    /// `DROVER_KAFKA_BOOTSTRAP`: `HOST:PORT`, or several with commas between them.
    pub bootstrap: String,
    /// `DROVER_KAFKA_TOPIC`: `drover.events` by default.
    pub topic: String,
    /// `DROVER_KAFKA_AUTH`.
    pub auth: KafkaAuth,
}

/// `DROVER_KAFKA_AUTH`: how to authenticate. Where it is not set, `scram` if there is a user, else
/// `none`. `DROVER_KAFKA_TLS` is `on` (the default) or `off`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KafkaAuth {
    /// `none`: whoever connects.
    None {
        /// Encryption.
        tls: bool,
    },
    /// `scram` or `plain`: a user of the cluster.
    Sasl {
        /// `scram`: SCRAM-SHA-512; `plain`: PLAIN, as Azure Event Hubs asks for it.
        mechanism: SaslMechanism,
        /// Where its name and its password are.
        user: KafkaUser,
        /// Encryption below it. `plain` without it is refused unless every broker is on this machine.
        tls: bool,
    },
    /// `iam`: the ambient role or user of AWS, always with encryption.
    Iam,
}

/// A user, but for the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KafkaUser {
    /// Both in Secrets Manager.
    Secret {
        /// `DROVER_KAFKA_SECRET_ARN`
        arn: String,
    },
    /// Somewhere other than AWS.
    File {
        /// `DROVER_KAFKA_USER`
        name: String,
        /// `DROVER_KAFKA_PASSWORD_FILE`: where the password is.
        password_file: PathBuf,
    },
}

/// Why it is not known whom to be.
#[derive(Debug, thiserror::Error)]
pub enum NoIdentity {
    /// The file.
    #[error("cannot read the password of the Kafka user: file=`{file}`")]
    Password {
        /// Which one.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The secret.
    #[error(transparent)]
    Secret(#[from] Unavailable),
    /// IAM without a region.
    #[error(transparent)]
    Region(#[from] NoRegion),
    /// PLAIN without TLS to another machine.
    #[error("SASL/PLAIN without TLS would send the password as text: bootstrap=`{bootstrap}`")]
    PasswordInClear {
        /// The brokers.
        bootstrap: String,
    },
}

impl NoIdentity {
    /// To those who can only wait.
    pub(super) fn unavailable(self) -> Unavailable {
        match self {
            Self::Secret(error) => error,
            Self::Password { .. } | Self::Region(_) | Self::PasswordInClear { .. } => {
                Unavailable::new(Reason::Misconfigured, self.to_string())
            }
        }
    }
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
        Ok(Self {
            auth: KafkaAuth::read(variables)?,
            bootstrap: variables.text("DROVER_KAFKA_BOOTSTRAP")?,
            topic: variables.optional("DROVER_KAFKA_TOPIC").unwrap_or_else(|| TOPIC.to_owned()),
        })
    }

    /// With what is secret, which is read only now.
    ///
    /// # Errors
    /// [`NoIdentity`].
    pub async fn config(
        self,
        read: impl FnOnce(&Path) -> io::Result<String>,
    ) -> Result<KafkaConfig, NoIdentity> {
        self.config_in(read, sdk_config()).await
    }

    /// With settings of AWS that somebody else makes, where they are needed at all.
    ///
    /// # Errors
    /// [`NoIdentity`].
    pub async fn config_in(
        self,
        read: impl FnOnce(&Path) -> io::Result<String>,
        sdk: impl Future<Output = SdkConfig>,
    ) -> Result<KafkaConfig, NoIdentity> {
        let security = match self.auth {
            KafkaAuth::None { tls: false } => Security::Plaintext,
            KafkaAuth::None { tls: true } => Security::Tls,
            KafkaAuth::Sasl { mechanism: SaslMechanism::Plain, tls: false, .. }
                if !is_this_machine(&self.bootstrap) =>
            {
                return Err(NoIdentity::PasswordInClear { bootstrap: self.bootstrap });
            }
            KafkaAuth::Sasl { mechanism, user, tls } => {
                let (user, password) = match user {
                    KafkaUser::Secret { arn } => secret::user(&sdk.await, &arn).await?,
                    KafkaUser::File { name, password_file: file } => match read(&file) {
                        Ok(text) => (name, Password::new(&text)),
                        Err(source) => return Err(NoIdentity::Password { file, source }),
                    },
                };
                Security::Sasl { mechanism, user, password, tls }
            }
            KafkaAuth::Iam => Security::MskIam(MskIam::of(&sdk.await)?),
        };
        Ok(KafkaConfig { bootstrap: self.bootstrap, topic: self.topic, security })
    }
}

impl KafkaAuth {
    fn read<F>(variables: &Variables<F>) -> Result<Self, Misconfigured>
    where
        F: Fn(&str) -> Option<String>,
    {
        let tls = match variables.optional(TLS).as_deref() {
            None | Some("on") => true,
            Some("off") => false,
            Some(other) => {
                return Err(Misconfigured::new(TLS, format!("is not on or off: value=`{other}`")));
            }
        };
        let user = KafkaUser::read(variables)?;
        match (variables.optional(AUTH).as_deref(), user) {
            (None | Some("none"), None) => Ok(Self::None { tls }),
            (None | Some("scram"), Some(user)) => {
                Ok(Self::Sasl { mechanism: SaslMechanism::ScramSha512, user, tls })
            }
            (Some("plain"), Some(user)) => {
                Ok(Self::Sasl { mechanism: SaslMechanism::Plain, user, tls })
            }
            (Some("scram" | "plain"), None) => {
                Err(Misconfigured::new(SECRET, format!("is not set, and neither is {USER}")))
            }
            (Some("iam"), None) if tls => Ok(Self::Iam),
            (Some("iam"), None) => Err(Misconfigured::new(TLS, "cannot be off with IAM")),
            (Some(auth @ ("none" | "iam")), Some(user)) => {
                let fault = format!("is set, but {AUTH} is not scram or plain: value=`{auth}`");
                Err(Misconfigured::new(user.variable(), fault))
            }
            (Some(other), _) => {
                let fault = format!("is not none, scram, plain or iam: value=`{other}`");
                Err(Misconfigured::new(AUTH, fault))
            }
        }
    }
}

impl KafkaUser {
    fn read<F>(variables: &Variables<F>) -> Result<Option<Self>, Misconfigured>
    where
        F: Fn(&str) -> Option<String>,
    {
        let [arn, name, file] = [SECRET, USER, PASSWORD_FILE].map(|name| variables.optional(name));
        match (arn, name, file) {
            (None, None, None) => Ok(None),
            // Without its value: somebody may have put the secret itself there.
            (Some(arn), None, None) if !arn.starts_with("arn:") => {
                Err(Misconfigured::new(SECRET, "is no ARN"))
            }
            (Some(arn), None, None) => Ok(Some(Self::Secret { arn })),
            (None, Some(name), Some(file)) => {
                Ok(Some(Self::File { name, password_file: file.into() }))
            }
            (None, Some(_), None) => Err(Misconfigured::new(PASSWORD_FILE, "is not set")),
            (None, None, Some(_)) => Err(Misconfigured::new(USER, "is not set")),
            (Some(_), _, _) => {
                let fault = format!("is set beside {USER} or {PASSWORD_FILE}");
                Err(Misconfigured::new(SECRET, fault))
            }
        }
    }

    fn variable(&self) -> &'static str {
        match self {
            Self::Secret { .. } => SECRET,
            Self::File { .. } => USER,
        }
    }
}

/// Whether every broker is on this machine: what is sent there is on no wire.
fn is_this_machine(bootstrap: &str) -> bool {
    bootstrap.split(',').all(|broker| {
        let host = broker.rsplit_once(':').map_or(broker, |(host, _)| host);
        let host = host.trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: (&str, &str) = (SECRET, "arn:aws:secretsmanager:eu-central-1:1:secret:AmazonMSK_a");
    const NAME: (&str, &str) = (USER, "app");
    const FILE: (&str, &str) = (PASSWORD_FILE, "/secret");

    fn read(more: &[(&str, &str)]) -> Result<KafkaVariables, String> {
        let cluster = [("DROVER_KAFKA_BOOTSTRAP", "b:9092")];
        let variables = Variables(|name: &str| {
            let mut all = more.iter().chain(&cluster);
            all.find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned())
        });
        KafkaVariables::read(&variables).map_err(|error| error.to_string())
    }

    fn auth(more: &[(&str, &str)]) -> KafkaAuth {
        read(more).expect("a configuration of Kafka").auth
    }

    #[test]
    fn kafka_is_encrypted_unless_it_is_said_otherwise() {
        let expected = KafkaVariables {
            bootstrap: "b:9092".to_owned(),
            topic: "drover.events".to_owned(),
            auth: KafkaAuth::None { tls: true },
        };
        assert_eq!(read(&[]), Ok(expected.clone()));
        let (topic, auth) = ("other".to_owned(), KafkaAuth::None { tls: false });
        let other = read(&[(TLS, "off"), ("DROVER_KAFKA_TOPIC", "other")]);
        assert_eq!(other, Ok(KafkaVariables { topic, auth, ..expected }));
    }

    #[test]
    fn whoever_has_a_user_is_that_user_unless_it_is_said_otherwise() {
        let password_file = PathBuf::from("/secret");
        let user = KafkaUser::File { name: "app".to_owned(), password_file };
        let mechanism = SaslMechanism::ScramSha512;
        let of_file = KafkaAuth::Sasl { mechanism, user: user.clone(), tls: true };
        assert_eq!(auth(&[NAME, FILE]), of_file);
        assert_eq!(auth(&[NAME, FILE, (AUTH, "scram")]), of_file);
        let plain = KafkaAuth::Sasl { mechanism: SaslMechanism::Plain, user, tls: true };
        assert_eq!(auth(&[NAME, FILE, (AUTH, "plain")]), plain);
        let user = KafkaUser::Secret { arn: ARN.1.to_owned() };
        let of_secret = KafkaAuth::Sasl { mechanism, user, tls: true };
        assert_eq!(auth(&[ARN]), of_secret);
        assert_eq!(auth(&[ARN, (AUTH, "scram")]), of_secret);
        // A template sets what it has nothing for to an empty text.
        assert_eq!(auth(&[ARN, (USER, ""), (PASSWORD_FILE, "")]), of_secret);
        assert_eq!(auth(&[(AUTH, "iam"), (SECRET, "")]), KafkaAuth::Iam);
        assert_eq!(auth(&[(AUTH, "none")]), KafkaAuth::None { tls: true });
    }

    #[test]
    fn a_password_is_sent_as_text_to_this_machine_only() {
        for near in ["localhost:9092", "127.0.0.1:1,127.9.9.9:2", "[::1]:9092"] {
            assert!(is_this_machine(near), "{near}");
        }
        for far in ["example.com:9093", "localhost.example:9092", "127.0.0.1:1,10.0.0.1:2", ""] {
            assert!(!is_this_machine(far), "{far}");
        }
    }

    #[test]
    fn a_cluster_that_cannot_be_reached_is_refused_by_the_name_of_its_variable() {
        let check = |more: &[(&str, &str)], expected: &str| {
            assert_eq!(read(more).expect_err("refused"), expected);
        };
        check(&[("DROVER_KAFKA_BOOTSTRAP", "")], "DROVER_KAFKA_BOOTSTRAP is not set");
        check(&[(TLS, "1")], "DROVER_KAFKA_TLS is not on or off: value=`1`");
        check(&[(AUTH, "x")], "DROVER_KAFKA_AUTH is not none, scram, plain or iam: value=`x`");
        check(&[NAME], "DROVER_KAFKA_PASSWORD_FILE is not set");
        check(&[FILE], "DROVER_KAFKA_USER is not set");
        check(&[(SECRET, r#"{"password":"x"}"#)], "DROVER_KAFKA_SECRET_ARN is no ARN");
    }

    #[test]
    fn variables_that_contradict_each_other_are_refused() {
        let check = |more: &[(&str, &str)], expected: &str| {
            assert_eq!(read(more).expect_err("refused"), expected);
        };
        let neither = "DROVER_KAFKA_SECRET_ARN is not set, and neither is DROVER_KAFKA_USER";
        check(&[(AUTH, "scram")], neither);
        check(&[(AUTH, "plain")], neither);
        let both =
            "DROVER_KAFKA_SECRET_ARN is set beside DROVER_KAFKA_USER or DROVER_KAFKA_PASSWORD_FILE";
        check(&[ARN, NAME], both);
        check(&[ARN, FILE], both);
        check(&[(AUTH, "iam"), (TLS, "off")], "DROVER_KAFKA_TLS cannot be off with IAM");
        for auth in ["iam", "none"] {
            let set =
                format!("is set, but DROVER_KAFKA_AUTH is not scram or plain: value=`{auth}`");
            check(&[(AUTH, auth), NAME, FILE], &format!("DROVER_KAFKA_USER {set}"));
            check(&[(AUTH, auth), ARN], &format!("DROVER_KAFKA_SECRET_ARN {set}"));
        }
    }
}
