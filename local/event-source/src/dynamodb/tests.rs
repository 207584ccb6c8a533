//! A mapping over a scripted stream and a scripted function, in played time.

mod random;
mod script;

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::watch;

use self::script::{Function, Messages, ScriptedStream};
use super::*;
use crate::invoke::FunctionError;

const WAIT: Duration = Duration::from_secs(60);

/// A mapping, and what its function received.
struct Fixture {
    stream: ScriptedStream,
    settings: Settings,
    checkpoints: Checkpoints,
    messages: Messages,
    seen: Arc<Mutex<Vec<Vec<u64>>>>,
}

impl Fixture {
    fn new() -> Self {
        Self {
            stream: ScriptedStream::default(),
            settings: Settings::new("m"),
            checkpoints: script::checkpoints(),
            messages: Messages::default(),
            seen: Arc::default(),
        }
    }

    /// Starts the mapping with a function that returns `answer(sequence numbers, call)`.
    fn start<A>(&self, answer: A) -> StreamSource
    where
        A: Fn(&[u64], usize) -> Result<Value, FunctionError> + Send + Sync + 'static,
    {
        let seen = Arc::clone(&self.seen);
        let function = Function::new(move |sequences| {
            let mut seen = seen.lock().unwrap();
            seen.push(sequences.clone());
            let answer = answer(&sequences, seen.len());
            Box::pin(async move { answer })
        });
        StreamSource::start(
            self.stream.clone(),
            self.settings.clone(),
            Target::here(function, script::FUNCTION),
            self.messages.clone(),
            self.checkpoints.clone(),
        )
    }

