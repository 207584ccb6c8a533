//! Letters that are not one record: batches of discarded records, and commits that could not be sent to
//! a feed.
//!
//! A replay of a commit sends the history and the state of its subject to the feeds again.
//!
//! The records were never processed, so
//! each record is handled as if it had just arrived. A rejected record is stored as a letter of its
//! own, and the batch's letter is resolved when every record has an outcome. Offsets that the event
//! log no longer holds are counted as lost, and the letter is parked for an operator.

use super::outcome::{
    Effects, FILED, IGNORED, LOST, LetterOutcome, NO_OBJECTS, NO_STREAM, OBJECT_TOO_LARGE, RESENT,
};
use super::runner::Runner;
use super::through::{admit, through};
use super::views::label;
use super::{Action, ReplayPorts, Sources};
use crate::base::error::{Code, Reason, Rejection, Unavailable};
use crate::base::id::SubjectId;
use crate::base::metrics::Metric;
use crate::base::time::Timestamp;
use crate::dead_letter::envelope::{Envelope, NoContent};
use crate::dead_letter::letter::{Letter, Owner};
use crate::dead_letter::object::Object;
use crate::dead_letter::opened::{Opened, open_object};
use crate::dead_letter::origin::{Offsets, Origin, Other};
use crate::dead_letter::reread::RECORDS;
use crate::intake::record::Incoming;
use crate::ledger::touch::Touch;
use crate::pipeline::subject::resend;
use crate::pipeline::{RecordOutcome, Settled};
use crate::replay::filing::{Filing, Received, file, of_envelope, read};

/// Time that a reread may take. With less time left, no reread starts.
const SLOW_SECONDS: i64 = 5;

/// Processes such a letter and returns its outcome.
pub(super) async fn outcome<W: ReplayPorts, S: Sources>(
    runner: &mut Runner<'_, W, S>,
    letter: &Letter,
    opened: Opened,
) -> LetterOutcome {
    if runner.run.filter.needs_record() {
        // The batch contains many subjects, and maybe many tenants.
        return LetterOutcome::Other;
    }
    if runner.run.action == Action::Park {
        return LetterOutcome::Parked;
    }
    let mut effects = Effects::default();
    match process(runner, letter, opened, &mut effects).await {
        Ok(None) if effects.outcomes.iter().any(|(outcome, _)| outcome == LOST) => {
            LetterOutcome::Lost(effects)
        }
        Ok(None) => LetterOutcome::Resolved(effects),
        Ok(Some(outcome)) => outcome,
        Err(unavailable) => LetterOutcome::Unavailable(unavailable),
    }
}

/// Processes all records of a letter. `Some`: there were no records to process.
async fn process<W: ReplayPorts, S: Sources>(
    runner: &mut Runner<'_, W, S>,
    letter: &Letter,
    opened: Opened,
    effects: &mut Effects,
) -> Result<Option<LetterOutcome>, Unavailable> {
    match opened {
        Opened::Records(records) => {
            for records in records.chunks(RECORDS) {
                take_records(runner, records.to_vec(), effects).await?;
            }
        }
        Opened::Offsets(partitions) => {
            for offsets in partitions {
                if !take_offsets(runner, letter, offsets, effects).await? {
                    return Ok(Some(LetterOutcome::Left(NO_STREAM)));
                }
            }
        }
        Opened::Object { bucket, key } => {
            slow(runner).await?;
            let opened = match runner.sources.object(&bucket, &key).await? {
                Object::Found(bytes) => open_object(letter, &bytes, runner.retention),
                Object::NotRead => return Ok(Some(LetterOutcome::Left(NO_OBJECTS))),
                Object::TooLarge => return Ok(Some(LetterOutcome::Left(OBJECT_TOO_LARGE))),
                Object::Gone => {
                    effects.add(LOST, 1);
                    return Ok(None);
                }
            };
            return Box::pin(process(runner, letter, opened, effects)).await;
        }
        Opened::Subject(subject) => {
            effects.add(RESENT, 1);
            if !runner.run.dry_run {
                take_subject(runner, subject).await?;
            }
        }
        Opened::Notification(look) => {
            effects.add(RESENT, 1);
            if !runner.run.dry_run {
                runner.ports.send_looks(&[look], 0).await?;
            }
        }
        Opened::Message { message_id, body } => {
            return take_message(runner, letter, (&message_id, &body), effects).await;
        }
        Opened::Unreadable(rejection) => {
            return Ok(Some(LetterOutcome::Rejected(rejection, Effects::default())));
        }
        Opened::Record(_) => {
            let message = "a letter is neither a record nor a batch";
            return Err(Unavailable::new(Reason::Misconfigured, message));
        }
    }
    Ok(None)
}

/// Has the history and the state of the letter's subject sent again.
async fn take_subject<W: ReplayPorts, S: Sources>(
    runner: &mut Runner<'_, W, S>,
    subject: SubjectId,
) -> Result<(), Unavailable> {
    let Owner::Tenant(scope) = runner.owner else { return Ok(()) };
    let (ports, registry) = (runner.ports, &runner.pipeline.registry);
    let Some(tenant) = registry.tenant(scope.tenant(), ports.now(), ports).await? else {
        return Ok(());
    };
    let (key, item_limits) = (scope.subject(subject), runner.pipeline.item_limits);
    let (_, units) = resend(ports, registry, (key, &tenant), Touch::Resend, item_limits).await?;
    runner.charge(units);
    Ok(())
}

