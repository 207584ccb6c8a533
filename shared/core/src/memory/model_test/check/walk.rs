//! A history that is read part by part.

use std::collections::BTreeSet;

use super::super::observed::Observed;
use super::super::script::Walk;
use crate::base::id::{Position, SubjectKey};
use crate::ledger::range_read::{HistoryRange, Order, Portion};

/// A part of a history is what a sorted map of its version has there (promises 1 and 4).
pub(in super::super) fn portion(
    observed: &Observed,
    key: &SubjectKey,
    walk: &Walk,
    range: &HistoryRange,
    portion: Option<&Portion>,
) -> Result<(), String> {
    let Some(portion) = portion else {
        promise!(range.beyond.is_none(), "4: a subject that there was is gone");
        return Ok(());
    };
    let history = observed.histories.get(&(key.clone(), portion.head.version));
    let mut expected: Vec<&Position> =
        history.ok_or("4: a reader from the future")?.iter().map(|entry| &entry.position).collect();
    if range.order == Order::Descending {
        expected.reverse();
    }
    expected.retain(|position| {
        let beyond = range.beyond.as_ref().is_none_or(|beyond| match range.order {
            Order::Ascending => *position > beyond,
            Order::Descending => *position < beyond,
        });
        beyond && walk.wants(position)
    });
    let found: Vec<&Position> = portion.entries.iter().map(|entry| &entry.position).collect();
    promise!(expected.starts_with(&found), "1: a torn part of a history");
    let full = found.len() >= range.entries || range.bytes < usize::MAX;
    promise!(
        found.len() == expected.len() || full && portion.next.is_some(),
        "1: a part too short"
    );
    promise!(found.len() <= range.entries, "10: a part of more entries than asked for");
    let size: usize = portion.entries.iter().map(|entry| entry.plain_size()).sum();
    let last = portion.entries.last().map_or(0, |entry| entry.plain_size());
    promise!(size - last <= range.bytes, "10: a part of {size} bytes");
    let goes_on = portion.next.as_ref() != range.beyond.as_ref() || portion.next.is_none();
    promise!(goes_on, "10: a part that does not go on");
    Ok(())
}

/// What was there all the time is seen once, whatever was corrected in between.
pub(in super::super) fn walked(
    walk: &Walk,
    seen: &[Position],
    must_see: &BTreeSet<Position>,
) -> Result<(), String> {
    let in_order = |one: &Position, next: &Position| {
        if walk.backward { one > next } else { one < next }
    };
    promise!(seen.is_sorted_by(in_order), "1: a walk that sees something twice");
    let mut wanted = must_see.iter().filter(|position| walk.wants(position));
    promise!(wanted.all(|position| seen.contains(position)), "4: a walk that skips something");
    Ok(())
}
