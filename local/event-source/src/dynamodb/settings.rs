//! The settings of a mapping.

use std::time::Duration;

use super::filter::Filters;
use crate::batch::{OnFunctionError, Reading, Rules};

/// Lambda's limits.
const RECORDS: usize = 10_000;
const LANES: usize = 10;

/// The settings of a mapping. Values beyond Lambda's limits count as the nearest limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The name of the mapping. Its checkpoints are kept under the name.
    pub name: String,
    /// The size of a batch, and how long to wait for it.
    pub batching: Batching,
    /// Lambda's `ParallelizationFactor`, 1 to 10: how many batches of one shard are in flight at
    /// once. Records of one partition key are always in the same lane, and so in order.
    pub parallelization: usize,
    /// When a batch is retried, and when it is discarded.
    pub rules: Retries,
    /// Which records are sent.
    pub filters: Filters,
    /// Where a mapping without checkpoints starts.
    pub start: StartingPosition,
    /// The interval between reads of a shard without new records. Lambda reads four times a second.
    pub poll_every: Duration,
}

impl Settings {
    /// Lambda's defaults.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            batching: Batching::default(),
            parallelization: 1,
            rules: Retries::default(),
            filters: Filters::default(),
            start: StartingPosition::TrimHorizon,
            poll_every: Duration::from_millis(250),
        }
    }

    pub(super) fn lanes(&self) -> usize {
        self.parallelization.clamp(1, LANES)
    }
}

/// The size of a batch, and how long to wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batching {
    /// The maximum records of one event, 1 to 10,000.
    pub records: usize,
    /// How long a record waits for others.
    pub window: Duration,
}

impl Batching {
    pub(super) fn records(&self) -> usize {
        self.records.clamp(1, RECORDS)
    }

    pub(super) fn window_millis(&self) -> i64 {
        i64::try_from(self.window.as_millis()).unwrap_or(i64::MAX)
    }
}

impl Default for Batching {
    /// Lambda's defaults.
    fn default() -> Self {
        Self { records: 100, window: Duration::ZERO }
    }
}

/// When a batch is retried, and when it is discarded. By default it is retried without limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retries {
    /// The number of retries before a batch is discarded; `None`: unlimited.
    pub attempts: Option<u32>,
    /// The maximum age of a record; older records are discarded. `None`: unlimited.
    pub age: Option<Duration>,
    /// The handling of a function error.
    pub on_function_error: OnFunctionError,
}

impl Retries {
    pub(super) fn rules(&self) -> Rules {
        let Self { attempts, age, on_function_error } = self.clone();
        Rules { reading: Reading::Resume, on_function_error, retries: attempts, oldest: age }
    }
}

/// Where a mapping without checkpoints starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartingPosition {
    /// At the oldest records of the stream.
    TrimHorizon,
    /// After the newest records.
    Latest,
}
