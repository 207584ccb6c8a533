//! `template.yaml` agrees with the code that it deploys and with the other stacks: variables,
//! routes, event source mappings, timeouts. `permissions` checks the permissions, `template_relay` the
//! relay, `template_notify` the notify function.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "test helpers fail like tests")]

use std::collections::{BTreeMap, BTreeSet};

use drover_core::intake::record::TopicRetention;
use drover_tests::cloudformation::{Stack, load};
use serde_json::{Value, json};

const STREAMS: [&str; 5] = ["direct", "msk-iam", "msk-scram", "self-managed", "self-managed-plain"];
/// Variables for functions outside the template, or for overriding a default.
const NOT_SET: [&str; 3] =
    ["DROVER_CACHE_BYTES", "DROVER_KAFKA_USER", "DROVER_KAFKA_PASSWORD_FILE"];

fn stack(given: &[(&str, &str)]) -> Stack {
    Stack::new(&load("template.yaml").expect("the template"), given)
}

fn in_mode(mode: &str) -> Stack {
    stack(&[
        ("StreamMode", mode),
        ("Topics", "drover.events,telemetry,learner.events"),
        ("BootstrapServers", "b-1:9096,b-2:9096"),
        ("SubnetIds", "subnet-1,subnet-2"),
        ("SecurityGroupId", "sg-1"),
    ])
}

fn number(value: &Value) -> i64 {
    value.as_i64().expect("a number")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// The variables in the table of `infra/README.md`, which another test compares with the code.
fn variables() -> BTreeSet<String> {
    let text = include_str!("../../infra/README.md").lines();
    let rows = text.filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(name, _)| name.to_owned()).filter(|name| name.starts_with("DROVER_")).collect()
}

/// `sam build` takes the name of an output for a parameter of the same name, and fails where that is a list.
#[test]
fn no_output_has_the_name_of_a_parameter() {
    for file in ["template.yaml", "infra/state.yaml"] {
        let template = load(file).expect("a template");
        let names = |section: &str| -> BTreeSet<String> {
            let members = template[section].as_object().into_iter().flatten();
            members.map(|(name, _)| name.clone()).collect()
        };
        let (parameters, outputs) = (names("Parameters"), names("Outputs"));
        assert!(!outputs.is_empty(), "{file}");
        let both: Vec<_> = parameters.intersection(&outputs).collect();
        assert!(both.is_empty(), "{file}: {both:?}");
    }
}

#[test]
fn exactly_the_variables_that_a_function_reads_are_set() {
    let stack = in_mode("msk-iam");
    let globals = &stack.section("Globals")["Function"]["Environment"]["Variables"];
    let mut set: BTreeSet<String> =
        globals.as_object().expect("variables").keys().cloned().collect();
    for function in stack.of_type("AWS::Serverless::Function").values() {
        let own = function["Properties"]["Environment"]["Variables"].as_object();
        set.extend(own.into_iter().flatten().map(|(name, _)| name.clone()));
    }
    let mut read = variables();
    assert!(read.len() > 15, "{read:?}");
    read.retain(|name| !NOT_SET.contains(&name.as_str()));
    assert_eq!(set, read);
}

/// The environment of a function. Imports become texts that a variable of that name accepts.
fn environment(stack: &Stack, function: &str) -> BTreeMap<String, String> {
    let globals = stack.section("Globals")["Function"]["Environment"]["Variables"].clone();
    let functions = stack.of_type("AWS::Serverless::Function");
    let own = functions[function]["Properties"]["Environment"]["Variables"].clone();
    let all = [globals, own];
    let all = all.iter().flat_map(|variables| variables.as_object().into_iter().flatten());
    let is_imported_url =
        |name: &str, value| name.ends_with("_URL") && text(value).starts_with('<');
    let all = all.map(|(name, value)| match is_imported_url(name, value) {
        true => (name.clone(), "https://sqs.example/1/queue".to_owned()),
        false => (name.clone(), text(value).to_owned()),
    });
    all.collect()
}

