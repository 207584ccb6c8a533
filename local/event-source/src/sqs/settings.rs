//! What an operator says of a mapping.

use drover_local_sqs::QueueName;

use super::batch::Batching;

/// How a mapping is set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is polled.
    pub queue: QueueName,
    /// What is invoked.
    pub function: String,
    /// How much is sent at once, and when.
    pub batching: Batching,
    /// Invocations at once.
    pub concurrency: usize,
}
