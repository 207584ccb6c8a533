//! What dynoxide leaves out for change streams, on a second connection to its file: indexes, and the
//! deletion of old records.
//!
//! dynoxide looks for the newest sequence number before each write to a table with a stream, and
//! reads from a sequence number, both without an index: each write would cost milliseconds per
//! thousand records. It also keeps records for ever, so that images of forgotten subjects would
//! stay; AWS deletes them after 24 hours.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};

/// The retention of AWS.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// The records of one transaction: all writes to all tables wait for it.
const RECORDS: usize = 500;
/// The maximum number of transactions of one pass. With a pass each minute, records are deleted
/// faster than the host can write them.
const TRANSACTIONS: usize = 600;
/// How long a transaction waits for a write of dynoxide.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// SQLite uses an index of an expression for the same expression only. dynoxide stores sequence
/// numbers as text and compares them as numbers.
const INDEXES: &str = "
    CREATE INDEX IF NOT EXISTS _stream_records_newest
        ON _stream_records (table_name, CAST(sequence_number AS INTEGER));
    CREATE INDEX IF NOT EXISTS _stream_records_place
        ON _stream_records (table_name, shard_id, CAST(sequence_number AS INTEGER));
";
/// Ids grow with time, so the oldest records are the first by id.
const DELETE: &str = "
    DELETE FROM _stream_records WHERE created_at < ?1
        AND id IN (SELECT id FROM _stream_records ORDER BY id LIMIT ?2)
";

/// The stream records in dynoxide's file.
pub(super) struct StreamFile(Connection);

impl StreamFile {
    /// Opens the file, which dynoxide has created, and makes the indexes.
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_WAIT)?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(INDEXES)?;
        Ok(Self(connection))
    }

    /// Deletes records that are too old at this time, in seconds since 1970, and returns their
    /// number. A pass that reaches its maximum leaves the rest for the next pass.
    pub(super) fn trim(&self, now: i64) -> rusqlite::Result<usize> {
        let before = now.saturating_sub(i64::try_from(KEPT.as_secs()).unwrap_or(i64::MAX));
        let mut delete = self.0.prepare_cached(DELETE)?;
        let mut deleted = 0;
        for _ in 0..TRANSACTIONS {
            let count = delete.execute(params![before, RECORDS])?;
            deleted += count;
            if count < RECORDS {
                break;
            }
        }
        Ok(deleted)
    }
}

#[cfg(test)]
mod tests {
    use dynoxide::Database;
    use serde_json::json;

    use super::*;

    /// The statements of dynoxide 3.2 that its writes and reads of streams run.
    const NEWEST: &str = "SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1
        FROM _stream_records WHERE table_name = 'things'";
    const PAGE: &str = "SELECT event_name, keys_json, new_image, old_image, sequence_number
        FROM _stream_records
        WHERE table_name = 'things' AND shard_id = 's' AND CAST(sequence_number AS INTEGER) > 7
        ORDER BY CAST(sequence_number AS INTEGER) ASC LIMIT 100";
    const RANGE: &str =
        "SELECT MIN(CAST(sequence_number AS INTEGER)), MAX(CAST(sequence_number AS INTEGER))
        FROM _stream_records WHERE table_name = 'things' AND shard_id = 's'";

    /// A database with a table that has a stream, and its file.
    struct Fixture {
        database: Database,
        file: StreamFile,
        _folder: tempfile::TempDir,
    }

    impl Fixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("dynamodb.db");
            let database = Database::new(path.to_str().unwrap()).unwrap();
            let file = StreamFile::open(&path).unwrap();
            let table = json!({
                "TableName": "things",
                "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
                "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
                "BillingMode": "PAY_PER_REQUEST",
                "StreamSpecification": {
                    "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES",
                },
            });
            database.create_table(serde_json::from_value(table).unwrap()).unwrap();
            Self { database, file, _folder: folder }
        }

        fn put(&self, items: usize) {
            for number in 0..items {
                let item = json!({ "pk": { "S": number.to_string() } });
                let put = json!({ "TableName": "things", "Item": item });
                self.database.put_item(serde_json::from_value(put).unwrap()).unwrap();
            }
        }

        fn plan(&self, statement: &str) -> String {
            let mut explain =
                self.file.0.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
            let steps = explain.query_map([], |row| row.get::<_, String>(3)).unwrap();
            steps.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
        }

        /// The number of records, and when the newest was written.
        fn records(&self) -> (i64, i64) {
            let count = "SELECT count(*), coalesce(max(created_at), 0) FROM _stream_records";
            self.file.0.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
        }
    }

    fn trim(fixture: &Fixture, now: i64) -> usize {
        fixture.file.trim(now).unwrap()
    }

    #[test]
    fn every_statement_on_stream_records_uses_an_index_and_sorts_nothing() {
        let fixture = Fixture::new();
        fixture.put(3);
        for (statement, index) in [
            (NEWEST, "_stream_records_newest"),
            (PAGE, "_stream_records_place"),
            (RANGE, "_stream_records_"),
            (&DELETE.replace("?1", "0").replace("?2", "500"), "INTEGER PRIMARY KEY"),
        ] {
            let plan = fixture.plan(statement);
            assert!(plan.contains(index), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }

    #[test]
    fn opening_the_file_again_keeps_the_indexes() {
        let fixture = Fixture::new();
        fixture.file.0.execute_batch(INDEXES).unwrap();
        assert!(fixture.plan(NEWEST).contains("_stream_records_newest"));
    }

    #[test]
    fn records_older_than_a_day_are_deleted_and_no_others() {
        let fixture = Fixture::new();
        // More than one transaction.
        fixture.put(RECORDS + 7);
        let (count, newest) = fixture.records();
        let day = i64::try_from(KEPT.as_secs()).unwrap();
        assert_eq!(count, i64::try_from(RECORDS).unwrap() + 7);
        let oldest: i64 = fixture
            .file
            .0
            .query_row("SELECT min(created_at) FROM _stream_records", [], |row| row.get(0))
            .unwrap();
        assert_eq!(trim(&fixture, oldest + day), 0);
        assert_eq!(trim(&fixture, newest + day + 1), RECORDS + 7);
        assert_eq!(fixture.records().0, 0);
        // The table goes on.
        fixture.put(2);
        assert_eq!(fixture.records().0, 2);
    }

    #[test]
    fn a_pass_is_bounded() {
        let fixture = Fixture::new();
        let insert = "WITH RECURSIVE numbers (n) AS
            (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
            INSERT INTO _stream_records
                (table_name, event_name, keys_json, sequence_number, shard_id, created_at)
            SELECT 'things', 'INSERT', '{}', n, 's', 0 FROM numbers";
        let most = RECORDS * TRANSACTIONS;
        fixture.file.0.execute(insert, [most + 1]).unwrap();
        assert_eq!(trim(&fixture, i64::MAX), most);
        assert_eq!(trim(&fixture, i64::MAX), 1);
    }
}
