//! The HTTP port: the routes of every function on one address, like the API Gateway on AWS, and
//! `/metrics`, which exists only here.
//!
//! Protection against web pages of other sites. Without a key, a page can request health,
//! documentation and metrics, but cannot read the answers: CORS allows only pages from this
//! machine. With a key (the demo keys are public) it needs the header `Authorization`, for which a
//! browser sends a preflight request, which is rejected. CORS does not stop a page whose own name
//! was made to resolve to 127.0.0.1 (DNS rebinding), because the browser treats it as the same
//! origin; therefore a request must address the host by an IP address or as `localhost`. Pages that
//! this machine itself serves, on any port, may use a key that they know; that is intended.
//!
//! Not implemented: TLS and HTTP/2, because no traffic leaves the machine.

mod server;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, header, uri::Authority};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use drover_core::base::error::{Reason, Unavailable};
use drover_http::{Origins, Problem, finished};

pub(crate) use server::{Limits, serve};

/// The maximum duration of a request behind API Gateway's HTTP API.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// The application of the port: these routes, which must not be [`finished`] yet.
pub(crate) fn app(routes: Router) -> Router {
    app_within(routes, REQUEST_LIMIT)
}

fn app_within(routes: Router, limit: Duration) -> Router {
    let routes = routes
        .layer(from_fn(move |request, next| in_time(request, next, limit)))
        .layer(from_fn(named_here));
    finished(routes, Origins::Local)
}

/// Fails a request that takes too long, including the time to read its body.
async fn in_time(request: Request, next: Next, limit: Duration) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let over = Unavailable::new(Reason::Deadline, "the request timed out");
            Problem::unavailable(&over).into_response()
        }
    }
}

/// Rejects requests that address the host by a name, because anyone can make a name resolve to it.
async fn named_here(request: Request, next: Next) -> Response {
    if names_this_machine(request.headers()) {
        next.run(request).await
    } else {
        let detail = "the Host header is neither an IP address nor localhost";
        Problem::forbidden("forbidden", detail).into_response()
    }
}

/// Requests without the header Host do not come from a browser.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || host.parse::<IpAddr>().is_ok()
}
