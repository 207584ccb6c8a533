//! The outcome of a letter in a run, and how it changes the letter. Only [`write`] does I/O.

use super::run::Run;
use crate::base::cost::{Metered, Units};
use crate::base::error::{Reason, Rejection, Unavailable};
use crate::base::metrics::{Counts, Metric};
use crate::dead_letter::letter::{Letter, LetterAttempt, Owner, State, StoredLetter};
use crate::ports::Letters;

/// Maximum number of attempts to mark a letter while other writers change it.
const ATTEMPTS: usize = 5;

/// The letter was parked.
pub(super) const PARKED: &str = "parked";
/// The event log no longer has the offsets, or the object no longer exists.
pub(super) const LOST: &str = "lost";
/// Chunks of the letter are missing.
pub(super) const INCOMPLETE: &str = "incomplete";
/// The letter refers to offsets, and the deployment has no event log.
pub(super) const NO_STREAM: &str = "no_stream";
/// The message has a known format now and was filed again in that format.
pub(super) const FILED: &str = "filed";
/// The subject's history and state are sent to the feeds again.
pub(super) const RESENT: &str = "resent";
/// The object exceeds the size limit.
pub(super) const OBJECT_TOO_LARGE: &str = "object_too_large";
/// The letter refers to an S3 object, and the deployment does not read S3.
pub(super) const NO_OBJECTS: &str = "no_objects";

/// The contract or the route now ignores the record, or the contract no longer makes the element.
pub(super) const IGNORED: &str = "ignored";

/// The subject or the tenant of the letter is unavailable.
pub(super) const UNAVAILABLE: &str = "unavailable";

/// The outcome of a letter in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LetterOutcome {
    /// The letter does not match the filter.
    Other,
    /// The letter stays unchanged, for this reason.
    Left(&'static str),
    /// The event of the letter, or every record of its batch, is processed.
    Resolved(Effects),
    /// Some records of the letter no longer exist.
    Lost(Effects),
    /// The record was rejected again.
    Rejected(Rejection, Effects),
    /// The letter is parked.
    Parked,
    /// A dependency failed; a later run may succeed.
    Unavailable(Unavailable),
}

/// The effects of replaying a letter, or in a dry run the effects it would have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Effects {
    /// Outcomes with their counts. A batch may have several.
    pub(super) outcomes: Vec<(String, u64)>,
    /// Subjects whose view changed.
    pub(super) changed: Vec<String>,
    /// What is known now and was not before.
    pub(super) contract: Option<String>,
    pub(super) subject: Option<String>,
}

impl Effects {
    fn merge(&mut self, other: Self) {
        other.outcomes.into_iter().for_each(|(outcome, count)| self.add(&outcome, count));
        for label in other.changed {
            if self.changed.len() < super::run::CHANGED && !self.changed.contains(&label) {
                self.changed.push(label);
            }
        }
        // It is of many subjects then.
        if self.subject != other.subject {
            self.subject = None;
        }
    }

    pub(super) fn add(&mut self, outcome: &str, count: u64) {
        match self.outcomes.iter_mut().find(|(known, _)| known == outcome) {
            Some((_, sum)) => *sum += count,
            None => self.outcomes.push((outcome.to_owned(), count)),
        }
    }
}

impl LetterOutcome {
    /// Merges two outcomes of a letter with several elements. The letter is resolved only if every element
    /// is.
    pub(super) fn together(one: Self, other: Self) -> Self {
        match (one, other) {
            (Self::Resolved(mut effects), Self::Resolved(others)) => {
                effects.merge(others);
                Self::Resolved(effects)
            }
            (first, second) if second.rank() > first.rank() => second,
            (first, _) => first,
        }
    }

    /// The precedence of an outcome when outcomes are merged.
    const fn rank(&self) -> u8 {
        match self {
            Self::Other => 0,
            Self::Resolved(_) | Self::Lost(_) => 1,
            Self::Parked => 2,
            Self::Rejected(..) => 3,
            Self::Left(_) => 4,
            Self::Unavailable(_) => 5,
        }
    }

