//! Timeouts, retries and error classification of every AWS call. Other modules decide none of this.
//!
//! Failures are classified by the service's error code and not by the SDK's typed variants: a
//! variant exists only where the operation's model names the error, while any operation can be
//! throttled or denied. An unknown failure may have been executed and may pass, so it is
//! `Failure::Unknown`.

use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::ThrottlingReason;
use aws_sdk_dynamodb::types::error::{
    ProvisionedThroughputExceededException, RequestLimitExceeded, ThrottlingException,
};
use drover_core::base::error::{Reason, Unavailable};

use crate::cause::Cause;
use crate::said::Said;

/// A normal answer takes milliseconds. A connection that died while the environment was frozen
/// should cost one attempt, not the whole invocation.
const CONNECT: Duration = Duration::from_secs(1);
const ATTEMPT: Duration = Duration::from_millis(1_500);
/// All attempts of one call together.
const OPERATION: Duration = Duration::from_secs(4);
/// 16 MB, the largest response of one call, at 4 MB per second.
const BULK_ATTEMPT: Duration = Duration::from_secs(4);
const BULK_OPERATION: Duration = Duration::from_secs(8);
/// For calls where a late answer is better than none.
const PATIENT_ATTEMPT: Duration = Duration::from_secs(10);
const PATIENT_OPERATION: Duration = Duration::from_secs(30);
/// The SDK's default is one second, which is as long as many invocations.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const ATTEMPTS: u32 = 3;

/// The timeouts of every client.
pub(super) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build()
}

/// Timeouts for calls that carry megabytes. `own` are the client's timeouts; the longer of the two
/// applies.
pub fn bulk_timeouts(own: Option<&TimeoutConfig>) -> TimeoutConfig {
    let attempt = own.and_then(TimeoutConfig::operation_attempt_timeout);
    let operation = own.and_then(TimeoutConfig::operation_timeout);
    timeouts()
        .to_builder()
        .operation_attempt_timeout(attempt.unwrap_or_default().max(BULK_ATTEMPT))
        .operation_timeout(operation.unwrap_or_default().max(BULK_OPERATION))
        .build()
}

/// Timeouts for calls at startup and for embedded services: no environment freezes there, but a
/// slow machine may delay every answer.
pub(super) fn patient_timeouts() -> TimeoutConfig {
    timeouts()
        .to_builder()
        .operation_attempt_timeout(PATIENT_ATTEMPT)
        .operation_timeout(PATIENT_OPERATION)
        .build()
}

/// Retries for reads and for idempotent writes.
pub(super) fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_PAUSE)
}

/// For head writes, with or without pages: a second attempt would find the version that the first
/// attempt wrote and report a conflict with another writer. The caller backs off, because only the
/// caller knows the deadline.
pub(super) fn no_retries() -> RetryConfig {
    RetryConfig::disabled()
}

/// The class of a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The condition check failed.
    Condition,
    /// The connection was refused: nothing was sent.
    NotSent,
    /// The service throttles one key.
    HotKey,
    /// The service throttles.
    Throttled,
    /// Another transaction holds the item.
    Conflict,
    /// No answer, a service fault, or an unknown code. The call may have been executed.
    Unknown,
    /// The service rejected the call: permissions, names or the setup are wrong.
    Refused,
    /// The service rejected this request: it exceeds a limit or is malformed. Other requests may
    /// succeed.
    Invalid,
}

impl Failure {
    /// Classifies a failed call.
    pub(super) fn of<E, R>(error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ConstructionFailure(_) => Self::Invalid,
            SdkError::DispatchFailure(failed) if failed.is_user() => Self::Refused,
            SdkError::DispatchFailure(failed)
                if failed.as_connector_error().is_some_and(refused) =>
            {
                Self::NotSent
            }
            SdkError::ServiceError(answered) if is_of_one_key(answered.err()) => Self::HotKey,
            SdkError::ServiceError(answered) => {
                answered.err().code().map_or(Self::Unknown, Self::of_code)
            }
            // A bare 502 from a proxy has no code. `SdkError` may gain variants.
            _ => Self::Unknown,
        }
    }

    /// Classifies an error code: of a call, of an item in a cancelled transaction, or of an entry
    /// in a batch.
    pub(super) fn of_code(code: &str) -> Self {
        match code {
            "ConditionalCheckFailedException" | "ConditionalCheckFailed" | "DuplicateItem" => {
                Self::Condition
            }
            "ProvisionedThroughputExceededException"
            | "ProvisionedThroughputExceeded"
            | "ThrottlingException"
            | "ThrottlingError"
            | "Throttling"
            | "RequestThrottled"
            | "RequestLimitExceeded"
            | "LimitExceededException"
            | "KMSThrottling"
            | "KmsThrottled"
            | "OverLimit"
            | "SlowDown"
            | "Throttled" => Self::Throttled,
            "TransactionConflictException"
            | "TransactionConflict"
            | "TransactionInProgressException"
            | "ReplicatedWriteConflictException" => Self::Conflict,
            code if REFUSALS.contains(&code) => Self::Refused,
            code if INVALID.contains(&code) => Self::Invalid,
            _ => Self::Unknown,
        }
    }

    /// The reason that the core sees.
    pub(super) fn reason(self) -> Reason {
        match self {
            Self::Condition | Self::Conflict => Reason::Contention,
            Self::HotKey => Reason::HotKey,
            Self::Throttled => Reason::Throttled,
            Self::NotSent | Self::Unknown => Reason::Unreachable,
            Self::Refused => Reason::Misconfigured,
            Self::Invalid => Reason::Bug,
        }
    }
}

