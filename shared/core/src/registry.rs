//! Contracts, tenants, topic routes, API keys and alert rules: a cache over stored documents.
//!
//! Documents, and the absence of a document, are cached for [`LIFETIME_SECONDS`], so that neither a
//! busy tenant nor a wrong key costs a read per record. A view must not depend on how warm an
//! environment's cache is: an entry names the version of the contract that read it, versions never
//! change, and [`Registry::specs`] returns the specs of exactly these versions.
//!
//! A cache's lock is never held across a read: two concurrent misses read twice.

mod apply;
mod feeds;
mod index;
mod plan;
mod revision;
mod rules;
mod stored;
mod ttl_cache;
mod version;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use serde_json::Value;

pub use self::apply::{Checked, Refusal, Stored, Submitted, Text};
pub use self::feeds::{OwnFeedTopic, OwnFeedsOfTenants, own_feeds_of_tenants};
pub use self::plan::{
    Change, Consent, Identities, Incompatibilities, LONGEST_INVOCATION_SECONDS, Ledger, Move,
    Moves, Plan, Write,
};
use self::revision::Revision;
pub use self::rules::{StoredRules, TenantRules};
use self::stored::{broken, missing_version, read};
pub use self::ttl_cache::LIFETIME_SECONDS;
use self::ttl_cache::TtlCache;
pub use self::version::StoredContract;
use crate::base::error::Unavailable;
use crate::base::id::{Kind, SubjectKey, TenantId};
use crate::base::limits;
use crate::base::time::Timestamp;
use crate::event::ContractVersion;
use crate::intake::contract::{BUILTINS, Contract, builtin, builtin_of_media_type};
use crate::intake::document::{DocumentName, StoredDocument};
use crate::intake::fault;
use crate::intake::tenant::{KeyGrant, Tenant, TopicRoute, Topics};
use crate::ports::Documents;
use crate::view::{Specs, ViewSpec};

