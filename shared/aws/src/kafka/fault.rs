//! What a failed call to Kafka means. Decided here and nowhere else.
//!
//! The client has tried again by itself where that may help, so what arrives here is either final
//! or out of time. A code that is not known here may pass, so it is no refusal.

use drover_core::base::dependency::Dependency;
use drover_core::base::error::{Reason, Unavailable};
use krafka::KrafkaError;
use krafka::error::{ErrorCode, ProtocolErrorKind};

use crate::cause::Cause;
use crate::said::Said;

/// What a failed call is for the pipeline. The message holds names of topics, partitions and
/// brokers and what the broker said, never a record.
pub fn unavailable(operation: &str, error: &KrafkaError) -> Unavailable {
    // The client names what it waited for, which need not be what is missing.
    if let KrafkaError::Timeout { .. } = error {
        return no_answer(operation).caused_by(Cause::of(error));
    }
    Unavailable::new(
        reason(error),
        format!("{operation} failed: said=`{}`", Said(&error.to_string())),
    )
    .of(Dependency::EventLog)
}

pub(super) fn no_answer(operation: &str) -> Unavailable {
    Unavailable::new(Reason::Unreachable, format!("{operation} had no answer in time"))
        .of(Dependency::EventLog)
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
        // Network, time, a producer that another one replaced; the client's list may grow.
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
    fn what_a_person_must_change_is_broken_and_the_rest_may_pass() {
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
