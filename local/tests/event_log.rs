//! Records through the event log: produced as an external producer does, sent as Lambda sends them,
//! read back as history. The host may be killed in between.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use common::{Process, WAIT, run};
use drover_core::base::time::Timestamp;
use drover_event_source::kafka::{Gauge, Reading};
use drover_local::function::DEFAULT_TIMEOUT;
use drover_local::mapping::EventLogConfig;
use drover_local::{FunctionError, Functions, Host, HostConfig};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};
use tokio::sync::mpsc;

/// One hour ago, which is within every tenant's retention.
#[expect(clippy::disallowed_methods, reason = "the records of a producer carry the current time")]
static AN_HOUR_AGO: LazyLock<i64> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap() - 3_600_000
});

/// A reading of a device. Its time follows from its number, so that history is in the order of the
/// numbers.
fn reading(device: &str, number: u32) -> String {
    let observed_at = Timestamp::from_millis(*AN_HOUR_AGO + i64::from(number) * 1_000).unwrap();
    let event = json!({
        "device_id": device, "event_id": format!("e-{number}"), "event_type": "temperature",
        "timestamp": observed_at.to_string(), "payload": { "value": number },
    });
    format!("{event}\n")
}

async fn produce(data: &Path, topic: &str, more: &[&str], lines: &str) -> (i32, String, String) {
    let words = ["produce", topic, "-", "--data", data.to_str().unwrap()];
    run(&[&words, more].concat(), lines).await
}

/// Produces lines, all of which must be accepted.
async fn send(data: &Path, more: &[&str], lines: &str) {
    let tenant = ["--header", "tenant=demo"];
    let (code, _, error) = produce(data, "telemetry", &[&tenant, more].concat(), lines).await;
    assert_eq!((code, error.as_str()), (0, ""));
}

/// The numbers of a device's events in history order.
async fn history(data: &Path, device: &str) -> Vec<u32> {
    let subject = format!("device/{device}");
    let data = data.to_str().unwrap();
    let words = ["inspect", "demo", &subject, "--json", "--limit", "10000", "--data", data];
    let (code, shown, _) = run(&words, "").await;
    if code != 0 {
        return Vec::new();
    }
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let entries = shown["entries"].as_array().unwrap().iter();
    let number = |entry: &Value| entry["event_id"].as_str().unwrap()[2..].parse().unwrap();
    entries.map(number).collect()
}

async fn eventually(what: &str, holds: impl AsyncFnMut() -> bool) {
    eventually_within(WAIT, Duration::from_millis(5), what, holds).await;
}

