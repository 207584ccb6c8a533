//! Plans the writes that bring the registry to the state of the submitted documents.
//!
//! An unchanged document is not written, so applying a folder twice writes nothing the second time.
//! All writes belong into one transaction: each document carries the revision that wrote it, and no
//! document may be newer than the stored revision. A changed contract is a new version: the plan puts the
//! version under a name of its own, where it never changes, and replaces the current version.

mod compatibility;
mod contracts;
mod feeds;
mod identity;
mod placement;
mod rules;
mod targets;

use std::collections::BTreeSet;

use serde::ser::Error as _;
use serde_json::Value;

pub use self::compatibility::Incompatibilities;
pub use self::identity::Identities;
pub use self::placement::{LONGEST_INVOCATION_SECONDS, Ledger, Move, Moves};
use super::apply::{Checked, Checking, Refusal, Stored, contract_of};
use super::index::Index;
use super::rules::StoredRules;
use super::version::StoredContract;
use crate::base::id::TenantId;
use crate::base::time::Timestamp;
use crate::event::canonical_json;
use crate::intake::contract::builtin;
use crate::intake::document::{DocumentName, StoredDocument};
use crate::intake::fault::Fault;
use crate::intake::schema::child;
use crate::intake::tenant::{KeyGrant, Tenant};

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
        let contracts = self.contract_versions(stored, applied);
        let index = self.index(stored, &contracts);
        let refusals = self.dangling(stored).chain(self.foreign_keys(stored));
        let refusals = refusals.chain(self.identity_changes(stored, consent.identities));
        let refusals = refusals.chain(self.incompatible(&index, stored, consent));
        let refusals = refusals.chain(self.shared_media_types(&index, stored));
        let refusals = refusals.chain(self.too_many_kinds(&index));
        let refusals = refusals.chain(self.too_many_contracts(&index));
        let refusals = refusals.chain(self.too_many_compatibilities(&index));
        let refusals = refusals.chain(self.feeds_that_are_read(&index, stored));
        let refusals = refusals.chain(self.too_many_own_feeds(&index));
        let refusals = refusals.chain(self.refused_moves(stored, consent.moves));
        let (rules, refused) = self.rule_versions(stored, applied);
        let refusals = refusals.chain(refused);
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
        self.draft(&contracts, &rules, &mut drafts).map_err(unwritable)?;
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
        rules: &[(TenantId, StoredRules)],
        drafts: &mut Drafts<'_>,
    ) -> Result<(), serde_json::Error> {
        // Before the tenants: the rules of a new tenant are in force at once.
        for (tenant, stored) in rules {
            let json = stored.to_json()?;
            let version = DocumentName::RulesVersion(tenant.clone(), stored.version);
            drafts.put(version, json.clone());
            drafts.put(DocumentName::Rules(tenant.clone()), json);
        }
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
