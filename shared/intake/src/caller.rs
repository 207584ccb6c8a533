//! Authenticates callers: turns an API key, or the claims of a token that API Gateway verified,
//! into the scope of one tenant. A request has no other way to a [`TenantScope`].
//!
//! A key is looked up by the hex digits of its SHA-256 in one read. The registry caches the result
//! for a minute, also for an unknown key. The stored digits are compared in constant time.

use std::collections::BTreeMap;
use std::sync::Arc;

use drover_core::base::error::Code;
use drover_core::base::metrics::{Meter, Metric, Tally};
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::intake::tenant::{KeyGrant, NamedTenant, Scope, Tenant};
use drover_core::ports::Documents;
use drover_core::registry::Registry;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::error::{Forbidden, IntakeError, Unauthenticated};
use crate::scopes::granted;

/// Maximum length of an API key, in bytes. Generated keys have a prefix and 43 characters.
const KEY_BYTES: usize = 256;
/// Claims that identify the token's holder, in order of preference.
const SUBJECTS: [&str; 3] = ["sub", "client_id", "azp"];
/// Maximum length of a recorded claim.
const SUBJECT_CHARACTERS: usize = 128;
/// Digits of an unknown key's hash that the log shows.
const HASH_DIGITS: usize = 12;
/// The name of a caller without credentials.
const ANONYMOUS: &str = "anonymous";

/// How callers authenticate. A deployment has one mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// `Authorization: Bearer <api key>`.
    Key(LocalKeys),
    /// A token that API Gateway's JWT authorizer verified.
    Jwt {
        /// The claim that holds the tenant.
        tenant_claim: String,
        /// The claim that lists the scopes `write`, `read`, `admin`.
        scope_claim: String,
        /// The exact prefix of Drover's scopes: `drover/` for `drover/write`. Other scopes are
        /// ignored.
        scope_prefix: String,
    },
}

/// Whether keys marked as local are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalKeys {
    /// Accepted, on the local host.
    Accepted,
    /// Refused, everywhere else.
    Refused,
}

/// The claims of a token that API Gateway verified, as strings. Only the decoder of the gateway's
/// event may create them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(pub BTreeMap<String, String>);

/// The credentials of a request.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    /// The header `Authorization` as sent.
    pub authorization: Option<Vec<u8>>,
    /// The claims that a gateway verified.
    pub claims: Option<Claims>,
}

/// An authenticated and authorized tenant.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The tenant's scope.
    pub scope: TenantScope,
    /// The tenant's document.
    pub tenant: Arc<Tenant>,
    /// The credentials' name, for audit records: `key:` and the key's id, or `token:` and the claim
    /// `sub`, `client_id` or `azp`, the first that exists.
    pub by: Arc<str>,
}

/// A refused caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The credentials' name as in [`Caller::by`], as far as it is known.
    pub by: Arc<str>,
    /// The reason.
    pub error: IntakeError,
}

/// Admits callers.
#[derive(Clone, Debug)]
pub struct Gate {
    /// How callers authenticate.
    pub mode: AuthMode,
}

impl Gate {
    /// Admits a caller with the needed scope. A refusal and its reason are logged.
    ///
    /// # Errors
    /// [`Denied`] for [`IntakeError::Unauthenticated`], [`IntakeError::Forbidden`], and
    /// [`IntakeError::Unavailable`] if the registry does not answer.
    pub async fn admit(
        &self,
        proof: &Proof,
        needed: Scope,
        now: Timestamp,
        registry: &Registry,
        documents: &impl Documents,
    ) -> Result<Caller, Denied> {
        let mut by = Arc::from(ANONYMOUS);
        let admitted = async {
            let presented = self.presented(proof, &mut by, now, registry, documents).await?;
            let tenant = registry.tenant(presented.named.id(), now, documents).await?;
            presented.admit(tenant, needed, Arc::clone(&by))
        };
        admitted.await.map_err(|error| {
            if !matches!(error, IntakeError::Unavailable(_)) {
                tracing::warn!(by = &*by, code = error.code(), why = %error, "refused");
            }
            Denied { by, error }
        })
    }

