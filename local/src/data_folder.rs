//! The data folder: the durable files of a host, and a note with its addresses.
//!
//! One host owns a folder at a time, by a lock of the operating system on the file `lock`. The
//! system releases the lock with the process, so a killed host leaves no lock behind, a moment
//! after it stops answering. A killed host may leave `host.json` behind; the next host removes it
//! before it starts anything.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

const NOTE: &str = "host.json";
const LOCK: &str = "lock";

/// How long a busy system may take to release the lock of a killed host.
const CLEARED_AWAY_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The addresses of a host's services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// The HTTP API.
    pub http: SocketAddr,
    /// Lambda's Invoke API.
    pub lambda: SocketAddr,
    /// DynamoDB.
    pub dynamodb: SocketAddr,
    /// SQS.
    pub sqs: SocketAddr,
}

/// The content of `host.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningHost {
    /// The process id.
    pub pid: u32,
    /// The addresses of its services.
    #[serde(flatten)]
    pub addresses: Addresses,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another host owns the folder.
    #[error(
        "another host uses this data folder, stop it or choose another folder with --data: \
         folder=`{folder}`"
    )]
    Owned {
        /// The folder.
        folder: PathBuf,
    },
    /// A file operation failed.
    #[error("cannot use the data folder, choose another one with --data: path=`{path}`")]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
}

/// Why no running host was found.
#[derive(Debug, thiserror::Error)]
pub enum NoHost {
    /// The folder has no note of a host.
    #[error("no host uses this data folder, start one with `drover serve`: folder=`{folder}`")]
    NotRunning {
        /// The folder.
        folder: PathBuf,
    },
    /// Nothing listens at the address.
    #[error(
        "no host is listening at this address, start one with `drover serve`: address=`{address}`"
    )]
    NotAnswering {
        /// The expected address.
        address: SocketAddr,
    },
    /// The note cannot be read.
    #[error("cannot read the addresses of the host: path=`{path}`")]
    Unreadable {
        /// The note.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
}

/// Reads the addresses of the host of a data folder. The host may have been killed since.
///
/// # Errors
/// [`NoHost::NotRunning`] if no host has started, or the last host has stopped.
pub fn running_host(folder: &Path) -> Result<RunningHost, NoHost> {
    let path = folder.join(NOTE);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(NoHost::NotRunning { folder: folder.to_owned() });
        }
        Err(source) => return Err(NoHost::Unreadable { path, source }),
    };
    serde_json::from_slice(&text).map_err(|error| NoHost::Unreadable { path, source: error.into() })
}

/// A data folder that this process owns.
pub(crate) struct DataFolder {
    path: PathBuf,
    /// Holds the lock while it is open.
    _lock: File,
}

impl DataFolder {
    /// Creates the folder if it does not exist, and locks it.
    ///
    /// # Errors
    /// [`FolderError::Owned`] if another host keeps the lock.
    pub(crate) async fn take(path: &Path) -> Result<Self, FolderError> {
        std::fs::create_dir_all(path).map_err(unusable(path))?;
        let path = path.canonicalize().map_err(unusable(path))?;
        let lock_path = path.join(LOCK);
        let lock = File::create(&lock_path).map_err(unusable(&lock_path))?;
        let patience = Instant::now() + CLEARED_AWAY_WITHIN;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < patience => {
                    sleep(LOOK_AGAIN).await;
                }
                Err(TryLockError::WouldBlock) => return Err(FolderError::Owned { folder: path }),
                Err(TryLockError::Error(source)) => return Err(unusable(&lock_path)(source)),
            }
        }
        let folder = Self { path, _lock: lock };
        folder.withdraw()?;
        Ok(folder)
    }

    /// The absolute path of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `host.json` atomically.
    pub(crate) fn announce(&self, addresses: &Addresses) -> Result<(), FolderError> {
        let note = RunningHost { pid: std::process::id(), addresses: addresses.clone() };
        let (path, draft) = (self.path.join(NOTE), self.path.join("host.json.draft"));
        let write = || {
            let mut file = File::create(&draft)?;
            serde_json::to_writer_pretty(&mut file, &note)?;
            file.write_all(b"\n")?;
            std::fs::rename(&draft, &path)
        };
        write().map_err(unusable(&path))
    }

    /// Removes `host.json`, if it exists.
    pub(crate) fn withdraw(&self) -> Result<(), FolderError> {
        let path = self.path.join(NOTE);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(unusable(&path)(source)),
            _ => Ok(()),
        }
    }
}

fn unusable(path: &Path) -> impl Fn(std::io::Error) -> FolderError + '_ {
    move |source| FolderError::Unusable { path: path.to_owned(), source }
}
