//! Encodes and decodes DynamoDB items. No I/O. An item with missing or wrong attributes is corrupt; no
//! default is assumed.
//!
//! - [`ledger`]: heads, pages, and entries of the listing index
//! - [`registry`]: documents of the registry
//! - [`requests`]: claims of idempotency keys
//! - [`letters`]: the items of the letters table
//! - [`timers`]: timers and the state of the sweep, in the outputs table
//! - [`received`]: alerts that other systems posted, in the outputs table
//! - [`deliveries`]: the records of deliveries of notifications, in the outputs table
//! - [`alerts`]: alerts and the commit that they reflect, in the outputs table

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use drover_core::base::error::{Reason, Unavailable};

pub(super) mod alerts;
pub(super) mod deliveries;
pub(super) mod ledger;
pub(super) mod letters;
pub(super) mod received;
pub(super) mod registry;
pub(super) mod requests;
pub(super) mod timers;

/// Attributes by name.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Size of a write unit, in bytes.
const WRITE_UNIT: usize = 1024;
/// Size of a strongly consistent read unit, in bytes.
const READ_UNIT: usize = 4096;
/// Estimated size of a number, in bytes.
const NUMBER: usize = 2;

/// A number attribute.
pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A string attribute.
pub(super) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// The write units of a failed condition. DynamoDB charges them by the size of the stored item, but its
/// answer does not contain the number.
pub(super) fn write_units(item: &Item) -> f64 {
    units(size(item), WRITE_UNIT)
}

/// The units of a strongly consistent read of an item.
pub(super) fn read_units(item: &Item) -> f64 {
    units(size(item), READ_UNIT)
}

fn size(item: &Item) -> usize {
    let size = |(name, value): (&String, &AttributeValue)| {
        name.len()
            + match value {
                AttributeValue::S(text) => text.len(),
                AttributeValue::B(bytes) => bytes.as_ref().len(),
                _ => NUMBER,
            }
    };
    item.iter().map(size).sum()
}

fn units(size: usize, unit: usize) -> f64 {
    u32::try_from(size.div_ceil(unit).max(1)).map_or(0.0, f64::from)
}

fn read_number<N: FromStr>(item: &Item, name: &str) -> Option<N> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

fn key(pk: &str, sk: &str) -> Item {
    item([("pk", text(pk)), ("sk", text(sk))])
}

fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn bytes(value: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

fn broken(kind: &str) -> Unavailable {
    Unavailable::new(Reason::Corrupt, format!("invalid stored {kind}"))
}
