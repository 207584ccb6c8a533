//! Prepares a request for `lambda_http`, which panics where it cannot convert one: a body that is not the
//! base64 that the gateway calls it, a host or a query that no URI has. Such requests, and requests with
//! headers that HTTP does not allow, go to the routes as refused requests, so that they are logged and answered
//! (400) like all others. API Gateway's own metric `4xx` counts the answers.
//!
//! It also removes a named stage from the path: `/prod/api/v1/events` of the stage `prod` is
//! `/api/v1/events`, and `lambda_http` would add the stage to paths without it.

use axum::http::header::HOST;
use axum::http::{HeaderValue, StatusCode};
use base64_simd::STANDARD;
use lambda_http::Body;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;

use super::event::HttpEvent;
use crate::Problem;
use crate::layers::Refusal;

/// The stage that is not part of paths.
const DEFAULT_STAGE: &str = "$default";
/// The maximum length of path and query in bytes. The crate `http` takes 65,534, and percent-encoding
/// triples a byte.
const TARGET_BYTES: usize = 65_000;

/// What a request has, and `lambda_http` must not see.
#[derive(Debug)]
pub(super) struct Withheld {
    /// The header `Host`. Routes match paths only, so the URI needs no host.
    host: Option<HeaderValue>,
    /// The decoded body.
    body: Body,
    /// Why the request is refused.
    refusal: Option<Refusal>,
}

impl Withheld {
    /// Completes the converted request.
    pub(super) fn restored(self, mut request: lambda_http::Request) -> lambda_http::Request {
        if let Some(host) = self.host {
            request.headers_mut().insert(HOST, host);
        }
        if let Some(refusal) = self.refusal {
            request.extensions_mut().insert(refusal);
        }
        *request.body_mut() = self.body;
        request
    }
}

/// Takes from a request what `lambda_http` must not see. The body is not copied.
pub(super) fn withheld(event: &mut HttpEvent) -> Withheld {
    let HttpEvent { request, damaged_header } = event;
    let host = request.headers.remove(HOST);
    request.request_context.domain_name = None;
    let (body, damage) = match body(request) {
        Ok(body) => (body, None),
        Err(problem) => (Body::Empty, Some(problem)),
    };
    let header = damaged_header.take().map(damaged);
    let refusal = target(request).err().or(damage).or(header).map(Refusal);
    remove_stage(request);
    Withheld { host, body, refusal }
}

fn damaged(header: String) -> Problem {
    let detail =
        format!("a header has a name or a character that HTTP does not allow: header=`{header}`");
    Problem::bad_request("malformed_request", detail)
}

/// Takes the body. Base64 is decoded in place.
fn body(request: &mut ApiGatewayV2httpRequest) -> Result<Body, Problem> {
    let Some(text) = request.body.take() else { return Ok(Body::Empty) };
    if !request.is_base64_encoded {
        return Ok(Body::Text(text));
    }
    let characters = text.chars().count();
    let mut bytes = text.into_bytes();
    let decoded = STANDARD.decode_inplace(&mut bytes).map(|decoded| decoded.len());
    let length = decoded.map_err(|_| {
        let detail = format!(
            "the gateway marks the body as base64, but it is not base64: characters=`{characters}`"
        );
        Problem::bad_request("malformed_encoding", detail)
    })?;
    bytes.truncate(length);
    Ok(Body::Binary(bytes))
}

/// Checks path and query, and empties those that no URI has.
fn target(request: &mut ApiGatewayV2httpRequest) -> Result<(), Problem> {
    let path = request.raw_path.as_deref().unwrap_or_default();
    let query = request.raw_query_string.as_deref().unwrap_or_default();
    let encoded = path.len().saturating_mul(3).saturating_add(query.len());
    let fault = if !(path.is_empty() || path.starts_with('/')) {
        Some(Problem::bad_request("malformed_request", "the path does not begin with /"))
    } else if encoded > TARGET_BYTES {
        let detail =
            format!("path and query are too long: bytes=`{encoded}` limit=`{TARGET_BYTES}`");
        Some(Problem::new(StatusCode::URI_TOO_LONG, "malformed_request", detail))
    } else if let Some(byte) = query.bytes().find(|byte| !is_of_query(*byte)) {
        let detail = format!("the query has a byte that must be percent-encoded: 0x{byte:02x}");
        Some(Problem::bad_request("malformed_request", detail))
    } else {
        None
    };
    let Some(fault) = fault else { return Ok(()) };
    request.raw_path = None;
    request.raw_query_string = None;
    Err(fault)
}

/// Whether the crate `http` takes a byte in a query.
const fn is_of_query(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x3B | 0x3D | 0x3F..=0x7E | 0x80..)
}

