//! The event log in one file: appends, reads, other processes, limits, deletion.

use std::collections::BTreeSet;
use std::time::Duration;

use drover_core::intake::event_log::partition;
use tempfile::tempdir;

use super::file::now_millis;
use super::*;
use crate::StoredRecord;

const WITHOUT_WAITING: Bounds = Bounds { records: 1000, bytes: usize::MAX, wait: Duration::ZERO };

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

fn record(key: &str, value: &str) -> NewRecord {
    let bytes = |text: &str| Some(text.to_owned().into());
    NewRecord { timestamp: 7, key: bytes(key), value: bytes(value), headers: Vec::new() }
}

fn keyless(value: &str) -> NewRecord {
    NewRecord { key: None, ..record("", value) }
}

async fn read(stream: &Embedded, topic: &str, partition: i32, offset: i64) -> Vec<StoredRecord> {
    stream.fetch(Position { topic, partition, offset }, WITHOUT_WAITING).await.unwrap().records
}

async fn read_all(stream: &Embedded, topic: &str) -> Vec<Vec<StoredRecord>> {
    let mut partitions = Vec::new();
    for partition in 0..4 {
        partitions.push(read(stream, topic, partition, 0).await);
    }
    partitions
}

fn values(records: &[StoredRecord]) -> Vec<String> {
    let value = |record: &StoredRecord| record.value.clone().unwrap().to_vec();
    records.iter().map(|record| String::from_utf8(value(record)).unwrap()).collect()
}

#[tokio::test]
async fn a_record_is_in_the_partition_of_its_key_and_is_read_as_written() {
    let folder = tempdir().unwrap();
    let stream = Embedded::open(&folder.path().join("stream.db"), None).unwrap();
    let headers = vec![("trace".to_owned(), Some("1".into())), ("empty".to_owned(), None)];
    let odd = NewRecord { timestamp: -1, headers, value: None, ..record("demo/device/d-1", "") };
    let records = [record("demo/device/d-1", "a"), odd.clone(), record("demo/device/d-2", "b")];
    let offset_index = stream.append(&topic("t"), &records).await.unwrap();
    let one = partition(b"demo/device/d-1", 4).cast_signed();
    assert_eq!(offset_index[0], RecordLocation { partition: one, offset: 0 });
    assert_eq!(offset_index[1], RecordLocation { partition: one, offset: 1 });
    assert_eq!(offset_index[2].partition, partition(b"demo/device/d-2", 4).cast_signed());
    assert_eq!(read(&stream, "t", one, 1).await[0], odd.at(1));
    assert_eq!(stream.topics().await.unwrap(), ["t"]);
    assert_eq!(stream.partitions("t").await.unwrap(), [0, 1, 2, 3]);
    assert_eq!(stream.partitions("u").await.unwrap(), Vec::<i32>::new());
}

#[tokio::test]
async fn records_without_a_key_go_to_the_partitions_in_turn_across_processes() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("stream.db");
    for run in 0..2 {
        let stream = Embedded::open(&path, None).unwrap();
        for index in 0..2 {
            let offset_index = stream.append(&topic("t"), &[keyless("x")]).await.unwrap();
            assert_eq!(offset_index, [RecordLocation { partition: run * 2 + index, offset: 0 }]);
        }
    }
}

#[tokio::test]
async fn acknowledged_records_are_there_when_the_file_is_reopened() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("stream.db");
    let stream = Embedded::open(&path, None).unwrap();
    stream.append(&topic("t"), &[record("k", "a"), record("k", "b")]).await.unwrap();
    stream.commit("g", "t", &BTreeMap::from([(1, 5)])).await.unwrap();
    // Copied while open, as a kill leaves the files: not closed, not checkpointed.
    let copy = tempdir().unwrap();
    for file in ["stream.db", "stream.db-wal"] {
        std::fs::copy(folder.path().join(file), copy.path().join(file)).unwrap();
    }
    let again = Embedded::open(&copy.path().join("stream.db"), None).unwrap();
    let partition = partition(b"k", 4).cast_signed();
    assert_eq!(values(&read(&again, "t", partition, 0).await), ["a", "b"]);
    assert_eq!(again.committed("g", "t").await.unwrap(), BTreeMap::from([(1, 5)]));
    assert_eq!(again.committed("other", "t").await.unwrap(), BTreeMap::new());
    let next = again.append(&topic("t"), &[record("k", "c")]).await.unwrap();
    assert_eq!(next, [RecordLocation { partition, offset: 2 }]);
}

