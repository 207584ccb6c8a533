//! One invocation of a mapping: send an event, decide by the response, report discarded records,
//! and commit the offsets, in this order. An invocation that is dropped before its commit is
//! repeated.
//!
//! Reports and commits are repeated until they succeed: a committed offset without a report would
//! silently lose a record.

use std::collections::BTreeMap;

use drover_aws::Aws;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::message::Message;
use drover_core::ports::DeadLetters as _;
use drover_event_log::{Log, StoredRecord};
use uuid::Uuid;

use super::answer::{self, Answer};
use super::event::{event, partition_name};
use super::partition::Taken;
use super::partitions::Invocation;
use super::report::GivenUp;
use super::settings::Settings;
use crate::batch::{AttemptOutcome, Decision, Failure, Moment};
use crate::clock::Clock;
use crate::on_failure::{Condition, ResponseContext, function_arn, until_it_succeeds};
use crate::target::Target;

/// The context of every invocation of a mapping.
pub(super) struct MappingContext<L> {
    pub(super) log: L,
    pub(super) topic: String,
    pub(super) settings: Settings,
    pub(super) target: Target,
    /// The destination of reports; `None`: no reports.
    pub(super) destination: Option<Aws>,
    pub(super) clock: Clock,
}

/// The result of an invocation, with the details for a report.
struct Invoked {
    answer: Answer,
    request_id: String,
    response: Option<ResponseContext>,
}

/// Runs an invocation to its end.
pub(super) async fn play<L: Log>(
    context: &MappingContext<L>,
    invocation: Invocation,
) -> BTreeMap<i32, Decision<StoredRecord>> {
    let decisions = match invocation {
        Invocation::Send(taken) => send(context, taken).await,
        Invocation::TooLarge(partition, taken) => {
            let decision = decide(context, taken, AttemptOutcome::TooLarge);
            let given_up = BTreeMap::from([(partition, decision.given_up.clone())]);
            report(context, Condition::MaximumPayloadSizeExceeded, given_up, 0, None).await;
            BTreeMap::from([(partition, decision)])
        }
    };
    commit(context, &decisions).await;
    decisions
}

async fn send<L: Log>(
    context: &MappingContext<L>,
    mut taken: BTreeMap<i32, Taken>,
) -> BTreeMap<i32, Decision<StoredRecord>> {
    let attempts = taken.values().map(|one| one.batch.attempts).max().unwrap_or(0);
    let too_old = taken.iter_mut().map(|(at, one)| (*at, std::mem::take(&mut one.too_old)));
    report(context, Condition::RecordAgeExceeded, too_old.collect(), attempts, None).await;
    let invoked = if taken.values().any(|one| !one.batch.records.is_empty()) {
        invoke(context, &taken).await
    } else {
        let answer = Answer::Handled;
        Invoked { answer, request_id: String::new(), response: None }
    };
    let decisions: BTreeMap<i32, Decision<StoredRecord>> = taken
        .into_iter()
        .map(|(partition, taken)| {
            let outcome = outcome(&invoked.answer, &partition_name(&context.topic, partition));
            (partition, decide(context, taken, outcome))
        })
        .collect();
    let given_up = decisions.iter().map(|(at, decision)| (*at, decision.given_up.clone()));
    let condition = Condition::RetryAttemptsExhausted;
    report(context, condition, given_up.collect(), attempts + 1, Some(&invoked)).await;
    decisions
}

async fn invoke<L: Log>(context: &MappingContext<L>, taken: &BTreeMap<i32, Taken>) -> Invoked {
    let records = taken.iter().map(|(at, one)| (*at, one.batch.records.as_slice()));
    let records = records.filter(|(_, records)| !records.is_empty());
    let no_answer = |reason: &dyn std::fmt::Display| {
        let (topic, function) = (&context.topic, context.target.name());
        tracing::warn!(%topic, function, %reason, "no response from the function");
        let answer = Answer::Failed(Failure::NoAnswer);
        Invoked { answer, request_id: Uuid::new_v4().to_string(), response: None }
    };
    let event = match event(&context.settings.source, &context.topic, records) {
        Ok(event) => event,
        Err(error) => return no_answer(&error),
    };
    match context.target.invoke(event).await {
        Err(no_reply) => no_answer(&no_reply),
        Ok(reply) => {
            let answer = match reply.context.function_error {
                Some(_) => Answer::Failed(Failure::Function),
                None => {
                    answer::read(&reply.body, |name, offset| held(context, taken, name, offset))
                }
            };
            log_failure(context, &answer);
            Invoked { answer, request_id: reply.request_id, response: Some(reply.context) }
        }
    }
}

