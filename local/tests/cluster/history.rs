//! A hundred thousand records of another producer through `drover serve`: shuffled, some sent
//! twice, some very late. Then every history equals the sent events, in order.
//!
//! Devices report in turn, many readings each, as fleets do. So a batch holds several events of
//! each of its subjects, which commits are designed for.

use std::collections::BTreeMap;
use std::time::Instant;

use drover_core::base::time::Timestamp;
use fastrand::Rng;
use serde_json::{Value, json};

use crate::broker::shared;
use crate::foreign::{Client, Written};
use crate::site::{Counts, KEY, Site};
use crate::topic::{Topic, now};

const DEVICES: usize = 200;
/// Events per device.
const EVENTS: usize = 480;
/// Records that are sent twice; with them there are a hundred thousand.
const TWICE: usize = 4_000;
/// Events that are sent after all others.
const LATE: usize = 400;
/// Devices that report at the same time.
const TOGETHER: usize = 20;
/// The maximum displacement of an event among the events of its device.
const SHUFFLED: usize = 40;

/// Time, id and payload, as the history returns them.
type Shown = (String, String, Value);

/// The records in sending order, and the expected histories.
fn drawn(random: &mut Rng) -> (Vec<Written>, BTreeMap<String, Vec<Shown>>) {
    let first = now().plus_seconds(-6 * 3_600).micros();
    let mut sent: Vec<(usize, Written)> = Vec::new();
    let mut histories = BTreeMap::new();
    for device in 0..DEVICES {
        let name = format!("fleet-{device:03}");
        let turn = device / TOGETHER * (EVENTS + SHUFFLED);
        let mut events: Vec<(i64, String, Value)> = Vec::new();
        for number in 0..EVENTS {
            // Some events share a timestamp; their ids then determine the order.
            let second = i64::try_from(number).unwrap() * 30 + random.i64(0..45) / 30 * 30;
            let id = format!("e-{number:03}");
            let payload = json!({"value": random.u16(..1_000)});
            let at = Timestamp::from_micros(first + second * 1_000_000).unwrap();
            let event = json!({
                "device_id": name, "event_id": id, "event_type": "temperature",
                "timestamp": at.to_string(), "payload": payload,
            });
            let slot = turn + number + random.usize(..SHUFFLED);
            sent.push((slot, Written::of(&name, event).with("tenant", "demo")));
            events.push((at.micros(), id, payload));
        }
        events.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        let shown =
            |(at, id, payload)| (Timestamp::from_micros(at).unwrap().to_string(), id, payload);
        histories.insert(name, events.into_iter().map(shown).collect());
    }
    for _ in 0..TWICE {
        let (slot, record) = sent[random.usize(..DEVICES * EVENTS)].clone();
        sent.push((slot + random.usize(..SHUFFLED), record));
    }
    for _ in 0..LATE {
        sent[random.usize(..DEVICES * EVENTS)].0 = usize::MAX;
    }
    random.shuffle(&mut sent);
    sent.sort_by_key(|(slot, _)| *slot);
    (sent.into_iter().map(|(_, record)| record).collect(), histories)
}

pub(crate) async fn a_hundred_thousand_events_of_another_producer_become_exact_histories() {
    let seed = fastrand::u64(..);
    let (records, histories) = drawn(&mut Rng::with_seed(seed));
    let cluster = shared().plain;
    let topic = Topic::new(&cluster, "fleet").await;
    let site = Site::start(&cluster, topic.name()).await;
    let started = Instant::now();
    let places = Client::Confluent.produce(&cluster, topic.name(), &records);
    let distinct: std::collections::BTreeSet<_> = places.iter().collect();
    let counts = site.has_handled(records.len()).await;
    eprintln!("seed {seed}: {} records are handled after {:?}", places.len(), started.elapsed());

    for (device, expected) in &histories {
        let found = site.history(device, KEY).await;
        assert!(found == *expected, "{device}: {} of {}", found.len(), expected.len());
    }
    // A write whose response came too late counts as a duplicate of itself.
    let Counts { applied, duplicate, rejected } = counts;
    assert_eq!(applied + duplicate, u64::try_from(records.len()).unwrap());
    assert!(duplicate >= u64::try_from(TWICE).unwrap() && rejected == 0, "{counts:?}");
    assert_eq!(distinct.len(), records.len());
}
