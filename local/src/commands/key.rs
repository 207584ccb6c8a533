//! `drover key TENANT`: creates an API key. The key is shown once and never stored; the tenant
//! document contains only its hash.

use clap::{Args as ClapArgs, ValueEnum};
use drover_core::base::error::Rejection;
use drover_core::base::id::TenantId;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

const KEY_BYTES: usize = 32;
/// Identifies the text as a Drover key to people and secret scanners.
const PREFIX: &str = "drv_";

/// Create an API key: prints the key once, and the line for the tenant document
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// The tenant of the key
    tenant: String,
    /// Permissions of the key
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "SCOPE,…",
        default_values_t = [Scope::Write, Scope::Read, Scope::Admin]
    )]
    scopes: Vec<Scope>,
}

/// A permission of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Send events
    Write,
    /// Read views and history
    Read,
    /// List and replay dead letters
    Admin,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Admin => "admin",
        })
    }
}

/// Why no key was created.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The tenant's name is invalid.
    #[error("invalid tenant name: tenant=`{tenant}`")]
    Tenant {
        /// The name that was given.
        tenant: String,
        /// The reason.
        source: Rejection,
    },
    /// The system returned no random bytes.
    #[error("the system returned no random bytes")]
    Randomness(#[source] getrandom::Error),
    /// The line could not be serialized as JSON.
    #[error("cannot serialize the line for the tenant document")]
    Line(#[source] serde_json::Error),
}

/// A new key.
pub struct NewKey {
    /// The secret.
    pub key: String,
    /// One element of `keys` in the tenant document.
    pub line: String,
}

/// The JSON of the line.
#[derive(Serialize)]
struct Line<'a> {
    id: String,
    sha256: &'a str,
    scopes: &'a [Scope],
}

/// Creates a key.
///
/// # Errors
/// [`KeyError`].
pub fn run(args: &Args) -> Result<NewKey, KeyError> {
    TenantId::parse(&args.tenant)
        .map_err(|source| KeyError::Tenant { tenant: args.tenant.clone(), source })?;
    let mut secret = [0; KEY_BYTES];
    getrandom::fill(&mut secret).map_err(KeyError::Randomness)?;
    let mut scopes = args.scopes.clone();
    scopes.sort_unstable();
    scopes.dedup();
    new_key(secret, &scopes)
}

/// The hash covers the key as it is sent, including the prefix. The id is part of the hash, so that
/// a tenant's keys have different ids.
fn new_key(secret: [u8; KEY_BYTES], scopes: &[Scope]) -> Result<NewKey, KeyError> {
    const ID_BYTES: usize = 4;
    let key = format!("{PREFIX}{}", base64_simd::URL_SAFE_NO_PAD.encode_to_string(secret));
    let digest = Sha256::digest(key.as_bytes());
    let sha256 = hex(digest.iter());
    let line =
        Line { id: format!("k-{}", hex(digest.iter().take(ID_BYTES))), sha256: &sha256, scopes };
    let line = serde_json::to_string(&line).map_err(KeyError::Line)?;
    Ok(NewKey { key, line })
}

fn hex<'a>(bytes: impl Iterator<Item = &'a u8>) -> String {
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_its_line_follow_from_the_secret() {
        let made = new_key([0; KEY_BYTES], &[Scope::Read]).unwrap();
        assert_eq!(made.key, "drv_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        let hash = "7f32716ecc8bfe6a0c352fcca26a4ef8fcc690487b28959d34c81a36064b482f";
        assert_eq!(
            made.line,
            format!(r#"{{"id":"k-{}","sha256":"{hash}","scopes":["read"]}}"#, &hash[..8])
        );
    }

    #[test]
    fn no_two_keys_are_the_same() {
        let args = Args { tenant: "newco".to_owned(), scopes: vec![Scope::Write] };
        let (one, other) = (run(&args).unwrap(), run(&args).unwrap());
        assert_ne!(one.key, other.key);
        assert_ne!(one.line, other.line);
    }

    #[test]
    fn an_invalid_tenant_name_is_rejected() {
        let args = Args { tenant: "New Co".to_owned(), scopes: Vec::new() };
        assert!(matches!(run(&args), Err(KeyError::Tenant { .. })));
    }
}
