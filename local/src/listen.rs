//! Where the host listens: loopback and nothing else, because nothing here checks credentials.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another machine could reach it.
    #[error(
        "{flag} takes a loopback address such as 127.0.0.1 only, because the host checks no \
         credentials: address=`{address}`"
    )]
    NotLoopback {
        /// The flag that gave the address.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// Something listens there already.
    #[error(
        "something else listens there already, choose another address with {flag} (port 0 is any \
         free one): address=`{address}`"
    )]
    InUse {
        /// The flag that gave the address.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// The system refuses.
    #[error("cannot listen there, choose another address with {flag}: address=`{address}`")]
    Refused {
        /// The flag that gave the address.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A listener, with the address that it got in the end.
pub(crate) struct Listener {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// Listens on a loopback address. Port 0 is any free port.
///
/// # Errors
/// [`ListenError`], with the flag that can mend it.
pub(crate) async fn listen(
    flag: &'static str,
    address: SocketAddr,
) -> Result<Listener, ListenError> {
    if !address.ip().is_loopback() {
        return Err(ListenError::NotLoopback { flag, address });
    }
    let failed = |source: std::io::Error| match source.kind() {
        ErrorKind::AddrInUse => ListenError::InUse { flag, address },
        _ => ListenError::Refused { flag, address, source },
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Listener { listener, address })
}
