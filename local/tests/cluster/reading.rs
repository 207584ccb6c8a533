//! Records and commits of other clients, as the event source and replay see them.

use std::collections::BTreeMap;
use std::time::Duration;

use drover_core::intake::record::Source;
use drover_event_log::{Bounds, Log as _, Position, StoredRecord};
use drover_event_source::KafkaLog;

use crate::broker::shared;
use crate::common::WAIT;
use crate::foreign::{CLIENTS, Client, Written};
use crate::topic::{Topic, name, record, send};

/// The codecs that each client supports here.
const CODECS: [(Client, &str); 7] = [
    (Client::Confluent, "none"),
    (Client::Confluent, "gzip"),
    (Client::Confluent, "snappy"),
    (Client::Confluent, "lz4"),
    (Client::Confluent, "zstd"),
    (Client::KafkaPython, "none"),
    (Client::KafkaPython, "gzip"),
];
const GROUP: &str = "cluster";

/// Records of every form, all in one partition.
fn every_form() -> Vec<Written> {
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let null = |mut record: Written, name: &str| {
        record.headers.push((name.to_owned(), None));
        record
    };
    let mut records = vec![
        Written::of("key", "value"),
        Written { value: None, ..Written::of("key", "") },
        Written { key: None, ..Written::of("", "no key") },
        Written::of("", "an empty key"),
        Written::of("key", ""),
        Written { value: Some(every_byte.clone()), ..Written::of("key", "") },
        Written::of("key", "headers").with("twice", "1").with("twice", "2").with("Ünï", "ö"),
        Written::of("key", "bytes").with("bytes", &every_byte).with("", "no name").with("none", ""),
        null(Written::of("key", "null"), "null"),
        Written { timestamp: Some(1), ..Written::of("key", "1970") },
    ];
    // Enough records for batches of some size.
    records.extend((0..500).map(|one| Written::of("key", "x".repeat(one))));
    records.iter_mut().for_each(|record| record.partition = Some(1));
    records
}

fn seen(record: StoredRecord) -> Written {
    let StoredRecord { key, value, headers, timestamp, .. } = record;
    let bytes = |bytes: axum::body::Bytes| bytes.to_vec();
    let headers = headers.into_iter().map(|(name, value)| (name, value.map(bytes)));
    Written {
        key: key.map(bytes),
        value: value.map(bytes),
        headers: headers.collect(),
        timestamp: (timestamp == 1).then_some(timestamp),
        partition: Some(1),
    }
}

/// Replaces null headers by empty headers, like a client that does not support null headers.
fn without_nulls(mut records: Vec<Written>) -> Vec<Written> {
    let headers = records.iter_mut().flat_map(|record| &mut record.headers);
    headers.for_each(|(_, value)| *value = Some(value.take().unwrap_or_default()));
    records
}

pub(crate) async fn every_codec_and_every_header_is_read_as_it_was_written() {
    for (client, codec) in CODECS {
        let topic = Topic::new(&shared().plain, "forms").await;
        let written = every_form();
        let places = client.produce_packed(topic.bootstrap(), topic.name(), codec, &written);
        let expected: Vec<(i32, i64)> = (0..).map(|at| (1, at)).take(written.len()).collect();
        assert_eq!(places, expected);

        let log = topic.log().await;
        let found: Vec<Written> = topic.read_from(&log, 1, 0).await.into_iter().map(seen).collect();
        let empty_for_null = without_nulls(written.clone());
        let expected = if client == Client::KafkaPython { &empty_for_null } else { &written };
        assert_eq!(&found, expected, "{client:?} {codec}");

        // Lambda's events have no null headers either.
        let mut next = 0;
        let mut again = Vec::new();
        while next < i64::try_from(written.len()).unwrap() {
            let some = topic.again(1, next, i64::try_from(written.len()).unwrap() - 1).await;
            assert_eq!(some.lost, 0);
            again.extend(some.records);
            next = some.next;
        }
        assert_eq!(again.len(), written.len());
        for (at, (again, written)) in again.iter().zip(&empty_for_null).enumerate() {
            let Source::Kafka { partition, offset, .. } = again.source else { panic!("{again:?}") };
            assert_eq!((partition, offset), (1, i64::try_from(at).unwrap()));
            assert_eq!((&again.key, &again.value), (&written.key, &written.value));
            let headers = again.headers.iter().cloned().map(|(name, value)| (name, Some(value)));
            assert_eq!(headers.collect::<Vec<_>>(), written.headers);
        }
    }
}

pub(crate) async fn committed_offsets_are_shared_with_other_clients() {
    let topic = Topic::new(&shared().plain, "committed").await;
    let (bootstrap, group) = (topic.bootstrap(), name(GROUP));
    let log = topic.log().await;
    assert_eq!(log.committed(&group, topic.name()).await.unwrap(), BTreeMap::new());
    let ours = BTreeMap::from([(0, 3), (3, 1)]);
    log.commit(&group, topic.name(), &ours).await.unwrap();
    for client in CLIENTS {
        assert_eq!(client.committed(bootstrap, &group, topic.name()), ours, "{client:?}");
    }
    let theirs = BTreeMap::from([(0, 5), (1, 2)]);
    Client::Confluent.commit(bootstrap, &group, topic.name(), &theirs);
    let both = BTreeMap::from([(0, 5), (1, 2), (3, 1)]);
    assert_eq!(log.committed(&group, topic.name()).await.unwrap(), both);
    let other = KafkaLog::connect(topic.0.cluster.clone()).await.unwrap();
    assert_eq!(other.committed(&group, topic.name()).await.unwrap(), both);
}

