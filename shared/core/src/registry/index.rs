//! What is looked up without a name: which kinds of subjects there are, and which contract reads a media
//! type. The registry is never scanned, so `apply` keeps both of every stored contract in the revision's
//! document. A kind is never taken away: its subjects stay when its contract changes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::id::Kind;
use crate::intake::contract::{BUILTINS, ContractDocument};
use crate::intake::document::StoredDocument;

/// What the revision's document says of contracts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// Of every contract that was ever stored.
    pub(super) kinds: BTreeSet<Kind>,
    /// The contracts that read them, by media type in lower case.
    pub(super) media_types: BTreeMap<String, String>,
}

/// The revision's document.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct RevisionDocument {
    /// Absent where no contract was stored yet.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    kinds: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    media_types: BTreeMap<String, String>,
}

impl Index {
    /// That of a stored revision.
    ///
    /// # Errors
    /// What is wrong with its JSON.
    pub(super) fn stored(revision: &StoredDocument) -> Result<Self, String> {
        let document: RevisionDocument =
            serde_json::from_str(&revision.json).map_err(|fault| fault.to_string())?;
        let kinds = document.kinds.iter().map(|kind| Kind::parse(kind));
        let kinds = kinds.collect::<Result<_, _>>().map_err(|rejection| rejection.message)?;
        Ok(Self { kinds, media_types: document.media_types })
    }

    /// The JSON of a revision with it.
    pub(super) fn to_json(&self) -> Result<String, serde_json::Error> {
        let kinds = self.kinds.iter().map(Kind::to_string).collect();
        let media_types = self.media_types.clone();
        serde_json::to_string(&RevisionDocument { kinds, media_types })
    }

    /// Takes in a contract that is stored. Its media types are the new ones only.
    pub(super) fn take(&mut self, contract: &ContractDocument) {
        self.kinds.extend(of_contract(contract));
        self.media_types.retain(|_, name| *name != contract.name);
        for media_type in &contract.media_types {
            self.media_types.insert(media_type.to_ascii_lowercase(), contract.name.clone());
        }
    }
}

/// The kinds that a contract makes subjects of.
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
