//! Who calls: from an API key, or from the claims of a token that API Gateway verified, to the
//! scope of one tenant. There is no other way from a request to a [`TenantScope`].
//!
//! A key is found by the digits of its SHA-256, in one read that the registry keeps for a minute,
//! an unknown key's as well. What was found is compared in constant time.

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

/// The longest API key that is looked at, in bytes. Ours have 43 characters and a prefix.
const KEY_BYTES: usize = 256;
/// Claims that say whose a token is, the best first.
const SUBJECTS: [&str; 3] = ["sub", "client_id", "azp"];
/// What is kept of them.
const SUBJECT_CHARACTERS: usize = 128;
/// What the log shows of the hash of a key that nobody knows.
const HASH_DIGITS: usize = 12;
/// Who sends no credentials.
const NOBODY: &str = "nobody";

/// How callers prove who they are: one way for each deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// `Authorization: Bearer <api key>`.
    Key(LocalKeys),
    /// A token that API Gateway's JWT authorizer verified.
    Jwt {
        /// The claim that names the tenant.
        tenant_claim: String,
        /// The claim that lists `write`, `read`, `admin`.
        scope_claim: String,
        /// What each of them begins with, exactly: `drover/` for `drover/write`. Other scopes are
        /// not ours.
        scope_prefix: String,
    },
}

/// Whether keys that are marked local open anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalKeys {
    /// On the local host.
    Accepted,
    /// Everywhere else.
    Refused,
}

/// The claims of a token that API Gateway verified, as texts. Only the code that decodes the gateway's event
/// makes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(pub BTreeMap<String, String>);

/// What a request brings to prove who sent it.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    /// `Authorization`, as sent.
    pub authorization: Option<Vec<u8>>,
    /// The claims that a gateway verified.
    pub claims: Option<Claims>,
}

/// A tenant that proved who it is, and may do what it asks for.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The proof.
    pub scope: TenantScope,
    /// Its document.
    pub tenant: Arc<Tenant>,
    /// Whose credentials these are, for records of what was done: `key:` and the key's id, or
    /// `token:` and the claim `sub`, else `client_id` or `azp`, as far as there is one.
    pub by: Arc<str>,
}

/// A sender that may not do what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Whose credentials these are, as in [`Caller::by`], as far as that was found out.
    pub by: Arc<str>,
    /// Why.
    pub error: IntakeError,
}

/// Decides who may pass.
#[derive(Clone, Debug)]
pub struct Gate {
    /// How callers prove who they are.
    pub mode: AuthMode,
}

impl Gate {
    /// The caller, if it may do what it asks for. The log names each refused sender and the reason.
    ///
    /// # Errors
    /// [`Denied`] for [`IntakeError::Unauthenticated`], [`IntakeError::Forbidden`], and
    /// [`IntakeError::Unavailable`] where the registry did not answer.
    pub async fn admit(
        &self,
        proof: &Proof,
        needed: Scope,
        now: Timestamp,
        registry: &Registry,
        documents: &impl Documents,
    ) -> Result<Caller, Denied> {
        let mut by = Arc::from(NOBODY);
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

    /// What credentials say. `by` says whose they are, also where they are refused.
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

/// Counts senders that did not prove who they are.
///
/// # Errors
/// As it was.
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

/// What credentials say, before the tenant's document was looked at.
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
            return Err(Forbidden::MissingScope.into());
        }
        Ok(Caller { scope, tenant, by })
    }
}

impl Claims {
    /// Whose token it is: a person's or a device's (`sub`), else a client's.
    fn subject(&self) -> Arc<str> {
        let subject = SUBJECTS.iter().find_map(|claim| self.0.get(*claim));
        let subject = subject.map(|subject| visible(subject)).unwrap_or_default();
        format!("token:{subject}").into()
    }
}

/// The hexadecimal digits of the SHA-256 of the key that was sent.
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

/// A key that nobody knows, by the beginning of its hash: enough to find it again among one's own.
fn unknown_key(sha256: &str) -> Arc<str> {
    let beginning = sha256.get(..HASH_DIGITS).unwrap_or_default();
    format!("unknown key:{beginning}").into()
}

fn is_of(grant: &KeyGrant, sha256: &str) -> bool {
    grant.key().sha256.as_bytes().ct_eq(sha256.as_bytes()).into()
}

/// A text of somebody else's as a record keeps it: bounded, and of one line.
fn visible(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(SUBJECT_CHARACTERS).collect()
}

#[cfg(test)]
mod tests;
