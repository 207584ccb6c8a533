//! Questions to the ledger: drives [`Reading`] over a store. It never writes.

use crate::error::Unavailable;
use crate::ledger::read::{Answer, Ask, Cut, Question, Reading, Step};
use crate::pipeline::ports::{Home, Store, Units};

/// A consistent cut of one subject; `None`: nothing was ever written of it. Also what it cost.
///
/// # Errors
/// The store did not answer, or writers were faster every time.
pub async fn read(
    store: &impl Store,
    home: &Home,
    question: Question,
) -> Result<(Option<Cut>, Units), Unavailable> {
    let mut units = Units::default();
    let (mut reading, mut ask) = Reading::start(question);
    loop {
        let answer = match ask {
            Ask::Head => {
                let head = store.head(home).await?;
                units += head.units;
                Answer::Head(head.answer)
            }
            Ask::Pages(range) => {
                let pages = store.pages(home, &range).await?;
                units += pages.units;
                Answer::Pages(pages.answer)
            }
        };
        match reading.answer(answer)? {
            (_, Step::Done(cut)) => return Ok((cut.map(|cut| *cut), units)),
            (next, Step::Ask(question)) => (reading, ask) = (next, question),
        }
    }
}
