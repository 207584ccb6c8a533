//! The proof that somebody verified speaks for a tenant: the only thing that makes keys of subjects.

use super::id::{SubjectId, SubjectKey, TenantId};

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

    /// The word of a message in one of the system's own queues, where only its functions may write:
    /// they established the tenant before.
    pub fn by_queue(tenant: TenantId) -> Self {
        Self { tenant }
    }

    /// The word of a verified source, of whose tenant the document says that it may write and read.
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
