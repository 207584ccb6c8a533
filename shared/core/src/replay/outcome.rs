//! What a run writes about a letter once its fate is known. Pure, but for the write itself.

use super::run::Run;
use crate::base::cost::{Metered, Units};
use crate::base::error::{Reason, Rejection, Unavailable};
use crate::base::metrics::{Counts, Metric};
use crate::dead_letter::letter::{Letter, LetterAttempt, Owner, State, StoredLetter};
use crate::ports::Letters;

/// How often somebody else may change a letter before marking it gives up.
const ATTEMPTS: usize = 5;

/// The outcome of a letter that was put aside.
pub(super) const PARKED: &str = "parked";
/// The outcome of offsets that no stream holds any more, and of an object that is gone.
pub(super) const LOST: &str = "lost";
/// The outcome of a letter of which parts are missing.
pub(super) const INCOMPLETE: &str = "incomplete";
/// The outcome of a letter that only a stream could open, where there is none.
pub(super) const NO_STREAM: &str = "no_stream";
/// The outcome of a message that is known by now, and filed as what it is.
pub(super) const FILED: &str = "filed";
/// The outcome of an object over the limit.
pub(super) const OBJECT_TOO_LARGE: &str = "object_too_large";
/// The outcome of a letter that only S3 could open, where it is not read.
pub(super) const NO_OBJECTS: &str = "no_objects";

/// The outcome of a record that its contract or its route ignores by now, or of an element that its contract
/// does not make any more.
pub(super) const IGNORED: &str = "ignored";

/// The outcome of a letter whose own subject or tenant is unavailable.
pub(super) const UNAVAILABLE: &str = "unavailable";

/// What became of a letter in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LetterOutcome {
    /// It does not match after all.
    Other,
    /// It stays as it is, for this reason.
    Left(&'static str),
    /// Its event, or every record of its batch, is where it belongs.
    Resolved(Effects),
    /// Some of what it stands for is gone.
    Lost(Effects),
    /// It was refused again.
    Rejected(Rejection, Effects),
    /// It is put aside.
    Parked,
    /// It may pass later.
    Unavailable(Unavailable),
}

/// What a letter has done, or would have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Effects {
    /// Outcomes and how often: more than one for a batch.
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
    /// What became of a letter that stands for several elements. It is resolved when each of them is.
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

    /// What counts more for a letter as a whole.
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

    /// What the run counts; `None`: nothing, because it does not match.
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

    /// The letter afterwards; `None`: it stays as it is.
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

/// Counts what is marked.
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

/// Marks a letter. Where somebody else changed it meanwhile, their version is marked, unless that is
/// done with already: two runs, of which one had lost its lease, did the same.
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
            // Done by somebody else, or expired.
            _ => return Ok(Metered { answer: None, units }),
        }
    }
    let message = "a letter changes all the time";
    Err(Unavailable::new(Reason::Contention, message))
}
