//! The stream's file: its tables, and how it is opened. Writing is `writer`'s, reading `reader`'s.
//!
//! `chunks` is the log: each row holds `count` records of one partition from the offset `base` on.
//! Rows only ever come at the end, so the table grows without pages being split.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use rusqlite::Connection;

use super::checkpoint::PAGES;
use crate::chunk::Damaged;

/// Starts and ends are kept apart from the log, so that offsets go on where they were when the log
/// has been emptied. Times are milliseconds since 1970.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS topics (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    );
    CREATE TABLE IF NOT EXISTS partitions (
        topic INTEGER NOT NULL REFERENCES topics (id),
        partition INTEGER NOT NULL,
        start_offset INTEGER NOT NULL DEFAULT 0,
        end_offset INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (topic, partition)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS chunks (
        id INTEGER PRIMARY KEY,
        topic INTEGER NOT NULL,
        partition INTEGER NOT NULL,
        base INTEGER NOT NULL,
        count INTEGER NOT NULL,
        appended_at INTEGER NOT NULL,
        records BLOB NOT NULL
    );
    CREATE UNIQUE INDEX IF NOT EXISTS chunks_place ON chunks (topic, partition, base);
    CREATE TABLE IF NOT EXISTS committed (
        consumer_group TEXT NOT NULL,
        topic TEXT NOT NULL,
        partition INTEGER NOT NULL,
        next_offset INTEGER NOT NULL,
        PRIMARY KEY (consumer_group, topic, partition)
    ) WITHOUT ROWID;
";

/// How long one process waits while another writes.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// What goes wrong with the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

pub(super) fn open(path: &Path) -> Result<Connection, FileError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", PAGES)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

pub(super) fn broken(error: FileError) -> Unavailable {
    Unavailable::new(Reason::Unreachable, "the stream's file failed")
        .of(Dependency::EventLog)
        .caused_by(error)
}

#[expect(clippy::disallowed_methods, reason = "the edge of the stream is where time comes from")]
pub(super) fn now_millis() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
