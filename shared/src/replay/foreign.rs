//! Letters that stand for whole batches of records, which the event source gave up: nobody has
//! looked at these yet, so each record is taken as if it had just come. What is rejected is filed as
//! a letter of its own, and the batch's letter is resolved when every record is where it belongs.
//! Offsets that no stream holds any more are counted as lost, and the letter is parked for a person.

use super::batch::{admit, through};
use super::mark::{Effects, Fate, LOST, NO_OBJECTS, NO_STREAM};
use super::views::label;
use super::work::Work;
use super::{Action, Outside, Sources};
use crate::dead_letter::Envelope;
use crate::error::{Reason, Rejection, Unavailable};
use crate::letter::Letter;
use crate::letter::filing::{file, of_envelope};
use crate::letter::objects::Object;
use crate::letter::opened::{Opened, open_object};
use crate::letter::origin::Offsets;
use crate::metrics::Metric;
use crate::pipeline::{Settled, Verdict};
use crate::record::Incoming;
use crate::stream::reread::RECORDS;
use crate::time::Timestamp;

/// What becomes of such a letter.
pub(super) async fn fate<W: Outside, S: Sources>(
    work: &mut Work<'_, W, S>,
    letter: &Letter,
    opened: Opened,
    until: Timestamp,
) -> Fate {
    if work.run.filter.needs_record() {
        // It is of many subjects, and maybe of many tenants.
        return Fate::Other;
    }
    if work.run.action == Action::Park {
        return Fate::Parked;
    }
    let mut effects = Effects::default();
    match taken(work, letter, opened, until, &mut effects).await {
        Ok(None) if effects.outcomes.iter().any(|(outcome, _)| outcome == LOST) => {
            Fate::Lost(effects)
        }
        Ok(None) => Fate::Resolved(effects),
        Ok(Some(fate)) => fate,
        Err(unavailable) => Fate::Unavailable(unavailable),
    }
}

/// Takes all records of a letter; `Some`: there was nothing to take.
async fn taken<W: Outside, S: Sources>(
    work: &mut Work<'_, W, S>,
    letter: &Letter,
    opened: Opened,
    until: Timestamp,
    effects: &mut Effects,
) -> Result<Option<Fate>, Unavailable> {
    let opened = match opened {
        Opened::Object { bucket, key } => match work.sources.object(&bucket, &key).await? {
            Object::Found(bytes) => open_object(letter, &bytes),
            Object::NotRead => return Ok(Some(Fate::Left(NO_OBJECTS))),
            Object::Gone => {
                effects.add(LOST, 1);
                return Ok(None);
            }
        },
        opened => opened,
    };
    match opened {
        Opened::Records(records) => {
            for records in records.chunks(RECORDS) {
                take_records(work, records.to_vec(), until, effects).await?;
            }
        }
        Opened::Offsets(partitions) => {
            for offsets in partitions {
                if !take_offsets(work, offsets, until, effects).await? {
                    return Ok(Some(Fate::Left(NO_STREAM)));
                }
            }
        }
        Opened::Unreadable(rejection) => {
            return Ok(Some(Fate::Rejected(rejection, Effects::default())));
        }
        Opened::Record(_) | Opened::Object { .. } => {
            let message = "a letter that is neither a record nor a batch";
            return Err(Unavailable::new(Reason::Broken, message));
        }
    }
    Ok(None)
}

/// Reads a partition again, and takes what it gives. `false`: there is no stream.
async fn take_offsets<W: Outside, S: Sources>(
    work: &mut Work<'_, W, S>,
    mut offsets: Offsets,
    until: Timestamp,
    effects: &mut Effects,
) -> Result<bool, Unavailable> {
    while offsets.first <= offsets.last {
        if work.world.now() >= until {
            return Err(Unavailable::new(Reason::Deadline, "the run's time is nearly over"));
        }
        let Some(again) = work.sources.reread(&offsets).await? else { return Ok(false) };
        if again.lost > 0 {
            effects.add(LOST, again.lost);
            let lost = usize::try_from(again.lost).unwrap_or(usize::MAX);
            if !work.run.dry_run {
                work.tally.of(None).add_many(Metric::OffsetsLost, lost);
            }
        }
        if again.next <= offsets.first && again.records.is_empty() {
            return Err(Unavailable::new(Reason::Unreachable, "the stream gave nothing in time"));
        }
        offsets.first = again.next;
        let records = again.records.into_iter().map(Incoming::Record).collect();
        take_records(work, records, until, effects).await?;
    }
    Ok(true)
}

async fn take_records<W: Outside, S: Sources>(
    work: &mut Work<'_, W, S>,
    records: Vec<Incoming>,
    until: Timestamp,
    effects: &mut Effects,
) -> Result<(), Unavailable> {
    let admitted = admit(work, records.clone(), until).await;
    let all = vec![true; records.len()];
    for settled in through(work, admitted, &all, records, until).await? {
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
                    keep(work, &settled, &rejection).await?;
                }
            }
            Verdict::Unavailable(unavailable) => return Err(unavailable),
        }
    }
    Ok(())
}

/// Files the letter of a rejected record.
async fn keep<W: Outside, S: Sources>(
    work: &mut Work<'_, W, S>,
    settled: &Settled,
    rejection: &Rejection,
) -> Result<(), Unavailable> {
    let now = work.world.now();
    for message in settled.letter(rejection, now) {
        let filing = Envelope::read(&message.body).and_then(|envelope| of_envelope(&envelope, now));
        let filing = filing.map_err(|fault| Unavailable::new(Reason::Broken, fault.to_string()))?;
        let filed = file(work.world, &filing).await?;
        let counts = work.tally.of(filing.owner.tenant());
        counts.add_units(filed.units);
        if filed.answer {
            counts.add(Metric::DeadLettersFiled);
            counts.add_error(rejection.code);
        }
    }
    Ok(())
}