/// Whether the event contained this record.
fn held<L: Log>(
    context: &MappingContext<L>,
    taken: &BTreeMap<i32, Taken>,
    name: &str,
    offset: i64,
) -> bool {
    let mut partitions = taken.iter();
    let of_name = partitions.find(|(at, _)| partition_name(&context.topic, **at) == name);
    of_name.is_some_and(|(_, one)| {
        one.batch.records.binary_search_by_key(&offset, |record| record.offset).is_ok()
    })
}

fn log_failure<L: Log>(context: &MappingContext<L>, answer: &Answer) {
    let (topic, function) = (&context.topic, context.target.name());
    match answer {
        Answer::Handled => {}
        Answer::Named(named) => {
            let records: usize = named.values().map(std::collections::BTreeSet::len).sum();
            tracing::info!(%topic, function, records, "partial failure, records will be retried");
        }
        Answer::Failed(Failure::Senseless(reason)) => {
            tracing::warn!(%topic, function, reason, "invalid response, the batch will be retried");
        }
        Answer::Failed(Failure::Function | Failure::NoAnswer) => {
            tracing::warn!(%topic, function, "function failed, the batch will be retried");
        }
    }
}

fn outcome(answer: &Answer, partition: &str) -> AttemptOutcome {
    match answer {
        Answer::Handled => AttemptOutcome::Handled,
        Answer::Failed(failure) => AttemptOutcome::Failed(failure.clone()),
        Answer::Named(named) => named
            .get(partition)
            .map_or(AttemptOutcome::Handled, |offsets| AttemptOutcome::Named(offsets.clone())),
    }
}

fn decide<L: Log>(
    context: &MappingContext<L>,
    taken: Taken,
    outcome: AttemptOutcome,
) -> Decision<StoredRecord> {
    let at = Moment { now: context.clock.now(), random: fastrand::f64() };
    // Records that are too old are already discarded; without other records, nothing failed.
    let outcome = if taken.batch.records.is_empty() { AttemptOutcome::Handled } else { outcome };
    taken.batch.decide(outcome, &context.settings.rules, at)
}

/// Reports discarded records, and returns when the destination has accepted the report.
async fn report<L: Log>(
    context: &MappingContext<L>,
    condition: Condition,
    mut given_up: BTreeMap<i32, Vec<StoredRecord>>,
    attempts: u32,
    invoked: Option<&Invoked>,
) {
    given_up.retain(|_, records| !records.is_empty());
    if given_up.is_empty() {
        return;
    }
    for (partition, records) in &given_up {
        let (first, last) = (records.first(), records.last());
        let (first, last) = (first.map(|record| record.offset), last.map(|record| record.offset));
        let topic = &context.topic;
        tracing::error!(%topic, partition, first, last, ?condition, "records discarded");
    }
    let Some(destination) = &context.destination else { return };
    let Some(message) = message(context, condition, &given_up, attempts, invoked) else { return };
    let sent = || async {
        let mut results = destination.send_letters(std::slice::from_ref(&message)).await;
        let unanswered = || Unavailable::new(Reason::Unreachable, "a report without an answer");
        results.pop().unwrap_or_else(|| Err(unanswered()))
    };
    until_it_succeeds("report", sent).await;
}

fn message<L: Log>(
    context: &MappingContext<L>,
    condition: Condition,
    given_up: &BTreeMap<i32, Vec<StoredRecord>>,
    attempts: u32,
    invoked: Option<&Invoked>,
) -> Option<Message> {
    let records = given_up.iter().map(|(at, records)| (*at, records.as_slice()));
    let payload = event(&context.settings.source, &context.topic, records);
    let new_id = Uuid::new_v4().to_string();
    let body = GivenUp {
        condition,
        request_id: invoked.map_or(&new_id, |invoked| &invoked.request_id),
        function_arn: &function_arn(context.target.name()),
        attempts,
        response: invoked.and_then(|invoked| invoked.response.as_ref()),
        source: &context.settings.source,
        topic: &context.topic,
        records: given_up,
        payload_bytes: payload.map_or(0, |payload| payload.len()),
        now: Timestamp::from_millis(context.clock.now()).unwrap_or(Timestamp::MAX),
    };
    let body = body
        .message()
        .inspect_err(|error| tracing::error!(%error, "cannot serialize the on-failure message"));
    Some(Message { tenant: None, body: body.ok()? })
}

async fn commit<L: Log>(
    context: &MappingContext<L>,
    decisions: &BTreeMap<i32, Decision<StoredRecord>>,
) {
    let done = decisions.iter().map(|(at, decision)| (*at, decision.done_until));
    let done: BTreeMap<i32, i64> = done.collect();
    let commit = || context.log.commit(&context.settings.group, &context.topic, &done);
    until_it_succeeds("commit", commit).await;
}