/// Reads a message that was unknown when it was stored. A later version may know it: then the
/// message is stored as the right kind of letter, and this letter is resolved.
async fn take_message<W: ReplayPorts, S: Sources>(
    runner: &mut Runner<'_, W, S>,
    letter: &Letter,
    (message_id, body): (&str, &str),
    effects: &mut Effects,
) -> Result<Option<LetterOutcome>, Unavailable> {
    let received = Received { message_id, body, sent_at: letter.received_at };
    let filing = read(&received, runner.ports.now())?;
    if matches!(filing.letter.source, Origin::Other(Other::Message { .. })) {
        let message = "the format of this message is still unknown";
        let rejection = Rejection::new(Code::MalformedJson, message);
        return Ok(Some(LetterOutcome::Rejected(rejection, Effects::default())));
    }
    effects.add(FILED, 1);
    if !runner.run.dry_run {
        keep(runner, &filing).await?;
    }
    Ok(None)
}

/// Fails if too little time is left for a slow call. Returns the time limit.
async fn slow<W: ReplayPorts, S: Sources>(
    runner: &mut Runner<'_, W, S>,
) -> Result<Timestamp, Unavailable> {
    let until = runner.until().await?;
    if runner.ports.now().plus_seconds(SLOW_SECONDS) < until {
        return Ok(until);
    }
    Err(Unavailable::new(Reason::Deadline, "the run is about to time out"))
}

/// Rereads a partition and processes its records. `false`: the deployment has no event log.
async fn take_offsets<W: ReplayPorts, S: Sources>(
    runner: &mut Runner<'_, W, S>,
    letter: &Letter,
    mut offsets: Offsets,
    effects: &mut Effects,
) -> Result<bool, Unavailable> {
    while offsets.first <= offsets.last {
        slow(runner).await?;
        let given_up = letter.given_up(runner.retention);
        let Some(again) = runner.sources.reread(&offsets, given_up).await? else {
            return Ok(false);
        };
        if again.lost > 0 {
            effects.add(LOST, again.lost);
        }
        if again.next <= offsets.first && again.records.is_empty() {
            return Err(Unavailable::new(Reason::Unreachable, "rereading the event log timed out"));
        }
        offsets.first = again.next;
        let records = again.records.into_iter().map(Incoming::Record);
        take_records(runner, records.collect(), effects).await?;
    }
    Ok(true)
}

async fn take_records<W: ReplayPorts, S: Sources>(
    runner: &mut Runner<'_, W, S>,
    records: Vec<Incoming>,
    effects: &mut Effects,
) -> Result<(), Unavailable> {
    let until = runner.until().await?;
    let again = if runner.run.dry_run { records.clone() } else { Vec::new() };
    let admitted = admit(runner, records, until).await;
    for settled in through(runner, admitted, again, until).await? {
        match settled.outcome() {
            RecordOutcome::Applied => {
                effects.add("applied", 1);
                let label = settled.key().map(|key| label(runner.owner, &key));
                effects.changed.extend(label.filter(|label| !effects.changed.contains(label)));
                effects.changed.truncate(super::run::CHANGED);
            }
            RecordOutcome::Duplicate => effects.add("duplicate", 1),
            RecordOutcome::Ignored => effects.add(IGNORED, 1),
            RecordOutcome::Rejected(rejection) => {
                effects.add(rejection.code.as_str(), 1);
                if !runner.run.dry_run {
                    file_letter(runner, &settled, rejection).await?;
                }
            }
            RecordOutcome::Unavailable(unavailable) => return Err(unavailable.clone()),
        }
    }
    Ok(())
}

/// Stores the letter of a rejected record.
async fn file_letter<W: ReplayPorts, S: Sources>(
    runner: &mut Runner<'_, W, S>,
    settled: &Settled,
    rejection: &Rejection,
) -> Result<(), Unavailable> {
    let now = runner.ports.now();
    for message in settled.letter(rejection, now)? {
        let envelope = Envelope::read(&message.body).map_err(NoContent::from);
        let filing = envelope.and_then(|envelope| of_envelope(&envelope, now));
        let filing = filing.map_err(NoContent::into_unavailable)?;
        if keep(runner, &filing).await? {
            runner.tally.of(filing.owner.tenant()).add_error(rejection.code);
        }
    }
    Ok(())
}

/// Stores a letter. Returns whether it is new.
async fn keep<W: ReplayPorts, S: Sources>(
    runner: &mut Runner<'_, W, S>,
    filing: &Filing,
) -> Result<bool, Unavailable> {
    let filed = file(runner.ports, filing).await?;
    let counts = runner.tally.of(filing.owner.tenant());
    counts.add_units(filed.units);
    if filed.answer {
        counts.add(Metric::DeadLettersFiled);
    }
    Ok(filed.answer)
}
