//! The two ways in which a record is not applied: `Rejection` (the record's fault, it will never
//! pass as it is) and `Unavailable` (ours, it may pass later). Which of the two something is gets
//! decided once, where the fault is seen; retry or dead letter follows from the type alone.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::dependency::Dependency;

/// The stable words for a rejection: the same in HTTP bodies, dead letters and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Not JSON at all.
    MalformedJson,
    /// JSON that its contract's schema refuses.
    SchemaViolation,
    /// A field that the contract reads is absent.
    MissingField,
    /// An id outside its alphabet or length.
    InvalidId,
    /// A time that names no instant.
    InvalidTimestamp,
    /// No contract of that name.
    UnknownContract,
    /// No tenant of that name, or no route that would name one.
    UnknownTenant,
    /// The tenant exists and may not write.
    TenantSuspended,
    /// The body names another tenant than the verified one.
    TenantMismatch,
    /// Observed further in the future than the tenant allows.
    FutureTimestamp,
    /// Older than what is kept.
    BeyondRetention,
    /// The same position was applied with other content.
    PayloadMismatch,
    /// Over 64 KB.
    TooLarge,
    /// An encoding that is not read here.
    UnsupportedEncoding,
    /// A record without a value (a Kafka tombstone).
    EmptyValue,
    /// The contract's transform gave an error, or ran over a bound.
    TransformFailed,
}

impl Code {
    /// Every code, in the order of the contract documents.
    pub const ALL: [Self; 16] = [
        Self::MalformedJson,
        Self::SchemaViolation,
        Self::MissingField,
        Self::InvalidId,
        Self::InvalidTimestamp,
        Self::UnknownContract,
        Self::UnknownTenant,
        Self::TenantSuspended,
        Self::TenantMismatch,
        Self::FutureTimestamp,
        Self::BeyondRetention,
        Self::PayloadMismatch,
        Self::TooLarge,
        Self::UnsupportedEncoding,
        Self::EmptyValue,
        Self::TransformFailed,
    ];

    /// The word itself.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedJson => "malformed_json",
            Self::SchemaViolation => "schema_violation",
            Self::MissingField => "missing_field",
            Self::InvalidId => "invalid_id",
            Self::InvalidTimestamp => "invalid_timestamp",
            Self::UnknownContract => "unknown_contract",
            Self::UnknownTenant => "unknown_tenant",
            Self::TenantSuspended => "tenant_suspended",
            Self::TenantMismatch => "tenant_mismatch",
            Self::FutureTimestamp => "future_timestamp",
            Self::BeyondRetention => "beyond_retention",
            Self::PayloadMismatch => "payload_mismatch",
            Self::TooLarge => "too_large",
            Self::UnsupportedEncoding => "unsupported_encoding",
            Self::EmptyValue => "empty_value",
            Self::TransformFailed => "transform_failed",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The record's fault: it becomes a dead letter, or a 4xx for its sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Rejection {
    /// The stable word.
    pub code: Code,
    /// JSON Pointer to the culprit, where one applies.
    pub path: Option<String>,
    /// For a person; lower case, never the payload.
    pub message: String,
}

impl Rejection {
    /// A rejection of the record as a whole.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, path: None, message: message.into() }
    }

    /// A rejection because of one place in the record.
    pub fn at(code: Code, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, path: Some(path.into()), message: message.into() }
    }
}

/// What kind of fault makes something unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Other writers won every attempt at this subject.
    Contention,
    /// The service slows down the requests for one key.
    HotKey,
    /// The service slows down the requests of this table or account.
    Throttled,
    /// No answer, a fault of the service, or an answer whose meaning is unknown.
    Unreachable,
    /// The invocation's time is nearly over.
    Deadline,
    /// What is stored cannot be read by this version.
    Corrupt,
    /// The service refuses the request: permissions, names or the setup are wrong.
    Misconfigured,
    /// A fault of this program.
    Bug,
}

/// Who is affected by a fault. It decides what becomes of a record that is unavailable: the trouble of a
/// subject or a tenant sends it to the buffer queue, so that it delays nobody else; only the trouble of
/// everyone sends it back to its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extent {
    /// One subject.
    Subject,
    /// One tenant.
    Tenant,
    /// Everyone who shares this deployment.
    Everyone,
}