/// Removes a named stage from the path, and from the context, so that `lambda_http` does not add it.
fn remove_stage(request: &mut ApiGatewayV2httpRequest) {
    let Some(stage) = request.request_context.stage.take() else { return };
    let Some(path) = request.raw_path.as_mut().filter(|_| stage != DEFAULT_STAGE) else { return };
    let rest = path.strip_prefix('/').and_then(|path| path.strip_prefix(stage.as_str()));
    let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with('/')) else { return };
    let route = request.route_key.as_deref().and_then(|key| key.split_once(' '));
    if route.is_some_and(|(_, template)| matches(template, path)) {
        return;
    }
    let prefix = path.len() - rest.len();
    path.drain(..prefix);
    if path.is_empty() {
        path.push('/');
    }
}

/// Whether a path is one of the route's as it stands. Its first segment is then the route's and no stage.
fn matches(template: &str, path: &str) -> bool {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    loop {
        match (template.next(), path.next()) {
            (None, None) => return true,
            (Some(part), Some(_)) if part.ends_with("+}") => return true,
            (Some(part), Some(own)) if part == own || part.starts_with('{') => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;
    use serde_json::{Value, json};

    use super::*;

    fn request(changes: &Value) -> HttpEvent {
        let mut event = json!({
            "version": "2.0", "rawPath": "/api/v1/events", "rawQueryString": "a=1", "headers": {},
            "requestContext": {"stage": "$default", "http": {"method": "POST"}}, "isBase64Encoded": false,
        });
        for (name, value) in changes.as_object().expect("an object") {
            event[name] = value.clone();
        }
        HttpEvent::parse(&event.to_string()).expect("a request")
    }

    fn path_in(stage: &str, path: &str, route: &str) -> String {
        let mut event = request(&json!({"rawPath": path, "routeKey": route}));
        event.request.request_context.stage = Some(stage.to_owned());
        assert!(withheld(&mut event).refusal.is_none());
        let HttpEvent { request, .. } = event;
        assert_eq!(request.request_context.stage, None, "lambda_http would add it again");
        request.raw_path.expect("a path")
    }

    #[test]
    fn a_named_stage_is_removed_once_and_nothing_that_resembles_it() {
        for (stage, path, expected) in [
            ("prod", "/prod/api/v1/events", "/api/v1/events"),
            ("prod", "/prod/prod/events", "/prod/events"),
            ("prod", "/prod", "/"),
            ("prod", "/prod/", "/"),
            ("prod", "/production/events", "/production/events"),
            ("prod", "/api/prod/events", "/api/prod/events"),
            ("prod", "/PROD/events", "/PROD/events"),
            ("$default", "/$default/events", "/$default/events"),
            ("api", "/api/api/v1/events", "/api/v1/events"),
        ] {
            assert_eq!(path_in(stage, path, "$default"), expected, "{stage} {path}");
        }
    }

    #[test]
    fn a_path_that_is_the_routes_own_keeps_a_segment_that_is_named_like_the_stage() {
        let check = |path: &str, route: &str, expected: &str| {
            assert_eq!(path_in("api", path, route), expected, "{path} {route}");
        };
        check("/api/v1/events", "POST /api/v1/events", "/api/v1/events");
        check("/api/api/v1/events", "POST /api/v1/events", "/api/v1/events");
        check("/api/v1/replays/r-1", "ANY /api/v1/replays/{id}", "/api/v1/replays/r-1");
        check("/api/a/b", "OPTIONS /{proxy+}", "/api/a/b");
    }

    #[test]
    fn a_body_is_taken_as_it_is_or_decoded_in_place() {
        let body = |body: &Value, is_base64: bool| {
            let mut request = request(&json!({"body": body, "isBase64Encoded": is_base64}));
            let Withheld { body, refusal, .. } = withheld(&mut request);
            (body, refusal.map(|Refusal(problem)| problem.code()))
        };
        assert_eq!(body(&json!("AAH/"), true), (Body::Binary(vec![0, 1, 0xff]), None));
        assert_eq!(body(&json!("AAH/"), false), (Body::Text("AAH/".to_owned()), None));
        assert_eq!(body(&Value::Null, true), (Body::Empty, None));
        for damaged in ["!!!", "AAH", "AAH/ ", "=", "AAH_", "é"] {
            let expected = (Body::Empty, Some("malformed_encoding"));
            assert_eq!(body(&json!(damaged), true), expected, "{damaged}");
        }
    }

    #[test]
    fn the_check_of_a_query_is_that_of_the_crate_http() {
        for byte in 0..=0x7F_u8 {
            let target = format!("/?{}", char::from(byte));
            // A fragment ends a URI and is no fault.
            assert_eq!(is_of_query(byte), target.parse::<Uri>().is_ok(), "{byte:#x}");
        }
        assert!("/?é".parse::<Uri>().is_ok() && "é".bytes().all(is_of_query));
    }
}
