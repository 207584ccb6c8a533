//! The two errors of processing a record: [`Rejection`] (the record is invalid; a retry would fail again)
//! and [`Unavailable`] (a dependency or Drover failed; a retry may succeed). The code that detects a failure
//! chooses the type once. The type alone decides between retry and dead letter.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::dependency::Dependency;

/// The stable codes of rejections. HTTP bodies, dead letters and metrics use the same codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The value is not JSON.
    MalformedJson,
    /// The value violates the schema of its contract.
    SchemaViolation,
    /// A field that the contract requires is absent.
    MissingField,
    /// An id has invalid characters or an invalid length.
    InvalidId,
    /// A time is not valid.
    InvalidTimestamp,
    /// No contract has this name.
    UnknownContract,
    /// No tenant has this name, or no route names a tenant.
    UnknownTenant,
    /// The tenant exists but may not write.
    TenantSuspended,
    /// The body names another tenant than the verified tenant.
    TenantMismatch,
    /// The time of observation is further in the future than the tenant allows.
    FutureTimestamp,
    /// The event is older than the retention.
    BeyondRetention,
    /// An event with the same position but other content was already applied.
    PayloadMismatch,
    /// The event exceeds 64 KB.
    TooLarge,
    /// The encoding is not supported.
    UnsupportedEncoding,
    /// The record has no value (a Kafka tombstone).
    EmptyValue,
    /// The contract's transform failed or exceeded a limit.
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

    /// The code as text.
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

/// The record is invalid. It becomes a dead letter, or a 4xx response to its sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Rejection {
    /// The stable code.
    pub code: Code,
    /// JSON Pointer to the invalid value, if there is one.
    pub path: Option<String>,
    /// A description for people, in lower case. It never contains the payload.
    pub message: String,
}

impl Rejection {
    /// A rejection of the record as a whole.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, path: None, message: message.into() }
    }

    /// A rejection because of the value at this path.
    pub fn at(code: Code, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, path: Some(path.into()), message: message.into() }
    }
}

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Other writers won every attempt at this subject.
    Contention,
    /// The service throttles the requests for one key.
    HotKey,
    /// The service throttles the requests for a table or an account.
    Throttled,
    /// The service did not answer, failed, or returned an unknown error.
    Unreachable,
    /// The invocation has reached its deadline.
    Deadline,
    /// A stored item cannot be decoded by this version.
    Corrupt,
    /// The service rejected the request: permissions, names or the setup are wrong.
    Misconfigured,
    /// A bug in Drover.
    Bug,
}

/// The extent of a failure. It decides where an unavailable record waits: if a subject or a tenant is
/// affected, the record goes to the buffer queue and does not delay other tenants; if every tenant is
/// affected, the source must send the record again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extent {
    /// One subject.
    Subject,
    /// One tenant.
    Tenant,
    /// Every tenant of the deployment.
    Everyone,
}

/// A dependency or Drover failed. A retry may succeed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Unavailable {
    /// The kind of the failure.
    pub reason: Reason,
    /// The extent of the failure.
    pub extent: Extent,
    /// The dependency that failed. `None`: no dependency failed, or it is unknown.
    pub dependency: Option<Dependency>,
    /// A description for people, in lower case.
    pub message: String,
    /// The cause, for the log. It contains no payload.
    #[source]
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl Unavailable {
    /// A failure with the usual extent of its reason.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        let (extent, message) = (reason.extent(), message.into());
        Self { reason, extent, dependency: None, message, cause: None }
    }

    /// Sets the dependency unless it is already set, because the code closest to the failure knows it best.
    #[must_use]
    pub fn of(self, dependency: Dependency) -> Self {
        Self { dependency: self.dependency.or(Some(dependency)), ..self }
    }

    /// Sets the cause. The error must contain no payload and no key, because its text is logged.
    #[must_use]
    pub fn caused_by(self, cause: impl Error + Send + Sync + 'static) -> Self {
        Self { cause: Some(Arc::new(cause)), ..self }
    }

    /// The chain of causes for the log, nearest first. `None`: there is no cause.
    pub fn causes(&self) -> Option<String> {
        let chain = std::iter::successors(self.source(), |error| (*error).source());
        let texts: Vec<String> = chain.map(ToString::to_string).collect();
        (!texts.is_empty()).then(|| texts.join(": "))
    }

    /// Sets the extent, if it differs from the usual extent of the reason.
    #[must_use]
    pub fn affecting(self, extent: Extent) -> Self {
        Self { extent, ..self }
    }

    /// Sets the extent for a dependency that only one tenant uses. A deadline still affects every tenant,
    /// and a failure of a subject still affects that subject only.
    #[must_use]
    pub fn of_tenant(self) -> Self {
        let extent = match self.reason {
            Reason::Deadline => Extent::Everyone,
            _ => self.extent.min(Extent::Tenant),
        };
        self.affecting(extent)
    }
}

/// Ignores the causes, which are for the log only.
impl PartialEq for Unavailable {
    fn eq(&self, other: &Self) -> bool {
        let facts = |one: &Self| (one.reason, one.extent, one.dependency);
        facts(self) == facts(other) && self.message == other.message
    }
}

impl Eq for Unavailable {}

impl Reason {
    /// The usual extent of the reason.
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
