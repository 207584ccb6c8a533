//! Has the kept history and the state of subjects sent again: after records were lost, for a new consumer,
//! or after a feed was added. It only writes the heads; the change stream delivers them to this function
//! like any other change.

use drover_core::base::cost::Units;
use drover_core::base::error::Unavailable;
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::intake::tenant::Tenant;
use drover_core::ledger::shard::Shard;
use drover_core::pipeline::subject::resend;
use drover_core::ports::FeedTarget;
use drover_core::subject::listing::{Mark, list};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

use crate::{Relay, RelayPorts};

/// Subjects of one page of the listing.
const PAGE: usize = 100;
/// Heads that are written at once.
const AT_ONCE: usize = 8;

/// What a call did.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Resent {
    /// The number of subjects.
    pub(crate) subjects: usize,
    /// Where the next call goes on; `null`: all subjects are done.
    pub(crate) next_cursor: Option<Mark>,
    #[serde(skip)]
    pub(crate) units: Units,
}

impl<W: RelayPorts, T: FeedTarget> Relay<W, T> {
    /// The subjects of a tenant behind a place in the listing, until the deadline.
    pub(crate) async fn resend_all(
        &self,
        scope: &TenantScope,
        tenant: &Tenant,
        after: Option<Mark>,
        deadline: Timestamp,
    ) -> Result<Resent, Unavailable> {
        let (ports, now) = (&self.ports, self.ports.now());
        let kinds = self.registry.kinds(now, ports).await?;
        let table = tenant.placement.table();
        let shards = || kinds.iter().flat_map(|kind| Shard::all(scope, kind, table.as_ref()));
        let mut resent = Resent { next_cursor: after, ..Resent::default() };
        loop {
            let after = resent.next_cursor.as_ref();
            let (listed, has_more, units) = list(ports, shards().collect(), after, PAGE).await?;
            resent.units += units;
            let last = listed.last().map(|listed| listed.mark().clone());
            let resends = listed.into_iter().map(|listed| {
                let key = scope.subject(listed.into_subject());
                resend(ports, &self.registry, (key, tenant), self.settings.item_limits)
            });
            let resends: Vec<_> = resends.collect();
            let done: Vec<_> = stream::iter(resends).buffered(AT_ONCE).try_collect().await?;
            resent.subjects += done.len();
            done.into_iter().for_each(|(_, units)| resent.units += units);
            resent.next_cursor = last.filter(|_| has_more);
            if resent.next_cursor.is_none() || ports.now() >= deadline {
                return Ok(resent);
            }
        }
    }
}
