//! Decides what a run does with each letter, and how many letters make a step. Pure.

use super::action::Action;
use super::run::Run;
use crate::dead_letter::letter::{Letter, LetterAttempt, StoredLetter};
use crate::dead_letter::origin::{Origin, Other};

/// Maximum number of letters that go through the pipeline together.
const STEP_LETTERS: usize = 200;
/// Maximum bytes of their contents. The first letter may be larger.
const STEP_BYTES: usize = 8 * 1024 * 1024;

/// What a run does with a letter.
pub(super) enum Turn {
    /// Skips it.
    Skip,
    /// Counts it: the letter is marked already, but the run was interrupted before it was counted.
    Count(LetterAttempt),
    /// Processes it.
    Take,
}

/// What this run does with this letter.
pub(super) fn turn(run: &Run, letter: &Letter) -> Turn {
    match &letter.tried {
        Some(tried) if tried.run == run.replay_id => Turn::Count(tried.clone()),
        _ if letter.filed_at > run.started_at => Turn::Skip,
        _ if run.filter.matches(letter) => Turn::Take,
        _ => Turn::Skip,
    }
}

/// The number of letters in the next step: as many as may go together, or one letter that stands
/// for many records, plus the letters after them that need no processing.
pub(super) fn step_length(run: &Run, letters: &[StoredLetter]) -> usize {
    let most = usize::try_from(run.rate).unwrap_or(usize::MAX).min(STEP_LETTERS);
    let left = usize::try_from(run.left()).unwrap_or(usize::MAX);
    let (mut taken, mut counted, mut bytes) = (0, 0, 0);
    for (at, letter) in letters.iter().enumerate() {
        match turn(run, &letter.letter) {
            Turn::Skip => continue,
            Turn::Count(_) => {}
            Turn::Take => {
                let alone = run.action == Action::Replay && is_batch(&letter.letter);
                bytes += letter.letter.bytes;
                let full = taken == most || bytes > STEP_BYTES || alone;
                if taken > 0 && full {
                    return at;
                }
                taken += 1;
                if alone {
                    return at + 1;
                }
            }
        }
        counted += 1;
        if counted == left {
            return at + 1;
        }
    }
    letters.len()
}

/// Whether a letter stands for many records.
fn is_batch(letter: &Letter) -> bool {
    matches!(letter.source, Origin::Other(Other::Batch { .. } | Other::Object { .. }))
}
