//! The credentials of a request, and the caller for the access log. The gate itself is
//! transport-free: [`drover_intake::caller`].

use std::convert::Infallible;

use axum::Router;
use axum::extract::{FromRequestParts, Request};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::map_request;
use drover_intake::{Caller, Claims, Denied, Proof};

use crate::Problem;
use crate::access_log::Noted;

/// The credentials of a request.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    proof: Proof,
    /// The access log's cell for the caller.
    noted: Noted,
}

impl<S: Send + Sync> FromRequestParts<S> for Credentials {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let authorization = parts.headers.get(AUTHORIZATION);
        Ok(Self {
            proof: Proof {
                authorization: authorization.map(|value| value.as_bytes().to_vec()),
                claims: parts.extensions.get::<Claims>().cloned(),
            },
            noted: parts.extensions.get::<Noted>().cloned().unwrap_or_default(),
        })
    }
}

impl Credentials {
    /// The proof that the gate checks.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// The caller that the gate admitted with these credentials. Writes the caller's name into the access
    /// log, also if the gate denied it.
    ///
    /// # Errors
    /// The denial, as a problem.
    pub fn admitted(&self, admitted: Result<Caller, Denied>) -> Result<Caller, Problem> {
        match admitted {
            Ok(caller) => {
                self.noted.by(&caller.by);
                self.noted.tenant(caller.scope.tenant());
                Ok(caller)
            }
            Err(Denied { by, error }) => {
                self.noted.by(&by);
                Err(error.into())
            }
        }
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
