//! Feeds without Kafka: the requests that a topic, a bus and a queue get, and what each answer means.

#![recursion_limit = "256"]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "test helpers fail like tests")]

mod eventbridge;
mod sns;
mod sqs;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use drover_core::base::id::{EventId, Position, SubjectId, TenantId};
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::event::{Entry, IdOrigin, Placing};
use drover_core::outputs::changes::CommitId;
use drover_core::outputs::record::{FeedRecord, Origin};
use drover_core::ports::{FeedTarget, NotPublished};
use drover_tests::canned::{Answer, serve};

const TOPIC: &str = "drover.settled";

/// What a service says of a record or of a call, and what that means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Sent,
    Refused,
    Closed,
    Unavailable,
}

fn meanings(results: &[Result<(), NotPublished>]) -> Vec<Meaning> {
    let meaning = |result: &Result<(), NotPublished>| match result {
        Ok(()) => Meaning::Sent,
        Err(NotPublished::Refused(_)) => Meaning::Refused,
        Err(NotPublished::Closed(_)) => Meaning::Closed,
        Err(NotPublished::Unavailable(_)) => Meaning::Unavailable,
    };
    results.iter().map(meaning).collect()
}

/// Settings that lead to one address and try once.
fn settings(address: SocketAddr) -> SdkConfig {
    let credentials = Credentials::new("local", "local", None, None, "local");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .endpoint_url(format!("http://{address}"))
        .build()
}

/// A service that answers as told, and the bodies of its requests.
struct Service {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Service {
    async fn new(answer: impl Fn(&str) -> Answer + Clone + Send + Sync + 'static) -> Self {
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&bodies);
        let address = serve(move |body| {
            seen.lock().expect("no panic").push(body.to_owned());
            answer(body)
        });
        Self { address: address.await.expect("a free port"), bodies }
    }

    fn bodies(&self) -> Vec<String> {
        self.bodies.lock().expect("no panic").clone()
    }
}

fn origin(version: u64) -> Origin {
    let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
    let key = scope.subject(SubjectId::parse("device/d-1").expect("a subject"));
    Origin::at(&key, CommitId { era: 0, version }, 0)
}

/// A settled event with this payload.
fn event(sequence: u64, payload: &str) -> FeedRecord {
    let at = |text| Timestamp::parse_rfc3339(text).expect("a time");
    let event_id = EventId::parse("e-1").expect("an id");
    origin(42).settled(&Entry {
        position: Position { observed_at: at("2026-11-21T06:00:00.25Z"), sequence, event_id },
        id_origin: IdOrigin::Given,
        event_type: "temperature".into(),
        contract: "telemetry".into(),
        contract_version: 2,
        ingested_at: at("2026-11-21T06:00:01.5Z"),
        payload: payload.into(),
        placing: Placing::default(),
    })
}

fn events(count: u64) -> Vec<FeedRecord> {
    (0..count).map(|sequence| event(sequence, "{}")).collect()
}

/// Events whose payloads are JSON texts with so many bytes.
fn sized(sizes: &[usize]) -> Vec<FeedRecord> {
    let text =
        |(sequence, size): (u64, &usize)| event(sequence, &format!("\"{}\"", "x".repeat(size - 2)));
    (0..).zip(sizes).map(text).collect()
}

/// The payload of an event that is as large as a target allows, if this is the size of an event with an empty
/// text as its payload.
const fn largest_payload(limit: usize, of_empty: usize) -> usize {
    limit - of_empty + 2
}

async fn publish(target: &impl FeedTarget, records: &[FeedRecord]) -> Vec<Meaning> {
    meanings(&target.publish(TOPIC, records, Timestamp::MAX).await)
}

/// The guide shows what the code sends.
fn assert_documented(lines: &[(&str, &str)]) {
    let guide = include_str!("../../../docs/feeds.md");
    let block: Vec<String> =
        lines.iter().map(|(name, value)| format!("    {name:<12} {value}\n")).collect();
    assert!(guide.contains(&block.concat()), "not in docs/feeds.md:\n{}", block.concat());
}
