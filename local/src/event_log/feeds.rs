//! The feeds of the host: topics of a file of their own, or of the cluster. In the file of the event log
//! the processor would read them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use drover_aws::kafka::KafkaFeeds;
use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::time::Timestamp;
use drover_core::outputs::record::FeedRecord;
use drover_core::ports::{FeedTarget, NotPublished};
use drover_event_log::embedded::{AppendError, Keep, RECORD_BYTES};
use drover_event_log::{Embedded, NewRecord, TopicName};

use super::sending::{now_millis, within};

/// The file of the feeds in a data folder.
pub(crate) const FEEDS_FILE: &str = "feeds.db";

const KEPT_BYTES: u64 = 1 << 30;

/// Where the host sends feeds.
#[derive(Clone)]
pub(crate) enum HostFeeds {
    /// To the host's own file.
    Embedded(Embedded),
    /// To a cluster.
    Kafka(Arc<KafkaFeeds>),
}

impl HostFeeds {
    /// Opens the file in a data folder. Records that are older than this are deleted, and the oldest ones
    /// if the file becomes too large.
    pub(crate) fn open(folder: &Path, age: Duration) -> Result<Self, Unavailable> {
        let keep = Keep { group: None, age, bytes: KEPT_BYTES };
        Embedded::open(&folder.join(FEEDS_FILE), Some(keep)).map(Self::Embedded)
    }
}

impl FeedTarget for HostFeeds {
    async fn publish(
        &self,
        topic: &str,
        records: &[FeedRecord],
        deadline: Timestamp,
    ) -> Vec<Result<(), NotPublished>> {
        match self {
            Self::Embedded(log) => append(log, topic, records, deadline).await,
            Self::Kafka(kafka) => kafka.publish(topic, records, deadline).await,
        }
    }
}

async fn append(
    log: &Embedded,
    topic: &str,
    records: &[FeedRecord],
    deadline: Timestamp,
) -> Vec<Result<(), NotPublished>> {
    let Ok(topic) = TopicName::parse(topic) else {
        let invalid = Unavailable::new(Reason::Misconfigured, "not a name of a topic");
        return vec![Err(NotPublished::Closed(invalid)); records.len()];
    };
    let new: Vec<NewRecord> = records.iter().map(new_record).collect();
    let fits = |record: &NewRecord| record.bytes() <= RECORD_BYTES;
    let fitting: Vec<NewRecord> = new.iter().filter(|one| fits(one)).cloned().collect();
    let appended = within(deadline, log.append(&topic, &fitting)).await.map(drop);
    let appended = appended.map_err(not_published);
    let result = |record| match &appended {
        _ if !fits(record) => Err(NotPublished::Refused(too_large())),
        appended => appended.clone(),
    };
    new.iter().map(result).collect()
}

fn not_published(error: AppendError) -> NotPublished {
    match error {
        AppendError::TooManyTopics { .. } => NotPublished::Closed(error.into_unavailable()),
        other => NotPublished::Unavailable(other.into_unavailable()),
    }
}

fn too_large() -> Unavailable {
    let message = format!("a record is too large: limit=`{RECORD_BYTES}`");
    Unavailable::new(Reason::Misconfigured, message).of(Dependency::EventLog)
}

fn new_record(record: &FeedRecord) -> NewRecord {
    let headers = record.headers().into_iter();
    NewRecord {
        timestamp: now_millis(),
        key: Some(record.key.clone().into()),
        value: record.data.as_ref().map(|data| data.as_bytes().to_vec().into()),
        headers: headers.map(|(name, value)| (name, Some(value.into()))).collect(),
    }
}
