//! `infra/state.yaml` creates the tables that the ports rely on: it is compared with the tables
//! that `create_tables` makes in the embedded DynamoDB. Properties that only CloudFormation has are
//! asserted here.

#![recursion_limit = "256"]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "test helpers fail like tests")]

use aws_sdk_dynamodb::types::{AttributeDefinition, KeySchemaElement, TimeToLiveStatus};
use drover_aws::tables::enable_stream;
use drover_tests::cloudformation;
use drover_tests::dynamodb::{
    LEDGER, LETTERS, OUTPUTS, REGISTRY, REQUESTS, ports, ports_with, table as named,
};
use serde_json::{Value, json};

const TABLES: [(&str, &str); 5] = [
    ("Ledger", LEDGER),
    ("Registry", REGISTRY),
    ("Letters", LETTERS),
    ("Requests", REQUESTS),
    ("Outputs", OUTPUTS),
];
/// A queue, its failure queue, and the maximum number of receives.
const QUEUES: [(&str, &str, u32); 3] = [
    ("DeadLetters", "DeadLettersFailed", 5),
    ("Buffer", "BufferFailed", 1000),
    ("Notifications", "NotificationsFailed", 1000),
];

fn template() -> Value {
    cloudformation::load("infra/state.yaml").expect("a template")
}

fn resources(kind: &str) -> Vec<(String, Value)> {
    let template = template();
    let resources = template["Resources"].as_object().expect("resources");
    let of_kind = resources.iter().filter(|(_, resource)| resource["Type"] == kind);
    of_kind.map(|(name, resource)| (name.clone(), resource.clone())).collect()
}

fn keys(schema: &[KeySchemaElement]) -> Value {
    let keys = schema.iter().map(
        |key| json!({"AttributeName": key.attribute_name(), "KeyType": key.key_type().as_str()}),
    );
    keys.collect()
}

fn attributes(definitions: &[AttributeDefinition]) -> Value {
    let attributes = definitions.iter().map(|attribute| {
        let kind = attribute.attribute_type().as_str();
        json!({"AttributeName": attribute.attribute_name(), "AttributeType": kind})
    });
    sorted(attributes.collect())
}

/// The order of attributes is meaningless.
fn sorted(mut list: Value) -> Value {
    if let Some(list) = list.as_array_mut() {
        list.sort_by_key(Value::to_string);
    }
    list
}

/// The table that `create_tables` makes, in CloudFormation's format.
async fn made(table: &str) -> Value {
    let aws = ports().await.expect("a DynamoDB");
    let described = aws.dynamodb().describe_table().table_name(&*named(table)).send().await;
    let described = described.expect("available").table.expect("a table");
    let expiry = aws.dynamodb().describe_time_to_live().table_name(&*named(table)).send().await;
    let expiry = expiry.expect("available").time_to_live_description;
    let expiry = expiry.filter(|one| one.time_to_live_status() == Some(&TimeToLiveStatus::Enabled));
    let indexes = described.global_secondary_indexes().iter().map(|index| {
        let projection = index.projection().and_then(|one| one.projection_type());
        json!({
            "IndexName": index.index_name(),
            "KeySchema": keys(index.key_schema()),
            "Projection": {"ProjectionType": projection.map(|one| one.as_str())},
        })
    });
    json!({
        "BillingMode": described.billing_mode_summary()
            .and_then(|summary| summary.billing_mode()).map(|mode| mode.as_str()),
        "AttributeDefinitions": attributes(described.attribute_definitions()),
        "KeySchema": keys(described.key_schema()),
        "GlobalSecondaryIndexes": indexes.collect::<Vec<_>>(),
        "TimeToLiveSpecification": expiry
            .map(|one| json!({"AttributeName": one.attribute_name(), "Enabled": true})),
    })
}

#[tokio::test]
async fn the_tables_of_the_stack_match_those_of_the_ports() {
    for (resource, table) in TABLES {
        let stack = template()["Resources"][resource]["Properties"].take();
        let indexes = stack.get("GlobalSecondaryIndexes").cloned().unwrap_or(json!([]));
        let stack = json!({
            "BillingMode": stack["BillingMode"],
            "AttributeDefinitions": sorted(stack["AttributeDefinitions"].clone()),
            "KeySchema": stack["KeySchema"],
            "GlobalSecondaryIndexes": indexes,
            "TimeToLiveSpecification": stack["TimeToLiveSpecification"],
        });
        assert_eq!(stack, made(table).await, "{resource}");
    }
}

#[tokio::test]
async fn only_the_ledger_has_a_stream_and_it_is_that_of_the_ports() {
    const STREAMED: &str = "ledger-streamed";
    let aws = ports_with(STREAMED).await.expect("a DynamoDB");
    enable_stream(aws.dynamodb(), &named(STREAMED)).await.expect("available");
    let described = aws.dynamodb().describe_table().table_name(&*named(STREAMED)).send().await;
    let described = described.expect("available").table.expect("a table");
    let stream = described.stream_specification.filter(|stream| stream.stream_enabled);
    let view = stream.and_then(|stream| stream.stream_view_type).expect("a stream");
    let template = template();
    for (resource, _) in TABLES {
        let stack = template["Resources"][resource]["Properties"].get("StreamSpecification");
        let expected = json!({"StreamViewType": view.as_str()});
        assert_eq!(stack, (resource == "Ledger").then_some(&expected), "{resource}");
    }
}

