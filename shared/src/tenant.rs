//! Tenants, and the proof of which one a caller or topic speaks for.

use crate::id::{SubjectId, SubjectKey, TenantId};

/// Proof that somebody verified speaks for a tenant. Stores take nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantScope {
    tenant: TenantId,
}

impl TenantScope {
    /// The operator's own word, for the commands of the person who runs the system.
    pub fn by_operator(tenant: TenantId) -> Self {
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
