//! `drover serve` as a process on a cluster, with a telemetry topic that names its tenant in a
//! header, and the host's state as seen from outside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use drover_core::intake::event_log::TOPIC;
use drover_local::data_folder::running_host;
use drover_tests::chaos::process::{Metrics, Process};
use drover_tests::http::{Answer, Call};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{post, run, sqs};
use crate::foreign::RecordLocation;

/// The key of the demo tenant.
pub(crate) const KEY: &str = "drover-demo-key";
const WITHIN: Duration = Duration::from_secs(180);
/// Longer than any pause of normal progress.
const STANDSTILL: Duration = Duration::from_secs(45);
const LOOK: Duration = Duration::from_millis(50);

/// A host. Dropping it ends the process.
pub(crate) struct Site {
    pub(crate) host: Process,
    data: PathBuf,
    _home: TempDir,
}

/// The outcomes of records, as the host counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) applied: u64,
    pub(crate) duplicate: u64,
    pub(crate) rejected: u64,
}

impl Site {
    /// Starts a host that reads this topic and the topic of ingest.
    pub(crate) async fn start(cluster: &str, topic: &str) -> Self {
        let location = tempfile::tempdir().unwrap();
        let data = location.path().join("data");
        let words = ["--stream", cluster, "--create-topics", "--topic", topic, "--topic", TOPIC];
        let program = Path::new(env!("CARGO_BIN_EXE_drover"));
        let start =
            async || Process::start_with(program, &data, words.map(str::to_owned).into()).await;
        // A host exits at its start if the cluster does not create its topics in time.
        let host = match start().await {
            Ok(host) => host,
            Err(_) => start().await.unwrap(),
        };
        let site = Self { host, data, _home: location };
        route(&site.data, topic).await;
        site
    }

    /// Sends one request until it is answered.
    pub(crate) async fn call(&self, call: &Call, key: &str) -> Answer {
        let started = Instant::now();
        while started.elapsed() < WITHIN {
            match call.send(self.host.http().await, key).await {
                Some(answer) if answer.status < 500 => return answer,
                _ => tokio::time::sleep(LOOK).await,
            }
        }
        panic!("{} is not answered", call.path);
    }

    /// Waits until so many records are handled, and neither the event log nor a queue holds more.
    pub(crate) async fn has_handled(&self, records: usize) -> Counts {
        let (mut before, mut since) = (None, Instant::now());
        loop {
            let metrics = self.host.metrics().await.unwrap();
            let seen = counts(&metrics);
            let Counts { applied, duplicate, rejected } = seen;
            let all = applied + duplicate + rejected >= u64::try_from(records).unwrap();
            if all && metrics.is_drained() && self.waiting().await == 0 {
                return seen;
            }
            if before != Some(seen) {
                (before, since) = (Some(seen), Instant::now());
            }
            assert!(since.elapsed() < STANDSTILL, "{seen:?} of {records}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The number of messages in the queues.
    async fn waiting(&self) -> u64 {
        let addresses = running_host(&self.data).unwrap().addresses;
        let mut waiting = 0;
        // In this order, because a message may move from the buffer to the dead letters.
        for queue in ["buffer", "dead-letters", "dead-letters-failed"] {
            let url = format!("http://{}/000000000000/drover-{queue}", addresses.sqs);
            let request = json!({"QueueUrl": url, "AttributeNames": ["All"]});
            let answer = sqs(&addresses, "GetQueueAttributes", request).await;
            for counted in ["", "NotVisible", "Delayed"] {
                let count = &answer["Attributes"][format!("ApproximateNumberOfMessages{counted}")];
                waiting += count.as_str().unwrap().parse::<u64>().unwrap();
            }
        }
        waiting
    }

    /// A device's history through the API: time, id and payload of every event, in order.
    pub(crate) async fn history(&self, device: &str, key: &str) -> Vec<(String, String, Value)> {
        let (mut events, mut more) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/v1/events?device_id={device}&limit=1000{more}");
            let answer = self.call(&Call::get(path), key).await;
            let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
            let page = answer.json["events"].as_array().into_iter().flatten().map(|event| {
                (text(event, "observed_at"), text(event, "event_id"), event["payload"].clone())
            });
            events.extend(page);
            match answer.json["next_cursor"].as_str() {
                Some(cursor) => more = format!("&cursor={cursor}"),
                None => return events,
            }
        }
    }

    /// The locations of the records of all open letters, including the operator's, with their
    /// codes.
    pub(crate) async fn letters(&self) -> BTreeMap<RecordLocation, String> {
        let mut lists = vec![self.command(json!({"action": "inspect", "limit": 1_000})).await];
        for key in [KEY, "drover-acme-key"] {
            let path = "/api/v1/dead-letters?state=open&limit=1000";
            lists.push(self.call(&Call::get(path), key).await.json);
        }
        let mut found = BTreeMap::new();
        for list in lists {
            for letter in list["letters"].as_array().unwrap() {
                let source = &letter["source"];
                let partition = i32::try_from(source["partition"].as_i64().unwrap()).unwrap();
                let place = (partition, source["offset"].as_i64().unwrap());
                let code = letter["code"].as_str().unwrap().to_owned();
                assert_eq!(found.insert(place, code), None, "two letters of {place:?}");
            }
        }
        found
    }

    async fn command(&self, command: Value) -> Value {
        replay(running_host(&self.data).unwrap().addresses.lambda, &command).await
    }
}

/// Sends a command to a host's replay function.
pub(crate) async fn replay(lambda: std::net::SocketAddr, command: &Value) -> Value {
    let path = "/2015-03-31/functions/replay/invocations";
    let (status, answer) = post(lambda, path, "", command).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    answer
}

/// Applies the route of the topic to the host of this folder.
pub(crate) async fn route(data: &Path, topic: &str) {
    let documents = tempfile::tempdir().unwrap();
    let route = json!({"contract": "telemetry", "tenant": {"header": "tenant"}});
    let topics = json!({"topics": {topic: route}}).to_string();
    std::fs::write(documents.path().join("topics.json"), topics).unwrap();
    let apply = ["apply", documents.path().to_str().unwrap(), "--data", data.to_str().unwrap()];
    let (code, _, error) = run(&apply, "").await;
    assert_eq!(code, 0, "{error}");
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are whole")]
fn counts(metrics: &Metrics) -> Counts {
    let count = |name| metrics.sum(name) as u64;
    Counts {
        applied: count("events_processed_total"),
        duplicate: count("events_duplicate_total"),
        rejected: count("processing_errors_total"),
    }
}
