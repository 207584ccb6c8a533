//! Requests that are repeated with an idempotency key. The first request stores a claim: the digest of its
//! content, and its time of receipt. A repeated request finds the claim and gets the same time, so that
//! events without a time or an id of their own are the same events again.
//!
//! One conditional write stores the claim before the first event is sent. A claim is valid for
//! [`LIFETIME_SECONDS`]. Every read checks its age, because DynamoDB deletes late.

use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::event::digest;

/// The validity of a claim, in seconds.
pub const LIFETIME_SECONDS: i64 = 24 * 60 * 60;
/// Maximum length of a key, in bytes.
pub const KEY_BYTES: usize = 255;

/// The client's name of a request, with which the request can be repeated: 1 to 255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// The claim of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The id of the request and of its repetitions. The ids of its events are derived from this id.
    pub request_id: String,
    /// The storage key, which begins with the prefix of the tenant.
    pub storage_key: String,
    /// The attributes that a repeated request shares.
    pub made: Made,
}

/// A request that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The digest of the contract name and the body.
    pub body: String,
    /// The time of receipt.
    pub received_at: Timestamp,
}

/// The result of storing a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The request is the first with this key, or the earlier claim has expired.
    First,
    /// An earlier request has this key.
    Before(Made),
}

/// Why a text is no idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// The key has this many bytes.
    #[error("wanted 1 to {KEY_BYTES} visible ASCII characters, came {0} bytes")]
    Length(usize),
    /// The byte at this index, from 0, is no visible ASCII character.
    #[error("wanted visible ASCII characters only, came another at byte {0}")]
    Byte(usize),
}

impl IdempotencyKey {
    /// Checks a key as it was sent.
    ///
    /// # Errors
    /// [`InvalidKey`]
    pub fn parse(sent: &[u8]) -> Result<Self, InvalidKey> {
        if !(1..=KEY_BYTES).contains(&sent.len()) {
            return Err(InvalidKey::Length(sent.len()));
        }
        match sent.iter().position(|byte| !byte.is_ascii_graphic()) {
            Some(at) => Err(InvalidKey::Byte(at)),
            None => Ok(Self(sent.iter().copied().map(char::from).collect())),
        }
    }
}

impl Claim {
    /// The claim of a tenant's request, from its key and its content.
    pub fn new(
        scope: &TenantScope,
        key: &IdempotencyKey,
        contract: &str,
        body: &[u8],
        received_at: Timestamp,
    ) -> Self {
        let tenant = scope.tenant();
        let request_id = digest(&[b"request", tenant.as_str().as_bytes(), key.0.as_bytes()]);
        let body = digest(&[contract.as_bytes(), body]);
        let storage_key = format!("T#{tenant}#I#{request_id}");
        Self { request_id, storage_key, made: Made { body, received_at } }
    }

    /// Claims that were stored at this time or earlier are invalid.
    pub fn stale(&self) -> Timestamp {
        self.made.received_at.plus_seconds(-LIFETIME_SECONDS)
    }

    /// When the claim may be deleted, in seconds since 1970.
    pub fn expires_at(&self) -> i64 {
        self.made.received_at.whole_seconds().saturating_add(LIFETIME_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::TenantId;

    fn claim(tenant: &str, key: &str, body: &str) -> Claim {
        let scope = TenantScope::by_operator(TenantId::parse(tenant).expect("a tenant"));
        let key = IdempotencyKey::parse(key.as_bytes()).expect("a key");
        let now = Timestamp::from_millis(1_800_000_000_000).expect("in range");
        Claim::new(&scope, &key, "telemetry", body.as_bytes(), now)
    }

    #[test]
    fn a_key_is_visible_ascii_of_bounded_length() {
        for (wrong, fault) in [
            ("", InvalidKey::Length(0)),
            ("two words", InvalidKey::Byte(3)),
            ("ü", InvalidKey::Byte(0)),
            (&"x".repeat(256), InvalidKey::Length(256)),
        ] {
            assert_eq!(IdempotencyKey::parse(wrong.as_bytes()), Err(fault), "{wrong}");
        }
        assert!(IdempotencyKey::parse("x".repeat(255).as_bytes()).is_ok());
    }

    #[test]
    fn a_request_is_known_by_tenant_and_key_and_its_body_is_compared() {
        let one = claim("demo", "k", "{}");
        assert_eq!(one, claim("demo", "k", "{}"));
        let other_body = claim("demo", "k", "[]");
        assert_eq!(one.request_id, other_body.request_id);
        assert_ne!(one.made.body, other_body.made.body);
        let other_tenant = claim("acme", "k", "{}");
        assert_ne!(one.request_id, other_tenant.request_id);
        assert!(other_tenant.storage_key.starts_with("T#acme#"));
    }
}
