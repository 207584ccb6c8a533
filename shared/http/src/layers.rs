//! The layers of every router: correlation ids, the access log, CORS (`preflight`), panics as 500, and
//! problem documents for 404 and 405.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT, ALLOW, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::Problem;
use crate::access_log::Begun;

mod preflight;

use self::preflight::BrowserCors;
pub use self::preflight::WEBHOOK_ORIGIN;

/// The header of every response.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const CORRELATION_BYTES: usize = 128;
/// Bytes of a path that the log shows.
const PATH_BYTES: usize = 256;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The id of a request: the sent id if it has 1 to 128 visible ASCII characters, else a new id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorrelationId(pub Arc<str>);

/// Which origins' pages may read responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Local origins, on any port.
    Local,
    /// Exactly these origins. An empty list allows none.
    Listed(Vec<String>),
}

/// Adds all layers to a router.
pub fn finished(routes: Router, origins: Origins) -> Router {
    routes
        .fallback(|| async { Problem::not_found("there is no such route") })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(refused))
        .layer(BrowserCors(cors(origins)))
        .layer(from_fn(correlated))
}

/// Why a request must reach no route. Attached to requests that a gateway sent damaged.
#[derive(Clone, Debug)]
pub(crate) struct Refusal(pub(crate) Problem);

/// Answers requests that carry a [`Refusal`].
async fn refused(mut request: Request, next: Next) -> Response {
    match request.extensions_mut().remove::<Refusal>() {
        Some(Refusal(problem)) => problem.into_response(),
        None => next.run(request).await,
    }
}

/// Passes requests that accept JSON.
pub async fn json_only(request: Request, next: Next) -> Response {
    if accepts(request.headers(), "application/json") {
        next.run(request).await
    } else {
        Problem::not_acceptable("application/json").into_response()
    }
}

/// Whether `Accept` allows a media type. A range with `q=0` does not.
pub fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let mut ranges = headers.get_all(ACCEPT).iter().peekable();
    if ranges.peek().is_none() {
        return true;
    }
    let family = media_type.split('/').next().unwrap_or_default();
    let texts = ranges.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = parts.any(|part| {
            let quality = part.strip_prefix("q=").and_then(|quality| quality.parse().ok());
            quality == Some(0.0_f32)
        });
        let fits = range == "*/*" || range == media_type || range == format!("{family}/*");
        fits && !refused
    })
}

async fn correlated(mut request: Request, next: Next) -> Response {
    let id = correlation_id(request.headers());
    request.extensions_mut().insert(id.clone());
    let path = request.uri().path();
    let path = path.get(..path.floor_char_boundary(PATH_BYTES)).unwrap_or_default();
    let span = tracing::info_span!(
        "request",
        method = %request.method(),
        path,
        correlation_id = &*id.0
    );
    let begun = Begun::note(&mut request);
    let mut response = next.run(request).instrument(span.clone()).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        if problem.status().is_server_error() {
            span.in_scope(|| tracing::warn!(code = problem.code(), "request failed"));
        }
        let allow = response.headers_mut().remove(ALLOW);
        let carried = std::mem::take(response.headers_mut());
        response = problem.answer(&id.0, allow);
        add_missing(response.headers_mut(), carried);
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(CORRELATION_ID, value);
    }
    span.in_scope(|| begun.answered(response.status()));
    response
}

/// Adds headers of inner layers, mainly CORS, to a new response.
fn add_missing(headers: &mut HeaderMap, carried: HeaderMap) {
    let mut last = None;
    for (name, value) in carried {
        last = name.or(last);
        if let Some(name) = last
            .as_ref()
            .filter(|name| name.as_str().starts_with("access-control-") || *name == "vary")
        {
            headers.append(name.clone(), value);
        }
    }
}

fn correlation_id(headers: &HeaderMap) -> CorrelationId {
    let own = headers.get(CORRELATION_ID).and_then(|value| value.to_str().ok());
    let own = own.filter(|id| {
        (1..=CORRELATION_BYTES).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_graphic())
    });
    CorrelationId(own.map_or_else(|| Uuid::new_v4().to_string().into(), Arc::from))
}

/// Answers a panic with 500. The panic's message is not logged, because it may contain a payload.
/// The panic hook prints the source location.
fn panicked(_payload: Box<dyn Any + Send + 'static>) -> Response {
    Problem::internal().into_response()
}

fn cors(origins: Origins) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| origins.allow(origin)))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            CONTENT_ENCODING,
            IDEMPOTENCY_KEY,
            CORRELATION_ID,
            TRACEPARENT,
        ])
        .expose_headers([CORRELATION_ID, RETRY_AFTER])
}

impl Origins {
    fn allow(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::Listed(origins) => origins.iter().any(|allowed| origin == allowed.as_str()),
            Self::Local => origin.to_str().is_ok_and(is_local),
        }
    }
}

/// Whether an origin is local, such as `http://localhost:3000`.
fn is_local(origin: &str) -> bool {
    let Some((_, authority)) = origin.split_once("://") else { return false };
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    ["localhost", "127.0.0.1", "[::1]"].contains(&host)
}

#[cfg(test)]
mod tests;
