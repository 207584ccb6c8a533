//! The closed list of reasons for unavailability that a tenant may see. Services' messages contain
//! roles, accounts, tables and sometimes keys. They go into the log, never into a response, a run's
//! record or a letter.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::error::Reason;

/// Why a record or run waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicReason {
    /// The deadline has passed.
    Time,
    /// The invocation ended early.
    Interrupted,
    /// A dry run changed more subjects than it can hold in memory.
    Memory,
    /// A service throttled.
    Throttled,
    /// Concurrent writers won.
    Contention,
    /// A service did not answer.
    Unavailable,
    /// An operator must fix stored data or the setup.
    Misconfigured,
}

impl PublicReason {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::Time,
        Self::Interrupted,
        Self::Memory,
        Self::Throttled,
        Self::Contention,
        Self::Unavailable,
        Self::Misconfigured,
    ];

    /// The reason as a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Interrupted => "interrupted",
            Self::Memory => "memory",
            Self::Throttled => "throttled",
            Self::Contention => "contention",
            Self::Unavailable => "unavailable",
            Self::Misconfigured => "misconfigured",
        }
    }

    /// The message of a buffered record, and of the letter that it may become.
    pub fn message(self) -> String {
        format!("the record waits: reason=`{self}`")
    }

    /// Parses the message of a buffered record. A message of another release may contain a
    /// service's text; it counts as unavailable.
    pub fn of_message(message: &str) -> Self {
        let known = Self::ALL.into_iter().find(|reason| reason.message() == message);
        known.unwrap_or(Self::Unavailable)
    }

    /// Parses the reason of a stored run. Earlier releases wrote a service's text after the word.
    fn of_stored(text: &str) -> Self {
        let word = text.split(':').next().unwrap_or_default();
        let known = Self::ALL.into_iter().find(|reason| reason.as_str() == word);
        known.unwrap_or(Self::Unavailable)
    }
}

impl From<Reason> for PublicReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Contention => Self::Contention,
            Reason::Throttled | Reason::HotKey => Self::Throttled,
            Reason::Unreachable => Self::Unavailable,
            Reason::Deadline => Self::Time,
            Reason::Corrupt | Reason::Misconfigured | Reason::Bug => Self::Misconfigured,
        }
    }
}

impl fmt::Display for PublicReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for PublicReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for PublicReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::of_stored(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(text: &str) -> PublicReason {
        serde_json::from_value(serde_json::json!(text)).expect("a text")
    }

    #[test]
    fn every_written_reason_is_read_back() {
        for reason in PublicReason::ALL {
            assert_eq!(stored(reason.as_str()), reason);
            assert_eq!(PublicReason::of_message(&reason.message()), reason);
        }
    }

    #[test]
    fn a_reason_of_an_earlier_release_shows_only_the_word() {
        let arn = "arn:aws:iam::123456789012:role/r";
        assert_eq!(stored(&format!("unavailable: {arn}")), PublicReason::Unavailable);
        assert_eq!(stored("memory: the dry run has changed more"), PublicReason::Memory);
        assert_eq!(stored(arn), PublicReason::Unavailable);
        assert_eq!(PublicReason::of_message(arn), PublicReason::Unavailable);
    }
}
