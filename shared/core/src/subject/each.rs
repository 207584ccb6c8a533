//! Visits every subject of a tenant once, in calls that are limited in time: each call says where the next one goes on.
//!
//! Left out: a subject whose newest event moves it to the front of the listing during a call may be missed
//! ([`listing`](super::listing)).

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::listing::{Mark, list};
use crate::base::cost::Units;
use crate::base::error::Unavailable;
use crate::base::id::{SubjectId, SubjectKey};
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::ledger::shard::Shard;
use crate::ports::{Clock, Listing};

/// Subjects of one page of the listing.
const PAGE: usize = 100;
/// Subjects that are visited at once.
const AT_ONCE: usize = 8;

/// What a call did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Visited {
    /// The number of subjects.
    pub subjects: usize,
    /// Where the next call goes on; `None`: all subjects are done.
    pub next: Option<Mark>,
    /// The cost.
    pub units: Units,
}

/// Visits the subjects of these shards behind a place in the listing. After `stop_at` it starts no further subject,
/// but it always visits at least one.
///
/// # Errors
/// The listing or a visit fails. Subjects before the failure were visited.
pub(super) async fn each<P, V, F>(
    ports: &P,
    (scope, shards): (&TenantScope, &[Shard]),
    after: Option<Mark>,
    stop_at: Timestamp,
    visit: V,
) -> Result<Visited, Unavailable>
where
    P: Listing + Clock,
    V: Fn(SubjectKey) -> F + Sync,
    F: Future<Output = Result<Units, Unavailable>> + Send,
{
    let mut visited = Visited { next: after, ..Visited::default() };
    loop {
        let after = visited.next.as_ref();
        let (listed, has_more, units) = list(ports, shards.to_vec(), after, PAGE).await?;
        visited.units += units;
        let has_done = visited.subjects > 0;
        let visit = &visit;
        let visits = listed.into_iter().enumerate().map(|(at, listed)| async move {
            if (has_done || at > 0) && ports.now() >= stop_at {
                return Ok(None);
            }
            let mark = listed.mark().clone();
            let subject: SubjectId = listed.into_subject();
            let units = visit(scope.subject(subject)).await?;
            Ok::<_, Unavailable>(Some((mark, units)))
        });
        let visits: Vec<_> = visits.collect();
        let done: Vec<_> = stream::iter(visits).buffered(AT_ONCE).try_collect().await?;
        let is_stopped = done.iter().any(Option::is_none);
        for (mark, units) in done.into_iter().map_while(|done| done) {
            visited.subjects += 1;
            visited.units += units;
            visited.next = Some(mark);
        }
        if !is_stopped && !has_more {
            visited.next = None;
        }
        if is_stopped || !has_more || ports.now() >= stop_at {
            return Ok(visited);
        }
    }
}
