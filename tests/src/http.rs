//! HTTP requests to a host, over connections that may break at any moment.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use hyper_util::rt::TokioIo;
use serde_json::Value;

/// Longer than a request takes on a busy machine; a killed host closes the connection.
const WITHIN: Duration = Duration::from_secs(30);

/// A complete response.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body as JSON; `null` if it is not JSON.
    pub json: Value,
    /// The body as text.
    pub text: String,
}

/// A request, independent of its destination.
#[derive(Clone, Debug)]
pub struct Call {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path and query, percent-encoded.
    pub path: String,
    /// Headers besides `Host` and `Authorization`.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Call {
    /// A request without a body.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// Sends the request with an API key, on its own connection. `None`: the response is missing or
    /// incomplete, so the result is unknown.
    pub async fn send(&self, address: SocketAddr, key: &str) -> Option<Answer> {
        tokio::time::timeout(WITHIN, self.answer(address, key)).await.ok()?
    }

    async fn answer(&self, address: SocketAddr, key: &str) -> Option<Answer> {
        let mut request = Request::builder()
            .method(self.method)
            .uri(&self.path)
            .header(HOST, address.to_string())
            .header(AUTHORIZATION, format!("Bearer {key}"))
            .body(Full::new(Bytes::from(self.body.clone())))
            .ok()?;
        for (name, value) in &self.headers {
            let value = HeaderValue::from_str(value).ok()?;
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        let stream = tokio::net::TcpStream::connect(address).await.ok()?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.ok()?;
        tokio::spawn(connection);
        let answer = sender.send_request(request).await.ok()?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.ok()?.to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        Some(Answer { status, json: serde_json::from_str(&text).unwrap_or_default(), text })
    }
}