fn in_partition(partition: i32, count: usize) -> Vec<Written> {
    let written = |number| Written { partition: Some(partition), ..Written::of("key", number) };
    (0..count).map(written).collect()
}

pub(crate) async fn deleted_offsets_are_lost_and_the_others_are_read() {
    let topic = Topic::new(&shared().plain, "gone").await;
    let bootstrap = topic.bootstrap();
    Client::Confluent.produce(bootstrap, topic.name(), &in_partition(2, 10));
    let log = topic.log().await;
    assert_eq!(topic.read_from(&log, 2, 0).await.len(), 10);
    topic.forget(2, 6).await;

    let again = topic.again(2, 3, 8).await;
    let offsets = again.records.iter().map(|record| match record.source {
        Source::Kafka { offset, .. } => offset,
        Source::Http { .. } => -1,
    });
    assert_eq!((offsets.collect::<Vec<_>>(), again.next, again.lost), (vec![6, 7, 8], 9, 3));
    let bounds = Bounds { records: 100, bytes: 1 << 20, wait: WAIT };
    let from = Position { topic: topic.name(), partition: 2, offset: 3 };
    let fetched = log.fetch(from, bounds).await.unwrap();
    assert_eq!((fetched.start, fetched.next.min(6), fetched.end), (6, 6, 10), "{fetched:?}");
    let rest =
        topic.read_from(&log, 2, fetched.next - i64::try_from(fetched.records.len()).unwrap());
    assert_eq!(rest.await.len(), 4);
    let beyond = Position { topic: topic.name(), partition: 2, offset: 110 };
    let fetched = log.fetch(beyond, bounds).await.unwrap();
    assert_eq!((fetched.records.len(), fetched.next), (0, 10), "brought back to the end");

    // The marker of a transaction occupies an offset, but is not a record that could be lost.
    Client::Confluent.produce_together(bootstrap, topic.name(), &in_partition(3, 5));
    Client::Confluent.produce(bootstrap, topic.name(), &in_partition(3, 1));
    let again = topic.again(3, 0, 6).await;
    assert_eq!((again.records.len(), again.next, again.lost), (6, 7, 0));
    let read: Vec<i64> =
        topic.read_from(&log, 3, 0).await.into_iter().map(|record| record.offset).collect();
    assert_eq!(read, [0, 1, 2, 3, 4, 6]);
}

pub(crate) async fn the_offsets_of_a_recreated_topic_are_lost() {
    let topic = Topic::new(&shared().plain, "anew").await;
    let bootstrap = topic.bootstrap();
    Client::Confluent.produce(bootstrap, topic.name(), &in_partition(0, 9));
    let (log, event_log) = (topic.log().await, topic.event_log().await);
    assert_eq!(log.partitions(topic.name()).await.unwrap(), [0, 1, 2, 3]);
    assert_eq!(topic.read_from(&log, 0, 0).await.len(), 9);
    topic.make_anew().await;
    let nothing = topic.again(0, 2, 8).await;
    assert_eq!((nothing.records.len(), nothing.next, nothing.lost), (0, 9, 7));

    Client::KafkaPython.produce(bootstrap, topic.name(), &in_partition(0, 4));
    let some = topic.again(0, 2, 8).await;
    assert_eq!((some.records.len(), some.next, some.lost), (2, 9, 5));
    // The next partition listing notices the recreated topic and restarts as well.
    assert_eq!(log.partitions(topic.name()).await.unwrap(), [0, 1, 2, 3]);
    let from = Position { topic: topic.name(), partition: 0, offset: 9 };
    let bounds = Bounds { records: 100, bytes: 1 << 20, wait: WAIT };
    // A look without waiting does not consume the restart: the reader reports it until a fetch
    // begins there.
    let look = Bounds { records: 1, bytes: 1, wait: Duration::ZERO };
    for (offset, bounds) in [(9, look), (9, bounds), (0, look), (9, bounds)] {
        let fetched = log.fetch(Position { offset, ..from }, bounds).await.unwrap();
        assert_eq!((fetched.records.len(), fetched.next, fetched.end), (0, 0, 4));
    }
    assert_eq!(topic.read_from(&log, 0, 0).await.len(), 4);
    let record = record("key", "5");
    let sent = async {
        // The event log has to notice by a rejected send.
        while send(&event_log, std::slice::from_ref(&record)).await.iter().any(Result::is_err) {}
    };
    tokio::time::timeout(WAIT, sent).await.unwrap();
    assert_eq!(topic.read(&log).await.into_values().flatten().count(), 5);
}
