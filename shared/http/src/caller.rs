//! Who calls: from an API key, or from the claims of a token that API Gateway verified, to the
//! scope of one tenant. There is no other way from a request to a [`TenantScope`].
//!
//! A key is found by the digits of its SHA-256, in one read that the registry keeps for a minute,
//! an unknown key's as well. What was found is compared in constant time.

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

/// The claims of a token that API Gateway verified, as texts. Whoever decodes the gateway's event
/// puts them into the request; nothing else may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(pub BTreeMap<String, String>);

/// What a request brings to prove who sent it.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    authorization: Option<HeaderValue>,
    claims: Option<Claims>,
    /// Where the log of requests looks for who this was.
    noted: Noted,
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

/// Decides who may pass.
#[derive(Clone, Debug)]
pub struct Gate {
    /// How callers prove who they are.
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

/// Puts the claims that a gateway verified where the gate looks for them; whatever stood there before
/// goes. `verified` finds them in requests that came through a gateway whose authorizer is switched
/// on: claims of anything else prove nothing.
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
    /// The caller, if it may do what it asks for. Who was refused, and why, goes into the log.
    ///
    /// # Errors
    /// 401, 403, and 503 where the registry did not answer.
    pub async fn admit(
        &self,
        credentials: &Credentials,
        needed: Scope,
        now: Timestamp,
        registry: &Registry,
        documents: &impl Documents,
    ) -> Result<Caller, Problem> {
        let mut by = Arc::from(NOBODY);
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
            // The log has that already.
            Err(_) => {}
        }
        admitted
    }

    /// What credentials say. `by` says whose they are, also where they are refused.
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
                let none = || invalid("this API key opens nothing");
                let grant = grant.ok_or_else(none)?;
                *by = format!("key:{}", grant.key().id).into();
                if grant.key().local && *local == LocalKeys::Refused {
                    return Err(none());
                }
                Ok(Presented { named: grant.tenant(), scopes: grant.key().scopes.clone() })
            }
            AuthMode::Jwt { tenant_claim, scope_claim, scope_prefix } => {
                let missing = || Problem::unauthorized(None, "no token was verified");
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

/// Counts whoever did not prove who it is.
///
/// # Errors
/// As it was.
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
    ) -> Result<Caller, Problem> {
        let scope =
            self.named.admit(tenant.as_deref()).map_err(|rejection| match rejection.code {
                Code::TenantSuspended => Problem::forbidden("tenant_suspended", &rejection.message),
                _ => invalid("the tenant of these credentials does not exist"),
            })?;
        if !self.scopes.contains(&needed) {
            return Err(Problem::forbidden("forbidden", "these credentials lack the scope"));
        }
        let tenant = tenant.ok_or_else(Problem::internal)?;
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

fn invalid(detail: &str) -> Problem {
    Problem::unauthorized(Some("invalid_token"), detail)
}

/// The hexadecimal digits of the SHA-256 of the key that was sent.
fn key_digits(authorization: Option<&HeaderValue>) -> Result<String, Problem> {
    let missing = || Problem::unauthorized(None, "send Authorization: Bearer <api key>");
    let sent = authorization.ok_or_else(missing)?.as_bytes();
    let (scheme, key) = sent.split_at_checked("Bearer ".len()).ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return Err(missing());
    }
    let key = key.trim_ascii();
    if key.is_empty() || key.len() > KEY_BYTES {
        return Err(invalid("this API key opens nothing"));
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
