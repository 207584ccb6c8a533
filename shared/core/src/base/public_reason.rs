//! What a tenant may see of a fault of ours: a closed list of words. Messages of services name roles,
//! accounts, tables and sometimes keys. They go into the log, and never into an answer, the record
//! of a run or a letter.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::error::Reason;

/// Why something waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicReason {
    /// The time for it is over.
    Time,
    /// The invocation that worked on it ended early.
    Interrupted,
    /// A dry run changed more subjects than it can remember.
    Memory,
    /// A service asked for less.
    Throttled,
    /// Other writers were faster.
    Contention,
    /// A service did not answer.
    Unavailable,
    /// A person has to mend what is stored, or how this is set up.
    Misconfigured,
}

impl PublicReason {
    /// Every word.
    pub const ALL: [Self; 7] = [
        Self::Time,
        Self::Interrupted,
        Self::Memory,
        Self::Throttled,
        Self::Contention,
        Self::Unavailable,
        Self::Misconfigured,
    ];

    /// The word.
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

    /// What a record in the buffer, and a letter that it becomes, says about why it waits.
    pub fn message(self) -> String {
        format!("the record waits: reason=`{self}`")
    }

    /// The message of a stored record that waits, if it is one of ours; a message of another release
    /// may hold the text of a service.
    pub fn of_message(message: &str) -> Self {
        let known = Self::ALL.into_iter().find(|reason| reason.message() == message);
        known.unwrap_or(Self::Unavailable)
    }

    /// The reason that a stored run gives. Earlier releases wrote the text of a service behind the
    /// word.
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
    fn every_reason_is_read_as_it_was_written() {
        for reason in PublicReason::ALL {
            assert_eq!(stored(reason.as_str()), reason);
            assert_eq!(PublicReason::of_message(&reason.message()), reason);
        }
    }

    #[test]
    fn what_an_earlier_release_stored_shows_the_word_and_no_more() {
        let arn = "arn:aws:iam::123456789012:role/r";
        assert_eq!(stored(&format!("unavailable: {arn}")), PublicReason::Unavailable);
        assert_eq!(stored("memory: the dry run has changed more"), PublicReason::Memory);
        assert_eq!(stored(arn), PublicReason::Unavailable);
        assert_eq!(PublicReason::of_message(arn), PublicReason::Unavailable);
    }
}