/// Our fault: the record may pass later.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Unavailable {
    /// What kind of fault it is.
    pub reason: Reason,
    /// Who is affected.
    pub extent: Extent,
    /// The part of the deployment that failed; `None`: none did, or the fault is our own.
    pub dependency: Option<Dependency>,
    /// For a person; lower case.
    pub message: String,
    /// What the fault goes back to, for the log. It holds no payload.
    #[source]
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl Unavailable {
    /// A fault of ours that affects as many as its reason says.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        let (extent, message) = (reason.extent(), message.into());
        Self { reason, extent, dependency: None, message, cause: None }
    }

    /// The same fault of this dependency. A dependency that is set already stays: the code closest
    /// to the fault knows it best.
    #[must_use]
    pub fn of(self, dependency: Dependency) -> Self {
        Self { dependency: self.dependency.or(Some(dependency)), ..self }
    }

    /// The same fault with the error that it goes back to. The error must hold no payload and no
    /// key: its text goes into the log.
    #[must_use]
    pub fn caused_by(self, cause: impl Error + Send + Sync + 'static) -> Self {
        Self { cause: Some(Arc::new(cause)), ..self }
    }

    /// The chain of errors behind the message, the nearest first, for the log; `None`: there is none.
    pub fn causes(&self) -> Option<String> {
        let chain = std::iter::successors(self.source(), |error| (*error).source());
        let texts: Vec<String> = chain.map(ToString::to_string).collect();
        (!texts.is_empty()).then(|| texts.join(": "))
    }

    /// The same fault, where more is known of who is affected than its reason says.
    #[must_use]
    pub fn affecting(self, extent: Extent) -> Self {
        Self { extent, ..self }
    }

    /// The same fault in a part of the system that only one tenant uses. Time is everyone's, and the trouble
    /// of a subject stays that subject's.
    #[must_use]
    pub fn of_tenant(self) -> Self {
        let extent = match self.reason {
            Reason::Deadline => Extent::Everyone,
            _ => self.extent.min(Extent::Tenant),
        };
        self.affecting(extent)
    }
}

/// Without the causes, which are for the log alone.
impl PartialEq for Unavailable {
    fn eq(&self, other: &Self) -> bool {
        let facts = |one: &Self| (one.reason, one.extent, one.dependency);
        facts(self) == facts(other) && self.message == other.message
    }
}

impl Eq for Unavailable {}

impl Reason {
    /// Who is affected, where nothing else is known of the fault.
    const fn extent(self) -> Extent {
        match self {
            Self::Contention | Self::HotKey | Self::Corrupt | Self::Bug => Extent::Subject,
            Self::Throttled | Self::Unreachable | Self::Deadline | Self::Misconfigured => {
                Extent::Everyone
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_the_same_word_in_json_and_text() {
        for code in Code::ALL {
            let json = serde_json::to_string(&code).expect("a unit variant");
            assert_eq!(json, format!("\"{code}\""));
        }
    }

    #[test]
    fn the_dependency_closest_to_the_fault_stays() {
        let unavailable = Unavailable::new(Reason::Unreachable, "sending failed");
        assert_eq!((unavailable.dependency, unavailable.causes()), (None, None));
        let unavailable = unavailable.of(Dependency::BufferQueue).of(Dependency::DeadLetterQueue);
        assert_eq!(unavailable.dependency, Some(Dependency::BufferQueue));
    }

    #[test]
    fn causes_are_the_whole_chain_and_no_part_of_the_message() {
        let last = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let chain = Unavailable::new(Reason::Unreachable, "found no connection").caused_by(last);
        let outer = Unavailable::new(Reason::Unreachable, "reading failed").caused_by(chain);
        assert_eq!(outer.to_string(), "reading failed");
        let causes = outer.causes().expect("a chain");
        assert_eq!(causes, "found no connection: connection refused");
        assert_eq!(outer, Unavailable::new(Reason::Unreachable, "reading failed"));
    }
}
