//! A host that reads and writes while its cluster is killed, and itself, or a topic is recreated.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use drover_tests::chaos::feeds::Feeds;
use drover_tests::http::Call;
use serde_json::{Value, json};

use crate::broker::{Broker, shared};
use crate::foreign::{Client, Read, Written};
use crate::site::{KEY, Site};
use crate::topic::{Topic, now};

/// Devices of the other producer, and events per device, of which every third comes twice.
const FOREIGN: usize = 50;
const EVENTS: usize = 400;
/// The order of its records.
const SEED: u64 = 7;
/// From one kill of the host to the next.
const APART: Duration = Duration::from_secs(1);
/// Concurrent HTTP clients, events per request, and requests between two kills.
const CLIENTS: usize = 3;
const BATCH: usize = 20;
const REQUESTS: usize = 12;
const WITHIN: Duration = Duration::from_secs(1_200);

/// The ids of the events, by device.
type Ids = BTreeMap<String, BTreeSet<String>>;

fn event(device: &str, number: usize) -> Value {
    let seconds = i64::try_from(number).unwrap() - 7_200;
    json!({
        "device_id": device, "event_id": format!("e-{number}"), "event_type": "temperature",
        "timestamp": now().plus_seconds(seconds).to_string(), "payload": {"value": number},
    })
}

