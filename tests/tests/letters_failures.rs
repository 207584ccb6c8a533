//! Failures of the letters table on DynamoDB: lost responses, partly done batches, rejections.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]
#![recursion_limit = "256"]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use drover_aws::{Aws, AwsConfig, LocalEndpoints};
use drover_core::base::error::Reason;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::envelope::Chunk;
use drover_core::dead_letter::letter::{
    Lease, Letter, LetterRange, Order, Owner, State, StoredLetter, StoredRun, Wanted,
};
use drover_core::ports::Letters;
use drover_core::replay::filing::{self, Received};
use drover_tests::aws_at;
use drover_tests::canned::{Answer, dynamodb_error, serve, stay_silent};
use serde_json::{Value, json};

const OWNER: Owner = Owner::Operator;

fn now() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000).expect("in range")
}

fn letter() -> Letter {
    let received = Received { message_id: "m", body: "{}", sent_at: None };
    filing::read(&received, now()).expect("filed").letter
}

fn chunk(number: u32) -> Chunk {
    Chunk { number, bytes: vec![1] }
}

fn lease() -> Lease {
    Lease { run: "r".to_owned(), token: "t".to_owned(), until: now() }
}

async fn canned(answer: impl Fn(&Value) -> Answer + Clone + Send + Sync + 'static) -> Aws {
    let parsed = move |body: &str| answer(&serde_json::from_str(body).expect("JSON"));
    aws_at(serve(parsed).await.expect("a free port"))
}

/// The failure reason of every call, in the order of the port.
async fn reasons(aws: &Aws) -> Vec<Reason> {
    let (letter, run) = (letter(), StoredRun { bytes: vec![1], version: 1 });
    let old = StoredLetter { letter: letter.clone(), version: 1 };
    let range = LetterRange { after: None, order: Order::Rising, limit: 10 };
    let wanted = [Wanted { id: "a".to_owned(), chunks: 2 }];
    let two = [chunk(1), chunk(2)];
    let results = tokio::join!(
        async { aws.put_chunks(&OWNER, "a", &[chunk(1)], 1).await.err() },
        async { aws.put_chunks(&OWNER, "a", &two, 1).await.err() },
        async { aws.put_letter(&OWNER, &letter).await.err() },
        async { aws.replace_letter(&OWNER, &old, &letter).await.err() },
        async { aws.letter(&OWNER, "a").await.err() },
        async { aws.letters(&OWNER, &range).await.err() },
        async { aws.contents(&OWNER, &wanted).await.err() },
        async { aws.run(&OWNER, "a").await.err() },
        async { aws.runs(&OWNER, 1).await.err() },
        async { aws.put_run(&OWNER, "a", &run, 1).await.err() },
        async { aws.take_lease(&OWNER, &lease(), now()).await.err() },
        async { aws.lease(&OWNER).await.err() },
        async { aws.release_lease(&OWNER, "t").await.err() },
    );
    let (a, b, c, d, e, f, g, h, i, j, k, l, m) = results;
    let all = [a, b, c, d, e, f, g, h, i, j, k, l, m];
    all.into_iter().flatten().map(|error| error.reason).collect()
}

#[tokio::test]
async fn no_call_mistakes_a_failure_for_a_result() {
    for (status, code, reason) in [
        (400, "ProvisionedThroughputExceededException", Reason::Throttled),
        (500, "InternalServerError", Reason::Unreachable),
        (400, "BrandNewException", Reason::Unreachable),
        (400, "ResourceNotFoundException", Reason::Misconfigured),
    ] {
        let aws = canned(move |_| dynamodb_error(status, code)).await;
        assert_eq!(reasons(&aws).await, [reason; 13], "{code}");
    }
    let silent = aws_at(stay_silent().await.expect("a free port"));
    assert_eq!(reasons(&silent).await, [Reason::Unreachable; 13]);
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
    assert_eq!(reasons(&aws).await, [Reason::Misconfigured; 13]);
}

