//! Lambda's on-failure message about discarded records: where they are in the stream and why they
//! are discarded, without the records themselves.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>

use drover_core::base::time::Timestamp;
use drover_core::dead_letter::text::message_body;
use serde::Serialize;

use super::change::Change;
use crate::on_failure::{RequestContext, ResponseContext, millis};

/// The discarded records of one batch.
pub(super) struct GivenUp<'a> {
    pub(super) request_context: RequestContext<'a>,
    /// `None`: the records were never sent.
    pub(super) response: Option<&'a ResponseContext>,
    pub(super) shard: &'a str,
    pub(super) stream_arn: &'a str,
    pub(super) records: &'a [Change],
    pub(super) now: Timestamp,
}

impl GivenUp<'_> {
    /// The body of the message; `None` without records.
    pub(super) fn message(self) -> Option<Result<String, serde_json::Error>> {
        let (first, last) = (self.records.first()?, self.records.last()?);
        Some(message_body(&Message {
            request_context: self.request_context,
            response_context: self.response,
            version: "1.0",
            timestamp: millis(self.now),
            batch: BatchContent {
                shard_id: self.shard,
                start_sequence_number: first.sequence.as_str(),
                end_sequence_number: last.sequence.as_str(),
                approximate_arrival_of_first_record: seconds(first),
                approximate_arrival_of_last_record: seconds(last),
                batch_size: self.records.len(),
                stream_arn: self.stream_arn,
            },
        }))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    request_context: RequestContext<'a>,
    response_context: Option<&'a ResponseContext>,
    version: &'static str,
    timestamp: String,
    #[serde(rename = "DDBStreamBatchInfo")]
    batch: BatchContent<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchContent<'a> {
    shard_id: &'a str,
    start_sequence_number: &'a str,
    end_sequence_number: &'a str,
    approximate_arrival_of_first_record: Option<String>,
    approximate_arrival_of_last_record: Option<String>,
    batch_size: usize,
    stream_arn: &'a str,
}

/// RFC 3339 without a fraction, as Lambda writes it: streams know whole seconds only.
fn seconds(record: &Change) -> Option<String> {
    let arrived = Timestamp::from_millis(record.created_at).filter(|_| record.created_at >= 0)?;
    let text = arrived.to_string();
    Some(format!("{}Z", text.split('.').next()?))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::dynamodb::sequence::SequenceNumber;
    use crate::on_failure::Condition;

    fn change(sequence: &str, created_at: i64) -> Change {
        let sequence = SequenceNumber::parse(sequence).unwrap();
        Change { sequence, offset: 0, created_at, json: String::new() }
    }

    fn message(response: Option<&ResponseContext>, records: &[Change]) -> Option<Value> {
        let given_up = GivenUp {
            request_context: RequestContext {
                request_id: "316aa6d0-8154-4c5e-9af7-85d5f4a6bc81",
                function_arn: "arn:aws:lambda:us-east-2:123456789012:function:myfunction",
                condition: Condition::RetryAttemptsExhausted,
                approximate_invoke_count: 1,
            },
            response,
            shard: "shardId-00000001573689847184-864758bb",
            stream_arn: "arn:aws:dynamodb:us-east-2:123456789012:table/t/stream/2019-11-14T00:04:06.388",
            records,
            now: Timestamp::from_micros(1_573_690_429_717_999).unwrap(),
        };
        Some(serde_json::from_str(&given_up.message()?.unwrap()).unwrap())
    }

    #[test]
    fn the_message_has_the_format_of_lambda() {
        let response = ResponseContext {
            status_code: 200,
            executed_version: "$LATEST".to_owned(),
            function_error: Some("Unhandled".to_owned()),
        };
        let records = [
            change("800000000003126276362", 1_573_690_399_000),
            change("800000000003126276399", 1_573_690_401_000),
        ];
        let expected = json!({
            "requestContext": {
                "requestId": "316aa6d0-8154-4c5e-9af7-85d5f4a6bc81",
                "functionArn": "arn:aws:lambda:us-east-2:123456789012:function:myfunction",
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 1,
            },
            "responseContext": {
                "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled",
            },
            "version": "1.0",
            "timestamp": "2019-11-14T00:13:49.717Z",
            "DDBStreamBatchInfo": {
                "shardId": "shardId-00000001573689847184-864758bb",
                "startSequenceNumber": "800000000003126276362",
                "endSequenceNumber": "800000000003126276399",
                "approximateArrivalOfFirstRecord": "2019-11-14T00:13:19Z",
                "approximateArrivalOfLastRecord": "2019-11-14T00:13:21Z",
                "batchSize": 2,
                "streamArn":
                    "arn:aws:dynamodb:us-east-2:123456789012:table/t/stream/2019-11-14T00:04:06.388",
            },
        });
        assert_eq!(message(Some(&response), &records), Some(expected));
    }

    #[test]
    fn records_that_were_never_sent_have_no_response() {
        let message = message(None, &[change("1", 0)]).unwrap();
        assert_eq!(message["responseContext"], Value::Null);
    }

    #[test]
    fn there_is_no_message_without_records() {
        assert_eq!(message(None, &[]), None);
    }
}
