//! Processes the letters of one step: opens them, sends their records through the pipeline, and
//! marks the letters.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};

use super::outcome::{self, Effects, IGNORED, INCOMPLETE, LetterOutcome, UNAVAILABLE};
use super::runner::Runner;
use super::through::{admit, through};
use super::views::label;
use super::{Action, ReplayPorts, Sources, batch_reference};
use crate::base::dependency::Dependency;
use crate::base::error::{Extent, Reason, Unavailable};
use crate::dead_letter::letter::{Letter, StoredLetter, Wanted};
use crate::dead_letter::opened::Opened;
use crate::intake::record::Incoming;
use crate::pipeline::{RecordOutcome, Settled};

/// Letters that are marked concurrently.
const MARKS: usize = 16;

/// The outcome of each of these letters. Does not mark the letters.
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
    let mut frames = frames.answer.into_iter();
    let mut outcomes = Vec::with_capacity(takes.len());
    let (mut letters, mut records) = (Vec::new(), Vec::new());
    for (at, stored) in takes.iter().enumerate() {
        let outcome = match frames.next().flatten().map(|frame| runner.open(&stored.letter, &frame))
        {
            None => LetterOutcome::Left(INCOMPLETE),
            Some(Opened::Record(record)) => {
                letters.push((at, &stored.letter));
                records.push(record);
                continue;
            }
            Some(Opened::Unreadable(_)) if runner.run.filter.needs_record() => LetterOutcome::Other,
            Some(Opened::Unreadable(rejection)) => {
                LetterOutcome::Rejected(rejection, Effects::default())
            }
            Some(opened) => batch_reference::outcome(runner, &stored.letter, opened).await,
        };
        outcomes.push((at, outcome));
    }
    outcomes.extend(of_records(runner, &letters, records).await?);
    outcomes.sort_unstable_by_key(|(at, _)| *at);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

/// The outcomes of letters that are one record each, with the places that these letters come with.
async fn of_records<W: ReplayPorts, S: Sources>(
    runner: &mut Runner<'_, W, S>,
    letters: &[(usize, &Letter)],
    records: Vec<Incoming>,
) -> Result<Vec<(usize, LetterOutcome)>, Unavailable> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let until = runner.until().await?;
    let again = if runner.run.dry_run { records.clone() } else { Vec::new() };
    let mut admitted = admit(runner, records, until).await;
    let filter = &runner.run.filter;
    // A letter of a whole record may stand for several elements.
    let known = admitted.records().map(|known| {
        let letter = letters.get(known.index).map(|(_, letter)| letter);
        let outcome = match (known.unavailable, letter) {
            // Whether the letter matches is not known yet.
            (Some(unavailable), _) => Some(of_unavailable(runner, unavailable)),
            (None, Some(letter)) if filter.matches_record(letter, known) => {
                (runner.run.action == Action::Park).then_some(LetterOutcome::Parked)
            }
            (None, _) => Some(LetterOutcome::Other),
        };
        (known.index, outcome)
    });
    let known: Vec<(usize, Option<LetterOutcome>)> = known.collect();
    admitted.retain(|place| matches!(known.get(place), Some((_, None))));
    let settled = through(runner, admitted, again, until).await?;
    let known = known.into_iter().filter_map(|(index, outcome)| Some((index, outcome?)));
    let settled = settled.iter().map(|settled| (settled.index(), of_settled(runner, settled)));
    let mut outcomes = BTreeMap::new();
    for (index, outcome) in known.chain(settled) {
        let Some((at, _)) = letters.get(index) else { continue };
        let together = match outcomes.remove(at) {
            Some(other) => LetterOutcome::together(other, outcome),
            None => outcome,
        };
        outcomes.insert(*at, together);
    }
    Ok(outcomes.into_iter().collect())
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
    match settled.outcome() {
        RecordOutcome::Applied => {
            effects.add("applied", 1);
            effects.changed.extend(settled.key().map(|key| label(runner.owner, &key)));
            LetterOutcome::Resolved(effects)
        }
        RecordOutcome::Duplicate => {
            effects.add("duplicate", 1);
            LetterOutcome::Resolved(effects)
        }
        RecordOutcome::Ignored => {
            effects.add(IGNORED, 1);
            LetterOutcome::Resolved(effects)
        }
        RecordOutcome::Rejected(rejection) => LetterOutcome::Rejected(rejection.clone(), effects),
        RecordOutcome::Unavailable(unavailable) => of_unavailable(runner, unavailable),
    }
}

/// If a letter's own subject cannot be read or written, the letter stays unchanged and the run
/// continues. Otherwise every run would pause at this letter and never reach the later ones. The
/// same applies to a fault of one tenant among the operator's letters. A fault that affects the
/// whole run, or that passes by itself, pauses the run.
fn of_unavailable<W: ReplayPorts, S: Sources>(
    runner: &Runner<'_, W, S>,
    unavailable: &Unavailable,
) -> LetterOutcome {
    let is_others = match unavailable.extent {
        Extent::Subject => !matches!(unavailable.reason, Reason::Contention | Reason::HotKey),
        // An unreadable contract does not affect every letter.
        Extent::Tenant => runner.owner.tenant().is_none() || unavailable.reason == Reason::Corrupt,
        Extent::Everyone => false,
    };
    if is_others {
        let dependency = unavailable.dependency.map(Dependency::as_str);
        let (run, causes) = (&runner.run.replay_id, unavailable.causes());
        tracing::warn!(%unavailable, dependency, causes, run, "a letter stays unchanged");
        return LetterOutcome::Left(UNAVAILABLE);
    }
    LetterOutcome::Unavailable(unavailable.clone())
}

/// Marks letters. Returns for each letter whether the mark was written.
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
    // Collected into a list, because a closure inside the stream would make the future not `Send`.
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
