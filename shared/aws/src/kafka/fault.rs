//! Classifies failed calls to Kafka. No other module does.
//!
//! The client has already retried what may pass, so an error here is either final or a timeout. An
//! unknown code may pass, so it counts as unreachable.

use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::ports::NotPublished;
use krafka::KrafkaError;
use krafka::error::{ErrorCode, ProtocolErrorKind};

use crate::cause::Cause;
use crate::said::Said;

/// Turns a failed call into the core's error. The message holds names of topics, partitions and
/// brokers and the broker's message, never a record.
pub fn unavailable(operation: &str, error: &KrafkaError) -> Unavailable {
    // The client's message names what it waited for, which may not be the cause.
    if let KrafkaError::Timeout { .. } = error {
        return no_answer(operation).caused_by(Cause::of(error));
    }
    Unavailable::new(
        reason(error),
        format!("{operation} failed: said=`{}`", Said(&error.to_string())),
    )
    .of(Dependency::EventLog)
}

/// Turns a failed send into the port's error.
pub(super) fn not_published(operation: &str, error: &KrafkaError) -> NotPublished {
    let unavailable = unavailable(operation, error);
    match error {
        KrafkaError::UnknownTopic { .. } => NotPublished::Closed(unavailable),
        KrafkaError::Broker { code, .. } => match code {
            ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::InvalidTopic
            | ErrorCode::TopicAuthorizationFailed => NotPublished::Closed(unavailable),
            ErrorCode::MessageTooLarge
            | ErrorCode::RecordListTooLarge
            | ErrorCode::InvalidRecord => NotPublished::Refused(unavailable),
            _ => NotPublished::Unavailable(unavailable),
        },
        _ => NotPublished::Unavailable(unavailable),
    }
}

pub(super) fn no_answer(operation: &str) -> Unavailable {
    Unavailable::new(Reason::Unreachable, format!("{operation} timed out")).of(Dependency::EventLog)
}

fn reason(error: &KrafkaError) -> Reason {
    match error {
        KrafkaError::Broker { code, .. } => of_code(*code),
        KrafkaError::Protocol {
            kind: ProtocolErrorKind::UnknownApiVersion | ProtocolErrorKind::FrameTooLarge,
            ..
        }
        | KrafkaError::Auth { .. }
        | KrafkaError::Config { .. }
        | KrafkaError::Compression { .. }
        | KrafkaError::Serialization { .. }
        | KrafkaError::UnknownTopic { .. } => Reason::Misconfigured,
        // Network errors, timeouts, a fenced producer. The client's enum may gain variants.
        _ => Reason::Unreachable,
    }
}

fn of_code(code: ErrorCode) -> Reason {
    match code {
        ErrorCode::ThrottlingQuotaExceeded => Reason::Throttled,
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::InvalidTopic
        | ErrorCode::MessageTooLarge
        | ErrorCode::RecordListTooLarge
        | ErrorCode::InvalidRecord
        | ErrorCode::InvalidTimestamp
        | ErrorCode::InvalidRequiredAcks
        | ErrorCode::UnsupportedForMessageFormat
        | ErrorCode::UnsupportedVersion
        | ErrorCode::PolicyViolation
        | ErrorCode::InvalidConfig
        | ErrorCode::InvalidPartitions
        | ErrorCode::InvalidReplicationFactor
        | ErrorCode::TopicAuthorizationFailed
        | ErrorCode::GroupAuthorizationFailed
        | ErrorCode::ClusterAuthorizationFailed
        | ErrorCode::SaslAuthenticationFailed
        | ErrorCode::UnsupportedSaslMechanism
        | ErrorCode::IllegalSaslState
        | ErrorCode::SecurityDisabled => Reason::Misconfigured,
        _ => Reason::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: &KrafkaError, expected: Reason) {
        assert_eq!(unavailable("sending", error).reason, expected, "{error}");
    }

    #[test]
    fn errors_that_an_operator_must_fix_are_misconfigured_and_others_may_pass() {
        check(&KrafkaError::broker(ErrorCode::MessageTooLarge, ""), Reason::Misconfigured);
        check(&KrafkaError::broker(ErrorCode::UnknownTopicOrPartition, ""), Reason::Misconfigured);
        check(&KrafkaError::broker(ErrorCode::TopicAuthorizationFailed, ""), Reason::Misconfigured);
        check(&KrafkaError::auth("no such user"), Reason::Misconfigured);
        check(&KrafkaError::broker(ErrorCode::ThrottlingQuotaExceeded, ""), Reason::Throttled);
        check(&KrafkaError::broker(ErrorCode::NotEnoughReplicas, ""), Reason::Unreachable);
        check(&KrafkaError::broker(ErrorCode::Unknown(9_999), ""), Reason::Unreachable);
        check(&KrafkaError::delivery_timeout(true, ""), Reason::Unreachable);
        check(&KrafkaError::timeout("a request"), Reason::Unreachable);
    }
}
