//! IAM authentication for MSK. MSK Serverless supports no other method.
//!
//! The client uses the SASL mechanism `AWS_MSK_IAM`: one JSON message with a presigned request
//! (SigV4, valid for 900 seconds) for `kafka-cluster:Connect` at the broker. AWS's signer for Java
//! does the same, <https://github.com/aws/aws-msk-iam-auth>. AWS's signers for other languages put
//! such a URL into an OAUTHBEARER token; this module does not.
//!
//! Each connection to a broker asks the provider for credentials, and nothing here caches them: the
//! provider knows when they expire. The client opens a new connection, with new credentials, before
//! the broker would end the session.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use drover_core::base::time::Timestamp;
use krafka::KrafkaError;
use krafka::auth::{AuthConfig, AwsMskIamCredentials, CredentialProvider};

use crate::clock;

#[cfg(test)]
mod tests;

/// An AWS role or user, for brokers of one region.
#[derive(Clone)]
pub struct MskIam {
    region: Arc<str>,
    provider: SharedCredentialsProvider,
}

/// IAM authentication needs a region, because a signature is valid for one region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("IAM needs the cluster's region, but AWS_REGION is not set")]
pub struct NoRegion;

impl MskIam {
    /// The identity of these SDK settings.
    ///
    /// # Errors
    /// The settings have no region or no credentials provider.
    pub fn of(sdk: &SdkConfig) -> Result<Self, NoRegion> {
        let (region, provider) = sdk.region().zip(sdk.credentials_provider()).ok_or(NoRegion)?;
        Ok(Self { region: region.as_ref().into(), provider })
    }

    /// Always with TLS: MSK has no IAM listener without TLS.
    pub(super) fn auth(&self) -> AuthConfig {
        AuthConfig::aws_msk_iam_provider(self.clone())
    }
}

impl CredentialProvider<AwsMskIamCredentials> for MskIam {
    async fn credentials(&self) -> krafka::Result<AwsMskIamCredentials> {
        let given = self.provider.provide_credentials().await;
        let given = given.map_err(|error| no_credentials(&error))?;
        unexpired(&given, &self.region, clock::now())
    }
}

impl fmt::Debug for MskIam {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MskIam({})", self.region)
    }
}

/// The client's signing credentials, unless they have expired. A broker rejects expired and wrong
/// credentials with the same error, but expired credentials may be renewed.
fn unexpired(
    given: &Credentials,
    region: &str,
    now: Timestamp,
) -> krafka::Result<AwsMskIamCredentials> {
    let expiry = given.expiry().map(|at| at.duration_since(UNIX_EPOCH).unwrap_or_default());
    let now = Duration::from_micros(u64::try_from(now.micros()).unwrap_or_default());
    if expiry.is_some_and(|expiry| expiry <= now) {
        return Err(may_pass("the AWS credentials have expired".to_owned()));
    }
    let (id, secret) = (given.access_key_id(), given.secret_access_key());
    let signing = AwsMskIamCredentials::new(id, secret, region);
    Ok(match given.session_token() {
        Some(token) => signing.with_session_token(token),
        None => signing,
    })
}

/// Shows the error's own message and not its sources, which may contain secrets.
fn no_credentials(error: &CredentialsError) -> KrafkaError {
    let message = format!("no AWS credentials: said=`{error}`");
    match error {
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_) => {
            KrafkaError::auth(message)
        }
        // The credentials service does not answer. The enum may gain variants.
        _ => may_pass(message),
    }
}

fn may_pass(message: String) -> KrafkaError {
    KrafkaError::network(io::Error::other(message))
}
