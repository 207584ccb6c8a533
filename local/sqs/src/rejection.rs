//! Why an action was not done: a [`Rejection`] is the caller's to mend and carries the words and
//! codes of SQS, an [`Unavailable`] is ours. Everything that SQLite says is unavailable.

use std::ops::RangeInclusive;

/// An action that was not done.
#[derive(Debug, thiserror::Error)]
pub enum SqsError {
    /// The caller has to send something else.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The caller may try again.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<rusqlite::Error> for SqsError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

/// What this side could not do.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// SQLite could not read or write the queue file.
    #[error("queue file failed")]
    File(#[from] rusqlite::Error),
    /// The operating system gave no thread.
    #[error("queue thread not started")]
    Thread(#[from] std::io::Error),
    /// An answer could not be written as JSON.
    #[error("answer not written")]
    Answer(#[source] serde_json::Error),
    /// The thread that owns the queue file has ended.
    #[error("queue thread stopped")]
    Stopped,
}

/// What SQS refuses. Messages are SQS's own where they are known, capitals and full stops included.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// No queue has this name.
    #[error("The specified queue does not exist.")]
    QueueDoesNotExist,
    /// A queue has this name, and other settings.
    #[error("A queue already exists with the same name and a different value for its attributes.")]
    QueueNameExists,
    /// The queue has no attribute of this name, or it cannot be set.
    #[error("Unknown Attribute {0}.")]
    InvalidAttributeName(String),
    /// The attribute of this name cannot have this value.
    #[error("Invalid value for the parameter {0}.")]
    InvalidAttributeValue(String),
    /// A parameter cannot have this value: the whole message.
    #[error("{0}")]
    InvalidParameterValue(String),
    /// The parameter of this name is missing.
    #[error("The request must contain the parameter {0}.")]
    MissingParameter(&'static str),
    /// A text has characters that XML does not allow.
    #[error(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | \
         #xE000 to #xFFFD | #x10000 to #x10FFFF."
    )]
    InvalidMessageContents,
    /// Not a receipt handle of this queue.
    #[error("The input receipt handle is invalid.")]
    ReceiptHandleIsInvalid,
    /// The message waits, and no receiver has it.
    #[error("The message referred to isn't in flight.")]
    MessageNotInflight,
    /// A batch without entries.
    #[error("There should be at least one entry in the request.")]
    EmptyBatchRequest,
    /// A batch with this many entries.
    #[error("Maximum number of entries per request are 10. You have sent {0}.")]
    TooManyEntriesInBatchRequest(usize),
    /// Two entries of a batch have this id.
    #[error("Id {0} repeated.")]
    BatchEntryIdsNotDistinct(String),
    /// The id of an entry is no such id.
    #[error(
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It \
         can be at most 80 letters long."
    )]
    InvalidBatchEntryId,
    /// The messages of a batch have this many bytes together.
    #[error("Batch requests cannot be longer than 1048576 bytes. You have sent {0} bytes.")]
    BatchRequestTooLong(usize),
    /// The parameter of this name refers to a queue that does not exist.
    #[error("The resource that you specified for the {0} parameter doesn't exist.")]
    ResourceNotFound(&'static str),
    /// An action of this name is not served.
    #[error("The action {0} is not valid for this endpoint.")]
    InvalidAction(String),
    /// The request is not JSON of the shape that the action takes.
    #[error("The request could not be read: {0}")]
    Malformed(String),
}

impl Rejection {
    /// The error's two names in SQS: the shape of the JSON protocol, and the older code of the
    /// query protocol, by which the SDKs tell errors apart.
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
