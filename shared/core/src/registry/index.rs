//! The kinds of subjects, and the contract of each media type. The registry is never scanned, so
//! `apply` keeps both of every stored contract in the revision document. Listings read the stored and
//! the built-in kinds. A kind is never removed, because its subjects remain when its contract changes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::id::Kind;
use crate::intake::contract::{BUILTINS, ContractDocument};
use crate::intake::document::StoredDocument;

/// The part of the revision document about contracts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// The kinds of every contract that was ever stored.
    pub(super) kinds: BTreeSet<Kind>,
    /// Contract names by media type in lower case.
    pub(super) media_types: BTreeMap<String, String>,
}

/// The content of the revision document.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct RevisionDocument {
    /// Absent if no contract was ever stored.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    kinds: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    media_types: BTreeMap<String, String>,
}

impl Index {
    /// The index of a stored revision document.
    ///
    /// # Errors
    /// The fault in its JSON.
    pub(super) fn stored(revision: &StoredDocument) -> Result<Self, String> {
        let document: RevisionDocument =
            serde_json::from_str(&revision.json).map_err(|fault| fault.to_string())?;
        let kinds = document.kinds.iter().map(|kind| Kind::parse(kind));
        let kinds = kinds.collect::<Result<_, _>>().map_err(|rejection| rejection.message)?;
        Ok(Self { kinds, media_types: document.media_types })
    }

    /// The JSON of a revision document with this index.
    pub(super) fn to_json(&self) -> Result<String, serde_json::Error> {
        let kinds = self.kinds.iter().map(Kind::to_string).collect();
        let media_types = self.media_types.clone();
        serde_json::to_string(&RevisionDocument { kinds, media_types })
    }

    /// Adds a stored contract. Its media types replace its earlier ones.
    pub(super) fn take(&mut self, contract: &ContractDocument) {
        self.kinds.extend(of_contract(contract));
        self.media_types.retain(|_, name| *name != contract.name);
        for media_type in &contract.media_types {
            self.media_types.insert(media_type.to_ascii_lowercase(), contract.name.clone());
        }
    }
}

/// The kinds of a contract's subjects.
fn of_contract(contract: &ContractDocument) -> impl Iterator<Item = Kind> {
    let variants = contract.variants.iter().filter_map(|variant| variant.subject.as_ref());
    let subjects = std::iter::once(&contract.subject).chain(variants);
    subjects.filter_map(|subject| Kind::parse(&subject.kind).ok())
}

/// The kinds of the built-in contracts.
pub(super) fn built_in_kinds() -> BTreeSet<Kind> {
    let contracts = BUILTINS.iter().filter_map(|(_, json)| ContractDocument::parse(json).ok());
    contracts.flat_map(|contract| of_contract(&contract).collect::<Vec<_>>()).collect()
}
