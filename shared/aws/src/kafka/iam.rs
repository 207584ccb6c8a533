//! Whom to be in MSK by IAM, and in MSK Serverless nothing else will do.
//!
//! The client speaks the SASL mechanism `AWS_MSK_IAM`: one message in JSON, which is a request for
//! `kafka-cluster:Connect` at the broker, signed as a URL is (SigV4) and valid for 900 seconds.
//! AWS's signer for Java does the same, <https://github.com/aws/aws-msk-iam-auth>; those for other
//! languages put such a URL into a token of OAUTHBEARER, which this is not.
//!
//! A broker is connected to with credentials that are asked for then, and nothing here keeps them:
//! whoever gives them knows when they end. Before a broker would end the session of a connection,
//! the client takes a new connection, and so asks again.

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

/// A role or a user of AWS, to brokers of one region.
#[derive(Clone)]
pub struct MskIam {
    region: Arc<str>,
    provider: SharedCredentialsProvider,
}

/// A signature is for one region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("IAM needs the region of the cluster, and none is set: AWS_REGION")]
pub struct NoRegion;

impl MskIam {
    /// Whoever these settings are for.
    ///
    /// # Errors
    /// They have no region, or no credentials at all.
    pub fn of(sdk: &SdkConfig) -> Result<Self, NoRegion> {
        let (region, provider) = sdk.region().zip(sdk.credentials_provider()).ok_or(NoRegion)?;
        Ok(Self { region: region.as_ref().into(), provider })
    }

    /// Always with TLS: MSK has no listener for IAM without it.
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

/// What the client signs with. A broker would refuse expired credentials too, but as it refuses
/// those that will never be good; new ones may come.
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

/// The error's own words and not those of its sources, which can hold anything.
fn no_credentials(error: &CredentialsError) -> KrafkaError {
    let message = format!("there are no AWS credentials: said=`{error}`");
    match error {
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_) => {
            KrafkaError::auth(message)
        }
        // A service that has them and does not answer; the list may grow.
        _ => may_pass(message),
    }
}

fn may_pass(message: String) -> KrafkaError {
    KrafkaError::network(io::Error::other(message))
}
