//! The relay in `template.yaml`: where it exists, its targets, its event source mappings and its sweep.
//! `permissions` checks the permissions, `template_notify` what tells targets about alerts.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "test helpers fail like tests")]

use std::collections::BTreeSet;

use drover_core::intake::tenant::{Feed, Feeds};
use drover_tests::cloudformation::{Stack, load};
use serde_json::{Map, Value, json};

const STREAMS: [&str; 4] = ["msk-iam", "msk-scram", "self-managed", "self-managed-plain"];
const QUEUE: &str = "arn:aws:sqs:eu-central-1:111122223333:feeds.fifo";
const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:feeds.fifo";
const BUS: &str = "arn:aws:events:eu-central-1:111122223333:event-bus/feeds";
/// The targets without Kafka.
const TARGETS: [(&str, &str); 3] =
    [("FeedsQueueArn", QUEUE), ("FeedsTopicArn", TOPIC), ("FeedsBusArn", BUS)];
/// A relay without a target.
const ALERTS: (&str, &str) = ("Alerts", "true");
const OWN: &str =
    "arn:aws:dynamodb:eu-central-1:111122223333:table/drover-own-a/stream/2026-11-28T10:00:00.000";
const OTHER: &str =
    "arn:aws:dynamodb:eu-central-1:111122223333:table/drover-own-b/stream/2026-11-28T10:00:00.000";
/// How long DynamoDB keeps a change.
const STREAM_SECONDS: i64 = 24 * 60 * 60;

fn stack(given: &[(&str, &str)]) -> Stack {
    Stack::new(&load("template.yaml").expect("the template"), given)
}

fn with_queue() -> Stack {
    stack(&[("FeedsQueueArn", QUEUE)])
}

fn in_mode(mode: &str) -> Stack {
    stack(&[
        ("StreamMode", mode),
        ("BootstrapServers", "b-1:9096,b-2:9096"),
        ("SubnetIds", "subnet-1,subnet-2"),
        ("SecurityGroupId", "sg-1"),
    ])
}

/// Every form with a relay.
fn with_relay() -> Vec<Stack> {
    let without_kafka = TARGETS.into_iter().chain([ALERTS]).map(|one| stack(&[one]));
    STREAMS.map(in_mode).into_iter().chain(without_kafka).collect()
}

/// The properties of a resource.
fn properties(stack: &Stack, name: &str) -> Value {
    stack.resources().remove(name).expect("the resource")["Properties"].take()
}

fn names(stack: &Stack) -> BTreeSet<String> {
    stack.resources().into_keys().collect()
}

#[test]
fn the_relay_and_all_that_belongs_to_it_exist_only_with_a_target_or_for_alerts() {
    let expected = [
        "Notify",
        "NotifyLogs",
        "NotifyMapping",
        "NotifyRole",
        "Relay",
        "RelayFailed",
        "RelayFailedPolicy",
        "RelayLogs",
        "RelayMapping",
        "RelayRole",
        "RelayedPOSTapiv1alertsidact",
        "RelayedPOSTapiv1feedsresend",
        "SimulationPOSTapiv1alertssimulate",
        "SimulationPOSTsimulatealert",
        "Sweep",
        "SweepCaller",
        "SweepRetries",
    ];
    let expected: BTreeSet<String> = expected.map(str::to_owned).into();
    let without = names(&stack(&[]));
    for target in TARGETS.into_iter().chain([ALERTS]) {
        let with = names(&stack(&[target]));
        let added: BTreeSet<_> = with.difference(&without).cloned().collect();
        assert_eq!(added, expected, "{target:?}");
    }
    let parts = ["Notify", "Relay", "Resend", "Simulation", "Sweep"];
    let of_relay = |name: &String| parts.iter().any(|part| name.contains(part));
    for mode in STREAMS {
        let found: BTreeSet<_> = names(&in_mode(mode)).into_iter().filter(of_relay).collect();
        assert_eq!(found, expected, "{mode}");
    }
    let template = load("template.yaml").expect("the template");
    for output in ["NotifyFunction", "RelayFunction", "RelayFailedQueueName"] {
        assert_eq!(template["Outputs"][output]["Condition"], "Relayed", "{output}");
    }
    assert!(!without.iter().any(of_relay), "{without:?}");
}

#[test]
fn two_targets_are_refused() {
    let check = |given: &[(&str, &str)]| {
        let both = stack(given).broken_rules();
        let [one] = both.as_slice() else { panic!("{given:?}: {both:?}") };
        let names_all = TARGETS.iter().all(|(parameter, _)| one.contains(parameter));
        assert!(one.contains("one target") && names_all, "{one}");
    };
    for (number, target) in TARGETS.into_iter().enumerate() {
        for mode in STREAMS {
            check(&[("StreamMode", mode), target]);
        }
        for other in &TARGETS[number + 1..] {
            check(&[target, *other]);
        }
    }
    check(&TARGETS);
    for relayed in with_relay() {
        assert_eq!(relayed.broken_rules(), Vec::<String>::new());
    }
}

