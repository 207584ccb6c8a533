//! `GET /metrics` of a whole host: the names of the metrics, and their values after some records.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use common::kafka::{WRITTEN_AT_MILLIS, temperature, text};
use common::running::Running;
use common::{WAIT, get, post_api};
use drover_local::Host;
use serde_json::json;

/// The metrics of the process. Only Linux has them.
const OF_THE_PROCESS: &[&str] = if cfg!(target_os = "linux") {
    &[
        "process_cpu_seconds_total counter",
        "process_max_fds gauge",
        "process_open_fds gauge",
        "process_resident_memory_bytes gauge",
        "process_start_time_seconds gauge",
        "process_threads gauge",
        "process_virtual_memory_bytes gauge",
    ]
} else {
    &[]
};

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

/// `name type` of every metric, as declared on the page.
async fn declared(host: &Host) -> BTreeSet<String> {
    let page = get(host.addresses(), "/metrics").await;
    let page = std::str::from_utf8(page.body()).unwrap().to_owned();
    page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_names_are_those_of_the_contract_from_the_start() {
    let running = Running::start().await;
    let expected = [
        "alerts_opened_total counter",
        "alerts_resolved_total counter",
        "alerts_retracted_total counter",
        "assigned_partitions_count gauge",
        "authentication_failures_total counter",
        "buffer_waiting gauge",
        "corrections_total counter",
        "dead_letters_filed_total counter",
        "dead_letters_parked_total counter",
        "dead_letters_resolved_total counter",
        "dead_letters_sent_total counter",
        "dead_letters_waiting gauge",
        "drover_build_info gauge",
        "events_duplicate_total counter",
        "events_late_total counter",
        "events_processed_total counter",
        "feed_records_sent_total counter",
        "feed_records_skipped_total counter",
        "last_message_timestamp_seconds gauge",
        "message_processing_duration_seconds histogram",
        "messages_processed_total counter",
        "notifications_failed_total counter",
        "notifications_given_up_total counter",
        "notifications_sent_total counter",
        "offsets_lost_total counter",
        "processing_errors_total counter",
        "read_units_total counter",
        "records_buffered_total counter",
        "records_ignored_total counter",
        "records_returned_total counter",
        "tether_length_seconds gauge",
        "timers_behind_seconds gauge",
        "unique_devices_total counter",
        "views_restarted_total counter",
        "write_units_total counter",
    ];
    let mut expected: BTreeSet<String> = expected.map(str::to_owned).into();
    expected.extend(OF_THE_PROCESS.iter().copied().map(str::to_owned));
    assert_eq!(declared(&running.host).await, expected);
    // Routes and statuses have no closed list, so the first request makes the first series.
    expected.extend(["http_request_duration_seconds histogram".to_owned()]);
    expected.extend(["http_requests_total counter".to_owned()]);
    assert_eq!(declared(&running.host).await, expected);
    running.stop().await;
}

#[tokio::test]
async fn the_page_says_which_build_runs_and_what_its_process_uses() {
    let running = Running::start().await;
    let series = metrics(&running.host).await;
    let build = series.iter().find(|(name, _)| name.starts_with("drover_build_info{")).unwrap();
    assert!(build.0.contains(&format!("version=\"{}\"", env!("CARGO_PKG_VERSION"))), "{build:?}");
    assert_eq!(*build.1, 1.0);
    if cfg!(target_os = "linux") {
        assert!(series["process_resident_memory_bytes"] > 1e6);
        assert!(series["process_open_fds"] > 4.0);
        assert!(series["process_threads"] > 1.0);
        #[expect(clippy::disallowed_methods, reason = "the start of the process is a time of day")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let age = now - series["process_start_time_seconds"];
        // The kernel counts from the time of boot, which is rounded.
        assert!((-2.0..3_600.0).contains(&age), "{age}");
    }
    running.stop().await;
}

#[tokio::test]
async fn requests_to_the_host_are_counted_by_route_and_status() {
    let running = Running::start().await;
    let addresses = running.host.addresses();
    let reading = json!({
        "device_id": "d-1", "event_type": "temperature", "payload": { "value": 21.5 },
    });
    let (status, _) = post_api(addresses, "/api/v1/events", "drover-demo-key", &reading).await;
    assert_eq!(status, 202);
    for path in ["/api/v1/subjects/device/d-1", "/api/v1/subjects/device/d-2", "/no", "/such"] {
        get(addresses, path).await;
    }
    let series = metrics(&running.host).await;
    for (labels, expected) in [
        (r#"method="POST",route="/api/v1/events",status="202""#, 1.0),
        (r#"method="GET",route="/api/v1/subjects/{kind}/{*id}",status="401""#, 2.0),
        (r#"method="GET",route="none",status="404""#, 2.0),
    ] {
        let name = format!("http_requests_total{{{labels}}}");
        assert_eq!(series.get(&name), Some(&expected), "{name}: {series:?}");
    }
    let answered = "http_request_duration_seconds_count{route=\"/api/v1/events\"}";
    assert_eq!(series.get(answered), Some(&1.0));
    assert!(!series.keys().any(|name| name.contains("d-1") || name.contains("/such")));
    running.stop().await;
}

#[tokio::test]
async fn what_the_processor_did_is_counted_and_no_tenant_is_named() {
    let running = Running::start().await;
    let reading = |tenant, seconds_before| temperature(tenant, "d-1", seconds_before);
    let records = [
        reading("demo", 5),
        reading("demo", 9),
        reading("demo", 9),
        reading("acme", 3),
        text("demo", "{not JSON"),
    ];
    running.acknowledge(&records).await;

    let filed = async {
        loop {
            let series = metrics(&running.host).await;
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
    running.stop().await;
}
