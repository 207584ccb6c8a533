//! The health of a tenant's own ledger table within one invocation.
//!
//! If a table is missing, forbidden or throttled, every subject of its tenant fails. After the first
//! failure, the unfinished subjects fail at once. Otherwise each of them would wait for a timeout or use up
//! all its attempts, until the invocation has no time left. A throttled or unanswered write is retried once
//! for each table, because the records can wait in the buffer queue.
//!
//! A failure of the shared table is not recorded: each subject makes its own attempts.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::dependency::Dependency;
use crate::base::error::{Extent, Reason, Unavailable};
use crate::ledger::dialogue::WriteAnswer;

/// The number of failed writes, over all subjects, that a table may have before it counts as failed.
const WRITES: u32 = 1;

/// The health of one table.
pub struct TableHealth {
    /// `None`: the shared table.
    table: Option<Arc<str>>,
    failed: Mutex<Option<Unavailable>>,
    /// The number of writes that were throttled or had no answer.
    unwritten: AtomicU32,
}

impl TableHealth {
    pub(crate) fn of(table: Option<Arc<str>>) -> Self {
        Self { table, failed: Mutex::new(None), unwritten: AtomicU32::new(0) }
    }

    /// Why the table failed, if it did. The table is not called again.
    pub(super) fn failed(&self) -> Option<Unavailable> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records the answer of a write.
    pub(super) fn note_write(&self, answer: &WriteAnswer) {
        let WriteAnswer::Unknown(reason @ (Reason::Throttled | Reason::Unreachable)) = answer
        else {
            return;
        };
        if self.unwritten.fetch_add(1, Ordering::Relaxed) >= WRITES {
            let message = "the ledger table of this tenant does not accept writes";
            self.note(Unavailable::new(*reason, message).of(Dependency::LedgerTable));
        }
    }

    /// Adds the affected tenant to a failure of this table. Records the failure if it affects every subject
    /// of the table.
    pub(super) fn note(&self, unavailable: Unavailable) -> Unavailable {
        if self.table.is_none() {
            return unavailable;
        }
        let unavailable = unavailable.of_tenant();
        if unavailable.extent == Extent::Tenant {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            *failed = Some(unavailable.clone());
        }
        unavailable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A commit tries a write up to twelve times, with pauses. Without this rule the batch waits that long.
    #[test]
    fn a_tenants_own_table_counts_as_failed_after_the_second_throttled_write() {
        let throttled = WriteAnswer::Unknown(Reason::Throttled);
        let failed = |table: Option<&str>, answers: &[&WriteAnswer]| {
            let health = TableHealth::of(table.map(Arc::from));
            answers.iter().for_each(|answer| health.note_write(answer));
            health.failed().map(|failed| (failed.reason, failed.extent))
        };
        let of_tenant = Some((Reason::Throttled, Extent::Tenant));
        assert_eq!(failed(Some("own"), &[&throttled]), None);
        assert_eq!(failed(Some("own"), &[&throttled, &throttled]), of_tenant);
        assert_eq!(failed(None, &[&throttled, &throttled, &throttled]), None);
        let contended = WriteAnswer::Unknown(Reason::Contention);
        assert_eq!(failed(Some("own"), &[&contended, &contended, &WriteAnswer::Written]), None);
    }

    #[test]
    fn a_failure_of_one_subject_does_not_count_for_its_table() {
        let health = TableHealth::of(Some(Arc::from("own")));
        let noted = health.note(Unavailable::new(Reason::Corrupt, "a head"));
        assert_eq!((noted.extent, health.failed()), (Extent::Subject, None));
        let noted = health.note(Unavailable::new(Reason::Deadline, "over"));
        assert_eq!((noted.extent, health.failed()), (Extent::Everyone, None));
        let noted = health.note(Unavailable::new(Reason::Misconfigured, "no table"));
        assert_eq!((noted.extent, health.failed()), (Extent::Tenant, Some(noted)));
    }
}
