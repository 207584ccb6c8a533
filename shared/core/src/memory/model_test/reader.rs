//! The tasks that read while writers go on, and the answers that they may get.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::check::{answer, walk};
use super::observed::Observed;
use super::script::{Kind, Walk, instant, location};
use crate::base::cost::Units;
use crate::base::error::Unavailable;
use crate::base::id::{Position, SubjectKey};
use crate::ledger::range_read::{HistoryRange, Portion};
use crate::ledger::read::{Question, Snapshot};
use crate::memory::{Faulty, Memory};
use crate::subject::reader;

type Running<T> = Pin<Box<dyn Future<Output = T>>>;
type Read = Result<(Option<Snapshot>, Units), Unavailable>;
type RangeRead = Result<(Option<Portion>, Units), Unavailable>;

/// A reader of a view or a history, with what it must see.
pub(super) struct Reader {
    running: Running<Read>,
    key: SubjectKey,
    question: Question,
    must_see: BTreeSet<Position>,
}

/// A reader that goes through a part of a history, answer by answer.
pub(super) struct Walker {
    running: Running<RangeRead>,
    key: SubjectKey,
    walk: Walk,
    /// What is being read now.
    range: HistoryRange,
    /// What was acknowledged when it set out.
    must_see: BTreeSet<Position>,
    seen: Vec<Position>,
}

impl Reader {
    pub(super) fn start(observed: &Observed, key: SubjectKey, slot: u16, kind: Kind) -> Self {
        let at = instant(i64::from(slot));
        let question = match kind {
            Kind::Live => Question::Live,
            Kind::AsOf => Question::AsOf(at),
            Kind::Whole => Question::History { from: None, to: None },
            Kind::Range(slots) => Question::History {
                from: Some(at),
                to: Some(instant(i64::from(slot) + i64::from(slots))),
            },
        };
        let (location, memory) = (location(&key), Arc::clone(&observed.memory));
        let running: Running<Read> =
            Box::pin(async move { reader::read(&*memory, &location, question).await });
        let must_see = observed.acknowledged_of(&key);
        Self { running, key, question, must_see }
    }

    /// Whether the answer counts its entries: then it notices by itself that a transaction is only
    /// partly visible, whichever transaction it is.
    pub(super) fn counts(&self) -> bool {
        matches!(self.question, Question::Live | Question::History { from: None, to: None })
    }

    /// Goes on up to its next call; `None`: it has its answer.
    pub(super) fn poll(
        mut self,
        observed: &mut Observed,
        context: &mut Context<'_>,
    ) -> Result<Option<Self>, String> {
        let Poll::Ready(read) = self.running.as_mut().poll(context) else { return Ok(Some(self)) };
        if let Ok((snapshot, _)) = read {
            observed.tally.answers += 1;
            answer::snapshot(
                observed,
                &self.key,
                self.question,
                snapshot.as_ref(),
                &self.must_see,
            )?;
        }
        Ok(None)
    }
}

impl Walker {
    pub(super) fn start(observed: &Observed, key: SubjectKey, walk: &Walk) -> Self {
        let (range, must_see) = (walk.range(), observed.acknowledged_of(&key));
        let running = range_read(&observed.memory, &key, &range);
        Self { running, key, walk: walk.clone(), range, must_see, seen: Vec::new() }
    }

    /// Goes on with the next part; `None`: it is at its end.
    pub(super) fn poll(
        mut self,
        observed: &mut Observed,
        context: &mut Context<'_>,
    ) -> Result<Option<Self>, String> {
        let Poll::Ready(read) = self.running.as_mut().poll(context) else { return Ok(Some(self)) };
        let Ok((portion, _)) = read else { return Ok(None) };
        observed.tally.answers += 1;
        walk::portion(observed, &self.key, &self.walk, &self.range, portion.as_ref())?;
        let (entries, next) = portion.map(|one| (one.entries, one.next)).unwrap_or_default();
        self.seen.extend(entries.into_iter().map(|entry| entry.position.clone()));
        if next.is_none() {
            walk::walked(&self.walk, &self.seen, &self.must_see)?;
            return Ok(None);
        }
        self.range.beyond = next;
        self.running = range_read(&observed.memory, &self.key, &self.range);
        Ok(Some(self))
    }
}

fn range_read(
    memory: &Arc<Faulty<Memory>>,
    key: &SubjectKey,
    range: &HistoryRange,
) -> Running<RangeRead> {
    let (memory, range) = (Arc::clone(memory), range.clone());
    let location = location(key);
    Box::pin(async move { reader::range(&*memory, &location, range).await })
}
