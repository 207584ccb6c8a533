//! The counts of listed tenants, read from CloudWatch: the tenants, the values, and the responses
//! without counts.

#![recursion_limit = "256"]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed expectation ends its test"
)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use drover_core::base::id::TenantId;
use drover_core::base::metrics::emf::Keeping;
use drover_core::base::time::Timestamp;
use drover_intake::{AuthMode, LocalKeys};
use drover_query::cloudwatch as reading;
use drover_query::counts::CloudWatchCounts;
use drover_tests::canned::hang_up;
use drover_tests::gateway::{Answer, event, is_described};
use drover_tests::processor::{Extra, Host};
use drover_tests::query::{ACME, DEMO, Reader};
use serde_json::{Value, json};

use crate::cloudwatch::{CloudWatch, refusal, results};

mod cloudwatch;

const TARGET: &str = "/api/v1/dashboard/metrics";

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect("an instant")
}

fn seconds(text: &str) -> i64 {
    at(text).whole_seconds()
}

fn host() -> Host {
    Host::new(at("2026-11-21T07:03:10Z"), &Extra::default())
}

/// A reader of the counts of these tenants, from CloudWatch at this address.
fn reader(host: &Host, address: SocketAddr, tenants: &[&str]) -> Reader {
    let credentials = Credentials::new("local", "local", None, None, "local");
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .endpoint_url(format!("http://{address}"))
        .build();
    let tenants = tenants.iter().map(|tenant| TenantId::parse(tenant).expect("a tenant")).collect();
    let keeping = Keeping { namespace: "staging".to_owned(), tenants };
    let counts = CloudWatchCounts::new(Some(reading::CloudWatch::new(&sdk, keeping)));
    Reader::with_counts(host, AuthMode::Key(LocalKeys::Accepted), counts)
}

/// Checks every response against the OpenAPI document.
async fn ask(reader: &Reader, key: &str) -> Answer {
    let event = event("GET", TARGET, &[("authorization", &format!("Bearer {key}"))]);
    let answer = reader.invoke(&event).await;
    let document = serde_json::to_value(drover_query::openapi()).expect("JSON");
    assert!(is_described(&document, &event, &answer, TARGET), "{}", answer.text);
    answer
}

#[tokio::test]
async fn the_counts_of_all_environments_in_a_day_are_summed() {
    let minute = |text| seconds(text);
    let applied = [
        // CloudWatch may still change these minutes, although the clock is past them.
        (minute("2026-11-21T07:02:00Z"), 1.0),
        (minute("2026-11-21T07:01:00Z"), 2.0),
        (minute("2026-11-21T07:00:00Z"), 120.0),
        (minute("2026-11-21T06:56:00Z"), 180.0),
        (minute("2026-11-21T06:55:00Z"), 1_000.0),
        (minute("2026-11-20T07:00:00Z"), 10.0),
    ];
    let five = minute("2026-11-21T06:00:00Z");
    let newest = seconds("2026-11-21T06:59:58Z");
    #[expect(clippy::cast_precision_loss, reason = "far from 2^53")]
    let newest = newest as f64;
    let cloud = CloudWatch::start(move |question| {
        let points: [(&str, &[(i64, f64)]); 5] = [
            ("events_processed_total", &applied),
            ("events_late_total", &[(five, 3.0), (five - 300, 4.0)]),
            ("schema_violation", &[(five, 2.0)]),
            ("too_large", &[(five, 1.0), (five + 300, 1.0)]),
            ("last_message_timestamp_seconds", &[(five, newest - 9.0), (five + 300, newest)]),
        ];
        (200, json!({ "MetricDataResults": results(question, &points), "Messages": [] }))
    })
    .await;
    let answer = ask(&reader(&host(), cloud.address, &["demo"]), DEMO).await;
    let expected = json!({
        "since": "2026-11-20T07:00:00.000Z",
        "events_processed": 1_313,
        "events_duplicate": 0,
        "events_late": 7,
        "corrections": 0,
        "rejections": { "schema_violation": 2, "too_large": 2 },
        "events_per_second": { "last_minute": 2.0, "last_5_minutes": 1.0 },
        "last_observed_at": "2026-11-21T06:59:58.000Z",
    });
    assert_eq!((answer.status, answer.json), (200, expected));
}