#[test]
fn in_every_form_each_function_accepts_its_environment() {
    let secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:AmazonMSK_app-1";
    const TARGETS: [(&str, &str); 4] = [
        ("Alerts", "true"),
        ("FeedsQueueArn", "arn:aws:sqs:eu-central-1:111122223333:feeds.fifo"),
        ("FeedsTopicArn", "arn:aws:sns:eu-central-1:111122223333:feeds"),
        ("FeedsBusArn", "arn:aws:events:eu-central-1:111122223333:event-bus/feeds"),
    ];
    let forms = STREAMS.iter().flat_map(|mode| [(mode, "key"), (mode, "jwt")]);
    for ((mode, auth), (target, arn)) in forms.flat_map(|form| TARGETS.map(|one| (form, one))) {
        // As after a change of form: settings of the other forms are still given.
        let stack = stack(&[
            ("StreamMode", mode),
            ("AuthMode", auth),
            ("BootstrapServers", "b-1:9096,b-2:9096"),
            ("KafkaSecretArn", secret),
            ("ClusterArn", "arn:aws:kafka:eu-central-1:111122223333:cluster/events/id-1"),
            ("MetricsTenants", "acme,demo"),
            ("CorsOrigins", "https://app.example"),
            ("WebhookOrigins", "eventgrid.azure.net,events.example.com"),
            ("NotifyPrivateHosts", "alertmanager.internal,10.0.0.7"),
            (target, if *mode == "direct" || target == "Alerts" { arn } else { "" }),
        ]);
        let variables = |function| {
            let environment = environment(&stack, function);
            move |name: &str| environment.get(name).cloned()
        };
        let faults = [
            drover_ingest::config::Config::read(variables("Ingest")).err(),
            drover_processor::config::Config::read(variables("Processor")).err(),
            drover_query::config::Config::read(variables("Query")).err(),
            drover_replay::config::Config::read(variables("Replay")).err(),
            drover_relay::config::Config::read(variables("Relay")).err(),
            drover_notify::config::Config::read(variables("Notify")).err(),
        ];
        assert_eq!(faults, [const { None }; 6], "{mode} {auth}");
    }
}

#[test]
fn no_variable_contains_a_secret() {
    for mode in STREAMS {
        let globals = in_mode(mode).section("Globals");
        for (name, value) in
            globals["Function"]["Environment"]["Variables"].as_object().expect("all")
        {
            let secret = ["PASSWORD", "TOKEN", "KEY"].iter().any(|word| name.contains(word));
            assert!(!secret, "{name} {value}");
        }
    }
}

/// The mappings of topics.
fn of_topics(stack: &Stack) -> Vec<Value> {
    let mappings = stack.of_type("AWS::Lambda::EventSourceMapping").into_values();
    mappings.map(|one| one["Properties"].clone()).filter(|one| !one["Topics"].is_null()).collect()
}

/// Otherwise the breaker, which fails the function, would turn a whole stream into letters or have
/// it discarded: a bisected batch soon has too few records to open it.
#[test]
fn a_batch_that_the_breaker_stops_is_retried_whole_for_longer_than_the_breaker_is_open() {
    const MOST_RETRIES: i64 = 10_000;
    const BREAKER_SECONDS: i64 = 15 * 60;
    for mode in STREAMS.into_iter().skip(1) {
        for one in of_topics(&in_mode(mode)) {
            assert_eq!(one["BisectBatchOnFunctionError"], false, "{mode}");
            assert!(number(&one["BatchSize"]) >= 20, "the breaker opens at this number");
            assert_eq!(number(&one["MaximumRetryAttempts"]), MOST_RETRIES);
            assert!(number(&one["MaximumRecordAgeInSeconds"]) > BREAKER_SECONDS);
        }
    }
    let least = in_mode("msk-iam").section("Parameters")["MaximumRecordAge"]["MinValue"].clone();
    assert!(number(&least) > BREAKER_SECONDS);
}

