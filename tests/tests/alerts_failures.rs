//! Failures of the outputs table on DynamoDB, for alerts: rejections, cancelled transactions, and items that this
//! version cannot read.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]
#![recursion_limit = "256"]

use std::sync::Arc;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use drover_aws::Aws;
use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::id::{SubjectId, SubjectKey, TenantId};
use drover_core::base::scope::TenantScope;
use drover_core::base::severity::Severity;
use drover_core::base::time::Timestamp;
use drover_core::outputs::alerts::acts::Acts;
use drover_core::outputs::alerts::{
    Alert, AlertId, AlertPage, AlertWrite, Latest, REFLECTED_KEY, Reflected,
};
use drover_core::outputs::changes::CommitId;
use drover_core::ports::Alerts;
use drover_core::view::rules::{Episode, Moment};
use drover_tests::aws_at;
use drover_tests::canned::{cancelled, dynamodb_error, serve, stay_silent};
use drover_tests::dynamodb::{OUTPUTS, ports, table};

const NEW: Reflected = Reflected { commit: CommitId { era: 1, version: 1 }, revision: 1 };

fn tenant(id: &str) -> TenantScope {
    TenantScope::by_operator(TenantId::parse(id).expect("a tenant"))
}

fn subject(tenant_id: &str) -> SubjectKey {
    tenant(tenant_id).subject(SubjectId::parse("device/d1").expect("a subject"))
}

fn alert(subject: &SubjectKey) -> Alert {
    let episode = Episode {
        rule: Arc::from("hot"),
        version: 1,
        opened: Moment::time(Timestamp::from_millis(1_000).expect("in range")),
        closed: None,
        severity: Severity::Warning,
        value: None,
    };
    let id = AlertId::new(subject, &episode, NEW.commit);
    let (acts, latest) = (Acts::default(), Latest::default());
    Alert { id, episode, retracted: None, latches: false, acts, latest }
}

const ALL: AlertPage = AlertPage { only_open: false, from: None, below: None, limit: 10 };

async fn write(aws: &Aws, subject: &SubjectKey) -> Result<bool, Unavailable> {
    let writes = [AlertWrite { old: None, new: Some(alert(subject)) }];
    let written = aws.write_alerts(subject, None, NEW, &writes, Timestamp::MIN).await;
    written.map(|written| written.answer)
}

/// The failure reason of every call, in the order of the port.
async fn reasons(aws: &Aws) -> Vec<Reason> {
    let subject = subject("failing");
    let tenant = tenant("failing");
    let (read, written, listed) = tokio::join!(
        async { aws.alerts(&subject, Timestamp::MIN).await.err() },
        async { write(aws, &subject).await.err() },
        async { aws.list_alerts(&tenant, &ALL).await.err() },
    );
    let failures = [read, written, listed].into_iter().flatten();
    failures
        .map(|error| {
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
        (400, "TransactionInProgressException", Reason::Contention),
    ] {
        let address = serve(move |_: &str| dynamodb_error(status, code)).await;
        let aws = aws_at(address.expect("a free port"));
        assert_eq!(reasons(&aws).await, [reason; 3], "{code}");
    }
    let silent = aws_at(stay_silent().await.expect("a free port"));
    assert_eq!(reasons(&silent).await, [Reason::Unreachable; 3]);
}

#[tokio::test]
async fn a_failed_condition_or_another_transaction_shows_another_writer() {
    const CONDITION: &str = "ConditionalCheckFailed";
    for (codes, expected) in [
        ([CONDITION, "None"], Ok(false)),
        ([CONDITION, "TransactionConflict"], Ok(false)),
        (["None", CONDITION], Ok(false)),
        (["TransactionConflict", "None"], Ok(false)),
        (["None", "ThrottlingError"], Err(Reason::Throttled)),
        (["None", "ValidationError"], Err(Reason::Bug)),
        ([CONDITION, "ValidationError"], Err(Reason::Bug)),
    ] {
        let address = serve(move |_: &str| cancelled(&codes)).await;
        let aws = aws_at(address.expect("a free port"));
        let written = write(&aws, &subject("failing")).await.map_err(|error| {
            assert_eq!(error.dependency, Some(Dependency::OutputsTable));
            error.reason
        });
        assert_eq!(written, expected, "{codes:?}");
    }
}

/// Stores an item of the subject with its alert's attributes for the index, and with these.
async fn put(aws: &Aws, subject: &SubjectKey, sort_key: &str, others: &[(&str, AttributeValue)]) {
    let text = |text: String| AttributeValue::S(text);
    let mut put = aws.dynamodb().put_item().table_name(&*table(OUTPUTS));
    put = put
        .item("pk", text(subject.partition_key()))
        .item("sk", text(sort_key.to_owned()))
        .item("g", text(format!("T#{}#A", subject.tenant().as_str())))
        .item("i", text(sort_key.to_owned()));
    for (name, value) in others {
        put = put.item(*name, value.clone());
    }
    put.send().await.expect("available");
}

#[tokio::test]
async fn a_list_counts_alerts_of_a_newer_version_and_goes_on_behind_them() {
    let aws = ports().await.expect("a DynamoDB");
    let (tenant, subject) = (tenant("newer"), subject("newer"));
    assert_eq!(write(&aws, &subject).await, Ok(true));
    let newer = ("d", AttributeValue::B(Blob::new([255, 1, 2])));
    put(&aws, &subject, "a", &[newer]).await;
    put(&aws, &subject, "b", &[]).await;
    let page = AlertPage { limit: 2, ..ALL };
    let first = aws.list_alerts(&tenant, &page).await.expect("available").answer;
    assert_eq!((first.alerts, first.unreadable, first.next.as_deref()), (vec![], 2, Some("a")));
    let page = AlertPage { below: first.next, ..ALL };
    let second = aws.list_alerts(&tenant, &page).await.expect("available").answer;
    let expected = (vec![(subject.clone(), alert(&subject))], 0, None);
    assert_eq!((second.alerts, second.unreadable, second.next), expected);
}

#[tokio::test]
async fn a_subject_with_an_item_of_a_newer_version_is_unavailable() {
    let aws = ports().await.expect("a DynamoDB");
    for (name, sort_key) in [("corrupt-alert", "A#O#1"), ("corrupt-commit", REFLECTED_KEY)] {
        let subject = subject(name);
        assert_eq!(write(&aws, &subject).await, Ok(true));
        put(&aws, &subject, sort_key, &[]).await;
        let read = aws.alerts(&subject, Timestamp::MIN).await;
        assert_eq!(read.err().map(|error| error.reason), Some(Reason::Corrupt), "{name}");
    }
    let written = write(&aws, &subject("corrupt-commit")).await;
    assert_eq!(written.err().map(|error| error.reason), Some(Reason::Corrupt));
}
