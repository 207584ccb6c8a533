//! The expected permissions: forms of the deployment, and the permissions of each function in each
//! form. `<…>` is an export of the state stack, `${…}` a resource of the template.

use std::collections::BTreeSet;

const CLUSTER: &str = "arn:aws:kafka:eu-central-1:111122223333:cluster/events/id-1";
const TOPIC: &str = "arn:aws:kafka:eu-central-1:111122223333:topic/events/id-1";
const GROUP: &str = "arn:aws:kafka:eu-central-1:111122223333:group/events/id-1";
const SECRET: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:AmazonMSK_app";
const SECRET_KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/secret";
const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/state";
const TOPICS: &str = "drover.events,telemetry";

pub(crate) const WITHOUT_KAFKA: [(&str, &str); 0] = [];
/// Feeds go to a queue, which has a key of its own.
pub(crate) const WITH_A_QUEUE: [(&str, &str); 2] =
    [("FeedsQueueArn", FEEDS_QUEUE), ("FeedsQueueKeyArn", FEEDS_KEY)];
const FEEDS_QUEUE: &str = "arn:aws:sqs:eu-central-1:111122223333:feeds.fifo";
/// Feeds go to a topic, which has a key of its own.
pub(crate) const WITH_A_TOPIC: [(&str, &str); 2] =
    [("FeedsTopicArn", FEEDS_TOPIC), ("FeedsTopicKeyArn", FEEDS_KEY)];
const FEEDS_TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:feeds.fifo";
/// Feeds go to a bus. Whatever key it has, EventBridge uses it and not who sends.
pub(crate) const WITH_A_BUS: [(&str, &str); 1] = [("FeedsBusArn", FEEDS_BUS)];
const FEEDS_BUS: &str = "arn:aws:events:eu-central-1:111122223333:event-bus/feeds";
const FEEDS_KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/feeds";
pub(crate) const MSK_IAM: [(&str, &str); 6] = [
    ("StreamMode", "msk-iam"),
    ("FeedPrefixes", "drover,plant-7"),
    ("Topics", TOPICS),
    ("ClusterArn", CLUSTER),
    ("SubnetIds", "subnet-1,subnet-2"),
    ("SecurityGroupId", "sg-1"),
];
pub(crate) const MSK_SCRAM: [(&str, &str); 5] = [
    ("StreamMode", "msk-scram"),
    ("Topics", TOPICS),
    ("ClusterArn", CLUSTER),
    ("KafkaSecretArn", SECRET),
    ("KafkaKeyArn", SECRET_KEY),
];
pub(crate) const SELF_MANAGED: [(&str, &str); 4] = [
    ("StreamMode", "self-managed"),
    ("Topics", TOPICS),
    ("BootstrapServers", "b-1:9096,b-2:9096"),
    ("KafkaSecretArn", SECRET),
];
pub(crate) const SELF_MANAGED_PLAIN: [(&str, &str); 4] = [
    ("StreamMode", "self-managed-plain"),
    ("Topics", TOPICS),
    ("BootstrapServers", "b-1:9096,b-2:9096"),
    ("KafkaSecretArn", SECRET),
];
/// Alerts without feeds, and targets that need permissions.
pub(crate) const WITH_NOTIFICATIONS: [(&str, &str); 8] = [
    ("Alerts", "true"),
    ("NotifySecretArns", BOTH_NOTIFY_SECRETS),
    ("NotifyTopicArns", NOTIFY_TOPIC),
    ("NotifyBusArns", NOTIFY_BUS),
    ("NotifyKeyArn", NOTIFY_KEY),
    ("NotifyInVpc", "true"),
    ("SubnetIds", "subnet-1,subnet-2"),
    ("SecurityGroupId", "sg-1"),
];
const BOTH_NOTIFY_SECRETS: &str = "\
    arn:aws:secretsmanager:eu-central-1:111122223333:secret:ops-AbCdEf,\
    arn:aws:secretsmanager:eu-central-1:111122223333:secret:drover/pager-GhIjKl";
