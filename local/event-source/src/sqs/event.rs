//! The event that Lambda sends for a batch of messages.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use drover_local_sqs::{QueueName, ReceivedMessage, WireAttribute};

/// The sender id: every client of the host is the account itself.
const SENDER: &str = "000000000000";

/// The event with these messages.
///
/// # Errors
/// Never for strings, which are the only content.
pub(super) fn event(
    queue: &QueueName,
    messages: &[ReceivedMessage],
) -> Result<Bytes, serde_json::Error> {
    let arn = queue.arn();
    let records = messages.iter().map(|message| record(message, &arn)).collect();
    Ok(serde_json::to_vec(&Event { records })?.into())
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Event<'a> {
    records: Vec<Record<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    message_id: &'a str,
    receipt_handle: &'a str,
    body: &'a str,
    attributes: BTreeMap<&'a str, &'a str>,
    message_attributes: BTreeMap<&'a str, Attribute<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<&'a str>,
    md5_of_body: &'a str,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
    aws_region: &'static str,
}

/// A user's message attribute. Lambda writes the two lists that SQS never fills.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attribute<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<&'a str>,
    string_list_values: [&'a str; 0],
    binary_list_values: [&'a str; 0],
    data_type: &'a str,
}

fn record<'a>(message: &'a ReceivedMessage, arn: &'a str) -> Record<'a> {
    let attributes = message.attributes.iter().map(|(name, value)| (*name, value.as_str()));
    let of_users = message.message_attributes.iter();
    Record {
        message_id: &message.message_id,
        receipt_handle: &message.receipt_handle,
        body: &message.body,
        attributes: attributes.chain([("SenderId", SENDER)]).collect(),
        message_attributes: of_users.map(|(name, one)| (name.as_str(), attribute(one))).collect(),
        md5_of_message_attributes: message.attributes_md5.as_deref(),
        md5_of_body: &message.body_md5,
        event_source: "aws:sqs",
        event_source_arn: arn,
        aws_region: "us-east-1",
    }
}

fn attribute(attribute: &WireAttribute) -> Attribute<'_> {
    Attribute {
        string_value: attribute.string_value.as_deref(),
        binary_value: attribute.binary_value.as_deref(),
        string_list_values: [],
        binary_list_values: [],
        data_type: &attribute.data_type,
    }
}

#[cfg(test)]
mod tests {
    use drover_local_sqs::LARGEST_MESSAGE;
    use serde_json::{Value, json};

    use super::super::batch::PAYLOAD_BYTES;
    use super::*;

    fn message(body: &str) -> ReceivedMessage {
        let attributes = [
            ("ApproximateFirstReceiveTimestamp", "2"),
            ("ApproximateReceiveCount", "1"),
            ("MessageGroupId", "newco"),
            ("SentTimestamp", "1"),
        ];
        ReceivedMessage {
            message_id: "m-1".to_owned(),
            receipt_handle: "r-1".to_owned(),
            body_md5: "5".to_owned(),
            body: body.to_owned(),
            attributes: attributes.map(|(name, value)| (name, value.to_owned())).into(),
            attributes_md5: None,
            message_attributes: BTreeMap::new(),
        }
    }

    fn written(message: &ReceivedMessage) -> Value {
        let queue = QueueName::parse("letters").unwrap();
        let event = event(&queue, std::slice::from_ref(message)).unwrap();
        serde_json::from_slice(&event).unwrap()
    }

    #[test]
    fn a_record_has_the_format_of_lambda() {
        let expected = json!({ "Records": [{
            "messageId": "m-1",
            "receiptHandle": "r-1",
            "body": "{\"v\":1}",
            "attributes": {
                "ApproximateReceiveCount": "1", "SentTimestamp": "1",
                "SenderId": "000000000000", "ApproximateFirstReceiveTimestamp": "2",
                "MessageGroupId": "newco",
            },
            "messageAttributes": {},
            "md5OfBody": "5",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:letters",
            "awsRegion": "us-east-1",
        }]});
        assert_eq!(written(&message(r#"{"v":1}"#)), expected);
    }

    #[test]
    fn attributes_of_users_have_the_format_of_lambda() {
        let text = WireAttribute {
            data_type: "String".to_owned(),
            string_value: Some("high".to_owned()),
            binary_value: None,
        };
        let mut message = message("b");
        message.attributes_md5 = Some("6".to_owned());
        message.message_attributes.insert("priority".to_owned(), text);
        let record = &written(&message)["Records"][0];
        assert_eq!(record["md5OfMessageAttributes"], "6");
        let expected = json!({
            "stringValue": "high", "stringListValues": [], "binaryListValues": [],
            "dataType": "String",
        });
        assert_eq!(record["messageAttributes"]["priority"], expected);
    }

    /// The worst case of JSON: every character is escaped.
    #[test]
    fn the_event_of_a_full_batch_is_within_the_limit_of_lambda() {
        let largest = message(&"\"".repeat(1024 * 1024));
        let small = message(&"\n".repeat(100));
        let (many, each) = (1_000, 100 + (LARGEST_MESSAGE - 1024 * 1024));
        let messages: Vec<_> = std::iter::repeat_with(|| message(&largest.body))
            .take(1)
            .chain(std::iter::repeat_with(|| message(&small.body)).take(many))
            .collect();
        let counted = LARGEST_MESSAGE + many * each;
        let written = event(&QueueName::parse("letters").unwrap(), &messages).unwrap().len();
        assert!(written <= 2 * counted, "{written} {counted}");
        const { assert!(2 * LARGEST_MESSAGE <= PAYLOAD_BYTES) };
    }
}
