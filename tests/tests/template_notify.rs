//! Notify in `template.yaml`: its function, its queue mapping, the parameters of targets, and the routes of simulated
//! alerts. `template_relay` checks where they exist, `permissions` the permissions.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "test helpers fail like tests")]

use std::collections::BTreeSet;

use drover_core::outputs::notifications::Look;
use drover_core::outputs::notifications::told::TRY_SECONDS;
use drover_tests::cloudformation::{Stack, load};
use serde_json::{Value, json};

const SECRET: &str =
    "arn:aws:secretsmanager:eu-central-1:111122223333:secret:drover/notify/ops-AbCdEf";
const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:alerts";
const BUS: &str = "arn:aws:events:eu-central-1:111122223333:event-bus/alerts";
const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/k";
const ALERTS: (&str, &str) = ("Alerts", "true");
/// The lists of what targets need.
const LISTS: [(&str, &str); 3] =
    [("NotifySecretArns", SECRET), ("NotifyTopicArns", TOPIC), ("NotifyBusArns", BUS)];

fn stack(given: &[(&str, &str)]) -> Stack {
    Stack::new(&load("template.yaml").expect("the template"), given)
}

/// Stacks with a relay: alone, with feeds, and with Kafka in a network.
fn with_relay() -> [Stack; 3] {
    let queue = ("FeedsQueueArn", "arn:aws:sqs:eu-central-1:111122223333:feeds.fifo");
    let kafka = [
        ("StreamMode", "msk-iam"),
        ("BootstrapServers", "b-1:9098"),
        ("SubnetIds", "subnet-1,subnet-2"),
        ("SecurityGroupId", "sg-1"),
    ];
    [stack(&[ALERTS]), stack(&[queue]), stack(&kafka)]
}

fn properties(stack: &Stack, name: &str) -> Value {
    stack.resources().remove(name).expect("the resource")["Properties"].take()
}

fn number(value: &Value) -> i64 {
    value.as_i64().expect("a number")
}

#[test]
fn the_function_is_built_like_the_others_and_told_of_its_queue_and_private_hosts() {
    for stack in with_relay() {
        let function = stack.resources().remove("Notify").expect("the function");
        let build =
            json!({"BuildMethod": "rust-cargolambda", "BuildProperties": {"Binary": "notify"}});
        assert_eq!(function["Metadata"], build);
        let properties = &function["Properties"];
        assert_eq!(properties["Role"], "${NotifyRole.Arn}");
        assert_eq!(properties["LoggingConfig"], json!({"LogGroup": "${NotifyLogs}"}));
        assert_eq!((&properties["MemorySize"], &properties["Timeout"]), (&json!(512), &json!(60)));
        assert!(properties["ReservedConcurrentExecutions"].is_null());
        let variables = json!({
            "DROVER_OUTPUTS_TABLE": "<drover-state-OutputsTable>",
            "DROVER_NOTIFICATIONS_QUEUE_URL": "<drover-state-NotificationsQueueUrl>",
            "DROVER_NOTIFY_PRIVATE_HOSTS": "",
        });
        assert_eq!(properties["Environment"]["Variables"], variables);
        assert_eq!(self::properties(&stack, "NotifyLogs")["LogGroupName"], "/drover/drover/Notify");
    }
    let given =
        [ALERTS, ("NotifyPrivateHosts", "alertmanager.internal"), ("NotifyConcurrency", "20")];
    let notify = properties(&stack(&given), "Notify");
    assert_eq!(notify["ReservedConcurrentExecutions"], "20");
    let hosts = &notify["Environment"]["Variables"]["DROVER_NOTIFY_PRIVATE_HOSTS"];
    assert_eq!(*hosts, "alertmanager.internal");
}

#[test]
fn the_queue_invokes_it_with_batches_whose_messages_fail_one_by_one() {
    for stack in with_relay() {
        let mapping = json!({
            "FunctionName": "${Notify}", "EventSourceArn": "<drover-state-NotificationsQueueArn>",
            "BatchSize": 10, "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "ScalingConfig": {"MaximumConcurrency": 10},
        });
        assert_eq!(properties(&stack, "NotifyMapping"), mapping);
    }
}

