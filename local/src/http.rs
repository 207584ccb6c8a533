//! The HTTP port: the routes of every function on one address, as one API Gateway stands before
//! them on AWS, and `/metrics`, which exists here only.
//!
//! What a web page of another site could do here. Without a key it gets health, documentation and
//! metrics asked for, but no answer to read: CORS names pages of this machine only. With a key (the
//! demo keys are no secret) it needs the header `Authorization`, for which a browser first asks, and
//! is refused. What CORS does not stop is a page whose own name was made to point to 127.0.0.1 (DNS
//! rebinding), which a browser takes for the same origin; therefore a request must name the host by
//! an address or as `localhost`. Pages that this machine itself serves, on any port, may use a key
//! that they know; that is meant, and is what is left.
//!
//! Left out: TLS and HTTP/2, because nothing leaves the machine.

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

/// What API Gateway gives an HTTP API's integration at most.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// Everything that the port answers: these routes, which nobody has [`finished`] yet.
pub(crate) fn app(routes: Router) -> Router {
    app_within(routes, REQUEST_LIMIT)
}

fn app_within(routes: Router, limit: Duration) -> Router {
    let routes = routes
        .layer(from_fn(move |request, next| in_time(request, next, limit)))
        .layer(from_fn(named_here));
    finished(routes, Origins::Local)
}

/// Gives a request up that takes too long, the reading of its body included.
async fn in_time(request: Request, next: Next, limit: Duration) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let over = Unavailable::new(Reason::Deadline, "the request took too long");
            Problem::unavailable(&over).into_response()
        }
    }
}

/// Refuses requests that call the host by a name that anybody could give to it.
async fn named_here(request: Request, next: Next) -> Response {
    if names_this_machine(request.headers()) {
        next.run(request).await
    } else {
        let detail = "the header Host names neither an address nor localhost";
        Problem::forbidden("forbidden", detail).into_response()
    }
}

/// Without a name there is no browser.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || host.parse::<IpAddr>().is_ok()
}
