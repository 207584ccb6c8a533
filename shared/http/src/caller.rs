//! What a request brings to prove who sent it, and who that was for the log of requests. The gate itself is
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
    /// Where the log of requests looks for the sender.
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
    /// What the gate asks for.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// The caller that the gate admitted with these credentials. Its name goes into the log of requests, also
    /// where the gate denied it.
    ///
    /// # Errors
    /// The problem of a denial.
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

/// Puts the claims that a gateway verified where [`Credentials`] looks for them; whatever stood there before
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
