//! Has the kept history and the state of subjects sent to feeds again, and their alerts compared with the history:
//! after records were lost, for a new consumer, or after a feed or alert rules were added. It only writes the heads; the change stream delivers them to the relay
//! like any other change.

use super::each::{Visited, each};
use super::listing::Mark;
use crate::base::error::Unavailable;
use crate::base::id::{SubjectId, TenantId};
use crate::base::limits::ItemLimits;
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::intake::tenant::{Status, Tenant};
use crate::ledger::shard::Shard;
use crate::ledger::touch::Touch;
use crate::pipeline::subject;
use crate::ports::{Listing, Ports};
use crate::registry::Registry;

/// Which subjects to send again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subjects {
    /// One subject.
    One(SubjectId),
    /// All subjects of the tenant behind a place in the listing.
    All {
        /// [`Visited::next`] of the call before.
        after: Option<Mark>,
    },
}

/// What a call may take.
#[derive(Clone, Copy, Debug)]
pub struct ResendLimits {
    /// When the call starts no further subject. It always does at least one.
    pub stop_at: Timestamp,
    /// The sizes of ledger items.
    pub item_limits: ItemLimits,
}

/// Why nothing, or not everything, is sent again.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NotResent {
    /// The tenant has neither feeds nor alert rules.
    #[error("the tenant has no feeds and no alert rules: tenant=`{0}`")]
    NoFeeds(TenantId),
    /// Nobody writes the ledger of a suspended tenant: it may be on its way to another table.
    #[error("the tenant is suspended: tenant=`{0}`")]
    Suspended(TenantId),
    /// The ledger has no such subject.
    #[error("the tenant has no such subject: subject=`{0}`")]
    UnknownSubject(SubjectId),
    /// A dependency failed. Subjects before the failure are sent again.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Has subjects of a tenant sent to its feeds again, with this reason: [`Touch::Resend`], or after a restore of
/// its table [`Touch::Restored`]. The scope is that of the tenant.
///
/// # Errors
/// [`NotResent`].
pub async fn resend<P: Ports + Listing>(
    ports: &P,
    registry: &Registry,
    (scope, tenant): (&TenantScope, &Tenant),
    (subjects, reason): (Subjects, Touch),
    limits: ResendLimits,
) -> Result<Visited, NotResent> {
    let has_feeds = !tenant.feeds.enabled.is_empty();
    if !has_feeds && registry.rules_of(&tenant.id, ports.now(), ports).await?.is_none() {
        return Err(NotResent::NoFeeds(tenant.id.clone()));
    }
    if tenant.status == Status::Suspended {
        return Err(NotResent::Suspended(tenant.id.clone()));
    }
    match subjects {
        Subjects::One(subject) => {
            let key = scope.subject(subject.clone());
            let limits = limits.item_limits;
            match subject::resend(ports, registry, (key, tenant), reason, limits).await? {
                (true, units) => Ok(Visited { subjects: 1, next: None, units }),
                (false, _) => Err(NotResent::UnknownSubject(subject)),
            }
        }
        Subjects::All { after } => {
            Ok(resend_all(ports, registry, (scope, tenant), (after, reason), limits).await?)
        }
    }
}

async fn resend_all<P: Ports + Listing>(
    ports: &P,
    registry: &Registry,
    (scope, tenant): (&TenantScope, &Tenant),
    (after, reason): (Option<Mark>, Touch),
    ResendLimits { stop_at, item_limits }: ResendLimits,
) -> Result<Visited, Unavailable> {
    let kinds = registry.kinds(ports.now(), ports).await?;
    let table = tenant.placement.table();
    let shards = kinds.iter().flat_map(|kind| Shard::all(scope, kind, table.as_ref()));
    let shards: Vec<Shard> = shards.collect();
    let resend = |key| async move {
        let (_, units) =
            subject::resend(ports, registry, (key, tenant), reason, item_limits).await?;
        Ok(units)
    };
    each(ports, (scope, &shards), after, stop_at, resend).await
}

#[cfg(test)]
mod tests;
