//! A topic of its own on the shared broker, and Drover's adapters on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use drover_aws::kafka::{
    KafkaCluster, KafkaConfig, KafkaEventLog, KafkaReread, Password, Placed, SaslMechanism,
    Security, TopicToCreate, describe,
};
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::origin::Offsets;
use drover_core::dead_letter::reread::Again;
use drover_core::intake::record::{Receipt, Record, Source, TopicRetention};
use drover_core::ports::Reread as _;
use drover_event_log::{Bounds, Log as _, Position, StoredRecord};
use drover_event_source::KafkaLog;
use krafka::admin::{DeleteRecordsOptions, DeleteTopicsOptions, TopicPartition};

use crate::broker::{PASSWORD, USER};

const BOUNDS: Bounds = Bounds { records: 500, bytes: 1 << 20, wait: Duration::from_secs(2) };
/// The deadline of a send.
const SEND_SECONDS: i64 = 5;

/// A topic of four partitions.
#[derive(Clone)]
pub(crate) struct Topic(pub(crate) KafkaConfig);

/// A unique topic name.
pub(crate) fn name(of: &str) -> String {
    format!("{of}.{:08x}", fastrand::u32(..))
}

/// The SCRAM settings of a client.
pub(crate) fn scram(password: &str) -> Security {
    sasl(SaslMechanism::ScramSha512, password)
}

/// Credentials of the one user.
pub(crate) fn sasl(mechanism: SaslMechanism, password: &str) -> Security {
    let password = Password::new(password);
    Security::Sasl { mechanism, user: USER.to_owned(), password, tls: false }
}

/// The SCRAM settings with the correct password.
pub(crate) fn right() -> Security {
    scram(PASSWORD)
}

impl Topic {
    /// Creates a topic.
    pub(crate) async fn new(bootstrap: &str, of: &str) -> Self {
        Self::with(bootstrap, of, Security::Plaintext).await
    }

    /// Creates a topic with these credentials.
    pub(crate) async fn with(bootstrap: &str, of: &str, security: Security) -> Self {
        let cluster = KafkaCluster { bootstrap: bootstrap.to_owned(), security };
        let topic = name(of);
        let created = created(&topic);
        patiently(async || cluster.create_topics(std::slice::from_ref(&created)).await).await;
        Self(KafkaConfig { cluster, topic })
    }

