//! Simulates Lambda's event source mapping for the change stream of a DynamoDB table: it reads the
//! stream through the public API, sends a function the events that Lambda would send, and handles
//! the responses as Lambda does.
//!
//! As on Lambda: the format of events, responses and on-failure messages; batches of one shard with
//! a window, and several at once with `ParallelizationFactor`; records of one partition key stay in
//! order and are never in two invocations at once; shards are read after their parents; filter
//! criteria; `ReportBatchItemFailures`, which is always on; retries with limits of number and age;
//! bisecting; checkpoints that survive restarts; delivery is at least once.
//!
//! Where AWS documents no behavior: a partial failure counts as an attempt. Two differences from
//! Lambda are deliberate: records are only discarded after their on-failure message is accepted, and
//! a lane that fails stops reading its shard when the read-ahead is full, so that memory is bounded.
//!
//! Not implemented: tumbling windows, filters other than [`Filters`] says, destinations other than a
//! queue of SQS, streams of other accounts or of global tables, and two processes that run the same
//! mapping.
//!
//! Memory is bounded: per shard the read-ahead (`shard::READ_AHEAD_BYTES` and one page), and per lane
//! one event of at most `event::PAYLOAD_BYTES`.
//!
//! Modules, from the inside out: `sequence`, `event`, `answer` and `report` are the wire formats,
//! `change` is a record, `filter` selects records; the crate's `batch`, and `lane`, `shard` and
//! `shards`, decide without I/O; `stream` and `destination` are the ports, `table` the stream on
//! DynamoDB, `checkpoint` the file; `invocation` runs one invocation and its consequences; `drive`
//! is the loop of a mapping.

mod answer;
mod change;
mod checkpoint;
mod destination;
mod drive;
mod event;
mod filter;
mod gauges;
mod invocation;
mod lane;
mod report;
mod sequence;
mod settings;
mod shard;
mod shards;
mod stream;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use self::checkpoint::Checkpoints;
pub use self::destination::{Destination, Queue};
use self::drive::drive;
pub use self::filter::{Filters, UnsupportedFilter};
pub use self::gauges::{Counts, Gauge, Gauges};
use self::invocation::MappingContext;
pub use self::sequence::SequenceNumber;
pub use self::settings::{Batching, Retries, Settings, StartingPosition};
pub use self::stream::{ListedShard, Page, StartAt, Stream, StreamError};
pub use self::table::TableStream;
pub use crate::batch::OnFunctionError;
use crate::clock::Clock;
use crate::running::Running;
pub use crate::target::{Endpoint, NoEndpoint, Target};

/// A running mapping. Dropping this value stops it.
pub struct StreamSource {
    running: Running,
    gauges: Arc<Gauges>,
}

impl StreamSource {
    /// Starts the mapping.
    pub fn start<S: Stream, D: Destination>(
        stream: S,
        settings: Settings,
        target: Target,
        destination: D,
        checkpoints: Checkpoints,
    ) -> Self {
        let gauges = Arc::new(Gauges::default());
        let context = MappingContext {
            stream,
            settings,
            target,
            destination,
            checkpoints,
            gauges: Arc::clone(&gauges),
            clock: Clock::start(),
        };
        let running = Running::start(|stopped| async move { drive(&context, stopped).await });
        Self { running, gauges }
    }

    /// The gauges and counts of the mapping.
    pub fn gauges(&self) -> Arc<Gauges> {
        Arc::clone(&self.gauges)
    }

    /// Stops new invocations and waits up to `grace` for running ones. Unfinished batches are
    /// retried after the next start.
    pub async fn stop(self, grace: Duration) {
        self.running.stop(grace).await;
    }
}
