//! No web page reaches a service on loopback that uses this check, as this server does and any other
//! of the same program can. Such services check no credentials, and a browser on this machine
//! would carry any page's requests to loopback; it says so with the header `Origin`, which no SDK
//! and no command-line tool sends.
//!
//! A check of its own and not the absence of CORS answers: those keep a page from reading an answer,
//! but not from sending a message.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// Lets requests through that no page sent.
pub async fn refuse_pages(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::ORIGIN) {
        return (StatusCode::FORBIDDEN, "web pages may not use this service\n").into_response();
    }
    next.run(request).await
}
