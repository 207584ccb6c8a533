//! A Kafka cluster as a [`Log`], over a broker in the same process: each guarantee of the trait.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends its test")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use drover_aws::kafka::{KafkaCluster, Security};
use drover_event_log::{Bounds, Fetched, Log as _, Position};
use drover_event_source::KafkaLog;
use krafka::producer::Producer;
use krafka::testing::{ApiKey, Control, FakeBroker};
use krafka::{Kafka, Record};

const TOPIC: &str = "telemetry";
const WAIT: Duration = Duration::from_secs(10);
const PLENTY: Bounds = Bounds { records: 10_000, bytes: 1 << 24, wait: WAIT };

struct Fixture {
    broker: FakeBroker,
    producer: Producer,
    log: KafkaLog,
}

impl Fixture {
    async fn new() -> Self {
        let broker = FakeBroker::start().await.unwrap();
        assert!(broker.create_topic(TOPIC, 2));
        let client = Kafka::builder(broker.bootstrap_servers()).connect().await.unwrap();
        let producer = client.producer().linger(Duration::ZERO).build().await.unwrap();
        let log = KafkaLog::connect(cluster(&broker)).await.unwrap();
        Self { broker, producer, log }
    }

    async fn send(&self, partition: i32, values: std::ops::Range<i64>) {
        for value in values {
            let record = Record::new(TOPIC, value.to_string()).partition(partition);
            assert_eq!(self.producer.send(record).await.unwrap().offset, value);
        }
    }

    async fn fetch(&self, partition: i32, offset: i64, bounds: Bounds) -> Fetched {
        self.log.fetch(Position { topic: TOPIC, partition, offset }, bounds).await.unwrap()
    }

    /// All records from an offset to the end.
    async fn rest(&self, partition: i32, mut offset: i64, bounds: Bounds) -> Vec<i64> {
        let mut offsets = Vec::new();
        loop {
            let fetched = self.fetch(partition, offset, bounds).await;
            assert!(fetched.records.len() <= bounds.records);
            offsets.extend(fetched.records.iter().map(|record| record.offset));
            offset = fetched.next;
            if offset >= fetched.end {
                return offsets;
            }
        }
    }
}

fn cluster(broker: &FakeBroker) -> KafkaCluster {
    let (bootstrap, security) = (broker.bootstrap_servers(), Security::Plaintext);
    KafkaCluster { bootstrap, security }
}

fn offsets(fetched: &Fetched) -> Vec<i64> {
    fetched.records.iter().map(|record| record.offset).collect()
}

#[tokio::test]
async fn records_are_read_as_they_were_sent() {
    let fixture = Fixture::new().await;
    let record = Record::new(TOPIC, "value").partition(1).key("key").timestamp(1_800_000_000_000);
    let record = record.header("tenant", "demo").header("tenant", "acme").null_header("flag");
    let first = fixture.producer.send(record).await.unwrap();
    let second = fixture.producer.send(Record::tombstone(TOPIC, "key").partition(1)).await.unwrap();
    assert_eq!((first.offset, second.offset), (0, 1));
    let mut records = fixture.fetch(1, 0, PLENTY).await.records;
    if records.len() < 2 {
        records.extend(fixture.fetch(1, 1, PLENTY).await.records);
    }
    let [first, second] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((first.offset, first.timestamp), (0, 1_800_000_000_000));
    assert_eq!(first.key.as_deref(), Some(b"key".as_slice()));
    assert_eq!(first.value.as_deref(), Some(b"value".as_slice()));
    let header = |name: &str, value: Option<&'static str>| {
        (name.to_owned(), value.map(|value| value.as_bytes().into()))
    };
    let expected = [header("tenant", Some("demo")), header("tenant", Some("acme"))];
    assert_eq!(first.headers, [expected.as_slice(), &[header("flag", None)]].concat());
    assert_eq!((second.offset, &second.value), (1, &None));
}

