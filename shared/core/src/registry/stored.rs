//! Documents as they are stored, and whom it affects that one cannot be read.

use crate::base::dependency::Dependency;
use crate::base::error::{Extent, Reason, Unavailable};
use crate::intake::document::{DocumentName, StoredDocument};
use crate::ports::Documents;

/// Ours and not the record's: no record can mend what is stored.
pub(super) fn broken(name: &DocumentName, fault: &str) -> Unavailable {
    let key = name.storage_key();
    let message = format!("a stored document cannot be read: key=`{key}` fault=`{fault}`");
    Unavailable::new(Reason::Corrupt, message).of(Dependency::Registry).affecting(readers_of(name))
}

/// A document as it is stored. Where the store gives no answer, nobody has a registry.
pub(super) async fn read(
    name: &DocumentName,
    documents: &impl Documents,
) -> Result<Option<StoredDocument>, Unavailable> {
    documents.document(name).await.map_err(|unavailable| match unavailable.reason {
        Reason::Corrupt => unavailable.affecting(readers_of(name)),
        _ => unavailable.affecting(Extent::Everyone),
    })
}

/// Who is affected by a document that cannot be read. Of a contract, those whose records it reads: each
/// tenant's go to the buffer as that tenant's. A route names the tenant of its topic, so that nobody can be
/// named while it cannot be read.
fn readers_of(name: &DocumentName) -> Extent {
    match name {
        DocumentName::Tenant(_) | DocumentName::Contract(_) | DocumentName::Key(_) => {
            Extent::Tenant
        }
        DocumentName::Topic(_) | DocumentName::Revision => Extent::Everyone,
    }
}