#[tokio::test]
async fn the_end_of_a_partition_is_never_below_records_fetched_from_another_process() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("stream.db");
    let (stream, other) =
        (Embedded::open(&path, None).unwrap(), Embedded::open(&path, None).unwrap());
    let partition = partition(b"k", 4).cast_signed();
    stream.append(&topic("t"), &[record("k", "a")]).await.unwrap();
    // The reader may poll in between, and then the index is already up to date.
    for next in 2..20 {
        other.append(&topic("t"), &[record("k", "b")]).await.unwrap();
        let at = |offset| Position { topic: "t", partition, offset };
        let fetched = stream.fetch(at(0), WITHOUT_WAITING).await.unwrap();
        assert_eq!((fetched.next, fetched.end), (next, next));
        let behind = stream.fetch(at(next), WITHOUT_WAITING).await.unwrap();
        assert_eq!((behind.next, behind.end), (next, next));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_producers_get_dense_offsets_and_keep_their_order() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("stream.db");
    // Two handles are two connections, like two processes.
    let streams = [Embedded::open(&path, None).unwrap(), Embedded::open(&path, None).unwrap()];
    let producers = (0..8).map(|producer: usize| {
        let stream = streams[producer % 2].clone();
        tokio::spawn(async move {
            let key = format!("key-{producer}");
            for round in 0..20 {
                let value = |index: usize| record(&key, &format!("{key} {:03}", round * 3 + index));
                let records: Vec<_> = (0..3).map(value).collect();
                stream.append(&topic("t"), &records).await.unwrap();
            }
        })
    });
    for producer in producers.collect::<Vec<_>>() {
        producer.await.unwrap();
    }
    let read = read_all(&Embedded::open(&path, None).unwrap(), "t").await;
    assert_eq!(read.iter().map(Vec::len).sum::<usize>(), 8 * 20 * 3);
    for records in &read {
        let offsets: Vec<i64> = records.iter().map(|record| record.offset).collect();
        assert_eq!(offsets, (0..records.len().cast_signed() as i64).collect::<Vec<_>>());
        for key in (0..8).map(|producer| format!("key-{producer}")) {
            let of_key: Vec<String> =
                values(records).into_iter().filter(|value| value.starts_with(&key)).collect();
            assert!(of_key.is_sorted(), "{of_key:?}");
            assert!(of_key.is_empty() || of_key.len() == 60, "{of_key:?}");
        }
    }
}

#[tokio::test]
async fn a_waiting_fetch_gets_the_next_record_of_any_process() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("stream.db");
    let (ours, another) =
        (Embedded::open(&path, None).unwrap(), Embedded::open(&path, None).unwrap());
    let offset_index = ours.append(&topic("t"), &[record("k", "first")]).await.unwrap();
    for appender in [&ours, &another] {
        let end = read(&ours, "t", offset_index[0].partition, 0).await.len();
        let from =
            Position { topic: "t", partition: offset_index[0].partition, offset: end as i64 };
        let patient = Bounds { wait: Duration::from_secs(30), ..WITHOUT_WAITING };
        let next = [record("k", "next")];
        let t = topic("t");
        let (fetched, appended) =
            tokio::join!(ours.fetch(from, patient), appender.append(&t, &next));
        appended.unwrap();
        assert_eq!(values(&fetched.unwrap().records), ["next"]);
    }
}

#[tokio::test]
async fn a_fetch_keeps_its_bounds_but_returns_at_least_one_record_of_any_size() {
    let folder = tempdir().unwrap();
    let stream = Embedded::open(&folder.path().join("stream.db"), None).unwrap();
    // Larger than one row.
    let large = "x".repeat(100_000);
    let records: Vec<_> = (0..10).map(|_| record("k", &large)).collect();
    let partition = stream.append(&topic("t"), &records).await.unwrap()[0].partition;
    let fetch = async |offset, records, bytes| {
        let bounds = Bounds { records, bytes, wait: Duration::ZERO };
        stream.fetch(Position { topic: "t", partition, offset }, bounds).await.unwrap()
    };
    let fetched = fetch(0, 4, usize::MAX).await;
    assert_eq!((fetched.records.len(), fetched.next, fetched.end), (4, 4, 10));
    assert_eq!(fetch(3, 100, 250_000).await.records.len(), 2);
    assert_eq!(fetch(3, 100, 10).await.records[0].offset, 3);
    assert_eq!(fetch(3, 100, 10).await.next, 4);
    let beyond = fetch(99, 100, 10).await;
    assert_eq!((beyond.records.len(), beyond.next), (0, 10), "reset to the end");
}

