//! Questions to the ledger: drives [`Reading`] and [`RangeReading`] over a store. It never writes.

use crate::base::cost::Units;
use crate::base::error::Unavailable;
use crate::base::limits;
use crate::ledger::range_read::{self, HistoryRange, Portion, RangeReading};
use crate::ledger::read::{Answer, Ask, Question, Reading, Snapshot, Step};
use crate::ports::{Clock, Store, SubjectLocation};

/// A consistent cut of one subject; `None`: nothing was ever written of it. Also what it cost.
///
/// # Errors
/// The store did not answer, or writers were faster every time.
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

/// A bounded part of one subject's history; `None`: nothing was ever written of it. Also what it
/// cost.
///
/// # Errors
/// The store did not answer, or writers were faster every time.
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

async fn obey(
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
