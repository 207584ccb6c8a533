//! Reads offsets of a Kafka topic again, over a broker in the process.

#![expect(clippy::expect_used, reason = "clippy does not recognize test helpers as tests")]

use std::time::Duration;

use drover_aws::kafka::{KafkaCluster, KafkaReread, Security};
use drover_core::base::error::Reason;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::origin::Offsets;
use drover_core::dead_letter::reread::{Again, RECORDS};
use drover_core::intake::record::{Receipt, Record, Source, TopicRetention};
use drover_core::ports::Reread as _;
use krafka::Kafka;
use krafka::producer::Producer;
use krafka::testing::{ApiKey, Control, FakeBroker};

const TOPIC: &str = "telemetry";
/// The time at which the event source discarded the records.
const GIVEN_UP: i64 = 1_800_000_000_000;

struct Fixture {
    broker: FakeBroker,
    producer: Producer,
    reread: KafkaReread,
}

impl Fixture {
    async fn new() -> Self {
        let broker = FakeBroker::start().await.expect("a broker");
        assert!(broker.create_topic(TOPIC, 2));
        let client = Kafka::builder(broker.bootstrap_servers()).connect().await;
        let client = client.expect("a connection");
        let producer = client.producer().linger(Duration::from_millis(1)).build().await;
        let producer = producer.expect("a producer");
        let reread = KafkaReread::new(KafkaCluster {
            bootstrap: broker.bootstrap_servers(),
            security: Security::Plaintext,
        });
        Self { broker, producer, reread }
    }

    async fn send(&self, values: impl Iterator<Item = String>) {
        let mut sent = Vec::new();
        for value in values {
            let record = krafka::Record::new(TOPIC, value).partition(1);
            sent.push(self.producer.enqueue(record).await.expect("room"));
        }
        for handle in sent {
            let _ = handle.await.expect("acknowledged");
        }
    }

    async fn again_of(&self, topic: &str, partition: i32, first: i64, last: i64) -> Again {
        let offsets = Offsets { topic: topic.to_owned(), partition, first, last };
        self.reread.reread(&offsets, given_up()).await.expect("available").expect("a stream")
    }

    async fn again(&self, first: i64, last: i64) -> Again {
        self.again_of(TOPIC, 1, first, last).await
    }

    /// Removes offsets from the log, as compaction does.
    fn remove(&self, offsets: std::ops::Range<usize>) {
        self.broker.with_state(|state| {
            let topic = state.topics.get_mut(TOPIC).expect("a topic");
            topic.partitions.get_mut(1).expect("a partition").log.drain(offsets);
        });
    }

    fn start_at(&self, offset: i64) {
        self.broker.with_state(|state| {
            let topic = state.topics.get_mut(TOPIC).expect("a topic");
            topic.partitions.get_mut(1).expect("a partition").log_start_offset = offset;
        });
    }
}

fn given_up() -> Receipt {
    let now = Timestamp::from_millis(GIVEN_UP).expect("in range");
    Receipt { now, retention: TopicRetention::WEEK }
}

fn numbers(numbers: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    numbers.map(|number| number.to_string())
}

fn offsets(again: &Again) -> Vec<i64> {
    let offset = |record: &Record| match record.source {
        Source::Kafka { offset, .. } => offset,
        Source::Http { .. } => -1,
    };
    again.records.iter().map(offset).collect()
}

#[tokio::test]
async fn a_record_is_read_as_it_was_sent() {
    let fixture = Fixture::new().await;
    let sent = GIVEN_UP - 1_000;
    let record = krafka::Record::new(TOPIC, "value").partition(1).key("key").timestamp(sent);
    let record = record.header("tenant", "demo").null_header("flag");
    let _ = fixture.producer.send(record).await.expect("acknowledged");
    let future = krafka::Record::tombstone(TOPIC, "key").partition(1).timestamp(9_000_000_000_000);
    let _ = fixture.producer.send(future).await.expect("acknowledged");
    let Again { records, next, lost } = fixture.again(0, 1).await;
    assert_eq!((records.len(), next, lost), (2, 2, 0));
    let at = Timestamp::from_millis(sent);
    let source = |offset, timestamp| {
        let timestamp = Some(timestamp);
        Source::Kafka { topic: TOPIC.into(), partition: 1, offset, timestamp, element: None }
    };
    let expected = Record {
        source: source(0, sent),
        key: Some(b"key".to_vec()),
        value: Some(b"value".to_vec()),
        headers: vec![("tenant".to_owned(), b"demo".to_vec()), ("flag".to_owned(), Vec::new())],
        received_at: at,
        ingested_at: at.expect("in range"),
    };
    assert_eq!(records.first(), Some(&expected));
    let tombstone = records.last().expect("two records");
    assert_eq!((&tombstone.source, &tombstone.value), (&source(1, 9_000_000_000_000), &None));
    // A record without a timestamp counts as ingested when it was discarded.
    assert_eq!((tombstone.received_at, tombstone.ingested_at), (None, given_up().now));
}

