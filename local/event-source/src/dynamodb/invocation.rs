//! One invocation of a mapping: send an event, decide by the response, and report discarded records,
//! in this order. The checkpoint follows the decision, so that an invocation that is dropped is
//! repeated, and no record is silently lost.

use std::sync::Arc;

use drover_core::base::time::Timestamp;
use uuid::Uuid;

use super::answer;
use super::change::Change;
use super::checkpoint::Checkpoints;
use super::destination::Destination;
use super::event::event;
use super::gauges::Gauges;
use super::lane::{Taken, Work};
use super::report::GivenUp;
use super::settings::Settings;
use super::shards::Invocation;
use super::stream::Stream;
use crate::batch::{AttemptOutcome, Batch, Decision, Failure, Moment, Rules};
use crate::clock::Clock;
use crate::on_failure::{
    Condition, RequestContext, ResponseContext, function_arn, until_it_succeeds,
};
use crate::target::Target;

/// The context of every invocation of a mapping.
pub(super) struct MappingContext<S, D> {
    pub(super) stream: S,
    pub(super) settings: Settings,
    pub(super) target: Target,
    pub(super) destination: D,
    pub(super) checkpoints: Checkpoints,
    pub(super) gauges: Arc<Gauges>,
    pub(super) clock: Clock,
}

/// The result of an invocation, with the details for a report.
struct Invoked {
    outcome: AttemptOutcome,
    request_id: String,
    response: Option<ResponseContext>,
}

/// Runs an invocation to its end.
pub(super) async fn play<S: Stream, D: Destination>(
    context: &MappingContext<S, D>,
    rules: &Rules,
    invocation: Invocation,
) -> (String, usize, Decision<Change>) {
    let Invocation { shard, lane, work } = invocation;
    let decision = match work {
        Work::Send(taken) => send(context, rules, &shard, taken).await,
        Work::TooLarge(batch) => {
            let decision = decide(context, rules, batch, AttemptOutcome::TooLarge);
            let condition = Condition::MaximumPayloadSizeExceeded;
            report(context, &shard, condition, &decision.given_up, 0, None).await;
            decision
        }
    };
    (shard, lane, decision)
}

async fn send<S: Stream, D: Destination>(
    context: &MappingContext<S, D>,
    rules: &Rules,
    shard: &str,
    taken: Taken,
) -> Decision<Change> {
    let Taken { batch, too_old } = taken;
    let attempts = batch.attempts;
    report(context, shard, Condition::RecordAgeExceeded, &too_old, attempts, None).await;
    if batch.records.is_empty() {
        return decide(context, rules, batch, AttemptOutcome::Handled);
    }
    let invoked = invoke(context, shard, &batch.records).await;
    let decision = decide(context, rules, batch, invoked.outcome.clone());
    let condition = Condition::RetryAttemptsExhausted;
    report(context, shard, condition, &decision.given_up, attempts + 1, Some(&invoked)).await;
    decision
}

async fn invoke<S: Stream, D: Destination>(
    context: &MappingContext<S, D>,
    shard: &str,
    records: &[Change],
) -> Invoked {
    let event = event(records.iter().map(|record| record.json.as_str()));
    let function = context.target.name();
    let invoked = match context.target.invoke(event).await {
        Err(reason) => {
            tracing::warn!(shard, function, %reason, "no response from the function");
            let outcome = AttemptOutcome::Failed(Failure::NoAnswer);
            Invoked { outcome, request_id: Uuid::new_v4().to_string(), response: None }
        }
        Ok(reply) => {
            let outcome = match reply.context.function_error {
                Some(_) => AttemptOutcome::Failed(Failure::Function),
                None => answer::read(&reply.body, |sequence| held(records, sequence)),
            };
            Invoked { outcome, request_id: reply.request_id, response: Some(reply.context) }
        }
    };
    log_failure(shard, function, &invoked.outcome);
    invoked
}

/// The place of a record of the event.
fn held(records: &[Change], sequence: &str) -> Option<i64> {
    let mut records = records.iter();
    records.find(|record| record.sequence.as_str() == sequence).map(|record| record.offset)
}

fn log_failure(shard: &str, function: &str, outcome: &AttemptOutcome) {
    match outcome {
        AttemptOutcome::Named(named) => {
            let records = named.len();
            tracing::info!(shard, function, records, "partial failure, records will be retried");
        }
        AttemptOutcome::Failed(Failure::Senseless(reason)) => {
            tracing::warn!(shard, function, reason, "invalid response, the batch will be retried");
        }
        AttemptOutcome::Failed(Failure::Function) => {
            tracing::warn!(shard, function, "function failed, the batch will be retried");
        }
        AttemptOutcome::Failed(Failure::NoAnswer)
        | AttemptOutcome::Handled
        | AttemptOutcome::TooLarge => {}
    }
}

fn decide<S, D>(
    context: &MappingContext<S, D>,
    rules: &Rules,
    batch: Batch<Change>,
    outcome: AttemptOutcome,
) -> Decision<Change> {
    batch.decide(outcome, rules, Moment { now: context.clock.now(), random: fastrand::f64() })
}

/// Reports discarded records, and returns when the destination has accepted the report.
async fn report<S: Stream, D: Destination>(
    context: &MappingContext<S, D>,
    shard: &str,
    condition: Condition,
    records: &[Change],
    attempts: u32,
    invoked: Option<&Invoked>,
) {
    let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
    let (first, last) = (first.sequence.as_str(), last.sequence.as_str());
    tracing::error!(shard, first, last, ?condition, "records discarded");
    context.gauges.discarded(records.len());
    let new_id = Uuid::new_v4().to_string();
    let given_up = GivenUp {
        request_context: RequestContext {
            request_id: invoked.map_or(&new_id, |invoked| &invoked.request_id),
            function_arn: &function_arn(context.target.name()),
            condition,
            approximate_invoke_count: attempts,
        },
        response: invoked.and_then(|invoked| invoked.response.as_ref()),
        shard,
        stream_arn: context.stream.arn(),
        records,
        now: Timestamp::from_millis(context.clock.now()).unwrap_or(Timestamp::MAX),
    };
    match given_up.message() {
        None => {}
        Some(Ok(body)) => until_it_succeeds("report", || context.destination.send(&body)).await,
        Some(Err(error)) => tracing::error!(%error, "cannot serialize the on-failure message"),
    }
}
