//! Alerts that other systems posted: `pk` (S) `T#{tenant}#R`; `sk` (S) [`ReceivedAlert::sort_key`]; `d` (S) the alert as
//! JSON; `x` (N) the time of expiry, in seconds since 1970.

use aws_sdk_dynamodb::types::AttributeValue;
use drover_core::base::error::Unavailable;
use drover_core::base::scope::TenantScope;
use drover_core::outputs::received::{ReceivedAlert, ReceivedPage};

use super::{Item, broken, item, key, number, text};

/// A text above all sort keys.
const ABOVE: &str = "g";

/// An alert.
pub(in crate::dynamodb) fn received_item(tenant: &TenantScope, alert: &ReceivedAlert) -> Item {
    let mut stored = key(&partition(tenant), &alert.sort_key());
    stored.extend(item([("d", text(&alert.json)), ("x", number(alert.expires_at()))]));
    stored
}

/// The values of a query for alerts of a tenant: `:pk` and `:below`.
pub(in crate::dynamodb) fn listed(tenant: &TenantScope, page: &ReceivedPage) -> Item {
    let below = page.below.as_deref().unwrap_or(ABOVE);
    item([(":pk", text(&partition(tenant))), (":below", text(below))])
}

/// Reads the JSON of [`received_item`].
///
/// # Errors
/// The item is corrupt.
pub(in crate::dynamodb) fn read_received(item: &Item) -> Result<String, Unavailable> {
    match item.get("d") {
        Some(AttributeValue::S(json)) => Ok(json.clone()),
        _ => Err(broken("received alert")),
    }
}

/// The sort key of an item or key.
pub(in crate::dynamodb) fn sort_key(item: &Item) -> Option<String> {
    item.get("sk")?.as_s().ok().cloned()
}

fn partition(tenant: &TenantScope) -> String {
    ["T#", tenant.tenant().as_str(), "#R"].concat()
}
