//! What stands under the hash of an API key.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::NamedTenant;
use super::key::ApiKey;
use crate::base::id::TenantId;

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
