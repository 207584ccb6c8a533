//! What a commit changed, as far as the two images of its head tell.
//!
//! The images hold the tails before and after, what the commit froze, how far events were settled before and
//! after, and the positions that it inserted into pages (the note). They do not hold the entries at those
//! positions, which only pages have. Nor do they hold what was sealed before it was settled: entries that
//! became settled are all in the images only if everything in pages was settled before and the note is empty.
//! Otherwise history has to be read ([`history`](super::history)).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::id::Position;
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::ledger::Head;
use crate::ledger::touch::Touch;

/// What a commit changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// The commit.
    pub commit: CommitId,
    /// The epoch after it.
    pub epoch: u64,
    /// How much of the history is to be told.
    pub extent: Extent,
    /// The entries that it added to the tail, sorted.
    pub entered: Vec<Arc<Entry>>,
    /// The positions of the entries that it inserted into pages, sorted.
    pub deep: Vec<Position>,
    /// The entries that became settled and were not late.
    pub settled: Settled,
    /// What was observed up to then was settled before.
    pub released_before: Option<Timestamp>,
    /// What was observed up to then is settled afterwards.
    pub released: Option<Timestamp>,
    /// Whether some event was not settled before.
    pub had_unsettled: bool,
    /// Whether some event is not settled afterwards.
    pub has_unsettled: bool,
    /// What somebody who holds everything that was settled before has to know first.
    pub correction: Option<Correction>,
    /// Why the head was written, if no event came.
    pub touched: Option<Touch>,
    /// Whether views were and are out of date.
    pub staleness: Staleness,
    /// Whether the subject was forgotten by this commit.
    pub is_forgotten: bool,
}

/// The name of a commit among those of its subject: first the era counts, then the version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CommitId {
    /// Rises when the ledger moves or is restored.
    pub era: u64,
    /// The version of the head.
    pub version: u64,
}

/// How much of a history is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What the commit changed.
    Commit,
    /// Everything that is kept: that was asked for, or there were commits between the two images.
    Whole,
}

/// The entries that became settled and were not late.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// These, in order.
    Known(Vec<Arc<Entry>>),
    /// Those of this part of the history: the images do not hold all of them.
    Unread(Interval),
}

/// A part of a history by the time of observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Exclusive; `None`: from the beginning.
    pub after: Option<Timestamp>,
    /// Inclusive.
    pub up_to: Timestamp,
}

/// Something that was settled has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// The epoch that it belongs to.
    pub epoch: u64,
    /// The earliest position that is concerned; `None`: everything is.
    pub from: Option<Position>,
    /// Why.
    pub cause: Cause,
}

/// Why something that was settled has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Events came late: they follow.
    Late,
    /// Everything that is kept follows once more. Nothing that was sent is taken back.
    Resent,
    /// The ledger was moved or restored: what was sent counts no more, and everything that is kept follows.
    Restored,
    /// The subject was forgotten: what was sent counts no more. Where everything is told, what is kept
    /// follows.
    Forgotten,
    /// Views are folded by other versions of contracts and rules. Events stay as they are.
    Generation,
    /// Views were folded again from the oldest events that are kept. Events stay as they are.
    Retention,
}

/// Whether views are out of date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Staleness {
    /// They were not, and are not.
    Never,
    /// They are, from this position on.
    Begun(Position),
    /// They were, and are from this position on.
    Stays(Position),
    /// They were from this position on, and are no more.
    Cleared(Position),
}

impl Changes {
    /// Compares the images of one subject's head before and after a commit; `None`: there was no head.
    pub fn between(old: Option<&Head>, new: &Head) -> Self {
        let none = Head::default();
        let (extent, before) = (extent(old, new), old.unwrap_or(&none));
        let known: &[Arc<Entry>] = &before.tail;
        let is_new = |entry: &&Arc<Entry>| {
            known.binary_search_by(|one| one.position.cmp(&entry.position)).is_err()
        };
        let changes = Self {
            commit: CommitId { era: new.era, version: new.version },
            epoch: new.epoch,
            extent,
            entered: new.tail.iter().filter(is_new).cloned().collect(),
            deep: new.note.clone(),
            settled: settled(before, new),
            released_before: before.released,
            released: new.released,
            had_unsettled: before.released < before.watermark,
            has_unsettled: new.released < new.watermark,
            correction: None,
            touched: new.touched,
            staleness: staleness(before, new),
            is_forgotten: new.forgotten != before.forgotten,
        };
        let correction = match extent {
            Extent::Whole => Some(changes.correction_of_whole(before, new)),
            Extent::Commit => changes.correction_of_commit(before, new),
        };
        Self { correction, ..changes }
    }

