//! The exact permissions of each function in each form of the deployment: `template.yaml` compared
//! with `expected`.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "test helpers fail like tests")]

use std::collections::BTreeSet;

use drover_tests::cloudformation::{Stack, load};
use serde_json::{Value, json};

mod expected;

use expected::{
    EVERYTHING, EVERYTHING_WITH_RELAY, Expectation, Granted, MSK_IAM, MSK_IAM_WITH_GLUE, MSK_SCRAM,
    SELF_MANAGED, SELF_MANAGED_PLAIN, SELF_MANAGED_WITH_CONFLUENT, WITH_A_BUS, WITH_A_QUEUE,
    WITH_A_TOPIC, WITH_NOTIFICATIONS, WITHOUT_KAFKA, with_a_cluster_of_ones_own,
    with_a_schema_registry, with_a_target_of_feeds, with_everything_switched_on,
    with_msk_and_a_password, with_msk_and_iam, with_targets_of_notifications, without_kafka,
};

const WITHOUT_RELAY: [&str; 4] = ["Ingest", "Processor", "Query", "Replay"];
const WITH_RELAY: [&str; 6] = ["Ingest", "Notify", "Processor", "Query", "Relay", "Replay"];
/// Actions for which AWS supports no resource.
const ANYWHERE: [&str; 9] = [
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "cloudwatch:GetMetricData",
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ec2:DescribeSecurityGroups",
    "ec2:DeleteNetworkInterface",
];

fn template() -> Value {
    load("template.yaml").expect("the template")
}

/// The permissions of a function's role, from its own policies and from those attached to it.
fn granted(stack: &Stack, function: &str) -> Granted {
    let (roles, policies) = (stack.of_type("AWS::IAM::Role"), stack.of_type("AWS::IAM::Policy"));
    let role = format!("{function}Role");
    let own = roles[&role]["Properties"]["Policies"].as_array().expect("policies").iter();
    let named = policies.values().map(|policy| &policy["Properties"]);
    let named =
        named.filter(|policy| list(&policy["Roles"]).contains(&json!(format!("${{{role}}}"))));
    let mut granted = Granted::new();
    for policy in own.chain(named) {
        for statement in list(&policy["PolicyDocument"]["Statement"]) {
            assert_eq!(statement["Effect"], "Allow");
            for action in list(&statement["Action"]) {
                for resource in list(&statement["Resource"]) {
                    let new = granted.insert((text(&action), text(&resource)));
                    assert!(new, "granted twice: {action} {resource}");
                }
            }
        }
    }
    granted
}

/// The names of the functions.
fn functions(stack: &Stack) -> Vec<String> {
    stack.of_type("AWS::Serverless::Function").into_keys().collect()
}

fn list(node: &Value) -> Vec<Value> {
    node.as_array().cloned().unwrap_or_else(|| vec![node.clone()])
}

fn text(node: &Value) -> String {
    node.as_str().expect("a text").to_owned()
}

impl Expectation {
    fn holds(&self, template: &Value) -> bool {
        granted(&Stack::new(template, &self.given), self.function) == self.granted
    }
}

fn check(expectations: &[Expectation]) {
    let template = template();
    for Expectation { given, function, granted: expected } in expectations {
        let found = granted(&Stack::new(&template, given), function);
        let missing: Vec<_> = expected.difference(&found).collect();
        let more: Vec<_> = found.difference(expected).collect();
        assert!(
            missing.is_empty() && more.is_empty(),
            "{function}: missing {missing:#?}, more {more:#?}"
        );
    }
}

#[test]
fn without_kafka_ingest_commits_to_the_ledger_and_no_function_uses_a_cluster() {
    check(&without_kafka());
}

#[test]
fn the_relay_alone_sends_to_the_target_of_feeds() {
    check(&with_a_target_of_feeds());
}

#[test]
fn notify_alone_uses_the_secrets_topics_buses_and_keys_of_targets_and_the_network_for_them() {
    check(&with_targets_of_notifications());
}

#[test]
fn with_msk_and_iam_each_function_uses_its_own_topics_and_groups() {
    check(&with_msk_and_iam());
}

#[test]
fn with_msk_and_a_password_each_function_reads_the_secret() {
    check(&with_msk_and_a_password());
}

#[test]
fn a_self_managed_cluster_needs_only_the_secret() {
    check(&with_a_cluster_of_ones_own());
}

#[test]
fn with_a_schema_registry_the_processor_alone_reads_the_registry_or_its_secret() {
    check(&with_a_schema_registry());
}

#[test]
fn each_option_adds_only_its_own_permissions() {
    check(&with_everything_switched_on());
}

/// Every form of the deployment, with all options enabled.
fn forms() -> Vec<Vec<(&'static str, &'static str)>> {
    let with_relay: [&[(&str, &str)]; 10] = [
        &WITH_NOTIFICATIONS,
        &WITH_A_QUEUE,
        &WITH_A_TOPIC,
        &WITH_A_BUS,
        &MSK_IAM,
        &MSK_IAM_WITH_GLUE,
        &MSK_SCRAM,
        &SELF_MANAGED,
        &SELF_MANAGED_PLAIN,
        &SELF_MANAGED_WITH_CONFLUENT,
    ];
    let with_relay =
        with_relay.iter().map(|form| [form, &EVERYTHING[..], &EVERYTHING_WITH_RELAY].concat());
    let without_relay = [&WITHOUT_KAFKA[..], &EVERYTHING].concat();
    with_relay.chain([without_relay]).collect()
}

