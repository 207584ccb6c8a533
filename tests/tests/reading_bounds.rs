//! The cost of reading: a response reads a bounded amount and reports where it stopped; a tenant
//! over its quota waits, without delaying others.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a failed expectation ends its test"
)]

use std::io::Write as _;

use base64_simd::STANDARD;
use drover_core::base::time::Timestamp;
use drover_core::intake::quota::READ_UNIT_BYTES;
use drover_query::limits;
use drover_tests::gateway::{Answer, event};
use drover_tests::processor::kafka;
use drover_tests::processor::{Extra, Host, returned};
use drover_tests::query::{ACME, DEMO, Reader};
use drover_tests::replay::Replayer;
use drover_tests::situation::Player as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-21T07:00:00Z").expect("a time")
}

/// The tenant `slow` with the key of `events/ingest/quota.json` and this quota.
fn host(quota: &Value) -> Host {
    let sha256 = "bf08fbdde4e933c1b22624be3b57bc7cbf6336a3bab6bba897d12a3c4df508c8";
    let key = json!({"id": "k1", "sha256": sha256, "scopes": ["read", "admin"]});
    let tenants = vec![json!({"id": "slow", "keys": [key], "quota": quota})];
    Host::new(now(), &Extra { tenants, ..Extra::default() })
}

/// A text that hardly compresses.
fn noise(seed: &str, length: usize) -> String {
    let mut state = seed.bytes().fold(1, |state: u64, byte| state * 257 + u64::from(byte));
    let letter = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + u8::try_from((state >> 33) % 90).expect("below 90"))
    };
    (0..length).map(letter).filter(|one| !"\"\\".contains(*one)).collect()
}

fn reading(device: usize, second: i64, length: usize) -> Value {
    let start = Timestamp::parse_rfc3339("2026-11-21T06:00:00Z").expect("a time");
    json!({"device_id": format!("d-{device:03}"), "event_type": "temperature",
        "event_id": format!("e-{device}-{second}"), "timestamp": start.plus_seconds(second),
        "payload": {"value": 20, "note": noise(&format!("{device} {second}"), length)}})
}

async fn deliver(host: &Host, tenant: &str, records: &[Value]) {
    for batch in records.chunks(40) {
        let answer = host.deliver(&kafka("telemetry", tenant, batch, now())).await;
        assert!(answer.is_ok() && returned(&answer).is_empty());
    }
    assert!(host.letter_ids().is_empty());
}

fn events(answer: &Answer) -> &[Value] {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json["events"].as_array().expect("a list")
}

/// The bytes that one request reads, as DynamoDB counts them.
async fn read_bytes(reader: &Reader, target: &str) -> (Answer, f64) {
    let before = reader.units.of("demo");
    let answer = reader.get(DEMO, target).await;
    (answer, (reader.units.of("demo") - before) * READ_UNIT_BYTES)
}

#[tokio::test]
async fn the_newest_events_of_large_subjects_end_early_and_are_marked() {
    let host = host(&Value::Null);
    let large: Vec<Value> = (0..100).map(|device| reading(device, 0, 60_000)).collect();
    deliver(&host, "demo", &large).await;
    let reader = Reader::over(&host);
    // The listing index costs extra: half a unit for each of its shards.
    let most = (limits::READ_BYTES + 512 * 1024) as f64;
    for target in
        ["/api/v1/events", "/api/v1/events?limit=1000", "/get_events", "/api/v1/events?type=x"]
    {
        let (answer, bytes) = read_bytes(&reader, target).await;
        assert!(events(&answer).len() < 100, "{target}");
        assert_eq!(answer.json["complete"], false, "{target}");
        assert!(bytes <= most, "{target}: {bytes}");
    }
    let (answer, _) = read_bytes(&reader, "/api/v1/events?limit=3").await;
    assert_eq!(answer.json["complete"], false, "there may be newer ones elsewhere");
    let one = reader.get(DEMO, "/api/v1/events?device_id=d-050").await;
    assert_eq!((events(&one).len(), &one.json["complete"]), (1, &json!(true)));
}

