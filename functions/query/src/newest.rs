//! The newest events of a tenant, merged by position from its most recently active subjects.
//!
//! Each subject is read backwards, a few events at a time. A subject is read further only if its
//! next event may be the newest of the remaining events, so the result is exact. The response ends
//! early at its read limit. If very large heads use up the limit before every subject was read, the
//! result is exact for the subjects that were read. In both cases `complete` is false.

use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use drover_core::base::error::Unavailable;
use drover_core::base::id::{Position, SubjectId};
use drover_core::base::time::Timestamp;
use drover_core::event::Entry;
use drover_core::ledger::range_read::HistoryRange;
use drover_core::subject::listing::Listed;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::access::Visit;
use crate::event_body::{EventBody, answer_bytes};
use crate::{QueryPorts, limits};

/// A subject whose newest events are merged.
struct Source {
    subject: SubjectId,
    settled_until: Option<Timestamp>,
    /// Entries that were read and not merged yet, newest first.
    entries: VecDeque<Arc<Entry>>,
    /// Where the next read begins.
    next: Option<Position>,
}

impl Source {
    /// An upper bound of the remaining events' positions; `None` if no event remains.
    fn newest(&self) -> Option<&Position> {
        self.entries.front().map(|entry| &entry.position).or(self.next.as_ref())
    }
}

/// The newest events of a tenant.
pub(crate) struct Newest {
    pub(crate) events: Vec<EventBody>,
    /// Whether the read limit cut nothing off.
    pub(crate) complete: bool,
}

/// Reads at most `limit` of the tenant's newest events in a [`HistoryRange`].
pub(crate) async fn newest<W: QueryPorts>(
    visit: &Visit<'_, W>,
    range: &HistoryRange,
    limit: usize,
) -> Result<Newest, Unavailable> {
    let [_, more] = limits::NEWEST_EVENTS;
    let kinds = visit.kinds().await?;
    let (listed, _) = visit.recent(&kinds, None, limits::NEWEST_SUBJECTS).await?;
    let most = visit.read_bytes() + limits::BEGUN_BYTES;
    let (mut sources, mut complete) = beginnings(visit, listed, range, most).await?;
    let mut heap: BinaryHeap<(Position, usize)> = BinaryHeap::new();
    heap.extend(
        sources.iter().enumerate().filter_map(|(at, one)| Some((one.newest()?.clone(), at))),
    );
    let (mut events, mut bytes, mut rounds) = (Vec::new(), 0, 0);
    while let Some((_, at)) = heap.pop() {
        if events.len() >= limit {
            break;
        }
        if bytes >= limits::ANSWER_BYTES {
            complete = false;
            break;
        }
        let Some(source) = sources.get_mut(at) else { break };
        if let Some(entry) = source.entries.pop_front() {
            bytes += answer_bytes(&entry);
            let event = EventBody::of(&entry, source.settled_until)?;
            events.push(event.among_others(&source.subject));
        } else if rounds < limits::NEWEST_ROUNDS && visit.read_bytes() < most {
            rounds += 1;
            let (subject, beyond) = (source.subject.clone(), source.next.take());
            let [_, bytes] = limits::NEWEST_BYTES;
            let range = HistoryRange {
                beyond,
                entries: more.min(limit - events.len()),
                bytes,
                ..range.clone()
            };
            if let Some(further) = part(visit, subject, range).await? {
                *source = further;
            }
        } else {
            complete = false;
            break;
        }
        heap.extend(source.newest().map(|newest| (newest.clone(), at)));
    }
    Ok(Newest { events, complete })
}

/// Reads the first few events of each subject until `most` bytes have been read. Also returns
/// whether every subject was read.
async fn beginnings<W: QueryPorts>(
    visit: &Visit<'_, W>,
    listed: Vec<Listed>,
    range: &HistoryRange,
    most: usize,
) -> Result<(Vec<Source>, bool), Unavailable> {
    let ([entries, _], [bytes, _]) = (limits::NEWEST_EVENTS, limits::NEWEST_BYTES);
    let reads = listed.into_iter().map(|listed| async move {
        if visit.read_bytes() >= most {
            return Ok(None);
        }
        let range = HistoryRange { entries, bytes, ..range.clone() };
        part(visit, listed.into_subject(), range).await.map(Some)
    });
    let read: Vec<Option<Option<Source>>> =
        stream::iter(reads).buffered(limits::NEWEST_TOGETHER).try_collect().await?;
    let complete = read.iter().all(Option::is_some);
    Ok((read.into_iter().flatten().flatten().collect(), complete))
}

/// Reads some events of one subject; `None` if the subject does not exist.
async fn part<W: QueryPorts>(
    visit: &Visit<'_, W>,
    subject: SubjectId,
    range: HistoryRange,
) -> Result<Option<Source>, Unavailable> {
    let portion = visit.range(&subject, range).await?;
    Ok(portion.map(|portion| Source {
        settled_until: visit.settled_until(&portion.head),
        entries: portion.entries.into(),
        next: portion.next,
        subject,
    }))
}
