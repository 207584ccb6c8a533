//! The event log in Kafka, over a scripted broker in the process: every record that the broker
//! acknowledged is `Ok` and in the topic, and no other record is `Ok`.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use drover_aws::kafka::{
    KafkaCluster, KafkaConfig, KafkaEventLog, Password, SaslMechanism, Security, TopicToCreate,
};
use drover_core::base::error::Reason;
use drover_core::base::id::TenantId;
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::intake::contract::{Contract, builtin};
use drover_core::intake::event_log::{NotSent, Outgoing, TOPIC, partition};
use drover_core::intake::record::{Record, Source};
use drover_core::intake::tenant::Tenant;
use drover_core::ports::EventLog as _;
use drover_tests::closed_address;
use krafka::ConsumerRecord;
use krafka::error::ErrorCode;
use krafka::testing::{ApiKey, Control, FakeBroker};
use serde_json::json;

const PARTITIONS: u32 = 4;

/// Long enough for every retry that a test expects.
fn soon() -> Timestamp {
    in_millis(20_000)
}

#[expect(clippy::disallowed_methods, reason = "deadlines are on the machine's clock")]
fn in_millis(millis: i64) -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let now = i64::try_from(since_epoch.as_millis()).expect("before 9999");
    Timestamp::from_millis(now + millis).expect("in range")
}

fn outgoing(device: &str, id: &str) -> Outgoing {
    let body = json!({
        "device_id": device, "event_id": id, "event_type": "temperature",
        "timestamp": "2026-11-21T06:00:00Z", "payload": {"value": 21.5},
    });
    let source = Source::Http { request_id: Arc::from("r"), index: 0, element: None };
    let record = Record {
        source: source.clone(),
        key: None,
        value: Some(body.to_string().into_bytes()),
        headers: Vec::new(),
        received_at: None,
        ingested_at: Timestamp::from_millis(1_800_000_000_000).expect("in range"),
    };
    let document = builtin("telemetry").expect("it parses").expect("it is there");
    let contract = Contract::compile(&document).expect("it compiles");
    let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
    let event = contract.read(&record.parsed(), &scope).expect("read").expect("an event");
    let tenant = Arc::new(Tenant::check(&json!({"id": "demo"})).expect("a tenant"));
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let headers = vec![header("correlation_id", "c-1"), header("traceparent", "00-ab-cd-01")];
    Outgoing::new(event, tenant, source, headers, None).expect("JSON")
}

fn events(count: usize) -> Vec<Outgoing> {
    (0..count).map(|number| outgoing(&format!("d-{}", number % 16), &number.to_string())).collect()
}

fn config(broker: &FakeBroker) -> KafkaConfig {
    let (bootstrap, security) = (broker.bootstrap_servers(), Security::Plaintext);
    KafkaConfig { cluster: KafkaCluster { bootstrap, security }, topic: TOPIC.to_owned() }
}

async fn cluster(brokers: usize) -> FakeBroker {
    let broker = FakeBroker::start_cluster(brokers).await.expect("a free port");
    assert!(broker.create_topic(TOPIC, PARTITIONS.cast_signed()));
    broker
}

async fn connected(broker: &FakeBroker) -> KafkaEventLog {
    KafkaEventLog::connect(config(broker)).await.expect("it answers")
}

fn kept(broker: &FakeBroker) -> Vec<ConsumerRecord> {
    broker.all_records(TOPIC).expect("whole batches")
}

fn is_kept(event: &Outgoing, kept: &[ConsumerRecord]) -> bool {
    kept.iter().any(|record| record.value.as_deref() == event.record.value.as_deref())
}

fn reasons(results: &[Result<(), NotSent>]) -> Vec<Option<Reason>> {
    let reason = |result: &Result<(), NotSent>| match result {
        Ok(()) => None,
        Err(NotSent::Unavailable(error)) => Some(error.reason),
        Err(NotSent::Rejected(error)) => unreachable!("an event log rejects nothing: {error}"),
    };
    results.iter().map(reason).collect()
}

