//! A Kafka user and password from Secrets Manager, in MSK's format:
//! `{"username":…,"password":…}`, <https://docs.aws.amazon.com/msk/latest/developerguide/msk-password.html>.
//! The secret is read once: restart the functions after a change.

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

/// Reads the user and the password from a secret.
///
/// # Errors
/// The secret cannot be read or has another format. The message holds nothing of the secret.
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

/// Drops the parser's error, because it quotes the secret.
fn parsed(text: &str) -> Option<(String, Password)> {
    let Secret { username, password } = serde_json::from_str(text).ok()?;
    let named = !username.is_empty() && !password.is_empty();
    // Not trimmed: a line break in the JSON string belongs to the password.
    named.then_some((username, Password(password)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_a_username_and_a_password_and_may_have_more_fields() {
        let whole = r#"{"username":"app","password":"a b\n","engine":"kafka"}"#;
        assert_eq!(parsed(whole), Some(("app".to_owned(), Password("a b\n".to_owned()))));
        let empty = [r#"{"username":"","password":"b"}"#, r#"{"username":"a","password":""}"#];
        let others = ["", "null", "a b", r#"{"username":"app"}"#, r#"{"user":"a","password":"b"}"#];
        for text in empty.into_iter().chain(others) {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