/// A table of one item that stores the first put but loses the response.
async fn forgetful() -> Aws {
    let kept: Arc<Mutex<Option<Value>>> = Arc::default();
    canned(move |request| {
        let mut kept = kept.lock().expect("not poisoned");
        match &*kept {
            None => {
                *kept = request.get("Item").cloned();
                dynamodb_error(500, "InternalServerError")
            }
            Some(item) => {
                let body = json!({
                    "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
                    "message": "The conditional request failed", "Item": item,
                });
                (400, body.to_string())
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_lost_response_to_an_own_write_counts_as_done() {
    let old = StoredLetter { letter: letter(), version: 4 };
    let parked = Letter { state: State::Parked, ..letter() };
    let replaced = forgetful().await.replace_letter(&OWNER, &old, &parked).await;
    assert!(replaced.expect("available").answer);
    let run = StoredRun { bytes: vec![1], version: 5 };
    let put = forgetful().await.put_run(&OWNER, "a", &run, 1).await;
    assert!(put.expect("available").answer);
}

#[tokio::test]
async fn a_write_that_lost_to_another_is_not_done() {
    let aws = forgetful().await;
    let old = StoredLetter { letter: letter(), version: 4 };
    let parked = Letter { state: State::Parked, ..letter() };
    assert!(aws.replace_letter(&OWNER, &old, &parked).await.expect("available").answer);
    let resolved = Letter { state: State::Resolved, ..letter() };
    let lost = aws.replace_letter(&OWNER, &old, &resolved).await.expect("available");
    assert!(!lost.answer);
    assert_eq!(lost.units.write, 1.0, "a failed condition costs the size of the stored item");
}

/// Accepts three items of each batch, and returns the others as unprocessed.
fn three_at_a_time(request: &Value) -> Answer {
    let (table, asked) = one_table(request);
    let body = match asked.get("Keys").and_then(Value::as_array) {
        None => {
            let left = asked.as_array().map_or(&[][..], |puts| puts.get(3..).unwrap_or_default());
            let unprocessed = if left.is_empty() { json!({}) } else { json!({ table: left }) };
            let capacity = json!([{ "TableName": table, "CapacityUnits": 3.0 }]);
            json!({ "UnprocessedItems": unprocessed, "ConsumedCapacity": capacity })
        }
        Some(keys) => {
            assert_eq!(asked.get("ConsistentRead"), Some(&json!(true)));
            let (now, left) = keys.split_at(keys.len().min(3));
            let item = |key: &Value| json!({ "sk": key["sk"], "d": { "B": "AQ==" } });
            let items: Vec<Value> = now.iter().map(item).collect();
            let again = json!({ table: { "Keys": left, "ConsistentRead": true } });
            let unprocessed = if left.is_empty() { json!({}) } else { again };
            let capacity = json!([{ "TableName": table, "CapacityUnits": 3.0 }]);
            json!({ "Responses": { table: items }, "UnprocessedKeys": unprocessed,
                "ConsumedCapacity": capacity })
        }
    };
    (200, body.to_string())
}

fn one_table(request: &Value) -> (&str, &Value) {
    let tables = request.get("RequestItems").and_then(Value::as_object);
    let (table, asked) = tables.and_then(|tables| tables.iter().next()).expect("a batch");
    (table, asked)
}

#[tokio::test]
async fn unprocessed_items_of_a_batch_are_retried() {
    let aws = canned(three_at_a_time).await;
    let chunks: Vec<Chunk> = (1..=30).map(chunk).collect();
    let units = aws.put_chunks(&OWNER, "a", &chunks, 1).await.expect("available");
    // 25 items in nine calls, 5 in two.
    assert_eq!((units.read, units.write), (0.0, 33.0));
    let wanted = [Wanted { id: "a".to_owned(), chunks: 10 }];
    let read = aws.contents(&OWNER, &wanted).await.expect("available");
    assert_eq!(read.answer, [Some(vec![1; 10])]);
    assert_eq!((read.units.read, read.units.write), (12.0, 0.0));
}

#[tokio::test]
async fn a_batch_that_stays_unprocessed_is_throttled() {
    let count = Arc::new(AtomicU32::new(0));
    let counting = Arc::clone(&count);
    let aws = canned(move |request| {
        counting.fetch_add(1, Ordering::Relaxed);
        let left = &request["RequestItems"];
        (200, json!({ "UnprocessedItems": left, "UnprocessedKeys": left }).to_string())
    })
    .await;
    let put = aws.put_chunks(&OWNER, "a", &[chunk(1), chunk(2)], 1).await;
    assert_eq!(put.err().map(|error| error.reason), Some(Reason::Throttled));
    assert_eq!(count.swap(0, Ordering::Relaxed), 5);
    let read = aws.contents(&OWNER, &[Wanted { id: "a".to_owned(), chunks: 1 }]).await;
    assert_eq!(read.err().map(|error| error.reason), Some(Reason::Throttled));
    assert_eq!(count.load(Ordering::Relaxed), 5);
}

#[cfg(not(feature = "s3"))]
#[tokio::test]
async fn without_the_feature_no_object_is_read() {
    use drover_core::dead_letter::object::Object;
    use drover_core::ports::Objects as _;
    let aws = aws_at(stay_silent().await.expect("a free port"));
    assert_eq!(aws.object("bucket", "key").await, Ok(Object::NotRead));
}
