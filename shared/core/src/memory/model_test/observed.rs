//! What a case has done so far, from outside: what was delivered and acknowledged, and the history
//! of each version that was stored. The checks compare with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::script::Spec;
use crate::base::id::{Position, SubjectKey};
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::memory::{Faulty, Memory};
use crate::pipeline::Disposition;

/// What a case has done so far.
pub(super) struct Observed {
    pub(super) memory: Arc<Faulty<Memory>>,
    pub(super) specs: Vec<Spec>,
    /// The current version of the contract.
    pub(super) contract_version: u32,
    pub(super) delivered: BTreeSet<usize>,
    pub(super) acknowledged: BTreeMap<usize, Disposition>,
    /// The last head of each subject.
    pub(super) heads: BTreeMap<SubjectKey, SeenHead>,
    /// The naive reference: the sorted history of each version.
    pub(super) histories: BTreeMap<(SubjectKey, u64), Vec<Arc<Entry>>>,
    pub(super) tally: Tally,
}

/// What a head said.
#[derive(Clone, Debug, Default)]
pub(super) struct SeenHead {
    pub(super) version: u64,
    pub(super) epoch: u64,
    pub(super) watermark: Option<Timestamp>,
    pub(super) stale_from: Option<Position>,
}

/// What cases did, so that a report can say what they covered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Versions of heads that were written.
    pub commits: u64,
    /// Events that were inserted into pages.
    pub deep_events: u64,
    /// Carries that brought every view up to date.
    pub carries: u64,
    /// Transactions of carries that left later views for another one.
    pub carry_parts: u64,
    /// Answers that readers got.
    pub answers: u64,
    /// Letters that were replayed days to months later.
    pub letters: u64,
    /// Of these, letters that added an event to a history.
    pub letters_applied: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.commits += other.commits;
        self.deep_events += other.deep_events;
        self.carries += other.carries;
        self.carry_parts += other.carry_parts;
        self.answers += other.answers;
        self.letters += other.letters;
        self.letters_applied += other.letters_applied;
    }
}

impl Observed {
    pub(super) fn new(memory: Arc<Faulty<Memory>>, specs: Vec<Spec>) -> Self {
        Self {
            memory,
            specs,
            contract_version: 1,
            delivered: BTreeSet::new(),
            acknowledged: BTreeMap::new(),
            heads: BTreeMap::new(),
            histories: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// The positions of a subject's acknowledged events.
    pub(super) fn acknowledged_of(&self, key: &SubjectKey) -> BTreeSet<Position> {
        let applied = |disposition: &Disposition| {
            matches!(disposition, Disposition::Applied | Disposition::Duplicate)
        };
        let mine = self.acknowledged.iter().filter(|(_, disposition)| applied(disposition));
        let specs = mine.map(|(at, _)| &self.specs[*at]).filter(|spec| spec.key() == *key);
        specs.map(Spec::position).collect()
    }
}
