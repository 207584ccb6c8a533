//! Proof of a verified tenant. Subject keys are made only from it.

use super::id::{SubjectId, SubjectKey, TenantId};

/// Proof that the tenant was verified. Stores accept nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantScope {
    tenant: TenantId,
}

impl TenantScope {
    /// A tenant that the operator named, for operator commands.
    pub fn by_operator(tenant: TenantId) -> Self {
        Self { tenant }
    }

    /// The tenant of a message in one of Drover's queues. Only Drover's functions write there, and they
    /// have verified the tenant.
    pub fn by_queue(tenant: TenantId) -> Self {
        Self { tenant }
    }

    /// The tenant of a timer. Only Drover's functions write timers, and only for keys of verified tenants.
    pub(crate) fn by_timer(tenant: TenantId) -> Self {
        Self { tenant }
    }

    /// A tenant that a verified source named and whose document allows access.
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
