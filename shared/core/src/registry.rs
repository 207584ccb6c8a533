//! Contracts, tenants, topic routes and API keys: a cache over stored documents.
//!
//! Documents, and the absence of a document, are cached for [`LIFETIME_SECONDS`], so that neither a
//! busy tenant nor a wrong key costs a read per record. A view must not depend on how warm an
//! environment's cache is: [`Registry::specs`] returns contracts that are at least as new as a
//! given revision, and that revision.
//!
//! A cache's lock is never held across a read: two concurrent misses read twice.

mod apply;
mod index;
mod plan;
mod revision;
mod stored;
mod ttl_cache;

use std::sync::Arc;

use serde_json::Value;

pub use self::apply::{Checked, Refusal, Stored, Submitted, Text};
pub use self::plan::{
    Change, Consent, Identities, LONGEST_INVOCATION_SECONDS, Ledger, Move, Moves, Plan, Write,
};
use self::revision::Revision;
use self::stored::{broken, read};
pub use self::ttl_cache::LIFETIME_SECONDS;
use self::ttl_cache::{Held, TtlCache};
use crate::base::error::Unavailable;
use crate::base::id::{Kind, TenantId};
use crate::base::time::Timestamp;
use crate::intake::contract::{Contract, ContractDocument, builtin, builtin_of_media_type};
use crate::intake::document::{DocumentName, StoredDocument};
use crate::intake::fault;
use crate::intake::tenant::{KeyGrant, Tenant, TopicRoute, Topics};
use crate::ports::Documents;
use crate::view::Specs;

