//! One invocation of a mapping: send the event, read the response, and delete succeeded messages.
//! The messages of a dropped invocation are retried.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use drover_local_sqs::{ReceivedMessage, Sqs};
use tokio::time::Instant;
use tracing::Instrument as _;
use uuid::Uuid;

use super::answer;
use super::batch::Batch;
use super::event::event;
use super::settings::Settings;
use crate::invoke::{FunctionError, Invoke};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The context of every invocation of a mapping.
pub(super) struct MappingContext {
    pub(super) sqs: Sqs,
    functions: Arc<dyn Invoke>,
    pub(super) settings: Settings,
    /// Consecutive failures of whole batches.
    failures: AtomicU32,
}

impl MappingContext {
    pub(super) fn new(sqs: Sqs, functions: Arc<dyn Invoke>, settings: Settings) -> Self {
        Self { sqs, functions, settings, failures: AtomicU32::new(0) }
    }

    /// The pause before the next invocation of a failing function. It keeps messages from reaching
    /// their maximum receive count as fast as the function fails, as on Lambda.
    pub(super) fn pause(&self) -> Duration {
        pause_after(self.failures.load(Ordering::Relaxed))
    }

    fn ended(&self, failed: &Result<BTreeSet<String>, Failure>) {
        match failed {
            Ok(_) => self.failures.store(0, Ordering::Relaxed),
            Err(_) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Why a whole batch failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("unknown function")]
    NoFunction,
    #[error("cannot serialize the event")]
    Event(#[from] serde_json::Error),
    #[error("function failed: error_type=`{0}`")]
    Function(String),
    #[error("invalid response: {0}")]
    Senseless(&'static str),
}

/// Runs an invocation to its end.
pub(super) async fn play(context: &MappingContext, batch: Batch) {
    let failed = invoke(context, &batch).await;
    context.ended(&failed);
    log(context, &failed);
    let Ok(failed) = failed else { return };
    let done = batch.messages.into_iter().filter(|message| !failed.contains(&message.message_id));
    let done: Vec<String> = done.map(|message| message.receipt_handle).collect();
    if done.is_empty() {
        return;
    }
    if let Err(error) = context.sqs.delete(&context.settings.queue, done).await {
        let (queue, error) = (context.settings.queue.as_str(), &error as &dyn std::error::Error);
        tracing::warn!(queue, error, "cannot delete succeeded messages, they will be retried");
    }
}

/// The ids of the failed messages.
async fn invoke(context: &MappingContext, batch: &Batch) -> Result<BTreeSet<String>, Failure> {
    let Settings { queue, function: name, .. } = &context.settings;
    let event = event(queue, &batch.messages)?;
    let request_id = Uuid::new_v4().to_string();
    let span = tracing::info_span!("invocation", function = name, request_id);
    let patience = batch.hidden_until.map(|until| until.saturating_duration_since(Instant::now()));
    let patience = patience.unwrap_or(Duration::MAX);
    let invocation = context.functions.invoke(name, event, request_id, patience);
    let answered = invocation.ok_or(Failure::NoFunction)?.instrument(span).await;
    read(answered, &batch.messages)
}

fn read(
    answered: Result<Bytes, FunctionError>,
    messages: &[ReceivedMessage],
) -> Result<BTreeSet<String>, Failure> {
    // The error message is left out, because it may contain the function's input.
    let body = answered.map_err(|error| Failure::Function(error.error_type))?;
    let ids: BTreeSet<&str> = messages.iter().map(|one| one.message_id.as_str()).collect();
    answer::failed(&body, |id| ids.contains(id)).map_err(Failure::Senseless)
}

fn log(context: &MappingContext, failed: &Result<BTreeSet<String>, Failure>) {
    let (queue, function) = (context.settings.queue.as_str(), &context.settings.function);
    match failed {
        Ok(failed) if failed.is_empty() => {}
        Ok(failed) => {
            tracing::info!(queue, %function, messages = failed.len(), "partial failure, messages will be retried");
        }
        Err(error) => {
            let error = error as &dyn std::error::Error;
            tracing::warn!(queue, %function, error, "the whole batch will be retried");
        }
    }
}

fn pause_after(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => {
            FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_PAUSE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_while_the_function_keeps_failing() {
        let pauses = [0, 1, 2, 3, 6, 7, u32::MAX].map(|failures| pause_after(failures).as_millis());
        assert_eq!(pauses, [0, 100, 200, 400, 3_200, 5_000, 5_000]);
    }
}
