//! A version of a tenant's alert rules as the registry stores it: the document, with who applied it and when, the
//! time from which it is in force, and the kinds of subjects of the contracts that the rules name.
//!
//! Like a version of a contract it is stored twice: under its own name, where it never changes, and as the current
//! version under the name of the tenant. The kinds are stored with it, so that what it watches does not change with
//! a later version of a contract.
//!
//! A fold needs every version, because a late event is read by the version of its time. A version costs one read in
//! each environment, and the current version one read every [`LIFETIME_SECONDS`](super::LIFETIME_SECONDS).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Registry;
use super::stored::{broken, missing_version, read};
use crate::base::error::{Rejection, Unavailable};
use crate::base::id::{Kind, TenantId};
use crate::base::limits;
use crate::base::time::Timestamp;
use crate::event::canonical_json;
use crate::intake::document::{DocumentName, StoredDocument};
use crate::intake::fault;
use crate::intake::rules::Rules;
use crate::ports::Documents;
use crate::view::rules::{Episode, RuleVersion, RuleVersions, Watch};

/// A stored version of a tenant's rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredRules {
    /// The number of the version, from 1.
    pub version: u32,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// Who applied it, at most [`limits::APPLIED_BY_BYTES`].
    pub applied_by: String,
    /// From when on it is in force.
    pub starts_at: Timestamp,
    /// The kinds of subjects by the names of contracts.
    pub kinds: BTreeMap<String, Vec<String>>,
    /// The document.
    pub rules: Value,
}

impl StoredRules {
    /// The version after `before`, or the first version. It is in force when every environment knows it, and not
    /// before the version before it.
    pub(super) fn following(
        before: Option<&Self>,
        rules: Value,
        kinds: BTreeMap<String, Vec<String>>,
        (applied_by, applied_at): (&str, Timestamp),
    ) -> Self {
        let end = applied_by.floor_char_boundary(limits::APPLIED_BY_BYTES);
        let applied_by = applied_by.get(..end).unwrap_or_default().to_owned();
        let version = before.map_or(0, |before| before.version).saturating_add(1);
        let starts_at = applied_at.plus_seconds(limits::RULES_START_SECONDS);
        let starts_at = before.map_or(starts_at, |before| before.starts_at.max(starts_at));
        Self { version, applied_at, applied_by, starts_at, kinds, rules }
    }

    /// Its JSON in the registry, in canonical form.
    ///
    /// # Errors
    /// Never for a document that was parsed.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        Ok(canonical_json(&serde_json::to_value(self)?)?.to_string())
    }

    /// Reads a stored document.
    ///
    /// # Errors
    /// The fault, as text: another release may have written the document.
    pub fn parse(stored: &StoredDocument) -> Result<Self, String> {
        serde_json::from_str(&stored.json).map_err(|fault| fault.to_string())
    }

    /// The tenant and the rules, for people and programs.
    ///
    /// # Errors
    /// The faults, as text: another release may have written the document.
    pub fn checked(&self) -> Result<Rules, String> {
        Rules::check(&self.rules).map_err(|faults| fault::listed(&faults))
    }

    /// The documents of its rules by their names, as they were applied.
    pub fn documents(&self) -> impl Iterator<Item = (&str, &Value)> {
        let rules = self.rules.get("rules").and_then(Value::as_array);
        rules.into_iter().flatten().filter_map(|rule| Some((rule.get("id")?.as_str()?, rule)))
    }

    /// The document of the rule with this name.
    pub fn document(&self, id: &str) -> Option<&Value> {
        self.documents().find_map(|(own, rule)| (own == id).then_some(rule))
    }

    /// The rules for the fold, out of [`Self::checked`].
    ///
    /// # Errors
    /// The fault, as text.
    pub fn version(&self, rules: &Rules) -> Result<RuleVersion, String> {
        let kinds = self.kinds.iter().map(|(contract, kinds)| {
            let kinds = kinds.iter().map(|kind| Kind::parse(kind));
            Ok((contract.clone(), kinds.collect::<Result<_, _>>()?))
        });
        let kinds: Result<_, Rejection> = kinds.collect();
        let kinds = kinds.map_err(|rejection| rejection.message)?;
        Ok(rules.version(self.version, Some(self.starts_at), &kinds))
    }
}

/// Every version of a tenant's alert rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TenantRules {
    /// In the order of their numbers.
    versions: Vec<RuleVersion>,
    /// Their documents.
    documents: BTreeMap<u32, Arc<Rules>>,
    /// For each kind of subjects whose silence some rule watches.
    watching: BTreeMap<Kind, Arc<RuleVersions>>,
    /// For all other kinds.
    others: Arc<RuleVersions>,
}

