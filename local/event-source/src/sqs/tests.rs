//! A mapping over real queues, with functions that fail in every way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use drover_local_sqs::{QueueName, QueueSettings, Redrive};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Barrier;

use super::*;
use crate::invoke::{Answered, FunctionError};

/// Longer than any step takes on a busy machine.
const WAIT: Duration = Duration::from_secs(30);
/// Seconds until a failed message is retried: enough time to take, process and delete the others.
const SOON: u32 = 3;
const QUEUE: &str = "letters";
const FAILED: &str = "letters-failed";
const FUNCTION: &str = "filing";

/// The only function of a test; it has no timeout.
struct Function(Box<dyn Fn(Bytes) -> Answered + Send + Sync>);

impl Function {
    fn new<A>(call: impl Fn(Bytes) -> A + Send + Sync + 'static) -> Self
    where
        A: Future<Output = Result<Bytes, FunctionError>> + Send + 'static,
    {
        Self(Box::new(move |event| Box::pin(call(event))))
    }
}

impl Invoke for Function {
    fn invoke(&self, name: &str, event: Bytes, _: String, patience: Duration) -> Option<Answered> {
        let call = (name == FUNCTION).then(|| (self.0)(event))?;
        let answered = async move { tokio::time::timeout(patience, call).await };
        Some(Box::pin(async move { answered.await.unwrap_or_else(|_| Err(failure())) }))
    }
}

/// Queues, and the events that the function received.
struct Fixture {
    sqs: Sqs,
    seen: Arc<Mutex<Vec<Value>>>,
    _folder: TempDir,
}

impl Fixture {
    async fn new(visibility_timeout_seconds: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sqs = Sqs::open(&folder.path().join("sqs.db")).unwrap();
        sqs.ensure_queue(FAILED, QueueSettings::default()).await.unwrap();
        let redrive = Redrive { dead_letter_queue: name(FAILED), max_receive_count: 3 };
        let redrive = Some(redrive);
        let settings =
            QueueSettings { visibility_timeout_seconds, redrive, ..QueueSettings::default() };
        sqs.ensure_queue(QUEUE, settings).await.unwrap();
        Self { sqs, seen: Arc::default(), _folder: folder }
    }

    async fn send(&self, bodies: &[&str]) {
        for body in bodies {
            self.sqs.send(&name(QUEUE), body).await.unwrap();
        }
    }

    /// Starts a mapping to a function that returns `answer(event, number of the call)`.
    fn feed<A>(&self, settings: Settings, answer: A) -> SqsSource
    where
        A: Fn(&Value, usize) -> Result<Value, FunctionError> + Send + Sync + 'static,
    {
        let (seen, calls) = (Arc::clone(&self.seen), AtomicUsize::new(0));
        let function = Function::new(move |event| {
            let event: Value = serde_json::from_slice(&event).unwrap();
            let answer = answer(&event, calls.fetch_add(1, Ordering::SeqCst) + 1);
            seen.lock().unwrap().push(event);
            async move { answer.map(|answer| answer.to_string().into()) }
        });
        SqsSource::start(self.sqs.clone(), function, settings)
    }

    /// The bodies of every event so far, in the order of the invocations.
    fn bodies(&self) -> Vec<Vec<String>> {
        let of_event = |event: &Value| {
            let mut bodies: Vec<String> =
                records(event).iter().map(|one| text(&one["body"])).collect();
            bodies.sort();
            bodies
        };
        self.seen.lock().unwrap().iter().map(of_event).collect()
    }

    /// The number of messages in a queue, including those in flight.
    async fn held(&self, queue: &str) -> u64 {
        let levels = self.sqs.levels(queue).await.unwrap();
        levels.waiting + levels.in_hand
    }

