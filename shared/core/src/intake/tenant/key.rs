//! API keys: known by their hashes only, each found by one read.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::NamedTenant;
use crate::base::id::TenantId;
use crate::intake::fault::Faults;

/// One API key of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// What the tenant calls it.
    pub id: String,
    /// SHA-256 of the key, 64 hexadecimal digits. A key has 256 random bits, so nothing slower
    /// than a hash is needed.
    pub sha256: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Whether it is worthless outside the local host.
    #[serde(default)]
    pub local: bool,
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Send events.
    Write,
    /// Read subjects, events and alerts.
    Read,
    /// See and replay dead letters.
    Admin,
}

/// What the registry keeps under a key's hash: whose it is, and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyGrant {
    tenant: TenantId,
    key: ApiKey,
}

/// As it is stored. Apart from the grant, so that only what was stored becomes one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredGrant {
    tenant: String,
    key: ApiKey,
}

impl KeyGrant {
    /// The tenant that the key speaks for.
    pub fn tenant(&self) -> NamedTenant {
        NamedTenant(self.tenant.clone())
    }

    /// The key.
    pub fn key(&self) -> &ApiKey {
        &self.key
    }

    /// What is stored for a key.
    pub(crate) fn stored(tenant: &TenantId, key: &ApiKey) -> Result<String, serde_json::Error> {
        serde_json::to_string(&StoredGrant { tenant: tenant.to_string(), key: key.clone() })
    }

    /// Reads what is stored.
    pub(crate) fn read(stored: Value) -> Result<Self, String> {
        let stored: StoredGrant =
            serde_json::from_value(stored).map_err(|fault| fault.to_string())?;
        let tenant = TenantId::parse(&stored.tenant).map_err(|rejection| rejection.message)?;
        Ok(Self { tenant, key: stored.key })
    }
}

/// No two keys of a tenant may share a name or a hash.
pub(super) fn check_all(keys: &[ApiKey], faults: &mut Faults) {
    let (mut ids, mut hashes) = (BTreeSet::new(), BTreeSet::new());
    for (index, key) in keys.iter().enumerate() {
        if !ids.insert(&key.id) {
            faults.add(format!("/keys/{index}/id"), "two keys have this id");
        }
        if !hashes.insert(&key.sha256) {
            faults.add(format!("/keys/{index}/sha256"), "two keys have this hash");
        }
    }
}
