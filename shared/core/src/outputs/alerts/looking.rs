//! What a commit means for alerts, by the two images of its head.
//!
//! A commit that only appended, or inserted into the tail, is told from the images: both hold the entries behind the
//! base view of the old one. Where events went into pages, or views were brought up to date, the images do not hold
//! what changed, and history has to be read. While views are out of date alerts wait: the commit that brings them up
//! to date comes later.

use std::sync::Arc;

use crate::base::id::Position;
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::ledger::Head;
use crate::outputs::alerts::Cause;
use crate::outputs::alerts::reconcile::Told;
use crate::outputs::changes::{Changes, Extent, Staleness};
use crate::view::Specs;
use crate::view::rules::{Episode, Episodes, RuleStates};

/// What a commit means for alerts.
#[derive(Clone, Debug, PartialEq)]
pub enum Look {
    /// Nothing, or nothing yet.
    Nothing,
    /// The subject was forgotten: its alerts go.
    Forget,
    /// The episodes of this part are known.
    Told(Box<Told>),
    /// The history from this position on has to be read.
    Read(Option<Position>),
}

/// The states of rules on the way through a history.
#[derive(Clone, Debug)]
pub struct RuleFold {
    states: RuleStates,
    last_at: Option<Timestamp>,
    episodes: Episodes,
}

impl RuleFold {
    /// From the states after a part of the history, whose last entry was observed then.
    pub fn from(states: RuleStates, last_at: Option<Timestamp>) -> Self {
        let episodes = Episodes::open_in(&states);
        Self { states, last_at, episodes }
    }

    /// Goes on by the next entries.
    pub fn take<'a>(&mut self, entries: impl IntoIterator<Item = &'a Arc<Entry>>, specs: &Specs) {
        for entry in entries {
            self.episodes.take(self.states.apply(entry, self.last_at, specs));
            self.last_at = Some(entry.position.observed_at);
        }
    }

    /// When the last entry was observed.
    pub fn last_at(&self) -> Option<Timestamp> {
        self.last_at
    }

    /// The episodes that were open at the beginning, and those that opened since.
    pub fn episodes(&self) -> &[Episode] {
        self.episodes.list()
    }
}

/// Looks at a commit. `specs` has to know the contracts of all entries of both tails.
pub fn look(old: Option<&Head>, new: &Head, changes: &Changes, specs: &Specs) -> Look {
    let from = first(changes);
    match &changes.staleness {
        _ if changes.is_forgotten => Look::Forget,
        // A carry that goes on later.
        Staleness::Stays(_) if is_carried_on(old, new) => Look::Read(stale_from(old)),
        Staleness::Stays(_) | Staleness::Begun(_) => Look::Nothing,
        _ if changes.extent == Extent::Whole => Look::Read(None),
        Staleness::Cleared(stale) => Look::Read(from.into_iter().chain([stale.clone()]).min()),
        Staleness::Never => match (&changes.correction, from) {
            (Some(correction), None) if correction.from.is_none() => Look::Read(None),
            (_, None) => Look::Nothing,
            (_, Some(from)) if !changes.deep.is_empty() => Look::Read(Some(from)),
            (_, Some(from)) => by_images(old, new, changes, from, specs),
        },
    }
}

/// The earliest position that a commit added.
pub fn first(changes: &Changes) -> Option<Position> {
    let entered = changes.entered.iter().map(|entry| &entry.position);
    changes.deep.iter().chain(entered).min().cloned()
}

fn stale_from(head: Option<&Head>) -> Option<Position> {
    Some(head?.stale.as_ref()?.from.clone())
}

fn is_carried_on(old: Option<&Head>, new: &Head) -> bool {
    stale_from(old) < stale_from(Some(new))
}

fn by_images(
    old: Option<&Head>,
    new: &Head,
    changes: &Changes,
    from: Position,
    specs: &Specs,
) -> Look {
    let none = Head::default();
    let old = old.unwrap_or(&none);
    let is_sealed = |entry: &&Arc<Entry>| Some(&entry.position) <= new.sealed.as_ref();
    let is_before = |entry: &&Arc<Entry>| entry.position.observed_at < from.observed_at;
    let now: Vec<&Arc<Entry>> = old.tail.iter().take_while(is_sealed).chain(&new.tail).collect();
    let (common, since) = now.split_at(now.partition_point(is_before));
    let mut before = RuleFold::from(old.base.rules.clone(), old.base.last_observed_at);
    before.take(common.iter().copied(), specs);
    let states = (before.states, before.last_at);
    let (mut before, mut after) =
        (RuleFold::from(states.0.clone(), states.1), RuleFold::from(states.0, states.1));
    before.take(old.tail.iter().skip_while(is_before), specs);
    after.take(since.iter().copied(), specs);
    if before.episodes() == after.episodes() {
        return Look::Nothing;
    }
    let received = changes.entered.iter().find(|entry| entry.position == from);
    let told = Told {
        from: Some(from.observed_at),
        last_at: after.last_at(),
        episodes: after.episodes().to_vec(),
        seen_by: changes.commit,
        cause: Cause::event(&from, received.map(|entry| entry.ingested_at)),
    };
    Look::Told(Box::new(told))
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
