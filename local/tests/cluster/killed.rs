//! A broker is killed and restarted: its acknowledged records are still there.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use drover_aws::kafka::KafkaEventLog;
use drover_core::intake::record::Record;
use drover_event_log::{Bounds, Log as _, Position};
use drover_event_source::KafkaLog;

use crate::broker::Broker;
use crate::topic::{Topic, record, send};

/// Concurrent senders, each with its own subjects.
const SENDERS: usize = 4;
const SUBJECTS: usize = 25;
/// The events of all senders, and of one send.
const EVENTS: usize = 16_000;
const BATCH: usize = 100;
const WITHIN: Duration = Duration::from_secs(120);
const GROUP: &str = "killed";

pub(crate) async fn acknowledged_records_survive_a_kill_of_the_broker() {
    let mut broker = Broker::start();
    let topic = Topic::new(&broker.addresses().plain, "killed").await;
    let event_log = Arc::new(topic.event_log().await);
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            tokio::spawn(send_all(Arc::clone(&event_log), sender, Arc::clone(&acknowledged)))
        })
        .collect();
    let log = topic.log().await;
    let polling = tokio::spawn(poll_all(log, topic.clone()));
    for kill in 1..=3 {
        until(|| acknowledged.load(Ordering::Relaxed) >= EVENTS * kill / 4).await;
        // One of the stops is clean.
        if kill == 2 {
            broker.stop()
        } else {
            broker.kill()
        }
        broker.start_again();
    }
    let mut sent = HashSet::new();
    for sender in senders {
        sent.extend(sender.await.unwrap());
    }
    assert_eq!(sent.len(), EVENTS);

    let log = topic.log().await;
    let mut there = HashSet::new();
    let mut ends = BTreeMap::new();
    for (partition, records) in topic.read(&log).await {
        ends.insert(partition, records.last().map_or(0, |record| record.offset + 1));
        there.extend(records.iter().map(|record| id(record.value.as_deref().unwrap())));
    }
    let lost: Vec<&String> = sent.difference(&there).collect();
    assert!(lost.is_empty(), "{} acknowledged records are lost: {lost:?}", lost.len());
    let polled = tokio::time::timeout(WITHIN, polling).await.unwrap().unwrap();
    assert_eq!(polled, there, "the concurrent reader has read everything");
    assert_eq!(log.committed(GROUP, topic.name()).await.unwrap(), ends);
}

/// Sends until everything is acknowledged, and returns the ids.
async fn send_all(
    event_log: Arc<KafkaEventLog>,
    sender: usize,
    count: Arc<AtomicUsize>,
) -> Vec<String> {
    let events = (0..EVENTS / SENDERS).map(|number| {
        let value = format!("{sender}-{number:06} {}", "x".repeat(200));
        record(&format!("demo/device/{sender}-{}", number % SUBJECTS), value)
    });
    let (events, mut sent) = (events.collect::<Vec<Record>>(), Vec::new());
    for batch in events.chunks(BATCH) {
        let (mut left, started) = (batch.to_vec(), Instant::now());
        while !left.is_empty() {
            assert!(started.elapsed() < WITHIN, "the broker does not restart");
            let results = send(&event_log, &left).await;
            let both = left.into_iter().zip(results);
            let (done, failed): (Vec<_>, Vec<_>) = both.partition(|(_, result)| result.is_ok());
            count.fetch_add(done.len(), Ordering::Relaxed);
            sent.extend(done.iter().map(|(record, _)| id(record.value.as_deref().unwrap())));
            left = failed.into_iter().map(|(record, _)| record).collect();
        }
    }
    sent
}

fn id(value: &[u8]) -> String {
    std::str::from_utf8(value).unwrap().split(' ').next().unwrap().to_owned()
}

/// Reads and commits as the event source does, until every event was read; returns their ids.
async fn poll_all(log: KafkaLog, topic: Topic) -> HashSet<String> {
    const BOUNDS: Bounds =
        Bounds { records: 500, bytes: 1 << 20, wait: Duration::from_millis(100) };
    let mut found = HashSet::new();
    let mut places: BTreeMap<i32, i64> = (0..4).map(|partition| (partition, 0)).collect();
    let mut ended = 0;
    // Duplicate sends may follow the last event.
    while found.len() < EVENTS || ended < places.len() {
        ended = 0;
        for (partition, offset) in &mut places {
            let from = Position { topic: topic.name(), partition: *partition, offset: *offset };
            let Ok(fetched) = log.fetch(from, BOUNDS).await else { continue };
            assert!(fetched.next >= *offset, "a restarted broker has fewer records than before");
            found.extend(fetched.records.iter().map(|one| id(one.value.as_deref().unwrap())));
            *offset = fetched.next;
            ended += usize::from(fetched.records.is_empty() && fetched.next == fetched.end);
        }
        // A later commit covers a failed one.
        let _ = log.commit(GROUP, topic.name(), &places).await;
    }
    while log.commit(GROUP, topic.name(), &places).await.is_err() {}
    found
}

async fn until(mut reached: impl FnMut() -> bool) {
    let waited = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(WITHIN, waited).await.unwrap();
}
