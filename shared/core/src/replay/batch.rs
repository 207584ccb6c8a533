//! The letters of one step: opened, through the pipeline, and marked.

use futures_util::{StreamExt as _, stream};

use super::outcome::{self, Effects, IGNORED, INCOMPLETE, LetterOutcome, UNAVAILABLE};
use super::runner::Runner;
use super::through::{admit, through};
use super::views::label;
use super::{Action, ReplayPorts, Sources, batch_reference};
use crate::base::error::{Extent, Reason, Unavailable};
use crate::dead_letter::letter::{Letter, StoredLetter, Wanted};
use crate::dead_letter::opened::Opened;
use crate::intake::record::Incoming;
use crate::pipeline::{Settled, Verdict};

/// Letters that are marked at once.
const MARKS: usize = 16;
/// What becomes of each of these letters. Nothing is written about them here.
pub(super) async fn outcomes<W: ReplayPorts, S: Sources>(
    runner: &mut Runner<'_, W, S>,
    takes: &[StoredLetter],
) -> Result<Vec<LetterOutcome>, Unavailable> {
    if takes.is_empty() {
        return Ok(Vec::new());
    }
    if runner.run.action == Action::Park && !runner.run.filter.needs_record() {
        return Ok(takes.iter().map(|_| LetterOutcome::Parked).collect());
    }
    let wanted: Vec<Wanted> = takes.iter().map(|stored| stored.letter.wanted()).collect();
    let frames = runner.ports.contents(runner.owner, &wanted).await?;
    runner.charge(frames.units);
    let mut outcomes = Vec::with_capacity(takes.len());
    let (mut letters, mut records) = (Vec::new(), Vec::new());
    for (stored, frame) in takes.iter().zip(frames.answer) {
        let outcome = match frame.map(|frame| runner.open(&stored.letter, &frame)) {
            None => Some(LetterOutcome::Left(INCOMPLETE)),
            Some(Opened::Record(record)) => {
                letters.push(&stored.letter);
                records.push(record);
                None
            }
            Some(Opened::Unreadable(_)) if runner.run.filter.needs_record() => {
                Some(LetterOutcome::Other)
            }
            Some(Opened::Unreadable(rejection)) => {
                Some(LetterOutcome::Rejected(rejection, Effects::default()))
            }
            Some(opened) => Some(batch_reference::outcome(runner, &stored.letter, opened).await),
        };
        outcomes.push(outcome);
    }
    let mut of_records = of_records(runner, &letters, records).await?.into_iter();
    let lost = || LetterOutcome::Unavailable(Unavailable::new(Reason::Bug, "no outcome"));
    Ok(outcomes
        .into_iter()
        .map(|outcome| outcome.or_else(|| of_records.next()).unwrap_or_else(lost))
        .collect())
}

async fn of_records<W: ReplayPorts, S: Sources>(
    runner: &mut Runner<'_, W, S>,
    letters: &[&Letter],
    records: Vec<Incoming>,
) -> Result<Vec<LetterOutcome>, Unavailable> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let until = runner.until().await?;
    let again = if runner.run.dry_run { records.clone() } else { Vec::new() };
    let admitted = admit(runner, records, until).await;
    let filter = &runner.run.filter;
    let known: Vec<Option<LetterOutcome>> = letters
        .iter()
        .zip(admitted.records())
        .map(|(letter, known)| match known.unavailable {
            // Nobody knows yet whether it matches.
            Some(unavailable) => Some(of_unavailable(runner, unavailable)),
            None => (!filter.matches_record(letter, known)).then_some(LetterOutcome::Other),
        })
        .collect();
    if runner.run.action == Action::Park {
        return Ok(known
            .into_iter()
            .map(|outcome| outcome.unwrap_or(LetterOutcome::Parked))
            .collect());
    }
    let matching: Vec<bool> = known.iter().map(Option::is_none).collect();
    let settled = through(runner, admitted, &matching, again, until).await?;
    let pairs = known.into_iter().zip(settled.iter());
    Ok(pairs
        .map(|(outcome, settled)| outcome.unwrap_or_else(|| of_settled(runner, settled)))
        .collect())
}

fn of_settled<W: ReplayPorts, S: Sources>(
    runner: &Runner<'_, W, S>,
    settled: &Settled,
) -> LetterOutcome {
    let mut effects = Effects {
        contract: settled.contract().map(ToString::to_string),
        subject: settled.subject().map(ToString::to_string),
        ..Effects::default()
    };
    match settled.verdict() {
        Verdict::Applied => {
            effects.add("applied", 1);
            effects.changed.extend(settled.key().map(|key| label(runner.owner, &key)));
            LetterOutcome::Resolved(effects)
        }
        Verdict::Duplicate => {
            effects.add("duplicate", 1);
            LetterOutcome::Resolved(effects)
        }
        Verdict::Ignored => {
            effects.add(IGNORED, 1);
            LetterOutcome::Resolved(effects)
        }
        Verdict::Rejected(rejection) => LetterOutcome::Rejected(rejection, effects),
        Verdict::Unavailable(unavailable) => of_unavailable(runner, &unavailable),
    }
}

/// A letter whose own subject cannot be read or written stays as it is, and the run goes on: otherwise every
/// run would pause before it, and the letters behind it would never be replayed. The same holds for the
/// trouble of one tenant among the operator's letters. What affects the whole run, or passes by itself, pauses
/// it.
fn of_unavailable<W: ReplayPorts, S: Sources>(
    runner: &Runner<'_, W, S>,
    unavailable: &Unavailable,
) -> LetterOutcome {
    let is_others = match unavailable.extent {
        Extent::Subject => !matches!(unavailable.reason, Reason::Contention | Reason::HotKey),
        // A contract that cannot be read is not every letter's.
        Extent::Tenant => runner.owner.tenant().is_none() || unavailable.reason == Reason::Corrupt,
        Extent::Everyone => false,
    };
    if is_others {
        tracing::warn!(%unavailable, run = runner.run.replay_id, "a letter stays as it is");
        return LetterOutcome::Left(UNAVAILABLE);
    }
    LetterOutcome::Unavailable(unavailable.clone())
}

/// Marks letters. What it gives for each says whether it is written.
pub(super) async fn mark_all<W: ReplayPorts, S: Sources>(
    runner: &mut Runner<'_, W, S>,
    takes: Vec<StoredLetter>,
    outcomes: &[LetterOutcome],
) -> Vec<Result<(), Unavailable>> {
    let (ports, owner, run) = (runner.ports, runner.owner, &runner.run);
    let writes = takes.into_iter().zip(outcomes).map(|(stored, outcome)| async move {
        let before = stored.letter.state;
        (before, outcome::write(ports, owner, stored, outcome, run).await)
    });
    // In a list: inside the stream, the closure would keep the future from being sent to a thread.
    let writes: Vec<_> = writes.collect();
    let written: Vec<_> = stream::iter(writes).buffered(MARKS).collect().await;
    let mut results = Vec::with_capacity(written.len());
    for (before, written) in written {
        results.push(written.map(|written| {
            runner.charge(written.units);
            if let Some(letter) = written.answer {
                outcome::count(runner.tally.of(runner.owner.tenant()), before, &letter);
            }
        }));
    }
    results
}
