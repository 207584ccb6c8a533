//! Reads the verified token claims from API Gateway's event.

use axum::Router;
use axum::extract::Request;
use drover_intake::{AuthMode, Claims};
use lambda_http::request::RequestContext;

use crate::with_claims;

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
