//! CORS for browsers, except for the handshakes of webhooks, which the routes answer. Both are `OPTIONS`
//! requests, and the layer of `tower-http` answers all `OPTIONS` requests itself. A browser never sends the
//! header that marks a handshake.

use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::{HeaderName, Method};
use futures_util::future::Either;
use tower::{Layer, Service};
use tower_http::cors::{Cors, CorsLayer};

/// The header of a handshake: the sender that asks whether it may deliver events (CloudEvents 1.0, HTTP
/// webhooks, section 4).
pub const WEBHOOK_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");

/// CORS for all requests except handshakes.
#[derive(Clone)]
pub(super) struct BrowserCors(pub(super) CorsLayer);

/// A service, with and without CORS.
#[derive(Clone)]
pub(super) struct BesideCors<S> {
    plain: S,
    cors: Cors<S>,
}

impl<S: Clone> Layer<S> for BrowserCors {
    type Service = BesideCors<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BesideCors { plain: inner.clone(), cors: self.0.layer(inner) }
    }
}

impl<S> Service<Request> for BesideCors<S>
where
    S: Service<Request>,
    Cors<S>: Service<Request, Response = S::Response, Error = S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, <Cors<S> as Service<Request>>::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        match self.plain.poll_ready(context) {
            Poll::Ready(Ok(())) => self.cors.poll_ready(context),
            other => other,
        }
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if request.method() == Method::OPTIONS && request.headers().contains_key(WEBHOOK_ORIGIN) {
            Either::Left(self.plain.call(request))
        } else {
            Either::Right(self.cors.call(request))
        }
    }
}
