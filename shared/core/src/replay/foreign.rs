//! Letters that stand for whole batches of records, which the event source gave up: nobody has
//! looked at these yet, so each record is taken as if it had just come. What is rejected is filed as
//! a letter of its own, and the batch's letter is resolved when every record is where it belongs.
//! Offsets that no stream holds any more are counted as lost, and the letter is parked for a person.

use super::mark::{Effects, FILED, Fate, LOST, NO_OBJECTS, NO_STREAM, OBJECT_TOO_LARGE};
use super::through::{admit, through};
use super::views::label;
use super::work::Work;
use super::{Action, ReplayPorts, Sources};
use crate::base::error::{Code, Reason, Rejection, Unavailable};
use crate::base::metrics::Metric;
use crate::base::time::Timestamp;
use crate::dead_letter::envelope::{Envelope, NoContent};
use crate::dead_letter::letter::Letter;
use crate::dead_letter::object::Object;
use crate::dead_letter::opened::{Opened, open_object};
use crate::dead_letter::origin::{Offsets, Origin, Other};
use crate::dead_letter::reread::RECORDS;
use crate::intake::record::Incoming;
use crate::pipeline::{Settled, Verdict};
use crate::replay::filing::{Filing, Received, file, of_envelope, read};

/// What a stream or an object may take to answer. An invocation with less left begins neither.
const SLOW_SECONDS: i64 = 5;

/// What becomes of such a letter.
pub(super) async fn fate<W: ReplayPorts, S: Sources>(
    work: &mut Work<'_, W, S>,
    letter: &Letter,
    opened: Opened,
) -> Fate {
    if work.run.filter.needs_record() {
        // It is of many subjects, and maybe of many tenants.
        return Fate::Other;
    }
    if work.run.action == Action::Park {
        return Fate::Parked;
    }
    let mut effects = Effects::default();
    match taken(work, letter, opened, &mut effects).await {
        Ok(None) if effects.outcomes.iter().any(|(outcome, _)| outcome == LOST) => {
            Fate::Lost(effects)
        }
        Ok(None) => Fate::Resolved(effects),
        Ok(Some(fate)) => fate,
        Err(unavailable) => Fate::Unavailable(unavailable),
    }
}

/// Takes all records of a letter; `Some`: there was nothing to take.
async fn taken<W: ReplayPorts, S: Sources>(
    work: &mut Work<'_, W, S>,
    letter: &Letter,
    opened: Opened,
    effects: &mut Effects,
) -> Result<Option<Fate>, Unavailable> {
    match opened {
        Opened::Records(records) => {
            for records in records.chunks(RECORDS) {
                take_records(work, records.to_vec(), effects).await?;
            }
        }
        Opened::Offsets(partitions) => {
            for offsets in partitions {
                if !take_offsets(work, letter, offsets, effects).await? {
                    return Ok(Some(Fate::Left(NO_STREAM)));
                }
            }
        }
        Opened::Object { bucket, key } => {
            slow(work).await?;
            let opened = match work.sources.object(&bucket, &key).await? {
                Object::Found(bytes) => open_object(letter, &bytes, work.retention),
                Object::NotRead => return Ok(Some(Fate::Left(NO_OBJECTS))),
                Object::TooLarge => return Ok(Some(Fate::Left(OBJECT_TOO_LARGE))),
                Object::Gone => {
                    effects.add(LOST, 1);
                    return Ok(None);
                }
            };
            return Box::pin(taken(work, letter, opened, effects)).await;
        }
        Opened::Message { message_id, body } => {
            return take_message(work, letter, (&message_id, &body), effects).await;
        }
        Opened::Unreadable(rejection) => {
            return Ok(Some(Fate::Rejected(rejection, Effects::default())));
        }
        Opened::Record(_) => {
            let message = "a letter that is neither a record nor a batch";
            return Err(Unavailable::new(Reason::Misconfigured, message));
        }
    }
    Ok(None)
}