const NOTIFY_SECRETS: &[&str] = &[
    "arn:aws:secretsmanager:eu-central-1:111122223333:secret:ops-AbCdEf",
    "arn:aws:secretsmanager:eu-central-1:111122223333:secret:drover/pager-GhIjKl",
];
const NOTIFY_TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:alerts";
const NOTIFY_BUS: &str = "arn:aws:events:eu-central-1:111122223333:event-bus/alerts";
const NOTIFY_KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/notify";
const GLUE_REGISTRY: &str = "arn:aws:glue:eu-central-1:111122223333:registry/plant";
const CONFLUENT_SECRET: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:registry";
const CONFLUENT_KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/registry";
pub(crate) const MSK_IAM_WITH_GLUE: [(&str, &str); 5] = [
    ("StreamMode", "msk-iam"),
    ("Topics", "drover.events"),
    ("DecodedTopics", "telemetry"),
    ("ClusterArn", CLUSTER),
    ("GlueRegistryArn", GLUE_REGISTRY),
];
pub(crate) const SELF_MANAGED_WITH_CONFLUENT: [(&str, &str); 8] = [
    ("StreamMode", "self-managed"),
    ("Topics", "drover.events"),
    ("DecodedTopics", "telemetry"),
    ("BootstrapServers", "b-1:9096,b-2:9096"),
    ("KafkaSecretArn", SECRET),
    ("ConfluentRegistryUrl", "https://registry.example.com"),
    ("ConfluentSecretArn", CONFLUENT_SECRET),
    ("ConfluentKeyArn", CONFLUENT_KEY),
];
/// The optional settings of each form.
pub(crate) const EVERYTHING: [(&str, &str); 4] = [
    ("Tracing", "Active"),
    ("KeyArn", KEY),
    ("TenantTablePrefix", "drover-own-"),
    ("MetricsTenants", "acme"),
];

const OWN_STREAM: &str =
    "arn:aws:dynamodb:eu-central-1:111122223333:table/drover-own-a/stream/2026-11-28T10:00:00.000";
/// The optional settings of a form with a relay.
pub(crate) const EVERYTHING_WITH_RELAY: [(&str, &str); 1] = [("TenantStreamArns", OWN_STREAM)];

/// Actions with their allowed resources.
pub(crate) type Granted = BTreeSet<(String, String)>;

/// The permissions of a function in one form of the deployment.
pub(crate) struct Expectation {
    pub(crate) given: Vec<(&'static str, &'static str)>,
    pub(crate) function: &'static str,
    pub(crate) granted: Granted,
}

fn expect(
    given: &[(&'static str, &'static str)],
    function: &'static str,
    lines: &[(&str, &[&str])],
) -> Expectation {
    Expectation { given: given.to_vec(), function, granted: expected(lines) }
}

/// Lines of an action, or several with blanks between, and a resource, or several.
fn expected(lines: &[(&str, &[&str])]) -> Granted {
    let each = lines.iter().flat_map(|(actions, resources)| {
        let actions = actions.split(' ');
        actions.flat_map(move |action| {
            resources.iter().map(move |one| (action.to_owned(), (*one).to_owned()))
        })
    });
    each.collect()
}

