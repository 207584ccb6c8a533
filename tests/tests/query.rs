//! Guarantees of reading beyond single responses: complete walks, limits, tenants, health.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed expectation ends its test"
)]

use drover_core::base::time::Timestamp;
use drover_core::memory::{Call, Fault};
use drover_core::subject::forget::forget;
use drover_intake::AuthMode;
use drover_tests::gateway::{Answer, event};
use drover_tests::processor::{Extra, Host, returned};
use drover_tests::query::{ACME, DEMO, Down, Reader, kafka};
use serde_json::{Value, json};

fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-21T07:00:00Z").expect("a time")
}

fn host() -> Host {
    Host::new(now(), &Extra::default())
}

fn reading(device: &str, id: &str, second: i64, payload: &Value) -> Value {
    let start = Timestamp::parse_rfc3339("2026-11-21T06:00:00Z").expect("a time");
    json!({"device_id": device, "event_type": "temperature", "event_id": id,
        "timestamp": start.plus_seconds(second), "payload": payload})
}

fn value(second: i64) -> Value {
    json!({"value": second})
}

/// A value with so much extra text that few of them fill a response.
fn large(second: i64) -> Value {
    json!({"value": second, "note": "x".repeat(50_000)})
}

async fn deliver(host: &Host, tenant: &str, records: &[Value]) {
    for batch in records.chunks(40) {
        let answer = host.deliver(&kafka("telemetry", tenant, batch, now())).await;
        assert!(answer.is_ok() && returned(&answer).is_empty());
    }
    assert!(host.letter_ids().is_empty());
}

fn cursor(answer: &Answer) -> Option<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json["next_cursor"].as_str().map(|cursor| format!("&cursor={cursor}"))
}

fn list<'a>(answer: &'a Answer, key: &str) -> &'a [Value] {
    answer.json[key].as_array().expect("a list")
}

fn texts(list: &[Value], key: &str) -> Vec<String> {
    list.iter().map(|one| one[key].as_str().expect("a text").to_owned()).collect()
}

#[tokio::test]
async fn a_forgotten_subject_gets_the_response_of_an_unknown_subject() {
    let host = host();
    let records: Vec<Value> =
        (0..200).map(|at| reading("d", &format!("e{at:03}"), 10 * at, &value(at))).collect();
    deliver(&host, "demo", &records).await;
    let location = drover_tests::location("demo", "d").expect("names");
    forget(host.memory(), &location).await.expect("available").expect("a subject");
    let reader = Reader::over(&host);
    for target in [
        "/api/v1/subjects/device/ID",
        "/api/v1/subjects/device/ID?as_of=2026-11-21T06:10:00Z",
        "/api/v1/subjects/device/ID/events",
        "/api/v1/subjects/device/ID/events?order=desc&to=2026-11-21T06:10:00Z",
        "/api/v1/events?device_id=ID",
        "/api/v1/events",
        "/api/v1/subjects",
    ] {
        let answer = async |id| {
            let mut answer = reader.get(DEMO, &target.replace("ID", id)).await;
            if let Some(json) = answer.json.as_object_mut() {
                json.remove("correlation_id");
            }
            (answer.status, answer.json.to_string().replace("device/d", "device/n"))
        };
        assert_eq!(answer("d").await, answer("n").await, "{target}");
    }
    let view = reader.get(DEMO, "/api/v1/subjects/device/d").await;
    assert_eq!(view.status, 404, "{}", view.text);
}

