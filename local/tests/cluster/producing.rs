//! The records of ingest, as other Kafka clients see them.

use std::collections::{BTreeMap, HashMap};

use drover_core::base::error::Reason;
use drover_core::intake::record::Record;

use crate::broker::shared;
use crate::foreign::{CLIENTS, Client, Read, RecordLocation, Written};
use crate::services::Fault;
use crate::topic::{Topic, record, send};

/// The number of keys, in the form that ingest uses.
const KEYS: usize = 60;
/// Events per key.
const EVENTS: usize = 20;
/// Events per send, as in a full request of ingest.
const BATCH: usize = 100;
/// More than a topic accepts by default.
const LARGE_BYTES: usize = 2 << 20;

fn key(number: usize) -> String {
    // Keys of every length modulo four, because the hash treats each remainder differently.
    format!("demo/device/{}", "d".repeat(1 + number % 7) + &number.to_string())
}

/// The number in a value.
fn number(value: &[u8]) -> usize {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

pub(crate) async fn keys_are_in_the_same_partitions_as_with_other_clients_and_in_order() {
    let topic = Topic::new(&shared().plain, "keys").await;
    let event_log = topic.event_log().await;
    let mut records: Vec<Record> =
        (0..KEYS * EVENTS).map(|one| record(&key(one % KEYS), one.to_string())).collect();
    if Fault::SwappedRecords.is_on() {
        records.swap(7, 7 + KEYS);
    }
    let mut places: Vec<RecordLocation> = Vec::new();
    for batch in records.chunks(BATCH) {
        let placed = send(&event_log, batch).await.into_iter().map(|result| result.unwrap());
        places.extend(placed.map(|placed| (placed.partition, placed.offset)));
    }

    let read = Client::Confluent.consume(topic.bootstrap(), topic.name());
    assert_eq!(read.len(), KEYS * EVENTS, "each once");
    let mut newest: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut partitions: BTreeMap<Vec<u8>, i32> = BTreeMap::new();
    for Read { partition, key, value, .. } in read {
        let (key, number) = (key.unwrap(), number(&value.unwrap()));
        let before = newest.insert(key.clone(), number);
        assert!(before < Some(number), "{before:?} {number}");
        assert_eq!(*partitions.entry(key).or_insert(partition), partition);
    }
    let expected: Vec<i32> = partitions.values().copied().collect();
    let used: std::collections::BTreeSet<i32> = expected.iter().copied().collect();
    assert_eq!(used.len(), 4, "{used:?}");
    let by_result = places.iter().zip(&records).map(|((partition, _), record)| {
        assert_eq!(partitions.get(record.key.as_ref().unwrap()), Some(partition));
    });
    assert_eq!(by_result.count(), KEYS * EVENTS);
    let written: Vec<Written> = partitions
        .keys()
        .map(|key| Written { key: Some(key.clone()), ..Written::of("", 0) })
        .collect();
    for client in CLIENTS {
        let places = client.produce(topic.bootstrap(), topic.name(), &written);
        let found: Vec<i32> = places.into_iter().map(|(partition, _)| partition).collect();
        assert_eq!(found, expected, "{client:?}");
    }
}

pub(crate) async fn other_clients_read_the_written_records() {
    let topic = Topic::new(&shared().plain, "written").await;
    let event_log = topic.event_log().await;
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let mut plain = record("demo/device/d-1", "{}");
    plain.headers.push(("traceparent".to_owned(), b"00-ab-cd-01".to_vec()));
    let mut odd = record("demo/device/d-1", every_byte.clone());
    let twice = [("twice", b"1".to_vec()), ("twice", b"2".to_vec()), ("", Vec::new())];
    odd.headers.extend(twice.map(|(name, value)| (name.to_owned(), value)));
    odd.headers.push(("bytes".to_owned(), every_byte));
    let mut tombstone = record("demo/device/d-1", "");
    tombstone.value = None;
    let mut keyless = record("", "without a key");
    keyless.key = None;
    let records = [plain, odd, tombstone, keyless];
    let placed: Vec<_> = send(&event_log, &records).await.into_iter().map(Result::unwrap).collect();
    let shown = |record: &Record, (partition, offset): RecordLocation| Read {
        partition,
        offset,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), Some(value.clone())))
            .collect(),
    };
    let places = placed.iter().map(|placed| (placed.partition, placed.offset));
    let mut expected: Vec<Read> =
        records.iter().zip(places).map(|(record, place)| shown(record, place)).collect();
    expected.sort_by_key(|read| (read.partition, read.offset));
    for client in CLIENTS {
        assert_eq!(client.consume(topic.bootstrap(), topic.name()), expected, "{client:?}");
    }
}

pub(crate) async fn a_message_that_is_too_large_is_rejected_and_the_others_are_sent() {
    let topic = Topic::new(&shared().plain, "large").await;
    let event_log = topic.event_log().await;
    let large = record("demo/device/d-1", vec![b'x'; LARGE_BYTES]);
    let small = record("demo/device/d-1", "1");
    let results = send(&event_log, &[small.clone(), large, small.clone()]).await;
    let reasons = results.iter().map(|result| result.as_ref().err().map(|error| error.reason));
    assert_eq!(reasons.collect::<Vec<_>>(), [None, Some(Reason::Misconfigured), None]);
    assert!(send(&event_log, &[small]).await.iter().all(Result::is_ok));
    assert_eq!(Client::Confluent.consume(topic.bootstrap(), topic.name()).len(), 3);
}
