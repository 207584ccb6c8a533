//! The settings of a mapping.

use drover_local_sqs::QueueName;

use super::batch::Batching;

/// The settings of a mapping.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The queue to poll.
    pub queue: QueueName,
    /// The name of the function to invoke.
    pub function: String,
    /// The size of a batch, and how long to wait for it.
    pub batching: Batching,
    /// The maximum number of concurrent invocations.
    pub concurrency: usize,
}
