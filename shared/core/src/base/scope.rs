//! Proof of a verified tenant. Subject keys are made only from it.

use super::id::{SubjectId, SubjectKey, TenantId};

/// Proof that the tenant was verified. Stores accept nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantScope {
    tenant: TenantId,
}

impl TenantScope {
    /// Vouched for by the operator, for operator commands.
    pub fn by_operator(tenant: TenantId) -> Self {
        Self { tenant }
    }

    /// Vouched for by a message in one of the system's queues. Only the system's functions write
    /// there, and they verified the tenant.
    pub fn by_queue(tenant: TenantId) -> Self {
        Self { tenant }
    }

    /// Vouched for by a verified source, for a tenant whose document allows access.
    pub(crate) fn admitted(tenant: TenantId) -> Self {
        Self { tenant }
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The key of one of the tenant's subjects.
    pub fn subject(&self, subject: SubjectId) -> SubjectKey {
        SubjectKey::new(self.tenant.clone(), subject)
    }
}
