//! What a plan says about contracts: their next versions, the index of all contracts, and refused changes.

use std::collections::BTreeMap;

use serde::Deserialize as _;

use super::compatibility::{self, Required};
use super::identity::{self, Identities};
use super::{Consent, stored_index};
use crate::base::limits;
use crate::base::time::Timestamp;
use crate::intake::contract::builtin;
use crate::intake::document::DocumentName;
use crate::intake::fault::Fault;
use crate::intake::tenant::{Compatibility, Tenant};
use crate::registry::apply::{Checked, Refusal, Stored, contract_of};
use crate::registry::index::Index;
use crate::registry::version::StoredContract;

impl Checked {
    /// The next version of each submitted contract that differs from its current version.
    pub(super) fn contract_versions(
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

    /// The index of the next versions, the referenced contracts, and all earlier ones.
    pub(super) fn index(&self, stored: &Stored, next: &[StoredContract]) -> Index {
        let contracts = stored.iter().filter(|(name, _)| matches!(name, DocumentName::Contract(_)));
        let contracts = contracts.filter_map(|(_, one)| StoredContract::parse(one).ok());
        let mut index = stored_index(stored);
        contracts.for_each(|one| index.take(one.version, &one.contract));
        next.iter().for_each(|one| index.take(one.version, &one.contract));
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
        self.tenants.iter().for_each(|tenant| index.take_feeds(&tenant.content));
        index
    }

    /// Versions that reject records which they must accept, or that change the unit of a measure.
    pub(super) fn incompatible(
        &self,
        index: &Index,
        stored: &Stored,
        consent: Consent,
    ) -> Vec<Refusal> {
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
    pub(super) fn too_many_compatibilities(&self, index: &Index) -> Option<Refusal> {
        let count: usize = index.compatibility.values().map(BTreeMap::len).sum();
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
    pub(super) fn identity_changes(
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
    pub(super) fn shared_media_types(&self, index: &Index, stored: &Stored) -> Vec<Refusal> {
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
    pub(super) fn too_many_contracts(&self, index: &Index) -> Option<Refusal> {
        let count = index.contracts.len();
        let last = self.contracts.last().filter(|_| count > limits::CONTRACTS)?;
        let message = format!("too many contracts: count=`{count}` limit=`{}`", limits::CONTRACTS);
        Some(last.refusal(Fault::new("/name", message)))
    }

    /// The number of kinds is bounded because a listing reads all of them.
    pub(super) fn too_many_kinds(&self, index: &Index) -> Option<Refusal> {
        let count = index.kinds.len();
        let last = self.contracts.last().filter(|_| count > limits::KINDS)?;
        let message =
            format!("too many kinds of subjects: count=`{count}` limit=`{}`", limits::KINDS);
        Some(last.refusal(Fault::new("/subject/kind", message)))
    }
}
