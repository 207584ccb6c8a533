//! Lambda's Invoke API: `POST /2015-03-31/functions/NAME/invocations`, so that the AWS CLI and
//! every SDK can invoke the host's functions.
//!
//! A function is identified by its name or by any ARN that ends with the name; every qualifier
//! means `$LATEST`.
//!
//! Not implemented: the other actions of the API, log tails (`X-Amz-Log-Type`), client contexts,
//! and for `Event` the queue with two retries. An accepted event runs once, or not at all if the
//! process is killed first: events that must not be lost arrive through SQS or the event log.

mod refusal;
#[cfg(test)]
mod tests;

use std::convert::Infallible;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use drover_local_sqs::origin::refuse_pages;
use serde::de::IgnoredAny;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::function::{FunctionError, Functions};
use refusal::Refusal;

/// The maximum event of a synchronous invocation, in bytes.
const REQUEST_LIMIT: usize = 6 * 1024 * 1024;
/// The maximum event of an asynchronous invocation, in bytes.
const EVENT_LIMIT: usize = 1024 * 1024;

const FUNCTION_ERROR: &str = "x-amz-function-error";

/// Serves until `shutdown`, then waits for running invocations.
///
/// # Errors
/// The listener fails.
pub(crate) async fn serve(
    listener: TcpListener,
    functions: Functions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (running, mut ended) = mpsc::channel(1);
    axum::serve(listener, routes(functions, running)).with_graceful_shutdown(shutdown).await?;
    // No message is ever sent: this waits until the last invocation has dropped its sender.
    while ended.recv().await.is_some() {}
    Ok(())
}

fn routes(functions: Functions, running: mpsc::Sender<Infallible>) -> Router {
    Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .fallback(|| async { Refusal::UnknownOperation })
        .method_not_allowed_fallback(|| async { Refusal::UnknownOperation })
        .layer(DefaultBodyLimit::max(REQUEST_LIMIT))
        .layer(middleware::from_fn(refuse_pages))
        .with_state(Api { functions, running })
}

#[derive(Clone)]
struct Api {
    functions: Functions,
    /// Every running invocation holds a clone.
    running: mpsc::Sender<Infallible>,
}

/// The invocation type that the caller requests.
#[derive(Clone, Copy)]
enum InvocationType {
    RequestResponse,
    Event,
    DryRun,
}

async fn invoke(
    State(api): State<Api>,
    Path(reference): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let request_id = Uuid::new_v4().to_string();
    let answer = api.answer(&reference, &headers, body, request_id.clone()).await;
    let common = [
        ("x-amzn-requestid", request_id.as_str()),
        ("x-amz-executed-version", "$LATEST"),
        (header::CONTENT_TYPE.as_str(), "application/json"),
    ];
    match answer {
        Ok(answer) => (common, answer).into_response(),
        Err(refusal) => (common, refusal).into_response(),
    }
}

impl Api {
    async fn answer(
        self,
        reference: &str,
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
        request_id: String,
    ) -> Result<Response, Refusal> {
        let invocation_type = invocation_type(headers)?;
        let event = event(body, invocation_type)?;
        let name = plain_name(reference);
        let unknown = || Refusal::UnknownFunction { name: name.to_owned() };
        let function = self.functions.find(name).ok_or_else(unknown)?;
        let span = tracing::info_span!("invocation", function = name, request_id);
        let invocation = function.invoke(event, request_id).instrument(span.clone());
        let running = self.running;
        // In its own task, which continues when the caller disconnects.
        let run = async move {
            let answer = invocation.await;
            drop(running);
            if let Err(error) = &answer {
                span.in_scope(|| tracing::warn!(error.error_type, "function failed"));
            }
            answer
        };
        match invocation_type {
            InvocationType::RequestResponse => {
                Ok(shown(tokio::spawn(run).await.map_err(Refusal::broken)?))
            }
            InvocationType::Event => {
                tokio::spawn(run);
                Ok(StatusCode::ACCEPTED.into_response())
            }
            InvocationType::DryRun => Ok(StatusCode::NO_CONTENT.into_response()),
        }
    }
}

fn invocation_type(headers: &HeaderMap) -> Result<InvocationType, Refusal> {
    match headers.get("x-amz-invocation-type").map(|value| value.as_bytes()) {
        None | Some(b"RequestResponse") => Ok(InvocationType::RequestResponse),
        Some(b"Event") => Ok(InvocationType::Event),
        Some(b"DryRun") => Ok(InvocationType::DryRun),
        Some(other) => Err(Refusal::UnknownInvocationType {
            value: String::from_utf8_lossy(other).into_owned(),
        }),
    }
}

/// The event: valid JSON within the limit. An empty body counts as an empty object, as on Lambda.
fn event(
    body: Result<Bytes, BytesRejection>,
    invocation_type: InvocationType,
) -> Result<Bytes, Refusal> {
    let limit = match invocation_type {
        InvocationType::RequestResponse | InvocationType::DryRun => REQUEST_LIMIT,
        InvocationType::Event => EVENT_LIMIT,
    };
    let event = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge { limit },
        _ => Refusal::NotJson { reason: "the body ended early".to_owned() },
    })?;
    if event.len() > limit {
        return Err(Refusal::TooLarge { limit });
    }
    if event.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    let not_json = |reason: String| Refusal::NotJson { reason };
    let text = std::str::from_utf8(&event).map_err(|error| not_json(error.to_string()))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| not_json(error.to_string()))?;
    Ok(event)
}

/// The name in `NAME`, `NAME:QUALIFIER`, `ACCOUNT:function:NAME` or an ARN, qualified or not.
fn plain_name(reference: &str) -> &str {
    let named = reference.split_once(":function:").map_or(reference, |(_, named)| named);
    named.split_once(':').map_or(named, |(name, _)| name)
}

/// The response of a function, or its error. Both have status 200; a header distinguishes them.
fn shown(answer: Result<Bytes, FunctionError>) -> Response {
    match answer {
        Ok(answer) => answer.into_response(),
        Err(error) => ([(FUNCTION_ERROR, "Unhandled")], axum::Json(error)).into_response(),
    }
}