    /// The attempt that the run records. `None`: the letter does not match.
    pub(super) fn tried(&self, run: &Run) -> Result<Option<LetterAttempt>, Unavailable> {
        let once = |outcome: &str| vec![(outcome.to_owned(), 1)];
        let (outcomes, changed) = match self {
            Self::Other => return Ok(None),
            Self::Unavailable(unavailable) => return Err(unavailable.clone()),
            Self::Left(outcome) => (once(outcome), Vec::new()),
            Self::Parked => (once(PARKED), Vec::new()),
            Self::Resolved(effects) | Self::Lost(effects) => {
                (effects.outcomes.clone(), effects.changed.clone())
            }
            Self::Rejected(rejection, _) => (once(rejection.code.as_str()), Vec::new()),
        };
        Ok(Some(LetterAttempt { run: run.replay_id.clone(), outcomes, changed }))
    }

    /// The changed letter. `None`: the letter stays unchanged.
    pub(super) fn mark(&self, letter: &Letter, run: &Run) -> Option<Letter> {
        let tried = self.tried(run).ok().flatten()?;
        let mut marked = letter.clone();
        match self {
            Self::Other | Self::Unavailable(_) | Self::Left(_) => return None,
            Self::Parked => marked.state = State::Parked,
            Self::Resolved(effects) => {
                marked.state = State::Resolved;
                effects.name(&mut marked);
            }
            Self::Lost(effects) => {
                marked.state = State::Parked;
                marked.replay_count += 1;
                let lost = lost(&effects.outcomes);
                marked.message = format!("some of this is gone for good: lost=`{lost}`");
            }
            Self::Rejected(rejection, effects) => {
                marked.replay_count += 1;
                marked.code = rejection.code.as_str().to_owned();
                marked.path.clone_from(&rejection.path);
                marked.message.clone_from(&rejection.message);
                effects.name(&mut marked);
                if marked.replay_count >= run.max_replays {
                    marked.state = State::Parked;
                }
            }
        }
        marked.tried = Some(tried);
        Some(marked)
    }
}

impl Effects {
    fn name(&self, letter: &mut Letter) {
        if self.contract.is_some() {
            letter.contract.clone_from(&self.contract);
        }
        if self.subject.is_some() {
            letter.subject.clone_from(&self.subject);
        }
    }
}

/// Counts a marked letter.
pub(super) fn count(counts: &mut Counts, before: State, after: &Letter) {
    match after.state {
        State::Resolved => counts.add(Metric::DeadLettersResolved),
        State::Parked if before != State::Parked => counts.add(Metric::DeadLettersParked),
        State::Parked | State::Open => {}
    }
    let lost = after.tried.as_ref().map_or(0, |tried| lost(&tried.outcomes));
    counts.add_many(Metric::OffsetsLost, usize::try_from(lost).unwrap_or(usize::MAX));
}

fn lost(outcomes: &[(String, u64)]) -> u64 {
    outcomes.iter().find(|(outcome, _)| outcome == LOST).map_or(0, |(_, count)| *count)
}

/// Marks a letter with an outcome and returns the marked letter. If another writer has changed the letter,
/// the changed version is marked. `None`: the letter stays unchanged, for example because another run,
/// which has lost its lease, has already resolved it.
pub(super) async fn write(
    letters: &impl Letters,
    owner: &Owner,
    stored: StoredLetter,
    outcome: &LetterOutcome,
    run: &Run,
) -> Result<Metered<Option<Letter>>, Unavailable> {
    let mut stored = stored;
    let mut units = Units::default();
    for _ in 0..ATTEMPTS {
        let Some(marked) = outcome.mark(&stored.letter, run) else {
            return Ok(Metered { answer: None, units });
        };
        let replaced = letters.replace_letter(owner, &stored, &marked).await?;
        units += replaced.units;
        if replaced.answer {
            return Ok(Metered { answer: Some(marked), units });
        }
        let found = letters.letter(owner, &stored.letter.id).await?;
        units += found.units;
        match found.answer {
            Some(found) if found.letter.state != State::Resolved => stored = found,
            // Another run has resolved the letter, or it has expired.
            _ => return Ok(Metered { answer: None, units }),
        }
    }
    let message = "other writers won every attempt at this letter";
    Err(Unavailable::new(Reason::Contention, message))
}