    async fn until(&self, reached: impl Fn(&[Vec<String>], u64) -> bool) {
        let looking = async {
            loop {
                if reached(&self.bodies(), self.held(QUEUE).await) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(WAIT, looking).await.unwrap();
    }
}

fn name(name: &str) -> QueueName {
    QueueName::parse(name).unwrap()
}

fn settings(messages: u32) -> Settings {
    Settings {
        queue: name(QUEUE),
        function: FUNCTION.to_owned(),
        batching: Batching { messages, window: Duration::from_millis(20) },
        concurrency: 2,
    }
}

fn records(event: &Value) -> &Vec<Value> {
    event["Records"].as_array().unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn failure() -> FunctionError {
    FunctionError { error_type: "Odd".to_owned(), error_message: "no".to_owned() }
}

/// A response that names the messages with these bodies as failed.
fn named(event: &Value, bodies: &[&str]) -> Value {
    let failed =
        records(event).iter().filter(|one| bodies.contains(&one["body"].as_str().unwrap()));
    let failed: Vec<Value> =
        failed.map(|one| json!({ "itemIdentifier": one["messageId"] })).collect();
    json!({ "batchItemFailures": failed })
}

#[tokio::test]
async fn succeeded_messages_are_deleted() {
    let fixture = Fixture::new(30).await;
    fixture.send(&["a", "b"]).await;
    let source = fixture.feed(settings(10), |_, _| Ok(Value::Null));
    fixture.until(|seen, held| seen.len() == 1 && held == 0).await;
    assert_eq!(fixture.bodies(), [["a", "b"]]);
    source.stop(WAIT).await;
}

#[tokio::test]
async fn an_idle_mapping_is_woken_by_a_new_message() {
    let fixture = Fixture::new(30).await;
    let source = fixture.feed(settings(10), |_, _| Ok(Value::Null));
    // The second message finds a mapping that has polled before.
    for (body, events) in [("a", 1), ("b", 2)] {
        let started = Instant::now();
        fixture.send(&[body]).await;
        fixture.until(|seen, held| seen.len() == events && held == 0).await;
        assert!(started.elapsed() < LOOK_AGAIN, "{body}");
    }
    source.stop(WAIT).await;
}

#[tokio::test]
async fn a_batch_never_exceeds_its_maximum() {
    let fixture = Fixture::new(30).await;
    fixture.send(&["a", "b", "c", "d", "e"]).await;
    let source = fixture.feed(settings(2), |_, _| Ok(json!({})));
    fixture.until(|_, held| held == 0).await;
    let mut sizes: Vec<usize> = fixture.bodies().iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2, 2]);
    source.stop(WAIT).await;
}

#[tokio::test]
async fn only_messages_named_in_the_response_are_retried() {
    let fixture = Fixture::new(SOON).await;
    fixture.send(&["a", "b"]).await;
    let source = fixture.feed(settings(10), |event, call| {
        Ok(if call == 1 { named(event, &["b"]) } else { Value::Null })
    });
    fixture.until(|seen, held| seen.len() == 2 && held == 0).await;
    assert_eq!(fixture.bodies(), [vec!["a", "b"], vec!["b"]]);
    let seen = fixture.seen.lock().unwrap().clone();
    let counts = seen.iter().map(|event| {
        text(&records(event).last().unwrap()["attributes"]["ApproximateReceiveCount"])
    });
    assert_eq!(counts.collect::<Vec<_>>(), ["1", "2"]);
    source.stop(WAIT).await;
}

#[tokio::test]
async fn a_function_error_retries_the_whole_batch() {
    let fixture = Fixture::new(SOON).await;
    fixture.send(&["a", "b"]).await;
    let source = fixture.feed(settings(10), |_, call| match call {
        1 => Err(failure()),
        _ => Ok(Value::Null),
    });
    fixture.until(|seen, held| seen.len() == 2 && held == 0).await;
    assert_eq!(fixture.bodies(), [["a", "b"], ["a", "b"]]);
    source.stop(WAIT).await;
}

#[tokio::test]
async fn an_invalid_response_retries_the_whole_batch() {
    let fixture = Fixture::new(SOON).await;
    fixture.send(&["a", "b"]).await;
    let source = fixture.feed(settings(10), |event, call| {
        let mut answer = named(event, &["a"]);
        if call == 1 {
            answer["batchItemFailures"][0]["itemIdentifier"] = json!("another");
        }
        Ok(if call == 3 { Value::Null } else { answer })
    });
    fixture.until(|seen, held| seen.len() == 3 && held == 0).await;
    assert_eq!(fixture.bodies(), [vec!["a", "b"], vec!["a", "b"], vec!["a"]]);
    source.stop(WAIT).await;
}

#[tokio::test]
async fn a_message_that_always_fails_goes_to_the_failed_queue_and_blocks_no_other() {
    let fixture = Fixture::new(SOON).await;
    fixture.send(&["bad", "good"]).await;
    let source = fixture.feed(settings(10), |event, _| Ok(named(event, &["bad"])));
    fixture.until(|_, held| held == 0).await;
    assert_eq!(fixture.held(FAILED).await, 1);
    let tries = fixture.bodies().iter().flatten().filter(|body| *body == "bad").count();
    assert_eq!(tries, 3);
    source.stop(WAIT).await;
}

#[tokio::test]
async fn concurrent_invocations_never_exceed_the_maximum() {
    let fixture = Fixture::new(30).await;
    fixture.send(&["a", "b", "c", "d"]).await;
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (highest, two) = (Arc::clone(&most), Arc::new(Barrier::new(2)));
    let function = Function::new(move |_| {
        let (running, most, two) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&two));
        async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            two.wait().await;
            // Time for a third invocation to start, if the limit did not hold.
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(Bytes::new())
        }
    });
    let source = SqsSource::start(fixture.sqs.clone(), function, settings(1));
    fixture.until(|_, held| held == 0).await;
    assert_eq!(highest.load(Ordering::SeqCst), 2);
    source.stop(WAIT).await;
}

#[tokio::test]
async fn an_invocation_ends_with_the_visibility_timeout_of_its_messages() {
    let fixture = Fixture::new(1).await;
    fixture.send(&["a"]).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let function = Function::new(move |_| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        async move {
            if call == 0 {
                std::future::pending::<()>().await;
            }
            Ok(Bytes::new())
        }
    });
    // The only permit is free again before the function ends by itself.
    let settings = Settings { concurrency: 1, ..settings(10) };
    let source = SqsSource::start(fixture.sqs.clone(), function, settings);
    fixture.until(|_, held| held == 0).await;
    source.stop(WAIT).await;
}

#[tokio::test]
async fn invocations_running_when_a_mapping_stops_are_finished_or_retried() {
    let fixture = Fixture::new(SOON).await;
    fixture.send(&["a"]).await;
    let (started, is_started) = watch::channel(false);
    let function = Function::new(move |_| {
        started.send_replace(true);
        std::future::pending()
    });
    let source = SqsSource::start(fixture.sqs.clone(), function, settings(10));
    is_started.clone().wait_for(|started| *started).await.unwrap();
    source.stop(Duration::ZERO).await;
    assert_eq!(fixture.held(QUEUE).await, 1);

    let source = fixture.feed(settings(10), |_, _| Ok(Value::Null));
    fixture.until(|seen, held| seen.len() == 1 && held == 0).await;
    source.stop(WAIT).await;
}