#[tokio::test]
async fn a_record_that_is_too_large_fails_its_whole_call() {
    let folder = tempdir().unwrap();
    let stream = Embedded::open(&folder.path().join("stream.db"), None).unwrap();
    let large = record("", &"x".repeat(RECORD_BYTES + 1));
    let refused = stream.append(&topic("t"), &[record("k", "a"), large]).await;
    assert_eq!(refused, Err(AppendError::TooLarge { index: 1, bytes: RECORD_BYTES + 1 }));
    assert_eq!(read_all(&stream, "t").await.concat(), []);
    let largest = record("", &"x".repeat(RECORD_BYTES));
    let offset_index = stream.append(&topic("t"), &[largest]).await.unwrap();
    assert_eq!(read(&stream, "t", offset_index[0].partition, 0).await.len(), 1);
}

#[tokio::test]
async fn one_topic_too_many_is_rejected_and_other_calls_succeed() {
    let folder = tempdir().unwrap();
    let stream = Embedded::open(&folder.path().join("stream.db"), None).unwrap();
    let all: Vec<_> = (0..TOPICS).map(|number| topic(&format!("t-{number}"))).collect();
    let one = [record("k", "a")];
    for result in futures_util::future::join_all(all.iter().map(|t| stream.append(t, &one))).await {
        result.unwrap();
    }
    let more = topic("more");
    let (refused, other) = tokio::join!(stream.append(&more, &one), stream.append(&all[0], &one));
    assert_eq!(refused, Err(AppendError::TooManyTopics { topic: more }));
    assert_eq!(other.unwrap()[0].offset, 1);
}

#[tokio::test]
async fn uncommitted_records_are_never_deleted() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("stream.db");
    let stream = Embedded::open(&path, None).unwrap();
    let mut place = RecordLocation { partition: 0, offset: 0 };
    for value in ["a", "b", "c"] {
        place = stream.append(&topic("t"), &[record("k", value)]).await.unwrap()[0];
    }
    let mut file = file::open(&path).unwrap();
    let partition = place.partition;
    let mut tidied = |keep: Keep, now| {
        let seen = tidy::tidy(&mut file, &keep, now).unwrap();
        let seen = seen.iter().find(|one| one.partition.cast_signed() == partition);
        seen.map_or(0, |seen| seen.start)
    };
    let group = || "processor".to_owned();
    let (day, later) = (Duration::from_secs(86_400), now_millis() + 2 * 86_400_000);
    let by_age = || Keep { group: Some(group()), age: day, bytes: u64::MAX };
    let by_size = || Keep { group: Some(group()), age: 9 * day, bytes: 0 };
    assert_eq!((tidied(by_age(), later), tidied(by_size(), later)), (0, 0), "nothing committed");
    stream.commit("another", "t", &BTreeMap::from([(partition, 3)])).await.unwrap();
    assert_eq!(tidied(by_age(), later), 0, "offsets of other groups are ignored");
    stream.commit("processor", "t", &BTreeMap::from([(partition, 1)])).await.unwrap();
    assert_eq!(tidied(by_age(), now_millis()), 0, "too young");
    assert_eq!(tidied(by_age(), later), 1);
    stream.commit("processor", "t", &BTreeMap::from([(partition, 2)])).await.unwrap();
    assert_eq!(tidied(by_size(), now_millis()), 2);
    let again = Embedded::open(&path, None).unwrap();
    let from = Position { topic: "t", partition, offset: 0 };
    let fetched = again.fetch(from, WITHOUT_WAITING).await.unwrap();
    assert_eq!((fetched.start, values(&fetched.records)), (2, vec!["c".to_owned()]));
    stream.commit("processor", "t", &BTreeMap::from([(partition, 3)])).await.unwrap();
    assert_eq!(tidied(by_size(), now_millis()), 3);
    let next = stream.append(&topic("t"), &[record("k", "d")]).await.unwrap();
    assert_eq!(next, [RecordLocation { partition, offset: 3 }], "offsets continue in an empty log");
}

#[tokio::test]
async fn keys_reach_every_partition() {
    let folder = tempdir().unwrap();
    let stream = Embedded::open(&folder.path().join("stream.db"), None).unwrap();
    let records: Vec<_> = (0..64).map(|key| record(&format!("key-{key}"), "x")).collect();
    let offset_index = stream.append(&topic("t"), &records).await.unwrap();
    let partitions: BTreeSet<i32> = offset_index.iter().map(|place| place.partition).collect();
    assert_eq!(partitions, (0..4).collect());
}
