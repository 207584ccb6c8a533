//! Plans the writes that bring the registry to the state of the submitted documents.
//!
//! An unchanged document is not written, so applying a folder twice writes nothing the second time.
//! All writes belong into one transaction: each document carries the revision that wrote it, and no
//! document may be newer than the stored revision. A changed contract is a new version: the plan puts the
//! version under a name of its own, where it never changes, and replaces the current version.

mod compatibility;
mod identity;
mod placement;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize as _;
use serde::ser::Error as _;
use serde_json::Value;

pub use self::compatibility::Incompatibilities;
use self::compatibility::Required;
pub use self::identity::Identities;
pub use self::placement::{LONGEST_INVOCATION_SECONDS, Ledger, Move, Moves};
use super::apply::{Checked, Checking, Refusal, Stored, contract_of};
use super::index::Index;
use super::version::StoredContract;
use crate::base::limits;
use crate::base::time::Timestamp;
use crate::event::canonical_json;
use crate::intake::contract::builtin;
use crate::intake::document::{DocumentName, StoredDocument};
use crate::intake::fault::Fault;
use crate::intake::schema::child;
use crate::intake::tenant::{Compatibility, KeyGrant, Tenant};

/// Changes that the caller allows explicitly. Without consent they are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// Moves of tenants to another ledger table.
    pub moves: Moves,
    /// Changes of the identity of records under the same contract.
    pub identities: Identities,
    /// Versions of contracts that reject, or may reject, records that must be accepted.
    pub incompatibilities: Incompatibilities,
    /// Whether the unit of a measure may change.
    pub unit_changes: bool,
}

/// The writes of one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The registry's revision after the writes.
    pub revision: u64,
    /// The writes; empty if nothing changes.
    pub writes: Vec<Write>,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The document's name.
    pub name: DocumentName,
    /// The change.
    pub change: Change,
}

/// A change of a stored document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The document is put.
    Put {
        /// The new document.
        document: StoredDocument,
        /// The revision of the replaced document, or `None` if there is none. It is the condition
        /// of the write, so that concurrent applies do not mix.
        replaces: Option<u64>,
    },
    /// The document is deleted unconditionally.
    Delete,
}

impl Checked {
    /// Plans the writes without consent to anything, given the stored documents of
    /// [`Checked::reads`].
    ///
    /// # Errors
    /// As for [`Checked::plan_with`].
    pub fn plan(&self, stored: &Stored, applied: (&str, Timestamp)) -> Result<Plan, Vec<Refusal>> {
        self.plan_with(Consent::default(), stored, applied)
    }

    /// Plans the writes, given the stored documents of [`Checked::reads`]. Versions of contracts keep who
    /// applied them, and when.
    ///
    /// # Errors
    /// Faults of the documents in combination, of their references, or of their changes.
    pub fn plan_with(
        &self,
        consent: Consent,
        stored: &Stored,
        applied: (&str, Timestamp),
    ) -> Result<Plan, Vec<Refusal>> {
        let refusals = self.dangling(stored).chain(self.foreign_keys(stored));
        let refusals = refusals.chain(self.identity_changes(stored, consent.identities));
        let refusals = refusals.chain(self.incompatible(stored, consent));
        let refusals = refusals.chain(self.shared_media_types(stored));
        let refusals = refusals.chain(self.too_many_kinds(stored));
        let refusals = refusals.chain(self.too_many_contracts(stored));
        let refusals = refusals.chain(self.too_many_compatibilities(stored));
        let refusals = refusals.chain(self.refused_moves(stored, consent.moves));
        let refusals = refusals.collect::<Vec<_>>();
        if !refusals.is_empty() {
            return Err(refusals);
        }
        let current = stored.get(&DocumentName::Revision).map_or(0, |stored| stored.revision);
        let newest = stored.values().map(|stored| stored.revision).max().unwrap_or(0);
        let mut drafts = Drafts { stored, next: newest.max(current) + 1, writes: Vec::new() };
        let unwritable = |fault: serde_json::Error| {
            vec![Refusal { origin: String::new(), fault: Fault::new("", fault.to_string()) }]
        };
        let contracts = self.contract_versions(stored, applied);
        self.draft(&contracts, &mut drafts).map_err(unwritable)?;
        let index = self.index(stored);
        if drafts.writes.is_empty() && newest <= current && index == stored_index(stored) {
            return Ok(Plan { revision: current, writes: Vec::new() });
        }
        let revision = index.to_json().map_err(unwritable)?;
        drafts.put(DocumentName::Revision, revision);
        Ok(Plan { revision: drafts.next, writes: drafts.writes })
    }