#[tokio::test]
async fn acknowledged_events_are_in_the_topic_as_sent() {
    let broker = cluster(1).await;
    let sent = events(200);
    let results = connected(&broker).await.send(&sent, soon()).await;
    assert_eq!(results, vec![Ok(()); sent.len()]);
    let kept = kept(&broker);
    assert_eq!(kept.len(), sent.len());
    for event in &sent {
        let record = &event.record;
        let found = kept.iter().find(|found| found.value.as_deref() == record.value.as_deref());
        let found = found.expect("each event is there");
        assert_eq!(found.key.as_deref(), record.key.as_deref());
        let key = record.key.as_deref().expect("an event has a key");
        assert_eq!(found.partition, partition(key, PARTITIONS).cast_signed());
        let headers = found.headers.iter();
        let headers: Vec<(String, Vec<u8>)> = headers
            .map(|(name, value)| (name.clone(), value.as_ref().expect("not null").to_vec()))
            .collect();
        assert_eq!(headers, record.headers);
    }
}

#[tokio::test]
async fn records_of_one_key_keep_their_sending_order() {
    let broker = cluster(1).await;
    let event_log = connected(&broker).await;
    let sent: Vec<Outgoing> = (0..500).map(|number| outgoing("d-1", &number.to_string())).collect();
    for batch in sent.chunks(70) {
        assert!(event_log.send(batch, soon()).await.iter().all(Result::is_ok));
    }
    let kept: Vec<_> = kept(&broker).into_iter().filter_map(|record| record.value).collect();
    let sent: Vec<_> = sent.into_iter().filter_map(|event| event.record.value).collect();
    assert_eq!(kept, sent);
}

#[tokio::test]
async fn each_event_has_its_own_result_in_order() {
    let broker = cluster(2).await;
    // Half of the partitions are on the broker that rejects records.
    broker.on(ApiKey::Produce, |request| match request.node_id {
        1 => Control::Error(ErrorCode::TopicAuthorizationFailed),
        _ => Control::Pass,
    });
    let sent = events(64);
    let results = connected(&broker).await.send(&sent, soon()).await;
    let kept = kept(&broker);
    assert_eq!(results.len(), sent.len());
    let broken = reasons(&results);
    for (event, reason) in sent.iter().zip(&broken) {
        let expected = if is_kept(event, &kept) { None } else { Some(Reason::Misconfigured) };
        assert_eq!(*reason, expected);
    }
    assert!(broken.contains(&None) && broken.contains(&Some(Reason::Misconfigured)), "{broken:?}");
}

#[tokio::test]
async fn errors_that_need_a_person_are_broken() {
    for code in [ErrorCode::MessageTooLarge, ErrorCode::TopicAuthorizationFailed] {
        let broker = cluster(1).await;
        broker.on(ApiKey::Produce, move |_| Control::Error(code));
        let results = connected(&broker).await.send(&events(1), soon()).await;
        assert_eq!(reasons(&results), [Some(Reason::Misconfigured)], "{code:?}");
        assert!(kept(&broker).is_empty());
    }
}

#[tokio::test]
async fn a_lost_response_is_retried_and_the_records_are_stored_once() {
    let broker = cluster(1).await;
    let event_log = connected(&broker).await;
    broker.on_times(ApiKey::Produce, 2, |_| Control::ApplyThen(Box::new(Control::Disconnect)));
    let sent = events(32);
    let results = event_log.send(&sent, soon()).await;
    assert_eq!(results, vec![Ok(()); sent.len()]);
    assert_eq!(kept(&broker).len(), sent.len());
}

#[tokio::test]
async fn a_killed_broker_acknowledges_nothing_and_serves_again_after_a_restart() {
    let broker = cluster(1).await;
    let event_log = connected(&broker).await;
    assert_eq!(event_log.send(&events(8), soon()).await, vec![Ok(()); 8]);
    broker.crash(0);
    let started = Instant::now();
    let lost = event_log.send(&[outgoing("d-1", "lost")], in_millis(500)).await;
    assert_eq!(reasons(&lost), [Some(Reason::Unreachable)]);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    broker.restart(0);
    let sent = [outgoing("d-1", "later"), outgoing("d-2", "later")];
    assert_eq!(event_log.send(&sent, soon()).await, [Ok(()), Ok(())]);
    let kept = kept(&broker);
    assert!(sent.iter().all(|event| is_kept(event, &kept)));
}

