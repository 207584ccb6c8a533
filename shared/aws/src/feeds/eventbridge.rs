//! The feeds as events of an EventBridge bus: the detail is the CloudEvent, the detail type is its type.
//!
//! A bus keeps no order, and accepts a record that is sent twice as two events. EventBridge reports success
//! for a bus that does not exist (<https://github.com/aws/aws-cli/issues/9186>), so a wrong name is not
//! noticed here.

use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::primitives::{DateTime, DateTimeFormat};
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::time::Timestamp;
use drover_core::outputs::record::FeedRecord;
use drover_core::ports::{FeedTarget, NotPublished};

use super::{BatchTarget, Results, not_published, publish, region, structured};
use crate::batch::{BatchLimits, FailedEntry};
use crate::calls::unavailable;

/// The source of every event, for rules.
const SOURCE: &str = "drover";
/// What a time counts towards the size of an event.
const TIME_BYTES: usize = 14;

/// Sends records of feeds to one bus.
#[derive(Clone)]
pub struct EventBridgeFeeds {
    client: Client,
    bus: String,
}

impl fmt::Debug for EventBridgeFeeds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EventBridgeFeeds").field("bus", &self.bus).finish_non_exhaustive()
    }
}

/// A record as an event.
pub(crate) struct Entry {
    detail: String,
    detail_type: String,
    resource: String,
    /// When it was observed. Corrections and views have no time; EventBridge then uses its own.
    time: Option<DateTime>,
}

impl EventBridgeFeeds {
    /// Feeds in the bus with this name or ARN. A bus that is given by its ARN is used in its region.
    pub fn new(sdk: &SdkConfig, bus: &str) -> Self {
        let region = region(bus).or_else(|| sdk.region().cloned());
        let config = aws_sdk_eventbridge::config::Builder::from(sdk).region(region).build();
        Self { client: Client::from_conf(config), bus: bus.to_owned() }
    }

    fn request(&self, entry: &Entry) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(&self.bus)
            .source(SOURCE)
            .detail_type(&entry.detail_type)
            .detail(&entry.detail)
            .resources(&entry.resource)
            .set_time(entry.time)
            .build()
    }
}

impl BatchTarget for EventBridgeFeeds {
    type Entry = Entry;

    /// All entries of a call together must be smaller than 256 KB. Newer texts of AWS say 1 MB:
    /// <https://docs.aws.amazon.com/eventbridge/latest/userguide/calculate-putevents-entry-size.html>
    const LIMITS: BatchLimits = BatchLimits { entries: 10, bytes: 256 * 1024 - 1 };

    fn entry(&self, _topic: &str, record: &FeedRecord) -> Result<Entry, NotPublished> {
        let named = |name| record.attribute(name).unwrap_or_default();
        let time = record.attribute("time");
        Ok(Entry {
            detail: structured(record)?,
            detail_type: named("type").to_owned(),
            resource: named("source").to_owned(),
            time: time.and_then(|text| DateTime::from_str(text, DateTimeFormat::DateTime).ok()),
        })
    }

    fn bytes(entry: &Entry) -> usize {
        let texts = [SOURCE, &entry.detail_type, &entry.detail, &entry.resource];
        let time = if entry.time.is_some() { TIME_BYTES } else { 0 };
        time + texts.iter().map(|text| text.len()).sum::<usize>()
    }

    async fn send(&self, batch: &[Entry]) -> Result<Results, NotPublished> {
        let requests = batch.iter().map(|entry| self.request(entry)).collect();
        match self.client.put_events().set_entries(Some(requests)).send().await {
            Ok(answer) => Ok(results(batch.len(), answer.entries.unwrap_or_default())),
            Err(error) => Err(not_published(unavailable("putting events", &error))),
        }
    }
}

impl FeedTarget for EventBridgeFeeds {
    async fn publish(
        &self,
        topic: &str,
        records: &[FeedRecord],
        _deadline: Timestamp,
    ) -> Vec<Result<(), NotPublished>> {
        publish(self, topic, records).await
    }
}

/// One result for each event: EventBridge answers in the order of the request.
fn results(count: usize, answered: Vec<PutEventsResultEntry>) -> Results {
    let mut answered = answered.into_iter();
    let result = |_| match answered.next() {
        Some(PutEventsResultEntry { event_id: Some(_), error_code: None, .. }) => Ok(()),
        Some(entry) if entry.error_code.is_some() => Err(not_put(&entry)),
        _ => {
            let message = "EventBridge returned no result for an event";
            Err(not_published(Unavailable::new(Reason::Unreachable, message)))
        }
    };
    (0..count).map(result).collect()
}

fn not_put(entry: &PutEventsResultEntry) -> NotPublished {
    let failed = FailedEntry {
        operation: "putting an event",
        code: entry.error_code.as_deref().unwrap_or_default(),
        said: entry.error_message.as_deref(),
        // EventBridge does not say.
        is_sender_fault: false,
    };
    not_published(failed.unavailable())
}
