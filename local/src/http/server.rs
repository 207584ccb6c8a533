//! The HTTP server: limits the number of connections and the time to send a request header, and on
//! a stop closes connections after their running request. axum's own server has neither limit.
//!
//! Not implemented: a limit for a client that reads its response slowly. It occupies one
//! connection, and it is a program on this machine.

use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// The pause after a failed accept; usually the process is out of file descriptors.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// The limits of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Concurrent connections; further connections wait to be accepted.
    pub(crate) connections: usize,
    /// How long a connection may take to send the whole header of a request, counted from the end
    /// of the previous request.
    pub(crate) header: Duration,
}

impl Limits {
    /// The limits of the host. Idle connections are kept as long as most clients keep theirs.
    pub(crate) const HOST: Self = Self { connections: 1_024, header: Duration::from_secs(60) };
}

/// Serves until `shutdown`, then waits for running requests.
///
/// # Errors
/// Never today: an error of a connection ends only that connection.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (accept(&listener).await, place)
        };
        let (stream, place) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut shutdown => break,
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = &error as &dyn std::error::Error, "connection failed");
            }
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
    Ok(())
}

/// Accepts the next connection. `TCP_NODELAY` sends small responses at once.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Fails on a connection that is already closed; the next read reports it.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            // The client disconnected before it was accepted.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept");
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
        }
    }
}