#[tokio::test]
async fn a_silent_broker_costs_no_more_than_the_deadline() {
    let broker = cluster(1).await;
    let event_log = connected(&broker).await;
    broker.on(ApiKey::Produce, |_| Control::Silence);
    let events = events(20);
    let started = Instant::now();
    let results = event_log.send(&events, in_millis(300)).await;
    assert_eq!(reasons(&results), [Some(Reason::Unreachable); 20]);
    // The event log's own timeout is five seconds.
    assert!(started.elapsed() < Duration::from_millis(4_500), "{:?}", started.elapsed());
}

#[tokio::test]
async fn nothing_is_sent_when_no_time_is_left() {
    let broker = cluster(1).await;
    let results = connected(&broker).await.send(&events(2), in_millis(-1)).await;
    assert_eq!(reasons(&results), [Some(Reason::Deadline); 2]);
    assert_eq!(broker.request_count(ApiKey::Produce), 0);
}

#[tokio::test]
async fn an_error_that_ends_the_producer_does_not_end_the_event_log() {
    let broker = cluster(1).await;
    let event_log = connected(&broker).await;
    broker.on_once(ApiKey::Produce, |_| Control::Error(ErrorCode::ClusterAuthorizationFailed));
    let refused = event_log.send(&[outgoing("d-1", "1")], soon()).await;
    assert_eq!(reasons(&refused), [Some(Reason::Misconfigured)]);
    assert_eq!(event_log.send(&[outgoing("d-1", "2")], soon()).await, [Ok(())]);
}

#[tokio::test]
async fn a_missing_topic_is_an_error_at_the_start() {
    let broker = FakeBroker::start().await.expect("a free port");
    let error = KafkaEventLog::connect(config(&broker)).await.expect_err("no topic");
    assert_eq!(error.reason, Reason::Misconfigured);
    assert!(error.message.contains("the topic does not exist: topic=`drover.events`"), "{error}");
}

#[tokio::test]
async fn topics_are_created_on_request_and_those_that_exist_stay() {
    let broker = FakeBroker::start().await.expect("a free port");
    assert!(broker.create_topic("telemetry", 1));
    let config = config(&broker);
    let cluster = &config.cluster;
    let topic = |name: &str| TopicToCreate { name: name.to_owned(), is_compacted: false };
    let topics = ["telemetry", TOPIC].map(topic);
    cluster.create_topics(&topics).await.expect("created");
    cluster.create_topics(&topics).await.expect("all exist");
    let is_there = |topic, partition| broker.next_offset(topic, partition).is_some();
    assert!(is_there("telemetry", 0) && !is_there("telemetry", 1));
    assert!(is_there(TOPIC, 3) && !is_there(TOPIC, 4));
    assert_eq!(connected(&broker).await.send(&events(3), soon()).await, vec![Ok(()); 3]);
}

#[tokio::test]
async fn rejected_credentials_are_an_error_at_the_start() {
    let broker = cluster(1).await;
    broker.require_sasl_plain("app", "app-secret");
    let password = Password::new("wrong-secret");
    let security = Security::Sasl {
        mechanism: SaslMechanism::ScramSha512,
        user: "app".to_owned(),
        password,
        tls: false,
    };
    let KafkaConfig { cluster, topic } = config(&broker);
    let config = KafkaConfig { cluster: KafkaCluster { security, ..cluster }, topic };
    let error = KafkaEventLog::connect(config).await.expect_err("refused");
    assert_eq!(error.reason, Reason::Misconfigured, "{error}");
    assert!(!error.message.contains("wrong-secret"), "{error}");
}

#[tokio::test]
async fn an_event_log_may_start_before_its_broker() {
    let broker = cluster(1).await;
    broker.crash(0);
    let event_log = KafkaEventLog::new(config(&broker));
    let early = event_log.send(&events(1), in_millis(500)).await;
    assert_eq!(reasons(&early), [Some(Reason::Unreachable)]);
    broker.restart(0);
    assert_eq!(event_log.send(&events(1), soon()).await, [Ok(())]);
}

#[tokio::test]
async fn a_start_without_any_broker_fails_soon() {
    let closed = closed_address().expect("a free port").to_string();
    let (bootstrap, security) = (closed.clone(), Security::Plaintext);
    let cluster = KafkaCluster { bootstrap, security };
    let config = KafkaConfig { cluster, topic: TOPIC.to_owned() };
    let started = Instant::now();
    let error = KafkaEventLog::connect(config).await.expect_err("nothing listens");
    assert_eq!(error.reason, Reason::Unreachable);
    assert!(error.message.contains(&closed), "{error}");
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}