/// Otherwise SQS would deliver a message to a second invocation while the first one handles it, and Lambda would reject
/// the mapping.
#[test]
fn a_message_stays_hidden_for_longer_than_an_invocation_and_a_try_take() {
    let timeout = number(&properties(&stack(&[ALERTS]), "Notify")["Timeout"]);
    let state = load("infra/state.yaml").expect("the state stack");
    let hidden = number(&state["Resources"]["Notifications"]["Properties"]["VisibilityTimeout"]);
    assert!(TRY_SECONDS < timeout && timeout < hidden, "{TRY_SECONDS} {timeout} {hidden}");
}

#[test]
fn every_function_that_has_targets_told_knows_the_queue_and_no_other_function_does() {
    let stack = stack(&[ALERTS]);
    let functions = stack.of_type("AWS::Serverless::Function");
    let knows = |function: &Value| {
        let url = &function["Properties"]["Environment"]["Variables"];
        url["DROVER_NOTIFICATIONS_QUEUE_URL"] == "<drover-state-NotificationsQueueUrl>"
    };
    let knowing: BTreeSet<&str> =
        functions.iter().filter(|(_, one)| knows(one)).map(|(name, _)| name.as_str()).collect();
    assert_eq!(knowing, ["Ingest", "Notify", "Relay", "Replay"].into());
    let globals = &stack.section("Globals")["Function"]["Environment"]["Variables"];
    assert!(globals["DROVER_NOTIFICATIONS_QUEUE_URL"].is_null());
}

