//! Requests to a host as any client makes them, over connections that may break at any moment.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use hyper_util::rt::TokioIo;
use serde_json::Value;

/// Longer than a request takes on a busy machine; a host that was killed answers with its end.
const WITHIN: Duration = Duration::from_secs(30);

/// An answer that came whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body; `null` where it is no JSON.
    pub json: Value,
    /// The body as it came.
    pub text: String,
}

/// A request. Nothing in it depends on where it goes.
#[derive(Clone, Debug)]
pub struct Call {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path and query, percent-encoded.
    pub path: String,
    /// Besides `Host` and `Authorization`.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Call {
    /// A request without a body.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// Makes the request with an API key, on a connection of its own. `None`: no whole answer
    /// came, and nobody knows what was done.
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
