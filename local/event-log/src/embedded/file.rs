//! The event log file: its tables, and how it is opened. `writer` writes and `reader` reads.
//!
//! `chunks` is the log: each row holds `count` records of one partition, starting at the offset
//! `base`. Rows are only ever appended, so the table grows without page splits.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use rusqlite::Connection;

use super::checkpoint::PAGES;
use crate::chunk::Damaged;

/// Start and end offsets have their own table, so that offsets continue after all chunks are
/// deleted. Times are milliseconds since 1970.
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

/// How long one process waits for another's write.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Errors of the file.
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
    Unavailable::new(Reason::Unreachable, "the event log's file failed")
        .of(Dependency::EventLog)
        .caused_by(error)
}

#[expect(clippy::disallowed_methods, reason = "only the edge of the event log reads the clock")]
pub(super) fn now_millis() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