async fn eventually_within(
    most: Duration,
    look_every: Duration,
    what: &str,
    mut holds: impl AsyncFnMut() -> bool,
) {
    let waited = tokio::time::timeout(most, async {
        while !holds().await {
            tokio::time::sleep(look_every).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn is_history(data: &Path, device: &str, count: u32) {
    let expected: Vec<u32> = (0..count).collect();
    let holds = async || history(data, device).await == expected;
    // Every poll is a process, which takes CPU time from the host.
    eventually_within(4 * WAIT, Duration::from_millis(100), "history", holds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn produced_records_are_read_back_in_order_with_or_without_a_running_host() {
    let data = tempdir().unwrap();
    let before: String = [3, 1, 0].map(|number| reading("d-1", number)).concat();
    send(data.path(), &["--key", "demo/device/d-1"], &before).await;
    let _host = Process::start(data.path()).await;
    eventually("history", async || history(data.path(), "d-1").await == [0, 1, 3]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_applied_once_although_the_host_is_killed_in_between() {
    let data = tempdir().unwrap();
    let mut host = Process::start(data.path()).await;
    let devices = ["d-0", "d-1", "d-2", "d-3"];
    let mut count = 0;
    for _ in 0..3 {
        let before = history(data.path(), "d-0").await.len();
        for device in devices {
            // Newest event first.
            let lines: String =
                (count..count + 500).rev().map(|one| reading(device, one)).collect();
            send(data.path(), &["--key", device], &lines).await;
        }
        count += 500;
        // Kills the host when some events of this round are applied and others are in flight.
        eventually("the round", async || history(data.path(), "d-0").await.len() > before).await;
        host.child.kill().unwrap();
        host.child.wait().unwrap();
        host = Process::start(data.path()).await;
    }
    for device in devices {
        is_history(data.path(), device, count).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn simulate_feeds_any_function_behind_an_invoke_api_and_continues_at_its_offsets() {
    let (data, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    let host = Process::start(data.path()).await;
    let endpoint = format!("http://{}", host.addresses.lambda);
    let folder = elsewhere.path().to_str().unwrap();
    let words = ["simulate", "--endpoint", &endpoint, "--topic", "telemetry", "--data", folder];
    let once = [&words[..], &["--once", "--batch-size", "7", "--window-ms", "1"]].concat();

    let (code, _, error) = run(&once, "").await;
    assert_eq!(code, 1);
    assert!(error.contains("no event log yet"), "{error}");
    for run_number in 0..2 {
        let numbers = run_number * 20..(run_number + 1) * 20;
        let lines: String = numbers.map(|number| reading("d-1", number)).collect();
        send(elsewhere.path(), &["--key", "k"], &lines).await;
        let (code, shown, error) = run(&once, "").await;
        assert_eq!((code, error.as_str()), (0, ""));
        let done = (run_number + 1) * 20;
        assert!(shown.ends_with(&format!("  partition 0: {done}\n")), "{shown}");
        let expected: Vec<u32> = (0..done).collect();
        assert_eq!(history(data.path(), "d-1").await, expected);
    }
    let other = [&["simulate", "--endpoint", &endpoint, "--topic", "none", "--once"], &words[5..]];
    let (code, _, error) = run(&other.concat(), "").await;
    assert_eq!((code, error.as_str()), (1, "error: the topic does not exist: topic=`none`\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_too_large_is_listed_and_the_others_are_sent() {
    let data = tempdir().unwrap();
    let lines = format!("a\n\n{}\nb\n", "x".repeat(1024 * 1024));
    let (code, out, error) = produce(data.path(), "t", &["--key", "k"], &lines).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(error.contains("\n  line 3\n"), "{error}");
    assert!(
        error.ends_with("t: 2 records\n  partition 0: 2 records, offsets 0 to 1\n\n"),
        "{error}"
    );
    let (code, _, error) = produce(data.path(), "a/b", &[], "a").await;
    assert_eq!(code, 1);
    assert!(error.contains("invalid topic name"), "{error}");
}

/// The events that a function received, as offsets by partition.
type Got = Arc<Mutex<Vec<Vec<(String, Vec<i64>)>>>>;

fn offsets(event: &Bytes) -> Vec<(String, Vec<i64>)> {
    let event: Value = serde_json::from_slice(event).unwrap();
    assert_eq!(event["eventSource"], "aws:kafka");
    let records = event["records"].as_object().unwrap().iter();
    let offset = |record: &Value| record["offset"].as_i64().unwrap();
    let of = |records: &Value| records.as_array().unwrap().iter().map(offset).collect();
    records.map(|(partition, records)| (partition.clone(), of(records))).collect()
}

/// A host with this processor, and the events that the processor received.
async fn host_with(
    answer: impl Fn(&[(String, Vec<i64>)], usize) -> Result<Value, FunctionError>
    + Send
    + Sync
    + 'static,
    set: impl FnOnce(&mut HostConfig),
) -> (Host, TempDir, Got) {
    let got = Got::default();
    let seen = Arc::clone(&got);
    let answer = move |event: Bytes, _| {
        let event = offsets(&event);
        let mut seen = seen.lock().unwrap();
        seen.push(event.clone());
        let answer = answer(&event, seen.len());
        async move { answer.map(|answer| answer.to_string().into()) }
    };
    let data = tempdir().unwrap();
    let functions = Functions::default().with("processor", DEFAULT_TIMEOUT, answer);
    let mut config = HostConfig { functions, ..HostConfig::on_free_ports(data.path()) };
    set(&mut config);
    (Host::start(config).await.unwrap(), data, got)
}

fn failed() -> FunctionError {
    FunctionError { error_type: "Odd".to_owned(), error_message: "no".to_owned() }
}

async fn all_done(host: &Host) {
    let done = |gauges: &[Gauge]| !gauges.is_empty() && gauges.iter().all(|gauge| gauge.lag() == 0);
    eventually("everything is done", async || done(&host.gauges())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_failure_is_retried_under_both_settings() {
    for (reading, again) in [(Reading::Resume, vec![1, 2, 3]), (Reading::Listed, vec![1, 3])] {
        let name = |offset| json!({ "itemIdentifier": { "partition": "t-0", "offset": offset } });
        let answer = move |_: &[(String, Vec<i64>)], time: usize| {
            let named = if time == 1 { vec![name(3), name(1)] } else { Vec::new() };
            Ok(json!({ "batchItemFailures": named }))
        };
        let set = |config: &mut HostConfig| config.mapping.rules.reading = reading;
        let (host, data, got) = host_with(answer, set).await;
        let (code, ..) = produce(data.path(), "t", &["--key", "k"], "a\nb\nc\nd\n").await;
        assert_eq!(code, 0);
        eventually("both events", async || got.lock().unwrap().len() == 2).await;
        all_done(&host).await;
        let event = |offsets: &[i64]| vec![("t-0".to_owned(), offsets.to_vec())];
        assert_eq!(*got.lock().unwrap(), [event(&[0, 1, 2, 3]), event(&again)]);
        host.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_partition_blocks_no_other_and_its_lag_can_be_read() {
    let answer = |event: &[(String, Vec<i64>)], _| {
        let poisoned = event.iter().any(|(partition, _)| partition == "t-1");
        if poisoned { Err(failed()) } else { Ok(Value::Null) }
    };
    // Records without a key go to the partitions in turn, so the first event has all partitions,
    // once all are fetched.
    let set = |config: &mut HostConfig| config.mapping.batching.window = Duration::from_secs(2);
    let (host, data, got) = host_with(answer, set).await;
    let (code, ..) = produce(data.path(), "t", &[], &"a\n".repeat(8)).await;
    assert_eq!(code, 0);
    let lags = |host: &Host| host.gauges().iter().map(|gauge| gauge.lag()).collect::<Vec<_>>();
    eventually("the others are done", async || lags(&host) == [0, 2, 0, 0]).await;
    let gauges = host.gauges();
    assert!(gauges[1].oldest.is_some(), "{gauges:?}");
    assert_eq!((gauges[1].topic.as_str(), gauges[1].partition, gauges[0].oldest), ("t", 1, None));
    let events = got.lock().unwrap().clone();
    assert_eq!(events[0].len(), 4);
    let alone: BTreeSet<usize> = events[1..].iter().map(Vec::len).collect();
    assert_eq!(alone, BTreeSet::from([1]), "after a failure each partition is retried separately");
    // The partition still fails; stopping does not wait for it.
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn discarded_records_are_reported_to_the_queue_and_then_committed() {
    let answer = |_: &[(String, Vec<i64>)], _| Err(failed());
    let (reports, mut reported) = mpsc::unbounded_channel();
    let set = |config: &mut HostConfig| {
        config.mapping.rules.retries = Some(1);
        let replay = move |event: Bytes, _| {
            reports.send(serde_json::from_slice::<Value>(&event).unwrap()).unwrap();
            async { Ok(Bytes::new()) }
        };
        config.functions = config.functions.clone().with("replay", DEFAULT_TIMEOUT, replay);
    };
    let (host, data, got) = host_with(answer, set).await;
    let (code, ..) = produce(data.path(), "t", &["--key", "k"], "a\nb\n").await;
    assert_eq!(code, 0);
    eventually("a first event", async || !got.lock().unwrap().is_empty()).await;
    all_done(&host).await;
    assert_eq!(got.lock().unwrap().len(), 2);
    let event = tokio::time::timeout(WAIT, reported.recv()).await.unwrap().unwrap();
    let body: Value = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["requestContext"]["condition"], "RetryAttemptsExhausted");
    assert_eq!(body["requestContext"]["approximateInvokeCount"], 2);
    assert_eq!(body["responseContext"]["functionError"], "Unhandled");
    assert_eq!(body["KafkaBatchInfo"]["batchSize"], 2);
    let run = &body["KafkaBatchInfo"]["recordsInfo"]["t-0"];
    assert_eq!((&run["firstRecordOffset"], &run["lastRecordOffset"]), (&json!("0"), &json!("1")));
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_event_log_nothing_is_read() {
    let answer = |_: &[(String, Vec<i64>)], _| Ok(Value::Null);
    let set = |config: &mut HostConfig| config.event_log = EventLogConfig::Direct;
    let (host, data, _) = host_with(answer, set).await;
    assert_eq!((host.gauges(), data.path().join("stream.db").exists()), (Vec::new(), false));
    host.stop().await.unwrap();
}
