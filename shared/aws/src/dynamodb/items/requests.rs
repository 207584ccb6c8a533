//! Items of the requests table: `pk` (S) the idempotency key; `b` (S) the digest of the body; `r` (N) the
//! time of receipt, in microseconds since 1970; `x` (N) the time of expiry, in seconds since 1970.

use aws_sdk_dynamodb::types::AttributeValue;
use drover_core::base::error::Unavailable;
use drover_core::base::time::Timestamp;
use drover_core::intake::request::{Claim, Made};

use super::{Item, broken, item, number, text};

/// A request under its idempotency key.
pub(in crate::dynamodb) fn claim_item(claim: &Claim) -> Item {
    item([
        ("pk", text(&claim.storage_key)),
        ("b", text(&claim.made.body)),
        ("r", number(claim.made.received_at.micros())),
        ("x", number(claim.expires_at())),
    ])
}

/// Reads [`claim_item`].
///
/// # Errors
/// The item is corrupt.
pub(in crate::dynamodb) fn read_claim(mut item: Item) -> Result<Made, Unavailable> {
    let micros = item.get("r").and_then(|value| value.as_n().ok()?.parse().ok());
    match (micros.and_then(Timestamp::from_micros), item.remove("b")) {
        (Some(received_at), Some(AttributeValue::S(body))) => Ok(Made { body, received_at }),
        _ => Err(broken("request")),
    }
}