/// A message that was not known when it was filed. A later version may know it: then it is filed as
/// what it is, and this letter has done its part.
async fn take_message<W: ReplayPorts, S: Sources>(
    work: &mut Work<'_, W, S>,
    letter: &Letter,
    (message_id, body): (&str, &str),
    effects: &mut Effects,
) -> Result<Option<Fate>, Unavailable> {
    let received = Received { message_id, body, sent_at: letter.received_at };
    let filing = read(&received, work.ports.now())?;
    if matches!(filing.letter.source, Origin::Other(Other::Message { .. })) {
        let message = "this message is still no dead letter that is known here";
        let rejection = Rejection::new(Code::MalformedJson, message);
        return Ok(Some(Fate::Rejected(rejection, Effects::default())));
    }
    effects.add(FILED, 1);
    if !work.run.dry_run {
        keep(work, &filing).await?;
    }
    Ok(None)
}

/// Begins nothing that may take long where little time is left. Gives until when there is some.
async fn slow<W: ReplayPorts, S: Sources>(
    work: &mut Work<'_, W, S>,
) -> Result<Timestamp, Unavailable> {
    let until = work.until().await?;
    if work.ports.now().plus_seconds(SLOW_SECONDS) < until {
        return Ok(until);
    }
    Err(Unavailable::new(Reason::Deadline, "the run's time is nearly over"))
}

/// Reads a partition again, and takes what it gives. `false`: there is no stream.
async fn take_offsets<W: ReplayPorts, S: Sources>(
    work: &mut Work<'_, W, S>,
    letter: &Letter,
    mut offsets: Offsets,
    effects: &mut Effects,
) -> Result<bool, Unavailable> {
    while offsets.first <= offsets.last {
        slow(work).await?;
        let given_up = letter.given_up(work.retention);
        let Some(again) = work.sources.reread(&offsets, given_up).await? else { return Ok(false) };
        if again.lost > 0 {
            effects.add(LOST, again.lost);
        }
        if again.next <= offsets.first && again.records.is_empty() {
            return Err(Unavailable::new(Reason::Unreachable, "the stream gave nothing in time"));
        }
        offsets.first = again.next;
        let records = again.records.into_iter().map(Incoming::Record);
        take_records(work, records.collect(), effects).await?;
    }
    Ok(true)
}

async fn take_records<W: ReplayPorts, S: Sources>(
    work: &mut Work<'_, W, S>,
    records: Vec<Incoming>,
    effects: &mut Effects,
) -> Result<(), Unavailable> {
    let until = work.until().await?;
    let again = if work.run.dry_run { records.clone() } else { Vec::new() };
    let all = vec![true; records.len()];
    let admitted = admit(work, records, until).await;
    for settled in through(work, admitted, &all, again, until).await? {
        match settled.verdict() {
            Verdict::Applied => {
                effects.add("applied", 1);
                let label = settled.key().map(|key| label(work.owner, &key));
                effects.changed.extend(label.filter(|label| !effects.changed.contains(label)));
                effects.changed.truncate(super::run::CHANGED);
            }
            Verdict::Duplicate => effects.add("duplicate", 1),
            Verdict::Rejected(rejection) => {
                effects.add(rejection.code.as_str(), 1);
                if !work.run.dry_run {
                    bury(work, &settled, &rejection).await?;
                }
            }
            Verdict::Unavailable(unavailable) => return Err(unavailable),
        }
    }
    Ok(())
}

/// Files the letter of a rejected record.
async fn bury<W: ReplayPorts, S: Sources>(
    work: &mut Work<'_, W, S>,
    settled: &Settled,
    rejection: &Rejection,
) -> Result<(), Unavailable> {
    let now = work.ports.now();
    for message in settled.letter(rejection, now)? {
        let envelope = Envelope::read(&message.body).map_err(NoContent::from);
        let filing = envelope.and_then(|envelope| of_envelope(&envelope, now));
        let filing = filing.map_err(NoContent::into_unavailable)?;
        if keep(work, &filing).await? {
            work.tally.of(filing.owner.tenant()).add_error(rejection.code);
        }
    }
    Ok(())
}

/// Files a letter. Says whether it was not there.
async fn keep<W: ReplayPorts, S: Sources>(
    work: &mut Work<'_, W, S>,
    filing: &Filing,
) -> Result<bool, Unavailable> {
    let filed = file(work.ports, filing).await?;
    let counts = work.tally.of(filing.owner.tenant());
    counts.add_units(filed.units);
    if filed.answer {
        counts.add(Metric::DeadLettersFiled);
    }
    Ok(filed.answer)
}
