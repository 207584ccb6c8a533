//! What the targets of feeds without Kafka share. Each of them accepts records in batches: a queue
//! (`crate::sqs`), a topic ([`SnsFeeds`]) and a bus ([`EventBridgeFeeds`]). A record is a CloudEvent as
//! structured JSON; those of all feeds go to one target.
//!
//! Batches are sent one after the other, so that no record overtakes another one of its key. Nothing is sent
//! after a batch in which the target fails: the records that follow would arrive before those that come again.

use std::collections::VecDeque;
use std::future::Future;

use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::dead_letter::text::sendable;
use drover_core::event::digest;
use drover_core::outputs::record::FeedRecord;
use drover_core::ports::NotPublished;

use crate::batch::{BatchLimits, batches};

#[cfg(feature = "feeds")]
mod eventbridge;
#[cfg(feature = "feeds")]
mod sns;

#[cfg(feature = "feeds")]
pub use self::eventbridge::EventBridgeFeeds;
#[cfg(feature = "feeds")]
pub use self::sns::SnsFeeds;

/// One result for each record, in order.
pub(super) type Results = Vec<Result<(), NotPublished>>;

/// A service that accepts records in batches.
pub(super) trait BatchTarget: Send + Sync {
    /// A record as an entry of a batch.
    type Entry: Send + Sync;

    /// The limits of a batch, and of an entry.
    const LIMITS: BatchLimits;

    /// The record as an entry.
    ///
    /// # Errors
    /// The target never accepts the record.
    fn entry(&self, topic: &str, record: &FeedRecord) -> Result<Self::Entry, NotPublished>;

    /// The size of an entry as the service counts it.
    fn bytes(entry: &Self::Entry) -> usize;

    /// Sends one batch.
    ///
    /// # Errors
    /// The call failed for the whole batch.
    fn send(
        &self,
        batch: &[Self::Entry],
    ) -> impl Future<Output = Result<Results, NotPublished>> + Send;
}

/// Sends records to a target and returns one result for each, in order. A record above the target's limit is
/// refused without a call.
pub(super) async fn publish<T: BatchTarget>(
    target: &T,
    topic: &str,
    records: &[FeedRecord],
) -> Results {
    let (mut results, mut entries) = (Results::new(), Vec::new());
    for record in records {
        let entry = target.entry(topic, record).and_then(fitting::<T>);
        results.push(entry.map(|entry| entries.push(entry)));
    }
    let mut sent = send_in_order(target, &entries).await.into_iter();
    let unmentioned = || {
        let unavailable = Unavailable::new(Reason::Bug, "a record has no result");
        Err(NotPublished::Unavailable(unavailable.of(Dependency::EventLog)))
    };
    for result in results.iter_mut().filter(|result| result.is_ok()) {
        *result = sent.next().unwrap_or_else(unmentioned);
    }
    results
}

async fn send_in_order<T: BatchTarget>(target: &T, entries: &[T::Entry]) -> Results {
    let mut results = Results::new();
    let mut waiting: VecDeque<&[T::Entry]> = batches(entries, T::LIMITS, T::bytes).into();
    while let Some(batch) = waiting.pop_front() {
        let sent = match target.send(batch).await {
            Ok(sent) => sent,
            // A service may reject a batch for one of its entries.
            Err(NotPublished::Refused(_)) if batch.len() > 1 => {
                batch.chunks(1).rev().for_each(|alone| waiting.push_front(alone));
                continue;
            }
            Err(fault) => vec![Err(fault); batch.len()],
        };
        let fault = sent.iter().find(|result| is_of_target(result)).cloned();
        results.extend(sent);
        if let Some(fault) = fault {
            results.resize(entries.len(), fault);
            break;
        }
    }
    results
}

/// Whether the target fails, and not for one record.
fn is_of_target(result: &Result<(), NotPublished>) -> bool {
    match result {
        Ok(()) | Err(NotPublished::Refused(_)) => false,
        Err(NotPublished::Closed(_) | NotPublished::Unavailable(_)) => true,
    }
}

fn fitting<T: BatchTarget>(entry: T::Entry) -> Result<T::Entry, NotPublished> {
    let (bytes, limit) = (T::bytes(&entry), T::LIMITS.bytes);
    match bytes <= limit {
        true => Ok(entry),
        false => {
            let message = "a record is too large for the target of feeds";
            Err(refused(format!("{message}: bytes=`{bytes}` limit=`{limit}`")))
        }
    }
}

fn refused(message: String) -> NotPublished {
    NotPublished::Refused(Unavailable::new(Reason::Bug, message).of(Dependency::EventLog))
}

/// Classifies a failure of a target. A missing target, and one that may not be written to, is closed: the
/// records that it misses are sent again once it is there.
pub(super) fn not_published(unavailable: Unavailable) -> NotPublished {
    let unavailable = unavailable.of(Dependency::EventLog);
    match unavailable.reason {
        Reason::Bug | Reason::Corrupt => NotPublished::Refused(unavailable),
        Reason::Misconfigured => NotPublished::Closed(unavailable),
        Reason::Contention
        | Reason::HotKey
        | Reason::Throttled
        | Reason::Unreachable
        | Reason::Deadline => NotPublished::Unavailable(unavailable),
    }
}

/// The record as structured JSON.
///
/// # Errors
/// The record's data is not JSON.
pub(super) fn structured(record: &FeedRecord) -> Result<String, NotPublished> {
    let json = record.structured().map(sendable);
    json.map_err(|fault| refused(format!("a record of a feed is not JSON: {fault}")))
}

/// The ids of a message in a FIFO queue or topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FifoIds {
    /// Messages of one group keep their order. The group is the subject.
    pub(super) group: String,
    /// Messages with the same id are accepted once within five minutes: a record that is sent twice for one
    /// commit.
    pub(super) deduplication: String,
}

impl FifoIds {
    /// Of a record. Keys and ids of records may be longer than the 128 characters that SQS and SNS allow.
    pub(super) fn of(topic: &str, record: &FeedRecord) -> Self {
        let attribute = |name| record.attribute(name).unwrap_or_default().as_bytes();
        let parts =
            [topic.as_bytes(), attribute("source"), attribute("id"), attribute("drovercommit")];
        Self { group: digest(&[record.key.as_bytes()]), deduplication: digest(&parts) }
    }
}

/// The region in an ARN. A client must speak to the region of its target.
#[cfg(feature = "feeds")]
fn region(arn: &str) -> Option<aws_config::Region> {
    let mut parts = arn.split(':');
    let region = parts.next().filter(|first| *first == "arn").and_then(|_| parts.nth(2))?;
    (!region.is_empty()).then(|| aws_config::Region::new(region.to_owned()))
}

#[cfg(test)]
mod tests;
