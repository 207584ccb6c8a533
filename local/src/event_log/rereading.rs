//! Reads offsets of the embedded log again: the records as the processor received them, and the
//! number of deleted records.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use drover_core::base::error::Unavailable;
use drover_core::dead_letter::envelope::Content;
use drover_core::dead_letter::origin::Offsets;
use drover_core::dead_letter::reread::{self, Again, BYTES, RECORDS};
use drover_core::intake::record::{Receipt, Record, Source};
use drover_core::ports::Reread;

use drover_event_log::{Bounds, Embedded, Log as _, Position, StoredRecord};

const BOUNDS: Bounds = Bounds { records: RECORDS, bytes: BYTES, wait: Duration::ZERO };

/// A log for reading again.
#[derive(Clone, Debug)]
pub struct LogReread {
    log: Embedded,
}

impl LogReread {
    /// Reads this log.
    pub fn new(log: Embedded) -> Self {
        Self { log }
    }
}

impl Reread for LogReread {
    /// Never `None`, because the log exists. If the topic or the partition does not exist, all
    /// records are lost.
    async fn reread(
        &self,
        offsets: &Offsets,
        given_up: Receipt,
    ) -> Result<Option<Again>, Unavailable> {
        let Offsets { topic, partition, first, last } = offsets;
        let from = Position { topic, partition: *partition, offset: *first };
        let fetched = self.log.fetch(from, BOUNDS).await?;
        let topic: Arc<str> = Arc::from(topic.as_str());
        let wanted = fetched.records.into_iter().filter(|record| record.offset <= *last);
        let records = wanted.map(|record| received(&topic, *partition, record, given_up)).collect();
        Ok(Some(Again::of(offsets, fetched.start..fetched.end, records, fetched.next)))
    }
}

/// A record as the processor receives it. A null header becomes an empty header, as in Lambda's events.
pub(crate) fn received(
    topic: &Arc<str>,
    partition: i32,
    record: StoredRecord,
    receipt: Receipt,
) -> Record {
    let StoredRecord { offset, timestamp, timestamp_type: _, key, value, headers } = record;
    let topic = Arc::clone(topic);
    let source =
        Source::Kafka { topic, partition, offset, timestamp: Some(timestamp), element: None };
    let bytes = |bytes: Bytes| bytes.to_vec();
    let header =
        |(name, value): (String, Option<Bytes>)| (name, value.map(bytes).unwrap_or_default());
    let content = Content {
        key: key.map(bytes),
        value: value.map(bytes),
        headers: headers.into_iter().map(header).collect(),
    };
    reread::record(source, content, receipt)
}

#[cfg(test)]
mod tests {
    use drover_core::base::time::Timestamp;
    use drover_core::intake::record::TopicRetention;
    use drover_event_log::{NewRecord, TopicName};
    use rusqlite::{Connection, params};
    use tempfile::{TempDir, tempdir};

    use super::*;

    struct Fixture {
        folder: TempDir,
        log: Embedded,
        partition: i32,
    }

    fn given_up() -> Receipt {
        let now = Timestamp::from_millis(1_800_000_000_000).unwrap();
        Receipt { now, retention: TopicRetention::WEEK }
    }

    fn record(value: String) -> NewRecord {
        let key = Some("k".into());
        NewRecord {
            timestamp: 1_799_999_999_000,
            key,
            value: Some(value.into()),
            headers: Vec::new(),
        }
    }

    impl Fixture {
        /// A partition with these records, all with one key.
        async fn new(records: &[NewRecord]) -> Self {
            let folder = tempdir().unwrap();
            let log = Embedded::open(&folder.path().join("stream.db"), None).unwrap();
            let topic = TopicName::parse("t").unwrap();
            let places = log.append(&topic, records).await.unwrap();
            Self { folder, log, partition: places[0].partition }
        }

        async fn of(count: usize, bytes: usize) -> Self {
            Self::new(&vec![record("x".repeat(bytes)); count]).await
        }

        async fn again_of(&self, topic: &str, partition: i32, first: i64, last: i64) -> Again {
            let offsets = Offsets { topic: topic.to_owned(), partition, first, last };
            let reread = LogReread::new(self.log.clone());
            reread.reread(&offsets, given_up()).await.unwrap().unwrap()
        }

        async fn again(&self, first: i64, last: i64) -> Again {
            self.again_of("t", self.partition, first, last).await
        }