/// A setting of the broker, from the text of its properties.
fn broker_setting(name: &str) -> i64 {
    let streaming = load("infra/streaming.yaml").expect("the template");
    let properties =
        streaming["Resources"]["Configuration"]["Properties"]["ServerProperties"].to_string();
    let (_, rest) = properties.split_once(&format!("{name}=")).expect("the setting");
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

/// Lambda reports the offsets of discarded records, and a replay reads the records there.
#[test]
fn records_that_lambda_discards_by_age_stay_in_the_topic_for_the_same_time_again() {
    let retention_seconds = broker_setting("log.retention.hours") * 60 * 60;
    let age = in_mode("msk-iam").section("Parameters")["MaximumRecordAge"].clone();
    for name in ["Default", "MaxValue"] {
        assert!(2 * number(&age[name]) <= retention_seconds, "{name}: {}", age[name]);
    }
    for mode in STREAMS.into_iter().skip(1) {
        for one in of_topics(&in_mode(mode)) {
            assert_eq!(one["MaximumRecordAgeInSeconds"], age["Default"], "{mode}");
        }
    }
}

/// A buffered record becomes a letter before SQS moves it away, and long before SQS deletes it.
#[test]
fn a_buffered_record_becomes_a_letter_before_its_message_is_moved_or_deleted() {
    const DAY: i64 = 24 * 60 * 60;
    let state = load("infra/state.yaml").expect("the template");
    let buffer = &state["Resources"]["Buffer"]["Properties"];
    assert_eq!(buffer["VisibilityTimeout"], json!({"Ref": "VisibilityTimeout"}));
    let shortest = number(&state["Parameters"]["VisibilityTimeout"]["MinValue"]);
    let receives = number(&buffer["RedrivePolicy"]["maxReceiveCount"]);
    let retention = number(&buffer["MessageRetentionPeriod"]);
    let filed_from = drover_replay::limits::BUFFERED_SECONDS;
    assert!(filed_from < 10 * DAY, "design: filed before it is ten days old");
    assert!(filed_from + DAY <= receives * shortest, "one day is left for filing");
    assert!(filed_from + 4 * DAY <= retention);
    let replay = stack(&[]).of_type("AWS::Serverless::Function")["Replay"].clone();
    assert!(number(&replay["Properties"]["Timeout"]) <= shortest, "Lambda requires that");
}

#[test]
fn every_topic_has_its_mapping_and_without_kafka_there_is_none() {
    assert_eq!(of_topics(&in_mode("direct")), Vec::<Value>::new());
    for mode in STREAMS.into_iter().skip(1) {
        let mappings = of_topics(&in_mode(mode));
        let topics: BTreeSet<&str> = mappings.iter().map(|one| text(&one["Topics"][0])).collect();
        assert_eq!(topics, ["drover.events", "learner.events", "telemetry"].into(), "{mode}");
        for one in mappings {
            assert_eq!(one["FunctionName"], "${Processor}");
            assert_eq!(one["Topics"].as_array().map(Vec::len), Some(1));
            assert_eq!(one["StartingPosition"], "TRIM_HORIZON");
            assert_eq!(one["ProvisionedPollerConfig"]["PollerGroupName"], "drover");
            assert_eq!(
                one["MetricsConfig"]["Metrics"],
                json!(["EventCount", "ErrorCount", "KafkaMetrics"])
            );
            let failed = &one["DestinationConfig"]["OnFailure"]["Destination"];
            assert_eq!(*failed, "<drover-state-DeadLetterQueueArn>");
            let (own, managed) = (
                &one["SelfManagedKafkaEventSourceConfig"],
                &one["AmazonManagedKafkaEventSourceConfig"],
            );
            let is_self_managed = mode.starts_with("self-managed");
            let (used, other) = if is_self_managed { (own, managed) } else { (managed, own) };
            assert_eq!(used["ConsumerGroupId"], format!("drover-{}", text(&one["Topics"][0])));
            assert!(other.is_null());
            let access = one["SourceAccessConfigurations"].as_array();
            let kinds = access.into_iter().flatten().map(|access| text(&access["Type"]));
            let network = ["VPC_SUBNET", "VPC_SUBNET", "VPC_SECURITY_GROUP"];
            let expected = match mode {
                "msk-iam" => Vec::new(),
                "msk-scram" => vec!["SASL_SCRAM_512_AUTH"],
                "self-managed" => [&["SASL_SCRAM_512_AUTH"], &network[..]].concat(),
                _ => [&["BASIC_AUTH"], &network[..]].concat(),
            };
            assert_eq!(kinds.collect::<Vec<_>>(), expected, "{mode}");
        }
    }
}

/// Otherwise timestamps of records that a topic still holds would count as implausible.
#[test]
fn functions_accept_the_timestamps_of_every_record_in_our_cluster() {
    let template = load("template.yaml").expect("the template");
    let hours = number(&template["Parameters"]["TopicRetentionHours"]["Default"]);
    let streaming = load("infra/streaming.yaml").expect("a template");
    let properties = &streaming["Resources"]["Configuration"]["Properties"]["ServerProperties"];
    let kept = format!("log.retention.hours={hours}\n");
    assert!(text(&properties["Fn::Sub"][0]).contains(&kept), "{properties}");
    // The default of the functions and of the local host.
    assert_eq!(
        TopicRetention::of_hours(hours.try_into().expect("hours")),
        Ok(TopicRetention::WEEK)
    );
}

#[test]
fn every_mapping_requests_partial_responses() {
    for mode in STREAMS {
        let mappings = in_mode(mode).of_type("AWS::Lambda::EventSourceMapping");
        assert!(mappings.len() >= 2);
        for (name, mapping) in mappings {
            let response = &mapping["Properties"]["FunctionResponseTypes"];
            assert_eq!(*response, json!(["ReportBatchItemFailures"]), "{name}");
        }
    }
}

#[test]
fn no_function_runs_longer_than_its_caller_waits() {
    let stack = stack(&[]);
    let functions = stack.of_type("AWS::Serverless::Function");
    let globals = number(&stack.section("Globals")["Function"]["Timeout"]);
    let timeout = |name: &str| functions[name]["Properties"]["Timeout"].as_i64().unwrap_or(globals);
    assert!(timeout("Ingest") < 30 && timeout("Query") < 30, "an HTTP API waits 30 s");
    assert!(timeout("Processor") <= 840, "Kafka's mappings allow 14 minutes");
    let state = load("infra/state.yaml").expect("the state stack");
    let visible = number(&state["Parameters"]["VisibilityTimeout"]["Default"]);
    assert!(timeout("Replay") <= visible, "as Lambda requires");
}

/// Routes of the gateway: method and path to the function, and whether a token is required.
fn routes() -> BTreeMap<String, (String, bool)> {
    let queue = "arn:aws:sqs:eu-central-1:111122223333:feeds";
    let stack = stack(&[("AuthMode", "jwt"), ("FeedsQueueArn", queue)]);
    let routes = stack.of_type("AWS::ApiGatewayV2::Route").into_values();
    let routes = routes.map(|route| {
        let properties = &route["Properties"];
        let target = text(&properties["Target"]);
        let function =
            target.trim_start_matches("integrations/${").trim_end_matches("Integration}");
        let token = properties["AuthorizationType"] == "JWT";
        assert_eq!(token, properties["AuthorizerId"] == "${Authorizer}");
        (text(&properties["RouteKey"]).to_owned(), (function.to_owned(), token))
    });
    routes.collect()
}

/// The target of a request in API Gateway: the most specific route, else `$default`.
fn sent<'a>(
    routes: &'a BTreeMap<String, (String, bool)>,
    method: &str,
    path: &str,
) -> &'a (String, bool) {
    let fits = |pattern: &str, path: &str| match pattern.split_once("{proxy+}") {
        Some((start, _)) => path.len() > start.len() && path.starts_with(start),
        None => {
            let (pattern, path): (Vec<_>, Vec<_>) =
                (pattern.split('/').collect(), path.split('/').collect());
            let same = |(one, other): (&&str, &&str)| one == other || one.starts_with('{');
            pattern.len() == path.len() && pattern.iter().zip(&path).all(same)
        }
    };
    let greedy = |route: &str| route.contains("{proxy+}");
    let fitting = routes.iter().filter(|(route, _)| {
        let Some((verb, pattern)) = route.split_once(' ') else { return false };
        (verb == method || verb == "ANY") && fits(pattern, path)
    });
    let best = fitting.min_by_key(|(route, _)| (greedy(route), route.starts_with("ANY")));
    best.map_or_else(|| &routes["$default"], |(_, target)| target)
}

