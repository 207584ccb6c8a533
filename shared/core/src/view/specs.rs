//! By what the entries of a subject are folded.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::rules::RuleVersions;
use super::spec::ViewSpec;
use crate::base::time::Timestamp;
use crate::event::{ContractVersion, Entry};

/// By what a subject's entries are folded: the specs of the contract versions that read them, and the versions of
/// its tenant's alert rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Specs {
    /// By the name of the contract and the number of the version.
    by_contract: BTreeMap<Arc<str>, BTreeMap<u32, Arc<ViewSpec>>>,
    /// `None`: no rules.
    rules: Option<Arc<RuleVersions>>,
}

impl Specs {
    /// The spec of the contract version that read an entry.
    pub fn of(&self, entry: &Entry) -> Option<&ViewSpec> {
        self.by_contract.get(&entry.contract)?.get(&entry.contract_version).map(AsRef::as_ref)
    }

    /// The contract versions of `entries` whose spec is missing.
    pub fn missing<'a>(
        &self,
        entries: impl IntoIterator<Item = &'a Arc<Entry>>,
    ) -> Vec<ContractVersion> {
        let mut missing: Vec<ContractVersion> = Vec::new();
        for entry in entries.into_iter().filter(|entry| self.of(entry).is_none()) {
            let known = |one: &ContractVersion| {
                one.number == entry.contract_version && one.contract == entry.contract
            };
            if !missing.iter().any(known) {
                let (contract, number) = (Arc::clone(&entry.contract), entry.contract_version);
                missing.push(ContractVersion { contract, number });
            }
        }
        missing
    }

    /// Folds by these alert rules, too.
    #[must_use]
    pub fn with_rules(self, rules: Arc<RuleVersions>) -> Self {
        Self { rules: Some(rules), ..self }
    }

    /// The versions of the alert rules.
    pub(super) fn rules(&self) -> Option<&RuleVersions> {
        self.rules.as_deref()
    }

    /// The number of the version of the alert rules that reads an event which was observed and received then.
    pub fn version_at(&self, received_at: Option<Timestamp>) -> Option<u32> {
        let received_at = received_at?;
        Some(self.rules()?.number(received_at, received_at))
    }

    /// Adds the specs of other versions, and the alert rules that come with them.
    pub fn add(&mut self, specs: Self) {
        self.rules = specs.rules.or(self.rules.take());
        for (contract, versions) in specs.by_contract {
            self.by_contract.entry(contract).or_default().extend(versions);
        }
    }
}

impl FromIterator<(ContractVersion, Arc<ViewSpec>)> for Specs {
    fn from_iter<I: IntoIterator<Item = (ContractVersion, Arc<ViewSpec>)>>(specs: I) -> Self {
        let mut collected = Self::default();
        for (ContractVersion { contract, number }, spec) in specs {
            collected.by_contract.entry(contract).or_default().insert(number, spec);
        }
        collected
    }
}