#[test]
fn settings_without_their_target_are_refused() {
    const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/k";
    const TABLES: (&str, &str) = ("TenantTablePrefix", "drover-own-");
    const TENANT: (&str, &str) = ("TenantStreamArns", OWN);
    let check = |given: &[(&str, &str)], expected: &[&str]| {
        let broken = stack(given).broken_rules();
        assert_eq!(broken.len(), expected.len(), "{given:?}: {broken:?}");
        for (found, part) in broken.iter().zip(expected) {
            assert!(found.contains(part), "{given:?}: {found}");
        }
    };
    let [queue, topic, bus] = TARGETS;
    let (queue_key, topic_key) = (("FeedsQueueKeyArn", KEY), ("FeedsTopicKeyArn", KEY));
    check(&[queue, queue_key], &[]);
    check(&[topic, topic_key], &[]);
    check(&[queue_key], &["needs FeedsQueueArn"]);
    check(&[topic_key], &["needs FeedsTopicArn"]);
    check(&[topic, queue_key], &["needs FeedsQueueArn"]);
    check(&[bus, topic_key], &["needs FeedsTopicArn"]);
    for target in [queue, topic, bus, ALERTS, ("StreamMode", "msk-iam")] {
        check(&[target, TABLES, TENANT], &[]);
    }
    check(&[TABLES, TENANT], &["need a relay"]);
    check(&[queue, TENANT], &["need TenantTablePrefix"]);
    let mixed = format!("none,{OWN}");
    check(&[queue, TABLES, ("TenantStreamArns", &mixed)], &["none is the ARN of no stream"]);
}

#[test]
fn the_function_is_built_and_reached_like_the_others() {
    for mode in STREAMS {
        let stack = in_mode(mode);
        let functions = stack.of_type("AWS::Serverless::Function");
        let (relay, processor) = (&functions["Relay"], &functions["Processor"]);
        let build =
            json!({"BuildMethod": "rust-cargolambda", "BuildProperties": {"Binary": "relay"}});
        assert_eq!(relay["Metadata"], build);
        assert_eq!(
            relay["Properties"]["VpcConfig"],
            functions["Ingest"]["Properties"]["VpcConfig"]
        );
        for same in ["MemorySize", "Timeout"] {
            assert_eq!(relay["Properties"][same], processor["Properties"][same], "{same}");
        }
        let own = &relay["Properties"]["Environment"]["Variables"];
        let expected = json!({
            "DROVER_OUTPUTS_TABLE": "<drover-state-OutputsTable>", "DROVER_FEEDS_QUEUE_URL": "",
            "DROVER_FEEDS_TOPIC_ARN": "", "DROVER_FEEDS_BUS": "", "DROVER_FEEDS": "on",
            "DROVER_NOTIFICATIONS_QUEUE_URL": "<drover-state-NotificationsQueueUrl>",
        });
        assert_eq!(*own, expected, "{mode}");
    }
    for (given, expected) in
        TARGETS.into_iter().map(|target| (target, "on")).chain([(ALERTS, "off")])
    {
        let relay = properties(&stack(&[given]), "Relay");
        assert_eq!(relay["Environment"]["Variables"]["DROVER_FEEDS"], expected, "{given:?}");
    }
}

#[test]
fn the_target_of_feeds_is_named_by_its_variable_alone() {
    const URL: &str = "https://sqs.eu-central-1.amazonaws.com/111122223333/feeds.fifo";
    const VARIABLES: [&str; 3] =
        ["DROVER_FEEDS_QUEUE_URL", "DROVER_FEEDS_TOPIC_ARN", "DROVER_FEEDS_BUS"];
    for (given, expected) in
        TARGETS.into_iter().zip([[URL, "", ""], ["", TOPIC, ""], ["", "", BUS]])
    {
        let relay = properties(&stack(&[given]), "Relay");
        let variables = VARIABLES.map(|name| relay["Environment"]["Variables"][name].clone());
        assert_eq!(variables, expected.map(|value| json!(value)));
        assert!(relay["VpcConfig"].is_null(), "no target needs a network of ours");
    }
}