#[tokio::test]
async fn one_call_requests_a_day_of_the_caller_only() {
    let cloud =
        CloudWatch::start(|question| (200, json!({ "MetricDataResults": results(question, &[]) })))
            .await;
    let host = host();
    let reader = reader(&host, cloud.address, &["acme", "demo"]);
    assert_eq!(ask(&reader, DEMO).await.json["last_observed_at"], Value::Null);
    let asked = cloud.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0]["StartTime"], seconds("2026-11-20T07:00:00Z"));
    assert_eq!(asked[0]["EndTime"], seconds("2026-11-21T07:05:00Z"));
    let queries = asked[0]["MetricDataQueries"].as_array().expect("queries");
    assert_eq!(queries.len(), 21);
    for query in queries {
        let metric = &query["MetricStat"]["Metric"];
        assert_eq!(metric["Namespace"], "staging");
        assert_eq!(metric["Dimensions"][0], json!({ "Name": "tenant", "Value": "demo" }));
    }

    ask(&reader, ACME).await;
    let asked = cloud.asked();
    let text = asked[1].to_string();
    assert!(text.contains(r#""Value":"acme""#) && !text.contains("demo"), "{text}");
}

#[tokio::test]
async fn counts_are_cached_for_half_a_minute() {
    let cloud =
        CloudWatch::start(|question| (200, json!({ "MetricDataResults": results(question, &[]) })))
            .await;
    let host = host();
    let reader = reader(&host, cloud.address, &["acme", "demo"]);
    for (after, calls) in [(0, 1), (29, 1), (30, 2), (20, 3)] {
        host.memory().state().now = at("2026-11-21T07:03:10Z").plus_seconds(after);
        assert_eq!(ask(&reader, DEMO).await.status, 200);
        assert_eq!(cloud.asked().len(), calls, "after {after} s");
    }
    ask(&reader, ACME).await;
    assert_eq!(cloud.asked().len(), 4, "no tenant gets the counts of another");
}

#[tokio::test]
async fn an_unlisted_tenant_has_no_counts_and_causes_no_request() {
    let cloud = CloudWatch::start(|_| refusal(500, "InternalFailure")).await;
    let host = host();
    let no_counts = CloudWatchCounts::new(None);
    for reader in [
        reader(&host, cloud.address, &["acme"]),
        Reader::with_counts(&host, AuthMode::Key(LocalKeys::Accepted), no_counts),
    ] {
        let answer = ask(&reader, DEMO).await;
        assert_eq!((answer.status, &answer.json["code"]), (404, &json!("not_found")));
        let detail = answer.json["detail"].as_str().expect("a text");
        assert!(detail.starts_with("this deployment keeps no counts for this tenant"), "{detail}");
    }
    assert!(cloud.asked().is_empty());
    let no_tenants = Keeping { tenants: [].into(), namespace: "staging".to_owned() };
    assert!(reading::CloudWatch::load(no_tenants).await.is_none());
}

#[tokio::test]
async fn pages_are_read_to_the_last() {
    let five = seconds("2026-11-21T06:00:00Z");
    let cloud = CloudWatch::start(move |question| {
        let (token, late) = match question["NextToken"].as_str() {
            None => (Some("second"), 1.0),
            Some("second") => (Some("third"), 2.0),
            Some(_) => (None, 4.0),
        };
        let mut results = results(question, &[("events_late_total", &[(five, late)])]);
        let status = if token.is_some() { "PartialData" } else { "Complete" };
        results[2]["StatusCode"] = json!(status);
        let token = token.map(|token| ("NextToken".to_owned(), json!(token)));
        let mut said = json!({ "MetricDataResults": results });
        said.as_object_mut().expect("an object").extend(token);
        (200, said)
    })
    .await;
    let answer = ask(&reader(&host(), cloud.address, &["demo"]), DEMO).await;
    assert_eq!((answer.status, &answer.json["events_late"]), (200, &json!(7)));
    assert_eq!(cloud.asked().len(), 3);
}

#[tokio::test]
async fn endless_pages_are_abandoned() {
    let cloud = CloudWatch::start(|question| {
        (200, json!({ "MetricDataResults": results(question, &[]), "NextToken": "again" }))
    })
    .await;
    let answer = ask(&reader(&host(), cloud.address, &["demo"]), DEMO).await;
    assert_eq!((answer.status, cloud.asked().len()), (503, 8));
}

#[tokio::test]
async fn partial_counts_are_rejected() {
    for status in ["PartialData", "InternalError", "Forbidden"] {
        let cloud = CloudWatch::start(move |question| {
            let mut results = results(question, &[]);
            results[0]["StatusCode"] = json!(status);
            (200, json!({ "MetricDataResults": results }))
        })
        .await;
        let answer = ask(&reader(&host(), cloud.address, &["demo"]), DEMO).await;
        assert_eq!((answer.status, &answer.json["code"]), (503, &json!("unavailable")), "{status}");
    }
}

#[tokio::test]
async fn a_failing_service_is_unavailable_and_is_asked_again_next_time() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let cloud = CloudWatch::start(|question| match CALLS.fetch_add(1, Ordering::Relaxed) {
        0 => refusal(400, "Throttling"),
        1 => refusal(403, "AccessDenied"),
        2 => refusal(500, "InternalServiceFault"),
        3 => (200, json!({})),
        _ => (200, json!({ "MetricDataResults": results(question, &[]) })),
    })
    .await;
    let host = host();
    let reader = reader(&host, cloud.address, &["demo"]);
    for expected in [503, 503, 503, 503, 200] {
        let answer = ask(&reader, DEMO).await;
        assert_eq!(answer.status, expected);
        assert!(!answer.text.contains("staging") && !answer.text.contains("CloudWatch"));
    }
}

#[tokio::test]
async fn a_service_that_hangs_up_is_unavailable() {
    let address = hang_up().await.expect("a free port");
    let answer = ask(&reader(&host(), address, &["demo"]), DEMO).await;
    assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &json!("1")));
}