    /// Whether an event of that time was settled before it came.
    pub fn is_late(&self, observed_at: Timestamp) -> bool {
        self.released_before.is_some_and(|released| observed_at <= released)
    }

    /// Whether an event of that time is settled now.
    pub fn is_settled(&self, observed_at: Timestamp) -> bool {
        self.released.is_some_and(|released| observed_at <= released)
    }

    /// Whether views are out of date afterwards: what depends on them waits for the commit that clears it.
    pub fn is_stale(&self) -> bool {
        matches!(self.staleness, Staleness::Begun(_) | Staleness::Stays(_))
    }

    fn correction_of_whole(&self, old: &Head, new: &Head) -> Correction {
        // The commit that forgot it may be among those that are missing.
        let cause = match (&new.forgotten, old.version > 0 && old.era != new.era) {
            (Some(_), _) => Cause::Forgotten,
            (None, true) => Cause::Restored,
            (None, false) => Cause::Resent,
        };
        Correction { epoch: new.epoch, from: None, cause }
    }

    fn correction_of_commit(&self, old: &Head, new: &Head) -> Option<Correction> {
        let entered = self.entered.iter().map(|entry| &entry.position);
        let added = self.deep.iter().chain(entered);
        let late = added.filter(|position| self.is_late(position.observed_at)).min();
        let (from, cause) = match late {
            Some(first) => (Some(first.clone()), Cause::Late),
            None if self.is_forgotten => (None, Cause::Forgotten),
            None if new.epoch == old.epoch => return None,
            None if new.generation != old.generation => (None, Cause::Generation),
            None => (new.carried.as_ref().map(|carried| carried.from.clone()), Cause::Retention),
        };
        Some(Correction { epoch: new.epoch, from, cause })
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.era, self.version)
    }
}

impl Cause {
    /// The word in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Resent => "resent",
            Self::Restored => "restored",
            Self::Forgotten => "forgotten",
            Self::Generation => "generation",
            Self::Retention => "retention",
        }
    }
}

/// Every commit raises the version by one: where it does not, other commits came between the images.
fn extent(old: Option<&Head>, new: &Head) -> Extent {
    let (era, version) = old.map_or((new.era, 0), |old| (old.era, old.version));
    let is_next = era == new.era && version + 1 == new.version;
    if is_next && new.touched != Some(Touch::Resend) { Extent::Commit } else { Extent::Whole }
}

/// What was settled between the two images, as far as they hold it.
fn settled(old: &Head, new: &Head) -> Settled {
    let Some(up_to) = new.released.filter(|released| Some(*released) > old.released) else {
        return Settled::Known(Vec::new());
    };
    let interval = Interval { after: old.released, up_to };
    let sealed = old.sealed.as_ref().map(|sealed| sealed.observed_at);
    if old.released < sealed || !new.note.is_empty() {
        return Settled::Unread(interval);
    }
    let frozen = old.tail.iter().take(old.frozen);
    let entries = frozen.chain(&new.tail).filter(|entry| interval.holds(&entry.position));
    Settled::Known(entries.cloned().collect())
}

impl Interval {
    /// Whether a position is in it.
    pub fn holds(&self, position: &Position) -> bool {
        Some(position.observed_at) > self.after && position.observed_at <= self.up_to
    }
}

fn staleness(old: &Head, new: &Head) -> Staleness {
    let from = |head: &Head| head.stale.as_ref().map(|stale| stale.from.clone());
    match (from(old), from(new)) {
        (None, None) => Staleness::Never,
        (None, Some(from)) => Staleness::Begun(from),
        (Some(_), Some(from)) => Staleness::Stays(from),
        (Some(from), None) => Staleness::Cleared(from),
    }
}

#[cfg(test)]
mod tests;