#[tokio::test]
async fn every_record_is_read_once_whatever_the_bounds() {
    let fixture = Fixture::new().await;
    fixture.send(0, 0..30).await;
    fixture.send(1, 0..5).await;
    let all: Vec<i64> = (0..30).collect();
    assert_eq!(fixture.rest(0, 0, PLENTY).await, all);
    assert_eq!(fixture.rest(0, 0, Bounds { records: 7, ..PLENTY }).await, all);
    assert_eq!(fixture.rest(0, 0, Bounds { bytes: 3, ..PLENTY }).await, all);
    assert_eq!(fixture.rest(0, 0, Bounds { bytes: 0, ..PLENTY }).await, all, "at least one record");
    assert_eq!(fixture.rest(0, 21, PLENTY).await, (21..30).collect::<Vec<_>>());
    assert_eq!(fixture.rest(1, 0, PLENTY).await, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn the_same_offset_can_be_read_repeatedly() {
    let fixture = Fixture::new().await;
    fixture.send(0, 0..10).await;
    let bounds = Bounds { records: 3, ..PLENTY };
    for from in [0, 0, 6, 2, 2, 5] {
        let fetched = fixture.fetch(0, from, bounds).await;
        assert_eq!(offsets(&fetched), [from, from + 1, from + 2]);
        assert_eq!(fetched.next, from + 3);
        assert_eq!((fetched.start, fetched.end), (0, 10));
    }
}

#[tokio::test]
async fn a_dropped_fetch_loses_no_records() {
    let fixture = Fixture::new().await;
    let long = Bounds { wait: WAIT, ..PLENTY };
    let dropped = tokio::time::timeout(Duration::from_millis(50), fixture.fetch(0, 0, long)).await;
    assert!(dropped.is_err(), "nothing is there yet");
    fixture.send(0, 0..3).await;
    assert_eq!(fixture.rest(0, 0, PLENTY).await, [0, 1, 2]);
}

#[tokio::test]
async fn a_fetch_waits_for_a_first_record_up_to_its_limit() {
    let fixture = Fixture::new().await;
    let started = Instant::now();
    let nothing = fixture.fetch(0, 0, Bounds { wait: Duration::from_millis(100), ..PLENTY }).await;
    assert!(nothing.records.is_empty() && nothing.next == 0 && nothing.end == 0);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let (fetched, ()) = tokio::join!(fixture.fetch(0, 0, PLENTY), fixture.send(0, 0..1));
    assert_eq!(offsets(&fetched), [0]);
}

#[tokio::test]
async fn a_waiting_fetch_blocks_no_other() {
    let fixture = Fixture::new().await;
    let started = Instant::now();
    let both = async {
        fixture.send(1, 0..1).await;
        offsets(&fixture.fetch(1, 0, PLENTY).await)
    };
    tokio::select! {
        empty = fixture.fetch(0, 0, PLENTY) => panic!("{empty:?}"),
        found = both => assert_eq!(found, [0]),
    }
    assert!(started.elapsed() < WAIT, "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_offset_beyond_the_end_is_reset_to_the_end() {
    let fixture = Fixture::new().await;
    fixture.send(0, 0..4).await;
    let beyond = fixture.fetch(0, 100, PLENTY).await;
    assert_eq!((beyond.records.len(), beyond.next, beyond.start, beyond.end), (0, 4, 0, 4));
    fixture.send(0, 4..5).await;
    assert_eq!(offsets(&fixture.fetch(0, beyond.next, PLENTY).await), [4]);
}

#[tokio::test]
async fn deleted_records_are_skipped_and_reported() {
    let fixture = Fixture::new().await;
    fixture.send(0, 0..6).await;
    fixture.broker.with_state(|state| {
        let topic = state.topics.get_mut(TOPIC).unwrap();
        let partition = topic.partitions.first_mut().unwrap();
        partition.log.drain(..4);
        partition.log_start_offset = 4;
    });
    // A real broker answers like this below the start; the fake broker would return the remaining
    // records.
    let code = krafka::error::ErrorCode::OffsetOutOfRange;
    fixture.broker.on_once(ApiKey::Fetch, move |_| Control::Error(code));
    let gone = fixture.fetch(0, 1, PLENTY).await;
    assert_eq!((gone.next, gone.start, gone.end), (4, 4, 6), "{gone:?}");
    assert_eq!(fixture.rest(0, gone.next, PLENTY).await, [4, 5]);
}

#[tokio::test]
async fn topics_and_partitions_match_the_cluster() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.log.topics().await.unwrap(), [TOPIC]);
    assert_eq!(fixture.log.partitions(TOPIC).await.unwrap(), [0, 1]);
    assert!(fixture.log.partitions("other").await.unwrap().is_empty());
}

#[tokio::test]
async fn committed_offsets_belong_to_their_group_and_survive_the_reader() {
    let fixture = Fixture::new().await;
    assert!(fixture.log.committed("g", TOPIC).await.unwrap().is_empty());
    fixture.log.commit("g", TOPIC, &BTreeMap::from([(0, 3), (1, 1)])).await.unwrap();
    fixture.log.commit("g", TOPIC, &BTreeMap::from([(0, 5)])).await.unwrap();
    let other = KafkaLog::connect(cluster(&fixture.broker)).await.unwrap();
    assert_eq!(other.committed("g", TOPIC).await.unwrap(), BTreeMap::from([(0, 5), (1, 1)]));
    assert!(other.committed("h", TOPIC).await.unwrap().is_empty());
    assert!(other.committed("g", "other").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_rejected_commit_is_an_error() {
    let fixture = Fixture::new().await;
    let code = krafka::error::ErrorCode::GroupAuthorizationFailed;
    fixture.broker.on(ApiKey::OffsetCommit, move |_| Control::Error(code));
    assert!(fixture.log.commit("g", TOPIC, &BTreeMap::from([(0, 3)])).await.is_err());
}

#[tokio::test]
async fn reading_continues_after_a_broker_restarts() {
    let fixture = Fixture::new().await;
    fixture.send(0, 0..2).await;
    assert_eq!(fixture.rest(0, 0, PLENTY).await, [0, 1]);
    fixture.broker.crash(0);
    let short = Bounds { wait: Duration::from_millis(200), ..PLENTY };
    assert!(fixture.fetch(0, 2, short).await.records.is_empty());
    fixture.broker.restart(0);
    fixture.send(0, 2..4).await;
    assert_eq!(fixture.rest(0, 2, PLENTY).await, [2, 3]);
}