pub(crate) async fn accepted_events_are_in_a_history_once_whenever_broker_and_host_die() {
    let mut broker = Broker::start();
    let cluster = broker.addresses().plain;
    let topic = Topic::new(&cluster, "under-way").await;
    let mut site = Site::start(&cluster, topic.name()).await;
    let mut expected = foreign(&cluster, topic.name());
    let (answered, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let address = site.host.http().await;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            tokio::spawn(send(address, client, Arc::clone(&answered), Arc::clone(&is_over)))
        })
        .collect();
    for kill in [true, false] {
        until_more(&answered).await;
        if kill {
            broker.kill()
        } else {
            broker.stop()
        }
        broker.start_again();
    }
    until_more(&answered).await;
    is_over.store(true, Ordering::Relaxed);
    for client in clients {
        let (device, ids) = client.await.unwrap();
        assert_eq!(expected.insert(device, ids), None);
    }
    for _ in 0..2 {
        site.host.kill_and_restart().await.unwrap();
        tokio::time::sleep(APART).await;
    }

    let started = Instant::now();
    loop {
        let found = histories(&site, expected.keys()).await;
        if found == expected {
            break;
        }
        let missing = |(device, ids): (&String, &BTreeSet<String>)| {
            (device.clone(), ids.difference(&found[device]).count())
        };
        let missing: Vec<_> =
            expected.iter().map(missing).filter(|(_, count)| *count > 0).collect();
        assert!(started.elapsed() < WITHIN, "missing, or there and not accepted: {missing:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let counts = site.has_handled(0).await;
    assert_eq!((counts.rejected, site.letters().await), (0, BTreeMap::new()));
    consumers_hold_the_histories(&cluster, &site, expected.keys()).await;
}

/// Consumers of the feeds, which librdkafka reads, hold the histories and views of these devices.
async fn consumers_hold_the_histories(
    cluster: &str,
    site: &Site,
    devices: impl Iterator<Item = &String> + Clone,
) {
    let read = |feed: &str| -> Vec<Value> {
        let records = Client::Confluent.consume(cluster, &format!("drover.{feed}"));
        records.into_iter().map(as_json).collect()
    };
    let started = Instant::now();
    loop {
        let feeds =
            Feeds { ordered: read("ordered"), settled: read("settled"), views: read("views") };
        let mut checked = Ok(());
        for device in devices.clone() {
            let history = site.history(device, KEY).await;
            let history: Vec<Value> =
                history.into_iter().map(|(at, id, payload)| json!([at, id, payload])).collect();
            let view =
                site.call(&Call::get(format!("/api/v1/subjects/device/{device}")), KEY).await;
            let key = format!("demo/device/{device}");
            checked = checked.and(feeds.check(&key, &history, &view.json));
        }
        match checked {
            Ok(()) => return,
            Err(fault) => assert!(started.elapsed() < WITHIN, "{fault}"),
        }
    }
}

fn as_json(record: Read) -> Value {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let headers = record.headers.into_iter();
    let headers: BTreeMap<String, Option<String>> =
        headers.map(|(name, value)| (name, value.map(text))).collect();
    let value = record.value.map(|value| serde_json::from_slice::<Value>(&value).unwrap());
    json!({ "key": record.key.map(text), "headers": headers, "value": value })
}

/// Writes another producer's events to the topic, in any order.
fn foreign(cluster: &str, topic: &str) -> Ids {
    let (mut records, mut expected) = (Vec::new(), Ids::new());
    for number in 0..FOREIGN * EVENTS {
        let (device, number) = (format!("foreign-{}", number % FOREIGN), number / FOREIGN);
        let event = event(&device, number);
        for _ in 0..=usize::from(number.is_multiple_of(3)) {
            records.push(Written::of(&device, event.clone()).with("tenant", "demo"));
        }
        expected.entry(device).or_default().insert(format!("e-{number}"));
    }
    fastrand::Rng::with_seed(SEED).shuffle(&mut records);
    Client::Confluent.produce(cluster, topic, &records);
    expected
}

/// Sends requests until the end, each until it is accepted; returns the accepted events.
async fn send(
    address: SocketAddr,
    client: usize,
    answered: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
) -> (String, BTreeSet<String>) {
    let (device, mut accepted, mut next) = (format!("http-{client}"), BTreeSet::new(), 0);
    while !is_over.load(Ordering::Relaxed) {
        let events: Vec<Value> = (next..next + BATCH).map(|one| event(&device, one)).collect();
        let call = Call {
            method: "POST",
            path: "/api/v1/events?contract=telemetry".to_owned(),
            headers: vec![("content-type", "application/json".to_owned())],
            body: json!(events).to_string().into_bytes(),
        };
        let started = Instant::now();
        loop {
            match call.send(address, KEY).await {
                Some(answer) if answer.status == 202 => {
                    assert_eq!(answer.json["accepted"], BATCH, "{}", answer.text);
                    break;
                }
                // Over the quota, or the host is unavailable.
                Some(answer) => assert!([429, 503].contains(&answer.status), "{}", answer.text),
                None => {}
            }
            assert!(started.elapsed() < WITHIN);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        accepted.extend((next..next + BATCH).map(|number| format!("e-{number}")));
        next += BATCH;
        answered.fetch_add(1, Ordering::Relaxed);
    }
    (device, accepted)
}

/// Waits for so many more answered requests; requests are answered without a broker too.
async fn until_more(answered: &AtomicUsize) {
    let enough = answered.load(Ordering::Relaxed) + REQUESTS;
    let waited = async {
        while answered.load(Ordering::Relaxed) < enough {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WITHIN, waited).await.unwrap();
}

async fn histories(site: &Site, devices: impl Iterator<Item = &String>) -> Ids {
    let mut found = Ids::new();
    for device in devices {
        let mut ids = BTreeSet::new();
        for (_, id, _) in site.history(device, KEY).await {
            assert!(ids.insert(id.clone()), "{device} has {id} twice");
        }
        found.insert(device.clone(), ids);
    }
    found
}

pub(crate) async fn a_recreated_topic_is_read_from_its_start() {
    let cluster = shared().plain;
    let topic = Topic::new(&cluster, "forgotten").await;
    let site = Site::start(&cluster, topic.name()).await;
    let written = |numbers: std::ops::Range<usize>| -> Vec<Written> {
        let written = |number| Written::of("d-1", event("anew", number)).with("tenant", "demo");
        numbers.map(written).collect()
    };
    Client::Confluent.produce(&cluster, topic.name(), &written(0..30));
    site.has_handled(30).await;
    topic.make_anew().await;
    Client::Confluent.produce(&cluster, topic.name(), &written(30..40));
    // The client may notice before the host does; then both restart, and records are read twice.
    let whole = async {
        while site.history("anew", KEY).await.len() < 40 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WITHIN, whole).await.unwrap();
    assert_eq!(site.has_handled(40).await.rejected, 0);
    assert_eq!(site.history("anew", KEY).await.len(), 40);
}
