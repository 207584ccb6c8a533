//! The queue file: its tables, and one action on them as one transaction.
//!
//! The time is an argument of the action. [`Store::take_woken`] returns the queues with new
//! messages to receive, after the commit. A message is one row from sending to deletion. `due_at`
//! is the time at which it may be received next; it covers delays, visibility timeouts and waiting
//! messages. Times are milliseconds since 1970.

mod messages;
mod queues;
#[cfg(test)]
mod tests;
mod upkeep;

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Transaction};

use super::attributes::Attributes;
use super::rejection::{SqsError, Unavailable};
use super::settings::QueueName;
pub(super) use messages::{Delivery, EXTRA_BYTES, Want};
pub(super) use queues::Queue;
pub use queues::QueueLevels;

/// Row ids of both tables are never reused (`AUTOINCREMENT`), because receipt handles contain them.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS queues (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        created_at INTEGER NOT NULL,
        modified_at INTEGER NOT NULL,
        visibility_timeout INTEGER NOT NULL,
        retention INTEGER NOT NULL,
        delay INTEGER NOT NULL,
        receive_wait INTEGER NOT NULL,
        maximum_bytes INTEGER NOT NULL,
        dead_letter_queue TEXT,
        max_receive_count INTEGER
    );
    CREATE TABLE IF NOT EXISTS messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queue INTEGER NOT NULL REFERENCES queues (id) ON DELETE CASCADE,
        message_id TEXT NOT NULL,
        body TEXT NOT NULL,
        attributes TEXT NOT NULL,
        group_id TEXT,
        sent_at INTEGER NOT NULL,
        due_at INTEGER NOT NULL,
        receive_count INTEGER NOT NULL DEFAULT 0,
        first_received_at INTEGER,
        redriven_from TEXT
    );
    CREATE INDEX IF NOT EXISTS messages_due ON messages (queue, due_at, receive_count);
    CREATE INDEX IF NOT EXISTS messages_tried ON messages (queue, receive_count);
    CREATE INDEX IF NOT EXISTS messages_sent ON messages (queue, sent_at);
";

/// The open queue file.
pub(super) struct Store {
    connection: Connection,
    woken: BTreeSet<QueueName>,
}

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self, Unavailable> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection, woken: BTreeSet::new() })
    }

    /// Runs one action at one time: all its writes are kept if it succeeds, and none otherwise.
    pub(super) fn act<T>(
        &mut self,
        now_millis: i64,
        action: impl FnOnce(&mut Queues<'_>) -> Result<T, SqsError>,
    ) -> Result<T, SqsError> {
        let transaction = self.connection.transaction()?;
        let mut queues = Queues { transaction, now_millis, woken: BTreeSet::new() };
        let done = action(&mut queues)?;
        queues.transaction.commit()?;
        self.woken.append(&mut queues.woken);
        Ok(done)
    }

    /// The queues whose waiting receives may succeed since the last call.
    pub(super) fn take_woken(&mut self) -> BTreeSet<QueueName> {
        std::mem::take(&mut self.woken)
    }
}

/// All queues, within one transaction and at one time.
pub(super) struct Queues<'store> {
    transaction: Transaction<'store>,
    now_millis: i64,
    woken: BTreeSet<QueueName>,
}

impl ToSql for QueueName {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.as_str().to_sql()
    }
}

impl FromSql for QueueName {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::parse(value.as_str()?).map_err(|error| FromSqlError::Other(error.into()))
    }
}

impl ToSql for Attributes {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let json = serde_json::to_string(self)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(json.into())
    }
}

impl FromSql for Attributes {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map_err(|error| FromSqlError::Other(error.into()))
    }
}
