//! HTTP functions behind API Gateway: an event becomes a request, and the response goes back in payload
//! format 2.0. The event of another gateway fails the invocation with a text that names its sender.
//!
//! Reading order:
//! - [`HttpEvent`]: reads an event once
//! - `sender`: names the sender of an event that is no request in payload format 2.0
//! - `request`: removes from an event what `lambda_http` would panic over, and a named stage from the path
//! - [`HttpFunction`]: from an event to the response of the routes
//! - [`with_gateway_claims`]: the claims that the gateway verified

use axum::Router;
use axum::extract::Request;
use drover_intake::{AuthMode, Claims};
use lambda_http::request::RequestContext;

use crate::with_claims;

mod event;
mod function;
mod request;
mod sender;

pub use self::event::{HttpEvent, NotARequest};
pub use self::function::{HttpAnswer, HttpFunction, run};

/// Routes behind API Gateway. The claims in the gateway's event are trusted in the mode
/// [`AuthMode::Jwt`] only, because only then the gateway's authorizer is on.
pub fn with_gateway_claims(routes: Router, mode: &AuthMode) -> Router {
    match mode {
        AuthMode::Key(_) => routes,
        AuthMode::Jwt { .. } => with_claims(routes, gateway_claims),
    }
}

fn gateway_claims(request: &Request) -> Option<Claims> {
    let RequestContext::ApiGatewayV2(context) = request.extensions().get::<RequestContext>()?
    else {
        return None;
    };
    let jwt = context.authorizer.as_ref()?.jwt.as_ref()?;
    Some(Claims(jwt.claims.clone().into_iter().collect()))
}