    fn draft(
        &self,
        contracts: &[StoredContract],
        drafts: &mut Drafts<'_>,
    ) -> Result<(), serde_json::Error> {
        for stored in contracts {
            let (name, json) = (stored.contract.name.clone(), stored.to_json()?);
            let version = DocumentName::ContractVersion(name.clone(), stored.version);
            drafts.put(version, json.clone());
            drafts.put(DocumentName::Contract(name), json);
        }
        for tenant in &self.tenants {
            drafts.put(DocumentName::Tenant(tenant.content.id.clone()), text(&tenant.json)?);
            for key in &tenant.content.keys {
                let grant = KeyGrant::stored(&tenant.content.id, key)?;
                drafts.put(DocumentName::Key(key.sha256.clone()), grant);
            }
        }
        for (topic, _) in self.routes() {
            let json = self.topics.as_ref().map(|topics| &topics.json);
            let route = json.and_then(|json| json.get("topics")?.get(topic));
            let route = route.ok_or_else(|| serde_json::Error::custom("a route without a text"))?;
            drafts.put(DocumentName::Topic(topic.clone()), text(route)?);
        }
        for sha256 in self.removed_keys(drafts.stored) {
            drafts.delete(DocumentName::Key(sha256));
        }
        Ok(())
    }

    /// The next version of each submitted contract that differs from its current version.
    fn contract_versions(
        &self,
        stored: &Stored,
        applied: (&str, Timestamp),
    ) -> Vec<StoredContract> {
        let changed = self.contracts.iter().filter_map(|contract| {
            let current = stored.get(&DocumentName::Contract(contract.content.name.clone()));
            let old = current.and_then(|current| StoredContract::parse(current).ok());
            let is_same = old.is_some_and(|old| old.contract == contract.content);
            let before = current.and_then(StoredContract::number);
            (!is_same).then(|| StoredContract::following(before, contract.content.clone(), applied))
        });
        changed.collect()
    }

    /// The index of the submitted and referenced contracts, and of all earlier ones.
    fn index(&self, stored: &Stored) -> Index {
        let contracts = stored.iter().filter(|(name, _)| matches!(name, DocumentName::Contract(_)));
        let contracts = contracts.filter_map(|(_, one)| StoredContract::parse(one).ok());
        let mut index = stored_index(stored);
        contracts.for_each(|one| index.take(one.version, &one.contract));
        for one in self.contract_versions(stored, ("", Timestamp::MIN)) {
            index.take(one.version, &one.contract);
        }
        for Tenant { id, default_contract, compatibility, .. } in
            self.tenants.iter().map(|tenant| &tenant.content)
        {
            let document = DocumentName::Tenant(id.clone()).storage_key();
            index.ask(&document, default_contract, *compatibility);
        }
        for (topic, route) in self.routes() {
            let asked =
                self.topics.as_ref().and_then(|topics| topics.json.get("topics")?.get(topic));
            let asked = asked
                .and_then(|route| Compatibility::deserialize(route.get("compatibility")?).ok());
            let document = DocumentName::Topic(topic.clone()).storage_key();
            index.ask(&document, contract_of(route).unwrap_or_default(), asked);
        }
        index
    }

