//! Has the kept history and the state of subjects sent to feeds again, and their alerts compared with the history:
//! after records were lost, for a new consumer, or after a feed or alert rules were added. It only writes the heads; the change stream delivers them to the relay
//! like any other change.
//!
//! Left out: a subject whose newest event moves it to the front of the listing during a call may be missed
//! ([`listing`](super::listing)).

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::listing::{Mark, list};
use crate::base::cost::Units;
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

/// Subjects of one page of the listing.
const PAGE: usize = 100;
/// Heads that are written at once.
const AT_ONCE: usize = 8;

/// Which subjects to send again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subjects {
    /// One subject.
    One(SubjectId),
    /// All subjects of the tenant behind a place in the listing.
    All {
        /// [`Resent::next`] of the call before.
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

/// What a call did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resent {
    /// The number of subjects.
    pub subjects: usize,
    /// Where the next call goes on; `None`: all subjects are done.
    pub next: Option<Mark>,
    /// The cost.
    pub units: Units,
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
) -> Result<Resent, NotResent> {
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
                (true, units) => Ok(Resent { subjects: 1, next: None, units }),
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
) -> Result<Resent, Unavailable> {
    let kinds = registry.kinds(ports.now(), ports).await?;
    let table = tenant.placement.table();
    let shards = || kinds.iter().flat_map(|kind| Shard::all(scope, kind, table.as_ref()));
    let mut resent = Resent { next: after, ..Resent::default() };
    loop {
        let after = resent.next.as_ref();
        let (listed, has_more, units) = list(ports, shards().collect(), after, PAGE).await?;
        resent.units += units;
        let has_done = resent.subjects > 0;
        let resends = listed.into_iter().enumerate().map(|(at, listed)| async move {
            if (has_done || at > 0) && ports.now() >= stop_at {
                return Ok(None);
            }
            let mark = listed.mark().clone();
            let key = scope.subject(listed.into_subject());
            let resent = subject::resend(ports, registry, (key, tenant), reason, item_limits);
            Ok::<_, Unavailable>(Some((mark, resent.await?.1)))
        });
        let resends: Vec<_> = resends.collect();
        let done: Vec<_> = stream::iter(resends).buffered(AT_ONCE).try_collect().await?;
        let is_stopped = done.iter().any(Option::is_none);
        for (mark, units) in done.into_iter().map_while(|done| done) {
            resent.subjects += 1;
            resent.units += units;
            resent.next = Some(mark);
        }
        if !is_stopped && !has_more {
            resent.next = None;
        }
        if is_stopped || !has_more || ports.now() >= stop_at {
            return Ok(resent);
        }
    }
}

#[cfg(test)]
mod tests;