#[tokio::test]
async fn a_walk_sees_every_unchanged_event_once_despite_corrections() {
    for order in ["asc", "desc"] {
        let host = host();
        let records: Vec<Value> =
            (0..120).map(|at| reading("d", &format!("e{at:03}"), 10 * at, &value(at))).collect();
        deliver(&host, "demo", &records).await;
        let reader = Reader::over(&host);
        let (mut seen, mut next, mut pages) = (Vec::new(), Some(String::new()), 0);
        while let Some(cursor_now) = next {
            let target = format!("/api/v1/events?device_id=d&order={order}&limit=7{cursor_now}");
            let answer = reader.get(DEMO, &target).await;
            seen.extend(texts(list(&answer, "events"), "event_id"));
            next = cursor(&answer);
            pages += 1;
            let late = reading("d", &format!("late{pages}"), 10 * pages + 5, &value(pages));
            deliver(&host, "demo", &[late]).await;
        }
        assert!(pages >= 17, "{pages} pages");
        let mut stayed: Vec<String> = seen.into_iter().filter(|id| id.starts_with('e')).collect();
        if order == "desc" {
            stayed.reverse();
        }
        assert_eq!(stayed, (0..120).map(|at| format!("e{at:03}")).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn the_newest_events_of_many_subjects_are_the_newest_of_all() {
    let host = host();
    let mut records = Vec::new();
    for device in 0..20 {
        // One device has most of the newest events.
        let count = if device == 7 { 150 } else { 12 };
        for at in 0..count {
            let second = if device == 7 { 1_000 + at } else { (at * 97 + device * 31) % 1_100 };
            let id = format!("e{device}-{at}");
            records.push(reading(&format!("d{device}"), &id, second, &value(at)));
        }
    }
    deliver(&host, "demo", &records).await;
    let position = |record: &Value| {
        let text = |key: &str| record[key].as_str().expect("a text").to_owned();
        (text("timestamp"), text("event_id"))
    };
    let mut expected: Vec<(String, String)> = records.iter().map(position).collect();
    expected.sort();
    expected.reverse();
    let reader = Reader::over(&host);
    for limit in [1, 30, 100, 1_000] {
        let answer = reader.get(DEMO, &format!("/api/v1/events?limit={limit}")).await;
        let events = list(&answer, "events");
        let found: Vec<(String, String)> =
            texts(events, "observed_at").into_iter().zip(texts(events, "event_id")).collect();
        assert_eq!(found, expected[..limit.min(expected.len())], "limit {limit}");
    }
}

#[tokio::test]
async fn a_response_ends_by_bytes_and_the_next_continues() {
    let host = host();
    let records: Vec<Value> =
        (0..110).map(|at| reading("d", &format!("e{at:03}"), at, &large(at))).collect();
    deliver(&host, "demo", &records).await;
    let reader = Reader::over(&host);
    let first = reader.get(DEMO, "/api/v1/events?device_id=d&limit=1000").await;
    let next = cursor(&first).expect("more");
    assert!(first.text.len() < 4_500_000, "{} bytes", first.text.len());
    let rest = reader.get(DEMO, &format!("/api/v1/events?device_id=d&limit=1000{next}")).await;
    let count = list(&first, "events").len() + list(&rest, "events").len();
    assert_eq!((count, cursor(&rest)), (110, None));
    let newest = reader.get(DEMO, "/api/v1/events?limit=1000").await;
    assert!(newest.text.len() < 4_500_000, "{} bytes", newest.text.len());
}

#[tokio::test]
async fn a_response_fits_the_limit_of_lambda_whatever_its_content() {
    const LAMBDA_BYTES: usize = 6 * 1024 * 1024;
    let host = host();
    // Lambda's response is JSON that contains the body as a string, so quotation marks count twice.
    let quotes = json!({"list": vec![""; 19_000]});
    let records = (0..110).map(|at| {
        let mut record = reading("d", &format!("e{at:03}"), at, &quotes);
        record["event_type"] = json!("custom");
        record
    });
    let records: Vec<Value> = records.collect();
    deliver(&host, "demo", &records).await;
    let reader = Reader::over(&host);
    let (mut count, mut next) = (0, Some(String::new()));
    while let Some(cursor_now) = next {
        let target = format!("/api/v1/events?device_id=d&limit=1000{cursor_now}");
        let answer = reader.get(DEMO, &target).await;
        let bytes = serde_json::to_string(&answer.text).expect("JSON").len();
        assert!(bytes < LAMBDA_BYTES, "{bytes} bytes");
        count += list(&answer, "events").len();
        next = cursor(&answer);
    }
    assert_eq!(count, 110);
    let newest = reader.get(DEMO, "/api/v1/events?limit=1000").await;
    assert!(serde_json::to_string(&newest.text).expect("JSON").len() < LAMBDA_BYTES);
}

#[tokio::test]
async fn a_window_is_never_split() {
    let host = host();
    let count = 260;
    let records: Vec<Value> =
        (0..count).map(|at| reading("d", &format!("e{at:03}"), at, &large(at))).collect();
    deliver(&host, "demo", &records).await;
    let reader = Reader::over(&host);
    let mut windows = Vec::new();
    let (mut next, mut answers) = (Some(String::new()), 0);
    while let Some(cursor_now) = next {
        let target = format!("/api/v1/metrics/temperature?device_id=d&window=1m{cursor_now}");
        let answer = reader.get(DEMO, &target).await;
        next = cursor(&answer);
        let points = list(&answer, "points");
        let counts: u64 =
            points.iter().map(|point| point["count"].as_u64().expect("a count")).sum();
        assert_eq!(answer.json["summary"]["count"], counts, "the summary covers this response");
        windows.extend(points.iter().map(|point| {
            (point["from"].as_str().expect("a time").to_owned(), point["count"].clone())
        }));
        answers += 1;
    }
    assert!(answers >= 2, "{answers} answers");
    let expected = (0..5).map(|minute| {
        let from = format!("2026-11-21T06:0{minute}:00.000Z");
        (from, json!(if minute == 4 { 20 } else { 60 }))
    });
    assert_eq!(windows, expected.collect::<Vec<_>>());
    // One window holds all readings, so it is read to its end.
    let day = reader.get(DEMO, "/api/v1/metrics/temperature?device_id=d&window=1d").await;
    assert_eq!((list(&day, "points").len(), cursor(&day)), (1, None));
    assert_eq!(day.json["summary"]["count"], count);
    // Single readings continue after the last of them.
    let first = reader.get(DEMO, "/api/v1/metrics/temperature?device_id=d").await;
    let next = cursor(&first).expect("more");
    let target = format!("/api/v1/metrics/temperature?device_id=d{next}");
    let second = reader.get(DEMO, &target).await;
    let last = list(&first, "points").last().expect("a point")["value"].as_f64();
    let next = list(&second, "points")[0]["value"].as_f64();
    assert_eq!(last.map(|last| last + 1.0), next);
}

/// Every route that shows data of a tenant.
const ROUTES: [&str; 12] = [
    "/api/v1/events",
    "/api/v1/events?device_id=d",
    "/api/v1/events?subject=device/d&order=desc",
    "/get_events",
    "/api/v1/subjects",
    "/api/v1/subjects?kind=device",
    "/api/v1/subjects/device/d",
    "/api/v1/subjects/device/d?as_of=2026-11-21T06:30:00Z",
    "/api/v1/metrics/temperature?device_id=d",
    "/api/v1/metrics/temperature?device_id=d&window=1h",
    "/api/v1/dashboard/devices",
    "/devices",
];

#[tokio::test]
async fn two_tenants_with_the_same_ids_never_see_each_other_in_any_route() {
    let host = host();
    deliver(
        &host,
        "demo",
        &[reading("d", "e", 0, &json!({"value": 11})), reading("only-demo", "x", 0, &value(1))],
    )
    .await;
    deliver(&host, "acme", &[reading("d", "e", 0, &json!({"value": 77}))]).await;
    let reader = Reader::over(&host);
    for route in ROUTES {
        let (demo, acme) = (reader.get(DEMO, route).await, reader.get(ACME, route).await);
        assert_eq!((demo.status, acme.status), (200, 200), "{route}");
        assert!(!demo.text.contains("77") && !acme.text.contains("11."), "{route}");
        assert!(!acme.text.contains("only-demo"), "{route}");
    }
    assert_eq!(reader.get(ACME, "/api/v1/subjects/device/only-demo").await.status, 404);
    // A cursor of one tenant is invalid for the other.
    deliver(&host, "demo", &[reading("d", "e2", 1, &value(1))]).await;
    let demo = reader.get(DEMO, "/api/v1/events?device_id=d&limit=1").await;
    let stolen = format!("/api/v1/events?device_id=d&limit=1{}", cursor(&demo).expect("more"));
    assert_eq!(reader.get(ACME, &stolen).await.json["code"], "invalid_cursor");
}

#[tokio::test]
async fn reading_writes_nothing_and_is_counted_for_its_tenant() {
    let host = host();
    deliver(&host, "demo", &[reading("d", "e", 0, &value(1))]).await;
    let stored = || {
        let state = host.memory().state();
        (state.heads.clone(), state.pages.clone(), state.documents.clone(), state.units.write)
    };
    let (before, reader) = (stored(), Reader::over(&host));
    for route in ROUTES {
        assert_eq!(reader.get(DEMO, route).await.status, 200, "{route}");
    }
    assert_eq!(stored(), before);
    assert!(reader.units.of("demo") >= 12.0, "{} units", reader.units.of("demo"));
    assert_eq!(reader.units.of("acme"), 0.0);
}

#[tokio::test]
async fn an_unavailable_part_is_a_503_with_retry_after_and_without_a_cause() {
    let host = host();
    deliver(&host, "demo", &[reading("d", "e", 0, &value(1))]).await;
    let reader = Reader::over(&host);
    for (at, broken) in (1..).zip([Call::Head, Call::Listing, Call::Document]) {
        host.fail(move |call| if call == broken { Fault::Refused } else { Fault::None });
        // Cached reads are expired by now.
        host.memory().state().now = now().plus_seconds(120 * at);
        for route in ROUTES {
            let answer = reader.get(DEMO, route).await;
            if answer.status == 200 {
                assert_ne!(broken, Call::Document, "{route}");
                continue;
            }
            assert_eq!(answer.status, 503, "{route}");
            assert_eq!(answer.json["code"], "unavailable");
            assert_eq!(answer.json["detail"], "Service Unavailable");
            assert!(answer.headers.contains_key("retry-after"), "{route}");
        }
        host.fail(|_| Fault::None);
    }
}

#[tokio::test]
async fn a_request_ends_at_its_deadline() {
    let host = host();
    let records: Vec<Value> =
        (0..200).map(|at| reading("d", &format!("e{at:03}"), at, &large(at))).collect();
    deliver(&host, "demo", &records).await;
    let reader = Reader::over(&host);
    let target = "/api/v1/metrics/temperature?device_id=d&window=1d";
    host.slow_reads(1);
    assert_eq!(reader.get(DEMO, target).await.status, 200);
    host.slow_reads(6);
    let answer = reader.get(DEMO, target).await;
    assert_eq!((answer.status, &answer.json["code"]), (503, &json!("unavailable")));
}

async fn health(reader: &Reader, host: &Host, after: i64) -> (u64, String) {
    host.memory().state().now = now().plus_seconds(after);
    let answer = reader.invoke(&event("GET", "/health", &[])).await;
    (answer.status, answer.json["status"].as_str().expect("a status").to_owned())
}

#[tokio::test]
async fn a_dead_queue_alone_is_degraded_and_a_dead_state_is_not_health() {
    let is = |status: u64, text: &str| (status, text.to_owned());
    for (down, expected) in [
        (vec![], is(200, "healthy")),
        (vec![Down::Buffer], is(200, "degraded")),
        (vec![Down::DeadLetters], is(200, "degraded")),
        (vec![Down::Silent], is(200, "degraded")),
        (vec![Down::EventLog], is(200, "degraded")),
        (vec![Down::DeadLetters, Down::Buffer], is(200, "degraded")),
        (vec![Down::EventLog, Down::Buffer], is(503, "unhealthy")),
    ] {
        let host = self::host();
        let reader = Reader::over(&host);
        reader.signs.set(&down);
        assert_eq!(health(&reader, &host, 0).await, expected, "{down:?}");
    }
    let host = host();
    let broken = Reader::over(&host);
    host.fail(|call| if call == Call::Document { Fault::Refused } else { Fault::None });
    assert_eq!(health(&broken, &host, 0).await, is(503, "unhealthy"));
    let ready = broken.invoke(&event("GET", "/health/ready", &[])).await;
    let live = broken.invoke(&event("GET", "/health/live", &[])).await;
    assert_eq!((ready.status, live.status), (503, 200));
}

#[tokio::test]
async fn a_health_report_is_cached_for_five_seconds() {
    let host = host();
    let reader = Reader::over(&host);
    assert_eq!(health(&reader, &host, 0).await.1, "healthy");
    reader.signs.set(&[Down::Buffer]);
    assert_eq!(health(&reader, &host, 4).await.1, "healthy");
    assert_eq!(health(&reader, &host, 5).await.1, "degraded");
    assert_eq!(health(&reader, &host, 3).await.1, "degraded", "a clock that went back");
}

#[tokio::test]
async fn claims_count_only_if_the_gateway_set_them() {
    let host = host();
    deliver(&host, "demo", &[reading("d", "e", 0, &value(1))]).await;
    let mode = AuthMode::Jwt {
        tenant_claim: "tenant".to_owned(),
        scope_claim: "scope".to_owned(),
        scope_prefix: String::new(),
    };
    let reader = Reader::with_mode(&host, mode);
    let asked = |claims: Option<Value>| {
        let mut event: Value =
            serde_json::from_str(&event("GET", "/devices", &[("authorization", "Bearer x")]))
                .expect("JSON");
        if let Some(claims) = claims {
            event["requestContext"]["authorizer"] =
                json!({"jwt": {"claims": claims, "scopes": null}});
        }
        event.to_string()
    };
    let may_read = asked(Some(json!({"tenant": "demo", "scope": "read"})));
    assert_eq!(reader.invoke(&may_read).await.json["devices"], json!(["d"]));
    let may_write = asked(Some(json!({"tenant": "demo", "scope": "write"})));
    assert_eq!(reader.invoke(&may_write).await.status, 403);
    assert_eq!(reader.invoke(&asked(None)).await.status, 401);
    assert_eq!(reader.get(DEMO, "/devices").await.status, 401, "a key grants nothing");
    let by_key = Reader::over(&host).invoke(&may_read).await;
    assert_eq!(by_key.status, 401, "claims grant nothing in key mode");
}
