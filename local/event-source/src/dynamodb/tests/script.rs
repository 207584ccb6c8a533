//! A stream in memory with the rules of DynamoDB's: iterators expire, records are trimmed, shards
//! are closed and have children. A function, and a destination that may refuse.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodbstreams::primitives::DateTime;
use aws_sdk_dynamodbstreams::types::{AttributeValue, OperationType, Record, StreamRecord};
use bytes::Bytes;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::time::Timestamp;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::time::Instant;

use crate::dynamodb::{Checkpoints, Destination, ListedShard, Page, StartAt, Stream, StreamError};
use crate::invoke::{Answered, FunctionError, Invoke};

pub(super) const ARN: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/1";
pub(super) const FUNCTION: &str = "relay";
pub(super) const ITERATOR_LIFE: Duration = Duration::from_secs(300);

/// Every sequence number is a number of the whole stream, as 21 digits.
pub(super) fn digits(number: u64) -> String {
    format!("{number:021}")
}

pub(super) fn checkpoints() -> Checkpoints {
    Checkpoints::open(Path::new(":memory:")).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "records are as old as the mapping's clock says")]
fn now_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// A stream. Clones share it.
#[derive(Clone)]
pub(super) struct ScriptedStream(Arc<Mutex<Script>>);

struct Script {
    shards: BTreeMap<String, ScriptedShard>,
    last_sequence: u64,
    /// When the stream was made, in seconds since 1970.
    made_at: i64,
    expired: usize,
    /// Fails a call, or limits a page.
    faults: Option<fastrand::Rng>,
}

#[derive(Default)]
struct ScriptedShard {
    parent: Option<String>,
    records: Vec<(u64, Record)>,
    trimmed: usize,
    is_closed: bool,
}

impl Default for ScriptedStream {
    fn default() -> Self {
        let (shards, last_sequence, expired, faults) = (BTreeMap::new(), 0, 0, None);
        let made_at = now_seconds();
        Self(Arc::new(Mutex::new(Script { shards, last_sequence, made_at, expired, faults })))
    }
}

impl ScriptedStream {
    pub(super) fn with_faults(seed: u64) -> Self {
        let stream = Self::default();
        stream.script(|script| script.faults = Some(fastrand::Rng::with_seed(seed)));
        stream
    }

    /// Writes items with these keys.
    pub(super) fn put(&self, shard: &str, keys: &[&str]) {
        self.put_at(shard, keys, 0);
    }

    /// The same, so many seconds after the stream was made.
    pub(super) fn put_at(&self, shard: &str, keys: &[&str], seconds: i64) {
        self.script(|script| {
            let created_at = script.made_at + seconds;
            for key in keys {
                script.last_sequence += 1;
                let (number, record) =
                    (script.last_sequence, record(script.last_sequence, key, created_at));
                script.shards.entry(shard.to_owned()).or_default().records.push((number, record));
            }
            script.shards.entry(shard.to_owned()).or_default();
        });
    }

    /// Closes a shard, and opens its children.
    pub(super) fn split(&self, shard: &str, children: &[&str]) {
        self.script(|script| {
            script.shards.entry(shard.to_owned()).or_default().is_closed = true;
            for child in children {
                let parent = Some(shard.to_owned());
                let child = script.shards.entry((*child).to_owned()).or_default();
                child.parent = parent;
            }
        });
    }

    /// Deletes the first records of a shard.
    pub(super) fn trim(&self, shard: &str, records: usize) {
        self.script(|script| script.shards.get_mut(shard).unwrap().trimmed = records);
    }

    /// When [`Self::put`] writes, as on-failure messages state it.
    pub(super) fn made_at(&self) -> String {
        let millis = self.script(|script| script.made_at * 1_000);
        Timestamp::from_millis(millis).unwrap().to_string().replace(".000Z", "Z")
    }

    pub(super) fn expired(&self) -> usize {
        self.script(|script| script.expired)
    }

    /// The number of every record, by shard.
    pub(super) fn numbers(&self) -> BTreeMap<String, Vec<u64>> {
        let numbers = |shard: &ScriptedShard| shard.records.iter().map(|(one, _)| *one).collect();
        self.script(|script| {
            script.shards.iter().map(|(id, shard)| (id.clone(), numbers(shard))).collect()
        })
    }

    fn script<T>(&self, work: impl FnOnce(&mut Script) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }

    /// A pause, and perhaps a fault.
    async fn call(&self) -> Result<(), Unavailable> {
        let fault = self.script(|script| {
            let random = script.faults.as_mut()?;
            Some((random.u64(0..20), random.u8(..) < 20))
        });
        let Some((millis, fails)) = fault else { return Ok(()) };
        tokio::time::sleep(Duration::from_millis(millis)).await;
        if fails { Err(Unavailable::new(Reason::Unreachable, "scripted")) } else { Ok(()) }
    }
}

fn record(number: u64, key: &str, created_at: i64) -> Record {
    let attributes = |name: &str, value| Some([(name.to_owned(), value)].into());
    let change = StreamRecord::builder()
        .set_keys(attributes("pk", AttributeValue::S(key.to_owned())))
        .set_new_image(attributes("n", AttributeValue::N(number.to_string())))
        .sequence_number(digits(number))
        .size_bytes(100)
        .approximate_creation_date_time(DateTime::from_secs(created_at));
    let record = Record::builder().event_id(number.to_string()).event_name(OperationType::Insert);
    record.dynamodb(change.build()).build()
}

