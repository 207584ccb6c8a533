//! The settings of a mapping.

use super::event::EventSource;
use super::partitions::Batching;
use crate::batch::Rules;

/// The settings of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The consumer group of the committed offsets.
    pub group: String,
    /// The size of a batch, and how long to wait for it.
    pub batching: Batching,
    /// When a batch is retried, and when it is discarded.
    pub rules: Rules,
    /// The source in the events.
    pub source: EventSource,
}
