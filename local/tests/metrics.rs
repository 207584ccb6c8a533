//! `GET /metrics` of a whole host: which names there are, and what they say after some records.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests, which clippy does not see"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::kafka::{WRITTEN_AT_MILLIS, event, temperature, text};
use common::{WAIT, get, post};
use drover_local::{Host, HostConfig};
use serde_json::json;
use tempfile::tempdir;

/// The page: its series by name and labels.
async fn metrics(host: &Host) -> BTreeMap<String, f64> {
    let page = get(host.addresses(), "/metrics").await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let page = std::str::from_utf8(page.body()).unwrap();
    let series = page.lines().filter(|line| !line.starts_with('#'));
    let series = series.map(|line| line.rsplit_once(' ').unwrap());
    series.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

/// `name type` of every metric, as the page declares them.
async fn declared(host: &Host) -> BTreeSet<String> {
    let page = get(host.addresses(), "/metrics").await;
    let page = std::str::from_utf8(page.body()).unwrap().to_owned();
    page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_names_are_those_of_the_contract_from_the_start() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let expected = [
        "assigned_partitions_count gauge",
        "authentication_failures_total counter",
        "buffer_waiting gauge",
        "corrections_total counter",
        "dead_letters_filed_total counter",
        "dead_letters_parked_total counter",
        "dead_letters_resolved_total counter",
        "dead_letters_sent_total counter",
        "dead_letters_waiting gauge",
        "events_duplicate_total counter",
        "events_ignored_total counter",
        "events_late_total counter",
        "events_processed_total counter",
        "last_message_timestamp_seconds gauge",
        "message_processing_duration_seconds histogram",
        "messages_processed_total counter",
        "offsets_lost_total counter",
        "processing_errors_total counter",
        "read_units_total counter",
        "records_buffered_total counter",
        "records_returned_total counter",
        "tether_length_seconds gauge",
        "unique_devices_total counter",
        "write_units_total counter",
    ];
    assert_eq!(declared(&host).await, expected.map(str::to_owned).into());
    host.stop().await.unwrap();
}

#[tokio::test]
async fn what_the_processor_did_is_counted_and_no_tenant_is_named() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let reading = |tenant, seconds_before| temperature(tenant, "d-1", seconds_before);
    let records = [
        reading("demo", 5),
        reading("demo", 9),
        reading("demo", 9),
        reading("acme", 3),
        text("demo", "{not JSON"),
    ];
    let path = "/2015-03-31/functions/processor/invocations";
    let (_, answer) = post(host.addresses().lambda, path, "", &event(&records)).await.unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": [] }));

    let filed = async {
        loop {
            let series = metrics(&host).await;
            if series["dead_letters_filed_total"] > 0.0 {
                break series;
            }
        }
    };
    let series = tokio::time::timeout(WAIT, filed).await.unwrap();
    let newest = u32::try_from(*WRITTEN_AT_MILLIS / 1_000 - 3).unwrap();
    for (name, expected) in [
        ("messages_processed_total{function=\"processor\"}", 5.0),
        ("events_processed_total", 3.0),
        ("events_duplicate_total", 1.0),
        ("unique_devices_total", 2.0),
        ("processing_errors_total{code=\"malformed_json\"}", 1.0),
        ("processing_errors_total{code=\"invalid_id\"}", 0.0),
        ("message_processing_duration_seconds_count", 5.0),
        ("message_processing_duration_seconds_bucket{le=\"+Inf\"}", 5.0),
        ("last_message_timestamp_seconds", newest.into()),
        ("dead_letters_sent_total", 1.0),
        ("dead_letters_filed_total", 1.0),
        ("dead_letters_waiting", 0.0),
        ("buffer_waiting", 0.0),
    ] {
        assert_eq!(series.get(name), Some(&expected), "{name}");
    }
    assert!(series["write_units_total{function=\"processor\"}"] >= 2.0);
    assert!(series["read_units_total{function=\"processor\"}"] > 0.0);
    assert!(!series.keys().any(|name| name.contains("demo") || name.contains("tenant=")));
    host.stop().await.unwrap();
}