impl TenantRules {
    fn new(versions: Vec<RuleVersion>, documents: BTreeMap<u32, Arc<Rules>>) -> Self {
        let all = RuleVersions::new(versions.clone());
        let kinds: BTreeSet<&Kind> = versions.iter().flat_map(watched).collect();
        let of = |kind: &Kind| (kind.clone(), Arc::new(all.of_kind(kind)));
        let watching = kinds.into_iter().map(of).collect();
        Self { versions, documents, watching, others: Arc::new(all.without_absences()) }
    }

    /// The rules for subjects of a kind.
    pub fn of_kind(&self, kind: &Kind) -> Arc<RuleVersions> {
        Arc::clone(self.watching.get(kind).unwrap_or(&self.others))
    }

    /// Whether the rule that opened an episode has `latch`.
    pub fn latches(&self, episode: &Episode) -> bool {
        let rule = self.document(episode.version).and_then(|rules| rules.rule(&episode.rule));
        rule.is_some_and(|(rule, _)| rule.latch)
    }

    /// The document of a version.
    pub fn document(&self, version: u32) -> Option<&Rules> {
        self.documents.get(&version).map(AsRef::as_ref)
    }
}

/// The kinds of subjects whose silence a version watches.
fn watched(version: &RuleVersion) -> impl Iterator<Item = &Kind> {
    let kinds = version.rules.values().filter_map(|rule| match &rule.watch {
        Watch::Absence { kinds, .. } => Some(kinds),
        Watch::Values { .. } => None,
    });
    kinds.flatten()
}

impl Registry {
    /// Every version of a tenant's alert rules; `None`: there is none.
    ///
    /// # Errors
    /// The store does not answer, a stored document is invalid, or a version is missing.
    pub async fn rules_of(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        store: &impl Documents,
    ) -> Result<Option<Arc<TenantRules>>, Unavailable> {
        if let Some(held) = self.rules.get(tenant.as_str(), now) {
            return Ok(held);
        }
        let Some(current) = self.stored_rules(tenant, None, store).await? else {
            return Ok(self.rules.put(tenant.as_str(), None, now));
        };
        let known = self.rules.get_stale(tenant.as_str());
        let known = known.filter(|known| known.versions.len() <= current.version as usize);
        let (mut versions, mut documents) = match &known {
            Some(known) => (known.versions.clone(), known.documents.clone()),
            None => (Vec::new(), BTreeMap::new()),
        };
        let next = versions.last().map_or(1, |last| last.number.saturating_add(1));
        for number in next..=current.version {
            let name = DocumentName::RulesVersion(tenant.clone(), number);
            let stored = self.rules_version(tenant, number, store).await?;
            let invalid = |fault: String| broken(&name, &fault);
            let rules = stored.checked().map_err(invalid)?;
            versions.push(stored.version(&rules).map_err(invalid)?);
            documents.insert(number, Arc::new(rules));
        }
        let rules = TenantRules::new(versions, documents);
        Ok(self.rules.put(tenant.as_str(), Some(rules), now))
    }

    /// The kinds of subjects whose silence the newest version of a tenant's alert rules watches. Bypasses the cache.
    ///
    /// # Errors
    /// The store does not answer, or the stored document is invalid.
    pub async fn watched_kinds(
        &self,
        tenant: &TenantId,
        documents: &impl Documents,
    ) -> Result<BTreeSet<Kind>, Unavailable> {
        let Some(stored) = self.stored_rules(tenant, None, documents).await? else {
            return Ok(BTreeSet::new());
        };
        let version = stored.checked().and_then(|rules| stored.version(&rules));
        let version =
            version.map_err(|fault| broken(&DocumentName::Rules(tenant.clone()), &fault))?;
        Ok(watched(&version).cloned().collect())
    }

    /// A version of a tenant's alert rules that is not newer than the current version. Bypasses the cache.
    ///
    /// # Errors
    /// The store does not answer, the stored document is invalid, or the version is missing.
    pub async fn rules_version(
        &self,
        tenant: &TenantId,
        number: u32,
        documents: &impl Documents,
    ) -> Result<StoredRules, Unavailable> {
        let stored = self.stored_rules(tenant, Some(number), documents).await?;
        let name = || DocumentName::RulesVersion(tenant.clone(), number);
        stored.ok_or_else(|| missing_version(&name()))
    }

    /// The current version of a tenant's alert rules, or the version with a number. Bypasses the cache.
    ///
    /// # Errors
    /// The store does not answer, or the stored document is invalid.
    pub async fn stored_rules(
        &self,
        tenant: &TenantId,
        number: Option<u32>,
        documents: &impl Documents,
    ) -> Result<Option<StoredRules>, Unavailable> {
        let tenant = tenant.clone();
        let name = match number {
            None => DocumentName::Rules(tenant),
            Some(number) => DocumentName::RulesVersion(tenant, number),
        };
        let stored = read(&name, documents).await?;
        let rules = stored.map(|stored| StoredRules::parse(&stored)).transpose();
        rules.map_err(|fault| broken(&name, &fault))
    }
}