/// The cached contracts, tenants, routes and keys of an environment.
#[derive(Debug)]
pub struct Registry {
    tenants: TtlCache<Tenant>,
    contracts: TtlCache<Contract>,
    topics: TtlCache<TopicRoute>,
    keys: TtlCache<KeyGrant>,
    revision: Revision,
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self {
            tenants: TtlCache::new(),
            contracts: TtlCache::new(),
            topics: TtlCache::new(),
            keys: TtlCache::new(),
            revision: Revision::default(),
        }
    }

    /// A tenant.
    ///
    /// # Errors
    /// The store does not answer, or the stored document is invalid.
    pub async fn tenant(
        &self,
        id: &TenantId,
        now: Timestamp,
        documents: &impl Documents,
    ) -> Result<Option<Arc<Tenant>>, Unavailable> {
        if let Some(held) = self.tenants.get(id.as_str(), now) {
            return Ok(held.content);
        }
        let name = DocumentName::Tenant(id.clone());
        let stored = read(&name, documents).await?;
        let tenant = stored.map(|stored| tenant_of(&name, &stored)).transpose()?;
        Ok(self.tenants.put(id.as_str(), tenant, 0, now))
    }

    /// The route of a topic.
    ///
    /// # Errors
    /// The store does not answer, or the stored document is invalid.
    pub async fn topic(
        &self,
        topic: &str,
        now: Timestamp,
        documents: &impl Documents,
    ) -> Result<Option<Arc<TopicRoute>>, Unavailable> {
        if let Some(held) = self.topics.get(topic, now) {
            return Ok(held.content);
        }
        let name = DocumentName::Topic(topic.to_owned());
        let stored = read(&name, documents).await?;
        let route = stored.map(|stored| route_of(&name, &stored)).transpose()?;
        Ok(self.topics.put(topic, route, 0, now))
    }

    /// The grant of an API key, by the hex digits of its SHA-256.
    ///
    /// # Errors
    /// The store does not answer, or the stored document is invalid.
    pub async fn key(
        &self,
        sha256: &str,
        now: Timestamp,
        documents: &impl Documents,
    ) -> Result<Option<Arc<KeyGrant>>, Unavailable> {
        if let Some(held) = self.keys.get(sha256, now) {
            return Ok(held.content);
        }
        let name = DocumentName::Key(sha256.to_owned());
        let stored = read(&name, documents).await?;
        let grant = stored.map(|stored| grant_of(&name, &stored)).transpose()?;
        Ok(self.keys.put(sha256, grant, 0, now))
    }

    /// A contract: the stored contract, else the built-in contract with this name.
    ///
    /// # Errors
    /// The store does not answer, or the stored document is invalid.
    pub async fn contract(
        &self,
        name: &str,
        now: Timestamp,
        documents: &impl Documents,
    ) -> Result<Option<Arc<Contract>>, Unavailable> {
        if let Some(held) = self.contracts.get(name, now) {
            return Ok(held.content);
        }
        // Requests may contain any text as a contract name.
        if Kind::parse(name).is_err() {
            return Ok(None);
        }
        let revision = self.revision(0, now, documents).await?;
        self.load_contract(name, revision, now, documents).await
    }

    /// The view specs of these contracts, at least as new as a revision.
    ///
    /// # Errors
    /// The store does not answer, a stored document is invalid, or the registry is older than the
    /// revision.
    pub async fn specs(
        &self,
        names: &[Arc<str>],
        at_least: u64,
        now: Timestamp,
        documents: &impl Documents,
    ) -> Result<Specs, Unavailable> {
        // Read before any contract: contracts that are read later are at least as new.
        let mut specs =
            Specs { revision: self.revision(at_least, now, documents).await?, ..Specs::default() };
        for name in names {
            let held = self.contracts.get(name, now).filter(|held| held.as_of >= at_least);
            let (contract, as_of) = match held {
                Some(Held { content, as_of }) => (content, as_of),
                None => {
                    let read = self.revision(at_least, now, documents).await?;
                    (self.load_contract(name, read, now, documents).await?, read)
                }
            };
            specs.revision = specs.revision.min(as_of);
            let spec = contract.map(|contract| contract.view_spec()).unwrap_or_default();
            specs.by_contract.insert(Arc::clone(name), spec);
        }
        Ok(specs)
    }

    /// The kinds of subjects of all tenants, sorted: those of the built-in contracts and of every
    /// contract that was ever stored.
    ///
    /// # Errors
    /// The store does not answer, or the stored document is invalid.
    pub async fn kinds(
        &self,
        now: Timestamp,
        documents: &impl Documents,
    ) -> Result<Vec<Kind>, Unavailable> {
        let seen = self.revision.seen(0, now, documents).await?;
        let mut kinds = index::built_in_kinds();
        kinds.extend(seen.index.kinds.iter().cloned());
        Ok(kinds.into_iter().collect())
    }

    /// The name of the contract of a media type, which is in lower case: a stored contract, else a
    /// built-in one.
    ///
    /// # Errors
    /// The store does not answer, or the stored document is invalid.
    pub async fn contract_of_media_type(
        &self,
        media_type: &str,
        now: Timestamp,
        documents: &impl Documents,
    ) -> Result<Option<String>, Unavailable> {
        let seen = self.revision.seen(0, now, documents).await?;
        let stored = seen.index.media_types.get(media_type).cloned();
        Ok(stored.or_else(|| builtin_of_media_type(media_type).map(str::to_owned)))
    }

    /// The fault of the registry itself, if any: its revision document is missing, invalid, or
    /// older than a revision that was seen before. Bypasses the cache.
    pub async fn fault(&self, now: Timestamp, documents: &impl Documents) -> Option<String> {
        self.revision.fault(now, documents).await
    }

    /// The cached revision, read again if it is too old for `at_least` or `now`.
    async fn revision(
        &self,
        at_least: u64,
        now: Timestamp,
        documents: &impl Documents,
    ) -> Result<u64, Unavailable> {
        self.revision.seen(at_least, now, documents).await.map(|seen| seen.number)
    }

    async fn load_contract(
        &self,
        name: &str,
        as_of: u64,
        now: Timestamp,
        documents: &impl Documents,
    ) -> Result<Option<Arc<Contract>>, Unavailable> {
        let stored = DocumentName::Contract(name.to_owned());
        let contract = match read(&stored, documents).await? {
            Some(document) => Some(contract_of(&stored, &document)?),
            None => builtin_contract(name)?,
        };
        Ok(self.contracts.put(name, contract, as_of, now))
    }
}

fn tenant_of(name: &DocumentName, stored: &StoredDocument) -> Result<Tenant, Unavailable> {
    let document = value_of(name, stored)?;
    Tenant::check(&document).map_err(|faults| broken(name, &fault::listed(&faults)))
}

fn route_of(name: &DocumentName, stored: &StoredDocument) -> Result<TopicRoute, Unavailable> {
    Topics::route(value_of(name, stored)?).map_err(|fault| broken(name, &fault))
}

fn grant_of(name: &DocumentName, stored: &StoredDocument) -> Result<KeyGrant, Unavailable> {
    KeyGrant::read(value_of(name, stored)?).map_err(|fault| broken(name, &fault))
}

fn contract_of(name: &DocumentName, stored: &StoredDocument) -> Result<Contract, Unavailable> {
    let contract = ContractDocument::parse(&stored.json).and_then(|one| Contract::compile(&one));
    contract.map_err(|faults| broken(name, &fault::listed(&faults)))
}

fn builtin_contract(name: &str) -> Result<Option<Contract>, Unavailable> {
    let contract =
        builtin(name).and_then(|found| found.as_ref().map(Contract::compile).transpose());
    contract
        .map_err(|faults| broken(&DocumentName::Contract(name.to_owned()), &fault::listed(&faults)))
}

fn value_of(name: &DocumentName, stored: &StoredDocument) -> Result<Value, Unavailable> {
    serde_json::from_str(&stored.json).map_err(|fault| broken(name, &fault.to_string()))
}

#[cfg(test)]
mod tests;