#[test]
fn every_operation_of_the_document_reaches_the_function_that_serves_it() {
    let routes = routes();
    let documents = [
        ("Ingest", serde_json::to_value(drover_ingest::openapi())),
        ("Query", serde_json::to_value(drover_query::openapi())),
        ("Replay", serde_json::to_value(drover_replay::openapi())),
    ];
    let mut operations = 0;
    for (function, document) in documents {
        let document = document.expect("JSON");
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                let method = method.to_uppercase();
                let keyed = operation["security"].is_array();
                let expected = (function.to_owned(), keyed);
                assert_eq!(*sent(&routes, &method, path), expected, "{method} {path}");
                operations += 1;
            }
        }
    }
    assert!(operations > 20, "{operations}");
}

#[test]
fn aliases_have_the_same_authorization_and_preflight_requests_are_allowed() {
    let routes = routes();
    let open = ("Query".to_owned(), false);
    for path in ["/healthz", "/healthcheck", "/ready", "/health/ready", "/api/v1/health"] {
        assert_eq!(*sent(&routes, "GET", path), open, "{path}");
    }
    for path in ["/api/v1/dead-letters", "/api/v1/replays/r-1", "/collect"] {
        assert_eq!(*sent(&routes, "OPTIONS", path), open, "{path}");
    }
    // A sender asks without credentials whether its webhooks may subscribe.
    assert_eq!(*sent(&routes, "OPTIONS", "/api/v1/events"), ("Ingest".to_owned(), false));
}

#[test]
fn with_keys_the_gateway_requires_no_token() {
    let stack = stack(&[]);
    assert_eq!(stack.of_type("AWS::ApiGatewayV2::Authorizer").len(), 0);
    for route in stack.of_type("AWS::ApiGatewayV2::Route").values() {
        let authorization = route["Properties"]["AuthorizationType"].as_str();
        assert!(matches!(authorization, None | Some("NONE")), "{route}");
    }
}

#[test]
fn every_import_is_exported() {
    let state = load("infra/state.yaml").expect("the state stack");
    let exported: BTreeSet<String> =
        state["Outputs"].as_object().expect("outputs").keys().cloned().collect();
    let template = serde_json::to_string(&in_mode("msk-iam").resources()).expect("JSON");
    let imports: BTreeSet<&str> = template
        .split("<drover-state-")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('>')?.0))
        .collect();
    assert!(imports.len() > 5, "{imports:?}");
    for import in imports {
        assert!(exported.contains(import), "{import}");
    }
}