#[tokio::test]
async fn the_newest_events_of_long_histories_are_exact_as_far_as_they_go() {
    let host = host(&Value::Null);
    let long: Vec<Value> =
        (0..600).map(|second| reading(usize::from(second % 2 == 0), second, 8_000)).collect();
    deliver(&host, "demo", &long).await;
    let reader = Reader::over(&host);
    let (answer, bytes) = read_bytes(&reader, "/api/v1/events?limit=1000").await;
    assert_eq!(answer.json["complete"], false);
    assert!(bytes <= (limits::READ_BYTES + 512 * 1024) as f64, "{bytes}");
    let shown = events(&answer);
    assert!(shown.len() > 100, "{}", shown.len());
    for (at, event) in shown.iter().enumerate() {
        let second = 599 - i64::try_from(at).expect("small");
        assert_eq!(event["event_id"], format!("e-{}-{second}", i32::from(second % 2 == 0)));
    }
    let small = reader.get(DEMO, "/api/v1/events?limit=20").await;
    assert_eq!((events(&small).len(), &small.json["complete"]), (20, &json!(true)));
}

#[tokio::test]
async fn a_list_of_large_subjects_continues_at_its_cursor() {
    let host = host(&Value::Null);
    let large: Vec<Value> = (0..120).map(|device| reading(device, 0, 60_000)).collect();
    deliver(&host, "demo", &large).await;
    let reader = Reader::over(&host);
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let (answer, bytes) =
            read_bytes(&reader, &format!("/api/v1/subjects?limit=200{cursor}")).await;
        assert!(bytes <= (limits::READ_BYTES + 512 * 1024) as f64, "{bytes}");
        let subjects = answer.json["subjects"].as_array().expect("a list");
        seen.extend(subjects.iter().map(|one| one["id"].as_str().expect("an id").to_owned()));
        pages += 1;
        match answer.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert!(pages > 1);
    seen.sort_unstable();
    assert_eq!(seen, (0..120).map(|device| format!("d-{device:03}")).collect::<Vec<_>>());
    let (overview, bytes) = read_bytes(&reader, "/api/v1/dashboard/devices?limit=200").await;
    assert_eq!(overview.json["totals"]["subjects"], 120);
    assert!(bytes <= (limits::READ_BYTES + 512 * 1024) as f64, "{bytes}");
}

/// The key of the tenant `slow`, from `events/ingest/quota.json`.
fn slow_key() -> String {
    let sent: Value =
        serde_json::from_str(include_str!("../../events/ingest/quota.json")).expect("JSON");
    let header = sent["headers"]["authorization"].as_str().expect("a key");
    header.trim_start_matches("Bearer ").to_owned()
}

fn wait(answer: &Answer) -> (u64, &str, &str) {
    let retry = answer.headers.get("retry-after").and_then(Value::as_str).unwrap_or_default();
    (answer.status, answer.json["code"].as_str().unwrap_or_default(), retry)
}

#[tokio::test]
async fn a_tenant_over_its_requests_waits_and_another_reads_on() {
    let quota = json!({"events_per_second": 1, "burst": 1, "reads_per_second": 1});
    let host = host(&quota);
    let (reader, key) = (Reader::over(&host), slow_key());
    for _ in 0..5 {
        assert_eq!(reader.get(&key, "/devices").await.status, 200);
    }
    for target in [
        "/devices",
        "/get_events",
        "/api/v1/events",
        "/api/v1/subjects",
        "/api/v1/dashboard/metrics",
    ] {
        assert_eq!(wait(&reader.get(&key, target).await), (429, "rate_limited", "1"), "{target}");
    }
    assert_eq!(reader.get(ACME, "/devices").await.status, 200);
    host.memory().state().now = now().plus_seconds(1);
    assert_eq!(reader.get(&key, "/devices").await.status, 200);
    assert_eq!(reader.get(&key, "/devices").await.status, 429);
}

