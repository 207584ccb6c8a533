//! An HTTP function: from an event to the response of the routes.

use axum::Router;
use axum::response::Response;
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, LambdaEvent, Service, lambda_runtime, service_fn};

use super::event::HttpEvent;
use super::request::withheld;

/// The response to a request in payload format 2.0, which `lambda_http` gives no public name.
pub type HttpAnswer =
    <Adapter<'static, Response, Router> as Service<LambdaEvent<LambdaRequest>>>::Response;

/// A router with all layers ([`crate::finished`]) behind a gateway.
#[derive(Clone)]
pub struct HttpFunction(Router);

impl HttpFunction {
    /// A function with these routes.
    pub fn new(finished: Router) -> Self {
        Self(finished)
    }

    /// Answers one request.
    pub async fn answer(&self, event: LambdaEvent<HttpEvent>) -> HttpAnswer {
        let LambdaEvent { payload: mut event, context } = event;
        let mut withheld = Some(withheld(&mut event));
        let mut router = self.0.clone();
        let restoring = service_fn(move |request: lambda_http::Request| {
            let request = match withheld.take() {
                Some(withheld) => withheld.restored(request),
                None => request,
            };
            router.call(request)
        });
        let request = LambdaRequest::ApiGatewayV2(*event.request);
        // The adapter is not `Send`, so it must not live across the `await`.
        let answer = Adapter::from(restoring).call(LambdaEvent::new(request, context));
        let Ok(answer) = answer.await;
        answer
    }
}

/// Runs a function on Lambda until its environment ends.
///
/// An event that is no request in payload format 2.0 fails its invocation ([`super::NotARequest`]).
///
/// # Errors
/// The runtime API cannot be reached.
pub async fn run(finished: Router) -> Result<(), lambda_http::Error> {
    let function = HttpFunction::new(finished);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<HttpEvent>| {
        let function = function.clone();
        async move { Ok::<_, std::convert::Infallible>(function.answer(event).await) }
    }))
    .await
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::http::{HeaderMap, Uri};
    use axum::routing::post;
    use futures_util::FutureExt as _;
    use lambda_http::Context;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::{Origins, finished};

    async fn echo(uri: Uri, headers: HeaderMap, body: Bytes) -> String {
        let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
        format!("{uri} {host} {}", body.len())
    }

    fn answer(event: &Value) -> Value {
        let routes = Router::new().route("/echo/{*rest}", post(echo));
        let function = HttpFunction::new(finished(routes, Origins::Local));
        let event = serde_json::from_str(&event.to_string()).expect("an event of a gateway");
        let event = LambdaEvent::new(event, Context::default());
        let answer = function.answer(event).now_or_never().expect("no I/O");
        serde_json::to_value(answer).expect("JSON")
    }

    fn event(path: &str, query: &str, headers: &Value) -> Value {
        json!({
            "version": "2.0", "rawPath": path, "rawQueryString": query, "headers": headers,
            "requestContext": {"stage": "$default", "domainName": "api.example", "http": {"method": "POST"}},
            "body": "AAH/", "isBase64Encoded": true,
        })
    }

    fn problem(answer: &Value) -> Value {
        serde_json::from_str(answer["body"].as_str().expect("a body")).expect("JSON")
    }

    #[test]
    fn a_request_arrives_with_its_host_its_query_and_its_decoded_body() {
        for proto in ["https", "https,http", "no scheme"] {
            let headers = json!({"host": "api.example", "x-forwarded-proto": proto});
            let answer = answer(&event("/echo/a b", "a=1&b={}", &headers));
            assert_eq!(answer["body"], "/echo/a%20b?a=1&b={} api.example 3", "{answer}");
        }
    }

    #[test]
    fn a_damaged_request_is_answered_through_the_layers() {
        let headers = json!({"x-correlation-id": "mine-1", "origin": "http://localhost:3000"});
        let mut damaged = event("/echo/a", "", &headers);
        damaged["body"] = json!("!!!");
        let mut unreadable = headers.clone();
        unreadable["x-name"] = json!("Zo\u{1}");
        for (event, code) in [
            (damaged, "malformed_encoding"),
            (event("/echo/a", "a b", &headers), "malformed_request"),
            (event("echo", "", &headers), "malformed_request"),
            (event(&"/é".repeat(40_000), "", &headers), "malformed_request"),
            (event("/echo/a", "", &unreadable), "malformed_request"),
        ] {
            let answer = answer(&event);
            assert!([400, 414].map(Value::from).contains(&answer["statusCode"]), "{answer}");
            assert_eq!(answer["headers"]["content-type"], "application/problem+json");
            assert_eq!(answer["headers"]["access-control-allow-origin"], "http://localhost:3000");
            let problem = problem(&answer);
            assert_eq!(
                (&problem["code"], &problem["correlation_id"]),
                (&json!(code), &json!("mine-1"))
            );
        }
    }

    proptest! {
        #[test]
        fn no_request_makes_the_conversion_panic(
            path in "(/echo/)?\\PC{0,12}",
            query in "\\PC{0,12}|[\\x00-\\x7f]{0,12}",
            stage in "\\PC{0,6}",
            host in "\\PC{0,12}",
            proto in "[ -~]{0,12}",
            body in "[A-Za-z0-9+/=]{0,8}|\\PC{0,8}",
            is_base64 in proptest::bool::ANY,
        ) {
            let mut event = event(&path, &query, &json!({"host": host, "x-forwarded-proto": proto}));
            event["requestContext"]["stage"] = json!(stage);
            event["body"] = json!(body);
            event["isBase64Encoded"] = json!(is_base64);
            let status = answer(&event)["statusCode"].as_u64();
            prop_assert!(matches!(status, Some(200 | 400 | 404)), "{event}: {status:?}");
        }
    }
}
