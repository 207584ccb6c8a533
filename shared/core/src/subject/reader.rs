//! Reads the history and the view of a subject: runs the state machines [`Reading`] and [`RangeReading`]
//! against a store. This module never writes.

use crate::base::cost::Units;
use crate::base::error::Unavailable;
use crate::base::limits;
use crate::ledger::range_read::{self, HistoryRange, Portion, RangeReading};
use crate::ledger::read::{Answer, Ask, Question, Reading, Snapshot, Step};
use crate::ports::{Clock, Store, SubjectLocation};

/// Reads a consistent snapshot of one subject and returns it with the cost. `None`: the subject does not
/// exist.
///
/// # Errors
/// The store does not answer, or concurrent writers win every attempt.
pub async fn read(
    store: &(impl Store + Clock),
    location: &SubjectLocation,
    question: Question,
) -> Result<(Option<Snapshot>, Units), Unavailable> {
    let mut units = Units::default();
    let (mut reading, mut ask) = Reading::start(question, store.now());
    loop {
        let answer = obey(store, location, ask, &mut units).await?;
        match reading.answer(answer)? {
            (_, Step::Done(snapshot)) => return Ok((snapshot.map(|snapshot| *snapshot), units)),
            (next, Step::Ask(question)) => (reading, ask) = (next, question),
        }
    }
}

/// Reads a bounded part of one subject's history and returns it with the cost. `None`: the subject does not
/// exist.
///
/// # Errors
/// The store does not answer, or concurrent writers win every attempt.
pub async fn range(
    store: &(impl Store + Clock),
    location: &SubjectLocation,
    range: HistoryRange,
) -> Result<(Option<Portion>, Units), Unavailable> {
    let mut units = Units::default();
    let (mut reading, mut ask) = RangeReading::start(range, store.now());
    loop {
        let answer = obey(store, location, ask, &mut units).await?;
        match reading.answer(answer)? {
            (_, range_read::Step::Done(portion)) => {
                return Ok((portion.map(|portion| *portion), units));
            }
            (next, range_read::Step::Ask(question)) => (reading, ask) = (next, question),
        }
    }
}

/// Answers a question of a reading, and adds its cost.
///
/// # Errors
/// The store does not answer.
pub async fn obey(
    store: &(impl Store + Clock),
    location: &SubjectLocation,
    ask: Ask,
    units: &mut Units,
) -> Result<Answer, Unavailable> {
    match ask {
        Ask::Head => {
            let head = store.head(location).await?;
            *units += head.units;
            Ok(Answer::Head(head.answer))
        }
        Ask::Pages(range) => {
            let pages = store.pages(location, &range).await?;
            *units += pages.units;
            Ok(Answer::Pages(pages.answer))
        }
        Ask::Pause { attempt } => {
            store.pause(limits::backoff(attempt, store.random())).await;
            Ok(Answer::Paused)
        }
    }
}
