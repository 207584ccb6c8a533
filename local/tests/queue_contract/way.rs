//! The whole way of a dead letter: the processor rejects a record, sends its letter to the queue,
//! the replay function receives the letter as Lambda delivers it, and files it in DynamoDB.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::{
    Message as Received, MessageSystemAttributeName as System, QueueAttributeName as Name,
};
use drover_aws::Aws;
use drover_aws::kafka::KafkaRereadOnDemand;
use drover_core::base::id::TenantId;
use drover_core::base::limits::ItemLimits;
use drover_core::base::metrics::{Meter, Tally};
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::letter::{LetterRange, Order, Owner};
use drover_core::intake::quota::ReadQuotas;
use drover_core::intake::record::TopicRetention;
use drover_core::pipeline::Pipeline;
use drover_core::pipeline::cache::HeadCache;
use drover_core::ports::Letters as _;
use drover_core::registry::Registry;
use drover_core::replay::RunLimits;
use drover_http::{Origins, finished};
use drover_intake::{AuthMode, Gate, LocalKeys};
use drover_processor::Processor;
use drover_replay::sources::WithEventLog;
use drover_replay::{Environment, QueueNames, Replay, routes};
use drover_tests::dynamodb::{REGISTRY, ports, table};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::Fact;
use super::common::kafka::{event, temperature, text};
use super::facts::facts;
use super::queue_service::{QueueService, Queues, body, system};

pub(crate) fn all() -> Vec<Fact> {
    facts![a_rejected_record_is_filed_once_however_often_its_letter_is_delivered,]
}

/// Discards all counts.
struct Silent;

impl Meter for Silent {
    fn record(&self, _function: &'static str, _tally: &Tally, _now: Timestamp) {}
}

type ReplaySources = WithEventLog<Aws, Option<KafkaRereadOnDemand>>;

const MEANS: RunLimits = RunLimits {
    item_limits: ItemLimits::STANDARD,
    concurrency: 4,
    cache_bytes: 1 << 20,
    retention: TopicRetention::WEEK,
};
const TOPIC: &str = r#"{"contract":"telemetry","tenant":{"header":"tenant"}}"#;

fn pipeline() -> Pipeline {
    Pipeline {
        registry: Registry::new(),
        heads: HeadCache::new(MEANS.cache_bytes),
        item_limits: MEANS.item_limits,
        concurrency: MEANS.concurrency,
    }
}

fn replay(queues: &Queues) -> Replay<Aws, ReplaySources> {
    let environment = Arc::new(Environment {
        ports: queues.aws.clone(),
        sources: WithEventLog { aws: queues.aws.clone(), event_log: None },
        pipeline: pipeline(),
        limits: MEANS,
        queues: QueueNames::of_urls(&queues.letters, &queues.buffer),
        gate: Gate { mode: AuthMode::Key(LocalKeys::Accepted) },
        quotas: ReadQuotas::default(),
        meter: Arc::new(Silent),
    });
    let routes = routes(Arc::clone(&environment));
    Replay::new(environment, finished(routes, Origins::Local))
}

/// A tenant of this test, and its topic.
async fn registered(tenant: &str) -> Aws {
    let aws = ports().await.unwrap();
    let documents = [
        (format!("T#{tenant}"), format!(r#"{{"id":"{tenant}"}}"#)),
        ("R#telemetry".into(), TOPIC.into()),
    ];
    for (key, json) in documents {
        let put = aws.dynamodb().put_item().table_name(&*table(REGISTRY));
        let put = put.item("pk", AttributeValue::S(key)).item("d", AttributeValue::S(json));
        put.item("v", AttributeValue::N("1".to_owned())).send().await.unwrap();
    }
    aws
}

fn invocation(event: &Value) -> LambdaEvent<Box<serde_json::value::RawValue>> {
    let mut context = Context::default();
    // Functions end before their deadline, so it is far in the future.
    context.deadline = 4_000_000_000_000;
    LambdaEvent::new(to_raw_value(event).unwrap(), context)
}

/// Lambda's event for these messages.
fn batch(arn: &str, messages: &[Received]) -> Value {
    let records = messages.iter().map(|message| {
        json!({
            "messageId": message.message_id(), "receiptHandle": message.receipt_handle(),
            "body": body(message), "md5OfBody": message.md5_of_body(),
            "attributes": {"SentTimestamp": system(message, &System::SentTimestamp)},
            "messageAttributes": {}, "eventSource": "aws:sqs", "eventSourceARN": arn,
            "awsRegion": "eu-central-1",
        })
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

async fn a_rejected_record_is_filed_once_however_often_its_letter_is_delivered(
    queue_service: QueueService,
) {
    let queues = queue_service.queues().await;
    let tenant = if queue_service.is_embedded { "way-embedded" } else { "way-elasticmq" };
    registered(tenant).await;
    let good = temperature(tenant, "d-1", 1);
    let records = [good, text(tenant, "{"), text(tenant, r#"{"device_id":7}"#)];
    let processor =
        Processor::new(queues.aws.clone(), pipeline(), MEANS.retention, Arc::new(Silent));
    let answer = processor.handle(invocation(&event(&records))).await.unwrap();
    assert_eq!(json!(answer), json!({"batchItemFailures": []}));

    let replay = replay(&queues);
    let arn = queue_service.attribute(&queues.letters, Name::QueueArn).await.unwrap();
    // The first deliveries are not deleted, so each letter is delivered again.
    let mut handed: BTreeMap<String, Vec<Received>> = BTreeMap::new();
    while handed.len() < 2 || handed.values().any(|times| times.len() < 2) {
        let messages = queues.wait(&queues.letters).await;
        let answer = replay.handle(invocation(&batch(&arn, &messages))).await.unwrap();
        assert_eq!(answer.get(), r#"{"batchItemFailures":[]}"#);
        for message in messages {
            assert_eq!(system(&message, &System::MessageGroupId), tenant);
            let times = handed.entry(message.message_id().unwrap().to_owned()).or_default();
            times.push(message);
            if times.len() == 2 {
                queues.delete(&queues.letters, &times[1]).await;
            }
        }
    }
    let owner = Owner::Tenant(TenantScope::by_queue(TenantId::parse(tenant).unwrap()));
    let range = LetterRange { after: None, order: Order::Rising, limit: 10 };
    let stored = queues.aws.letters(&owner, &range).await.unwrap().answer;
    let mut codes: Vec<String> = stored.iter().map(|one| one.letter.code.to_string()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["malformed_json", "missing_field"]);
    assert!(queues.receive(&queues.failed).await.is_empty());
}
