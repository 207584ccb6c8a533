//! The embedded log as the port [`EventLog`] of ingest.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Code, Reason, Rejection, Unavailable};
use drover_core::base::time::Timestamp;
use drover_core::intake::event_log::{NotSent, Outgoing};
use drover_core::ports::EventLog;

use drover_event_log::embedded::{AppendError, RECORD_BYTES};
use drover_event_log::{Embedded, NewRecord, TopicName};

/// A log that ingest sends events to.
#[derive(Clone, Debug)]
pub(crate) struct EmbeddedEventLog {
    log: Embedded,
}

impl EmbeddedEventLog {
    /// Sends to this log.
    pub(crate) fn new(log: Embedded) -> Self {
        Self { log }
    }
}

impl EventLog for EmbeddedEventLog {
    async fn send(&self, events: &[Outgoing], deadline: Timestamp) -> Vec<Result<(), NotSent>> {
        let records: Vec<NewRecord> = events.iter().map(new_record).collect();
        let fits = |record: &NewRecord| record.bytes() <= RECORD_BYTES;
        let fitting: Vec<NewRecord> = records.iter().filter(|one| fits(one)).cloned().collect();
        let appended = within(deadline, self.log.append(&TopicName::events(), &fitting)).await;
        let appended = appended.map_err(AppendError::into_unavailable);
        let result = |record| match &appended {
            _ if !fits(record) => Err(NotSent::Rejected(too_large())),
            Ok(_) => Ok(()),
            Err(unavailable) => Err(NotSent::Unavailable(unavailable.clone())),
        };
        records.iter().map(result).collect()
    }
}

/// The record of an event; its timestamp is the ingestion time.
fn new_record(outgoing: &Outgoing) -> NewRecord {
    let record = &outgoing.record;
    let headers = record.headers.iter();
    NewRecord {
        timestamp: record.ingested_at.micros().div_euclid(1_000),
        key: record.key.clone().map(Into::into),
        value: record.value.clone().map(Into::into),
        headers: headers.map(|(name, value)| (name.clone(), Some(value.clone().into()))).collect(),
    }
}

fn too_large() -> Rejection {
    let message = format!("event and headers are too large: limit=`{RECORD_BYTES}`");
    Rejection::new(Code::TooLarge, message)
}

/// The result of an append, or a failure after the deadline.
pub(super) async fn within<T>(
    deadline: Timestamp,
    append: impl Future<Output = Result<T, AppendError>>,
) -> Result<T, AppendError> {
    let left = deadline.micros().saturating_sub(now_millis().saturating_mul(1_000));
    let left = Duration::from_micros(u64::try_from(left).unwrap_or(0));
    let too_late =
        || Unavailable::new(Reason::Deadline, "the event log timed out").of(Dependency::EventLog);
    if left.is_zero() {
        return Err(too_late().into());
    }
    tokio::time::timeout(left, append).await.unwrap_or_else(|_| Err(too_late().into()))
}

#[expect(clippy::disallowed_methods, reason = "only the edge of the host reads the clock")]
pub(super) fn now_millis() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use drover_core::base::id::TenantId;
    use drover_core::base::scope::TenantScope;
    use drover_core::intake::contract::{Contract, builtin};
    use drover_core::intake::event_log::{TOPIC, partition};
    use drover_core::intake::record::{Record, Source};
    use drover_core::intake::tenant::Tenant;
    use drover_event_log::{Bounds, Log as _, Position, StoredRecord};
    use tempfile::{TempDir, tempdir};

    use super::*;

    const WITHOUT_WAITING: Bounds =
        Bounds { records: 1000, bytes: usize::MAX, wait: Duration::ZERO };

    fn open(folder: &TempDir) -> EmbeddedEventLog {
        EmbeddedEventLog::new(Embedded::open(&folder.path().join("stream.db"), None).unwrap())
    }

    async fn read(event_log: &EmbeddedEventLog, partition: i32) -> Vec<StoredRecord> {
        let from = Position { topic: TOPIC, partition, offset: 0 };
        event_log.log.fetch(from, WITHOUT_WAITING).await.unwrap().records
    }

    /// An event as ingest sends it.
    fn outgoing(device: &str, headers: Vec<(String, Vec<u8>)>) -> Outgoing {
        let received_at = Timestamp::from_millis(1_800_000_000_000).unwrap();
        let body = serde_json::json!({
            "device_id": device, "event_id": "e-1", "event_type": "temperature",
            "timestamp": received_at.to_string(), "payload": { "value": 1 },
        });
        let source = Source::Http { request_id: Arc::from("r"), index: 0, element: None };
        let record = Record {
            source: source.clone(),
            key: None,
            value: Some(body.to_string().into_bytes()),
            headers: Vec::new(),
            received_at: None,
            ingested_at: received_at,
        };
        let contract = Contract::compile(&builtin("telemetry").unwrap().unwrap()).unwrap();
        let scope = TenantScope::by_operator(TenantId::parse("demo").unwrap());
        let event = contract.read(&record.parsed(), &scope).unwrap().unwrap();
        let tenant = Arc::new(Tenant::check(&serde_json::json!({ "id": "demo" })).unwrap());
        Outgoing::new(event, tenant, source, headers, None).unwrap()
    }

    #[tokio::test]
    async fn events_go_to_the_partition_of_their_subject_and_each_has_its_own_result() {
        let folder = tempdir().unwrap();
        let event_log = open(&folder);
        let trace = vec![("correlation_id".to_owned(), b"c-1".to_vec())];
        let too_large = vec![("x".to_owned(), vec![0; RECORD_BYTES])];
        let events =
            [outgoing("d-1", trace), outgoing("d-2", too_large), outgoing("d-3", Vec::new())];
        let results = event_log.send(&events, Timestamp::MAX).await;
        assert_eq!((&results[0], &results[2]), (&Ok(()), &Ok(())));
        let Err(NotSent::Rejected(rejection)) = &results[1] else { panic!("{results:?}") };
        assert_eq!(rejection.code, Code::TooLarge);

        let key = b"demo/device/d-1";
        let records = read(&event_log, partition(key, 4).cast_signed()).await;
        let record = records.iter().find(|record| record.key.as_deref() == Some(key)).unwrap();
        assert_eq!(record.timestamp, 1_800_000_000_000);
        assert_eq!(record.headers, [("correlation_id".to_owned(), Some("c-1".into()))]);
        let value: serde_json::Value =
            serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        assert_eq!((&value["tenant"], &value["id"]), (&"demo".into(), &"d-1".into()));
        let mut all = 0;
        for partition in 0..4 {
            all += read(&event_log, partition).await.len();
        }
        assert_eq!(all, 2);
    }

    #[tokio::test]
    async fn an_event_after_its_deadline_is_not_acknowledged() {
        let folder = tempdir().unwrap();
        let event_log = open(&folder);
        let results = event_log.send(&[outgoing("d-1", Vec::new())], Timestamp::MIN).await;
        let [Err(NotSent::Unavailable(unavailable))] = &results[..] else { panic!("{results:?}") };
        assert_eq!(unavailable.reason, Reason::Deadline);
        assert_eq!(
            event_log.log.topics().await.unwrap(),
            Vec::<String>::new(),
            "it is not stored either"
        );
    }
}