    fn seen(&self) -> Vec<Vec<u64>> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until the function was invoked so often, and then until nothing more happens.
    async fn until(&self, calls: usize) {
        let reached = async {
            while self.seen().len() < calls {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(WAIT, reached).await.unwrap();
        tokio::time::sleep(Duration::from_secs(15)).await;
        assert_eq!(self.seen().len(), calls, "{:?}", self.seen());
    }
}

fn failed() -> Result<Value, FunctionError> {
    Err(FunctionError { error_type: "Odd".to_owned(), error_message: "no".to_owned() })
}

fn named(sequences: &[u64]) -> Value {
    let failures = sequences.iter().map(|one| json!({ "itemIdentifier": script::digits(*one) }));
    json!({ "batchItemFailures": failures.collect::<Vec<_>>() })
}

#[tokio::test(start_paused = true)]
async fn handled_records_are_not_sent_again_after_a_restart() {
    let fixture = Fixture::new();
    fixture.stream.put("s", &["a", "b", "a"]);
    let source = fixture.start(|_, _| Ok(Value::Null));
    fixture.until(1).await;
    source.stop(WAIT).await;
    fixture.stream.put("s", &["c"]);
    let source = fixture.start(|_, _| Ok(Value::Null));
    fixture.until(2).await;
    assert_eq!(fixture.seen(), [vec![1, 2, 3], vec![4]]);
    source.stop(WAIT).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_mapping_never_invokes() {
    let mut fixture = Fixture::new();
    fixture.stream.put("s", &[]);
    let nowhere = r#"{"dynamodb":{"NewImage":{"nowhere":{"S":[{"exists":true}]}}}}"#;
    fixture.settings.filters = Filters::parse(&[nowhere]).unwrap();
    let source = fixture.start(|_, _| Ok(Value::Null));
    fixture.until(0).await;
    fixture.stream.put("s", &["a", "b"]);
    fixture.until(0).await;
    source.stop(WAIT).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_partial_response_everything_from_the_lowest_number_is_sent_again() {
    let fixture = Fixture::new();
    fixture.stream.put("s", &["a", "b", "c", "d"]);
    let source = fixture.start(|_, call| Ok(if call == 1 { named(&[4, 3]) } else { json!({}) }));
    fixture.until(2).await;
    assert_eq!(fixture.seen(), [vec![1, 2, 3, 4], vec![3, 4]]);
    source.stop(WAIT).await;
}

#[tokio::test(start_paused = true)]
async fn an_invalid_response_sends_the_whole_batch_again() {
    let fixture = Fixture::new();
    fixture.stream.put("s", &["a", "b"]);
    let source = fixture.start(|_, call| {
        Ok(match call {
            1 => json!({ "batchItemFailures": [{ "itemIdentifier": "" }] }),
            2 => json!({ "batchItemFailures": [{ "itemIdentifier": null }] }),
            3 => named(&[2, 9]),
            4 => json!("ok"),
            _ => Value::Null,
        })
    });
    fixture.until(5).await;
    assert_eq!(fixture.seen(), vec![vec![1, 2]; 5]);
    source.stop(WAIT).await;
}

#[tokio::test(start_paused = true)]
async fn records_given_up_are_named_in_a_message_and_block_nothing() {
    let mut fixture = Fixture::new();
    fixture.settings.batching.records = 2;
    fixture.settings.rules.attempts = Some(2);
    fixture.stream.put("s", &["a", "b", "c"]);
    let source = fixture.start(|sequences, call| match (sequences, call) {
        ([1, 2], 1) => Ok(named(&[2])),
        ([2], _) => failed(),
        _ => Ok(Value::Null),
    });
    fixture.until(4).await;
    assert_eq!(fixture.seen(), [vec![1, 2], vec![2], vec![2], vec![3]]);
    let messages = fixture.messages.all();
    assert_eq!(messages.len(), 1);
    let (message, now) = (&messages[0], fixture.stream.made_at());
    assert_eq!(message["requestContext"]["condition"], "RetryAttemptsExhausted");
    assert_eq!(message["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(message["responseContext"]["functionError"], "Unhandled");
    assert_eq!(
        message["DDBStreamBatchInfo"],
        json!({
            "shardId": "s",
            "startSequenceNumber": script::digits(2), "endSequenceNumber": script::digits(2),
            "approximateArrivalOfFirstRecord": now, "approximateArrivalOfLastRecord": now,
            "batchSize": 1, "streamArn": script::ARN,
        })
    );
    assert_eq!(source.gauges().counts(), Counts { trimmed: 0, discarded: 1 });
    source.stop(WAIT).await;
}

#[tokio::test(start_paused = true)]
async fn bisecting_isolates_the_record_that_fails() {
    let mut fixture = Fixture::new();
    fixture.settings.rules.attempts = Some(0);
    fixture.settings.rules.on_function_error = OnFunctionError::Bisect;
    fixture.stream.put("s", &["a", "b", "c", "d"]);
    let source = fixture.start(
        |sequences, _| {
            if sequences.contains(&3) { failed() } else { Ok(Value::Null) }
        },
    );
    fixture.until(5).await;
    let all = [vec![1, 2, 3, 4], vec![1, 2], vec![3, 4], vec![3], vec![4]];
    assert_eq!(fixture.seen(), all);
    assert_eq!(fixture.messages.ranges(), [("s".to_owned(), 3, 3)]);
    source.stop(WAIT).await;
}

#[tokio::test(start_paused = true)]
async fn a_record_is_not_given_up_before_its_message_is_accepted() {
    let mut fixture = Fixture::new();
    fixture.settings.rules.attempts = Some(0);
    fixture.settings.batching.records = 1;
    fixture.stream.put("s", &["a", "b"]);
    fixture.messages.refuse(true);
    let source = fixture.start(|_, _| failed());
    fixture.until(1).await;
    // Aborted before the message is accepted: the record is sent again.
    source.stop(Duration::ZERO).await;
    fixture.messages.refuse(false);
    let source = fixture.start(|_, call| if call == 2 { failed() } else { Ok(Value::Null) });
    fixture.until(3).await;
    assert_eq!(fixture.seen(), [[1], [1], [2]]);
    assert_eq!(fixture.messages.ranges(), [("s".to_owned(), 1, 1)]);
    source.stop(WAIT).await;
}

#[tokio::test(start_paused = true)]
async fn a_child_is_read_after_its_parent_is_handled() {
    let fixture = Fixture::new();
    fixture.stream.put("parent", &["a"]);
    fixture.stream.split("parent", &["left", "right"]);
    fixture.stream.put("left", &["a"]);
    fixture.stream.put("right", &["b"]);
    let source = fixture.start(|_, call| if call < 3 { failed() } else { Ok(Value::Null) });
    fixture.until(5).await;
    let mut seen = fixture.seen();
    assert_eq!(seen[..3], [[1], [1], [1]]);
    seen[3..].sort();
    assert_eq!(seen[3..], [[2], [3]]);
    source.stop(WAIT).await;
}

#[tokio::test(start_paused = true)]
async fn trimmed_records_are_counted_and_reading_goes_on_at_the_horizon() {
    let fixture = Fixture::new();
    fixture.stream.put("s", &["a"]);
    let source = fixture.start(|_, _| Ok(Value::Null));
    fixture.until(1).await;
    source.stop(WAIT).await;
    fixture.stream.put("s", &["b", "c"]);
    fixture.stream.trim("s", 2);
    let source = fixture.start(|_, _| Ok(Value::Null));
    fixture.until(2).await;
    assert_eq!(fixture.seen(), [vec![1], vec![3]]);
    assert_eq!(source.gauges().counts(), Counts { trimmed: 1, discarded: 0 });
    source.stop(WAIT).await;
}

#[tokio::test(start_paused = true)]
async fn an_iterator_that_expires_while_the_function_fails_loses_nothing() {
    let mut fixture = Fixture::new();
    fixture.settings.batching.records = 1;
    fixture.settings.parallelization = 10;
    fixture.stream.put("s", &["a"; 1_100]);
    // The read-ahead is full until the function succeeds, so the iterator gets old.
    let source = fixture.start(|_, call| if call < 60 { failed() } else { Ok(Value::Null) });
    tokio::time::sleep(script::ITERATOR_LIFE * 4).await;
    fixture.stream.put("s", &["a"; 200]);
    fixture.until(59 + 1_300).await;
    assert_eq!(fixture.seen()[59..], (1..=1_300).map(|one| vec![one]).collect::<Vec<_>>());
    assert!(fixture.stream.expired() > 0);
    source.stop(WAIT).await;
}

#[tokio::test(start_paused = true)]
async fn latest_sends_what_is_written_after_the_start_also_if_it_restarts_before() {
    let mut fixture = Fixture::new();
    fixture.settings.start = StartingPosition::Latest;
    fixture.stream.put_at("s", &["a"], -60);
    let source = fixture.start(|_, _| Ok(Value::Null));
    fixture.until(0).await;
    source.stop(WAIT).await;
    fixture.stream.put("s", &["b"]);
    let source = fixture.start(|_, _| Ok(Value::Null));
    fixture.until(1).await;
    assert_eq!(fixture.seen(), [[2]]);
    source.stop(WAIT).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_the_running_invocation_and_its_checkpoint() {
    let fixture = Fixture::new();
    fixture.stream.put("s", &["a"]);
    let (started, mut is_started) = watch::channel(false);
    let function = Function::new(move |_| {
        started.send_replace(true);
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(Value::Null)
        })
    });
    let source = StreamSource::start(
        fixture.stream.clone(),
        fixture.settings.clone(),
        Target::here(function, script::FUNCTION),
        fixture.messages.clone(),
        fixture.checkpoints.clone(),
    );
    is_started.wait_for(|started| *started).await.unwrap();
    source.stop(WAIT).await;
    let source = fixture.start(|_, _| Ok(Value::Null));
    fixture.until(0).await;
    source.stop(WAIT).await;
}
