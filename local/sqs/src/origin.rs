//! Rejects requests that web pages send to a service on loopback. Such services check no
//! credentials, and a browser on the same machine would let any page send requests to them.
//! Browsers mark these requests with the header `Origin`; SDKs and command-line tools do not send
//! it.
//!
//! Leaving out CORS headers would not be enough: that stops a page from reading an answer, but not
//! from sending a message. Other services of the same program can use this check too.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// Rejects requests that carry the header `Origin`.
pub async fn refuse_pages(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::ORIGIN) {
        return (StatusCode::FORBIDDEN, "web pages may not use this service\n").into_response();
    }
    next.run(request).await
}
