//! A relay over the memory store, and Lambda's events for the heads that were written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use drover_core::base::limits::ItemLimits;
use drover_core::base::metrics::emf::{Keeping, Lines};
use drover_core::base::time::Timestamp;
use drover_core::ledger::StoredHead;
use drover_core::memory::Memory;
use drover_core::outputs::record::FeedRecord;
use drover_core::ports::{FeedTarget, NotPublished};
use drover_relay::{Relay, Settings};
use futures_util::FutureExt as _;
use serde_json::{Value, json};

use crate::load::{DOCUMENTS, invocation};

const TABLE: &str = "ledger";
/// A tenant with all feeds.
const WITH_FEEDS: &str = r#"{"id":"demo","feeds":["ordered","settled","views"]}"#;

/// Takes every record and counts it.
#[derive(Clone, Default)]
pub(super) struct Counting(Arc<AtomicU64>);

impl FeedTarget for Counting {
    async fn publish(
        &self,
        _topic: &str,
        records: &[FeedRecord],
        _deadline: Timestamp,
    ) -> Vec<Result<(), NotPublished>> {
        self.0.fetch_add(records.len() as u64, Ordering::Relaxed);
        records.iter().map(|_| Ok(())).collect()
    }
}

/// A store with the documents of the load.
pub(super) fn store(now: Timestamp, has_feeds: bool) -> Memory {
    let memory = Memory::new(now);
    for (key, json) in DOCUMENTS {
        memory.put_document(key, json);
    }
    if has_feeds {
        memory.put_document("T#demo", WITH_FEEDS);
    }
    memory
}

/// The relay of a store.
pub(super) struct Follower {
    memory: Memory,
    relay: Relay<Memory, Counting>,
    sent: Counting,
    heads: BTreeMap<String, StoredHead>,
    number: u64,
}

impl Follower {
    pub(super) fn new(memory: Memory) -> Self {
        let settings = Settings {
            ledger_table: TABLE.into(),
            concurrency: 100,
            item_limits: ItemLimits::STANDARD,
        };
        let meter = Arc::new(Lines { keeping: Keeping::default(), write: |_| {} });
        let sent = Counting::default();
        let relay = Relay::new(memory.clone(), sent.clone(), settings, meter);
        Self { memory, relay, sent, heads: BTreeMap::new(), number: 0 }
    }

    /// The number of records so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent.0.load(Ordering::Relaxed)
    }

    /// Lambda's event for the heads that were written since the last call.
    pub(super) fn event(&mut self) -> String {
        let heads = self.memory.state().heads.clone();
        let mut records = Vec::new();
        for (key, new) in &heads {
            let old = self.heads.get(key);
            if old != Some(new) {
                self.number += 1;
                records.push(change(key, self.number, old, new));
            }
        }
        self.heads = heads;
        json!({ "Records": records }).to_string()
    }

    /// Handles an event of the stream or a command.
    pub(super) fn handle(&self, event: &str) -> anyhow::Result<Value> {
        let answer = self.relay.handle(invocation(event)?).now_or_never();
        let answer = answer.context("the memory store never waits")??;
        let answer: Value = serde_json::from_str(answer.get())?;
        let failures = answer.get("batchItemFailures").and_then(Value::as_array);
        anyhow::ensure!(failures.is_none_or(Vec::is_empty), "changes come again: {answer}");
        Ok(answer)
    }
}

fn change(key: &str, number: u64, old: Option<&StoredHead>, new: &StoredHead) -> Value {
    let image = |head: &StoredHead| {
        let bytes = base64_simd::STANDARD.encode_to_string(&head.bytes);
        json!({ "v": { "N": head.version.to_string() }, "d": { "B": bytes } })
    };
    let mut dynamodb = json!({
        "Keys": { "pk": { "S": key }, "sk": { "B": "SA==" } }, "NewImage": image(new),
        "ApproximateCreationDateTime": 1_800_000_000, "SizeBytes": 1,
        "SequenceNumber": number.to_string(),
    });
    if let (Some(old), Some(members)) = (old, dynamodb.as_object_mut()) {
        members.insert("OldImage".to_owned(), image(old));
    }
    json!({
        "eventID": number.to_string(), "eventName": "MODIFY", "awsRegion": "eu-central-1",
        "eventSource": "aws:dynamodb", "dynamodb": dynamodb,
        "eventSourceARN": format!("arn:aws:dynamodb:eu-central-1:0:table/{TABLE}/stream/1"),
    })
}
