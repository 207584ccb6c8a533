//! The stored contracts with their current versions, the kinds of subjects, and the contract of each media
//! type; and what tenants' feeds need: topics of their own, and change streams of their own ledger tables. The
//! registry is never scanned, so `apply` keeps all of this in the revision document. Listings read the stored
//! and the built-in kinds. A kind is never removed, because its subjects remain when its contract changes.
//!
//! Left out: the feeds of a tenant whose document was stored by an earlier version. They are added when it is
//! applied again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::id::Kind;
use crate::intake::contract::{BUILTINS, ContractDocument};
use crate::intake::document::StoredDocument;
use crate::intake::tenant::{Compatibility, Feed, Feeds, Tenant};

/// The content of the revision document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// The number of the current version by the name of the stored contract.
    pub(super) contracts: BTreeMap<String, u32>,
    /// The kinds of every contract that was ever stored.
    pub(super) kinds: BTreeSet<Kind>,
    /// Contract names by media type in lower case.
    pub(super) media_types: BTreeMap<String, String>,
    /// What tenants and topics, by the keys of their documents, ask of a contract's next version.
    pub(super) compatibility: Asked,
    /// The feeds of tenants, by tenant, that have topics or a ledger table of their own.
    pub(super) feeds: BTreeMap<String, OwnFeeds>,
}

/// The feeds of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwnFeeds {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) feeds: BTreeSet<Feed>,
    /// `None`: the tenant shares topics with others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) prefix: Option<String>,
    /// `None`: the tenant shares a ledger table with others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) table: Option<String>,
}

/// By the name of the contract and the key of the document that asks.
type Asked = BTreeMap<String, BTreeMap<String, Compatibility>>;

/// The revision document as it is stored.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct RevisionDocument {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    contracts: BTreeMap<String, u32>,
    /// Absent if no contract was ever stored.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    kinds: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    media_types: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    compatibility: Asked,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    feeds: BTreeMap<String, OwnFeeds>,
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
        let RevisionDocument { contracts, media_types, compatibility, feeds, .. } = document;
        Ok(Self { contracts, kinds, media_types, compatibility, feeds })
    }

    /// The JSON of a revision document with this index.
    pub(super) fn to_json(&self) -> Result<String, serde_json::Error> {
        let kinds = self.kinds.iter().map(Kind::to_string).collect();
        let Self { contracts, media_types, compatibility, feeds, .. } = self.clone();
        let document = RevisionDocument { contracts, kinds, media_types, compatibility, feeds };
        serde_json::to_string(&document)
    }

    /// Takes what a document asks of a contract. It replaces what the document asked before.
    pub(super) fn ask(&mut self, document: &str, contract: &str, asked: Option<Compatibility>) {
        self.compatibility.retain(|_, asking| {
            asking.remove(document);
            !asking.is_empty()
        });
        if let Some(asked) = asked {
            let asking = self.compatibility.entry(contract.to_owned()).or_default();
            asking.insert(document.to_owned(), asked);
        }
    }

    /// What is asked of a contract's next version.
    pub(super) fn asked(&self, contract: &str) -> impl Iterator<Item = Compatibility> + '_ {
        self.compatibility.get(contract).into_iter().flat_map(BTreeMap::values).copied()
    }

    /// Takes the feeds of a tenant. They replace those that it had before.
    pub(super) fn take_feeds(&mut self, tenant: &Tenant) {
        let Feeds { enabled, prefix, .. } = &tenant.feeds;
        let own = OwnFeeds {
            feeds: enabled.clone(),
            prefix: Some(prefix.clone()).filter(|prefix| prefix != Feeds::SHARED_PREFIX),
            table: tenant.placement.table().map(|table| table.to_string()),
        };
        let id = tenant.id.as_str();
        if own.feeds.is_empty() || (own.prefix.is_none() && own.table.is_none()) {
            self.feeds.remove(id);
        } else {
            self.feeds.insert(id.to_owned(), own);
        }
    }

    /// The topics of feeds under prefixes of tenants' own: each with its feed and a tenant that has it.
    pub(super) fn feed_topics(&self) -> impl Iterator<Item = (String, Feed, &str)> {
        self.feeds.iter().flat_map(|(tenant, own)| {
            let prefix = own.prefix.iter();
            prefix.flat_map(move |prefix| {
                own.feeds.iter().map(move |feed| (feed.topic_under(prefix), *feed, tenant.as_str()))
            })
        })
    }

    /// Adds the current version of a stored contract. Its media types replace its earlier ones.
    pub(super) fn take(&mut self, version: u32, contract: &ContractDocument) {
        self.contracts.insert(contract.name.clone(), version);
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
