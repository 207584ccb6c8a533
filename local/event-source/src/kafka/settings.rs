//! What an operator says of a mapping.

use super::batch::Rules;
use super::event::EventSource;
use super::partitions::Batching;

/// How a mapping is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whose committed offsets count.
    pub group: String,
    /// How much is sent at once, and when.
    pub batching: Batching,
    /// When it is sent again, and when no more.
    pub rules: Rules,
    /// What events say of their source.
    pub source: EventSource,
}
