//! Authenticates callers: turns an API key, or the claims of a token that API Gateway verified,
//! into the scope of one tenant. A request has no other way to a [`TenantScope`].
//!
//! A key is looked up by the hex digits of its SHA-256 in one read. The registry caches the result
//! for a minute, also for an unknown key. The stored digits are compared in constant time.

use std::convert::Infallible;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Request};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_request;
use drover_core::base::error::Code;
use drover_core::base::metrics::{Meter, Metric, Tally};
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::intake::tenant::{KeyGrant, NamedTenant, Scope, Tenant};
use drover_core::ports::Documents;
use drover_core::registry::Registry;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::Problem;
use crate::access_log::Noted;
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
    /// Rejected, everywhere else.
    Refused,
}

/// The claims of a token that API Gateway verified, as strings. Only the decoder of the gateway's
/// event may add them to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(pub BTreeMap<String, String>);

/// The credentials of a request.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    authorization: Option<HeaderValue>,
    claims: Option<Claims>,
    /// The access log's cell for the caller.
    noted: Noted,
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

/// Admits callers.
#[derive(Clone, Debug)]
pub struct Gate {
    /// How callers authenticate.
    pub mode: AuthMode,
}

impl<S: Send + Sync> FromRequestParts<S> for Credentials {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self {
            authorization: parts.headers.get(AUTHORIZATION).cloned(),
            claims: parts.extensions.get::<Claims>().cloned(),
            noted: parts.extensions.get::<Noted>().cloned().unwrap_or_default(),
        })
    }
}

/// Adds a layer that attaches the gateway's verified claims to a request and removes any others.
/// `verified` must return claims only for requests from a gateway whose authorizer is on: other
/// claims prove nothing.
pub fn with_claims(routes: Router, verified: fn(&Request) -> Option<Claims>) -> Router {
    routes.layer(map_request(move |mut request: Request| async move {
        request.extensions_mut().remove::<Claims>();
        if let Some(claims) = verified(&request) {
            request.extensions_mut().insert(claims);
        }
        request
    }))
}

impl Gate {
    /// Admits a caller with the needed scope. A refusal and its reason are logged.
    ///
    /// # Errors
    /// 401, 403, or 503 if the registry does not answer.
    pub async fn admit(
        &self,
        credentials: &Credentials,
        needed: Scope,
        now: Timestamp,
        registry: &Registry,
        documents: &impl Documents,
    ) -> Result<Caller, Problem> {
        let mut by = Arc::from(ANONYMOUS);
        let admitted = async {
            let presented = self.presented(credentials, &mut by, now, registry, documents).await?;
            let tenant = registry.tenant(presented.named.id(), now, documents).await?;
            presented.admit(tenant, needed, Arc::clone(&by))
        };
        let admitted = admitted.await;
        credentials.noted.by(&by);
        match &admitted {
            Ok(caller) => credentials.noted.tenant(caller.scope.tenant()),
            Err(problem) if problem.status().is_client_error() => {
                tracing::warn!(by = &*by, code = problem.code(), why = problem.detail(), "refused");
            }
            // Already logged.
            Err(_) => {}
        }
        admitted
    }

    /// Reads the credentials. Sets `by` to their name even if they are refused.
    async fn presented(
        &self,
        credentials: &Credentials,
        by: &mut Arc<str>,
        now: Timestamp,
        registry: &Registry,
        documents: &impl Documents,
    ) -> Result<Presented, Problem> {
        match &self.mode {
            AuthMode::Key(local) => {
                let sha256 = key_digits(credentials.authorization.as_ref())?;
                *by = unknown_key(&sha256);
                let grant = registry.key(&sha256, now, documents).await?;
                let grant = grant.filter(|grant| is_of(grant, &sha256));
                let none = || invalid("invalid API key");
                let grant = grant.ok_or_else(none)?;
                *by = format!("key:{}", grant.key().id).into();
                if grant.key().local && *local == LocalKeys::Refused {
                    return Err(none());
                }
                Ok(Presented { named: grant.tenant(), scopes: grant.key().scopes.clone() })
            }
            AuthMode::Jwt { tenant_claim, scope_claim, scope_prefix } => {
                let missing = || Problem::unauthorized(None, "a verified token is required");
                let claims = credentials.claims.as_ref().ok_or_else(missing)?;
                *by = claims.subject();
                let no_tenant = || invalid("the token names no tenant");
                let tenant = claims.0.get(tenant_claim).ok_or_else(no_tenant)?;
                let named = NamedTenant::by_gateway(tenant).map_err(|_| no_tenant())?;
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
    admitted: Result<Caller, Problem>,
    meter: &dyn Meter,
    function: &'static str,
    now: Timestamp,
) -> Result<Caller, Problem> {
    admitted.inspect_err(|problem| {
        if problem.status() == StatusCode::UNAUTHORIZED {
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
    ) -> Result<Caller, Problem> {
        let scope =
            self.named.admit(tenant.as_deref()).map_err(|rejection| match rejection.code {
                Code::TenantSuspended => Problem::forbidden("tenant_suspended", &rejection.message),
                _ => invalid("the tenant of these credentials does not exist"),
            })?;
        if !self.scopes.contains(&needed) {
            return Err(Problem::forbidden("forbidden", "the credentials lack the required scope"));
        }
        let tenant = tenant.ok_or_else(Problem::internal)?;
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

fn invalid(detail: &str) -> Problem {
    Problem::unauthorized(Some("invalid_token"), detail)
}

/// The hex digits of the SHA-256 of the sent key.
fn key_digits(authorization: Option<&HeaderValue>) -> Result<String, Problem> {
    let missing = || Problem::unauthorized(None, "send Authorization: Bearer <api key>");
    let sent = authorization.ok_or_else(missing)?.as_bytes();
    let (scheme, key) = sent.split_at_checked("Bearer ".len()).ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return Err(missing());
    }
    let key = key.trim_ascii();
    if key.is_empty() || key.len() > KEY_BYTES {
        return Err(invalid("invalid API key"));
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
