//! Batches of messages of the queue of notifications
//! (<https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>).

use lambda_runtime::Diagnostic;
use serde::{Deserialize, Serialize};

const SOURCE: &str = "aws:sqs";

/// A message as Lambda delivers it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    pub(crate) message_id: String,
    pub(crate) receipt_handle: String,
    #[serde(default)]
    pub(crate) body: Option<String>,
    event_source: String,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes {
    #[serde(default)]
    approximate_receive_count: Option<String>,
}

impl Message {
    /// Whether it is received for the first time.
    pub(crate) fn is_first(&self) -> bool {
        self.attributes.approximate_receive_count.as_deref() == Some("1")
    }
}

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Message>,
}

/// A partial batch response: the messages to deliver again.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchResponse {
    batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchItemFailure {
    item_identifier: String,
}

/// Why a whole invocation failed. All messages are received again.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The payload is not a batch of SQS messages.
    #[error(
        "this function accepts SQS messages (`Records` from `aws:sqs`) and commands (`action`)"
    )]
    NotMessages,
    /// The response could not be encoded.
    #[error("the response could not be encoded")]
    Unwritten(#[from] serde_json::Error),
}

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Self {
        let error_type = match failed {
            Failed::NotMessages => "NotAnEvent",
            Failed::Unwritten(_) => "Unwritten",
        };
        Self { error_type: error_type.to_owned(), error_message: failed.to_string() }
    }
}

impl BatchResponse {
    pub(crate) fn of(message_ids: Vec<String>) -> Self {
        let failures = message_ids.into_iter();
        let failures = failures.map(|item_identifier| BatchItemFailure { item_identifier });
        Self { batch_item_failures: failures.collect() }
    }
}

/// The messages of an event.
pub(crate) fn messages(event: &str) -> Result<Vec<Message>, Failed> {
    let Batch { records } = serde_json::from_str(event).map_err(|_| Failed::NotMessages)?;
    match records.iter().all(|message| message.event_source == SOURCE) {
        true => Ok(records),
        false => Err(Failed::NotMessages),
    }
}
