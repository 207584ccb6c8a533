//! Reads stored documents, and determines who is affected if a document cannot be read.

use crate::base::dependency::Dependency;
use crate::base::error::{Extent, Reason, Unavailable};
use crate::intake::document::{DocumentName, StoredDocument};
use crate::ports::Documents;

/// The error for an invalid stored document. It is not a rejection, because the fault is not the
/// record's.
pub(super) fn broken(name: &DocumentName, fault: &str) -> Unavailable {
    let key = name.storage_key();
    let message = format!("invalid stored document: key=`{key}` fault=`{fault}`");
    Unavailable::new(Reason::Corrupt, message).of(Dependency::Registry).affecting(readers_of(name))
}

/// The error for a version of a contract that entries name, or of rules, that the registry does not have, for
/// example because the registry was restored from an older backup.
pub(super) fn missing_version(name: &DocumentName) -> Unavailable {
    let key = name.storage_key();
    let message = format!("the registry lacks a version that events are read by: key=`{key}`");
    let missing = Unavailable::new(Reason::Misconfigured, message).of(Dependency::Registry);
    missing.affecting(readers_of(name))
}

/// Reads a stored document. If the store does not answer, everyone is affected.
pub(super) async fn read(
    name: &DocumentName,
    documents: &impl Documents,
) -> Result<Option<StoredDocument>, Unavailable> {
    documents.document(name).await.map_err(|unavailable| match unavailable.reason {
        Reason::Corrupt => unavailable.affecting(readers_of(name)),
        _ => unavailable.affecting(Extent::Everyone),
    })
}

/// Who is affected by a document that cannot be read. A contract affects the tenants whose records
/// use it: their records go to the buffer. A route determines its topic's tenant, so without the
/// route no tenant is known.
fn readers_of(name: &DocumentName) -> Extent {
    match name {
        DocumentName::Tenant(_)
        | DocumentName::Contract(_)
        | DocumentName::ContractVersion(..)
        | DocumentName::Rules(_)
        | DocumentName::RulesVersion(..)
        | DocumentName::Key(_) => Extent::Tenant,
        DocumentName::Topic(_) | DocumentName::Revision => Extent::Everyone,
    }
}
