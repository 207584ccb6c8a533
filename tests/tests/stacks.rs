//! The stacks of `infra/` fit together, and satisfy the claims of their comments.

#![expect(clippy::expect_used, reason = "test helpers fail like tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use drover_tests::cloudformation;
use serde_json::{Value, json};

const STACKS: [&str; 6] = ["state", "streaming", "alarms", "edge-origin", "edge", "delivery"];

fn stack(name: &str) -> Value {
    cloudformation::load(&format!("infra/{name}.yaml")).expect("a template")
}

fn outputs(template: &Value) -> BTreeSet<String> {
    template["Outputs"].as_object().expect("outputs").keys().cloned().collect()
}

/// Every object in a template, including the template itself.
fn objects<'a>(value: &'a Value, found: &mut Vec<&'a serde_json::Map<String, Value>>) {
    match value {
        Value::Object(object) => {
            found.push(object);
            object.values().for_each(|value| objects(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| objects(value, found)),
        _ => {}
    }
}

/// The imports of a template from the stack that this parameter names.
fn imports(template: &Value, parameter: &str) -> BTreeSet<String> {
    let mut found = Vec::new();
    objects(template, &mut found);
    let names = found.iter().filter_map(|object| object.get("Fn::ImportValue"));
    let names = names.filter_map(|import| import["Fn::Sub"].as_str());
    let prefix = format!("${{{parameter}}}-");
    names.filter_map(|name| name.strip_prefix(&prefix)).map(str::to_owned).collect()
}

#[test]
fn every_output_is_exported_under_the_name_of_its_stack() {
    for name in STACKS {
        let template = stack(name);
        for (output, value) in template["Outputs"].as_object().expect("outputs") {
            let export = json!({"Name": {"Fn::Sub": format!("${{AWS::StackName}}-{output}")}});
            assert_eq!(value["Export"], export, "{name}: {output}");
        }
    }
}

#[test]
fn imports_from_the_state_stack_exist() {
    let given = outputs(&stack("state"));
    for name in STACKS {
        let missing: Vec<_> =
            imports(&stack(name), "StateStack").difference(&given).cloned().collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
    }
    assert!(imports(&stack("alarms"), "StateStack").len() > 5, "the imports are elsewhere");
}

#[test]
fn imports_from_the_app_stack_exist() {
    let app = cloudformation::load("template.yaml").expect("a template");
    let exported = app["Outputs"].as_object().expect("outputs").iter();
    let exported: BTreeSet<String> = exported
        .filter(|(_, output)| output.get("Export").is_some())
        .map(|(name, _)| name.clone())
        .collect();
    for name in STACKS {
        let missing: Vec<_> =
            imports(&stack(name), "Stack").difference(&exported).cloned().collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
    }
    let imported = imports(&stack("alarms"), "Stack");
    assert_eq!(imported.len(), 8, "six functions, the API and the relay's queue: {imported:?}");
}

#[test]
fn mappings_of_topics_send_the_metrics_of_the_alarms() {
    let app = cloudformation::load("template.yaml").expect("a template");
    let mut found = Vec::new();
    objects(&app, &mut found);
    let sent: Vec<_> = found.iter().filter_map(|object| object.get("MetricsConfig")).collect();
    assert!(!sent.is_empty());
    for config in sent {
        let groups = config["Metrics"].as_array().expect("groups");
        for group in ["EventCount", "ErrorCount", "KafkaMetrics"] {
            assert!(groups.contains(&json!(group)), "{group}");
        }
    }
}

#[test]
fn every_exception_from_a_check_has_its_reason() {
    for name in STACKS {
        let template = stack(name);
        for (resource, value) in template["Resources"].as_object().expect("resources") {
            for skip in value["Metadata"]["checkov"]["skip"].as_array().into_iter().flatten() {
                let reason = skip["comment"].as_str().unwrap_or_default();
                assert!(reason.len() > 20, "{name}: {resource}: {}", skip["id"]);
            }
        }
    }
}

#[test]
fn only_the_authenticated_tls_ports_of_kafka_and_https_are_open() {
    let template = stack("streaming");
    let mut found = Vec::new();
    objects(&template, &mut found);
    let ports =
        found.iter().filter_map(|object| Some((object.get("FromPort")?, &object["ToPort"])));
    let ports: BTreeSet<String> = ports.map(|(from, to)| format!("{from}-{to}")).collect();
    assert_eq!(ports.into_iter().collect::<Vec<_>>(), ["443-443", "9096-9098"]);
    for (name, resource) in template["Resources"].as_object().expect("resources") {
        for rule in resource["Properties"]["SecurityGroupIngress"].as_array().into_iter().flatten()
        {
            assert!(
                rule.get("SourceSecurityGroupId").is_some(),
                "{name}: only security groups may connect"
            );
        }
        let kind = resource["Type"].as_str().unwrap_or_default();
        let outside = ["AWS::EC2::InternetGateway", "AWS::EC2::NatGateway"];
        assert!(!outside.contains(&kind), "{name}: there is no route to the internet");
    }
}

#[test]
fn a_cluster_requires_tls_and_authentication_and_survives_its_stack() {
    let resources = stack("streaming")["Resources"].take();
    let provisioned = &resources["Provisioned"]["Properties"];
    let transit = json!({"ClientBroker": "TLS", "InCluster": true});
    assert_eq!(provisioned["EncryptionInfo"]["EncryptionInTransit"], transit);
    let clients = &provisioned["ClientAuthentication"];
    assert_eq!(clients["Unauthenticated"]["Enabled"], false);
    assert_eq!(clients["Sasl"]["Iam"]["Enabled"], true);
    let serverless = &resources["Serverless"]["Properties"]["ClientAuthentication"];
    assert_eq!(serverless, &json!({"Sasl": {"Iam": {"Enabled": true}}}));
    for name in ["Provisioned", "Serverless", "Secret", "SecretKey"] {
        assert_eq!(resources[name]["DeletionPolicy"], "Retain", "{name}");
    }
}

#[test]
fn an_endpoint_allows_only_its_own_account() {
    let template = stack("streaming");
    let mut checked = 0;
    for (name, resource) in template["Resources"].as_object().expect("resources") {
        if resource["Type"] != "AWS::EC2::VPCEndpoint" {
            continue;
        }
        let statements = resource["Properties"]["PolicyDocument"]["Statement"].as_array();
        let [statement] = statements.expect("statements").as_slice() else {
            panic!("{name}: one statement");
        };
        let ours = json!({"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}});
        assert_eq!(statement["Condition"], ours, "{name}");
        let resource = statement["Resource"]["Fn::Sub"].as_str().expect("an ARN");
        assert!(resource.contains(":${AWS::AccountId}:"), "{name}: {resource}");
        checked += 1;
    }
    assert_eq!(checked, 4);
}

/// In the network of the stack, the endpoint's policy limits every role.
#[test]
fn the_endpoint_of_dynamodb_allows_the_actions_of_the_functions() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let template = fs::read_to_string(path).expect("a template");
    let words = template.split(|one: char| !one.is_alphanumeric() && one != ':');
    let used: BTreeSet<&str> = words
        .filter(|word| word.strip_prefix("dynamodb:").is_some_and(|action| !action.is_empty()))
        .collect();
    let endpoint = &stack("streaming")["Resources"]["DynamoDbEndpoint"]["Properties"];
    let actions = endpoint["PolicyDocument"]["Statement"][0]["Action"].as_array();
    let allowed: BTreeSet<&str> =
        actions.expect("actions").iter().filter_map(|one| one.as_str()).collect();
    assert!(used.contains("dynamodb:PartiQLUpdate"), "{used:?}");
    // Lambda's pollers read change streams, outside the network.
    let of_streams = ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"];
    let of_streams = of_streams.map(|action| format!("dynamodb:{action}"));
    let used: BTreeSet<&str> =
        used.into_iter().filter(|action| !of_streams.iter().any(|one| one == action)).collect();
    assert!(used.is_subset(&allowed), "{:?}", used.difference(&allowed));
}

#[test]
fn the_edge_caches_nothing_and_forwards_everything_except_the_host_header() {
    let distribution = stack("edge")["Resources"]["Distribution"]["Properties"].take();
    let config = &distribution["DistributionConfig"];
    assert!(config.get("CacheBehaviors").is_none(), "one behaviour for all paths");
    let behaviour = &config["DefaultCacheBehavior"];
    // The ids of AWS's managed policies CachingDisabled and AllViewerExceptHostHeader.
    assert_eq!(behaviour["CachePolicyId"], "4135ea2d-6df8-44a3-9df3-4b5a84be39ad");
    assert_eq!(behaviour["OriginRequestPolicyId"], "b689b0a8-53d0-40ab-baf2-68738e2966ac");
    assert_eq!(behaviour["ViewerProtocolPolicy"], "https-only");
    assert_eq!(config["ViewerCertificate"]["MinimumProtocolVersion"], "TLSv1.2_2021");
    assert_eq!(config["WebACLId"], json!({"Fn::GetAtt": ["Acl", "Arn"]}));
}

#[test]
fn no_rule_of_the_edge_rejects_a_body_for_its_size_or_text() {
    let acl = stack("edge")["Resources"]["Acl"]["Properties"].take();
    let rules = acl["Rules"].as_array().expect("rules");
    let common = rules.iter().find(|rule| rule["Name"] == "common").expect("the common rules");
    let overrides = &common["Statement"]["ManagedRuleGroupStatement"]["RuleActionOverrides"];
    for name in ["SizeRestrictions_BODY", "GenericRFI_BODY", "CrossSiteScripting_BODY"] {
        let counted = json!({"Name": name, "ActionToUse": {"Count": {}}});
        assert!(overrides.as_array().expect("overrides").contains(&counted), "{name}");
    }
}

#[test]
fn no_log_of_the_edge_contains_credentials() {
    let logging = stack("edge")["Resources"]["AclLogging"]["Properties"].take();
    let redacted = json!([{"SingleHeader": {"Name": "authorization"}}]);
    assert_eq!(logging["RedactedFields"], redacted);
}

/// The permissions of a role, without its trust policy.
fn allowed(role: &Value) -> Vec<String> {
    let mut found = Vec::new();
    objects(role, &mut found);
    let allows = found.iter().filter(|object| object.get("Effect") == Some(&json!("Allow")));
    let actions = allows.filter_map(|object| object.get("Action"));
    let actions = actions.flat_map(|one| one.as_array().cloned().unwrap_or(vec![one.clone()]));
    let actions = actions.filter_map(|action| action.as_str().map(str::to_owned));
    actions.filter(|action| !action.starts_with("sts:AssumeRole")).collect()
}

#[test]
fn the_release_role_creates_every_resource_and_cannot_delete_tables_or_read_messages() {
    let delivery = stack("delivery");
    let actions = allowed(&delivery["Resources"]["CloudFormation"]);
    let stacks = ["template.yaml", "infra/state.yaml", "infra/alarms.yaml"];
    for template in stacks.map(|path| cloudformation::load(path).expect("a template")) {
        let mut found = Vec::new();
        objects(&template["Resources"], &mut found);
        let kinds = found.iter().filter_map(|object| object.get("Type")?.as_str());
        for kind in kinds.filter_map(|kind| kind.strip_prefix("AWS::")) {
            let service = kind.split("::").next().expect("a service").to_lowercase();
            let service = match service.as_str() {
                "serverless" => "lambda",
                "apigatewayv2" => "apigateway",
                other => other,
            };
            assert!(actions.iter().any(|action| action.starts_with(service)), "{kind}");
        }
    }
    for action in actions {
        let data = ["dynamodb:Delete", "dynamodb:Put", "dynamodb:Get", "sqs:Delete", "sqs:Receive"];
        let of_data = data.iter().any(|data| action.starts_with(data));
        assert!(!of_data || action == "dynamodb:GetResourcePolicy", "{action}");
        assert!(!action.contains('*') && action != "sqs:PurgeQueue", "{action}");
    }
}

/// Otherwise the release role could create a role with any permission.
#[test]
fn a_release_creates_only_bounded_roles_and_is_bounded_itself() {
    let delivery = stack("delivery");
    let role = &delivery["Resources"]["CloudFormation"];
    assert_eq!(role["Properties"]["PermissionsBoundary"], json!({"Ref": "ReleaseBoundary"}));
    let mut found = Vec::new();
    objects(role, &mut found);
    let granting = [
        "iam:CreateRole",
        "iam:PutRolePolicy",
        "iam:DeleteRolePolicy",
        "iam:PutRolePermissionsBoundary",
        "iam:AttachRolePolicy",
        "iam:DeleteRolePermissionsBoundary",
    ];
    let within = json!({"StringEquals": {"iam:PermissionsBoundary": {"Ref": "FunctionBoundary"}}});
    let mut held = BTreeSet::new();
    for statement in found.iter().filter(|object| object.get("Effect") == Some(&json!("Allow"))) {
        let actions = statement.get("Action").and_then(Value::as_array).into_iter().flatten();
        for action in actions.filter_map(Value::as_str).filter(|one| granting.contains(one)) {
            assert_eq!(statement.get("Condition"), Some(&within), "{action}");
            held.insert(action);
        }
    }
    assert_eq!(held.into_iter().collect::<Vec<_>>(), {
        let mut expected = granting[..4].to_vec();
        expected.sort_unstable();
        expected
    });
}

#[test]
fn every_role_of_a_function_fits_its_boundary() {
    let boundary: BTreeSet<_> =
        allowed(&stack("delivery")["Resources"]["FunctionBoundary"]).into_iter().collect();
    let app = cloudformation::load("template.yaml").expect("a template");
    let resources = app["Resources"].as_object().expect("resources");
    let roles: Vec<_> =
        resources.iter().filter(|(_, one)| one["Type"] == "AWS::IAM::Role").collect();
    assert_eq!(roles.len(), 6, "a role for each function");
    for (name, role) in roles {
        let bounded =
            json!({"Fn::If": ["Bounded", {"Ref": "PermissionsBoundary"}, {"Ref": "AWS::NoValue"}]});
        assert_eq!(role["Properties"]["PermissionsBoundary"], bounded, "{name}");
        let beyond: Vec<_> =
            allowed(role).into_iter().filter(|action| !boundary.contains(action)).collect();
        assert!(beyond.is_empty(), "{name}: {beyond:?}");
    }
}

/// The statement with this name, of a policy or role.
fn statement(resource: &Value, name: &str) -> Value {
    let mut found = Vec::new();
    objects(resource, &mut found);
    let mut named = found.into_iter().filter(|object| object.get("Sid") == Some(&json!(name)));
    Value::Object(named.next().expect("a statement").clone())
}

/// The boundary limits queues by their names.
#[test]
fn the_boundary_and_the_release_role_know_every_queue() {
    let (delivery, state) = (stack("delivery"), stack("state"));
    let arn = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}";
    let mut names = vec![format!("{arn}:${{Stack}}-RelayFailed-*")];
    for (name, resource) in state["Resources"].as_object().expect("resources") {
        if resource["Type"] == "AWS::SQS::Queue" {
            let beginning = resource["Properties"]["QueueName"]["Fn::Join"][1][0].as_str();
            names.push(format!("{arn}:{}-*", beginning.unwrap_or_else(|| panic!("{name}"))));
        }
    }
    assert_eq!(names.len(), 1 + 6);
    for role in ["FunctionBoundary", "CloudFormation"] {
        let queues = statement(&delivery["Resources"][role], "Queues");
        let resources = queues["Resource"].as_array().expect("queues");
        for name in &names {
            assert!(resources.contains(&json!({"Fn::Sub": name})), "{role}: {name}");
        }
    }
    let app = cloudformation::load("template.yaml").expect("a template");
    // CloudFormation names the queue after its stack and this resource.
    assert!(app["Resources"]["RelayFailed"]["Properties"].get("QueueName").is_none());
}

/// The stacks have the same parameters, so that an operator gives both the same values.
#[test]
fn the_boundary_knows_the_topics_and_buses_of_notifications() {
    let delivery = stack("delivery");
    let app = cloudformation::load("template.yaml").expect("a template");
    for (name, parameter, action) in [
        ("NotifyTopics", "NotifyTopicArns", "sns:Publish"),
        ("NotifyBuses", "NotifyBusArns", "events:PutEvents"),
    ] {
        let allowed = statement(&delivery["Resources"]["FunctionBoundary"], name);
        assert_eq!(allowed["Action"], action);
        assert_eq!(allowed["Resource"], json!({"Ref": parameter}));
        for what in ["Type", "Default"] {
            let (here, there) = (&delivery["Parameters"], &app["Parameters"]);
            assert_eq!(here[parameter][what], there[parameter][what], "{parameter}");
        }
    }
}

fn text(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).expect("a text")
}

