//! Whether a ledger table that is not everyone's answers a tenant, within one invocation.
//!
//! A table that is missing, forbidden or throttled fails every subject of a tenant. The first failure
//! speaks for those that are not finished: otherwise each would wait for a time-out or go through all of its
//! attempts, until no time is left for anybody. Writes that are throttled or have no answer are tried again once and
//! no more: the buffer is there. Of the table that all tenants share nothing is concluded: the subjects of a
//! batch are all that knows whether it is well.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::dependency::Dependency;
use crate::base::error::{Extent, Reason, Unavailable};
use crate::ledger::dialogue::WriteAnswer;

/// Writes of all subjects together that may fail before the table counts as failed.
const WRITES: u32 = 1;

/// What is known of one table.
pub struct TableHealth {
    /// `None`: the table that all tenants share.
    table: Option<Arc<str>>,
    failed: Mutex<Option<Unavailable>>,
    /// Writes that were throttled, or had no answer.
    unwritten: AtomicU32,
}

impl TableHealth {
    pub(crate) fn of(table: Option<Arc<str>>) -> Self {
        Self { table, failed: Mutex::new(None), unwritten: AtomicU32::new(0) }
    }

    /// Why nothing more is asked of it.
    pub(super) fn failed(&self) -> Option<Unavailable> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of how a write ended.
    pub(super) fn note_write(&self, answer: &WriteAnswer) {
        let WriteAnswer::Unknown(reason @ (Reason::Throttled | Reason::Unreachable)) = answer
        else {
            return;
        };
        if self.unwritten.fetch_add(1, Ordering::Relaxed) >= WRITES {
            let message = "the ledger table of this tenant does not take writes";
            self.note(Unavailable::new(*reason, message).of(Dependency::LedgerTable));
        }
    }

    /// A fault of this table, with the tenant that it affects. Takes note of one that every subject of the
    /// table would meet.
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

    /// A commit tries a write up to twelve times, with pauses: as long would the batch wait.
    #[test]
    fn a_second_write_that_is_throttled_speaks_for_all_of_a_tenants_own_table() {
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
    fn what_one_subject_meets_says_nothing_of_its_table() {
        let health = TableHealth::of(Some(Arc::from("own")));
        let noted = health.note(Unavailable::new(Reason::Corrupt, "a head"));
        assert_eq!((noted.extent, health.failed()), (Extent::Subject, None));
        let noted = health.note(Unavailable::new(Reason::Deadline, "over"));
        assert_eq!((noted.extent, health.failed()), (Extent::Everyone, None));
        let noted = health.note(Unavailable::new(Reason::Misconfigured, "no table"));
        assert_eq!((noted.extent, health.failed()), (Extent::Tenant, Some(noted)));
    }
}
