//! The target of a mapping: a function in the same process, or a function behind any Invoke API
//! that requires no signature, such as `cargo lambda watch`, SAM local or another host. Plain HTTP
//! only: an API with TLS also requires signatures; it is Lambda, which has its own mappings.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::invoke::Invoke;
use crate::on_failure::ResponseContext;

/// The maximum duration of a function: Lambda's limit for functions with a Kafka source. Functions
/// with other sources have the same limit here.
const ANSWER_WITHIN: Duration = Duration::from_secs(14 * 60);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The maximum size of a response.
const ANSWER_BYTES: usize = 7 * 1024 * 1024;
const HTTP_PORT: u16 = 80;
const UNHANDLED: &str = "Unhandled";
const LATEST: &str = "$LATEST";

/// A function to invoke.
#[derive(Clone)]
pub struct Target {
    name: String,
    receiver: Receiver,
}

#[derive(Clone)]
enum Receiver {
    InProcess(Arc<dyn Invoke>),
    Http(Endpoint),
}

/// An Invoke API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
    path: String,
}

/// The text is not an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEndpoint {
    /// The URL is invalid.
    #[error("invalid endpoint, expected for example http://127.0.0.1:9123: endpoint=`{0}`")]
    Invalid(String),
    /// The scheme is not http.
    #[error("an endpoint must be plain http, because requests are not signed: endpoint=`{0}`")]
    Scheme(String),
}

/// The response of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) request_id: String,
    pub(crate) context: ResponseContext,
    pub(crate) body: Bytes,
}

/// Why there is no response, for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoReply(String);

impl std::str::FromStr for Endpoint {
    type Err = NoEndpoint;

    fn from_str(text: &str) -> Result<Self, NoEndpoint> {
        let invalid = || NoEndpoint::Invalid(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| invalid())?;
        match uri.scheme_str() {
            Some("http") => {}
            Some(_) => return Err(NoEndpoint::Scheme(text.to_owned())),
            None => return Err(invalid()),
        }
        if uri.query().is_some() {
            return Err(invalid());
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(invalid)?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { host, port: uri.port_u16().unwrap_or(HTTP_PORT), path })
    }
}

impl Target {
    /// A function in the same process.
    pub fn here(functions: impl Invoke, name: &str) -> Self {
        Self { name: name.to_owned(), receiver: Receiver::InProcess(Arc::new(functions)) }
    }

    /// A function behind an Invoke API.
    pub fn there(endpoint: Endpoint, name: &str) -> Self {
        Self { name: name.to_owned(), receiver: Receiver::Http(endpoint) }
    }

    /// The function's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Invokes the function and waits for the response.
    pub(crate) async fn invoke(&self, event: Bytes) -> Result<Reply, NoReply> {
        match &self.receiver {
            Receiver::InProcess(functions) => {
                invoke_here(functions.as_ref(), &self.name, event).await
            }
            Receiver::Http(endpoint) => {
                let answered = invoke_there(endpoint, &self.name, event);
                let late = |_| NoReply("the function timed out".to_owned());
                tokio::time::timeout(ANSWER_WITHIN, answered).await.map_err(late)?
            }
        }
    }
}

async fn invoke_here(functions: &dyn Invoke, name: &str, event: Bytes) -> Result<Reply, NoReply> {
    let request_id = Uuid::new_v4().to_string();
    let invocation = functions.invoke(name, event, request_id.clone(), Duration::MAX);
    let invocation = invocation.ok_or_else(|| NoReply("unknown function".to_owned()))?;
    let (function_error, body) = match invocation.await {
        Ok(answer) => (None, answer),
        Err(error) => {
            let body = serde_json::to_vec(&error).unwrap_or_default();
            (Some(UNHANDLED.to_owned()), body.into())
        }
    };
    let (status_code, executed_version) = (200, LATEST.to_owned());
    let context = ResponseContext { status_code, executed_version, function_error };
    Ok(Reply { request_id, context, body })
}

async fn invoke_there(endpoint: &Endpoint, name: &str, event: Bytes) -> Result<Reply, NoReply> {
    let Endpoint { host, port, path } = endpoint;
    let failed = |error: &dyn std::error::Error| NoReply(format!("request failed: {error}"));
    let request = Request::post(format!("{path}/2015-03-31/functions/{name}/invocations"))
        .header("host", format!("{host}:{port}"))
        .header("content-type", "application/json")
        .body(Full::new(event))
        .map_err(|error| failed(&error))?;
    let connected = TcpStream::connect((host.as_str(), *port));
    let late = |_| NoReply("connection timed out".to_owned());
    let stream = tokio::time::timeout(CONNECT_WITHIN, connected).await.map_err(late)?;
    let stream = stream.map_err(|error| failed(&error))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| failed(&error))?;
    // Its errors are returned by the sender.
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(|error| failed(&error))?;
    reply(answer).await
}

async fn reply(answer: Response<hyper::body::Incoming>) -> Result<Reply, NoReply> {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, ANSWER_BYTES).collect().await;
    let body = body.map_err(|error| NoReply(format!("the response is incomplete: {error}")))?;
    let status_code = head.status.as_u16();
    if !head.status.is_success() {
        return Err(NoReply(format!("the function was not invoked: status=`{status_code}`")));
    }
    let header = |name| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned)
    };
    let context = ResponseContext {
        status_code,
        executed_version: header("x-amz-executed-version").unwrap_or_else(|| LATEST.to_owned()),
        function_error: header("x-amz-function-error"),
    };
    let request_id = header("x-amzn-requestid").unwrap_or_else(|| Uuid::new_v4().to_string());
    Ok(Reply { request_id, context, body: body.to_bytes() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_plain_http_with_or_without_a_path() {
        let endpoint = |host: &str, port, path: &str| {
            Ok(Endpoint { host: host.to_owned(), port, path: path.to_owned() })
        };
        for (text, expected) in [
            ("http://127.0.0.1:9123", endpoint("127.0.0.1", 9123, "")),
            ("http://localhost:9123/", endpoint("localhost", 9123, "")),
            ("http://[::1]:9123", endpoint("::1", 9123, "")),
            ("http://lambda/local/", endpoint("lambda", 80, "/local")),
            ("https://x", Err(NoEndpoint::Scheme("https://x".to_owned()))),
            ("127.0.0.1:9123", Err(NoEndpoint::Invalid("127.0.0.1:9123".to_owned()))),
            ("http://x?y", Err(NoEndpoint::Invalid("http://x?y".to_owned()))),
            ("", Err(NoEndpoint::Invalid(String::new()))),
        ] {
            assert_eq!(text.parse::<Endpoint>(), expected, "{text}");
        }
    }
}