/// Only checked tools run with the release permissions, and no tool that only checks or proves.
#[test]
fn a_release_job_installs_only_deployment_tools_pinned_by_hash() {
    let workflow = text(".github/workflows/deploy.yml");
    let installs = workflow.lines().filter_map(|line| line.split_once("infra/tools"));
    let installs: Vec<_> = installs.map(|(_, names)| names.trim()).collect();
    assert_eq!(installs, [".tools deploy", ".tools release"]);
    assert!(
        text("infra/tools")
            .contains("pip\" install --quiet --no-compile --no-deps --require-hashes")
    );
    for name in ["checkov", "deploy", "emulator", "release"] {
        let asked = text(&format!("infra/requirements/{name}.in"));
        let locked = text(&format!("infra/requirements/{name}.txt"));
        let asked = asked.lines().filter(|line| !line.starts_with('#'));
        for package in asked.filter(|line| line.contains("==")) {
            assert!(locked.contains(&format!("\n{package} \\\n")), "infra/lock {name}: {package}");
        }
        let packages = locked.lines().filter(|line| line.contains("==")).count();
        let hashes =
            locked.lines().filter(|line| line.trim().starts_with("--hash=sha256:")).count();
        assert!(packages > 0 && hashes >= packages, "{name}");
    }
    assert_eq!(
        text("infra/requirements/release.in").lines().filter(|one| !one.starts_with('#')).count(),
        1
    );
}

#[test]
fn only_one_environment_of_one_repository_releases_and_only_by_cloudformation() {
    let delivery = stack("delivery");
    let role = &delivery["Resources"]["Deploy"];
    let trust = &role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Condition"];
    let subject = json!({"Fn::Sub": "repo:${Repository}:environment:${Environment}"});
    assert_eq!(trust["StringEquals"]["token.actions.githubusercontent.com:sub"], subject);
    let refs = &trust["StringLike"]["token.actions.githubusercontent.com:ref"];
    assert_eq!(*refs, json!({"Ref": "Refs"}));
    assert_eq!(delivery["Parameters"]["Refs"]["Default"], "refs/tags/v*,refs/heads/main");
    let services: BTreeSet<_> = allowed(role)
        .into_iter()
        .filter_map(|action| action.split(':').next().map(str::to_owned))
        .collect();
    assert_eq!(services.into_iter().collect::<Vec<_>>(), ["cloudformation", "iam", "s3"]);
    assert!(!allowed(role).contains(&"cloudformation:DeleteStack".to_owned()));
}
