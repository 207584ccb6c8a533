//! The secrets of targets, from Secrets Manager or from files. No error and no log holds what they are.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Config;
use drover_aws::calls;
use drover_core::base::time::Timestamp;
use drover_core::intake::tenant::SecretName;

use super::{NotSent, failed, region};

/// How long a secret is kept, in seconds.
const KEPT_SECONDS: i64 = 60;
/// What Secrets Manager allows too.
const LARGEST_BYTES: u64 = 64 * 1024;

/// A secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(Arc<str>);

/// Reads secrets and keeps each for a while.
pub(super) struct Secrets {
    /// `None`: this deployment has no AWS.
    manager: Option<Client>,
    kept: Mutex<HashMap<SecretName, (Timestamp, Secret)>>,
}

impl Secret {
    fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.into()))
    }
}

impl Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

impl Secrets {
    /// Secrets in files or, with these settings, in Secrets Manager.
    pub(super) fn new(sdk: Option<&SdkConfig>) -> Self {
        Self { manager: sdk.map(Client::new), kept: Mutex::default() }
    }

    /// Reads a secret, at most once a minute.
    ///
    /// # Errors
    /// [`NotSent`]: it cannot be read or is empty.
    pub(super) async fn read(&self, name: &SecretName, now: Timestamp) -> Result<Secret, NotSent> {
        if let Some(secret) = self.kept(name, now) {
            return Ok(secret);
        }
        let secret = match name {
            SecretName::Arn(arn) => self.ask_manager(arn).await?,
            // On AWS a document would reach every file of the function.
            SecretName::File(path) if self.manager.is_some() => {
                let why = "secrets in files exist on the local host only";
                return Err(failed(format!("{why}: file=`{path}`")));
            }
            SecretName::File(path) => read_file(path)?,
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (read_at, _)| read_at.is_within(KEPT_SECONDS, now));
        kept.insert(name.clone(), (now, secret.clone()));
        Ok(secret)
    }

    fn kept(&self, name: &SecretName, now: Timestamp) -> Option<Secret> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_at, secret) = kept.get(name)?;
        read_at.is_within(KEPT_SECONDS, now).then(|| secret.clone())
    }

    async fn ask_manager(&self, arn: &str) -> Result<Secret, NotSent> {
        let Some(manager) = &self.manager else {
            return Err(failed(format!("there is no Secrets Manager here: arn=`{arn}`")));
        };
        let request = manager.get_secret_value().secret_id(arn).customize();
        let request = match region(arn) {
            Some(region) => request.config_override(Config::builder().region(region)),
            None => request,
        };
        let answer = request.send().await.map_err(|error| {
            let why = calls::unavailable("reading the secret of the target", &error);
            failed(format!("{why} arn=`{arn}`"))
        })?;
        let text = answer.secret_string().unwrap_or_default();
        Secret::new(text)
            .ok_or_else(|| failed(format!("the secret of the target is no text: arn=`{arn}`")))
    }
}

fn read_file(path: &str) -> Result<Secret, NotSent> {
    let text = beginning(path).map_err(|error| {
        let kind = error.kind();
        failed(format!("the secret of the target cannot be read: file=`{path}` cause=`{kind}`"))
    })?;
    Secret::new(&text)
        .ok_or_else(|| failed(format!("the secret of the target is empty: file=`{path}`")))
}

/// A whole file, unless it is too large for a secret.
fn beginning(path: &str) -> io::Result<String> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.len() > LARGEST_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut text = String::new();
    file.take(LARGEST_BYTES).read_to_string(&mut text)?;
    Ok(text)
}
