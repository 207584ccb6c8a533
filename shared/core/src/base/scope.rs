//! Proof of a verified tenant. Subject keys are made only from it.

use super::id::{Kind, SubjectId, SubjectKey, TenantId};

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

    /// The subject of a stored item, by its partition key in the ledger ([`SubjectKey::partition_key`]). Only
    /// Drover's functions write to its tables, and only for verified tenants. `None`: not a key of a subject.
    pub fn stored_subject(partition_key: &str) -> Option<SubjectKey> {
        let (tenant, subject) = partition_key.strip_prefix("T#")?.split_once("#S#")?;
        let (kind, id) = subject.split_once('#')?;
        let subject = SubjectId::decoded(Kind::parse(kind).ok()?, id)?;
        Some(SubjectKey::new(TenantId::parse(tenant).ok()?, subject))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_key_of_a_subject_names_it() {
        let kind = Kind::parse("device").expect("a kind");
        let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
        for id in ["d-1", "a/b", "50%#x", "a#S#b", "Ä ö"] {
            let key = scope.subject(SubjectId::new(kind.clone(), id).expect("an id"));
            assert_eq!(TenantScope::stored_subject(&key.partition_key()), Some(key));
        }
        for other in ["", "T#demo", "T#demo#D", "T#demo#S#device", "T##S#device#d", "T#demo#S##d"] {
            assert_eq!(TenantScope::stored_subject(other), None, "{other}");
        }
    }
}