#[tokio::test]
async fn the_reads_of_a_response_are_charged_to_its_tenant() {
    let quota = json!({"events_per_second": 1, "burst": 1, "read_bytes_per_second": 40_960});
    let host = host(&quota);
    deliver(&host, "slow", &(0..20).map(|at| reading(at, 0, 60_000)).collect::<Vec<_>>()).await;
    let (reader, key) = (Reader::over(&host), slow_key());
    let answer = reader.get(&key, "/api/v1/events?limit=20").await;
    assert_eq!(events(&answer).len(), 20, "a quota does not shorten a single response");
    let refused = reader.get(&key, "/devices").await;
    let (status, code, seconds) = wait(&refused);
    assert_eq!((status, code), (429, "rate_limited"));
    let seconds: i64 = seconds.parse().expect("seconds");
    assert!((20..60).contains(&seconds), "{seconds}");
    assert_eq!(reader.get(ACME, "/devices").await.status, 200);
    host.memory().state().now = now().plus_seconds(seconds);
    assert_eq!(reader.get(&key, "/devices").await.status, 200);
}

/// A request to check these records, compressed.
fn check(key: &str, records: &[Value]) -> String {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&serde_json::to_vec(records).expect("JSON")).expect("memory takes everything");
    let body = gzip.finish().expect("memory takes everything");
    let headers = [
        ("authorization", format!("Bearer {key}")),
        ("content-encoding", "gzip".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let request = event("POST", "/api/v1/contracts/telemetry/check", &headers);
    let mut request: Value = serde_json::from_str(&request).expect("JSON");
    request["body"] = json!(STANDARD.encode_to_string(body));
    request["isBase64Encoded"] = json!(true);
    request.to_string()
}

#[tokio::test]
async fn a_response_with_checked_records_is_bounded_and_says_so() {
    const LAMBDA_BYTES: usize = 6 * 1024 * 1024;
    let (host, mut records) = (host(&Value::Null), Vec::new());
    for device in 0..80 {
        let mut record = reading(device, 0, 0);
        // In Lambda's response each quotation mark takes two bytes.
        record["payload"]["note"] = json!(vec![""; 20_000]);
        records.push(record);
    }
    let reader = Reader::over(&host);
    let answer = reader.invoke(&check(DEMO, &records)).await;
    assert_eq!((answer.status, &answer.json["complete"]), (200, &json!(false)));
    let results = answer.json["results"].as_array().expect("results").len();
    assert!((10..80).contains(&results), "{results}");
    assert!(serde_json::to_string(&answer.text).expect("JSON").len() < LAMBDA_BYTES);
    let few = reader.invoke(&check(DEMO, &records[..3])).await;
    assert_eq!((&few.json["complete"], &few.json["accepted"]), (&json!(true), &json!(3)));
    assert!(host.memory().state().heads.is_empty(), "a check stores nothing");
}

#[tokio::test]
async fn the_bytes_of_checked_records_are_charged_to_their_tenant() {
    let quota = json!({"events_per_second": 1, "burst": 1, "read_bytes_per_second": 1_000});
    let host = host(&quota);
    let (reader, key) = (Reader::over(&host), slow_key());
    let request = check(&key, &[reading(0, 0, 60_000)]);
    assert_eq!(reader.invoke(&request).await.status, 200);
    assert_eq!(wait(&reader.invoke(&request).await).1, "rate_limited");
    assert_eq!(reader.get(ACME, "/devices").await.status, 200);
}

#[tokio::test]
async fn reading_letters_and_runs_counts_and_cancelling_a_run_never_waits() {
    let quota = json!({"events_per_second": 1, "burst": 1, "read_bytes_per_second": 1});
    let replayer = Replayer::with_auth(&host(&quota), None);
    let authorization = format!("Bearer {}", slow_key());
    let ask = async |method: &str, target: &str| {
        let request = event(method, target, &[("authorization", &authorization)]);
        Answer::of(&replayer.deliver(&request).await.expect("an answer"))
    };
    assert_eq!(ask("GET", "/api/v1/dead-letters").await.status, 200);
    for target in [
        "/api/v1/dead-letters",
        "/api/v1/dead-letters/x",
        "/api/v1/replays",
        "/api/v1/replays/x",
        "/buffer/stats",
    ] {
        let refused = ask("GET", target).await;
        assert_eq!(wait(&refused).0, 429, "{target}");
        assert!(!wait(&refused).2.is_empty());
    }
    for target in ["/api/v1/feeds/resend", "/api/v1/alerts/x/acknowledge"] {
        assert_eq!(wait(&ask("POST", target).await).0, 429, "{target}");
    }
    assert_eq!(ask("DELETE", "/api/v1/replays/x").await.status, 404);
}
