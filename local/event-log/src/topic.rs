//! The name of a topic, as Kafka allows it: 1 to 249 of `[a-zA-Z0-9._-]`, and neither `.` nor `..`.
//! A topic that works here works on a cluster.
//!
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/java/org/apache/kafka/common/internals/Topic.java>

use std::fmt;
use std::sync::Arc;

const LONGEST: usize = 249;

/// A validated name. Clones share the text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

/// Kafka would reject this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid topic name, expected 1 to 249 of a-z A-Z 0-9 . _ - and neither . nor ..: name=`{name}`"
)]
pub struct NoTopicName {
    /// The name, cut to its first 249 characters.
    pub name: String,
}

impl TopicName {
    /// Parses a name.
    ///
    /// # Errors
    /// [`NoTopicName`].
    pub fn parse(name: &str) -> Result<Self, NoTopicName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let fits = (1..=LONGEST).contains(&name.len()) && name.bytes().all(allowed);
        if !fits || name == "." || name == ".." {
            return Err(NoTopicName { name: name.chars().take(LONGEST).collect() });
        }
        Ok(Self(Arc::from(name)))
    }

    /// The topic of events that passed their contract.
    pub fn events() -> Self {
        Self(Arc::from(drover_core::intake::event_log::TOPIC))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_kafka() {
        assert_eq!(TopicName::parse(TopicName::events().as_str()), Ok(TopicName::events()));
        let longest = "a".repeat(LONGEST);
        for name in ["drover.events", "a-b_C.9", "...", longest.as_str()] {
            assert_eq!(TopicName::parse(name).map(|name| name.to_string()), Ok(name.to_owned()));
        }
        let longer = "a".repeat(LONGEST + 1);
        for name in ["", ".", "..", "a/b", "a b", "ü", longer.as_str()] {
            assert!(TopicName::parse(name).is_err(), "{name}");
        }
    }
}
