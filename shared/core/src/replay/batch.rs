//! The letters of one step: opened, through the pipeline, and marked.

use futures_util::{StreamExt as _, stream};

use super::mark::{self, Effects, Fate, INCOMPLETE, UNAVAILABLE};
use super::through::{admit, through};
use super::views::label;
use super::work::Work;
use super::{Action, ReplayPorts, Sources, foreign};
use crate::base::error::{Extent, Reason, Unavailable};
use crate::dead_letter::letter::{Letter, StoredLetter, Wanted};
use crate::dead_letter::opened::Opened;
use crate::intake::record::Incoming;
use crate::pipeline::{Settled, Verdict};

/// Letters that are marked at once.
const MARKS: usize = 16;
/// What becomes of each of these letters. Nothing is written about them here.
pub(super) async fn fates<W: ReplayPorts, S: Sources>(
    work: &mut Work<'_, W, S>,
    takes: &[StoredLetter],
) -> Result<Vec<Fate>, Unavailable> {
    if takes.is_empty() {
        return Ok(Vec::new());
    }
    if work.run.action == Action::Park && !work.run.filter.needs_record() {
        return Ok(takes.iter().map(|_| Fate::Parked).collect());
    }
    let wanted: Vec<Wanted> = takes.iter().map(|stored| stored.letter.wanted()).collect();
    let frames = work.ports.contents(work.owner, &wanted).await?;
    work.charge(frames.units);
    let mut fates = Vec::with_capacity(takes.len());
    let (mut letters, mut records) = (Vec::new(), Vec::new());
    for (stored, frame) in takes.iter().zip(frames.answer) {
        let fate = match frame.map(|frame| work.open(&stored.letter, &frame)) {
            None => Some(Fate::Left(INCOMPLETE)),
            Some(Opened::Record(record)) => {
                letters.push(&stored.letter);
                records.push(record);
                None
            }
            Some(Opened::Unreadable(_)) if work.run.filter.needs_record() => Some(Fate::Other),
            Some(Opened::Unreadable(rejection)) => {
                Some(Fate::Rejected(rejection, Effects::default()))
            }
            Some(opened) => Some(foreign::fate(work, &stored.letter, opened).await),
        };
        fates.push(fate);
    }
    let mut of_records = of_records(work, &letters, records).await?.into_iter();
    let lost = || Fate::Unavailable(Unavailable::new(Reason::Bug, "no outcome"));
    Ok(fates
        .into_iter()
        .map(|fate| fate.or_else(|| of_records.next()).unwrap_or_else(lost))
        .collect())
}

async fn of_records<W: ReplayPorts, S: Sources>(
    work: &mut Work<'_, W, S>,
    letters: &[&Letter],
    records: Vec<Incoming>,
) -> Result<Vec<Fate>, Unavailable> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let until = work.until().await?;
    let again = if work.run.dry_run { records.clone() } else { Vec::new() };
    let admitted = admit(work, records, until).await;
    let filter = &work.run.filter;
    let known: Vec<Option<Fate>> = letters
        .iter()
        .zip(admitted.records())
        .map(|(letter, known)| match known.unavailable {
            // Nobody knows yet whether it matches.
            Some(unavailable) => Some(of_unavailable(work, unavailable)),
            None => (!filter.matches_record(letter, known)).then_some(Fate::Other),
        })
        .collect();
    if work.run.action == Action::Park {
        return Ok(known.into_iter().map(|fate| fate.unwrap_or(Fate::Parked)).collect());
    }
    let matching: Vec<bool> = known.iter().map(Option::is_none).collect();
    let settled = through(work, admitted, &matching, again, until).await?;
    let pairs = known.into_iter().zip(settled.iter());
    Ok(pairs.map(|(fate, settled)| fate.unwrap_or_else(|| of_settled(work, settled))).collect())
}

fn of_settled<W: ReplayPorts, S: Sources>(work: &Work<'_, W, S>, settled: &Settled) -> Fate {
    let mut effects = Effects {
        contract: settled.contract().map(ToString::to_string),
        subject: settled.subject().map(ToString::to_string),
        ..Effects::default()
    };
    match settled.verdict() {
        Verdict::Applied => {
            effects.add("applied", 1);
            effects.changed.extend(settled.key().map(|key| label(work.owner, &key)));
            Fate::Resolved(effects)
        }
        Verdict::Duplicate => {
            effects.add("duplicate", 1);
            Fate::Resolved(effects)
        }
        Verdict::Rejected(rejection) => Fate::Rejected(rejection, effects),
        Verdict::Unavailable(unavailable) => of_unavailable(work, &unavailable),
    }
}

/// A letter whose own subject cannot be read or written stays as it is, and the run goes on: otherwise every
/// run would pause before it, and the letters behind it would never be replayed. The same holds for the
/// trouble of one tenant among the operator's letters. What affects the whole run, or passes by itself, pauses
/// it.
fn of_unavailable<W: ReplayPorts, S: Sources>(
    work: &Work<'_, W, S>,
    unavailable: &Unavailable,
) -> Fate {
    let is_others = match unavailable.extent {
        Extent::Subject => !matches!(unavailable.reason, Reason::Contention | Reason::HotKey),
        // A contract that cannot be read is not every letter's.
        Extent::Tenant => work.owner.tenant().is_none() || unavailable.reason == Reason::Corrupt,
        Extent::Everyone => false,
    };
    if is_others {
        tracing::warn!(%unavailable, run = work.run.replay_id, "a letter stays as it is");
        return Fate::Left(UNAVAILABLE);
    }
    Fate::Unavailable(unavailable.clone())
}

/// Marks letters. What it gives for each says whether it is written.
pub(super) async fn mark_all<W: ReplayPorts, S: Sources>(
    work: &mut Work<'_, W, S>,
    takes: Vec<StoredLetter>,
    fates: &[Fate],
) -> Vec<Result<(), Unavailable>> {
    let (ports, owner, run) = (work.ports, work.owner, &work.run);
    let writes = takes.into_iter().zip(fates).map(|(stored, fate)| async move {
        let before = stored.letter.state;
        (before, mark::write(ports, owner, stored, fate, run).await)
    });
    // In a list: inside the stream, the closure would keep the future from being sent to a thread.
    let writes: Vec<_> = writes.collect();
    let written: Vec<_> = stream::iter(writes).buffered(MARKS).collect().await;
    let mut results = Vec::with_capacity(written.len());
    for (before, written) in written {
        results.push(written.map(|written| {
            work.charge(written.units);
            if let Some(letter) = written.answer {
                mark::count(work.tally.of(work.owner.tenant()), before, &letter);
            }
        }));
    }
    results
}
