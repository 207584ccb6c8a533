//! Lambda's on-failure message about discarded records: their offsets and the reason, without the
//! records themselves.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure.html>. The condition for records
//! that are too old is taken from Lambda's other streams; no page documents it for Kafka.

use std::collections::BTreeMap;

use drover_core::base::time::Timestamp;
use drover_core::dead_letter::text::message_body;
use drover_event_log::StoredRecord;
use serde::Serialize;

use super::event::{EventSource, partition_name};
use crate::on_failure::{Condition, RequestContext, ResponseContext, millis};

/// The details of the discarded records.
#[derive(Clone, Debug)]
pub(super) struct GivenUp<'a> {
    pub(super) condition: Condition,
    pub(super) request_id: &'a str,
    pub(super) function_arn: &'a str,
    pub(super) attempts: u32,
    pub(super) response: Option<&'a ResponseContext>,
    pub(super) source: &'a EventSource,
    pub(super) topic: &'a str,
    pub(super) records: &'a BTreeMap<i32, Vec<StoredRecord>>,
    pub(super) payload_bytes: usize,
    pub(super) now: Timestamp,
}

impl GivenUp<'_> {
    /// The body of the message.
    pub(super) fn message(&self) -> Result<String, serde_json::Error> {
        let records = self.records.iter().filter_map(|(partition, records)| {
            Some((partition_name(self.topic, *partition), run(records)?))
        });
        message_body(&Message {
            request_context: RequestContext {
                request_id: self.request_id,
                function_arn: self.function_arn,
                condition: self.condition,
                approximate_invoke_count: self.attempts,
            },
            response_context: self.response,
            version: "1.0",
            timestamp: millis(self.now),
            batch: BatchContent {
                batch_size: self.records.values().map(Vec::len).sum(),
                event_source_arn: &self.source.arn,
                bootstrap_servers: &self.source.bootstrap_servers,
                payload_size: self.payload_bytes,
                records_info: records.collect(),
            },
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    request_context: RequestContext<'a>,
    response_context: Option<&'a ResponseContext>,
    version: &'static str,
    timestamp: String,
    #[serde(rename = "KafkaBatchInfo")]
    batch: BatchContent<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchContent<'a> {
    batch_size: usize,
    event_source_arn: &'a str,
    bootstrap_servers: &'a str,
    payload_size: usize,
    records_info: BTreeMap<String, OffsetRange>,
}

/// Offsets are strings here, unlike in events.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OffsetRange {
    first_record_offset: String,
    last_record_offset: String,
    first_record_timestamp: Option<String>,
    last_record_timestamp: Option<String>,
}

fn run(records: &[StoredRecord]) -> Option<OffsetRange> {
    let (first, last) = (records.first()?, records.last()?);
    let timestamp = |record: &StoredRecord| {
        let known = (record.timestamp >= 0).then_some(record.timestamp);
        known.and_then(Timestamp::from_millis).map(millis)
    };
    Some(OffsetRange {
        first_record_offset: first.offset.to_string(),
        last_record_offset: last.offset.to_string(),
        first_record_timestamp: timestamp(first),
        last_record_timestamp: timestamp(last),
    })
}

#[cfg(test)]
mod tests {
    use drover_event_log::TimestampType;
    use serde_json::{Value, json};

    use super::*;
    use crate::kafka::event::HeaderBytes;

    fn record(offset: i64, timestamp: i64) -> StoredRecord {
        let timestamp_type = TimestampType::CreateTime;
        let (key, value, headers) = (None, None, Vec::new());
        StoredRecord { offset, timestamp, timestamp_type, key, value, headers }
    }

    fn message(condition: Condition, response: Option<&ResponseContext>) -> Value {
        let source = EventSource {
            arn: "arn:source".to_owned(),
            bootstrap_servers: "b:9092".to_owned(),
            header_bytes: HeaderBytes::Signed,
        };
        let first = vec![record(5, 1_573_689_486_021), record(9, 1_573_689_487_000)];
        let records = BTreeMap::from([(0, first), (2, vec![record(1, -1)])]);
        let message = GivenUp {
            condition,
            request_id: "r-1",
            function_arn: "arn:function",
            attempts: 3,
            response,
            source: &source,
            topic: "Topic",
            records: &records,
            payload_bytes: 2_039_086,
            now: Timestamp::from_micros(1_573_689_486_021_777).unwrap(),
        };
        serde_json::from_str(&message.message().unwrap()).unwrap()
    }

    #[test]
    fn the_message_has_the_format_of_lambda() {
        let response = ResponseContext {
            status_code: 200,
            executed_version: "$LATEST".to_owned(),
            function_error: Some("Unhandled".to_owned()),
        };
        let expected = json!({
            "requestContext": {
                "requestId": "r-1", "functionArn": "arn:function",
                "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 3,
            },
            "responseContext": {
                "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled",
            },
            "version": "1.0", "timestamp": "2019-11-13T23:58:06.021Z",
            "KafkaBatchInfo": {
                "batchSize": 3, "eventSourceArn": "arn:source", "bootstrapServers": "b:9092",
                "payloadSize": 2_039_086,
                "recordsInfo": {
                    "Topic-0": {
                        "firstRecordOffset": "5", "lastRecordOffset": "9",
                        "firstRecordTimestamp": "2019-11-13T23:58:06.021Z",
                        "lastRecordTimestamp": "2019-11-13T23:58:07.000Z",
                    },
                    "Topic-2": {
                        "firstRecordOffset": "1", "lastRecordOffset": "1",
                        "firstRecordTimestamp": null, "lastRecordTimestamp": null,
                    },
                },
            },
        });
        assert_eq!(message(Condition::RetryAttemptsExhausted, Some(&response)), expected);
    }

    #[test]
    fn a_record_that_was_never_sent_has_no_response() {
        let message = message(Condition::MaximumPayloadSizeExceeded, None);
        assert_eq!(message["responseContext"], Value::Null);
        assert_eq!(message["requestContext"]["condition"], "MaximumPayloadSizeExceeded");
    }
}
