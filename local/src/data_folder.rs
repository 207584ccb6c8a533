//! The data folder: what stays when the process goes, and the note of where a host listens.
//!
//! One host owns a folder at a time, by an operating system's lock on the file `lock`. The system
//! drops the lock with the process, so a host that was killed leaves none behind, a moment after it
//! stopped answering. `host.json` may be left behind by one; the next host removes it before it
//! starts anything.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

const NOTE: &str = "host.json";
const LOCK: &str = "lock";

/// How long a busy system may take to clear a killed host away.
const CLEARED_AWAY_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Where a host's parts listen.
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

/// What `host.json` says about a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningHost {
    /// Its process.
    pub pid: u32,
    /// Where it listens.
    #[serde(flatten)]
    pub addresses: Addresses,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another host owns it.
    #[error(
        "another host runs on this data folder, stop it or choose another folder with --data: \
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
        /// What the system says.
        source: std::io::Error,
    },
}

/// Why no running host was found.
#[derive(Debug, thiserror::Error)]
pub enum NoHost {
    /// No note in the folder.
    #[error("no host runs on this data folder, start one with `drover serve`: folder=`{folder}`")]
    NotRunning {
        /// The folder.
        folder: PathBuf,
    },
    /// Nothing listens there.
    #[error("no host answers there, start one with `drover serve`: address=`{address}`")]
    NotAnswering {
        /// Where it should be.
        address: SocketAddr,
    },
    /// The note cannot be read.
    #[error("cannot read where the host listens: path=`{path}`")]
    Unreadable {
        /// The note.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Reads where the host of a data folder listens. The host may have been killed since.
///
/// # Errors
/// [`NoHost::NotRunning`] where none has started, or the last one stopped.
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
    /// Owned as long as this is open.
    _lock: File,
}

impl DataFolder {
    /// Creates the folder where there is none, and takes it.
    ///
    /// # Errors
    /// [`FolderError::Owned`] where another host has it and keeps it.
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

    /// The folder, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `host.json`, whole or not at all.
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

    /// Removes `host.json`, where there is one.
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
