//! The kinds of subjects. The registry is never scanned, so `apply` keeps the kinds of every
//! contract that was ever stored in the revision document. Listings read those and the built-in
//! kinds. A kind is never removed, because its subjects remain when its contract changes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::id::Kind;
use crate::intake::contract::{BUILTINS, ContractDocument};
use crate::intake::document::StoredDocument;

/// The content of the revision document.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct RevisionDocument {
    /// Absent if no contract was ever stored.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    kinds: BTreeSet<String>,
}

/// The kinds of a stored revision document.
///
/// # Errors
/// The fault in its JSON.
pub(super) fn stored(revision: &StoredDocument) -> Result<BTreeSet<Kind>, String> {
    let document: RevisionDocument =
        serde_json::from_str(&revision.json).map_err(|fault| fault.to_string())?;
    let kinds = document.kinds.iter().map(|kind| Kind::parse(kind));
    kinds.collect::<Result<_, _>>().map_err(|rejection| rejection.message)
}

/// The JSON of a revision document with these kinds.
pub(super) fn revision_json(kinds: &BTreeSet<Kind>) -> Result<String, serde_json::Error> {
    serde_json::to_string(&RevisionDocument { kinds: kinds.iter().map(Kind::to_string).collect() })
}

/// The kinds of a contract's subjects.
pub(super) fn of_contract(contract: &ContractDocument) -> impl Iterator<Item = Kind> {
    let variants = contract.variants.iter().filter_map(|variant| variant.subject.as_ref());
    let subjects = std::iter::once(&contract.subject).chain(variants);
    subjects.filter_map(|subject| Kind::parse(&subject.kind).ok())
}

/// The kinds of the built-in contracts.
pub(super) fn built_in() -> BTreeSet<Kind> {
    let contracts = BUILTINS.iter().filter_map(|(_, json)| ContractDocument::parse(json).ok());
    contracts.flat_map(|contract| of_contract(&contract).collect::<Vec<_>>()).collect()
}
