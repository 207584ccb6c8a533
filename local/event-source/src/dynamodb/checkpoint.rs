//! The file of checkpoints: how far each shard of each mapping is handled. It survives restarts and
//! `kill -9`.
//!
//! A checkpoint has one sequence number for each lane: the records of the lane up to the number are
//! handled or discarded. SQLite runs in WAL mode with `synchronous=NORMAL`, as the host's other
//! files: a power failure may lose the newest checkpoints, and then records are sent again.
//!
//! Not implemented: two processes that run the same mapping.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drover_core::base::error::{Reason, Unavailable};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use super::sequence::SequenceNumber;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS mappings (
        name TEXT PRIMARY KEY,
        stream_arn TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS shards (
        mapping TEXT NOT NULL,
        shard TEXT NOT NULL,
        checkpoint TEXT NOT NULL,
        PRIMARY KEY (mapping, shard)
    ) WITHOUT ROWID;
";
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// The checkpoints of all mappings of a process. Clones share the file.
#[derive(Clone, Debug)]
pub struct Checkpoints(Arc<Mutex<Connection>>);

/// How far one shard is handled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ShardCheckpoint {
    /// By lane, the last record that is handled or discarded; `None`: no record is.
    pub(super) lanes: Vec<Option<Digits>>,
    /// With [`StartingPosition::Latest`](super::settings::StartingPosition): when the mapping
    /// started, in milliseconds since 1970. Older records are not sent.
    pub(super) since: Option<i64>,
    /// The shard is closed, and all of its records are handled or discarded.
    pub(super) is_complete: bool,
}

/// A sequence number as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Digits(pub(super) SequenceNumber);

impl TryFrom<String> for Digits {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        SequenceNumber::parse(&text).map(Self).ok_or("not a sequence number")
    }
}

impl From<Digits> for String {
    fn from(digits: Digits) -> Self {
        digits.0.as_str().to_owned()
    }
}

/// What the file contains when a mapping starts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Started {
    /// The mapping never read this stream.
    First,
    /// The mapping continues at the checkpoints of these shards.
    Again(BTreeMap<String, ShardCheckpoint>),
}

#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("a checkpoint is damaged")]
    Damaged(#[from] serde_json::Error),
    #[error("the task of the file was aborted")]
    Aborted,
}

impl Checkpoints {
    /// Opens the file, or creates it.
    ///
    /// # Errors
    /// The file cannot be opened or is not a file of checkpoints.
    pub fn open(path: &Path) -> Result<Self, Unavailable> {
        let open = || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(BUSY_WAIT)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.execute_batch(SCHEMA)?;
            Ok(connection)
        };
        Ok(Self(Arc::new(Mutex::new(open().map_err(broken)?))))
    }

    /// Starts a mapping. The checkpoints of another stream of the same mapping are deleted: the
    /// table was recreated, or its stream was switched off and on.
    pub(super) async fn start(&self, mapping: &str, arn: &str) -> Result<Started, Unavailable> {
        let (mapping, arn) = (mapping.to_owned(), arn.to_owned());
        self.run(move |connection| start(connection, &mapping, &arn)).await
    }

    /// Writes the checkpoint of a shard. It is durable when this returns.
    pub(super) async fn commit(
        &self,
        mapping: &str,
        shard: &str,
        checkpoint: &ShardCheckpoint,
    ) -> Result<(), Unavailable> {
        let (mapping, shard, checkpoint) =
            (mapping.to_owned(), shard.to_owned(), checkpoint.clone());
        let write = move |connection: &mut Connection| {
            let checkpoint = serde_json::to_string(&checkpoint)?;
            let insert =
                "INSERT OR REPLACE INTO shards (mapping, shard, checkpoint) VALUES (?1, ?2, ?3)";
            connection.prepare_cached(insert)?.execute(params![mapping, shard, checkpoint])?;
            Ok(())
        };
        self.run(write).await
    }

    /// Deletes the checkpoint of a shard that the stream no longer lists.
    pub(super) async fn forget(&self, mapping: &str, shard: &str) -> Result<(), Unavailable> {
        let (mapping, shard) = (mapping.to_owned(), shard.to_owned());
        let delete = move |connection: &mut Connection| {
            let delete = "DELETE FROM shards WHERE mapping = ?1 AND shard = ?2";
            connection.prepare_cached(delete)?.execute(params![mapping, shard])?;
            Ok(())
        };
        self.run(delete).await
    }

    /// Runs on a thread for blocking work.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let connection = Arc::clone(&self.0);
        let work = move || work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner));
        let worked = tokio::task::spawn_blocking(work).await;
        worked.unwrap_or(Err(FileError::Aborted)).map_err(broken)
    }
}

