//! The records of deliveries: `pk` (S) `T#{tenant}#N#{alert}`, `T#{tenant}#N#switches` or `T#{tenant}#N#digests#{target}`; `sk` (S) `N`; `t#{target}` (S)
//! the record of a target as JSON; `d` (S) a simulated alert as JSON; `x` (N) the time of expiry, in seconds since 1970.

use aws_sdk_dynamodb::types::AttributeValue;
use drover_core::base::error::Unavailable;
use drover_core::base::scope::TenantScope;
use drover_core::outputs::alerts::AlertId;
use drover_core::outputs::notifications::deliveries::{Deliveries, DeliveriesOf, DeliveryChange};

use super::{Item, broken, item, key, number, text};

const SORT_KEY: &str = "N";
const TARGET: &str = "t#";

/// The key of an item.
pub(in crate::dynamodb) fn deliveries_key(tenant: &TenantScope, of: &DeliveriesOf) -> Item {
    key(&["T#", tenant.tenant().as_str(), "#N#", &of.key()].concat(), SORT_KEY)
}

/// The item of a simulated alert of which no target was told yet.
pub(in crate::dynamodb) fn simulated_item(
    tenant: &TenantScope,
    id: &AlertId,
    json: &str,
    expires_at: i64,
) -> Item {
    let mut stored = deliveries_key(tenant, &DeliveriesOf::Alert(id.clone()));
    stored.extend(item([("d", text(json)), ("x", number(expires_at))]));
    stored
}

/// The attribute of a target.
pub(in crate::dynamodb) fn attribute(target: &str) -> String {
    [TARGET, target].concat()
}

/// The values of an update: `:new`, `:x`, and `:old` if a record is expected.
pub(in crate::dynamodb) fn changed(change: DeliveryChange<'_>) -> Item {
    let mut values = item([(":new", text(change.new)), (":x", number(change.expires_at))]);
    values.extend(change.expected.map(|old| (":old".to_owned(), text(old))));
    values
}

/// Reads an item.
///
/// # Errors
/// The item is corrupt.
pub(in crate::dynamodb) fn read_deliveries(item: Item) -> Result<Deliveries, Unavailable> {
    let mut deliveries = Deliveries::default();
    for (name, value) in item {
        let target = name.strip_prefix(TARGET);
        if target.is_none() && name != "d" {
            continue;
        }
        let AttributeValue::S(record) = value else { return Err(broken("record of deliveries")) };
        match target {
            Some(target) => drop(deliveries.by_target.insert(target.to_owned(), record)),
            None => deliveries.simulated = Some(record),
        }
    }
    Ok(deliveries)
}