    /// Versions that reject records which they must accept, or that change the unit of a measure.
    fn incompatible(&self, stored: &Stored, consent: Consent) -> Vec<Refusal> {
        let index = self.index(stored);
        let mut refusals = Vec::new();
        for contract in &self.contracts {
            let new = &contract.content;
            let old = stored.get(&DocumentName::Contract(new.name.clone()));
            let old = match old.map(StoredContract::parse) {
                Some(old) => old.ok().map(|old| old.contract),
                None => builtin(&new.name).ok().flatten(),
            };
            let Some(old) = old else { continue };
            let required = Required::by(index.asked(&new.name));
            let mut faults = compatibility::faults(&old, new, required, consent.incompatibilities);
            if !consent.unit_changes {
                faults.extend(compatibility::unit_changes(&old, new));
            }
            refusals.extend(faults.into_iter().map(|fault| contract.refusal(fault)));
        }
        refusals
    }

    /// What tenants and topics ask for is bounded because every change of a contract reads all of it.
    fn too_many_compatibilities(&self, stored: &Stored) -> Option<Refusal> {
        let count: usize = self.index(stored).compatibility.values().map(BTreeMap::len).sum();
        let limit = limits::COMPATIBILITY_RULES;
        let message =
            format!("too many documents ask for a compatibility: count=`{count}` limit=`{limit}`");
        let fault = Fault::new("/compatibility", message);
        if count <= limit {
            return None;
        }
        let tenant = self.tenants.last().map(|tenant| tenant.refusal(fault.clone()));
        tenant.or_else(|| Some(self.topics.as_ref()?.refusal(fault)))
    }

    /// Contracts that would give redelivered records another identity.
    fn identity_changes(
        &self,
        stored: &Stored,
        identities: Identities,
    ) -> impl Iterator<Item = Refusal> {
        let contracts = self.contracts.iter().filter(move |_| identities == Identities::Kept);
        contracts.flat_map(|contract| {
            let name = DocumentName::Contract(contract.content.name.clone());
            let faults = identity::changes(&contract.content, stored.get(&name));
            faults.into_iter().map(|fault| contract.refusal(fault))
        })
    }

    /// Media types that another contract reads already: a request would be ambiguous.
    fn shared_media_types(&self, stored: &Stored) -> Vec<Refusal> {
        let index = self.index(stored);
        let before = stored_index(stored);
        let submitted = |name: &str| self.contracts.iter().any(|one| one.content.name == name);
        let mut refusals = Vec::new();
        for contract in &self.contracts {
            let name = &contract.content.name;
            for (at, media_type) in contract.content.media_types.iter().enumerate() {
                let media_type = media_type.to_ascii_lowercase();
                let held = before.media_types.get(&media_type).filter(|held| !submitted(held));
                let other = held.or_else(|| index.media_types.get(&media_type));
                if let Some(other) = other.filter(|other| *other != name) {
                    let what = format!("the contract {other} reads this media type already");
                    refusals.push(contract.refusal(Fault::new(format!("/media_types/{at}"), what)));
                }
            }
        }
        refusals
    }

    /// The number of contracts is bounded because listings read all their names.
    fn too_many_contracts(&self, stored: &Stored) -> Option<Refusal> {
        let count = self.index(stored).contracts.len();
        let last = self.contracts.last().filter(|_| count > limits::CONTRACTS)?;
        let message = format!("too many contracts: count=`{count}` limit=`{}`", limits::CONTRACTS);
        Some(last.refusal(Fault::new("/name", message)))
    }

    /// The number of kinds is bounded because a listing reads all of them.
    fn too_many_kinds(&self, stored: &Stored) -> Option<Refusal> {
        let count = self.index(stored).kinds.len();
        let last = self.contracts.last().filter(|_| count > limits::KINDS)?;
        let message =
            format!("too many kinds of subjects: count=`{count}` limit=`{}`", limits::KINDS);
        Some(last.refusal(Fault::new("/subject/kind", message)))
    }

