//! Lambda's event source mapping for a queue of SQS, simulated: it polls the queue, sends a function
//! the events that Lambda would send, and deletes what the answer says is done.
//!
//! What is Lambda's: the form of events and answers; a batch of up to ten messages at once, or of as
//! many as come within a window; only what succeeded is deleted, and the rest comes again when the
//! queue's own visibility timeout has passed, which the mapping never changes; at least once, in no
//! order; a function that fails is asked less often.
//!
//! It takes messages through the host's own [`Sqs`] and not through an SDK: the queue rings when
//! something was sent, so that an idle mapping makes one transaction in twenty seconds, and a hundred
//! messages are one transaction and not ten requests.
//!
//! One thing is better than Lambda's on purpose: Lambda refuses a mapping whose queue has a shorter
//! visibility timeout than its function may run; here an invocation has no longer than that timeout,
//! so that no message is in two invocations at once.
//!
//! Left out: filters, FIFO queues, provisioned pollers, and the scaling up of concurrency.
//!
//! What it holds is bounded: per invocation a batch of at most `batch::PAYLOAD_BYTES`.
//!
//! The rooms: `answer`, `batch` and `event` decide and write, without I/O; `invocation` is one
//! invocation with what follows from it; here is the loop.

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
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::invoke::Invoke;
pub use batch::Batching;
use batch::{Batch, Next};
use invocation::{MappingContext, play};
pub use settings::Settings;

/// How long an idle mapping goes without a look, as long as a poll of SQS may wait. Whatever concerns
/// its queue wakes it; this is for messages that become due for redrive where no one receives.
const LOOK_AGAIN: Duration = Duration::from_secs(20);
/// The wait before a queue is asked again that gave no answer.
const PAUSE: Duration = Duration::from_millis(500);

/// A mapping that runs. It stops with this value.
pub struct SqsSource {
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl SqsSource {
    /// Starts it.
    pub fn start(sqs: Sqs, functions: impl Invoke, settings: Settings) -> Self {
        let (stop, stopped) = watch::channel(false);
        let context = MappingContext::new(sqs, Arc::new(functions), settings);
        let running = tokio::spawn(run(Arc::new(context), stopped));
        Self { stop, running }
    }

    /// Starts nothing new, and waits no longer than this for what is under way. What is not done by
    /// then comes again when its visibility timeout has passed.
    pub async fn stop(self, grace: Duration) {
        self.stop.send_replace(true);
        let mut running = self.running;
        if tokio::time::timeout(grace, &mut running).await.is_err() {
            running.abort();
        }
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

/// Waits until there is something, and then as long as the window says for more.
async fn next_batch(context: &MappingContext) -> Batch {
    let waker = context.sqs.waker(&context.settings.queue);
    let mut batch = Batch::new(context.settings.batching);
    let mut closes_at = None;
    loop {
        // Listens before it looks: what happens in between must not be missed.
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
        // Either means: look again.
        let _ = tokio::time::timeout(wait, woken).await;
    }
}

/// How long until something is due, where nothing was.
async fn take_more(
    context: &MappingContext,
    batch: &mut Batch,
) -> Result<Option<Duration>, SqsError> {
    let taken = context.sqs.take(&context.settings.queue, batch.room()).await?;
    let next_due_in = taken.next_due_in;
    batch.add(taken, Instant::now());
    Ok(next_due_in)
}
