//! The newest events of a tenant: those among its most recently active subjects, merged by position.
//!
//! Each subject is read backwards a few events at a time, and further only when its next event may be
//! the newest of those that are left, so what is answered is exact; when that takes too many reads
//! the answer ends early.

use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use drover_core::error::Unavailable;
use drover_core::event::Entry;
use drover_core::id::{Position, SubjectId};
use drover_core::ledger::slice::Slice;
use drover_core::listing::Listed;
use drover_core::time::Timestamp;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::access::Visit;
use crate::events::{EventBody, answer_bytes};
use crate::{World, limits};

/// One of several subjects whose newest events are merged.
struct Source {
    subject: SubjectId,
    settled_until: Option<Timestamp>,
    /// The newest first.
    entries: VecDeque<Arc<Entry>>,
    /// Where it goes on.
    next: Option<Position>,
}

impl Source {
    /// No event that is left of it is newer; `None`: none is left.
    fn newest(&self) -> Option<&Position> {
        self.entries.front().map(|entry| &entry.position).or(self.next.as_ref())
    }
}

/// The newest events of the tenant, as [`Slice`] says; at most `limit`.
pub(crate) async fn newest<W: World>(
    visit: &Visit<'_, W>,
    slice: &Slice,
    limit: usize,
) -> Result<Vec<EventBody>, Unavailable> {
    let [first, more] = limits::NEWEST_EVENTS;
    let kinds = visit.kinds().await?;
    let (listed, _) = visit.recent(&kinds, None, limits::NEWEST_SUBJECTS).await?;
    let subjects = listed.into_iter().map(Listed::into_subject);
    let reads = subjects.map(|subject| next_of(visit, subject, slice, None, first));
    let read: Vec<Option<Source>> =
        stream::iter(reads).buffered(limits::TOGETHER).try_collect().await?;
    let mut sources: Vec<Source> = read.into_iter().flatten().collect();
    let mut heap: BinaryHeap<(Position, usize)> = BinaryHeap::new();
    heap.extend(
        sources.iter().enumerate().filter_map(|(at, one)| Some((one.newest()?.clone(), at))),
    );
    let (mut events, mut bytes, mut rounds) = (Vec::new(), 0, 0);
    while let Some((_, at)) = heap.pop() {
        if events.len() >= limit || bytes >= limits::ANSWER_BYTES {
            break;
        }
        let Some(source) = sources.get_mut(at) else { break };
        if let Some(entry) = source.entries.pop_front() {
            bytes += answer_bytes(&entry);
            let event = EventBody::of(&entry, source.settled_until);
            events.push(event.among_others(&source.subject));
        } else if rounds < limits::NEWEST_ROUNDS {
            rounds += 1;
            let (subject, beyond) = (source.subject.clone(), source.next.take());
            let entries = more.min(limit - events.len());
            if let Some(further) = next_of(visit, subject, slice, beyond, entries).await? {
                *source = further;
            }
        } else {
            break;
        }
        heap.extend(source.newest().map(|newest| (newest.clone(), at)));
    }
    Ok(events)
}

/// Some more events of one subject; `None`: nothing was ever written of it.
async fn next_of<W: World>(
    visit: &Visit<'_, W>,
    subject: SubjectId,
    slice: &Slice,
    beyond: Option<Position>,
    entries: usize,
) -> Result<Option<Source>, Unavailable> {
    let slice = Slice { beyond, entries, bytes: limits::NEWEST_BYTES, ..slice.clone() };
    let portion = visit.slice(&subject, slice).await?;
    Ok(portion.map(|portion| Source {
        settled_until: visit.settled_until(&portion.head),
        entries: portion.entries.into(),
        next: portion.next,
        subject,
    }))
}
