//! The writes of a plan on DynamoDB: all in order, or none from the first write that another process
//! has overtaken.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]

use drover_aws::{Applied, Aws};
use drover_core::base::error::Reason;
use drover_core::intake::document::{DocumentName, StoredDocument};
use drover_core::ports::Documents;
use drover_core::registry::{Change, Plan, Write};
use drover_tests::dynamodb::ports;
use drover_tests::{aws_at, closed_address};

async fn dynamodb() -> Aws {
    ports().await.expect("a DynamoDB")
}

/// Tests share a registry, so each uses unique documents.
fn name(name: &str) -> DocumentName {
    DocumentName::Contract(name.to_owned())
}

fn document(json: &str, revision: u64) -> StoredDocument {
    StoredDocument { json: json.to_owned(), revision }
}

fn put(named: &str, document: StoredDocument, replaces: Option<u64>) -> Write {
    Write { name: name(named), change: Change::Put { document, replaces } }
}

fn plan(writes: impl Into<Vec<Write>>) -> Plan {
    Plan { revision: 1, writes: writes.into() }
}

async fn stored(aws: &Aws, named: &str) -> Option<StoredDocument> {
    aws.document(&name(named)).await.expect("available")
}

#[tokio::test]
async fn documents_are_created_replaced_and_removed() {
    let aws = dynamodb().await;
    let (old, new) = (document("{}", 1), document(r#"{"a":"ä"}"#, 2));
    let created = plan([put("replaced", old.clone(), None), put("removed", old.clone(), None)]);
    assert_eq!(aws.apply(&created).await, Ok(Applied::Whole));
    assert_eq!(stored(&aws, "replaced").await, Some(old));

    let removed = Write { name: name("removed"), change: Change::Delete };
    let changed = plan([put("replaced", new.clone(), Some(1)), removed]);
    assert_eq!(aws.apply(&changed).await, Ok(Applied::Whole));
    assert_eq!(stored(&aws, "replaced").await, Some(new));
    assert_eq!(stored(&aws, "removed").await, None);
}

#[tokio::test]
async fn removing_a_missing_document_succeeds() {
    let removed = Write { name: name("never-there"), change: Change::Delete };
    assert_eq!(dynamodb().await.apply(&plan([removed])).await, Ok(Applied::Whole));
}

#[tokio::test]
async fn nothing_is_written_if_another_process_overtook_one_document() {
    let aws = dynamodb().await;
    let theirs = document(r#"{"theirs":1}"#, 7);
    let first = plan([put("overtaken", theirs.clone(), None)]);
    assert_eq!(aws.apply(&first).await, Ok(Applied::Whole));

    let ours = document("{}", 8);
    for replaces in [None, Some(6)] {
        let (before, after) = (format!("before-{replaces:?}"), format!("after-{replaces:?}"));
        let plan = plan([
            put(&before, ours.clone(), None),
            put("overtaken", ours.clone(), replaces),
            put(&after, ours.clone(), None),
        ]);
        assert_eq!(aws.apply(&plan).await, Ok(Applied::Overtaken(name("overtaken"))));
        assert_eq!(stored(&aws, &before).await, None);
        assert_eq!(stored(&aws, "overtaken").await, Some(theirs.clone()));
        assert_eq!(stored(&aws, &after).await, None);
    }
}

#[tokio::test]
async fn an_identical_document_of_another_process_is_not_mistaken_for_our_write() {
    let aws = dynamodb().await;
    let same = plan([put("same", document("{}", 1), None)]);
    assert_eq!(aws.apply(&same).await, Ok(Applied::Whole));
    assert_eq!(aws.apply(&same).await, Ok(Applied::Overtaken(name("same"))));
}

#[tokio::test]
async fn without_dynamodb_it_is_unavailable() {
    let unreachable = aws_at(closed_address().expect("a free port"));
    let error = unreachable.apply(&plan([put("any", document("{}", 1), None)])).await.err();
    assert_eq!(error.map(|error| error.reason), Some(Reason::Unreachable));
}
