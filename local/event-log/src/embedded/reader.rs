//! The reader's thread: fetches, committed offsets, and a poll for records of other processes.

use std::collections::BTreeMap;
use std::sync::mpsc;

use rusqlite::{Connection, params};

use super::file::FileError;
use super::limits::LOOK_EVERY;
use super::offset_index::{OffsetIndex, Seen};
use crate::chunk::Records;
use crate::{Bounds, StoredRecord};

/// A query with its answer channel.
pub(super) type Job = Box<dyn FnOnce(&mut Reader) + Send>;

/// The read-only view of the file.
pub(super) struct Reader {
    connection: Connection,
    /// SQLite's counter of other connections' commits.
    version: Option<i64>,
}

impl Reader {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, version: None }
    }

    /// Runs until all senders of the channel are dropped.
    pub(super) fn run(mut self, jobs: &mpsc::Receiver<Job>, offset_index: &OffsetIndex) {
        let mut looked = std::time::Instant::now();
        loop {
            match jobs.recv_timeout(LOOK_EVERY.saturating_sub(looked.elapsed())) {
                Ok(job) => job(&mut self),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            if looked.elapsed() >= LOOK_EVERY {
                if let Err(error) = self.look(offset_index) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot poll the event log file"
                    );
                }
                looked = std::time::Instant::now();
            }
        }
    }

    /// Reads the bounds of the partitions, if another connection committed since the last call.
    pub(super) fn look(&mut self, offset_index: &OffsetIndex) -> Result<(), FileError> {
        let version = self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        if self.version == Some(version) {
            return Ok(());
        }
        let mut select = self.connection.prepare_cached(Seen::SELECT)?;
        let seen = select.query_map([], Seen::read)?;
        offset_index.saw(&seen.collect::<Result<Vec<_>, _>>()?);
        self.version = Some(version);
        Ok(())
    }

    pub(super) fn fetch(
        &self,
        topic: i64,
        partition: i32,
        from: i64,
        bounds: Bounds,
    ) -> Result<Vec<StoredRecord>, FileError> {
        let mut select = self.connection.prepare_cached(
            "SELECT base, records FROM chunks
             WHERE topic = ?1 AND partition = ?2 AND base >= COALESCE(
                 (SELECT MAX(base) FROM chunks WHERE topic = ?1 AND partition = ?2 AND base <= ?3),
                 ?3)
             ORDER BY base",
        )?;
        let mut rows = select.query(params![topic, partition, from])?;
        let (mut records, mut bytes) = (Vec::new(), 0_usize);
        while let Some(row) = rows.next()? {
            for record in Records::new(row.get(1)?, row.get(0)?, from)? {
                let record = record?;
                bytes = bytes.saturating_add(record.bytes());
                let full = records.len() >= bounds.records || bytes > bounds.bytes;
                if full && !records.is_empty() {
                    return Ok(records);
                }
                records.push(record);
            }
        }
        Ok(records)
    }

    pub(super) fn committed(
        &self,
        group: &str,
        topic: &str,
    ) -> Result<BTreeMap<i32, i64>, FileError> {
        let mut select = self.connection.prepare_cached(
            "SELECT partition, next_offset FROM committed WHERE consumer_group = ?1 AND topic = ?2",
        )?;
        let rows = select.query_map([group, topic], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