/// Codes of calls that were not executed and will fail until an operator changes something. SQS
/// still sends the names of its query protocol to clients that support them
/// (`AWS.SimpleQueueService.…`). The codes of SNS and EventBridge are those of their models.
const REFUSALS: [&str; 29] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AWS.SimpleQueueService.NonExistentQueue",
    "AWS.SimpleQueueService.UnsupportedOperation",
    "DecryptionFailure",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidAccountIdException",
    "InvalidAddress",
    "InvalidClientTokenId",
    "InvalidRequestException",
    "InvalidSecurity",
    "InvalidSignatureException",
    "KMSAccessDenied",
    "KMSDisabled",
    "KMSInvalidState",
    "KMSNotFound",
    "KMSOptInRequired",
    "KmsAccessDenied",
    "KmsDisabled",
    "MissingAuthenticationTokenException",
    "NotAuthorizedForSourceException",
    "NotFound",
    "QueueDoesNotExist",
    "ResourceNotFound",
    "ResourceNotFoundException",
    "UnrecognizedClientException",
    "UnsupportedOperation",
];

/// Codes of calls that were not executed and will always fail for this request.
const INVALID: [&str; 16] = [
    "AWS.SimpleQueueService.BatchRequestTooLong",
    "BatchRequestTooLong",
    "InvalidArgument",
    "InvalidMessageContents",
    "InvalidParameter",
    "InvalidParameterException",
    "InvalidParameterValue",
    "ItemCollectionSizeLimitExceeded",
    "ItemCollectionSizeLimitExceededException",
    "MalformedDetail",
    // The policy of a bus may allow some types of events only.
    "NotAuthorizedForDetailTypeException",
    "ParameterValueInvalid",
    "RedactionFailure",
    "SerializationException",
    "ValidationError",
    "ValidationException",
];

/// Turns a failed call into the core's error. The message holds the operation, the code and the
/// beginning of the service's message for the operator. It can contain names of resources, never
/// keys or items.
pub fn unavailable<E, R>(operation: &str, error: &SdkError<E, R>) -> Unavailable
where
    E: ProvideErrorMetadata + Error + 'static,
    R: Debug + 'static,
{
    let reason = Failure::of(error).reason();
    let message = match error {
        SdkError::ServiceError(answered) => {
            let code = answered.err().code().unwrap_or("none");
            let said = Said(answered.err().message().unwrap_or("nothing"));
            format!("{operation} failed: code=`{code}` said=`{said}`")
        }
        SdkError::TimeoutError(_) => format!("{operation} timed out"),
        SdkError::DispatchFailure(_) => format!("{operation} could not connect"),
        SdkError::ConstructionFailure(_) => format!("{operation} could not build its request"),
        _ => format!("{operation} received an invalid answer"),
    };
    let unavailable = Unavailable::new(reason, message);
    match cause(error) {
        Some(cause) => unavailable.caused_by(cause),
        None => unavailable,
    }
}

/// The cause of a failed call, if it is a timeout or the network. An answer is already in the message, and
/// the error of a credentials provider may contain secrets.
fn cause<E, R>(error: &SdkError<E, R>) -> Option<Cause>
where
    E: Error + 'static,
    R: Debug + 'static,
{
    let network = match error {
        SdkError::TimeoutError(_) => true,
        SdkError::DispatchFailure(failed) => failed.is_io() || failed.is_timeout(),
        _ => false,
    };
    error.source().filter(|_| network).map(Cause::of)
}

/// Whether DynamoDB throttles one key and not the table. Other services, such as SQS, give no such
/// reasons.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ThrottlingReason.html>
fn is_of_one_key(error: &(impl Error + 'static)) -> bool {
    let reasons = |error: &(dyn Error + 'static)| -> Option<Vec<ThrottlingReason>> {
        let table = error.downcast_ref::<ProvisionedThroughputExceededException>();
        let service = error.downcast_ref::<ThrottlingException>();
        let account = error.downcast_ref::<RequestLimitExceeded>();
        table
            .and_then(|error| error.throttling_reasons.clone())
            .or_else(|| service.and_then(|error| error.throttling_reasons.clone()))
            .or_else(|| account.and_then(|error| error.throttling_reasons.clone()))
    };
    let reasons = error.source().and_then(reasons).unwrap_or_default();
    !reasons.is_empty() && reasons.iter().all(|reason| reason.reason().is_some_and(names_one_key))
}

/// Whether a throttling reason of DynamoDB is about one key, such as
/// `TableWriteKeyRangeThroughputExceeded`.
pub(super) fn names_one_key(reason: &str) -> bool {
    reason.contains("KeyRangeThroughputExceeded")
}

/// Whether the operating system's error, somewhere in the source chain, is a refused connection.
fn refused(error: &ConnectorError) -> bool {
    let first: &(dyn Error + 'static) = error;
    std::iter::successors(Some(first), |error| (*error).source()).any(|error| {
        let error = error.downcast_ref::<std::io::Error>();
        error.is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use aws_sdk_dynamodb::operation::get_item::GetItemError;

    use super::*;

    fn causes(error: ConnectorError) -> Option<String> {
        let error = SdkError::<GetItemError, ()>::dispatch_failure(error);
        unavailable("reading a head", &error).causes()
    }

    #[test]
    fn the_causes_are_the_network_s_and_never_what_a_provider_of_credentials_says() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let chain = causes(ConnectorError::io(refused.into())).expect("a chain");
        assert!(chain.ends_with("connection refused"), "{chain}");
        let provider = io::Error::other("s3cr3t");
        assert_eq!(causes(ConnectorError::other(provider.into(), None)), None);
    }
}