#[test]
fn it_runs_in_the_network_only_on_request_and_for_no_kafka() {
    let network = [("SubnetIds", "subnet-1,subnet-2"), ("SecurityGroupId", "sg-1")];
    for stack in with_relay() {
        assert!(properties(&stack, "Notify")["VpcConfig"].is_null());
    }
    let asked = [&[ALERTS, ("NotifyInVpc", "true")][..], &network].concat();
    let expected = json!({"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]});
    let asked = stack(&asked);
    assert_eq!(properties(&asked, "Notify")["VpcConfig"], expected);
    for other in ["Ingest", "Relay", "Replay"] {
        assert!(properties(&asked, other)["VpcConfig"].is_null(), "{other}");
    }
}

#[test]
fn settings_that_fit_nothing_are_refused() {
    let check = |given: &[(&str, &str)], expected: &[&str]| {
        let broken = stack(given).broken_rules();
        assert_eq!(broken.len(), expected.len(), "{given:?}: {broken:?}");
        for part in expected {
            assert!(broken.iter().any(|one| one.contains(part)), "{given:?}: {part}: {broken:?}");
        }
    };
    let (key, in_network) = (("NotifyKeyArn", KEY), ("NotifyInVpc", "true"));
    let (subnets, group) = (("SubnetIds", "subnet-1,subnet-2"), ("SecurityGroupId", "sg-1"));
    let hosts = ("NotifyPrivateHosts", "alertmanager.internal");
    let [secrets, topics, buses] = LISTS;
    check(&[], &[]);
    check(&[ALERTS, secrets, topics, buses, key, hosts, in_network, subnets, group], &[]);
    check(&[("StreamMode", "msk-iam"), secrets], &[]);
    for given in [secrets, topics, buses, hosts] {
        check(&[given], &["need a relay"]);
    }
    check(&[in_network, subnets, group], &["need a relay"]);
    check(&[ALERTS, in_network], &["needs SubnetIds and SecurityGroupId"]);
    check(&[ALERTS, in_network, subnets], &["needs SubnetIds and SecurityGroupId"]);
    check(&[ALERTS, in_network, group], &["needs SubnetIds and SecurityGroupId"]);
    check(&[ALERTS, key], &["NotifyKeyArn needs"]);
    check(&[ALERTS, key, buses], &["NotifyKeyArn needs"]);
    check(&[ALERTS, key, secrets], &[]);
    check(&[ALERTS, key, topics], &[]);
    for (name, arn) in LISTS {
        for mixed in [format!("none,{arn}"), format!("{arn},none")] {
            check(&[ALERTS, (name, &mixed)], &[&format!("{name} hold none or ARNs")]);
        }
        check(&[ALERTS, (name, &format!("{arn},{arn}2"))], &[]);
    }
}

#[test]
fn lists_hold_arns_of_their_service_without_wildcards() {
    let parameters = stack(&[]).section("Parameters");
    for (name, _) in LISTS {
        assert_eq!(parameters[name]["Type"], "CommaDelimitedList", "{name}");
        assert_eq!(parameters[name]["Default"], "none", "{name}");
        let schema = json!({ "pattern": parameters[name]["AllowedPattern"] });
        let allowed = jsonschema::validator_for(&schema).expect("a schema");
        assert!(allowed.is_valid(&json!("none")), "{name}");
        for (other, arn) in LISTS {
            assert_eq!(allowed.is_valid(&json!(arn)), name == other, "{name}: {arn}");
            for wider in [format!("{arn}*"), "*".to_owned(), arn.replace("eu-central-1", "*")] {
                assert!(!allowed.is_valid(&json!(wider)), "{name}: {wider}");
            }
        }
    }
    let topics = json!({ "pattern": parameters["NotifyTopicArns"]["AllowedPattern"] });
    let topics = jsonschema::validator_for(&topics).expect("a schema");
    assert!(!topics.is_valid(&json!(format!("{TOPIC}.fifo"))), "targets have no message groups");
}

#[test]
fn hosts_are_names_or_addresses_and_no_urls() {
    let parameters = stack(&[]).section("Parameters");
    let schema = json!({ "pattern": parameters["NotifyPrivateHosts"]["AllowedPattern"] });
    let allowed = jsonschema::validator_for(&schema).expect("a schema");
    for good in ["", "alertmanager.internal", "a.internal, 10.0.0.7", "[fd00::1],b_1.internal"] {
        assert!(allowed.is_valid(&json!(good)), "{good}");
    }
    for bad in ["http://a.internal", "*.internal", "a/b"] {
        assert!(!allowed.is_valid(&json!(bad)), "{bad}");
    }
}

#[test]
fn simulated_alerts_reach_ingest_with_the_credentials_of_other_requests() {
    for auth in ["key", "jwt"] {
        let stack = stack(&[ALERTS, ("AuthMode", auth)]);
        let routes = stack.of_type("AWS::ApiGatewayV2::Route");
        let all = routes.values().map(|route| &route["Properties"]);
        let simulating: Vec<_> = all
            .clone()
            .filter(|one| one["RouteKey"].as_str().is_some_and(|key| key.contains("simulate")))
            .collect();
        let keys: BTreeSet<_> =
            simulating.iter().filter_map(|one| one["RouteKey"].as_str()).collect();
        assert_eq!(keys, ["POST /api/v1/alerts/simulate", "POST /simulate_alert"].into());
        let events = all.clone().find(|one| one["RouteKey"] == "POST /api/v1/events");
        let events = events.expect("the route of events");
        for one in simulating {
            for same in ["ApiId", "Target", "AuthorizationType", "AuthorizerId"] {
                assert_eq!(one[same], events[same], "{auth}: {same}");
            }
        }
    }
}

#[test]
fn the_stack_tells_the_function_and_the_queue() {
    let stack = stack(&[ALERTS]);
    let outputs = stack.section("Outputs");
    let expected = json!({
        "Condition": "Relayed", "Value": "${Notify}", "Export": {"Name": "drover-NotifyFunction"},
    });
    assert_eq!(outputs["NotifyFunction"], expected);
    let url = json!({"Value": "<drover-state-NotificationsQueueUrl>"});
    assert_eq!(outputs["NotificationsQueueUrl"], url);
}

/// The sample event is what this mapping delivers.
#[test]
fn the_sample_event_is_a_batch_of_the_queue() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../events/notify");
    let mut batches = 0;
    for entry in std::fs::read_dir(path).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.ends_with(".expect.json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a text");
        let event: Value = serde_json::from_str(&text).expect("JSON");
        let records = event["Records"].as_array().expect("messages");
        assert!((1..=10).contains(&records.len()), "{name}");
        for record in records {
            assert_eq!(record["eventSource"], "aws:sqs", "{name}");
            let arn = record["eventSourceARN"].as_str().expect("an ARN");
            assert!(arn.contains(":drover-notifications"), "{name}: {arn}");
            let look = record["body"].as_str().and_then(Look::read).expect("a message");
            assert_eq!(record["attributes"]["MessageGroupId"], look.group(), "{name}");
        }
        batches += 1;
    }
    assert!(batches > 0);
}
