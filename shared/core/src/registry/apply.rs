//! The pure part of `drover apply`, in three steps: check the submitted documents
//! ([`Submitted::check`]), list the stored documents to read ([`Checked::reads`]), and plan the
//! writes ([`Checked::plan`]). Nothing is written unless every document is valid.
//!
//! Left out: removal of contracts, rules and routes that are no longer in the folder. Keys that a tenant's
//! document no longer lists are removed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::base::id::TenantId;
use crate::intake::contract::{Contract, ContractDocument};
use crate::intake::document::{self, DocumentName, StoredDocument};
use crate::intake::fault::Fault;
use crate::intake::rules::Rules;
use crate::intake::tenant::{Placement, Tenant, TopicRoute, Topics};

/// A submitted document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The file name, for messages.
    pub origin: String,
    /// The JSON.
    pub json: String,
}

/// All documents of one `apply`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submitted {
    /// One document per tenant.
    pub tenants: Vec<Text>,
    /// One document per contract.
    pub contracts: Vec<Text>,
    /// The routes of all topics.
    pub topics: Option<Text>,
    /// One document of alert rules per tenant.
    pub rules: Vec<Text>,
}

/// A fault in one of the documents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {fault}")]
pub struct Refusal {
    /// The document's file name.
    pub origin: String,
    /// The fault.
    pub fault: Fault,
}

/// Documents that are valid individually.
#[derive(Debug)]
pub struct Checked {
    pub(super) tenants: Vec<Checking<Tenant>>,
    pub(super) contracts: Vec<Checking<ContractDocument>>,
    pub(super) topics: Option<Checking<Topics>>,
    pub(super) rules: Vec<Checking<Rules>>,
}

/// One checked document.
#[derive(Debug)]
pub(super) struct Checking<T> {
    pub(super) origin: String,
    pub(super) json: Value,
    pub(super) content: T,
}

/// The stored documents of the requested names. An absent name is not stored.
pub type Stored = BTreeMap<DocumentName, StoredDocument>;

impl Submitted {
    /// Checks each document, and that names are unique.
    ///
    /// # Errors
    /// All faults of all documents.
    pub fn check(&self) -> Result<Checked, Vec<Refusal>> {
        let mut refusals = Vec::new();
        let tenants = all(&self.tenants, Tenant::check, &mut refusals);
        let contracts = all(&self.contracts, contract, &mut refusals);
        let topics = all(self.topics.as_slice(), Topics::check, &mut refusals).pop();
        let rules = all(&self.rules, Rules::check, &mut refusals);
        unique(&rules, |rules| rules.tenant.as_str(), "/tenant", &mut refusals);
        unique(&tenants, |tenant| tenant.id.as_str(), "/id", &mut refusals);
        unique(&contracts, |contract| &contract.name, "/name", &mut refusals);
        if !refusals.is_empty() {
            return Err(refusals);
        }
        Ok(Checked { tenants, contracts, topics, rules })
    }
}

impl Checked {
    /// The stored documents that [`Checked::plan`] needs.
    pub fn reads(&self) -> BTreeSet<DocumentName> {
        let mut names = BTreeSet::from([DocumentName::Revision]);
        for tenant in &self.tenants {
            names.insert(DocumentName::Tenant(tenant.content.id.clone()));
            names.insert(DocumentName::Contract(tenant.content.default_contract.clone()));
            names.insert(DocumentName::Rules(tenant.content.id.clone()));
            let keys = tenant.content.keys.iter();
            names.extend(keys.map(|key| DocumentName::Key(key.sha256.clone())));
        }
        let contracts = self.contracts.iter();
        names.extend(contracts.map(|one| DocumentName::Contract(one.content.name.clone())));
        for rules in self.rules.iter().map(|rules| &rules.content) {
            let tenant = || rules.tenant.clone();
            names.extend([DocumentName::Rules(tenant()), DocumentName::Tenant(tenant())]);
            let contracts = rules.contracts().into_iter();
            names.extend(contracts.map(|name| DocumentName::Contract(name.to_owned())));
        }
        names.extend(self.feed_topics().map(DocumentName::Topic));
        for (topic, route) in self.routes() {
            names.insert(DocumentName::Topic(topic.clone()));
            names.extend(contract_of(route).map(|name| DocumentName::Contract(name.to_owned())));
        }
        names
    }

