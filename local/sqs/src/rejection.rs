//! Why an action failed: a [`Rejection`] is the caller's error and carries the texts and codes of
//! SQS; an [`Unavailable`] is the server's error. Every SQLite error is [`Unavailable`].

use std::ops::RangeInclusive;

/// A failed action.
#[derive(Debug, thiserror::Error)]
pub enum SqsError {
    /// The request is invalid; the caller must change it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The server failed; the caller may try again.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<rusqlite::Error> for SqsError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

/// A failure of the server.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// SQLite could not read or write the queue file.
    #[error("queue file failed")]
    File(#[from] rusqlite::Error),
    /// The operating system could not start a thread.
    #[error("queue thread not started")]
    Thread(#[from] std::io::Error),
    /// An answer could not be serialized as JSON.
    #[error("answer not written")]
    Answer(#[source] serde_json::Error),
    /// The thread that owns the queue file has ended.
    #[error("queue thread stopped")]
    Stopped,
}

/// Requests that SQS rejects. Messages are SQS's own where known, including capitals and full
/// stops.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// No queue has this name.
    #[error("The specified queue does not exist.")]
    QueueDoesNotExist,
    /// A queue with this name exists, with other settings.
    #[error("A queue already exists with the same name and a different value for its attributes.")]
    QueueNameExists,
    /// The queue has no attribute with this name, or the attribute cannot be set.
    #[error("Unknown Attribute {0}.")]
    InvalidAttributeName(String),
    /// The value of this attribute is invalid.
    #[error("Invalid value for the parameter {0}.")]
    InvalidAttributeValue(String),
    /// The value of a parameter is invalid; holds the whole message.
    #[error("{0}")]
    InvalidParameterValue(String),
    /// This parameter is missing.
    #[error("The request must contain the parameter {0}.")]
    MissingParameter(&'static str),
    /// A text contains characters that XML does not allow.
    #[error(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | \
         #xE000 to #xFFFD | #x10000 to #x10FFFF."
    )]
    InvalidMessageContents,
    /// Not a receipt handle of this queue.
    #[error("The input receipt handle is invalid.")]
    ReceiptHandleIsInvalid,
    /// The message is not in flight: no receiver holds it.
    #[error("The message referred to isn't in flight.")]
    MessageNotInflight,
    /// A batch without entries.
    #[error("There should be at least one entry in the request.")]
    EmptyBatchRequest,
    /// A batch with this many entries.
    #[error("Maximum number of entries per request are 10. You have sent {0}.")]
    TooManyEntriesInBatchRequest(usize),
    /// Two entries of a batch share this id.
    #[error("Id {0} repeated.")]
    BatchEntryIdsNotDistinct(String),
    /// The id of an entry is invalid.
    #[error(
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It \
         can be at most 80 letters long."
    )]
    InvalidBatchEntryId,
    /// The messages of a batch have this many bytes in total.
    #[error("Batch requests cannot be longer than 1048576 bytes. You have sent {0} bytes.")]
    BatchRequestTooLong(usize),
    /// This parameter refers to a queue that does not exist.
    #[error("The resource that you specified for the {0} parameter doesn't exist.")]
    ResourceNotFound(&'static str),
    /// The server does not implement this action.
    #[error("The action {0} is not valid for this endpoint.")]
    InvalidAction(String),
    /// The request is not valid JSON for the action.
    #[error("The request could not be read: {0}")]
    Malformed(String),
}

impl Rejection {
    /// The two names of the error in SQS: the shape of the JSON protocol, and the older code of the
    /// query protocol, by which the SDKs distinguish errors.
    pub(super) fn names(&self) -> (&'static str, &'static str) {
        match self {
            Self::QueueDoesNotExist => {
                ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")
            }
            Self::QueueNameExists => ("QueueNameExists", "QueueAlreadyExists"),
            Self::InvalidAttributeName(_) => ("InvalidAttributeName", "InvalidAttributeName"),
            Self::InvalidAttributeValue(_) => ("InvalidAttributeValue", "InvalidAttributeValue"),
            Self::InvalidParameterValue(_) => {
                ("InvalidParameterValueException", "InvalidParameterValue")
            }
            Self::MissingParameter(_) => ("MissingRequiredParameterException", "MissingParameter"),
            Self::InvalidMessageContents => ("InvalidMessageContents", "InvalidMessageContents"),
            Self::ReceiptHandleIsInvalid => ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid"),
            Self::MessageNotInflight => {
                ("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight")
            }
            Self::EmptyBatchRequest => {
                ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest")
            }
            Self::TooManyEntriesInBatchRequest(_) => (
                "TooManyEntriesInBatchRequest",
                "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            ),
            Self::BatchEntryIdsNotDistinct(_) => {
                ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct")
            }
            Self::InvalidBatchEntryId => {
                ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId")
            }
            Self::BatchRequestTooLong(_) => {
                ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong")
            }
            Self::ResourceNotFound(_) => ("ResourceNotFoundException", "ResourceNotFoundException"),
            Self::InvalidAction(_) => ("InvalidAction", "InvalidAction"),
            Self::Malformed(_) => ("SerializationException", "SerializationException"),
        }
    }
}

/// The number, if SQS allows it for this parameter.
pub(super) fn within(
    parameter: &'static str,
    number: i64,
    allowed: RangeInclusive<u32>,
) -> Result<u32, Rejection> {
    u32::try_from(number).ok().filter(|number| allowed.contains(number)).ok_or_else(|| {
        Rejection::InvalidParameterValue(format!(
            "Value {number} for parameter {parameter} is invalid. Reason: Must be between {} and \
             {}, if provided.",
            allowed.start(),
            allowed.end(),
        ))
    })
}
