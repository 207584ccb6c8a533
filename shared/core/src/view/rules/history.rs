//! Folds a history, entry by entry, into the episodes of its rules.

use std::sync::Arc;

use super::{Episode, Episodes, RuleStates};
use crate::base::time::Timestamp;
use crate::event::Entry;
use crate::view::specs::Specs;

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

    /// Begins again from here: the episodes that are closed are left out.
    #[must_use]
    pub fn resumed(&self) -> Self {
        Self::from(self.states.clone(), self.last_at)
    }

    /// Goes on by the next entries.
    pub fn take<'a>(&mut self, entries: impl IntoIterator<Item = &'a Arc<Entry>>, specs: &Specs) {
        for entry in entries {
            self.episodes.take(self.states.apply(entry, self.last_at, specs));
            self.last_at = Some(entry.position.observed_at);
        }
    }

    /// Ends by what the silence since the last entry does, if the subject is known to be silent until this time.
    pub fn look(&mut self, until: Option<Timestamp>, specs: &Specs) {
        if let Some(until) = until {
            self.episodes.take(self.states.looked(self.last_at, until, specs));
        }
    }

    /// The next time at which silence would change an alert, after the time of the last look.
    pub fn next_look(&self, after: Option<Timestamp>, specs: &Specs) -> Option<Timestamp> {
        self.states.next_look(self.last_at, after, specs)
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
