//! A version of a contract as the registry stores it: the document, with who applied it and when.
//!
//! `apply` stores each version twice in one transaction: under its own name, where it never changes, and as
//! the current version under the name of the contract. So one read finds the current version, and entries
//! that an older version read are folded by that version.

use serde::Serialize;
use serde_json::Value;

use crate::base::limits;
use crate::base::time::Timestamp;
use crate::event::{ContractVersion, canonical_json};
use crate::intake::contract::{Contract, ContractDocument};
use crate::intake::document::{DocumentName, StoredDocument};
use crate::intake::fault;

/// A stored version of a contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoredContract {
    /// The number of the version, from 1.
    pub version: u32,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// Who applied it, at most [`limits::APPLIED_BY_BYTES`].
    pub applied_by: String,
    /// The document.
    pub contract: ContractDocument,
}

/// The members of a stored version without its document.
#[derive(serde::Deserialize)]
struct Stamp {
    version: u32,
    applied_at: Timestamp,
    applied_by: String,
}

impl StoredContract {
    /// The version after `before`, or the first version.
    pub(super) fn following(
        before: Option<u32>,
        contract: ContractDocument,
        (applied_by, applied_at): (&str, Timestamp),
    ) -> Self {
        let end = applied_by.floor_char_boundary(limits::APPLIED_BY_BYTES);
        let applied_by = applied_by.get(..end).unwrap_or_default().to_owned();
        let version = before.unwrap_or(0).saturating_add(1);
        Self { version, applied_at, applied_by, contract }
    }

    /// Its JSON in the registry, in canonical form.
    ///
    /// # Errors
    /// Never for a document that was parsed.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        Ok(canonical_json(&serde_json::to_value(self)?)?.to_string())
    }

    /// Reads a stored document.
    ///
    /// # Errors
    /// The fault, as text: another release may have written the document.
    pub fn parse(stored: &StoredDocument) -> Result<Self, String> {
        let mut json: Value =
            serde_json::from_str(&stored.json).map_err(|fault| fault.to_string())?;
        let contract = json.as_object_mut().and_then(|members| members.remove("contract"));
        let contract = contract.ok_or_else(|| "the member contract is missing".to_owned())?;
        let contract =
            ContractDocument::read(&contract).map_err(|faults| fault::listed(&faults))?;
        let stamp: Stamp = serde_json::from_value(json).map_err(|fault| fault.to_string())?;
        let Stamp { version, applied_at, applied_by } = stamp;
        Ok(Self { version, applied_at, applied_by, contract })
    }

    /// The number of a stored version, even if another release wrote its document.
    pub(crate) fn number(stored: &StoredDocument) -> Option<u32> {
        serde_json::from_str(&stored.json).ok().map(|stamp: Stamp| stamp.version)
    }

    /// Compiles the document.
    ///
    /// # Errors
    /// The faults, as text.
    pub(super) fn compile(&self) -> Result<Contract, String> {
        let contract =
            Contract::compile(&self.contract).map_err(|faults| fault::listed(&faults))?;
        Ok(contract.with_version(self.version))
    }
}

/// The name under which a version is stored; `None`: the built-in contract, which is not stored.
pub(super) fn document_name(version: &ContractVersion) -> Option<DocumentName> {
    let name = DocumentName::ContractVersion(version.contract.to_string(), version.number);
    (version.number > 0).then_some(name)
}
