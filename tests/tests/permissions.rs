//! What each function may do in each form of the deployment, exactly: the permissions of
//! `template.yaml`, each as an action and what it is allowed on. `<…>` is what the state stack
//! exports.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::BTreeSet;

use drover_tests::cloudformation::{Stack, load};
use serde_json::{Value, json};

const FUNCTIONS: [&str; 4] = ["Ingest", "Processor", "Query", "Replay"];
const CLUSTER: &str = "arn:aws:kafka:eu-central-1:111122223333:cluster/events/id-1";
const TOPIC: &str = "arn:aws:kafka:eu-central-1:111122223333:topic/events/id-1";
const GROUP: &str = "arn:aws:kafka:eu-central-1:111122223333:group/events/id-1";
const SECRET: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:AmazonMSK_app";
const SECRET_KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/secret";
const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/state";
const TOPICS: &str = "drover.events,telemetry";
/// Actions that AWS knows no resource for.
const ANYWHERE: [&str; 10] = [
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "cloudwatch:GetMetricData",
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ec2:DescribeSecurityGroups",
    "ec2:DeleteNetworkInterface",
    "*",
];

const WITHOUT_KAFKA: [(&str, &str); 0] = [];
const MSK_IAM: [(&str, &str); 5] = [
    ("StreamMode", "msk-iam"),
    ("Topics", TOPICS),
    ("ClusterArn", CLUSTER),
    ("SubnetIds", "subnet-1,subnet-2"),
    ("SecurityGroupId", "sg-1"),
];
const MSK_SCRAM: [(&str, &str); 5] = [
    ("StreamMode", "msk-scram"),
    ("Topics", TOPICS),
    ("ClusterArn", CLUSTER),
    ("KafkaSecretArn", SECRET),
    ("KafkaKeyArn", SECRET_KEY),
];
const SELF_MANAGED: [(&str, &str); 4] = [
    ("StreamMode", "self-managed"),
    ("Topics", TOPICS),
    ("BootstrapServers", "b-1:9096,b-2:9096"),
    ("KafkaSecretArn", SECRET),
];
/// What may be switched on in each form.
const EVERYTHING: [(&str, &str); 4] = [
    ("Tracing", "Active"),
    ("KeyArn", KEY),
    ("TenantTablePrefix", "drover-own-"),
    ("MetricsTenants", "acme"),
];

type Granted = BTreeSet<(String, String)>;

fn template() -> Value {
    load("template.yaml").expect("the template")
}

/// What the role of a function allows, by its own policies and those that name it.
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
                    assert!(new, "said twice: {action} {resource}");
                }
            }
        }
    }
    granted
}

fn list(node: &Value) -> Vec<Value> {
    node.as_array().cloned().unwrap_or_else(|| vec![node.clone()])
}

fn text(node: &Value) -> String {
    node.as_str().expect("a text").to_owned()
}

/// Lines of an action, or several with commas, and a resource, or several.
fn expected(lines: &[(&str, &[&str])]) -> Granted {
    let each = lines.iter().flat_map(|(actions, resources)| {
        let actions = actions.split(' ');
        actions.flat_map(move |action| {
            resources.iter().map(move |one| (action.to_owned(), (*one).to_owned()))
        })
    });
    each.collect()
}

/// What a function may do in one form of the deployment.
struct Expectation {
    given: Vec<(&'static str, &'static str)>,
    function: &'static str,
    granted: Granted,
}

