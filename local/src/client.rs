//! The connection of the commands to a running host, and a call of its Invoke API.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::data_folder::NoHost;

/// The response of the host.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) function_failed: bool,
    pub(crate) body: Bytes,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No host is listening.
    #[error(transparent)]
    NoHost(#[from] NoHost),
    /// The name cannot be a function's name.
    #[error("invalid function name: name=`{name}`")]
    Name {
        /// The name that was given.
        name: String,
    },
    /// The connection ended before the response did.
    #[error("the host's response is incomplete: address=`{address}`")]
    BrokenOff {
        /// The address of the host.
        address: SocketAddr,
        /// The error of the connection.
        source: hyper::Error,
    },
}

/// Loopback connects at once or not at all.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// Invokes a function and waits for its response, as long as the host lets it run.
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
    // Its errors are returned by the sender.
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.map_err(broken_off)?.into_parts();
    Ok(Answer {
        status: head.status,
        function_failed: head.headers.contains_key("x-amz-function-error"),
        body: body.collect().await.map_err(broken_off)?.to_bytes(),
    })
}

/// Connects to a service of the host.
///
/// # Errors
/// [`NoHost::NotAnswering`].
pub(crate) async fn connect(address: SocketAddr) -> Result<TcpStream, NoHost> {
    let connected = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(address)).await;
    connected.ok().and_then(Result::ok).ok_or(NoHost::NotAnswering { address })
}
