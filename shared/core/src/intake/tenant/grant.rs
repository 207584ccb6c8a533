//! The stored grant of an API key.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::NamedTenant;
use super::key::ApiKey;
use crate::base::id::TenantId;

/// The grant that the registry stores under the hash of a key: its tenant and its scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyGrant {
    tenant: TenantId,
    key: ApiKey,
}

/// The stored form. The type differs from the grant, so that only a stored document becomes a grant.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredGrant {
    tenant: String,
    key: ApiKey,
}

impl KeyGrant {
    /// The tenant of the key.
    pub fn tenant(&self) -> NamedTenant {
        NamedTenant(self.tenant.clone())
    }

    /// The key.
    pub fn key(&self) -> &ApiKey {
        &self.key
    }

    /// The stored form of a key.
    pub(crate) fn stored(tenant: &TenantId, key: &ApiKey) -> Result<String, serde_json::Error> {
        serde_json::to_string(&StoredGrant { tenant: tenant.to_string(), key: key.clone() })
    }

    /// Reads the stored form.
    pub(crate) fn read(stored: Value) -> Result<Self, String> {
        let stored: StoredGrant =
            serde_json::from_value(stored).map_err(|fault| fault.to_string())?;
        let tenant = TenantId::parse(&stored.tenant).map_err(|rejection| rejection.message)?;
        Ok(Self { tenant, key: stored.key })
    }
}
