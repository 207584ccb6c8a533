//! How the commands reach a running host: connections, and one call of the Invoke API.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::data_folder::NoHost;

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) function_failed: bool,
    pub(crate) body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing listens there.
    #[error(transparent)]
    NoHost(#[from] NoHost),
    /// Something no function can be called.
    #[error("not a function's name: name=`{name}`")]
    Name {
        /// What was given instead.
        name: String,
    },
    /// The connection ended before the answer did.
    #[error("the host's answer broke off: address=`{address}`")]
    BrokenOff {
        /// Where it was.
        address: SocketAddr,
        /// Why.
        source: hyper::Error,
    },
}

/// Loopback answers at once or not at all.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// Calls a function and waits for its answer, as long as the host lets it run.
pub(crate) async fn invoke(
    address: SocketAddr,
    name: &str,
    event: Bytes,
) -> Result<Answer, CallError> {
    let request = Request::post(format!("/2015-03-31/functions/{name}/invocations"))
        .header("host", address.to_string())
        .header("content-type", "application/json")
        .body(Full::new(event))
        .map_err(|_| CallError::Name { name: name.to_owned() })?;
    let stream = connect(address).await?;

    let broken_off = |source| CallError::BrokenOff { address, source };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken_off)?;
    // Its errors come back through the sender.
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.map_err(broken_off)?.into_parts();
    Ok(Answer {
        status: head.status,
        function_failed: head.headers.contains_key("x-amz-function-error"),
        body: body.collect().await.map_err(broken_off)?.to_bytes(),
    })
}

/// A connection to a part of the host.
///
/// # Errors
/// [`NoHost::NotAnswering`].
pub(crate) async fn connect(address: SocketAddr) -> Result<TcpStream, NoHost> {
    let connected = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(address)).await;
    connected.ok().and_then(Result::ok).ok_or(NoHost::NotAnswering { address })
}