#[test]
fn no_action_has_a_wildcard_and_resources_have_one_only_if_aws_requires_it() {
    for form in forms() {
        let stack = Stack::new(&template(), &form);
        for function in functions(&stack) {
            for (action, resource) in granted(&stack, &function) {
                assert!(!action.contains('*'), "{action}");
                assert!(resource != "*" || ANYWHERE.contains(&action.as_str()), "{action}");
            }
        }
    }
}

/// Targets are named by documents that notify reads, so its role decides what a document can reach.
#[test]
fn notify_has_a_wildcard_only_for_traces_interfaces_and_tenants_own_tables() {
    const OWN: &str = ":table/drover-own-*";
    let mut wildcards = BTreeSet::new();
    for form in forms().iter().filter(|form| form.contains(&EVERYTHING_WITH_RELAY[0])) {
        let granted = granted(&Stack::new(&template(), form), "Notify").into_iter();
        wildcards.extend(granted.filter(|(_, resource)| resource.contains(['*', '?'])));
    }
    for (action, resource) in &wildcards {
        let is_own_table = action == "dynamodb:GetItem" && resource.ends_with(OWN);
        assert!(is_own_table || ANYWHERE.contains(&action.as_str()), "{action} {resource}");
    }
    let services: BTreeSet<&str> =
        wildcards.iter().filter_map(|(action, _)| Some(action.split_once(':')?.0)).collect();
    assert_eq!(services, ["dynamodb", "ec2", "xray"].into());
}

#[test]
fn notify_writes_to_no_ledger() {
    for form in forms().iter().filter(|form| form.contains(&EVERYTHING_WITH_RELAY[0])) {
        for (action, resource) in granted(&Stack::new(&template(), form), "Notify") {
            let is_other = !action.starts_with("dynamodb:") || resource.contains("OutputsTable");
            assert!(is_other || action == "dynamodb:GetItem", "{action} {resource}");
        }
    }
}

#[test]
fn query_never_writes() {
    for form in forms() {
        for (action, _) in granted(&Stack::new(&template(), &form), "Query") {
            let reads = ["Get", "BatchGet", "Query", "Create", "Put", "Decrypt", "GenerateDataKey"];
            let (service, verb) = action.split_once(':').expect("an action");
            assert!(reads.iter().any(|one| verb.starts_with(one)), "{action}");
            let writes = verb.starts_with("Put") || verb.starts_with("Create");
            assert!(!writes || ["logs", "xray"].contains(&service), "{action}");
        }
    }
}

#[test]
fn only_lambda_assumes_a_role_and_sam_adds_no_permission() {
    for form in forms() {
        let stack = Stack::new(&template(), &form);
        for role in stack.of_type("AWS::IAM::Role").values() {
            assert!(role["Properties"]["ManagedPolicyArns"].is_null());
            let trusts = &role["Properties"]["AssumeRolePolicyDocument"]["Statement"];
            let lambda = json!([{
                "Effect": "Allow", "Action": "sts:AssumeRole",
                "Principal": {"Service": "lambda.amazonaws.com"},
            }]);
            assert_eq!(*trusts, lambda);
        }
        let functions = stack.of_type("AWS::Serverless::Function");
        let names: Vec<&str> = functions.keys().map(String::as_str).collect();
        assert!(names == WITH_RELAY || names == WITHOUT_RELAY, "{names:?}");
        for (name, function) in functions {
            let properties = &function["Properties"];
            assert_eq!(properties["Role"], format!("${{{name}Role.Arn}}"));
            for adds in ["Policies", "Events", "Connectors", "DeadLetterQueue", "EventInvokeConfig"]
            {
                assert!(properties[adds].is_null(), "{name}: {adds}");
            }
        }
    }
}

/// Removes the statements of the template one after the other; a test must fail each time.
#[test]
fn every_statement_of_the_template_is_needed_by_a_test_above() {
    let whole = template();
    let forms = [
        without_kafka(),
        with_a_target_of_feeds(),
        with_targets_of_notifications(),
        with_msk_and_iam(),
        with_msk_and_a_password(),
        with_a_cluster_of_ones_own(),
        with_a_schema_registry(),
        with_everything_switched_on(),
    ];
    let mut tried = 0;
    for pointer in statements(&whole, String::new()) {
        let length = whole.pointer(&pointer).and_then(Value::as_array).expect("a list").len();
        for index in 0..length {
            let mut without = whole.clone();
            let statements = without.pointer_mut(&pointer).and_then(Value::as_array_mut);
            statements.expect("a list").remove(index);
            let unmissed = forms.iter().flatten().all(|one| one.holds(&without));
            assert!(!unmissed, "no test needs {pointer}/{index}");
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried}");
}

/// The paths of the lists of statements that allow something to a function.
fn statements(node: &Value, at: String) -> Vec<String> {
    // Policies of queues only deny; `template_relay` checks the one of the template.
    if node["Type"] == "AWS::SQS::QueuePolicy" {
        return Vec::new();
    }
    let children: Vec<(String, &Value)> = match node {
        Value::Object(fields) => {
            fields.iter().map(|(key, one)| (key.replace('/', "~1"), one)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, one)| (index.to_string(), one)).collect()
        }
        _ => Vec::new(),
    };
    let found = children.into_iter().flat_map(|(key, child)| {
        let path = format!("{at}/{key}");
        match (key.as_str(), child) {
            ("AssumeRolePolicyDocument", _) => Vec::new(),
            ("Statement", Value::Array(_)) => vec![path],
            _ => statements(child, path),
        }
    });
    found.collect()
}
