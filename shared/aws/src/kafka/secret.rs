//! A user of Kafka and its password from Secrets Manager, in the form that MSK has for them:
//! `{"username":…,"password":…}`, <https://docs.aws.amazon.com/msk/latest/developerguide/msk-password.html>.
//! Read once; whoever changes it starts the functions again.

use aws_config::SdkConfig;
use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use serde::Deserialize;

use super::Password;
use crate::calls;

#[derive(Deserialize)]
struct Secret {
    username: String,
    password: String,
}

/// The user and the password that are in a secret.
///
/// # Errors
/// It cannot be read, or holds something else. The message holds nothing of it.
pub(super) async fn user(sdk: &SdkConfig, arn: &str) -> Result<(String, Password), Unavailable> {
    let client = aws_sdk_secretsmanager::Client::new(sdk);
    let answer = client.get_secret_value().secret_id(arn).send().await;
    let answer = answer.map_err(|error| {
        calls::unavailable("reading the Kafka secret", &error).of(Dependency::SecretStore)
    })?;
    parsed(answer.secret_string().unwrap_or_default()).ok_or_else(|| {
        let message = format!("the Kafka secret is not {{\"username\",\"password\"}}: arn=`{arn}`");
        Unavailable::new(Reason::Misconfigured, message).of(Dependency::SecretStore)
    })
}

/// Without the parser's error, which quotes what it found.
fn parsed(text: &str) -> Option<(String, Password)> {
    let Secret { username, password } = serde_json::from_str(text).ok()?;
    let named = !username.is_empty() && !password.is_empty();
    // As it is: a password in JSON has no line break that is not part of it.
    named.then_some((username, Password(password)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_username_and_a_password_and_may_be_more() {
        let whole = r#"{"username":"app","password":"a b\n","engine":"kafka"}"#;
        assert_eq!(parsed(whole), Some(("app".to_owned(), Password("a b\n".to_owned()))));
        let empty = [r#"{"username":"","password":"b"}"#, r#"{"username":"a","password":""}"#];
        let others = ["", "null", "a b", r#"{"username":"app"}"#, r#"{"user":"a","password":"b"}"#];
        for text in empty.into_iter().chain(others) {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