#[test]
fn a_target_is_given_by_an_arn_of_its_service() {
    let parameters = stack(&[]).section("Parameters");
    for (name, _) in TARGETS {
        let pattern = parameters[name]["AllowedPattern"].as_str().expect("a pattern");
        let schema = json!({ "pattern": pattern });
        let allowed = jsonschema::validator_for(&schema).expect("a schema");
        for (other, arn) in TARGETS {
            assert_eq!(allowed.is_valid(&json!(arn)), name == other, "{name}: {arn}");
        }
        assert!(allowed.is_valid(&json!("")) && !allowed.is_valid(&json!("feeds")), "{name}");
    }
}

/// The patterns of the local host's mapping, from its source.
fn host_filters() -> Vec<&'static str> {
    let source = include_str!("../../local/src/stream_mapping.rs");
    let (_, rest) = source.split_once("const HEADS: [&str; 2] = [").expect("the constant");
    let (patterns, _) = rest.split_once("];").expect("its end");
    let pattern = |raw: &'static str| raw.split_once("\"#").expect("the end of a pattern").0;
    patterns.split("r#\"").skip(1).map(pattern).collect()
}

#[test]
fn the_mapping_delivers_written_heads_as_on_the_host() {
    for stack in with_relay() {
        let mapping = properties(&stack, "RelayMapping");
        assert_eq!(mapping["FunctionName"], "${Relay}");
        assert_eq!(mapping["EventSourceArn"], "<drover-state-LedgerStreamArn>");
        assert_eq!(mapping["StartingPosition"], "TRIM_HORIZON");
        assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
        let filters = host_filters().into_iter().map(|pattern| json!({ "Pattern": pattern }));
        let filters: Vec<Value> = filters.collect();
        assert_eq!(mapping["FilterCriteria"], json!({ "Filters": filters }));
    }
    // One of them is enough. Lambda filters stream records on `dynamodb` only.
    let (key, attribute) = (
        r#"{"dynamodb":{"Keys":{"sk":{"B":["SA=="]}}}}"#,
        r#"{"dynamodb":{"NewImage":{"a":{"S":[{"exists":true}]}}}}"#,
    );
    assert_eq!(host_filters(), [key, attribute]);
}

/// Otherwise DynamoDB would drop changes without a message.
#[test]
fn changes_are_retried_until_lambda_tells_of_them_before_the_stream_forgets_them() {
    for stack in with_relay() {
        let mapping = properties(&stack, "RelayMapping");
        assert_eq!(mapping["MaximumRetryAttempts"], -1);
        assert_eq!(mapping["BisectBatchOnFunctionError"], true);
        let age = mapping["MaximumRecordAgeInSeconds"].as_i64().expect("a number");
        assert_eq!(age, 20 * 60 * 60);
        assert!(age < STREAM_SECONDS);
        let failed = &mapping["DestinationConfig"]["OnFailure"]["Destination"];
        assert_eq!(*failed, "${RelayFailed.Arn}");
    }
}

#[test]
fn batches_and_lanes_are_parameters_within_the_bounds_of_lambda() {
    let parameters = stack(&[]).section("Parameters");
    let bounds = |name: &str| {
        ["Default", "MinValue", "MaxValue"]
            .map(|of| parameters[name][of].as_i64().expect("a number"))
    };
    assert_eq!(bounds("RelayBatchSize"), [500, 1, 10_000]);
    assert_eq!(bounds("RelayParallelization"), [4, 1, 10]);
    let given = [("FeedsQueueArn", QUEUE), ("RelayBatchSize", "7"), ("RelayParallelization", "2")];
    let mapping = properties(&stack(&given), "RelayMapping");
    assert_eq!(mapping["BatchSize"], "7");
    assert_eq!(mapping["ParallelizationFactor"], "2");
}

#[test]
fn a_tenants_own_table_has_the_same_mapping_on_its_own_stream() {
    let both = format!("{OWN},{OTHER}");
    let given = [("TenantTablePrefix", "drover-own-"), ("TenantStreamArns", both.as_str())];
    for mode in STREAMS {
        let stack = stack(&[&[("StreamMode", mode)][..], &given].concat());
        let shared = properties(&stack, "RelayMapping");
        let mappings = stack.of_type("AWS::Lambda::EventSourceMapping").into_iter();
        let own: Vec<_> = mappings
            .filter(|(name, one)| {
                name != "RelayMapping" && one["Properties"]["FunctionName"] == "${Relay}"
            })
            .map(|(_, one)| one["Properties"].clone())
            .collect();
        let arns: BTreeSet<_> =
            own.iter().filter_map(|one| one["EventSourceArn"].as_str()).collect();
        assert_eq!(arns, [OWN, OTHER].into(), "{mode}");
        // `drover apply` reads the list there.
        let listed = &stack.section("Outputs")["RelayedStreamArns"];
        assert_eq!(listed["Value"], both, "{mode}");
        assert_eq!(listed["Condition"], "RelayedTenantStreams", "{mode}");
        for one in own {
            let mut same: Map<String, Value> = shared.as_object().expect("properties").clone();
            same.insert("EventSourceArn".to_owned(), one["EventSourceArn"].clone());
            assert_eq!(one, Value::Object(same), "{mode}");
        }
    }
}