fn start(connection: &mut Connection, mapping: &str, arn: &str) -> Result<Started, FileError> {
    let transaction = connection.transaction()?;
    let known = "SELECT stream_arn FROM mappings WHERE name = ?1";
    let known: Option<String> =
        transaction.query_row(known, [mapping], |row| row.get(0)).optional()?;
    if known.as_deref() == Some(arn) {
        let select = "SELECT shard, checkpoint FROM shards WHERE mapping = ?1";
        let mut select = transaction.prepare(select)?;
        let rows = select.query_map([mapping], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let shards = rows.map(|row| {
            let (shard, checkpoint): (String, String) = row?;
            Ok((shard, serde_json::from_str(&checkpoint)?))
        });
        return shards.collect::<Result<_, FileError>>().map(Started::Again);
    }
    transaction.execute("DELETE FROM shards WHERE mapping = ?1", [mapping])?;
    let insert = "INSERT OR REPLACE INTO mappings (name, stream_arn) VALUES (?1, ?2)";
    transaction.execute(insert, [mapping, arn])?;
    transaction.commit()?;
    Ok(Started::First)
}

fn broken(error: FileError) -> Unavailable {
    Unavailable::new(Reason::Unreachable, "the file of checkpoints failed").caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(lanes: &[Option<&str>]) -> ShardCheckpoint {
        let digits = |text: &str| Digits(SequenceNumber::parse(text).unwrap());
        let lanes = lanes.iter().map(|lane| lane.map(digits)).collect();
        ShardCheckpoint { lanes, since: Some(7), is_complete: false }
    }

    #[tokio::test]
    async fn checkpoints_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoints.db");
        let file = Checkpoints::open(&path).unwrap();
        assert_eq!(file.start("m", "arn").await.unwrap(), Started::First);
        let (first, second) = (checkpoint(&[None, Some("007")]), checkpoint(&[Some("8"), None]));
        file.commit("m", "s-1", &first).await.unwrap();
        file.commit("m", "s-1", &second).await.unwrap();
        file.commit("m", "s-2", &first).await.unwrap();
        file.commit("m", "s-3", &first).await.unwrap();
        file.forget("m", "s-3").await.unwrap();
        drop(file);

        let file = Checkpoints::open(&path).unwrap();
        let expected = [("s-1".to_owned(), second), ("s-2".to_owned(), first)];
        let again = file.start("m", "arn").await.unwrap();
        assert_eq!(again, Started::Again(expected.into()));
    }

    #[tokio::test]
    async fn mappings_are_separate_and_a_recreated_stream_starts_anew() {
        let folder = tempfile::tempdir().unwrap();
        let file = Checkpoints::open(&folder.path().join("checkpoints.db")).unwrap();
        for mapping in ["m", "n"] {
            assert_eq!(file.start(mapping, "arn").await.unwrap(), Started::First);
            file.commit(mapping, "s", &checkpoint(&[None])).await.unwrap();
        }
        assert_eq!(file.start("m", "arn-2").await.unwrap(), Started::First);
        assert_eq!(file.start("m", "arn-2").await.unwrap(), Started::Again(BTreeMap::new()));
        let expected = Started::Again([("s".to_owned(), checkpoint(&[None]))].into());
        assert_eq!(file.start("n", "arn").await.unwrap(), expected);
    }
}
