//! The listeners of the host. They accept loopback addresses only, because the host checks no
//! credentials.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is not loopback.
    #[error(
        "{flag} requires a loopback address such as 127.0.0.1, because the host checks no \
         credentials: address=`{address}`"
    )]
    NotLoopback {
        /// The flag that gave the address.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// Another program uses the address.
    #[error(
        "address already in use, choose another address with {flag} (port 0 selects a free \
         port): address=`{address}`"
    )]
    InUse {
        /// The flag that gave the address.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// The system rejects the address.
    #[error(
        "cannot listen on this address, choose another address with {flag}: address=`{address}`"
    )]
    Refused {
        /// The flag that gave the address.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        source: std::io::Error,
    },
}

/// A listener with its actual address.
pub(crate) struct Listener {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// Listens on a loopback address. Port 0 selects a free port.
///
/// # Errors
/// [`ListenError`], with the flag that sets the address.
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
