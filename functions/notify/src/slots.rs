//! Slots for tries: of the messages about one target only a few are tried at once, so that messages about other targets
//! do not wait behind a target that hangs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use drover_core::base::id::TenantId;

/// Tries of one target at once, in one environment.
const AT_ONCE: usize = 4;

/// The tries that are being made, by tenant and target.
#[derive(Debug, Default)]
pub(crate) struct Slots(Mutex<BTreeMap<(TenantId, String), usize>>);

/// A slot that is taken until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot<'a> {
    slots: &'a Slots,
    target: (TenantId, String),
}

impl Slots {
    /// Takes a slot. `None`: the target has no free one.
    pub(crate) fn take(&self, tenant: &TenantId, target: &str) -> Option<Slot<'_>> {
        let target = (tenant.clone(), target.to_owned());
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(target.clone()).or_default();
        if *count >= AT_ONCE {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Slot { slots: self, target })
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut taken = self.slots.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.target) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.target);
            }
        }
    }
}
