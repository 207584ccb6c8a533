//! How a subject is forgotten: not by taking its head away, but by a head without anything, whose
//! version goes on. A warm environment keeps heads of the past; if versions started again at one,
//! such a head would meet its own number some day, and its write would bring back what was forgotten
//! in place of what came since.
//!
//! The empty head stands behind everything that there was, as if all of it had expired at once: it is
//! sealed at a position of its own, the *line*. What is observed at or before the line is beyond
//! retention from then on, so a record that comes again brings nothing back; readers look behind the line
//! only. For a writer with an old head may still seal what that had frozen: a page before the line, which
//! nobody ever reads and which expires like any other.

use crate::base::id::Position;
use crate::event::place_id;
use crate::ledger::{Head, key_after};

impl Head {
    /// The head after everything in it and before it was forgotten.
    #[must_use]
    pub fn forget(&self) -> Self {
        let last = self.tail.last().map(|entry| entry.position.observed_at);
        let sealed = self.sealed.as_ref().map(|sealed| sealed.observed_at);
        let newest = [self.watermark, last, sealed].into_iter().flatten().max();
        let line = newest.map(|newest| Position {
            observed_at: newest.just_after(),
            sequence: 0,
            event_id: place_id(&[b"forgotten"]),
        });
        Self {
            version: self.version + 1,
            epoch: self.epoch + 1,
            era: self.era,
            generation: self.generation,
            watermark: self.watermark,
            released: self.released,
            sealed: line.clone(),
            forgotten: line,
            ..Self::default()
        }
    }

    /// Whether it was forgotten, and nothing was written since: for a reader there is no such subject.
    pub fn is_forgotten(&self) -> bool {
        self.forgotten.is_some() && self.tail.is_empty() && self.base.event_count == 0
    }

    /// The smallest key that a page of it can have.
    pub(super) fn first_page_key(&self) -> Vec<u8> {
        self.forgotten.as_ref().map(key_after).unwrap_or_default()
    }
}
