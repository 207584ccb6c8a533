//! The commands against a stack on AWS: their requests, and their output when the stack does not
//! answer as expected. Tables and functions are those of a host; CloudFormation is faked.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod cloud;
#[path = "../common/mod.rs"]
mod common;
mod feeds;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloud::{Cloud, OUTPUTS, Said, environment, refusal, said, stack};
use common::kafka::{event, temperature};
use common::{WAIT, run_with};
use drover_local::{Host, HostConfig};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

type Environment = Vec<(&'static str, String)>;
type Ended = (i32, String, String);

/// Runs the binary with only this environment: exit code, standard output, standard error.
async fn on_stack(environment: &Environment, words: &[&str], input: &str) -> Ended {
    let words = [words, &["--aws", "--stack", "drover"]].concat();
    run_with(environment, &words, input).await
}

/// The error of an invocation without a response.
async fn no_answer(environment: &Environment) -> String {
    let (code, out, error) = on_stack(environment, &["invoke", "query", "-"], "{}").await;
    assert_eq!((code, out.as_str()), (1, ""), "{error}");
    error
}

fn newco() -> TempDir {
    let documents = tempdir().unwrap();
    std::fs::create_dir(documents.path().join("tenants")).unwrap();
    std::fs::write(documents.path().join("tenants/newco.json"), r#"{"id":"newco"}"#).unwrap();
    documents
}

async fn apply(environment: &Environment, documents: &Path) -> String {
    let (code, out, error) =
        on_stack(environment, &["apply", documents.to_str().unwrap()], "").await;
    assert_eq!((code, error.as_str()), (0, ""));
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_holds_the_applied_tenant_and_the_writes_of_its_functions() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let cloud = Cloud::with_stack(|_| said(500, "")).await;
    let environment = cloud.environment_over(host.addresses());
    let documents = newco();
    let out = apply(&environment, documents.path()).await;
    assert!(out.starts_with("created    tenant newco  "), "{out}");

    let records = event(&[temperature("newco", "d-1", 1)]).to_string();
    let ended = on_stack(&environment, &["invoke", "processor", "-"], &records).await;
    assert_eq!(ended, (0, "{\"batchItemFailures\":[]}\n".to_owned(), String::new()));
    let (code, out, error) = on_stack(&environment, &["inspect", "newco", "device/d-1"], "").await;
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(out.contains("  e-1       temperature  "), "{out}");
    let (code, out, error) =
        on_stack(&environment, &["forget", "newco", "device/d-1", "--json"], "").await;
    assert_eq!((code, error.as_str()), (0, ""));
    let receipt: Value = serde_json::from_str(&out).unwrap();
    let nothing = json!({
        "heads": 1, "pages": 0, "letters": 0, "operator_letters": 0, "chunks": 0,
    });
    assert_eq!(receipt["deleted"], nothing);
    let (code, ..) = on_stack(&environment, &["inspect", "newco", "device/d-1"], "").await;
    assert_eq!(code, 1);
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_of_a_stack_are_replayed() {
    let data = tempdir().unwrap();
    let host = Host::start(HostConfig::on_free_ports(data.path())).await.unwrap();
    let cloud = Cloud::with_stack(|_| said(500, "")).await;
    let environment = cloud.environment_over(host.addresses());
    let records = event(&[temperature("newco", "d-1", 1), temperature("newco", "d-1", 2)]);
    let (code, ..) =
        on_stack(&environment, &["invoke", "processor", "-"], &records.to_string()).await;
    assert_eq!(code, 0);
    let filed = async {
        loop {
            let inspect = ["replay", "inspect", "--json"];
            let (code, out, error) = on_stack(&environment, &inspect, "").await;
            assert_eq!(code, 0, "{error}");
            if serde_json::from_str::<Value>(&out).unwrap()["total"] == 2 {
                break;
            }
        }
    };
    tokio::time::timeout(WAIT, filed).await.unwrap();

    apply(&environment, newco().path()).await;
    let run = ["replay", "run", "--of-tenant", "newco", "--json"];
    let (code, out, error) = on_stack(&environment, &run, "").await;
    assert_eq!(code, 0, "{error}");
    let run: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&run["phase"], &run["outcomes"]), (&json!("done"), &json!({ "applied": 2 })));
    let show = ["replay", "show", run["replay_id"].as_str().unwrap()];
    let (code, out, _) = on_stack(&environment, &show, "").await;
    assert_eq!(code, 0);
    assert!(out.contains("  applied  2\n"), "{out}");
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_ran_out_of_time_is_resumed_until_it_is_done() {
    let cloud = Cloud::with_stack(|requests| {
        let event: Value = serde_json::from_str(&requests.body).unwrap();
        let (phase, reason, examined) = match event["action"].as_str().unwrap() {
            "replay" => ("paused", Some("time"), 5),
            _ => ("done", None, 8),
        };
        let run = json!({
            "replay_id": "0190", "action": "replay", "by": "ann@cli", "phase": phase,
            "reason": reason, "dry_run": false, "examined": examined,
            "started_at": "2026-01-01T00:00:00.000Z", "ended_at": null,
        });
        said(200, run.to_string())
    })
    .await;
    let run = ["replay", "run", "--tenant", "newco", "--json"];
    let (code, out, error) = on_stack(&cloud.environment(), &run, "").await;
    assert_eq!(code, 0, "{error}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["examined"], 8);
    assert_eq!(error, "0190: 5 examined\n");
    let resumed: Value = serde_json::from_str(&cloud.requests().last().unwrap().body).unwrap();
    let expected =
        json!({ "action": "resume", "tenant": "newco", "by": "cli", "replay_id": "0190" });
    assert_eq!(resumed, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_services_get_signed_requests_in_their_own_format() {
    let cloud = Cloud::with_stack(|_| said(200, r#"{"got":1}"#)).await;
    let ended = on_stack(&cloud.environment(), &["invoke", "query", "-"], r#"{"a":1}"#).await;
    assert_eq!(ended, (0, "{\"got\":1}\n".to_owned(), String::new()));

    let requests = cloud.requests();
    let [formation, lambda] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(formation.path, "/");
    assert_eq!(formation.header("content-type"), "application/x-www-form-urlencoded");
    let question = "Action=DescribeStacks&Version=2010-05-15&StackName=drover";
    assert_eq!(formation.body, question);
    assert_eq!(lambda.path, "/2015-03-31/functions/query/invocations");
    assert_eq!(lambda.header("content-type"), "application/json");
    assert_eq!(lambda.body, r#"{"a":1}"#);
    for (requests, service) in [(formation, "cloudformation"), (lambda, "lambda")] {
        let day = requests.header("x-amz-date").split('T').next().unwrap();
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential=the-key/{day}/eu-central-1/{service}/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature="
        );
        assert!(requests.header("authorization").starts_with(&expected), "{requests:?}");
        assert_eq!(requests.header("x-amz-security-token"), "the-token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_region_or_credentials_are_reported_with_the_remedy() {
    let cloud = Cloud::with_stack(|_| said(500, "")).await;
    let without = |names: &[&str]| {
        let mut environment = cloud.environment();
        environment.retain(|(name, _)| !names.contains(name));
        environment.push(("AWS_EC2_METADATA_DISABLED", "true".to_owned()));
        environment
    };
    let error = no_answer(&without(&["AWS_REGION"])).await;
    assert!(error.starts_with("error: no region: set AWS_REGION, "), "{error}");
    let error = no_answer(&without(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])).await;
    assert!(error.starts_with("error: no credentials: set AWS_PROFILE, or "), "{error}");
    assert!(error.contains("aws configure export-credentials"), "{error}");
    assert_eq!(cloud.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_may_name_a_program_for_credentials() {
    let cloud = Cloud::with_stack(|_| said(200, "1")).await;
    let folder = tempdir().unwrap();
    let (config, credentials) = (folder.path().join("config"), folder.path().join("given.json"));
    std::fs::write(
        &credentials,
        r#"{"Version":1,"AccessKeyId":"given","SecretAccessKey":"a-secret"}"#,
    )
    .unwrap();
    let profile = format!(
        "[profile work]\nregion = sa-east-1\ncredential_process = cat {}\n",
        credentials.display()
    );
    std::fs::write(&config, profile).unwrap();
    let environment = vec![
        ("AWS_ENDPOINT_URL", format!("http://{}", cloud.address)),
        ("AWS_CONFIG_FILE", config.display().to_string()),
        ("AWS_PROFILE", "work".to_owned()),
        ("PATH", "/usr/bin:/bin".to_owned()),
    ];
    let ended = on_stack(&environment, &["invoke", "query", "-"], "{}").await;
    assert_eq!(ended, (0, "1\n".to_owned(), String::new()));
    for requests in cloud.requests() {
        let authorization = requests.header("authorization");
        assert!(authorization.contains(" Credential=given/"), "{authorization}");
        assert!(authorization.contains("/sa-east-1/"), "{authorization}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_or_foreign_stack_is_reported() {
    for (answer, expected) in [
        (
            said(400, refusal("ValidationError", "Stack with id drover does not exist")),
            "error: unknown stack in this region: stack=`drover`, \
             region=`eu-central-1`\n",
        ),
        (
            said(200, stack(&[("BucketName", "b")])),
            "error: the stack lacks an output, check that it is Drover's app stack and completely \
             deployed: stack=`drover`, output=`QueryFunction`, status=`UPDATE_COMPLETE`\n",
        ),
        (
            said(403, refusal("AccessDenied", "not authorized to perform: DescribeStacks")),
            "error: CloudFormation rejected the request: status=`403`, code=`AccessDenied`, \
             message=`not authorized to perform: DescribeStacks`\n",
        ),
    ] {
        let cloud = Cloud::start(move |_| answer.clone()).await;
        assert_eq!(no_answer(&cloud.environment()).await, expected);
    }
    let cloud = Cloud::start(|_| said(200, "<html>sign in</html>")).await;
    let error = no_answer(&cloud.environment()).await;
    let senseless = "error: invalid response of CloudFormation: endpoint=`http://";
    assert!(error.starts_with(senseless), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_read_only_from_a_drover_stack() {
    let cloud = Cloud::start(|_| said(200, stack(&[("LedgerTable", "drover-ledger")]))).await;
    let documents = newco();
    let words = ["apply", documents.path().to_str().unwrap()];
    let (code, _, error) = on_stack(&cloud.environment(), &words, "").await;
    assert_eq!(code, 1);
    assert!(error.contains("output=`RegistryTable`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_lambda_and_of_the_function_are_reported() {
    let failed = Said {
        status: 200,
        headers: vec![("x-amz-function-error", "Unhandled")],
        body: r#"{"errorType":"Odd","errorMessage":"no"}"#.to_owned(),
    };
    let denied = Said {
        status: 403,
        headers: vec![("x-amzn-errortype", "AccessDeniedException")],
        body: r#"{"Message":"you may not"}"#.to_owned(),
    };
    let larger = said(200, "1".repeat(6 * 1024 * 1024 + 101));
    for (answer, expected) in [
        (failed, "error: function failed: Odd: no\n"),
        (
            denied,
            "error: Lambda rejected the request: status=`403`, code=`AccessDeniedException`, \
             message=`you may not`\n",
        ),
        (
            larger,
            "error: the response of Lambda is too large, request less: limit=`6291556` bytes\n",
        ),
    ] {
        let cloud = Cloud::with_stack(move |_| answer.clone()).await;
        assert_eq!(no_answer(&cloud.environment()).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_throttled_requests_are_retried() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let cloud = Cloud::with_stack(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => said(429, r#"{"message":"Rate Exceeded."}"#),
        _ => said(200, "1"),
    })
    .await;
    let ended = on_stack(&cloud.environment(), &["invoke", "query", "-"], "{}").await;
    assert_eq!(ended, (0, "1\n".to_owned(), String::new()));
    assert_eq!(calls.load(Ordering::SeqCst), 2);

    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let cloud = Cloud::start(move |requests| match requests.path.as_str() {
        "/" if count.fetch_add(1, Ordering::SeqCst) == 0 => {
            said(400, refusal("Throttling", "Rate exceeded"))
        }
        "/" => said(200, stack(&OUTPUTS)),
        _ => said(200, "1"),
    })
    .await;
    let ended = on_stack(&cloud.environment(), &["invoke", "query", "-"], "{}").await;
    assert_eq!(ended, (0, "1\n".to_owned(), String::new()));
    assert_eq!(calls.load(Ordering::SeqCst), 2, "CloudFormation reports throttling in its own way");

    let cloud = Cloud::with_stack(|_| said(503, "{}")).await;
    let error = no_answer(&cloud.environment()).await;
    assert!(error.contains("status=`503`"), "{error}");
    assert_eq!(cloud.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_response_is_reported_with_its_endpoint() {
    let closed = drover_tests::closed_address().unwrap();
    let error = no_answer(&environment(closed)).await;
    let expected = format!("error: no response from CloudFormation: endpoint=`http://{closed}`: ");
    assert!(error.starts_with(&expected), "{error}");

    let cloud = Cloud::with_stack(|_| said(500, "")).await;
    let broken = drover_tests::canned::hang_up().await.unwrap();
    let mut environment = cloud.environment();
    environment.push(("AWS_ENDPOINT_URL_LAMBDA", format!("http://{broken}")));
    let error = no_answer(&environment).await;
    let expected = "error: no response from Lambda, the function may still run: endpoint=`http://";
    assert!(error.starts_with(expected), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_has_four_functions() {
    let cloud = Cloud::with_stack(|_| said(200, "1")).await;
    for name in ["ingest", "processor", "query", "replay"] {
        let (code, ..) = on_stack(&cloud.environment(), &["invoke", name, "-"], "{}").await;
        assert_eq!(code, 0, "{name}");
        let path = format!("/2015-03-31/functions/{name}/invocations");
        assert_eq!(cloud.requests().last().unwrap().path, path);
    }
    let (code, _, error) = on_stack(&cloud.environment(), &["invoke", "other", "-"], "{}").await;
    assert_eq!(code, 1);
    let expected = "error: unknown function, expected ingest, notify, processor, query, relay or replay: name=`other`\n";
    assert_eq!(error, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flags_of_a_stack_and_of_a_host_conflict() {
    for words in [
        "apply . --aws",
        "apply . --stack drover",
        "apply . --aws --stack drover --data .drover",
        "apply . --aws --stack drover --dynamodb 127.0.0.1:8000",
        "inspect demo device/d-1 --aws",
        "forget demo device/d-1 --aws",
        "invoke query - --aws --stack drover --lambda 127.0.0.1:3001",
        "replay show --aws --stack drover --data .drover",
        "replay run --stack drover",
        "produce telemetry --aws --stack drover",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let (code, out, error) = run_with(&Environment::new(), &words, "").await;
        assert_eq!((code, out.as_str()), (2, ""), "{words:?}");
        assert!(error.contains("--aws") || error.contains("--stack"), "{error}");
    }
}

/// Functions have their own keys; tables and queues are words in a loop.
#[test]
fn the_template_has_every_output_that_is_read() {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let template = std::fs::read_to_string(template).unwrap();
    let outputs: Vec<&str> =
        template.lines().skip_while(|line| !line.starts_with("Outputs:")).collect();
    let outputs = outputs.join("\n");
    let words: Vec<&str> = outputs.split(|one: char| !one.is_ascii_alphanumeric()).collect();
    for (output, _) in OUTPUTS {
        let word = output.trim_end_matches("Table").trim_end_matches("QueueUrl");
        assert!(words.contains(&output) || words.contains(&word), "{output}");
    }
}
