//! Has the sweep look at subjects that are silent already, after a rule about silence was added or changed: a subject
//! that sends nothing reaches the relay by nothing else.
//!
//! It sets a timer for each subject of the kinds that the rules watch, and reads no subject. The timer is due when the
//! new rules are in force; the sweep decides by them whether there is something to do.

use super::each::{Visited, each};
use super::listing::Mark;
use super::timers::Armer;
use crate::base::error::Unavailable;
use crate::base::limits::RULES_START_SECONDS;
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::intake::tenant::Tenant;
use crate::ledger::shard::Shard;
use crate::outputs::timers::arming::absence;
use crate::ports::{Listing, Ports, Timers};
use crate::registry::Registry;

/// Sets the timers, of the subjects behind a place in the listing. The scope is that of the tenant.
///
/// # Errors
/// A dependency failed. Subjects before the failure are watched.
pub async fn watch<P: Ports + Listing + Timers>(
    (ports, registry, armer): (&P, &Registry, &Armer),
    (scope, tenant): (&TenantScope, &Tenant),
    after: Option<Mark>,
    stop_at: Timestamp,
) -> Result<Visited, Unavailable> {
    let kinds = registry.watched_kinds(&tenant.id, ports).await?;
    let table = tenant.placement.table();
    let shards = kinds.iter().flat_map(|kind| Shard::all(scope, kind, table.as_ref()));
    let shards: Vec<Shard> = shards.collect();
    let arm = |key| async move {
        let now = ports.now();
        let due = now.plus_seconds(RULES_START_SECONDS);
        armer.arm(ports, &absence(&key, due, now), now).await
    };
    each(ports, (scope, &shards), after, stop_at, arm).await
}