#[test]
fn the_stack_has_exactly_these_tables_and_queues() {
    let names = |kind| resources(kind).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let tables = ["Ledger", "Letters", "Outputs", "Registry", "Requests"];
    assert_eq!(names("AWS::DynamoDB::Table"), tables);
    let queues = [
        "Buffer",
        "BufferFailed",
        "DeadLetters",
        "DeadLettersFailed",
        "Notifications",
        "NotificationsFailed",
    ];
    assert_eq!(names("AWS::SQS::Queue"), queues);
}

#[test]
fn no_resource_with_data_is_deleted_with_the_stack() {
    for kind in ["AWS::DynamoDB::Table", "AWS::SQS::Queue"] {
        for (name, resource) in resources(kind) {
            for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
                assert_eq!(resource[policy], "Retain", "{name}: {policy}");
            }
        }
    }
}

#[test]
fn every_table_can_be_restored_and_is_protected() {
    for (name, table) in resources("AWS::DynamoDB::Table") {
        let table = &table["Properties"];
        let recovery = json!({"PointInTimeRecoveryEnabled": true});
        assert_eq!(table["PointInTimeRecoverySpecification"], recovery, "{name}");
        let protection = json!({"Ref": "DeletionProtection"});
        assert_eq!(table["DeletionProtectionEnabled"], protection, "{name}");
        assert!(table.get("TableName").is_none(), "{name}: CloudFormation names it");
    }
    assert_eq!(template()["Parameters"]["DeletionProtection"]["Default"], "true");
}

#[test]
fn every_queue_keeps_14_days_encrypted_and_accepts_the_largest_message() {
    for (name, queue) in resources("AWS::SQS::Queue") {
        let queue = &queue["Properties"];
        assert_eq!(queue["MessageRetentionPeriod"], 14 * 24 * 60 * 60, "{name}");
        assert_eq!(queue["MaximumMessageSize"], 1_048_576, "{name}");
        let sse = json!({"Fn::If": ["HasKey", {"Ref": "AWS::NoValue"}, true]});
        assert_eq!(queue["SqsManagedSseEnabled"], sse, "{name}");
        let key = json!({"Fn::If": ["HasKey", {"Ref": "KeyArn"}, {"Ref": "AWS::NoValue"}]});
        assert_eq!(queue["KmsMasterKeyId"], key, "{name}");
        assert!(queue.get("FifoQueue").is_none(), "{name}: the ledger restores the order");
    }
}

#[test]
fn repeated_failures_go_to_the_failed_queue_of_their_queue() {
    let template = template();
    for (name, failed, tries) in QUEUES {
        let queue = &template["Resources"][name]["Properties"];
        let redrive = json!({
            "deadLetterTargetArn": {"Fn::GetAtt": [failed, "Arn"]}, "maxReceiveCount": tries,
        });
        assert_eq!(queue["RedrivePolicy"], redrive, "{name}");

        let allowed = &template["Resources"][failed]["Properties"]["RedriveAllowPolicy"];
        assert_eq!(allowed["redrivePermission"], "byQueue");
        let sub = &allowed["sourceQueueArns"][0]["Fn::Sub"];
        let arn = sub[0].as_str().expect("an ARN");
        let parts = &queue["QueueName"]["Fn::Join"][1];
        let beginning = parts[0].as_str().expect("a name");
        assert!(arn.ends_with(&format!(":{beginning}-${{Suffix}}")), "{arn} is not {name}");
        assert_eq!(sub[1]["Suffix"], parts[1], "{name}");
    }
}

#[test]
fn no_queue_is_reached_without_tls() {
    let policies = resources("AWS::SQS::QueuePolicy");
    for (name, _) in resources("AWS::SQS::Queue") {
        let expected = json!([{
            "Sid": "OnlyWithTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": {"Fn::GetAtt": [name, "Arn"]},
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }]);
        let refused = policies.iter().any(|(_, policy)| {
            let policy = &policy["Properties"];
            policy["Queues"] == json!([{"Ref": name}])
                && policy["PolicyDocument"]["Statement"] == expected
        });
        assert!(refused, "{name}");
    }
}

#[test]
fn the_other_stacks_find_their_imports() {
    let template = template();
    let outputs = template["Outputs"].as_object().expect("outputs");
    let tables =
        TABLES.iter().flat_map(|(name, _)| [format!("{name}Table"), format!("{name}TableArn")]);
    let queues = ["DeadLetter", "Buffer", "Notifications"].iter().flat_map(|name| {
        ["QueueUrl", "QueueArn", "QueueName", "FailedQueueName"].map(|what| format!("{name}{what}"))
    });
    for name in tables.chain(queues).chain(["LedgerStreamArn".to_owned()]) {
        assert!(outputs.contains_key(&name), "{name}");
    }
}
