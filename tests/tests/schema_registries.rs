//! Topics whose values Lambda decodes by a schema registry: their event source mappings, and the combinations of
//! parameters that CloudFormation refuses. `permissions` checks the permissions.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "test helpers fail like tests")]

use drover_tests::cloudformation::{Stack, load};
use serde_json::{Map, Value, json};

const GLUE: &str = "arn:aws:glue:eu-central-1:111122223333:registry/plant";
const CONFLUENT: &str = "https://registry.example.com";
const SECRET: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:registry";
const STREAMS: [&str; 4] = ["msk-iam", "msk-scram", "self-managed", "self-managed-plain"];

fn stack(mode: &str, given: &[(&str, &str)]) -> Stack {
    let always = [
        ("StreamMode", mode),
        ("Topics", "drover.events,telemetry"),
        ("BootstrapServers", "b-1:9096,b-2:9096"),
        ("SubnetIds", "subnet-1,subnet-2"),
        ("SecurityGroupId", "sg-1"),
    ];
    Stack::new(&load("template.yaml").expect("the template"), &[&always, given].concat())
}

/// The mapping of a topic, with its logical name.
fn mapping(stack: &Stack, topic: &str) -> (String, Value) {
    let mappings = stack.of_type("AWS::Lambda::EventSourceMapping").into_iter();
    let mut found = mappings.filter(|(_, one)| one["Properties"]["Topics"][0] == topic);
    let (name, one) = found.next().expect("a mapping");
    assert!(found.next().is_none(), "{topic} has two mappings");
    (name, one["Properties"].clone())
}

/// The settings of a mapping's consumer in Kafka.
fn consumer(mode: &str) -> &'static str {
    if mode.starts_with("self-managed") {
        "SelfManagedKafkaEventSourceConfig"
    } else {
        "AmazonManagedKafkaEventSourceConfig"
    }
}

#[test]
fn a_mapping_with_a_registry_is_a_mapping_without_and_the_registry() {
    for mode in STREAMS {
        let stack = stack(mode, &[("DecodedTopics", "a.b,c"), ("GlueRegistryArn", GLUE)]);
        let (_, plain) = mapping(&stack, "telemetry");
        for (topic, name) in [("a.b", "DecodedMappingab"), ("c", "DecodedMappingc")] {
            let (found, mut decoded) = mapping(&stack, topic);
            assert_eq!(found, name);
            let consumer = decoded[consumer(mode)].as_object_mut().expect("a consumer");
            let registry = consumer.remove("SchemaRegistryConfig").expect("a registry");
            let expected = json!({
                "SchemaRegistryURI": GLUE, "EventRecordFormat": "JSON",
                "SchemaValidationConfigs": [{"Attribute": "VALUE"}],
            });
            assert_eq!(registry, expected, "{mode}: {topic}");
            assert_eq!(consumer.remove("ConsumerGroupId"), Some(json!(format!("drover-{topic}"))));
            let mut same: Map<String, Value> = plain.as_object().expect("properties").clone();
            same.insert("Topics".to_owned(), json!([topic]));
            same.insert(self::consumer(mode).to_owned(), json!({}));
            assert_eq!(decoded, Value::Object(same), "{mode}: {topic}");
            // Lambda refuses a registry without it.
            assert!(decoded["ProvisionedPollerConfig"]["MinimumPollers"].is_number());
        }
    }
}

#[test]
fn a_confluent_registry_has_the_credentials_of_its_secret() {
    let given = [("DecodedTopics", "c"), ("ConfluentRegistryUrl", CONFLUENT)];
    for mode in STREAMS {
        let open = mapping(&stack(mode, &given), "c").1[consumer(mode)].clone();
        assert_eq!(open["SchemaRegistryConfig"]["SchemaRegistryURI"], CONFLUENT);
        assert!(open["SchemaRegistryConfig"]["AccessConfigs"].is_null(), "{mode}");
        let secret = [given.as_slice(), &[("ConfluentSecretArn", SECRET)]].concat();
        let closed = mapping(&stack(mode, &secret), "c").1[consumer(mode)].clone();
        let expected = json!([{"Type": "BASIC_AUTH", "URI": SECRET}]);
        assert_eq!(closed["SchemaRegistryConfig"]["AccessConfigs"], expected, "{mode}");
    }
}

#[test]
fn without_a_registry_no_mapping_decodes() {
    for mode in STREAMS {
        let stack = stack(mode, &[]);
        for name in stack.resources().keys() {
            assert!(!name.starts_with("Decoded"), "{mode}: {name}");
        }
        assert!(mapping(&stack, "telemetry").1[consumer(mode)]["SchemaRegistryConfig"].is_null());
    }
}

#[test]
fn combinations_that_make_no_sense_are_refused() {
    let check = |mode: &str, given: &[(&str, &str)], expected: &[&str]| {
        let broken = stack(mode, given).broken_rules();
        assert_eq!(broken.len(), expected.len(), "{mode} {given:?}: {broken:?}");
        for (found, part) in broken.iter().zip(expected) {
            assert!(found.contains(part), "{mode} {given:?}: {found}");
        }
    };
    const TOPIC: (&str, &str) = ("DecodedTopics", "c");
    const BY_GLUE: (&str, &str) = ("GlueRegistryArn", GLUE);
    const BY_URL: (&str, &str) = ("ConfluentRegistryUrl", CONFLUENT);
    const BY_SECRET: (&str, &str) = ("ConfluentSecretArn", SECRET);
    const KEY: (&str, &str) = ("ConfluentKeyArn", "arn:aws:kms:eu-central-1:111122223333:key/k");
    for mode in STREAMS {
        check(mode, &[], &[]);
        check(mode, &[TOPIC, BY_GLUE], &[]);
        check(mode, &[TOPIC, BY_URL], &[]);
        check(mode, &[TOPIC, BY_URL, BY_SECRET, KEY], &[]);
        check(mode, &[TOPIC], &["exactly one"]);
        check(mode, &[TOPIC, BY_GLUE, BY_URL], &["exactly one"]);
        check(mode, &[BY_GLUE], &["needs DecodedTopics"]);
        check(mode, &[BY_URL], &["needs DecodedTopics"]);
        check(mode, &[("DecodedTopics", "c,none"), BY_GLUE], &["none is the name of no topic"]);
        check(mode, &[("DecodedTopics", "c,drover.events"), BY_GLUE], &["drover.events"]);
        check(mode, &[TOPIC, BY_GLUE, BY_SECRET], &["need ConfluentRegistryUrl"]);
        check(mode, &[TOPIC, BY_URL, KEY], &["needs ConfluentSecretArn"]);
    }
    check("direct", &[], &[]);
    check("direct", &[TOPIC, BY_GLUE], &["need Kafka"]);
}