        /// Deletes the records before an offset, as the retention does.
        fn delete_before(&mut self, offset: i64) {
            let path = self.folder.path().join("stream.db");
            let file = Connection::open(&path).unwrap();
            let params = params![self.partition, offset];
            file.execute("DELETE FROM chunks WHERE partition = ?1 AND base < ?2", params).unwrap();
            let update = "UPDATE partitions SET start_offset = ?2 WHERE partition = ?1";
            file.execute(update, params).unwrap();
            self.log = Embedded::open(&path, None).unwrap();
        }
    }

    fn offsets(again: &Again) -> Vec<i64> {
        let offset = |record: &Record| match record.source {
            Source::Kafka { offset, .. } => offset,
            Source::Http { .. } => -1,
        };
        again.records.iter().map(offset).collect()
    }

    #[tokio::test]
    async fn a_record_is_read_as_the_processor_received_it() {
        let headers = vec![("tenant".to_owned(), Some("demo".into())), ("flag".to_owned(), None)];
        let late = NewRecord { timestamp: 1_900_000_000_000, ..record("late".to_owned()) };
        let tombstone = NewRecord { timestamp: -1, key: Some("k".into()), ..NewRecord::default() };
        let stamped = NewRecord { headers, ..record("stamped".to_owned()) };
        let fixture = Fixture::new(&[stamped, late, tombstone]).await;
        let event = serde_json::json!({"records": {"t-0": [
            {"topic": "t", "partition": fixture.partition, "offset": 0,
                "timestamp": 1_799_999_999_000_i64,
                "key": "aw==", "value": "c3RhbXBlZA==",
                "headers": [{"tenant": [100, 101, 109, 111]}, {"flag": null}]},
            {"topic": "t", "partition": fixture.partition, "offset": 1,
                "timestamp": 1_900_000_000_000_i64, "key": "aw==", "value": "bGF0ZQ=="},
            {"topic": "t", "partition": fixture.partition, "offset": 2, "timestamp": -1,
                "key": "aw=="},
        ]}});
        let decoded =
            drover_core::intake::kafka_event::decode(&event.to_string(), given_up()).unwrap();
        let expected: Vec<Record> =
            decoded.records.into_iter().map(|incoming| incoming.into_record()).collect();
        let again = fixture.again(0, 2).await;
        assert_eq!(again, Again { records: expected, next: 3, lost: 0 });
    }

    #[tokio::test]
    async fn only_the_requested_offsets_are_returned() {
        let fixture = Fixture::of(10, 1).await;
        let again = fixture.again(3, 5).await;
        assert_eq!((offsets(&again), again.next, again.lost), (vec![3, 4, 5], 6, 0));
    }

    #[tokio::test]
    async fn many_records_are_read_in_bounded_steps() {
        let fixture = Fixture::of(RECORDS + 2, 1).await;
        let all = i64::try_from(RECORDS).unwrap() + 1;
        let first = fixture.again(0, all).await;
        assert_eq!((first.records.len(), first.next, first.lost), (RECORDS, all - 1, 0));
        let second = fixture.again(first.next, all).await;
        assert_eq!((offsets(&second), second.next), (vec![all - 1, all], all + 1));

        let large = Fixture::of(5, 1_000_000).await;
        let first = large.again(0, 4).await;
        assert_eq!((offsets(&first), first.next, first.lost), (vec![0, 1, 2, 3], 4, 0));
    }

    #[tokio::test]
    async fn deleted_records_are_lost_and_the_others_are_read() {
        let mut fixture = Fixture::of(1, 1).await;
        let topic = TopicName::parse("t").unwrap();
        for value in ["b", "c", "d"] {
            fixture.log.append(&topic, &[record(value.to_owned())]).await.unwrap();
        }
        fixture.delete_before(2);
        let again = fixture.again(0, 3).await;
        assert_eq!((offsets(&again), again.next, again.lost), (vec![2, 3], 4, 2));
        let gone = fixture.again(0, 1).await;
        assert_eq!((offsets(&gone), gone.next, gone.lost), (vec![], 2, 2));
    }

    #[tokio::test]
    async fn offsets_that_never_existed_are_lost() {
        let fixture = Fixture::of(3, 1).await;
        let cut = fixture.again(1, 6).await;
        assert_eq!((offsets(&cut), cut.next, cut.lost), (vec![1, 2], 7, 4));
        let beyond = fixture.again(5, 6).await;
        assert_eq!((offsets(&beyond), beyond.next, beyond.lost), (vec![], 7, 2));
        let other = fixture.again_of("other", 0, 0, 9).await;
        assert_eq!((offsets(&other), other.next, other.lost), (vec![], 10, 10));
        for partition in [-1, 4] {
            let none = fixture.again_of("t", partition, 2, 3).await;
            assert_eq!((offsets(&none), none.next, none.lost), (vec![], 4, 2));
        }
    }
}
