//! The environment variables for a Kafka cluster, the same for every function. No variable holds a
//! secret: a password is in Secrets Manager or in a file, so that a listing of the environment does
//! not show it.
//!
//! Contradicting variables are an error, because ignoring either variable could be wrong.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use aws_config::SdkConfig;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::variables::{Misconfigured, Variables};
use drover_core::intake::event_log::TOPIC;

use super::{
    KafkaCluster, KafkaConfig, MskIam, NoRegion, Password, SaslMechanism, Security, secret,
};
use crate::sdk_config;

const AUTH: &str = "DROVER_KAFKA_AUTH";
const PASSWORD_FILE: &str = "DROVER_KAFKA_PASSWORD_FILE";
const SECRET: &str = "DROVER_KAFKA_SECRET_ARN";
const TLS: &str = "DROVER_KAFKA_TLS";
const USER: &str = "DROVER_KAFKA_USER";

/// How to reach a Kafka cluster, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaVariables {
    /// `DROVER_KAFKA_BOOTSTRAP`: `HOST:PORT`, or several separated by commas.
    pub bootstrap: String,
    /// `DROVER_KAFKA_TOPIC`: `drover.events` by default.
    pub topic: String,
    /// `DROVER_KAFKA_AUTH`.
    pub auth: KafkaAuth,
}

/// `DROVER_KAFKA_AUTH`: the authentication method. The default is `scram` if a user is set, else
/// `none`. `DROVER_KAFKA_TLS` is `on` (the default) or `off`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KafkaAuth {
    /// `none`: anonymous.
    None {
        /// Whether the connection uses TLS.
        tls: bool,
    },
    /// `scram` or `plain`: a user of the cluster.
    Sasl {
        /// `scram`: SCRAM-SHA-512; `plain`: PLAIN, which Azure Event Hubs requires.
        mechanism: SaslMechanism,
        /// Where the user's name and password are.
        user: KafkaUser,
        /// Whether the connection uses TLS. `plain` requires it unless every broker is on loopback.
        tls: bool,
    },
    /// `iam`: the ambient AWS role or user, always with TLS.
    Iam,
}

/// A SCRAM user, without the password itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KafkaUser {
    /// Name and password are in Secrets Manager.
    Secret {
        /// `DROVER_KAFKA_SECRET_ARN`
        arn: String,
    },
    /// The password is in a file, for deployments outside AWS.
    File {
        /// `DROVER_KAFKA_USER`
        name: String,
        /// `DROVER_KAFKA_PASSWORD_FILE`: the file that holds the password.
        password_file: PathBuf,
    },
}

/// Why the credentials could not be read.
#[derive(Debug, thiserror::Error)]
pub enum NoIdentity {
    /// The password file cannot be read.
    #[error("cannot read the password of the Kafka user: file=`{file}`")]
    Password {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The secret cannot be read.
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
    /// The same error for callers of a port.
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
    /// Reads the variables.
    ///
    /// # Errors
    /// The first variable that is missing or invalid.
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

    /// Reads the secrets and completes the configuration.
    ///
    /// # Errors
    /// [`NoIdentity`].
    pub async fn config(
        self,
        read: impl FnOnce(&Path) -> io::Result<String>,
    ) -> Result<KafkaConfig, NoIdentity> {
        self.config_in(read, sdk_config()).await
    }

    /// Like [`Self::config`], with the given AWS settings, which are awaited only if they are
    /// needed.
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
        let cluster = KafkaCluster { bootstrap: self.bootstrap, security };
        Ok(KafkaConfig { cluster, topic: self.topic })
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
                return Err(Misconfigured::new(TLS, format!("must be on or off: value=`{other}`")));
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
                let fault = format!("must be none, scram, plain or iam: value=`{other}`");
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
            // The message leaves out the value: it may be the secret itself.
            (Some(arn), None, None) if !arn.starts_with("arn:") => {
                Err(Misconfigured::new(SECRET, "is not an ARN"))
            }
            (Some(arn), None, None) => Ok(Some(Self::Secret { arn })),
            (None, Some(name), Some(file)) => {
                Ok(Some(Self::File { name, password_file: file.into() }))
            }
            (None, Some(_), None) => Err(Misconfigured::new(PASSWORD_FILE, "is not set")),
            (None, None, Some(_)) => Err(Misconfigured::new(USER, "is not set")),
            (Some(_), _, _) => {
                let fault = format!("cannot be combined with {USER} or {PASSWORD_FILE}");
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

/// Whether every broker is on loopback, so that the password never leaves this machine.
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
    fn kafka_uses_tls_unless_tls_is_off() {
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
    fn a_configured_user_implies_scram() {
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
        // A template sets unused variables to an empty text.
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
    fn an_error_names_the_missing_or_invalid_variable() {
        let check = |more: &[(&str, &str)], expected: &str| {
            assert_eq!(read(more).expect_err("refused"), expected);
        };
        check(&[("DROVER_KAFKA_BOOTSTRAP", "")], "DROVER_KAFKA_BOOTSTRAP is not set");
        check(&[(TLS, "1")], "DROVER_KAFKA_TLS must be on or off: value=`1`");
        check(&[(AUTH, "x")], "DROVER_KAFKA_AUTH must be none, scram, plain or iam: value=`x`");
        check(&[NAME], "DROVER_KAFKA_PASSWORD_FILE is not set");
        check(&[FILE], "DROVER_KAFKA_USER is not set");
        check(&[(SECRET, r#"{"password":"x"}"#)], "DROVER_KAFKA_SECRET_ARN is not an ARN");
    }

    #[test]
    fn contradicting_variables_are_rejected() {
        let check = |more: &[(&str, &str)], expected: &str| {
            assert_eq!(read(more).expect_err("refused"), expected);
        };
        let neither = "DROVER_KAFKA_SECRET_ARN is not set, and neither is DROVER_KAFKA_USER";
        check(&[(AUTH, "scram")], neither);
        check(&[(AUTH, "plain")], neither);
        let both = "DROVER_KAFKA_SECRET_ARN cannot be combined with DROVER_KAFKA_USER or \
            DROVER_KAFKA_PASSWORD_FILE";
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
