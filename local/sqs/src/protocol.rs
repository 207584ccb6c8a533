//! The wire format: request and answer bodies of SQS's JSON protocol, and the shape of its errors.
//! Only JSON types are checked here.
//!
//! Members that this server does not support (tags, FIFO deduplication of receives, rates of moves)
//! are ignored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rejection::{Rejection, SqsError};

/// A request to one queue.
#[derive(Deserialize)]
pub(super) struct OnQueue<T> {
    #[serde(rename = "QueueUrl")]
    pub(super) queue_url: String,
    #[serde(flatten)]
    pub(super) request: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Batch<T> {
    pub(super) entries: Vec<Entry<T>>,
}

/// One request of a batch, or one success.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry<T> {
    #[serde(rename = "Id")]
    pub(super) id: String,
    #[serde(flatten)]
    pub(super) content: T,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchAnswer<T> {
    pub(super) successful: Vec<Entry<T>>,
    pub(super) failed: Vec<Entry<EntryFailure>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EntryFailure {
    sender_fault: bool,
    code: &'static str,
    message: String,
}

impl From<&Rejection> for EntryFailure {
    fn from(rejection: &Rejection) -> Self {
        let (_, code) = rejection.names();
        Self { sender_fault: true, code, message: rejection.to_string() }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Nothing {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateQueue {
    pub(super) queue_name: String,
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueUrl {
    pub(super) queue_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QueueUrl {
    pub(super) queue_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListQueues {
    #[serde(default)]
    pub(super) queue_name_prefix: String,
    pub(super) max_results: Option<i64>,
    #[serde(default)]
    pub(super) next_token: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListQueuesAnswer {
    pub(super) queue_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueAttributes {
    #[serde(default)]
    pub(super) attribute_names: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QueueAttributes {
    pub(super) attributes: BTreeMap<&'static str, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetQueueAttributes {
    pub(super) attributes: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct SendMessage {
    pub(super) message_body: String,
    pub(super) delay_seconds: Option<i64>,
    pub(super) message_attributes: BTreeMap<String, WireAttribute>,
    pub(super) message_group_id: Option<String>,
    pub(super) message_deduplication_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SentMessage {
    pub(super) message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    pub(super) body_md5: String,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    pub(super) attributes_md5: Option<String>,
}

/// A user's message attribute. Binary values are base64.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct WireAttribute {
    /// `String`, `Number` or `Binary`, with an optional label after a dot.
    pub data_type: String,
    /// The value of a `String` or `Number`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub string_value: Option<String>,
    /// The value of a `Binary`, as base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binary_value: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ReceiveMessage {
    pub(super) max_number_of_messages: Option<i64>,
    pub(super) visibility_timeout: Option<i64>,
    pub(super) wait_time_seconds: Option<i64>,
    /// The older name of `message_system_attribute_names`.
    pub(super) attribute_names: Vec<String>,
    pub(super) message_system_attribute_names: Vec<String>,
    pub(super) message_attribute_names: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceivedMessages {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) messages: Vec<ReceivedMessage>,
}

/// A message that a receiver holds.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReceivedMessage {
    /// The message id, the same at every receive.
    pub message_id: String,
    /// The handle to delete the message with; every receive returns another handle.
    pub receipt_handle: String,
    /// The MD5 of the body, in hex.
    #[serde(rename = "MD5OfBody")]
    pub body_md5: String,
    /// The body as sent.
    pub body: String,
    /// Attributes that SQS sets, such as `SentTimestamp`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<&'static str, String>,
    /// The MD5 of the sender's attributes, in hex; `None` without attributes.
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    pub attributes_md5: Option<String>,
    /// The sender's attributes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub message_attributes: BTreeMap<String, WireAttribute>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteMessage {
    pub(super) receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeMessageVisibility {
    pub(super) receipt_handle: String,
    pub(super) visibility_timeout: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StartMessageMoveTask {
    pub(super) source_arn: String,
    pub(super) destination_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MessageMoveTask {
    pub(super) task_handle: String,
}

/// An error response: its status, the header `x-amzn-query-error`, and its body.
pub(super) struct WireError {
    pub(super) status: u16,
    pub(super) query_error: String,
    pub(super) body: String,
}

impl From<&SqsError> for WireError {
    fn from(error: &SqsError) -> Self {
        let (status, shape, code, fault) = match error {
            SqsError::Rejected(rejection) => {
                let (shape, code) = rejection.names();
                (400, shape, code, "Sender")
            }
            SqsError::Unavailable(_) => (500, "InternalError", "InternalError", "Receiver"),
        };
        let body = serde_json::json!({
            "__type": format!("com.amazonaws.sqs#{shape}"),
            "message": error.to_string(),
        });
        Self { status, query_error: format!("{code};{fault}"), body: body.to_string() }
    }
}