    /// The addresses of the brokers.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.0.cluster.bootstrap
    }

    /// The same topic with other credentials.
    pub(crate) fn secured(&self, security: Security) -> KafkaConfig {
        let KafkaConfig { cluster, topic } = self.0.clone();
        KafkaConfig { cluster: KafkaCluster { security, ..cluster }, topic }
    }

    /// The topic's name.
    pub(crate) fn name(&self) -> &str {
        &self.0.topic
    }

    /// The adapter that ingest writes with.
    pub(crate) async fn event_log(&self) -> KafkaEventLog {
        patiently(async || KafkaEventLog::connect(self.0.clone()).await).await
    }

    /// The adapter that the event source reads with.
    pub(crate) async fn log(&self) -> KafkaLog {
        patiently(async || KafkaLog::connect(self.0.cluster.clone()).await).await
    }

    /// All records by partition, as the event source reads them.
    pub(crate) async fn read(&self, log: &KafkaLog) -> BTreeMap<i32, Vec<StoredRecord>> {
        let mut all = BTreeMap::new();
        for partition in log.partitions(self.name()).await.unwrap() {
            all.insert(partition, self.read_from(log, partition, 0).await);
        }
        all
    }

    /// The records of a partition, starting at an offset.
    pub(crate) async fn read_from(
        &self,
        log: &KafkaLog,
        partition: i32,
        mut offset: i64,
    ) -> Vec<StoredRecord> {
        let mut records = Vec::new();
        loop {
            let from = Position { topic: self.name(), partition, offset };
            let fetched = log.fetch(from, BOUNDS).await.unwrap();
            records.extend(fetched.records);
            offset = fetched.next;
            if offset >= fetched.end {
                return records;
            }
        }
    }

    /// Reads offsets as replay does, with retries while the partition has no leader.
    pub(crate) async fn again(&self, partition: i32, first: i64, last: i64) -> Again {
        let offsets = Offsets { topic: self.name().to_owned(), partition, first, last };
        let reread = KafkaReread::new(self.0.cluster.clone());
        let given_up = Receipt { now: now(), retention: TopicRetention::WEEK };
        let read = async {
            loop {
                match reread.reread(&offsets, given_up).await {
                    Ok(again) => break again.unwrap(),
                    Err(error) => assert_eq!(error.reason, Reason::Unreachable, "{error}"),
                }
            }
        };
        tokio::time::timeout(crate::common::WAIT, read).await.unwrap()
    }

    /// Deletes the records before an offset, as retention does.
    pub(crate) async fn forget(&self, partition: i32, before: i64) {
        let admin = self.0.cluster.client().await.unwrap().admin();
        let place = TopicPartition::new(self.name(), partition);
        let deleted =
            admin.delete_records([(place, before)], DeleteRecordsOptions::default()).await;
        for result in deleted.unwrap().into_values() {
            assert_eq!(result.unwrap(), before);
        }
    }

    /// Deletes the topic and creates another one with the same name.
    pub(crate) async fn make_anew(&self) {
        let admin = self.0.cluster.client().await.unwrap().admin();
        let id = async || Some(describe(&admin, self.name()).await.ok()??.id);
        let before = id().await.unwrap();
        let deleted = admin.delete_topics([self.name()], DeleteTopicsOptions::default()).await;
        assert!(deleted.unwrap().into_values().all(|result| result.is_ok()));
        let made = async {
            // The brokers may still know the old topic for a while, and report it as existing.
            while self.0.cluster.create_topics(&[created(self.name())]).await.is_err()
                || id().await.is_none_or(|id| id == before)
            {}
        };
        tokio::time::timeout(crate::common::WAIT, made).await.unwrap();
    }
}

fn created(name: &str) -> TopicToCreate {
    TopicToCreate { name: name.to_owned(), is_compacted: false }
}

/// Retries, because a broker that has just started on a busy machine may fail at first.
async fn patiently<T>(attempt: impl AsyncFn() -> Result<T, Unavailable>) -> T {
    let trying = async {
        loop {
            match attempt().await {
                Ok(done) => break done,
                Err(error) => assert_ne!(error.reason, Reason::Misconfigured, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::common::WAIT, trying).await.unwrap()
}

/// Sends to a new broker until it acknowledges: its setup for the first producer takes longer than
/// the deadline of a send.
pub(crate) async fn warm(bootstrap: &str) {
    let topic = Topic::new(bootstrap, "warm").await;
    let event_log = topic.event_log().await;
    patiently(async || send(&event_log, &[record("key", "warm")]).await.remove(0)).await;
}

/// A record for an event log.
pub(crate) fn record(key: &str, value: impl Into<Vec<u8>>) -> Record {
    Record {
        source: Source::Http { request_id: Arc::from("cluster"), index: 0, element: None },
        key: Some(key.as_bytes().to_vec()),
        value: Some(value.into()),
        headers: vec![("correlation_id".to_owned(), b"cluster".to_vec())],
        received_at: None,
        ingested_at: Timestamp::MIN,
    }
}

/// Sends records and returns the result of each.
pub(crate) async fn send(
    event_log: &KafkaEventLog,
    records: &[Record],
) -> Vec<Result<Placed, Unavailable>> {
    let records: Vec<&Record> = records.iter().collect();
    event_log.produce(&records, now().plus_seconds(SEND_SECONDS)).await
}

/// The current time.
#[expect(clippy::disallowed_methods, reason = "deadlines are on the machine's clock")]
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap()).unwrap()
}