fn with<'a>(
    always: &[(&'a str, &'a [&'a str])],
    more: &[(&'a str, &'a [&'a str])],
) -> Vec<(&'a str, &'a [&'a str])> {
    [always, more].concat()
}

const LOG: &str = "logs:CreateLogStream logs:PutLogEvents";
const WRITE: &str = "dynamodb:GetItem dynamodb:BatchGetItem dynamodb:Query dynamodb:PutItem \
    dynamodb:PartiQLInsert dynamodb:PartiQLUpdate";
const READ: &str = "dynamodb:GetItem dynamodb:BatchGetItem dynamodb:Query";
const REGISTRY: &[&str] = &["<drover-state-RegistryTableArn>"];
const LEDGER: &[&str] = &["<drover-state-LedgerTableArn>"];
const ACTIVITY: &[&str] = &["<drover-state-LedgerTableArn>/index/activity"];
const REQUESTS: &[&str] = &["<drover-state-RequestsTableArn>"];
const LETTERS: &[&str] = &["<drover-state-LettersTableArn>"];
const OUTPUTS: &[&str] = &["<drover-state-OutputsTableArn>"];
const ALERTS: &[&str] = &[
    "<drover-state-OutputsTableArn>",
    "<drover-state-OutputsTableArn>/index/alerts",
    "<drover-state-OutputsTableArn>/index/open",
];
const READ_STREAM: &str = "dynamodb:DescribeStream dynamodb:GetRecords dynamodb:GetShardIterator \
    dynamodb:ListStreams";
const NOTIFICATIONS: &[&str] = &["<drover-state-NotificationsQueueArn>"];
const QUEUES: &[&str] = &["<drover-state-DeadLetterQueueArn>", "<drover-state-BufferQueueArn>"];
const FILE: &str = "dynamodb:GetItem dynamodb:BatchGetItem dynamodb:Query dynamodb:PutItem \
    dynamodb:BatchWriteItem dynamodb:DeleteItem";
const TAKE: &str = "sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes sqs:SendMessage";
const INTERFACES: &str = "ec2:CreateNetworkInterface ec2:DescribeNetworkInterfaces \
    ec2:DescribeSubnets ec2:DeleteNetworkInterface";
const POLLERS: &str = "ec2:CreateNetworkInterface ec2:DescribeNetworkInterfaces \
    ec2:DescribeSubnets ec2:DeleteNetworkInterface ec2:DescribeVpcs ec2:DescribeSecurityGroups";
const CLUSTER_FACTS: &str = "kafka:DescribeClusterV2 kafka:GetBootstrapBrokers";
/// Of the processor with MSK and IAM, without its topics and groups.
const MSK_PROCESSOR: [(&str, &[&str]); 3] = [
    ("kafka-cluster:Connect kafka-cluster:DescribeClusterDynamicConfiguration", &[CLUSTER]),
    (CLUSTER_FACTS, &[CLUSTER]),
    (POLLERS, &["*"]),
];
const READ_TOPIC: &str = "kafka-cluster:DescribeTopic kafka-cluster:ReadData";
const BOTH_TOPICS: &[&str] = &[
    "arn:aws:kafka:eu-central-1:111122223333:topic/events/id-1/drover.events",
    "arn:aws:kafka:eu-central-1:111122223333:topic/events/id-1/telemetry",
];
const BOTH_GROUPS: &[&str] = &[
    "arn:aws:kafka:eu-central-1:111122223333:group/events/id-1/drover-drover.events",
    "arn:aws:kafka:eu-central-1:111122223333:group/events/id-1/drover-telemetry",
];

const INGEST: [(&str, &[&str]); 5] = [
    (LOG, &["${IngestLogs.Arn}"]),
    ("dynamodb:GetItem", REGISTRY),
    ("dynamodb:PutItem", REQUESTS),
    ("dynamodb:PutItem", OUTPUTS),
    ("sqs:SendMessage", QUEUES),
];
const PROCESSOR: [(&str, &[&str]); 4] = [
    (LOG, &["${ProcessorLogs.Arn}"]),
    ("dynamodb:GetItem", REGISTRY),
    (WRITE, LEDGER),
    ("sqs:SendMessage", QUEUES),
];
/// Of ingest where there is a relay: simulated alerts.
const INGEST_WITH_RELAY: [(&str, &[&str]); 6] =
    [INGEST[0], INGEST[1], INGEST[2], INGEST[3], INGEST[4], TELL];
/// Has notify look at an alert.
const TELL: (&str, &[&str]) = ("sqs:SendMessage", NOTIFICATIONS);
const QUERY: [(&str, &[&str]); 7] = [
    (LOG, &["${QueryLogs.Arn}"]),
    ("dynamodb:GetItem", REGISTRY),
    (READ, LEDGER),
    ("dynamodb:Query", ACTIVITY),
    ("dynamodb:GetItem", OUTPUTS),
    ("dynamodb:Query", ALERTS),
    ("sqs:GetQueueAttributes", QUEUES),
];
const REPLAY: [(&str, &[&str]); 5] = [
    (LOG, &["${ReplayLogs.Arn}"]),
    ("dynamodb:GetItem", REGISTRY),
    (WRITE, LEDGER),
    (FILE, LETTERS),
    (TAKE, QUEUES),
];

/// Of replay where there is a relay: it lists the subjects that a tenant has sent to its feeds again, writes what people
/// do about alerts, and has targets told again.
const WITH_RELAY: [(&str, &[&str]); 4] = [
    ("dynamodb:Query", ACTIVITY),
    ("dynamodb:Query dynamodb:PutItem dynamodb:DeleteItem", OUTPUTS),
    ("dynamodb:Query", &[ALERTS[1]]),
    TELL,
];
const REPLAY_WITH_RELAY: [(&str, &[&str]); 9] = [
    REPLAY[0],
    REPLAY[1],
    REPLAY[2],
    REPLAY[3],
    REPLAY[4],
    WITH_RELAY[0],
    WITH_RELAY[1],
    WITH_RELAY[2],
    WITH_RELAY[3],
];

const RELAY: [(&str, &[&str]); 9] = [
    (LOG, &["${RelayLogs.Arn}"]),
    (READ_STREAM, &["<drover-state-LedgerStreamArn>"]),
    ("dynamodb:GetItem", REGISTRY),
    (WRITE, LEDGER),
    ("dynamodb:Query", ACTIVITY),
    ("dynamodb:GetItem dynamodb:Query dynamodb:PutItem dynamodb:DeleteItem", OUTPUTS),
    ("dynamodb:Query", ALERTS),
    ("sqs:SendMessage", &["<drover-state-DeadLetterQueueArn>", "${RelayFailed.Arn}"]),
    TELL,
];
const NOTIFY: [(&str, &[&str]); 6] = [
    (LOG, &["${NotifyLogs.Arn}"]),
    ("dynamodb:GetItem", REGISTRY),
    ("dynamodb:GetItem", LEDGER),
    ("dynamodb:GetItem dynamodb:Query dynamodb:PutItem dynamodb:UpdateItem", OUTPUTS),
    (
        "sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes sqs:ChangeMessageVisibility \
         sqs:SendMessage",
        NOTIFICATIONS,
    ),
    ("sqs:SendMessage", QUEUES),
];
/// Of notify with targets that need permissions.
const TO_TARGETS: [(&str, &[&str]); 5] = [
    ("secretsmanager:GetSecretValue", NOTIFY_SECRETS),
    ("sns:Publish", &[NOTIFY_TOPIC]),
    ("events:PutEvents", &[NOTIFY_BUS]),
    ("kms:Decrypt kms:GenerateDataKey", &[NOTIFY_KEY]),
    (INTERFACES, &["*"]),
];
/// Of the relay with a queue as target.
const TO_QUEUE: [(&str, &[&str]); 2] =
    [("sqs:SendMessage", &[FEEDS_QUEUE]), ("kms:Decrypt kms:GenerateDataKey", &[FEEDS_KEY])];
/// Of the relay with a topic as target.
const TO_TOPIC: [(&str, &[&str]); 2] =
    [("sns:Publish", &[FEEDS_TOPIC]), ("kms:Decrypt kms:GenerateDataKey", &[FEEDS_KEY])];
/// Of the relay with a bus as target.
const TO_BUS: [(&str, &[&str]); 1] = [("events:PutEvents", &[FEEDS_BUS])];

pub(crate) fn without_kafka() -> Vec<Expectation> {
    vec![
        expect(&WITHOUT_KAFKA, "Ingest", &with(&INGEST, &[(WRITE, LEDGER)])),
        expect(&WITHOUT_KAFKA, "Processor", &PROCESSOR),
        expect(&WITHOUT_KAFKA, "Query", &QUERY),
        expect(&WITHOUT_KAFKA, "Replay", &REPLAY),
    ]
}

/// Targets of notifications change notify alone.
pub(crate) fn with_targets_of_notifications() -> Vec<Expectation> {
    let form = &WITH_NOTIFICATIONS;
    vec![
        expect(form, "Ingest", &with(&INGEST_WITH_RELAY, &[(WRITE, LEDGER)])),
        expect(form, "Notify", &with(&NOTIFY, &TO_TARGETS)),
        expect(form, "Processor", &PROCESSOR),
        expect(form, "Query", &QUERY),
        expect(form, "Relay", &RELAY),
        expect(form, "Replay", &REPLAY_WITH_RELAY),
    ]
}

/// A target of feeds changes the relay alone.
pub(crate) fn with_a_target_of_feeds() -> Vec<Expectation> {
    let of = |form: &[(&'static str, &'static str)], to_target: &[(&str, &[&str])]| {
        [
            expect(form, "Ingest", &with(&INGEST_WITH_RELAY, &[(WRITE, LEDGER)])),
            expect(form, "Notify", &NOTIFY),
            expect(form, "Processor", &PROCESSOR),
            expect(form, "Query", &QUERY),
            expect(form, "Relay", &with(&RELAY, to_target)),
            expect(form, "Replay", &REPLAY_WITH_RELAY),
        ]
    };
    let queue = of(&WITH_A_QUEUE, &TO_QUEUE);
    queue.into_iter().chain(of(&WITH_A_TOPIC, &TO_TOPIC)).chain(of(&WITH_A_BUS, &TO_BUS)).collect()
}

pub(crate) fn with_msk_and_iam() -> Vec<Expectation> {
    const EVENTS: &[&str] =
        &["arn:aws:kafka:eu-central-1:111122223333:topic/events/id-1/drover.events"];
    const FEEDS: &[&str] = &[
        "arn:aws:kafka:eu-central-1:111122223333:topic/events/id-1/drover.ordered",
        "arn:aws:kafka:eu-central-1:111122223333:topic/events/id-1/drover.settled",
        "arn:aws:kafka:eu-central-1:111122223333:topic/events/id-1/drover.views",
        "arn:aws:kafka:eu-central-1:111122223333:topic/events/id-1/drover.alerts",
        "arn:aws:kafka:eu-central-1:111122223333:topic/events/id-1/plant-7.ordered",
        "arn:aws:kafka:eu-central-1:111122223333:topic/events/id-1/plant-7.settled",
        "arn:aws:kafka:eu-central-1:111122223333:topic/events/id-1/plant-7.views",
        "arn:aws:kafka:eu-central-1:111122223333:topic/events/id-1/plant-7.alerts",
    ];
    assert!(BOTH_TOPICS[0].starts_with(TOPIC) && BOTH_GROUPS[0].starts_with(GROUP));
    vec![
        expect(
            &MSK_IAM,
            "Ingest",
            &with(
                &INGEST_WITH_RELAY,
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
                &with(
                    &MSK_PROCESSOR,
                    &[
                        (READ_TOPIC, BOTH_TOPICS),
                        ("kafka-cluster:DescribeGroup kafka-cluster:AlterGroup", BOTH_GROUPS),
                    ],
                ),
            ),
        ),
        expect(&MSK_IAM, "Notify", &NOTIFY),
        expect(&MSK_IAM, "Query", &QUERY),
        expect(
            &MSK_IAM,
            "Relay",
            &with(
                &RELAY,
                &[
                    ("kafka-cluster:Connect kafka-cluster:WriteDataIdempotently", &[CLUSTER]),
                    ("kafka-cluster:DescribeTopic kafka-cluster:WriteData", FEEDS),
                    (INTERFACES, &["*"]),
                ],
            ),
        ),
        expect(
            &MSK_IAM,
            "Replay",
            &with(
                &REPLAY_WITH_RELAY,
                &[
                    ("kafka-cluster:Connect", &[CLUSTER]),
                    (READ_TOPIC, BOTH_TOPICS),
                    (INTERFACES, &["*"]),
                ],
            ),
        ),
    ]
}

pub(crate) fn with_msk_and_a_password() -> Vec<Expectation> {
    let secret: [(&str, &[&str]); 2] =
        [("secretsmanager:GetSecretValue", &[SECRET]), ("kms:Decrypt", &[SECRET_KEY])];
    vec![
        expect(&MSK_SCRAM, "Ingest", &with(&INGEST_WITH_RELAY, &secret)),
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
        expect(&MSK_SCRAM, "Notify", &NOTIFY),
        expect(&MSK_SCRAM, "Query", &QUERY),
        expect(&MSK_SCRAM, "Relay", &with(&RELAY, &secret)),
        expect(&MSK_SCRAM, "Replay", &with(&REPLAY_WITH_RELAY, &secret)),
    ]
}

pub(crate) fn with_a_cluster_of_ones_own() -> Vec<Expectation> {
    [SELF_MANAGED, SELF_MANAGED_PLAIN].iter().flat_map(of_a_cluster_of_ones_own).collect()
}

fn of_a_cluster_of_ones_own(form: &'static [(&str, &str); 4]) -> [Expectation; 6] {
    let secret: [(&str, &[&str]); 1] = [("secretsmanager:GetSecretValue", &[SECRET])];
    [
        expect(form, "Ingest", &with(&INGEST_WITH_RELAY, &secret)),
        expect(form, "Processor", &with(&PROCESSOR, &with(&secret, &[(POLLERS, &["*"])]))),
        expect(form, "Notify", &NOTIFY),
        expect(form, "Query", &QUERY),
        expect(form, "Relay", &with(&RELAY, &secret)),
        expect(form, "Replay", &with(&REPLAY_WITH_RELAY, &secret)),
    ]
}

/// Lambda's pollers read the registry with the role of the processor; no other function may.
pub(crate) fn with_a_schema_registry() -> Vec<Expectation> {
    const SCHEMAS: &str = "arn:aws:glue:eu-central-1:111122223333:schema/plant/*";
    let glue: [(&str, &[&str]); 4] = [
        ("glue:GetRegistry", &[GLUE_REGISTRY]),
        ("glue:GetSchemaVersion", &[GLUE_REGISTRY, SCHEMAS]),
        (READ_TOPIC, BOTH_TOPICS),
        ("kafka-cluster:DescribeGroup kafka-cluster:AlterGroup", BOTH_GROUPS),
    ];
    let confluent: [(&str, &[&str]); 3] = [
        ("secretsmanager:GetSecretValue", &[SECRET, CONFLUENT_SECRET]),
        ("kms:Decrypt", &[CONFLUENT_KEY]),
        (POLLERS, &["*"]),
    ];
    let reread: [(&str, &[&str]); 2] =
        [("kafka-cluster:Connect", &[CLUSTER]), (READ_TOPIC, BOTH_TOPICS)];
    let kafka_secret: [(&str, &[&str]); 1] = [("secretsmanager:GetSecretValue", &[SECRET])];
    vec![
        expect(&MSK_IAM_WITH_GLUE, "Processor", &with(&PROCESSOR, &with(&MSK_PROCESSOR, &glue))),
        expect(&MSK_IAM_WITH_GLUE, "Query", &QUERY),
        expect(&MSK_IAM_WITH_GLUE, "Replay", &with(&REPLAY_WITH_RELAY, &reread)),
        expect(&SELF_MANAGED_WITH_CONFLUENT, "Processor", &with(&PROCESSOR, &confluent)),
        expect(&SELF_MANAGED_WITH_CONFLUENT, "Ingest", &with(&INGEST_WITH_RELAY, &kafka_secret)),
        expect(&SELF_MANAGED_WITH_CONFLUENT, "Replay", &with(&REPLAY_WITH_RELAY, &kafka_secret)),
    ]
}

pub(crate) fn with_everything_switched_on() -> Vec<Expectation> {
    const OWN: &[&str] = &["arn:aws:dynamodb:eu-central-1:111122223333:table/drover-own-*"];
    let all: [(&str, &[&str]); 2] = [
        ("xray:PutTraceSegments xray:PutTelemetryRecords", &["*"]),
        ("kms:Decrypt kms:GenerateDataKey", &[KEY]),
    ];
    let (write, read) = ((WRITE, OWN), (READ, OWN));
    let numbers: (&str, &[&str]) = ("cloudwatch:GetMetricData", &["*"]);
    let ingest = with(&INGEST, &[(WRITE, LEDGER), write]);
    let with_relay = [&WITH_A_QUEUE[..], &EVERYTHING, &EVERYTHING_WITH_RELAY].concat();
    let relay = with(&with(&RELAY, &TO_QUEUE), &[write, (READ_STREAM, &[OWN_STREAM])]);
    let notify = with(&NOTIFY, &[("dynamodb:GetItem", OWN)]);
    vec![
        expect(&with_relay, "Notify", &with(&notify, &all)),
        expect(&with_relay, "Relay", &with(&relay, &all)),
        expect(&EVERYTHING, "Ingest", &with(&ingest, &all)),
        expect(&EVERYTHING, "Processor", &with(&PROCESSOR, &with(&all, &[write]))),
        expect(&EVERYTHING, "Query", &with(&QUERY, &with(&all, &[read, numbers]))),
        expect(&EVERYTHING, "Replay", &with(&REPLAY, &with(&all, &[write]))),
    ]
}