/// The cached contracts, tenants, routes and keys of an environment.
#[derive(Debug)]
pub struct Registry {
    tenants: TtlCache<Tenant>,
    contracts: TtlCache<Contract>,
    specs: SpecCache,
    rules: TtlCache<TenantRules>,
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
            specs: SpecCache::default(),
            rules: TtlCache::new(),
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
            return Ok(held);
        }
        let name = DocumentName::Tenant(id.clone());
        let stored = read(&name, documents).await?;
        let tenant = stored.map(|stored| tenant_of(&name, &stored)).transpose()?;
        Ok(self.tenants.put(id.as_str(), tenant, now))
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
            return Ok(held);
        }
        let name = DocumentName::Topic(topic.to_owned());
        let stored = read(&name, documents).await?;
        let route = stored.map(|stored| route_of(&name, &stored)).transpose()?;
        Ok(self.topics.put(topic, route, now))
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
            return Ok(held);
        }
        let name = DocumentName::Key(sha256.to_owned());
        let stored = read(&name, documents).await?;
        let grant = stored.map(|stored| grant_of(&name, &stored)).transpose()?;
        Ok(self.keys.put(sha256, grant, now))
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
            return Ok(held);
        }
        // Requests may contain any text as a contract name.
        if Kind::parse(name).is_err() {
            return Ok(None);
        }
        // The breaker compares later revisions with it.
        self.revision.seen(now, documents).await?;
        let stored_name = DocumentName::Contract(name.to_owned());
        let contract = match stored_contract(&stored_name, documents).await? {
            Some(stored) => Some(stored.compile().map_err(|fault| broken(&stored_name, &fault))?),
            None => builtin_contract(name)?,
        };
        if let Some(contract) = &contract {
            self.specs.put(contract.version(), contract.view_spec());
        }
        Ok(self.contracts.put(name, contract, now))
    }

    /// The current version of a stored contract, or the version with a number. Bypasses the cache.
    ///
    /// # Errors
    /// The store does not answer, or the stored document is invalid.
    pub async fn stored_contract(
        &self,
        name: &str,
        number: Option<u32>,
        documents: &impl Documents,
    ) -> Result<Option<StoredContract>, Unavailable> {
        // Requests may contain any text as a contract name.
        if Kind::parse(name).is_err() {
            return Ok(None);
        }
        let name = name.to_owned();
        let name = match number {
            None => DocumentName::Contract(name),
            Some(number) => DocumentName::ContractVersion(name, number),
        };
        stored_contract(&name, documents).await
    }

    /// The number of the current version of every contract, by name; 0 for a built-in contract.
    ///
    /// # Errors
    /// The store does not answer, or the stored document is invalid.
    pub async fn contracts(
        &self,
        now: Timestamp,
        documents: &impl Documents,
    ) -> Result<BTreeMap<String, u32>, Unavailable> {
        let seen = self.revision.seen(now, documents).await?;
        let mut contracts: BTreeMap<String, u32> =
            BUILTINS.iter().map(|(name, _)| ((*name).to_owned(), 0)).collect();
        contracts.extend(seen.index.contracts.clone());
        Ok(contracts)
    }

    /// By what entries of a subject are folded: the specs of these contract versions, and the alert rules of its
    /// tenant.
    ///
    /// # Errors
    /// As for [`Self::specs`] and [`Self::rules_of`].
    pub async fn folded_by(
        &self,
        subject: &SubjectKey,
        versions: &[ContractVersion],
        now: Timestamp,
        documents: &impl Documents,
    ) -> Result<Specs, Unavailable> {
        let specs = self.specs(versions, documents).await?;
        let rules = self.rules_of(subject.tenant(), now, documents).await?;
        Ok(match rules {
            Some(rules) => specs.with_rules(rules.of_kind(subject.subject().kind())),
            None => specs,
        })
    }

    /// The view specs of these contract versions, without alert rules.
    ///
    /// # Errors
    /// The store does not answer, a stored document is invalid, or a version is missing.
    pub async fn specs(
        &self,
        versions: &[ContractVersion],
        documents: &impl Documents,
    ) -> Result<Specs, Unavailable> {
        let mut specs = Vec::with_capacity(versions.len());
        for version in versions {
            let spec = match self.specs.get(version) {
                Some(spec) => spec,
                None => self.load_spec(version, documents).await?,
            };
            specs.push((version.clone(), spec));
        }
        Ok(specs.into_iter().collect())
    }

    async fn load_spec(
        &self,
        version: &ContractVersion,
        documents: &impl Documents,
    ) -> Result<Arc<ViewSpec>, Unavailable> {
        let spec = match version::document_name(version) {
            None => builtin_contract(&version.contract)?.map(|contract| contract.view_spec()),
            Some(name) => {
                let stored = stored_contract(&name, documents).await?;
                let stored = stored.ok_or_else(|| missing_version(&name))?;
                Some(stored.compile().map_err(|fault| broken(&name, &fault))?.view_spec())
            }
        };
        // Ingest writes version 0 for built-in contracts only. Another name gives an empty spec.
        let spec = spec.unwrap_or_default();
        self.specs.put(version.clone(), Arc::clone(&spec));
        Ok(spec)
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
        let seen = self.revision.seen(now, documents).await?;
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
        let seen = self.revision.seen(now, documents).await?;
        let stored = seen.index.media_types.get(media_type).cloned();
        Ok(stored.or_else(|| builtin_of_media_type(media_type).map(str::to_owned)))
    }

    /// The fault of the registry itself, if any: its revision document is missing, invalid, or
    /// older than a revision that was seen before. Bypasses the cache.
    pub async fn fault(&self, now: Timestamp, documents: &impl Documents) -> Option<String> {
        self.revision.fault(now, documents).await
    }
}

/// The specs of contract versions. A version never changes, so no entry expires. The least recently used
/// spec is evicted.
#[derive(Debug)]
struct SpecCache(Mutex<LruCache<ContractVersion, Arc<ViewSpec>>>);

impl Default for SpecCache {
    fn default() -> Self {
        const CAPACITY: NonZeroUsize = match NonZeroUsize::new(limits::REGISTRY_ENTRIES) {
            Some(capacity) => capacity,
            None => NonZeroUsize::MIN,
        };
        Self(Mutex::new(LruCache::sparse(CAPACITY)))
    }
}

impl SpecCache {
    fn get(&self, version: &ContractVersion) -> Option<Arc<ViewSpec>> {
        let mut specs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        specs.get(version).cloned()
    }

    fn put(&self, version: ContractVersion, spec: Arc<ViewSpec>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(version, spec);
    }
}

async fn stored_contract(
    name: &DocumentName,
    documents: &impl Documents,
) -> Result<Option<StoredContract>, Unavailable> {
    let stored = read(name, documents).await?;
    let contract = stored.map(|stored| StoredContract::parse(&stored)).transpose();
    contract.map_err(|fault| broken(name, &fault))
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
