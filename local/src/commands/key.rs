//! `drover key TENANT`: makes an API key. The key itself is shown once and kept nowhere; what goes
//! into the tenant document is its hash, which is worth nothing to whoever reads it.

use clap::{Args as ClapArgs, ValueEnum};
use drover_core::base::error::Rejection;
use drover_core::base::id::TenantId;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

const KEY_BYTES: usize = 32;
/// Tells people and secret scanners what they have found.
const PREFIX: &str = "drv_";

/// Make an API key: prints it once, and the line for the tenant document
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// The tenant that the key is for
    tenant: String,
    /// What the key may do
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "SCOPE,…",
        default_values_t = [Scope::Write, Scope::Read, Scope::Admin]
    )]
    scopes: Vec<Scope>,
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Send events
    Write,
    /// Read views and history
    Read,
    /// See and replay dead letters
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

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No tenant can have this name.
    #[error("not a tenant's name: tenant=`{tenant}`")]
    Tenant {
        /// What was given.
        tenant: String,
        /// What is wrong with it.
        source: Rejection,
    },
    /// The system has no randomness to give.
    #[error("the system gives no random numbers")]
    Randomness(#[source] getrandom::Error),
    /// The line could not be written as JSON.
    #[error("the line for the tenant document could not be made")]
    Line(#[source] serde_json::Error),
}

/// A key that was just made.
pub struct NewKey {
    /// The secret.
    pub key: String,
    /// One element of `keys` in the tenant document.
    pub line: String,
}

/// That element.
#[derive(Serialize)]
struct Line<'a> {
    id: String,
    sha256: &'a str,
    scopes: &'a [Scope],
}

/// Makes a key.
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

/// The document's hash is that of the key as it is sent, prefix and all. The id comes from the
/// hash, so that a tenant's next key never has the name of the one before.
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
    fn a_name_that_no_tenant_can_have_is_refused() {
        let args = Args { tenant: "New Co".to_owned(), scopes: Vec::new() };
        assert!(matches!(run(&args), Err(KeyError::Tenant { .. })));
    }
}
