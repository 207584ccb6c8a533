//! Lambda events with Kafka records.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use drover_core::base::time::Timestamp;
use serde_json::{Value, json};

/// The timestamp of every record of this process: one hour ago, which every host accepts as
/// plausible. History depends on this time and not on the machine's clock.
#[expect(clippy::disallowed_methods, reason = "the records of a producer carry the current time")]
pub static WRITTEN_AT_MILLIS: LazyLock<i64> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs() - 3_600).unwrap() * 1_000
});

/// A record, which names its tenant in a header.
pub struct Record {
    topic: &'static str,
    tenant: String,
    value: Vec<u8>,
}

/// A reading of a device, observed so many seconds before the record's timestamp. Its id is `e-`
/// and the number of seconds.
pub fn temperature(tenant: &str, device: &str, seconds_before: i64) -> Record {
    let observed_at = Timestamp::from_millis(*WRITTEN_AT_MILLIS - seconds_before * 1_000).unwrap();
    let value = json!({
        "device_id": device, "event_id": format!("e-{seconds_before}"),
        "event_type": "temperature", "timestamp": observed_at.to_string(),
        "payload": { "value": seconds_before },
    });
    text(tenant, &value.to_string())
}

/// A record of the topic `telemetry` with any text as its value.
pub fn text(tenant: &str, value: &str) -> Record {
    Record { topic: "telemetry", tenant: tenant.to_owned(), value: value.as_bytes().to_vec() }
}

impl Record {
    /// The same record in another topic.
    #[allow(dead_code, reason = "not every suite has a topic of its own")]
    pub fn in_topic(self, topic: &'static str) -> Self {
        Self { topic, ..self }
    }
}

/// An event with records of one partition.
pub fn event(records: &[Record]) -> Value {
    let records: Vec<Value> = records.iter().enumerate().map(record).collect();
    json!({
        "eventSource": "aws:kafka",
        "eventSourceArn": "arn:aws:kafka:us-east-1:000000000000:cluster/local/0",
        "bootstrapServers": "localhost:9092",
        "records": { "telemetry-0": records },
    })
}

fn record((offset, record): (usize, &Record)) -> Value {
    json!({
        "topic": record.topic, "partition": 0, "offset": offset,
        "timestamp": *WRITTEN_AT_MILLIS, "timestampType": "CREATE_TIME", "key": null,
        "value": base64_simd::STANDARD.encode_to_string(&record.value),
        "headers": [{ "tenant": record.tenant.as_bytes() }],
    })
}