    /// Reads the credentials. Sets `by` to their name even if they are refused.
    async fn presented(
        &self,
        proof: &Proof,
        by: &mut Arc<str>,
        now: Timestamp,
        registry: &Registry,
        documents: &impl Documents,
    ) -> Result<Presented, IntakeError> {
        match &self.mode {
            AuthMode::Key(local) => {
                let sha256 = key_digits(proof.authorization.as_deref())?;
                *by = unknown_key(&sha256);
                let grant = registry.key(&sha256, now, documents).await?;
                let grant = grant.filter(|grant| is_of(grant, &sha256));
                let grant = grant.ok_or(Unauthenticated::UnknownKey)?;
                *by = format!("key:{}", grant.key().id).into();
                if grant.key().local && *local == LocalKeys::Refused {
                    return Err(Unauthenticated::UnknownKey.into());
                }
                Ok(Presented { named: grant.tenant(), scopes: grant.key().scopes.clone() })
            }
            AuthMode::Jwt { tenant_claim, scope_claim, scope_prefix } => {
                let claims = proof.claims.as_ref().ok_or(Unauthenticated::NoToken)?;
                *by = claims.subject();
                let tenant = claims.0.get(tenant_claim).ok_or(Unauthenticated::NoTenant)?;
                let named =
                    NamedTenant::by_gateway(tenant).map_err(|_| Unauthenticated::NoTenant)?;
                let scopes = claims.0.get(scope_claim).map(String::as_str).unwrap_or_default();
                Ok(Presented { named, scopes: granted(scopes, scope_prefix) })
            }
        }
    }
}

/// Counts authentication failures.
///
/// # Errors
/// Returns the given result unchanged.
pub fn counted(
    admitted: Result<Caller, Denied>,
    meter: &dyn Meter,
    function: &'static str,
    now: Timestamp,
) -> Result<Caller, Denied> {
    admitted.inspect_err(|denied| {
        if matches!(denied.error, IntakeError::Unauthenticated(_)) {
            let mut tally = Tally::default();
            tally.of(None).add(Metric::AuthenticationFailures);
            meter.record(function, &tally, now);
        }
    })
}

/// Tenant and scopes of the credentials, before the tenant's document is checked.
struct Presented {
    named: NamedTenant,
    scopes: Vec<Scope>,
}

impl Presented {
    fn admit(
        self,
        tenant: Option<Arc<Tenant>>,
        needed: Scope,
        by: Arc<str>,
    ) -> Result<Caller, IntakeError> {
        let tenant = tenant.ok_or(Unauthenticated::UnknownTenant)?;
        let scope = self.named.admit(Some(&tenant)).map_err(|rejection| match rejection.code {
            Code::TenantSuspended => IntakeError::from(Forbidden::TenantSuspended),
            _ => Unauthenticated::UnknownTenant.into(),
        })?;
        if !self.scopes.contains(&needed) {
            return Err(Forbidden::MissingScope(needed).into());
        }
        Ok(Caller { scope, tenant, by })
    }
}

impl Claims {
    /// The token's holder: a person or device (`sub`), else a client.
    fn subject(&self) -> Arc<str> {
        let subject = SUBJECTS.iter().find_map(|claim| self.0.get(*claim));
        let subject = subject.map(|subject| visible(subject)).unwrap_or_default();
        format!("token:{subject}").into()
    }
}

/// The hex digits of the SHA-256 of the sent key.
fn key_digits(authorization: Option<&[u8]>) -> Result<String, Unauthenticated> {
    let sent = authorization.ok_or(Unauthenticated::NoKey)?;
    let (scheme, key) = sent.split_at_checked("Bearer ".len()).ok_or(Unauthenticated::NoKey)?;
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return Err(Unauthenticated::NoKey);
    }
    let key = key.trim_ascii();
    if key.is_empty() || key.len() > KEY_BYTES {
        return Err(Unauthenticated::UnknownKey);
    }
    Ok(Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The name of an unknown key: the beginning of its hash, which is enough to find the key among
/// known ones.
fn unknown_key(sha256: &str) -> Arc<str> {
    let beginning = sha256.get(..HASH_DIGITS).unwrap_or_default();
    format!("unknown key:{beginning}").into()
}

fn is_of(grant: &KeyGrant, sha256: &str) -> bool {
    grant.key().sha256.as_bytes().ct_eq(sha256.as_bytes()).into()
}

/// A foreign text for a record: bounded, on one line.
fn visible(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(SUBJECT_CHARACTERS).collect()
}

#[cfg(test)]
mod tests;
