//! API keys. Only their hashes are stored, and one read finds a key.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::intake::fault::Faults;

/// One API key of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// The name that the tenant gives the key.
    pub id: String,
    /// The SHA-256 of the key as 64 hexadecimal digits. A key has 256 random bits, so a fast hash is
    /// sufficient.
    pub sha256: String,
    /// The permissions of the key.
    pub scopes: Vec<Scope>,
    /// Whether only the local host accepts the key.
    #[serde(default)]
    pub local: bool,
}

/// A permission of a key.
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

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Admin => "admin",
        })
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
