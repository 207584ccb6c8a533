//! Which kinds of subjects there are. The registry is never scanned, so `apply` keeps the kinds of
//! every contract that was ever stored in the revision's document, and listings go through those and
//! the built-in ones. A kind is never taken away: its subjects stay when its contract changes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::id::Kind;
use crate::intake::contract::{BUILTINS, ContractDocument};
use crate::intake::document::StoredDocument;

/// What the revision's document says.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct RevisionDocument {
    /// Absent where no contract was stored yet.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    kinds: BTreeSet<String>,
}

/// The kinds of a stored revision.
///
/// # Errors
/// What is wrong with its JSON.
pub(super) fn stored(revision: &StoredDocument) -> Result<BTreeSet<Kind>, String> {
    let document: RevisionDocument =
        serde_json::from_str(&revision.json).map_err(|fault| fault.to_string())?;
    let kinds = document.kinds.iter().map(|kind| Kind::parse(kind));
    kinds.collect::<Result<_, _>>().map_err(|rejection| rejection.message)
}

/// The JSON of a revision with these kinds.
pub(super) fn revision_json(kinds: &BTreeSet<Kind>) -> Result<String, serde_json::Error> {
    serde_json::to_string(&RevisionDocument { kinds: kinds.iter().map(Kind::to_string).collect() })
}

/// The kinds that a contract makes subjects of.
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
