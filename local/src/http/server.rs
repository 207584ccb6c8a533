//! Connections: accepted up to a number, each with a time for the header of its next request, and
//! ended after the request that runs when the host stops. axum's own server sets neither bound.
//!
//! Left out: a bound for a client that reads its answer slowly. It keeps one connection, and it is a
//! program of this machine.

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

/// How long nobody is accepted after the system refused to: it is out of files, as a rule.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// The bounds of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Connections at once; further ones wait to be accepted.
    pub(crate) connections: usize,
    /// How long a connection may take to send the whole header of a request, from the end of the
    /// one before.
    pub(crate) header: Duration,
}

impl Limits {
    /// Those of the host. A connection is kept as long as most clients keep theirs.
    pub(crate) const HOST: Self = Self { connections: 1_024, header: Duration::from_secs(60) };
}

/// Answers until `shutdown`, then waits for the requests that run.
///
/// # Errors
/// None today: what goes wrong with a connection ends that connection.
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

/// The next connection. Small answers go out at once.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // A connection that has ended already cannot be set; the next read says so.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            // The client has gone before it was accepted.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept");
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
        }
    }
}
