//! Deletes rows that are older than the retention, or the oldest rows if the file is too large. With a
//! group, a row that the group has not committed stays, whatever its age and the size of the file.
//!
//! The file does not shrink: SQLite reuses the space.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::file::FileError;
use super::limits::Keep;
use super::offset_index::Seen;

/// Rows deleted per transaction: a small number, so that writes do not wait long.
const ROWS: usize = 64;

/// Deletes old rows and returns the new bounds of the partitions.
pub(super) fn tidy(
    connection: &mut Connection,
    keep: &Keep,
    now_millis: i64,
) -> Result<Vec<Seen>, FileError> {
    let age = i64::try_from(keep.age.as_millis()).unwrap_or(i64::MAX);
    let old = now_millis.saturating_sub(age);
    let mut seen = Vec::new();
    loop {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before = if content_bytes(&transaction)? > keep.bytes { i64::MAX } else { old };
        let deleted = delete(&transaction, keep.group.as_deref(), before)?;
        if deleted > 0 {
            seen = starts(&transaction)?;
            transaction.commit()?;
        }
        if deleted < ROWS {
            return Ok(seen);
        }
    }
}

/// Deletes the oldest rows first. Rows of one partition are deleted in order: every row before a
/// deletable row is deletable.
fn delete(
    transaction: &Transaction<'_>,
    group: Option<&str>,
    before: i64,
) -> Result<usize, rusqlite::Error> {
    let Some(group) = group else {
        return transaction
            .prepare_cached(
                "DELETE FROM chunks WHERE id IN (
                     SELECT id FROM chunks WHERE appended_at < ?1 ORDER BY id LIMIT ?2)",
            )?
            .execute(params![before, ROWS]);
    };
    transaction
        .prepare_cached(
            "DELETE FROM chunks WHERE id IN (
                 SELECT chunks.id FROM chunks
                 JOIN topics ON topics.id = chunks.topic
                 JOIN committed ON consumer_group = ?1 AND committed.topic = topics.name
                     AND committed.partition = chunks.partition
                 WHERE base + count <= next_offset AND appended_at < ?2
                 ORDER BY chunks.id LIMIT ?3)",
        )?
        .execute(params![group, before, ROWS])
}

fn content_bytes(transaction: &Transaction<'_>) -> Result<u64, rusqlite::Error> {
    let read = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    Ok((read("page_count")?.saturating_sub(read("freelist_count")?)) * read("page_size")?)
}

/// Moves every start to the first remaining row, or to the end if none remains.
fn starts(transaction: &Transaction<'_>) -> Result<Vec<Seen>, rusqlite::Error> {
    transaction.execute(
        "UPDATE partitions SET start_offset = COALESCE(
             (SELECT MIN(base) FROM chunks
              WHERE chunks.topic = partitions.topic AND chunks.partition = partitions.partition),
             end_offset)",
        [],
    )?;
    let mut select = transaction.prepare_cached(Seen::SELECT)?;
    let seen = select.query_map([], Seen::read)?;
    seen.collect()
}