fn expect(
    given: &[(&'static str, &'static str)],
    function: &'static str,
    lines: &[(&str, &[&str])],
) -> Expectation {
    Expectation { given: given.to_vec(), function, granted: expected(lines) }
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

const LOG: &str = "logs:CreateLogStream logs:PutLogEvents";
const WRITE: &str = "dynamodb:GetItem dynamodb:Query dynamodb:PutItem";
const READ: &str = "dynamodb:GetItem dynamodb:Query";
const REGISTRY: &[&str] = &["<drover-state-RegistryTableArn>"];
const LEDGER: &[&str] = &["<drover-state-LedgerTableArn>"];
const ACTIVITY: &[&str] = &["<drover-state-LedgerTableArn>/index/activity"];
const REQUESTS: &[&str] = &["<drover-state-RequestsTableArn>"];
const LETTERS: &[&str] = &["<drover-state-LettersTableArn>"];
const QUEUES: &[&str] = &["<drover-state-DeadLetterQueueArn>", "<drover-state-BufferQueueArn>"];
const FILE: &str = "dynamodb:GetItem dynamodb:BatchGetItem dynamodb:Query dynamodb:PutItem \
    dynamodb:BatchWriteItem dynamodb:DeleteItem";
const TAKE: &str = "sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes sqs:SendMessage";
const INTERFACES: &str = "ec2:CreateNetworkInterface ec2:DescribeNetworkInterfaces \
    ec2:DescribeSubnets ec2:DeleteNetworkInterface";
const POLLERS: &str = "ec2:CreateNetworkInterface ec2:DescribeNetworkInterfaces \
    ec2:DescribeSubnets ec2:DeleteNetworkInterface ec2:DescribeVpcs ec2:DescribeSecurityGroups";
const CLUSTER_FACTS: &str =
    "kafka:DescribeCluster kafka:DescribeClusterV2 kafka:GetBootstrapBrokers";
const READ_TOPIC: &str = "kafka-cluster:DescribeTopic kafka-cluster:ReadData";
const BOTH_TOPICS: &[&str] = &[
    "arn:aws:kafka:eu-central-1:111122223333:topic/events/id-1/drover.events",
    "arn:aws:kafka:eu-central-1:111122223333:topic/events/id-1/telemetry",
];
const BOTH_GROUPS: &[&str] = &[
    "arn:aws:kafka:eu-central-1:111122223333:group/events/id-1/drover-drover.events",
    "arn:aws:kafka:eu-central-1:111122223333:group/events/id-1/drover-telemetry",
];

fn with<'a>(
    always: &[(&'a str, &'a [&'a str])],
    more: &[(&'a str, &'a [&'a str])],
) -> Vec<(&'a str, &'a [&'a str])> {
    [always, more].concat()
}

const INGEST: [(&str, &[&str]); 4] = [
    (LOG, &["${IngestLogs.Arn}"]),
    ("dynamodb:GetItem", REGISTRY),
    ("dynamodb:PutItem", REQUESTS),
    ("sqs:SendMessage", QUEUES),
];
const PROCESSOR: [(&str, &[&str]); 4] = [
    (LOG, &["${ProcessorLogs.Arn}"]),
    ("dynamodb:GetItem", REGISTRY),
    (WRITE, LEDGER),
    ("sqs:SendMessage", QUEUES),
];
const QUERY: [(&str, &[&str]); 5] = [
    (LOG, &["${QueryLogs.Arn}"]),
    ("dynamodb:GetItem", REGISTRY),
    (READ, LEDGER),
    ("dynamodb:Query", ACTIVITY),
    ("sqs:GetQueueAttributes", QUEUES),
];
const REPLAY: [(&str, &[&str]); 5] = [
    (LOG, &["${ReplayLogs.Arn}"]),
    ("dynamodb:GetItem", REGISTRY),
    (WRITE, LEDGER),
    (FILE, LETTERS),
    (TAKE, QUEUES),
];

fn without_kafka() -> Vec<Expectation> {
    vec![
        expect(&WITHOUT_KAFKA, "Ingest", &with(&INGEST, &[(WRITE, LEDGER)])),
        expect(&WITHOUT_KAFKA, "Processor", &PROCESSOR),
        expect(&WITHOUT_KAFKA, "Query", &QUERY),
        expect(&WITHOUT_KAFKA, "Replay", &REPLAY),
    ]
}

#[test]
fn without_kafka_ingest_commits_to_the_ledger_and_nobody_knows_a_cluster() {
    check(&without_kafka());
}

fn with_msk_and_iam() -> Vec<Expectation> {
    const EVENTS: &[&str] =
        &["arn:aws:kafka:eu-central-1:111122223333:topic/events/id-1/drover.events"];
    assert!(BOTH_TOPICS[0].starts_with(TOPIC) && BOTH_GROUPS[0].starts_with(GROUP));
    vec![
        expect(
            &MSK_IAM,
            "Ingest",
            &with(
                &INGEST,
                &[
                    ("kafka-cluster:Connect kafka-cluster:WriteDataIdempotently", &[CLUSTER]),
                    ("kafka-cluster:DescribeTopic kafka-cluster:WriteData", EVENTS),
                    (INTERFACES, &["*"]),
                ],
            ),
        ),
        expect(
            &MSK_IAM,
            "Processor",
            &with(
                &PROCESSOR,
                &[
                    (
                        "kafka-cluster:Connect kafka-cluster:DescribeClusterDynamicConfiguration",
                        &[CLUSTER],
                    ),
                    (CLUSTER_FACTS, &[CLUSTER]),
                    (READ_TOPIC, BOTH_TOPICS),
                    ("kafka-cluster:DescribeGroup kafka-cluster:AlterGroup", BOTH_GROUPS),
                    (POLLERS, &["*"]),
                ],
            ),
        ),
        expect(&MSK_IAM, "Query", &QUERY),
        expect(
            &MSK_IAM,
            "Replay",
            &with(
                &REPLAY,
                &[
                    ("kafka-cluster:Connect", &[CLUSTER]),
                    (READ_TOPIC, BOTH_TOPICS),
                    (INTERFACES, &["*"]),
                ],
            ),
        ),
    ]
}

#[test]
fn with_msk_and_iam_each_connects_and_touches_its_own_topics_and_groups() {
    check(&with_msk_and_iam());
}

fn with_msk_and_a_password() -> Vec<Expectation> {
    let secret: [(&str, &[&str]); 2] =
        [("secretsmanager:GetSecretValue", &[SECRET]), ("kms:Decrypt", &[SECRET_KEY])];
    vec![
        expect(&MSK_SCRAM, "Ingest", &with(&INGEST, &secret)),
        expect(
            &MSK_SCRAM,
            "Processor",
            &with(
                &PROCESSOR,
                &with(
                    &secret,
                    &[
                        (CLUSTER_FACTS, &[CLUSTER]),
                        ("kafka:ListScramSecrets", &[CLUSTER]),
                        (POLLERS, &["*"]),
                    ],
                ),
            ),
        ),
        expect(&MSK_SCRAM, "Query", &QUERY),
        expect(&MSK_SCRAM, "Replay", &with(&REPLAY, &secret)),
    ]
}

#[test]
fn with_msk_and_a_password_each_reads_the_one_secret() {
    check(&with_msk_and_a_password());
}

fn with_a_cluster_of_ones_own() -> Vec<Expectation> {
    let secret: [(&str, &[&str]); 1] = [("secretsmanager:GetSecretValue", &[SECRET])];
    vec![
        expect(&SELF_MANAGED, "Ingest", &with(&INGEST, &secret)),
        expect(&SELF_MANAGED, "Processor", &with(&PROCESSOR, &with(&secret, &[(POLLERS, &["*"])]))),
        expect(&SELF_MANAGED, "Query", &QUERY),
        expect(&SELF_MANAGED, "Replay", &with(&REPLAY, &secret)),
    ]
}

#[test]
fn a_cluster_of_ones_own_is_reached_with_the_secret_alone() {
    check(&with_a_cluster_of_ones_own());
}

fn with_everything_switched_on() -> Vec<Expectation> {
    const OWN: &[&str] = &["arn:aws:dynamodb:eu-central-1:111122223333:table/drover-own-*"];
    let all: [(&str, &[&str]); 2] = [
        ("xray:PutTraceSegments xray:PutTelemetryRecords", &["*"]),
        ("kms:Decrypt kms:GenerateDataKey", &[KEY]),
    ];
    let (write, read) = ((WRITE, OWN), (READ, OWN));
    let numbers: (&str, &[&str]) = ("cloudwatch:GetMetricData", &["*"]);
    let ingest = with(&INGEST, &[(WRITE, LEDGER), write]);
    vec![
        expect(&EVERYTHING, "Ingest", &with(&ingest, &all)),
        expect(&EVERYTHING, "Processor", &with(&PROCESSOR, &with(&all, &[write]))),
        expect(&EVERYTHING, "Query", &with(&QUERY, &with(&all, &[read, numbers]))),
        expect(&EVERYTHING, "Replay", &with(&REPLAY, &with(&all, &[write]))),
    ]
}

#[test]
fn what_can_be_switched_on_adds_its_own_permissions_and_no_others() {
    check(&with_everything_switched_on());
}

/// Every form of the deployment, with everything switched on.
fn forms() -> Vec<Vec<(&'static str, &'static str)>> {
    let forms: [&[(&str, &str)]; 4] = [&WITHOUT_KAFKA, &MSK_IAM, &MSK_SCRAM, &SELF_MANAGED];
    forms.iter().map(|form| [form, EVERYTHING.as_slice()].concat()).collect()
}

#[test]
fn no_action_has_a_star_and_a_resource_is_one_only_where_aws_knows_no_other() {
    for form in forms() {
        let stack = Stack::new(&template(), &form);
        for function in FUNCTIONS {
            for (action, resource) in granted(&stack, function) {
                assert!(!action.contains('*'), "{action}");
                assert!(resource != "*" || ANYWHERE.contains(&action.as_str()), "{action}");
            }
        }
    }
}

#[test]
fn query_never_writes() {
    for form in forms() {
        for (action, _) in granted(&Stack::new(&template(), &form), "Query") {
            let reads = ["Get", "Query", "Create", "Put", "Decrypt", "GenerateDataKey"];
            let (service, verb) = action.split_once(':').expect("an action");
            assert!(reads.iter().any(|one| verb.starts_with(one)), "{action}");
            let writes = verb.starts_with("Put") || verb.starts_with("Create");
            assert!(!writes || ["logs", "xray"].contains(&service), "{action}");
        }
    }
}

#[test]
fn only_lambda_takes_a_role_and_nothing_lets_sam_add_a_permission() {
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
        assert_eq!(functions.len(), FUNCTIONS.len());
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

/// Takes one statement after the other out of the template.
#[test]
fn every_statement_of_the_template_is_held_by_a_test_above() {
    let whole = template();
    let forms = [
        without_kafka(),
        with_msk_and_iam(),
        with_msk_and_a_password(),
        with_a_cluster_of_ones_own(),
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
            assert!(!unmissed, "nothing misses {pointer}/{index}");
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried}");
}

/// Where the lists of statements are that allow something to a function.
fn statements(node: &Value, at: String) -> Vec<String> {
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
