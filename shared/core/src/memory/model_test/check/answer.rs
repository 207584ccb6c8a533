//! What environments acknowledge and what readers are told.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::observed::Observed;
use super::super::script::{Spec, specs};
use super::{letters, stored};
use crate::base::id::{Position, SubjectKey};
use crate::event::Entry;
use crate::ledger::read::{Question, Snapshot};
use crate::pipeline::Disposition;
use crate::view::{View, fold};

/// An acknowledged record is where its disposition says (promise 5).
pub(in super::super) fn acknowledgement(
    observed: &Observed,
    at: usize,
    spec: &Spec,
    disposition: Disposition,
) -> Result<(), String> {
    let state = observed.memory.state();
    match disposition {
        Disposition::Ignored => {
            promise!(false, "5: ignored, although no contract and no route ignores a record")
        }
        Disposition::Applied | Disposition::Duplicate => {
            let now = stored(&state, &spec.key())?;
            let found =
                now.is_some_and(|now| now.entries().any(|entry| entry.position == spec.position()));
            promise!(found, "5: acknowledged, and not in the history: {}", spec.position());
        }
        Disposition::DeadLettered(code) => {
            let found = letters(&state).get(&at).is_some_and(|codes| codes.contains(&code));
            promise!(found, "5: acknowledged, and no letter of {code}");
        }
        Disposition::Buffered => promise!(!state.buffer.is_empty(), "5: not in the buffer"),
        Disposition::Returned => {}
    }
    Ok(())
}

/// Only what everyone shares sends a record back, and never the trouble of one tenant or subject.
pub(in super::super) fn returned(shared_failed: bool) -> Result<(), String> {
    promise!(shared_failed, "13: a record was returned, and nothing failed that everyone shares");
    Ok(())
}

/// What a reader was told is its version of the ledger, as the naive reference has it, and no older
/// than its question (promises 1 and 4).
pub(in super::super) fn snapshot(
    observed: &Observed,
    key: &SubjectKey,
    question: Question,
    snapshot: Option<&Snapshot>,
    must_see: &BTreeSet<Position>,
) -> Result<(), String> {
    let specs = specs();
    let Some(snapshot) = snapshot else {
        promise!(must_see.is_empty(), "4: a reader found nothing of what was acknowledged");
        return Ok(());
    };
    let history = observed.histories.get(&(key.clone(), snapshot.head.version));
    let history = history.ok_or("4: a reader from the future")?;
    let has = |position: &Position| {
        history.binary_search_by(|entry| entry.position.cmp(position)).is_ok()
    };
    promise!(must_see.iter().all(has), "4: a reader of a state before what was acknowledged");
    match question {
        Question::Live => {
            let expected = fold(View::default(), history, specs);
            promise!(snapshot.live(specs) == expected, "1: a live view is not the fold");
        }
        Question::AsOf(at) => {
            let view = snapshot.as_of(at, specs).ok_or("1: a view of the past has expired")?;
            let until = |entry: &&Arc<Entry>| entry.position.observed_at <= at;
            let expected = fold(View::default(), history.iter().take_while(until), specs);
            promise!(view == expected, "1: a past view is not the fold of its past");
        }
        Question::History { from, to } => {
            let inside = |entry: &&Arc<Entry>| {
                let at = entry.position.observed_at;
                from.is_none_or(|from| from <= at) && to.is_none_or(|to| at < to)
            };
            let found = snapshot.entries().filter(inside);
            promise!(found.eq(history.iter().filter(inside)), "1: a torn history");
            let is_whole = from.is_none() && to.is_none();
            promise!(
                !is_whole || snapshot.live(specs) == fold(View::default(), history, specs),
                "1: a torn history: the view is not its fold"
            );
        }
    }
    Ok(())
}