    /// References to contracts that do not exist.
    fn dangling(&self, stored: &Stored) -> impl Iterator<Item = Refusal> {
        let known = |name: &str| {
            self.contracts.iter().any(|contract| contract.content.name == name)
                || stored.contains_key(&DocumentName::Contract(name.to_owned()))
                || matches!(builtin(name), Ok(Some(_)))
        };
        let unknown = |path: String| Fault::new(path, "no contract has this name");
        let mut refusals = Vec::new();
        for tenant in self.tenants.iter().filter(|one| !known(&one.content.default_contract)) {
            refusals.push(tenant.refusal(unknown("/default_contract".to_owned())));
        }
        for (topic, route) in self.routes() {
            if contract_of(route).is_some_and(|name| !known(name)) {
                let fault = unknown(child(&child("/topics", topic), "contract"));
                refusals.extend(self.topics.as_ref().map(|topics| topics.refusal(fault)));
            }
        }
        refusals.into_iter()
    }

    /// Keys that belong to another tenant, in these documents or in the registry.
    fn foreign_keys(&self, stored: &Stored) -> impl Iterator<Item = Refusal> {
        let removed = self.removed_keys(stored);
        let mut seen = BTreeSet::new();
        let mut refusals = Vec::new();
        for tenant in &self.tenants {
            for (index, key) in tenant.content.keys.iter().enumerate() {
                let name = DocumentName::Key(key.sha256.clone());
                let holder = stored.get(&name).filter(|_| !removed.contains(&key.sha256));
                let foreign = holder.is_some_and(|held| !belongs(held, &tenant.content));
                if foreign || !seen.insert(&key.sha256) {
                    let path = format!("/keys/{index}/sha256");
                    let fault = Fault::new(path, "another tenant has this key");
                    refusals.push(tenant.refusal(fault));
                }
            }
        }
        refusals.into_iter()
    }

    /// Keys that a stored tenant lists and its new document does not.
    fn removed_keys(&self, stored: &Stored) -> BTreeSet<String> {
        let mut removed = BTreeSet::new();
        for tenant in &self.tenants {
            let old = stored.get(&DocumentName::Tenant(tenant.content.id.clone()));
            let old = old.and_then(|old| serde_json::from_str(&old.json).ok());
            let old: Option<Tenant> = old.and_then(|old: Value| Tenant::check(&old).ok());
            let old = old.into_iter().flat_map(|old| old.keys).map(|key| key.sha256);
            let keys = &tenant.content.keys;
            removed.extend(old.filter(|sha256| keys.iter().all(|key| key.sha256 != *sha256)));
        }
        removed
    }
}

impl<T> Checking<T> {
    fn refusal(&self, fault: Fault) -> Refusal {
        Refusal { origin: self.origin.clone(), fault }
    }
}

struct Drafts<'a> {
    stored: &'a Stored,
    next: u64,
    writes: Vec<Write>,
}

impl Drafts<'_> {
    fn put(&mut self, name: DocumentName, json: String) {
        let old = self.stored.get(&name);
        let unchanged = old.is_some_and(|old| old.json == json);
        if unchanged && name != DocumentName::Revision {
            return;
        }
        let replaces = old.map(|old| old.revision);
        let document = StoredDocument { json, revision: self.next };
        self.writes.push(Write { name, change: Change::Put { document, replaces } });
    }

    /// Deletes a document unless it is written: a key may move to another tenant.
    fn delete(&mut self, name: DocumentName) {
        if self.writes.iter().all(|write| write.name != name) {
            self.writes.push(Write { name, change: Change::Delete });
        }
    }
}

/// The index of the stored revision document; empty if it cannot be read.
fn stored_index(stored: &Stored) -> Index {
    let revision = stored.get(&DocumentName::Revision);
    revision.and_then(|revision| Index::stored(revision).ok()).unwrap_or_default()
}

fn belongs(held: &StoredDocument, tenant: &Tenant) -> bool {
    let grant = serde_json::from_str(&held.json).ok().map(KeyGrant::read);
    matches!(grant, Some(Ok(grant)) if *grant.tenant().id() == tenant.id)
}

fn text(value: &Value) -> Result<String, serde_json::Error> {
    canonical_json(value).map(|text| text.to_string())
}

#[cfg(test)]
mod tests;
