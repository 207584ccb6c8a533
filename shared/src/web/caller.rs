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
use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::map_request;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::error::Code;
use crate::registry::{Documents, Registry};
use crate::tenant::{KeyGrant, NamedTenant, Scope, Tenant, TenantScope};
use crate::time::Timestamp;
use crate::web::Problem;

/// The longest API key that is looked at, in bytes. Ours have 43 characters and a prefix.
const KEY_BYTES: usize = 256;
/// What is kept of the claim `sub`.
const SUBJECT_CHARACTERS: usize = 128;

/// How callers prove who they are: one way for each deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// `Authorization: Bearer <api key>`.
    Key(LocalKeys),
    /// A token that API Gateway's JWT authorizer verified.
    Jwt {
        /// The claim that names the tenant.
        tenant_claim: String,
        /// The claim that lists `write`, `read`, `admin`, separated by spaces.
        scope_claim: String,
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
}

/// A tenant that proved who it is, and may do what it asks for.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The proof.
    pub scope: TenantScope,
    /// Its document.
    pub tenant: Arc<Tenant>,
    /// Whose credentials these are, for records of what was done: `key:` and the key's id, or
    /// `token:` and the claim `sub`, as far as there is one.
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
    /// The caller, if it may do what it asks for.
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
        let Presented { named, scopes, by } = match &self.mode {
            AuthMode::Key(local) => {
                let sha256 = key_digits(credentials.authorization.as_ref())?;
                let grant = registry.key(&sha256, now, documents).await?;
                let grant = grant.filter(|grant| opens(grant, &sha256, *local));
                let grant = grant.ok_or_else(|| invalid("this API key opens nothing"))?;
                let (key, named) = (grant.key(), grant.tenant());
                Presented {
                    named,
                    scopes: key.scopes.clone(),
                    by: format!("key:{}", key.id).into(),
                }
            }
            AuthMode::Jwt { tenant_claim, scope_claim } => {
                claimed(credentials.claims.as_ref(), tenant_claim, scope_claim)?
            }
        };
        let tenant = registry.tenant(named.id(), now, documents).await?;
        let scope = named.admit(tenant.as_deref()).map_err(|rejection| match rejection.code {
            Code::TenantSuspended => Problem::forbidden("tenant_suspended", &rejection.message),
            _ => invalid("the tenant of these credentials does not exist"),
        })?;
        if !scopes.contains(&needed) {
            return Err(Problem::forbidden("forbidden", "these credentials lack the scope"));
        }
        let tenant = tenant.ok_or_else(Problem::internal)?;
        Ok(Caller { scope, tenant, by })
    }
}

/// What credentials say, before the tenant's document was looked at.
struct Presented {
    named: NamedTenant,
    scopes: Vec<Scope>,
    by: Arc<str>,
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

fn opens(grant: &KeyGrant, sha256: &str, local: LocalKeys) -> bool {
    let key = grant.key();
    let same = key.sha256.as_bytes().ct_eq(sha256.as_bytes());
    bool::from(same) && (local == LocalKeys::Accepted || !key.local)
}

fn claimed(
    claims: Option<&Claims>,
    tenant_claim: &str,
    scope_claim: &str,
) -> Result<Presented, Problem> {
    let missing = || Problem::unauthorized(None, "no token was verified");
    let claims = &claims.ok_or_else(missing)?.0;
    let tenant = claims.get(tenant_claim).ok_or_else(|| invalid("the token names no tenant"))?;
    let named =
        NamedTenant::by_gateway(tenant).map_err(|_| invalid("the token names no tenant"))?;
    let scopes = claims.get(scope_claim).map(String::as_str).unwrap_or_default();
    // Multi-valued claims come as "[write read]".
    let scopes = scopes.trim_matches(['[', ']']).split([' ', ',']);
    let subject = claims.get("sub").map(|subject| visible(subject)).unwrap_or_default();
    let by = format!("token:{subject}").into();
    Ok(Presented { named, scopes: scopes.filter_map(scope).collect(), by })
}

/// A text of somebody else's as a record keeps it: bounded, and of one line.
fn visible(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(SUBJECT_CHARACTERS).collect()
}

/// A scope by its name, with or without the prefix of a resource server (`drover/write`).
fn scope(text: &str) -> Option<Scope> {
    match text.rsplit('/').next()? {
        "write" => Some(Scope::Write),
        "read" => Some(Scope::Read),
        "admin" => Some(Scope::Admin),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
