//! `drover simulate` and `drover contracts sample` on a cluster: records that a function rejects are isolated by
//! bisecting, reported, and read again by their offsets for a replay.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use drover_core::intake::event_log::TOPIC;
use drover_local::function::DEFAULT_TIMEOUT;
use drover_local::mapping::{ClusterConfig, EventLogConfig, Missing};
use drover_local::{FunctionError, Functions, Host, HostConfig};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::broker::shared;
use crate::common::{WAIT, run};
use crate::foreign::{Client, Written};
use crate::site::{replay, route};
use crate::topic::{Topic, name, now};

/// The function that rejects some records.
const PICKY: &str = "picky";
const REFUSED: [usize; 3] = [4, 17, 30];
const RECORDS: usize = 40;
const PARTITION: i32 = 2;

/// A host with such a function and without an event source of its own.
struct Fixture {
    topic: Topic,
    host: Host,
    data: TempDir,
    group: String,
    /// The number of records that the function accepted.
    taken: Arc<AtomicUsize>,
}

impl Fixture {
    async fn new() -> Self {
        let topic = Topic::new(&shared().plain, "simulated").await;
        let (data, taken) = (tempdir().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&taken);
        let functions = Functions::default().with(PICKY, DEFAULT_TIMEOUT, move |event, _| {
            let answer = picky(&event, &count);
            async { answer }
        });
        let mut cluster = topic.0.clone();
        cluster.topic = TOPIC.to_owned();
        let cluster = ClusterConfig { cluster, topics: Vec::new(), missing: Missing::Created };
        let event_log = EventLogConfig::Kafka(cluster);
        let config = HostConfig { functions, event_log, ..HostConfig::on_free_ports(data.path()) };
        let host = Host::start(config).await.unwrap();
        Self { topic, host, data, group: name("simulated"), taken }
    }

    /// Runs the command to its end and returns its output.
    async fn simulate(&self, words: &[&str]) -> String {
        let endpoint = format!("http://{}", self.host.addresses().lambda);
        let all = ["simulate", "--once", "--endpoint", &endpoint, "--function", PICKY];
        let source = ["--topic", self.topic.name(), "--kafka", self.topic.bootstrap()];
        let group = ["--group", self.group.as_str()];
        let (code, out, said) = run(&[&all[..], &source, &group, words].concat(), "").await;
        assert_eq!(code, 0, "{said}");
        out
    }

    fn produce(&self, numbers: std::ops::Range<usize>) {
        let records: Vec<Written> = numbers.map(record).collect();
        Client::Confluent.produce(self.topic.bootstrap(), self.topic.name(), &records);
    }

    async fn command(&self, command: Value) -> Value {
        replay(self.host.addresses().lambda, &command).await
    }

