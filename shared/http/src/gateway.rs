//! Claims of tokens that API Gateway verified, from the event in which it says so.

use axum::Router;
use axum::extract::Request;
use lambda_http::request::RequestContext;

use crate::{Claims, with_claims};

/// Lets callers in by the claims that API Gateway verified. Only for functions behind a gateway whose
/// authorizer is switched on.
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
