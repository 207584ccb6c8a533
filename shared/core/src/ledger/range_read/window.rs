//! Which entries a part of a history is made of. Keys of pages are bytes, and so are its bounds.

use std::sync::Arc;

use crate::base::id::{Position, time_prefix};
use crate::base::time::Timestamp;
use crate::ledger::key_after;

/// Which part of a history is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRange {
    /// Inclusive.
    pub from: Option<Timestamp>,
    /// Exclusive.
    pub to: Option<Timestamp>,
    /// Which way round.
    pub order: Order,
    /// Where an earlier part ended, exclusive: only what comes later in this order is read.
    pub beyond: Option<Position>,
    /// Only entries of this type; `None`: all.
    pub event_type: Option<Arc<str>>,
    /// At most so many entries; at least one.
    pub entries: usize,
    /// No further entry is looked at once those that were looked at have so many
    /// [plain bytes](crate::event::Entry::plain_size), whether they were wanted or not.
    pub bytes: usize,
}

/// Which way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The oldest first.
    Ascending,
    /// The newest first.
    Descending,
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Not reached yet, or seen already.
    Before,
    /// In it.
    Inside,
    /// Beyond its end.
    Behind,
}

impl HistoryRange {
    /// The smallest key that an entry of it can have.
    pub(super) fn lowest(&self) -> Vec<u8> {
        let from = self.from.map(|from| time_prefix(from).to_vec());
        let beyond = self.beyond.as_ref().filter(|_| self.order == Order::Ascending).map(key_after);
        from.max(beyond).unwrap_or_default()
    }

    /// The key that every entry of it is below; `None`: no bound.
    pub(super) fn ceiling(&self) -> Option<Vec<u8>> {
        let to = self.to.map(|to| time_prefix(to).to_vec());
        let beyond = self.beyond.as_ref().filter(|_| self.order == Order::Descending);
        let beyond = beyond.map(Position::to_bytes);
        [to, beyond].into_iter().flatten().min()
    }

    /// Where an entry of this position stands.
    pub(super) fn place(&self, position: &Position) -> Side {
        let early = self.from.is_some_and(|from| position.observed_at < from);
        let late = self.to.is_some_and(|to| position.observed_at >= to);
        let (before, behind) = match self.order {
            Order::Ascending => (early, late),
            Order::Descending => (late, early),
        };
        let seen = self.beyond.as_ref().is_some_and(|beyond| match self.order {
            Order::Ascending => position <= beyond,
            Order::Descending => position >= beyond,
        });
        match (before || seen, behind) {
            (_, true) => Side::Behind,
            (true, false) => Side::Before,
            (false, false) => Side::Inside,
        }
    }
}
