//! Failures of the outputs table on DynamoDB: rejections, and entries that this version cannot read.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]
#![recursion_limit = "256"]

use aws_sdk_dynamodb::types::AttributeValue;
use drover_aws::{Aws, AwsConfig, LocalEndpoints};
use drover_core::base::dependency::Dependency;
use drover_core::base::error::Reason;
use drover_core::base::id::{SubjectId, TenantId};
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::outputs::timers::sweeping::SweepState;
use drover_core::outputs::timers::{Minute, Timer, TimerKey, TimerKind};
use drover_core::ports::Timers;
use drover_tests::aws_at;
use drover_tests::canned::{dynamodb_error, serve, stay_silent};
use drover_tests::dynamodb::{OUTPUTS, ports, table};

fn timer() -> Timer {
    let scope = TenantScope::by_operator(TenantId::parse("failing").expect("a tenant"));
    let subject = scope.subject(SubjectId::parse("device/d1").expect("a subject"));
    let key = TimerKey { kind: TimerKind::Carry, subject };
    Timer { key, minute: Minute(9_000), failures: 0 }
}

/// The failure reason of every call, in the order of the port.
async fn reasons(aws: &Aws) -> Vec<Reason> {
    let (timer, state) = (timer(), SweepState::begin(Timestamp::MAX));
    let results = tokio::join!(
        async { aws.put_entry(&timer).await.err() },
        async { aws.delete_entry(&timer).await.err() },
        async { aws.entries(timer.partition(), None, 10).await.err() },
        async { aws.armed_minute(&timer.key).await.err() },
        async { aws.replace_armed_minute(&timer.key, None, Some(timer.minute)).await.err() },
        async { aws.replace_armed_minute(&timer.key, Some(timer.minute), None).await.err() },
        async { aws.sweep_state().await.err() },
        async { aws.replace_sweep_state(None, &state).await.err() },
    );
    let (a, b, c, d, e, f, g, h) = results;
    let all = [a, b, c, d, e, f, g, h].into_iter().flatten();
    all.map(|error| {
        assert_eq!(error.dependency, Some(Dependency::OutputsTable));
        error.reason
    })
    .collect()
}

#[tokio::test]
async fn no_call_mistakes_a_failure_for_a_result() {
    for (status, code, reason) in [
        (400, "ProvisionedThroughputExceededException", Reason::Throttled),
        (500, "InternalServerError", Reason::Unreachable),
        (400, "ResourceNotFoundException", Reason::Misconfigured),
    ] {
        let address = serve(move |_: &str| dynamodb_error(status, code)).await;
        let aws = aws_at(address.expect("a free port"));
        assert_eq!(reasons(&aws).await, [reason; 8], "{code}");
    }
    let silent = aws_at(stay_silent().await.expect("a free port"));
    assert_eq!(reasons(&silent).await, [Reason::Unreachable; 8]);
}

#[tokio::test]
async fn a_deployment_without_the_table_is_broken() {
    let config = AwsConfig {
        ledger_table: "ledger".into(),
        registry_table: "registry".into(),
        dead_letter_queue_url: "http://127.0.0.1:1/q".into(),
        buffer_queue_url: "http://127.0.0.1:1/q".into(),
        requests_table: None,
        letters_table: None,
        outputs_table: None,
        notifications_queue_url: None,
    };
    let nowhere = "http://127.0.0.1:1".to_owned();
    let aws = Aws::local(&LocalEndpoints { dynamodb: nowhere.clone(), sqs: nowhere }, config);
    assert_eq!(reasons(&aws).await, [Reason::Misconfigured; 8]);
}

#[tokio::test]
async fn entries_of_a_newer_version_are_counted_and_stay() {
    let (aws, timer) = (ports().await.expect("a DynamoDB"), timer());
    aws.put_entry(&timer).await.expect("available");
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let newer = aws.dynamodb().put_item().table_name(&*table(OUTPUTS));
    let newer = newer.item("pk", text(&timer.partition().key())).item("sk", text("snooze#1"));
    newer.send().await.expect("available");
    for _ in 0..2 {
        let read = aws.entries(timer.partition(), None, 10).await.expect("available").answer;
        assert_eq!((read.timers, read.unreadable), (vec![timer.clone()], 1));
    }
}
