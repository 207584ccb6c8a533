//! The work of Lambda's runtime around a handler: an event in, a response or an error out, as JSON;
//! and for a router, the work of `lambda_http`.

use std::convert::Infallible;
use std::time::UNIX_EPOCH;

use axum::Router;
use axum::body::Bytes;
use drover_event_source::invoke::FunctionError;
use drover_http::gateway::{HttpEvent, HttpFunction};
use drover_http::{Origins, finished};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::context::InvocationContext;

/// Deserializes the event for a handler.
///
/// # Errors
/// The event is of another kind.
pub(crate) fn lambda_event<E: DeserializeOwned>(
    event: &[u8],
    context: InvocationContext,
) -> Result<LambdaEvent<E>, FunctionError> {
    let event = serde_json::from_slice(event).map_err(|error| FunctionError {
        error_type: "NotAnEvent".to_owned(),
        error_message: error.to_string(),
    })?;
    let mut lambda = Context::default();
    lambda.request_id = context.request_id;
    let deadline = context.deadline.duration_since(UNIX_EPOCH).unwrap_or_default();
    lambda.deadline = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
    Ok(LambdaEvent::new(event, lambda))
}

/// Serializes a response or an error as the runtime does.
///
/// # Errors
/// The handler's own.
pub(crate) fn answer<A, E>(answer: Result<A, E>) -> Result<Bytes, FunctionError>
where
    A: Serialize,
    E: Into<Diagnostic>,
{
    let error = |diagnostic: Diagnostic| FunctionError {
        error_type: diagnostic.error_type,
        error_message: diagnostic.error_message,
    };
    let answer = answer.map_err(|failed| error(failed.into()))?;
    let json = serde_json::to_vec(&answer).map_err(|fault| FunctionError {
        error_type: "NoAnswer".to_owned(),
        error_message: fault.to_string(),
    })?;
    Ok(json.into())
}

/// A function with these routes, which must not be [`finished`] yet: requests arrive as events of
/// an HTTP API (payload 2.0) and go through the same code as on Lambda.
pub(super) fn http_function(
    routes: Router,
) -> impl Fn(Bytes, InvocationContext) -> HttpAnswer + Send + Sync + 'static {
    let function = HttpFunction::new(finished(routes, Origins::Local));
    move |event, context| {
        let function = function.clone();
        Box::pin(async move {
            let event: LambdaEvent<HttpEvent> = lambda_event(&event, context)?;
            answer(Ok::<_, Infallible>(function.answer(event).await))
        })
    }
}

type HttpAnswer = futures_util::future::BoxFuture<'static, Result<Bytes, FunctionError>>;

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use axum::routing::post;
    use serde_json::{Value, json};

    use super::*;

    async fn echo(uri: axum::http::Uri, body: Bytes) -> (axum::http::HeaderMap, Vec<u8>) {
        let mut headers = axum::http::HeaderMap::new();
        headers.insert("x-path", uri.path_and_query().unwrap().as_str().parse().unwrap());
        (headers, body.to_vec())
    }

    async fn call(event: &Value) -> Result<Value, FunctionError> {
        let routes = Router::new().route("/echo", post(echo));
        let context =
            InvocationContext { request_id: "r-1".to_owned(), deadline: SystemTime::UNIX_EPOCH };
        let answer = http_function(routes)(event.to_string().into(), context).await?;
        Ok(serde_json::from_slice(&answer).unwrap())
    }

    fn event(method: &str, path: &str) -> Value {
        json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "a=1&a=2",
            "headers": { "host": "api.example", "content-type": "application/json" },
            "requestContext": {
                "stage": "$default", "timeEpoch": 0,
                "http": { "method": method, "path": path },
            },
            "isBase64Encoded": false,
        })
    }

    #[tokio::test]
    async fn a_request_of_an_http_api_gets_a_response_of_an_http_api() {
        let mut request = event("POST", "/echo");
        request["body"] = json!("AAH/");
        request["isBase64Encoded"] = json!(true);
        let answer = call(&request).await.unwrap();
        assert_eq!(answer["statusCode"], 200);
        assert_eq!(answer["headers"]["x-path"], "/echo?a=1&a=2");
        assert_eq!((&answer["body"], &answer["isBase64Encoded"]), (&json!("AAH/"), &json!(true)));
    }

    #[tokio::test]
    async fn an_unknown_route_is_a_problem_document_and_not_a_function_error() {
        let answer = call(&event("GET", "/none")).await.unwrap();
        assert_eq!(answer["statusCode"], 404);
        assert_eq!(answer["headers"]["content-type"], "application/problem+json");
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["code"], "not_found");
    }

    #[tokio::test]
    async fn an_event_of_another_source_fails_the_function() {
        let error = call(&json!({ "Records": [] })).await.unwrap_err();
        assert_eq!(error.error_type, "NotAnEvent");
    }
}
