//! Subjects that have to be sent again and have no timer for it yet, because the table of timers failed. Their
//! changes come again; that everything is in order then does not tell what was out of order before.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use drover_core::base::id::SubjectKey;

/// The subjects that an environment knows. A subject stays until its timer is armed.
#[derive(Debug, Default)]
pub(crate) struct PendingResends(Mutex<BTreeSet<SubjectKey>>);

impl PendingResends {
    /// Notes a subject.
    pub(crate) fn add(&self, key: &SubjectKey) {
        self.subjects().insert(key.clone());
    }

    /// Forgets a subject whose timer is armed.
    pub(crate) fn remove(&self, key: &SubjectKey) {
        self.subjects().remove(key);
    }

    /// Whether a subject has to be sent again.
    pub(crate) fn has(&self, key: &SubjectKey) -> bool {
        self.subjects().contains(key)
    }

    fn subjects(&self) -> MutexGuard<'_, BTreeSet<SubjectKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