    /// The operator's letters, once there are so many.
    async fn letters(&self, count: usize) -> Value {
        let filed = async {
            loop {
                let found = self.command(json!({"action": "inspect", "limit": 100})).await;
                if found["total"] == count {
                    break found;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(WAIT, filed).await.unwrap()
    }
}

fn picky(event: &[u8], taken: &AtomicUsize) -> Result<Bytes, FunctionError> {
    let event: Value = serde_json::from_slice(event).unwrap();
    let lists = event["records"].as_object().unwrap().values();
    let records: Vec<&Value> = lists.flat_map(|list| list.as_array().unwrap()).collect();
    if records.iter().any(|record| REFUSED.iter().any(|one| record["offset"] == *one)) {
        let (error_type, error_message) = ("Picky".to_owned(), "not this one".to_owned());
        return Err(FunctionError { error_type, error_message });
    }
    taken.fetch_add(records.len(), Ordering::Relaxed);
    Ok(Bytes::from_static(b"{\"batchItemFailures\":[]}"))
}

fn record(number: usize) -> Written {
    let event = json!({
        "device_id": "d-1", "event_id": format!("e-{number}"), "event_type": "temperature",
        "timestamp": now().plus_seconds(-600).to_string(), "payload": {"value": number},
    });
    let written = Written::of("d-1", event).with("tenant", "demo");
    Written { partition: Some(PARTITION), ..written }
}

pub(crate) async fn handled_records_are_committed_for_the_next_run() {
    let fixture = Fixture::new().await;
    let (bootstrap, topic) = (fixture.topic.bootstrap(), fixture.topic.name());
    fixture.produce(0..3);
    let out = fixture.simulate(&["--batch-size", "2"]).await;
    let expected = format!("{topic}: next offset by partition\n  partition 2: 3\n");
    assert_eq!((out, fixture.taken.load(Ordering::Relaxed)), (expected, 3));
    let committed = Client::Confluent.committed(bootstrap, &fixture.group, topic);
    assert_eq!(committed, BTreeMap::from([(PARTITION, 3)]));
    fixture.produce(3..4);
    fixture.simulate(&[]).await;
    assert_eq!(fixture.taken.load(Ordering::Relaxed), 4, "none of them again");
    fixture.host.stop().await.unwrap();
}

pub(crate) async fn rejected_records_are_isolated_by_bisecting_reported_and_replayed() {
    let fixture = Fixture::new().await;
    fixture.produce(0..RECORDS);
    let queue = format!("http://{}/000000000000/drover-dead-letters", fixture.host.addresses().sqs);
    let words = ["--bisect", "--max-attempts", "1", "--on-failure", &queue];
    let out = fixture.simulate(&words).await;
    assert!(out.ends_with("  partition 2: 40\n"), "{out}");
    assert_eq!(fixture.taken.load(Ordering::Relaxed), RECORDS - REFUSED.len());

    fixture.letters(REFUSED.len()).await;
    // The first rejected record expires before the replay.
    fixture.topic.forget(PARTITION, 10).await;
    route(fixture.data.path(), fixture.topic.name()).await;
    let replayed = fixture.command(json!({"action": "replay", "rate": 1000, "by": "a test"})).await;
    assert_eq!(replayed["outcomes"], json!({"applied": 2, "lost": 1}));
    let path = "/api/v1/events?device_id=d-1";
    let call = drover_tests::http::Call::get(path);
    let answer = call.send(fixture.host.addresses().http, crate::site::KEY).await.unwrap();
    let events = answer.json["events"].as_array().unwrap().iter();
    let ids: Vec<&str> = events.map(|event| event["event_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["e-17", "e-30"]);
    fixture.host.stop().await.unwrap();
}

/// A sample of a topic of the cluster, by the route and the tenants of the host.
pub(crate) async fn a_sample_reads_the_newest_records_of_a_cluster() {
    let fixture = Fixture::new().await;
    let topic = fixture.topic.name();
    route(fixture.data.path(), topic).await;
    let data = fixture.data.path().to_str().unwrap();
    let unreadable = Written { partition: Some(PARTITION), ..Written::of("d-1", json!("secret")) };
    let unreadable = unreadable.with("tenant", "demo");
    Client::Confluent.produce(fixture.topic.bootstrap(), topic, &[unreadable]);
    fixture.produce(0..10);

    let sample = async |last: &str| {
        let words = ["contracts", "sample", topic, "--last", last, "--json", "--data", data];
        let cluster = ["--stream", fixture.topic.bootstrap()];
        let (code, out, said) = run(&[&words[..], &cluster].concat(), "").await;
        assert_eq!(said, "");
        assert!(!out.contains("secret"), "{out}");
        (code, serde_json::from_str::<Value>(&out).unwrap())
    };
    let (code, newest) = sample("10").await;
    assert_eq!((code, &newest["records"], &newest["accepted"]), (0, &json!(10), &json!(10)));
    assert_eq!(newest["outcomes"][0]["example"]["offset"], 1);
    let (code, all) = sample("1000").await;
    assert_eq!((code, &all["records"], &all["rejected"]), (1, &json!(11), &json!(1)));
    assert_eq!(all["outcomes"][1]["example"]["offset"], 0, "{all}");
    fixture.host.stop().await.unwrap();
}
