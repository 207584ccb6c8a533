//! What a commit means for alerts, by the two images of its head.
//!
//! If a commit only appended, or inserted into the tail, the images show which episodes there are: both hold the
//! entries behind the base view of the old one. Where events went into pages, or views were brought up to date, the
//! images do not hold what changed, and history has to be read. While views are out of date, alerts wait for the
//! commit that brings them up to date.

use std::sync::Arc;

use crate::base::id::Position;
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::ledger::Head;
use crate::outputs::alerts::Cause;
use crate::outputs::alerts::latest::Backlog;
use crate::outputs::alerts::reconcile::KnownEpisodes;
use crate::outputs::changes::{Changes, Extent, Staleness};
use crate::view::Specs;
use crate::view::rules::RuleFold;

/// What a commit means for alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// What to do about them.
    pub work: Work,
    /// When to look at the subject again, if a timer is needed that is not armed.
    pub next_look: Option<Timestamp>,
}

/// What to do about the alerts of a subject.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Nothing, or nothing yet.
    Nothing,
    /// The subject was forgotten: its alerts go.
    Forget,
    /// These episodes are known.
    Known(Box<KnownEpisodes>),
    /// The history from this position on has to be read.
    Read(Option<Position>),
}

/// What a commit means. `specs` has to know the contracts of all entries of both tails.
pub fn effect(old: Option<&Head>, new: &Head, changes: &Changes, specs: &Specs) -> Effect {
    let from = earliest_added(changes);
    let read = |from| {
        let next_look = if changes.is_stale() { None } else { next_look_of(new, specs) };
        Effect { work: Work::Read(from), next_look }
    };
    let nothing = Effect { work: Work::Nothing, next_look: None };
    match &changes.staleness {
        _ if changes.is_forgotten => Effect { work: Work::Forget, next_look: None },
        // Also while views are out of date: the commit that brings them up to date does not show the gap.
        _ if changes.extent == Extent::Whole => read(None),
        // A carry that goes on later.
        Staleness::Stays(_) if is_carried_on(old, new) => read(stale_from(old)),
        Staleness::Stays(_) | Staleness::Begun(_) => nothing,
        Staleness::Cleared(stale) => read(from.into_iter().chain([stale.clone()]).min()),
        Staleness::Never => match (&changes.correction, from) {
            (Some(correction), None) if correction.from.is_none() => read(None),
            (_, Some(from)) if !changes.deep.is_empty() => read(Some(from)),
            (_, None) if old.and_then(|old| old.looked_until) == new.looked_until => nothing,
            (_, from) => by_images(old, new, changes, from, specs),
        },
    }
}

/// The earliest position that a commit added.
pub fn earliest_added(changes: &Changes) -> Option<Position> {
    let entered = changes.entered.iter().map(|entry| &entry.position);
    changes.deep.iter().chain(entered).min().cloned()
}

fn stale_from(head: Option<&Head>) -> Option<Position> {
    Some(head?.stale.as_ref()?.from.clone())
}

fn is_carried_on(old: Option<&Head>, new: &Head) -> bool {
    stale_from(old) < stale_from(Some(new))
}

/// The episodes by both images. `from`: the earliest entry of the commit; `None`: only a silence became known.
fn by_images(
    old: Option<&Head>,
    new: &Head,
    changes: &Changes,
    from: Option<Position>,
    specs: &Specs,
) -> Effect {
    let none = Head::default();
    let old = old.unwrap_or(&none);
    let begins_at = from.as_ref().map(|from| from.observed_at).or(new.watermark);
    let is_sealed = |entry: &&Arc<Entry>| Some(&entry.position) <= new.sealed.as_ref();
    let is_before = |entry: &&Arc<Entry>| Some(entry.position.observed_at) < begins_at;
    let now: Vec<&Arc<Entry>> = old.tail.iter().take_while(is_sealed).chain(&new.tail).collect();
    let (common, since) = now.split_at(now.partition_point(is_before));
    let mut start = RuleFold::from(old.base.rules.clone(), old.base.last_observed_at);
    start.take(common.iter().copied(), specs);
    let (mut before, mut after) = (start.resumed(), start.resumed());
    before.take(old.tail.iter().skip_while(is_before), specs);
    after.take(since.iter().copied(), specs);
    let next_look = next_look((&before, old), (&after, new), specs);
    before.look(old.looked_until, specs);
    after.look(new.looked_until, specs);
    if before.episodes() == after.episodes() {
        return Effect { work: Work::Nothing, next_look };
    }
    let received = changes.entered.iter().find(|entry| Some(&entry.position) == from.as_ref());
    let received = received.map(|entry| entry.ingested_at);
    let mut backlog = Backlog::default();
    backlog.add(now.iter().copied(), after.episodes());
    let known = KnownEpisodes {
        from: begins_at,
        last_at: after.last_at(),
        episodes: after.episodes().to_vec(),
        seen_by: changes.commit,
        cause: from.map_or(Cause::History, |from| Cause::event(&from, received)),
        backlog,
    };
    Effect { work: Work::Known(Box::new(known)), next_look }
}

/// When to look, if that is sooner than it was before the commit. A timer of before is armed, unless other rules were
/// in force when it would have been.
fn next_look(
    (before, old): (&RuleFold, &Head),
    (after, new): (&RuleFold, &Head),
    specs: &Specs,
) -> Option<Timestamp> {
    let due = after.next_look(new.looked_until, specs)?;
    let were_others = specs.version_at(received(old)) != specs.version_at(received(new));
    let armed = before.next_look(old.looked_until, specs).filter(|_| !were_others);
    armed.is_none_or(|armed| due < armed).then_some(due)
}

/// When the last of the newest entries was received.
fn received(head: &Head) -> Option<Timestamp> {
    head.tail.iter().map(|entry| entry.ingested_at).max()
}

/// The next time at which silence would change an alert of a subject whose views are up to date.
pub fn next_look_of(head: &Head, specs: &Specs) -> Option<Timestamp> {
    let mut fold = RuleFold::from(head.base.rules.clone(), head.base.last_observed_at);
    fold.take(&head.tail, specs);
    fold.next_look(head.looked_until, specs)
}

/// What changed the history, where nothing but a position is known of it.
pub fn cause_at(from: Option<&Position>, entries: &[Arc<Entry>]) -> Cause {
    let Some(from) = from else { return Cause::History };
    let entry = entries.iter().find(|entry| entry.position == *from);
    Cause::event(from, entry.map(|entry| entry.ingested_at))
}

/// The entries of both tails.
pub fn entries_of<'a>(
    old: Option<&'a Head>,
    new: &'a Head,
) -> impl Iterator<Item = &'a Arc<Entry>> {
    old.into_iter().flat_map(|old| &old.tail).chain(&new.tail)
}
