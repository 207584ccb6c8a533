//! How the AWS ports classify failures: one case for each error code of DynamoDB.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use drover_aws::Aws;
use drover_core::base::cost::Metered;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::intake::document::DocumentName;
use drover_core::ledger::dialogue::WriteAnswer;
use drover_core::ledger::{Activity, LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use drover_core::ports::{Documents, Store, SubjectLocation};
use drover_tests::canned::{Answer, cancelled, dynamodb_error, hang_up, serve, stay_silent};
use drover_tests::dynamodb::{LEDGER, REGISTRY, ports, table};
use drover_tests::{aws_at, closed_address};

fn location(device: &str) -> SubjectLocation {
    drover_tests::location("contract", device).expect("names")
}

fn page() -> PageWrite {
    let page = StoredPage { key: b"k".to_vec(), bytes: b"page".to_vec() };
    PageWrite { page, version: 1, replaces: None, expires_at: 2_000_000_000 }
}

fn write(pages: Vec<PageWrite>) -> LedgerWrite {
    LedgerWrite {
        expected: Some(1),
        head: StoredHead { version: 2, bytes: b"head".to_vec() },
        activity: Activity { shard: "T#t#device#0".to_owned(), hour: "00000001#d".to_owned() },
        pages,
    }
}

async fn always(answer: Answer) -> Aws {
    aws_at(serve(move |_| answer.clone()).await.expect("a free port"))
}

/// Head, pages and seal: the operations that the store itself retries.
async fn reasons(aws: &Aws) -> [Option<Reason>; 4] {
    let location = location("failing");
    let range = PageRange::from(Vec::new(), 10);
    [
        aws.head(&location).await.err().map(|error| error.reason),
        aws.pages(&location, &range).await.err().map(|error| error.reason),
        aws.seal(&location, &page()).await.err().map(|error| error.reason),
        aws.document(&document()).await.err().map(|error| error.reason),
    ]
}

/// A head alone, and a head with a page.
async fn writes(aws: &Aws) -> [Written; 2] {
    let location = location("failing");
    let (alone, both) = (write(Vec::new()), write(vec![page()]));
    let answered = |done: Result<_, Unavailable>| {
        done.map(|done: Metered<_>| done.answer).map_err(|error| error.reason)
    };
    let (alone, both) = tokio::join!(aws.write(&location, &alone), aws.write(&location, &both));
    [answered(alone), answered(both)]
}

fn document() -> DocumentName {
    DocumentName::Revision
}

type Written = Result<WriteAnswer, Reason>;

/// The result of the write is unknown, for this reason.
const fn unknown(reason: Reason) -> Written {
    Ok(WriteAnswer::Unknown(reason))
}

const CONTENDED: Written = unknown(Reason::Contention);
const THROTTLED: Written = unknown(Reason::Throttled);
const UNANSWERED: Written = unknown(Reason::Unreachable);
const REFUSED: Written = Err(Reason::Misconfigured);
const INVALID: Written = Err(Reason::Bug);

async fn check(status: u16, code: &str, reason: Reason, write: Written) {
    let aws = always(dynamodb_error(status, code)).await;
    assert_eq!(reasons(&aws).await, [Some(reason); 4], "{code}");
    assert_eq!(writes(&aws).await, [write.clone(), write], "{code}");
}

#[tokio::test]
async fn throttling_leaves_a_write_unknown() {
    check(400, "ProvisionedThroughputExceededException", Reason::Throttled, THROTTLED).await;
    check(400, "ThrottlingException", Reason::Throttled, THROTTLED).await;
    check(400, "RequestLimitExceeded", Reason::Throttled, THROTTLED).await;
    check(400, "LimitExceededException", Reason::Throttled, THROTTLED).await;
}

/// DynamoDB names a hot key in the reasons of its exception. Only if all reasons do is no other key
/// affected.
#[tokio::test]
async fn a_throttled_key_is_distinguished_from_a_throttled_table() {
    const KEY: &str = "TableWriteKeyRangeThroughputExceeded";
    const TABLE: &str = "TableWriteMaxOnDemandThroughputExceeded";
    for (reasons, reason) in [
        (&[KEY][..], Reason::HotKey),
        (&["IndexWriteKeyRangeThroughputExceeded", KEY], Reason::HotKey),
        (&[KEY, TABLE], Reason::Throttled),
        (&[TABLE], Reason::Throttled),
        (&[], Reason::Throttled),
    ] {
        for code in ["ProvisionedThroughputExceededException", "ThrottlingException"] {
            let aws = always(throttled(code, reasons)).await;
            assert_eq!(
                writes(&aws).await,
                [unknown(reason), unknown(reason)],
                "{code} {reasons:?}"
            );
        }
    }
}

fn throttled(code: &str, reasons: &[&str]) -> Answer {
    let reasons = reasons.iter().map(|reason| serde_json::json!({ "reason": reason }));
    // The two exceptions spell the member differently.
    let member =
        if code == "ThrottlingException" { "throttlingReasons" } else { "ThrottlingReasons" };
    let body = serde_json::json!({
        "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
        "message": "on demand",
        (member): reasons.collect::<Vec<_>>(),
    });
    (400, body.to_string())
}

#[tokio::test]
async fn a_conflict_with_another_transaction_leaves_a_write_unknown() {
    check(400, "TransactionConflictException", Reason::Contention, CONTENDED).await;
    check(400, "TransactionInProgressException", Reason::Contention, CONTENDED).await;
    check(400, "ReplicatedWriteConflictException", Reason::Contention, CONTENDED).await;
}

#[tokio::test]
async fn a_fault_of_the_service_and_an_unknown_code_leave_a_write_unknown() {
    check(500, "InternalServerError", Reason::Unreachable, UNANSWERED).await;
    check(503, "ServiceUnavailable", Reason::Unreachable, UNANSWERED).await;
    check(400, "BrandNewException", Reason::Unreachable, UNANSWERED).await;
}

#[tokio::test]
async fn a_denied_request_is_distinguished_from_an_invalid_request() {
    check(400, "ValidationException", Reason::Bug, INVALID).await;
    check(400, "AccessDeniedException", Reason::Misconfigured, REFUSED).await;
    check(400, "ResourceNotFoundException", Reason::Misconfigured, REFUSED).await;
    check(400, "UnrecognizedClientException", Reason::Misconfigured, REFUSED).await;
    check(400, "ExpiredTokenException", Reason::Misconfigured, REFUSED).await;
}

#[tokio::test]
async fn an_answer_without_a_code_leaves_a_write_unknown() {
    let proxy = always((502, "<html>bad gateway</html>".to_owned())).await;
    assert_eq!(reasons(&proxy).await, [Some(Reason::Unreachable); 4]);
    assert_eq!(writes(&proxy).await, [UNANSWERED, UNANSWERED]);
    let snapshot = aws_at(hang_up().await.expect("a free port"));
    assert_eq!(reasons(&snapshot).await, [Some(Reason::Unreachable); 4]);
    assert_eq!(writes(&snapshot).await, [UNANSWERED, UNANSWERED]);
}

#[tokio::test]
async fn a_write_without_an_answer_ends_and_is_unknown() {
    let silent = aws_at(stay_silent().await.expect("a free port"));
    assert_eq!(writes(&silent).await, [UNANSWERED, UNANSWERED]);
}

#[tokio::test]
async fn without_a_listener_everything_is_unreachable_and_no_write_is_unknown() {
    let down = aws_at(closed_address().expect("a free port"));
    assert_eq!(reasons(&down).await, [Some(Reason::Unreachable); 4]);
    assert_eq!(writes(&down).await, [Err(Reason::Unreachable), Err(Reason::Unreachable)]);
}

#[tokio::test]
async fn a_cancelled_transaction_is_classified_by_its_reasons() {
    async fn check(codes: &[&str], expected: Written) {
        let [_, both] = writes(&always(cancelled(codes)).await).await;
        assert_eq!(both, expected, "{codes:?}");
    }
    check(&["TransactionConflict", "None"], CONTENDED).await;
    check(&["None", "TransactionConflict"], CONTENDED).await;
    check(&["ProvisionedThroughputExceeded", "None"], THROTTLED).await;
    check(&["None", "ThrottlingError"], THROTTLED).await;
    check(&["None", "BrandNew"], UNANSWERED).await;
    check(&["None", "None"], UNANSWERED).await;
    check(&[], UNANSWERED).await;
    check(&["None", "ValidationError"], INVALID).await;
    check(&["None", "AccessDenied"], REFUSED).await;
    check(&["ConditionalCheckFailed", "None"], Ok(WriteAnswer::Lost(None))).await;
    check(&["ConditionalCheckFailed", "TransactionConflict"], Ok(WriteAnswer::Lost(None))).await;
}

/// Runs with a service that returns these codes for two heads written together, and accepts single
/// puts; also returns the number of requests.
async fn together(codes: [Option<&str>; 2]) -> ([Written; 2], u32) {
    let statements = codes.map(|code| match code {
        Some(code) => serde_json::json!({ "Error": { "Code": code, "Message": "on demand" } }),
        None => serde_json::json!({ "TableName": "ledger" }),
    });
    both_at_once((200, serde_json::json!({ "Responses": statements }).to_string())).await
}

/// Like [`together`], with this response to the joint request.
async fn both_at_once(answer: Answer) -> ([Written; 2], u32) {
    let count = Arc::new(AtomicU32::new(0));
    let counting = Arc::clone(&count);
    let address = serve(move |body| {
        counting.fetch_add(1, Ordering::Relaxed);
        if body.contains("Statements") { answer.clone() } else { (200, "{}".to_owned()) }
    });
    let aws = aws_at(address.await.expect("a free port"));
    let (one, other, write) = (location("one"), location("other"), write(Vec::new()));
    let (one, other) = tokio::join!(aws.write(&one, &write), aws.write(&other, &write));
    let answers = [one, other]
        .map(|done| done.map(|done| done.answer).map_err(|unavailable| unavailable.reason));
    (answers, count.load(Ordering::Relaxed))
}

const WRITTEN: Written = Ok(WriteAnswer::Written);

#[tokio::test]
async fn heads_written_together_have_separate_errors() {
    assert_eq!(together([None, None]).await, ([WRITTEN, WRITTEN], 1));
    for (code, written) in [
        ("ProvisionedThroughputExceeded", THROTTLED),
        ("RequestLimitExceeded", THROTTLED),
        ("ThrottlingError", THROTTLED),
        ("TransactionConflict", CONTENDED),
        ("InternalServerError", UNANSWERED),
        ("BrandNew", UNANSWERED),
    ] {
        assert_eq!(together([Some(code), None]).await, ([written, WRITTEN], 1), "{code}");
    }
    // An item is written alone if its error only applies to the joint request.
    let again = [
        "AccessDenied",
        "ConditionalCheckFailed",
        "DuplicateItem",
        "ItemCollectionSizeLimitExceeded",
        "ResourceNotFound",
        "ValidationError",
    ];
    for code in again {
        assert_eq!(together([None, Some(code)]).await, ([WRITTEN, WRITTEN], 2), "{code}");
    }
}

#[tokio::test]
async fn heads_that_cannot_be_written_together_are_written_alone() {
    for code in ["AccessDeniedException", "ValidationException"] {
        let written = both_at_once(dynamodb_error(400, code)).await;
        assert_eq!(written, ([WRITTEN, WRITTEN], 3), "{code}");
    }
}

#[tokio::test]
async fn heads_written_together_without_a_response_are_unknown() {
    let throttled = dynamodb_error(400, "ProvisionedThroughputExceededException");
    assert_eq!(both_at_once(throttled).await, ([THROTTLED, THROTTLED], 1));
    let fault = dynamodb_error(500, "InternalServerError");
    assert_eq!(both_at_once(fault).await, ([UNANSWERED, UNANSWERED], 1));
    let short = serde_json::json!({ "Responses": [{ "TableName": "ledger" }] });
    assert_eq!(both_at_once((200, short.to_string())).await, ([WRITTEN, UNANSWERED], 1));
}

/// The results of two heads read together, and the number of requests.
async fn read_at_once(answer: Answer) -> ([Result<Option<u64>, Reason>; 2], u32) {
    let count = Arc::new(AtomicU32::new(0));
    let counting = Arc::clone(&count);
    let address = serve(move |body| {
        counting.fetch_add(1, Ordering::Relaxed);
        let alone = serde_json::json!({ "Item": { "v": { "N": "7" }, "d": { "B": "" } } });
        if body.contains("RequestItems") { answer.clone() } else { (200, alone.to_string()) }
    });
    let aws = aws_at(address.await.expect("a free port"));
    let (one, other) = (location("one"), location("other"));
    let (one, other) = tokio::join!(aws.head(&one), aws.head(&other));
    let answers = [one, other].map(|read| {
        let version = read.map(|read| read.answer.map(|head| head.version));
        version.map_err(|unavailable| unavailable.reason)
    });
    (answers, count.load(Ordering::Relaxed))
}

#[tokio::test]
async fn omitted_heads_and_heads_that_cannot_be_read_together_are_read_alone() {
    let none = serde_json::json!({ "Responses": {}, "UnprocessedKeys": {} });
    assert_eq!(read_at_once((200, none.to_string())).await, ([Ok(None), Ok(None)], 1));
    let key = serde_json::json!({ "pk": { "S": location("other").key.partition_key() }, "sk": { "B": "SA==" } });
    let ledger = table(LEDGER);
    let left_out = serde_json::json!({ "UnprocessedKeys": { (*ledger): { "Keys": [key] } } });
    assert_eq!(read_at_once((200, left_out.to_string())).await, ([Ok(None), Ok(Some(7))], 2));
    let refused = dynamodb_error(400, "AccessDeniedException");
    assert_eq!(read_at_once(refused).await, ([Ok(Some(7)), Ok(Some(7))], 3));
    let throttled = dynamodb_error(400, "ThrottlingException");
    let (answers, requests) = read_at_once(throttled).await;
    assert_eq!(answers, [Err(Reason::Throttled), Err(Reason::Throttled)]);
    assert_eq!(requests, 3, "retried by the SDK");
}

/// A joint request fails as a whole if one partition of DynamoDB is slow or failing.
#[tokio::test]
async fn heads_whose_joint_request_failed_are_read_alone() {
    let fault = dynamodb_error(500, "InternalServerError");
    // Three joint requests by the SDK's retries, and one for each head.
    assert_eq!(read_at_once(fault).await, ([Ok(Some(7)), Ok(Some(7))], 5));
}

#[tokio::test]
async fn a_head_write_is_sent_once_and_a_read_up_to_three_times() {
    let count = Arc::new(AtomicU32::new(0));
    let counting = Arc::clone(&count);
    let address: SocketAddr = serve(move |_| {
        counting.fetch_add(1, Ordering::Relaxed);
        dynamodb_error(500, "InternalServerError")
    })
    .await
    .expect("a free port");
    let aws = aws_at(address);
    assert_eq!(writes(&aws).await, [UNANSWERED, UNANSWERED]);
    assert_eq!(count.swap(0, Ordering::Relaxed), 2);
    assert!(aws.head(&location("counted")).await.is_err());
    assert_eq!(count.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_document_is_read_with_its_revision() {
    use aws_sdk_dynamodb::types::AttributeValue;
    let aws = ports().await.expect("a DynamoDB");
    assert!(aws.document(&document()).await.expect("available").is_none());
    let put = |revision: AttributeValue| {
        aws.dynamodb()
            .put_item()
            .table_name(&*table(REGISTRY))
            .item("pk", AttributeValue::S(document().storage_key()))
            .item("d", AttributeValue::S(r#"{"é":1}"#.to_owned()))
            .item("v", revision)
            .send()
    };
    put(AttributeValue::N("7".to_owned())).await.expect("available");
    let read = aws.document(&document()).await.expect("available").expect("a document");
    assert_eq!((read.json.as_str(), read.revision), (r#"{"é":1}"#, 7));
    put(AttributeValue::S("seven".to_owned())).await.expect("available");
    let broken = aws.document(&document()).await.err().map(|error| error.reason);
    assert_eq!(broken, Some(Reason::Corrupt));
}

/// An error that echoes the request, as DynamoDB's errors do: one had 157 KB of subject keys.
#[tokio::test]
async fn the_message_of_a_service_is_cut_and_keys_are_removed() {
    let keys: Vec<String> =
        (0..5_000).map(|at| format!("{{pk=T#contract#S#device#secret-{at}}}")).collect();
    let said = format!("1 validation error detected: Value '[{}]' at 'keys'", keys.join(", "));
    let refused = serde_json::json!({"__type": "com.amazon.coral.validate#ValidationException", "message": said});
    let aws = always((400, refused.to_string())).await;
    let cancelled = serde_json::json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "message": said,
        "CancellationReasons": [{"Code": "ValidationError", "Message": said}, {"Code": "None"}],
    });
    let cancelling = always((400, cancelled.to_string())).await;
    let (location, range) = (location("failing"), PageRange::from(Vec::new(), 10));
    let failed = [
        aws.head(&location).await.err(),
        aws.pages(&location, &range).await.err(),
        aws.seal(&location, &page()).await.err(),
        aws.write(&location, &write(Vec::new())).await.err(),
        aws.write(&location, &write(vec![page()])).await.err(),
        cancelling.write(&location, &write(vec![page()])).await.err(),
    ];
    for failed in failed {
        let message = failed.expect("refused").message;
        assert!(message.len() < 500, "{} bytes", message.len());
        assert!(message.contains("1 validation error") && !message.contains("secret"), "{message}");
    }
}
