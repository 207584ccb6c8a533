//! Whether a tenant's own ledger table answers, within one invocation.
//!
//! A table that is missing, forbidden or throttled fails every subject of its tenant. The first failure
//! speaks for those that have not begun: otherwise each would wait for a time-out or go through all of its
//! attempts, until no time is left for anybody. Of the table that all tenants share nothing is concluded:
//! the subjects of a batch are all that knows whether it is well.

use std::sync::{Arc, Mutex, PoisonError};

use crate::base::error::{Extent, Unavailable};

/// What is known of one table.
pub struct TableHealth {
    /// `None`: the table that all tenants share.
    table: Option<Arc<str>>,
    failed: Mutex<Option<Unavailable>>,
}

impl TableHealth {
    pub(crate) fn of(table: Option<Arc<str>>) -> Self {
        Self { table, failed: Mutex::new(None) }
    }

    /// Why nothing more is asked of it.
    pub(super) fn failed(&self) -> Option<Unavailable> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