    /// The file name and the stored name of each tenant, contract, topic route and set of rules.
    pub fn names(&self) -> impl Iterator<Item = (&str, DocumentName)> {
        let tenants = self.tenants.iter().map(|one| {
            let name = DocumentName::Tenant(one.content.id.clone());
            (one.origin.as_str(), name)
        });
        let contracts = self.contracts.iter().map(|one| {
            let name = DocumentName::Contract(one.content.name.clone());
            (one.origin.as_str(), name)
        });
        let topics = self.topics.iter().flat_map(|topics| {
            let name = |topic: &String| DocumentName::Topic(topic.clone());
            topics.content.topics.keys().map(move |topic| (topics.origin.as_str(), name(topic)))
        });
        let rules = self.rules.iter().map(|one| {
            let name = DocumentName::Rules(one.content.tenant.clone());
            (one.origin.as_str(), name)
        });
        tenants.chain(contracts).chain(topics).chain(rules)
    }

    /// Tenants with their own ledger table, and its name.
    pub fn tables(&self) -> impl Iterator<Item = (&TenantId, &str)> {
        self.tenants.iter().filter_map(|one| match &one.content.placement {
            Placement::Pooled => None,
            Placement::Table(name) => Some((&one.content.id, name.as_str())),
        })
    }

    /// Tenants with feeds and their own ledger table: the file name, the tenant and the table.
    pub fn tables_with_feeds(&self) -> impl Iterator<Item = (&str, &TenantId, &str)> {
        self.tenants.iter().filter_map(|one| match &one.content {
            Tenant { id, feeds, placement: Placement::Table(name), .. }
                if !feeds.enabled.is_empty() =>
            {
                Some((one.origin.as_str(), id, name.as_str()))
            }
            _ => None,
        })
    }

    pub(super) fn routes(&self) -> impl Iterator<Item = (&String, &TopicRoute)> {
        self.topics.iter().flat_map(|topics| &topics.content.topics)
    }
}

/// The contract of a route.
pub(super) fn contract_of(route: &TopicRoute) -> Option<&str> {
    match route {
        TopicRoute::Contract { contract, .. } => Some(contract),
        TopicRoute::Envelope => None,
    }
}

fn contract(json: &Value) -> Result<ContractDocument, Vec<Fault>> {
    let contract = ContractDocument::read(json)?;
    Contract::compile(&contract)?;
    Ok(contract)
}

fn all<T>(
    texts: &[Text],
    check: impl Fn(&Value) -> Result<T, Vec<Fault>>,
    refusals: &mut Vec<Refusal>,
) -> Vec<Checking<T>> {
    let mut checked = Vec::new();
    for Text { origin, json } in texts {
        let result =
            document::parse(json).and_then(|json| check(&json).map(|content| (json, content)));
        match result {
            Ok((json, content)) => checked.push(Checking { origin: origin.clone(), json, content }),
            Err(faults) => {
                let refused = |fault| Refusal { origin: origin.clone(), fault };
                refusals.extend(faults.into_iter().map(refused));
            }
        }
    }
    checked
}

fn unique<T>(
    checked: &[Checking<T>],
    name: impl Fn(&T) -> &str,
    path: &str,
    refusals: &mut Vec<Refusal>,
) {
    let mut names = BTreeSet::new();
    for one in checked {
        if !names.insert(name(&one.content)) {
            let fault = Fault::new(path, "another document has the same name");
            refusals.push(Refusal { origin: one.origin.clone(), fault });
        }
    }
}
