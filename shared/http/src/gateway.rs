//! Reads the verified token claims from API Gateway's event.

use axum::Router;
use axum::extract::Request;
use lambda_http::request::RequestContext;

use crate::{Claims, with_claims};

/// Authenticates callers by the claims that API Gateway verified. Use it only behind a gateway
/// whose authorizer is on.
pub fn with_gateway_claims(routes: Router) -> Router {
    with_claims(routes, gateway_claims)
}

fn gateway_claims(request: &Request) -> Option<Claims> {
    let RequestContext::ApiGatewayV2(context) = request.extensions().get::<RequestContext>()?
    else {
        return None;
    };
    let jwt = context.authorizer.as_ref()?.jwt.as_ref()?;
    Some(Claims(jwt.claims.clone().into_iter().collect()))
}