impl Stream for ScriptedStream {
    fn arn(&self) -> &str {
        ARN
    }

    fn partition_key(&self) -> &str {
        "pk"
    }

    async fn shards(&self) -> Result<Vec<ListedShard>, Unavailable> {
        self.call().await?;
        Ok(self.script(|script| {
            let listed = |(id, shard): (&String, &ScriptedShard)| ListedShard {
                id: id.clone(),
                parent: shard.parent.clone(),
            };
            script.shards.iter().map(listed).collect()
        }))
    }

    async fn iterator(&self, shard: &str, start: &StartAt) -> Result<String, StreamError> {
        self.call().await?;
        self.script(|script| {
            let found = script.shards.get(shard).ok_or(StreamError::Gone)?;
            let at = match start {
                StartAt::TrimHorizon => found.trimmed,
                StartAt::Latest => found.records.len(),
                StartAt::After(sequence) => {
                    let after: u64 = sequence.as_str().parse().unwrap();
                    found.records.partition_point(|(number, _)| *number <= after)
                }
            };
            if at < found.trimmed { Err(StreamError::Trimmed) } else { Ok(iterator(shard, at)) }
        })
    }

    async fn records(&self, from: &str, limit: usize) -> Result<Page, StreamError> {
        self.call().await?;
        assert!((1..=1_000).contains(&limit));
        self.script(|script| {
            let [shard, at, made] = from.split('/').collect::<Vec<_>>()[..] else {
                panic!("{from}")
            };
            let age = age_millis() - made.parse::<u128>().unwrap();
            let is_odd = script.faults.as_mut().is_some_and(|random| random.u8(..) < 10);
            if is_odd || age > ITERATOR_LIFE.as_millis() {
                script.expired += 1;
                return Err(StreamError::Expired);
            }
            let limit =
                script.faults.as_mut().map_or(limit, |random| random.usize(0..=limit.min(9)));
            let found = script.shards.get(shard).ok_or(StreamError::Gone)?;
            let at: usize = at.parse().unwrap();
            if at < found.trimmed {
                return Err(StreamError::Trimmed);
            }
            let end = found.records.len().min(at + limit);
            let is_over = found.is_closed && end == found.records.len();
            let records = found.records[at..end].iter().map(|(_, record)| record.clone()).collect();
            Ok(Page { records, next: (!is_over).then(|| iterator(shard, end)) })
        })
    }
}

fn iterator(shard: &str, at: usize) -> String {
    format!("{shard}/{at}/{}", age_millis())
}

/// Milliseconds of played time since the first call.
fn age_millis() -> u128 {
    thread_local!(static START: Instant = Instant::now());
    START.with(Instant::elapsed).as_millis()
}

type Call = dyn Fn(Vec<u64>) -> BoxFuture<'static, Result<Value, FunctionError>> + Send + Sync;

/// A function that receives the sequence numbers of an event.
pub(super) struct Function(Box<Call>);

impl Function {
    pub(super) fn new(
        call: impl Fn(Vec<u64>) -> BoxFuture<'static, Result<Value, FunctionError>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self(Box::new(call))
    }
}

impl Invoke for Function {
    fn invoke(&self, name: &str, event: Bytes, _: String, _: Duration) -> Option<Answered> {
        assert_eq!(name, FUNCTION);
        let event: Value = serde_json::from_slice(&event).unwrap();
        let records = event["Records"].as_array().unwrap().iter();
        let sequences = records.map(|record| number(&record["dynamodb"]["SequenceNumber"]));
        let answer = (self.0)(sequences.collect());
        Some(Box::pin(async { Ok(answer.await?.to_string().into()) }))
    }
}

fn number(digits: &Value) -> u64 {
    digits.as_str().unwrap().parse().unwrap()
}

/// A destination that keeps every message.
#[derive(Clone, Default)]
pub(super) struct Messages(Arc<Mutex<(bool, Vec<Value>)>>);

impl Messages {
    pub(super) fn refuse(&self, is_refusing: bool) {
        self.0.lock().unwrap().0 = is_refusing;
    }

    pub(super) fn all(&self) -> Vec<Value> {
        self.0.lock().unwrap().1.clone()
    }

    /// Shard, and first and last sequence number, of each message.
    pub(super) fn ranges(&self) -> Vec<(String, u64, u64)> {
        let range = |message: &Value| {
            let batch = &message["DDBStreamBatchInfo"];
            let shard = batch["shardId"].as_str().unwrap().to_owned();
            (shard, number(&batch["startSequenceNumber"]), number(&batch["endSequenceNumber"]))
        };
        self.all().iter().map(range).collect()
    }
}

impl Destination for Messages {
    async fn send(&self, body: &str) -> Result<(), Unavailable> {
        let mut state = self.0.lock().unwrap();
        if state.0 {
            return Err(Unavailable::new(Reason::Unreachable, "scripted"));
        }
        state.1.push(serde_json::from_str(body).unwrap());
        Ok(())
    }
}