#[tokio::test]
async fn only_the_requested_offsets_are_returned_in_bounded_responses() {
    let fixture = Fixture::new().await;
    fixture.send(numbers(0..RECORDS + 5)).await;
    let some = fixture.again(3, 5).await;
    assert_eq!((offsets(&some), some.next, some.lost), (vec![3, 4, 5], 6, 0));
    let last = i64::try_from(RECORDS).expect("small") + 1;
    let (mut all, mut next) = (Vec::new(), 0);
    while next <= last {
        let again = fixture.again(next, last).await;
        assert!(again.records.len() <= RECORDS && again.lost == 0 && again.next > next);
        all.extend(offsets(&again));
        next = again.next;
    }
    assert_eq!(all, (0..=last).collect::<Vec<_>>());
    assert_eq!(next, last + 1);
}

#[tokio::test]
async fn responses_end_at_four_megabytes() {
    let fixture = Fixture::new().await;
    fixture.send((0..6).map(|_| "x".repeat(900_000))).await;
    let (mut all, mut next) = (Vec::new(), 0);
    while next <= 5 {
        let again = fixture.again(next, 5).await;
        assert!((1..=4).contains(&again.records.len()) && again.lost == 0);
        all.extend(offsets(&again));
        next = again.next;
    }
    assert_eq!(all, [0, 1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn expired_records_are_lost_and_the_others_are_read() {
    let fixture = Fixture::new().await;
    for number in 0..6 {
        fixture.send(numbers(number..number + 1)).await;
    }
    fixture.remove(0..4);
    fixture.start_at(4);
    let again = fixture.again(1, 5).await;
    assert_eq!((offsets(&again), again.next, again.lost), (vec![4, 5], 6, 3));
    let gone = fixture.again(1, 3).await;
    assert_eq!((offsets(&gone), gone.next, gone.lost), (vec![], 4, 3));
}

#[tokio::test]
async fn offsets_that_never_existed_are_lost() {
    let fixture = Fixture::new().await;
    fixture.send(numbers(0..3)).await;
    let snapshot = fixture.again(1, 6).await;
    assert_eq!((offsets(&snapshot), snapshot.next, snapshot.lost), (vec![1, 2], 7, 4));
    let beyond = fixture.again(5, 6).await;
    assert_eq!((offsets(&beyond), beyond.next, beyond.lost), (vec![], 7, 2));
    let other = fixture.again_of("other", 0, 0, 9).await;
    assert_eq!((offsets(&other), other.next, other.lost), (vec![], 10, 10));
    let none = fixture.again_of(TOPIC, 2, 2, 3).await;
    assert_eq!((offsets(&none), none.next, none.lost), (vec![], 4, 2));
}

#[tokio::test]
async fn offsets_without_a_record_are_not_lost() {
    let fixture = Fixture::new().await;
    for number in 0..6 {
        fixture.send(numbers(number..number + 1)).await;
    }
    fixture.remove(2..4);
    let again = fixture.again(1, 4).await;
    assert_eq!((offsets(&again), again.next, again.lost), (vec![1, 4], 5, 0));
    let gap = fixture.again(2, 3).await;
    assert_eq!((offsets(&gap), gap.next, gap.lost), (vec![], 4, 0));
}

#[tokio::test]
async fn nothing_is_lost_if_the_bounds_are_unknown() {
    let fixture = Fixture::new().await;
    fixture.send(numbers(0..3)).await;
    let offsets = Offsets { topic: TOPIC.to_owned(), partition: 1, first: 0, last: 2 };
    let code = krafka::error::ErrorCode::TopicAuthorizationFailed;
    fixture.broker.on(ApiKey::ListOffsets, move |_| Control::Error(code));
    let refused = fixture.reread.reread(&offsets, given_up()).await;
    assert_eq!(refused.err().map(|error| error.reason), Some(Reason::Misconfigured));
    let bootstrap = fixture.broker.bootstrap_servers();
    drop(fixture);
    let gone = KafkaReread::new(KafkaCluster { bootstrap, security: Security::Plaintext });
    let unreachable = gone.reread(&offsets, given_up()).await;
    assert_eq!(unreachable.err().map(|error| error.reason), Some(Reason::Unreachable));
}
