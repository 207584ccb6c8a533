//! Simulates Lambda's event source mapping for SQS: it polls the queue, sends a function the events
//! that Lambda would send, and deletes the messages that succeeded.
//!
//! As on Lambda: the format of events and responses; a batch holds up to ten messages, or the
//! messages that arrive within a window; only succeeded messages are deleted, and the others are
//! retried after the queue's visibility timeout, which the mapping never changes; delivery is at
//! least once, in no order; a failing function is invoked less often.
//!
//! The mapping takes messages directly from [`Sqs`] and not through an SDK: the queue notifies it
//! of new messages, so that an idle mapping runs one transaction in twenty seconds, and a hundred
//! messages are one transaction instead of ten requests.
//!
//! One difference from Lambda is deliberate: Lambda rejects a mapping whose queue has a shorter
//! visibility timeout than the timeout of its function. Here the visibility timeout limits the
//! invocation, so that no message is in two invocations at once.
//!
//! Not implemented: filters, FIFO queues, provisioned pollers, and scaling up concurrency.
//!
//! Memory is bounded: per invocation a batch of at most `batch::PAYLOAD_BYTES`.
//!
//! Modules: `answer`, `batch` and `event` decide and serialize, without I/O; `invocation` runs one
//! invocation and its consequences; this module is the loop.

mod answer;
mod batch;
mod event;
mod invocation;
mod settings;
#[cfg(test)]
mod tests;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use drover_local_sqs::{Sqs, SqsError};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::invoke::Invoke;
use crate::running::Running;
pub use batch::Batching;
use batch::{Batch, Next};
use invocation::{MappingContext, play};
pub use settings::Settings;

/// How long an idle mapping sleeps before it polls again, equal to the longest poll of SQS. Changes
/// in its queue wake it earlier; polling finds messages that become due for redrive in a source
/// queue without receivers.
const LOOK_AGAIN: Duration = Duration::from_secs(20);
/// The delay before the next attempt after the queue failed to answer.
const PAUSE: Duration = Duration::from_millis(500);

/// A running mapping. Dropping this value stops it.
pub struct SqsSource {
    running: Running,
}

impl SqsSource {
    /// Starts the mapping.
    pub fn start(sqs: Sqs, functions: impl Invoke, settings: Settings) -> Self {
        let context = MappingContext::new(sqs, Arc::new(functions), settings);
        Self { running: Running::start(|stopped| run(Arc::new(context), stopped)) }
    }

    /// Stops new invocations and waits up to `grace` for running ones. Unfinished messages are
    /// retried after their visibility timeout.
    pub async fn stop(self, grace: Duration) {
        self.running.stop(grace).await;
    }
}

async fn run(context: Arc<MappingContext>, mut stop: watch::Receiver<bool>) {
    let free = Arc::new(Semaphore::new(context.settings.concurrency.max(1)));
    let mut invocations = JoinSet::new();
    loop {
        let next = async {
            // The semaphore is never closed.
            let permit = Arc::clone(&free).acquire_owned().await.ok();
            tokio::time::sleep(context.pause()).await;
            (permit, next_batch(&context).await)
        };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            (permit, batch) = next => {
                let context = Arc::clone(&context);
                invocations.spawn(async move {
                    play(&context, batch).await;
                    drop(permit);
                });
            }
        }
        while invocations.try_join_next().is_some() {}
    }
    while invocations.join_next().await.is_some() {}
}

/// Waits for a first message, and then up to the window for more.
async fn next_batch(context: &MappingContext) -> Batch {
    let waker = context.sqs.waker(&context.settings.queue);
    let mut batch = Batch::new(context.settings.batching);
    let mut closes_at = None;
    loop {
        // Subscribes before it reads, so that no message in between is missed.
        let mut woken = pin!(waker.notified());
        woken.as_mut().enable();
        let left = closes_at.map(|at: Instant| at.saturating_duration_since(Instant::now()));
        let look_again = match take_more(context, &mut batch).await {
            Ok(next_due_in) => next_due_in.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN),
            Err(error) => {
                let (queue, error) =
                    (context.settings.queue.as_str(), &error as &dyn std::error::Error);
                tracing::warn!(queue, error, "cannot read the queue");
                PAUSE
            }
        };
        let wait = match batch.next(left) {
            Next::Send => return batch,
            Next::Open(window) => {
                closes_at.get_or_insert_with(|| Instant::now() + window);
                window
            }
            Next::Wait => look_again,
        };
        // Timeout and notification both mean: poll again.
        let _ = tokio::time::timeout(wait, woken).await;
    }
}

/// Takes messages. If none is due: the time until the next message is due.
async fn take_more(
    context: &MappingContext,
    batch: &mut Batch,
) -> Result<Option<Duration>, SqsError> {
    let taken = context.sqs.take(&context.settings.queue, batch.room()).await?;
    let next_due_in = taken.next_due_in;
    batch.add(taken, Instant::now());
    Ok(next_due_in)
}