#[test]
fn the_queue_of_discarded_batches_keeps_14_days_encrypted_and_survives_the_relay() {
    const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/state";
    let mut queue = with_queue().resources().remove("RelayFailed").expect("a queue");
    let expected =
        json!({"MessageRetentionPeriod": 14 * 24 * 60 * 60, "SqsManagedSseEnabled": true});
    assert_eq!(queue["Properties"].take(), expected);
    for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
        assert_eq!(queue[policy], "Retain", "{policy}");
    }
    let keyed = stack(&[("FeedsQueueArn", QUEUE), ("KeyArn", KEY)]);
    let keyed = properties(&keyed, "RelayFailed");
    assert_eq!(
        (&keyed["KmsMasterKeyId"], &keyed["SqsManagedSseEnabled"]),
        (&json!(KEY), &json!(null))
    );
    let policy = properties(&with_queue(), "RelayFailedPolicy");
    assert_eq!(policy["Queues"], json!(["${RelayFailed}"]));
    let denied = json!([{
        "Sid": "OnlyWithTls", "Effect": "Deny", "Principal": "*", "Action": "sqs:*",
        "Resource": "${RelayFailed.Arn}", "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }]);
    assert_eq!(policy["PolicyDocument"]["Statement"], denied);
}

/// The topics that the relay's policy for a prefix allows to write.
fn written(stack: &Stack, policy: &str) -> BTreeSet<String> {
    let policy = properties(stack, policy);
    let resources = policy["PolicyDocument"]["Statement"][0]["Resource"].clone();
    let topics = resources.as_array().into_iter().flatten().filter_map(Value::as_str);
    topics.filter_map(|arn| Some(arn.rsplit_once('/')?.1.to_owned())).collect()
}

#[test]
fn with_iam_the_relay_writes_exactly_the_topics_of_the_feeds_of_each_prefix() {
    let prefixes = [(Feeds::SHARED_PREFIX, "Feedingdrover"), ("plant-7", "Feedingplant7")];
    let given = [("StreamMode", "msk-iam"), ("FeedPrefixes", "drover,plant-7")];
    for (prefix, policy) in prefixes {
        let topics = Feed::ALL.map(|feed| format!("{prefix}.{}", feed.as_str()));
        assert_eq!(written(&stack(&given), policy), topics.into(), "{prefix}");
    }
    let default = &stack(&[]).section("Parameters")["FeedPrefixes"]["Default"];
    assert_eq!(*default, Feeds::SHARED_PREFIX);
}

#[test]
fn the_readme_creates_every_topic_and_compacts_those_of_which_the_last_record_counts() {
    let readme = include_str!("../../infra/README.md").lines();
    let loops = readme.filter_map(|line| line.trim().strip_prefix("for feed in ")?.split_once(';'));
    let mut created = BTreeSet::new();
    for (feeds, command) in loops {
        let is_compacted = command.contains("cleanup.policy=compact");
        created.extend(feeds.split(' ').map(|feed| (feed, is_compacted)));
    }
    let expected = Feed::ALL.map(|feed| (feed.as_str(), feed.is_compacted()));
    assert_eq!(created, expected.into());
}

#[test]
fn each_minute_a_schedule_has_the_relay_sweep_once_as_on_the_host() {
    let host = include_str!("../../local/src/setup/schedule.rs");
    assert!(host.contains("const EVERY: Duration = Duration::from_secs(60);"));
    let (_, sweep) = host.split_once("const SWEEP: &[u8] = br#\"").expect("the constant");
    let (sweep, _) = sweep.split_once("\"#;").expect("its end");
    for stack in with_relay() {
        let rule = properties(&stack, "Sweep");
        assert_eq!(rule["ScheduleExpression"], "rate(1 minute)");
        let target = json!([{
            "Id": "relay", "Arn": "${Relay.Arn}", "Input": sweep,
            "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
        }]);
        assert_eq!(rule["Targets"], target);
        let caller = json!({
            "FunctionName": "${Relay.Arn}", "Action": "lambda:InvokeFunction",
            "Principal": "events.amazonaws.com", "SourceArn": "${Sweep.Arn}",
        });
        assert_eq!(properties(&stack, "SweepCaller"), caller);
        // Otherwise sweeps that Lambda throttles would pile up for six hours.
        let retries = json!({
            "FunctionName": "${Relay}", "Qualifier": "$LATEST",
            "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60,
        });
        assert_eq!(properties(&stack, "SweepRetries"), retries);
    }
}
