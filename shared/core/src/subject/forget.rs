//! Forgetting a subject before its time: its head is emptied, then its pages are deleted ([`forget`]), then
//! its letters ([`forget_letters`]), and a [`Receipt`] says what that was and what is out of reach. It may be
//! done again at any point, and goes on where it stood: once the head is empty nothing refers to the pages.
//!
//! For a person with rights of their own, and no function.
//!
//! - `letters`: which letters are the subject's, and how they go
//! - `walk`: everything that is filed under one owner, in order
//! - `search`: whether bytes speak of a subject
//! - `receipt`: the answer

mod letters;
mod receipt;
mod search;
mod walk;

use std::time::Duration;

use crate::base::error::{Reason, Unavailable};
use crate::base::id::Position;
use crate::ledger::StoredHead;
use crate::ledger::codec::{decode_head, encode_head};
use crate::ledger::read::broken;
use crate::ports::{Clock, Eraser, SubjectLocation};

pub use self::letters::{ErasedLetters, Named, forget_letters};
pub use self::receipt::{Deleted, OutOfReach, Receipt, Retention};

/// Times that other writers may be faster.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// What was deleted of a subject's history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErasedHistory {
    /// Heads that were emptied: none where that was done before.
    pub heads: u64,
    /// Pages.
    pub pages: u64,
}

/// Forgets the history of a subject; `None`: nothing was ever written of it.
///
/// # Errors
/// The store did not answer, or writers were faster every time. It may be done again.
pub async fn forget<S: Eraser + Clock>(
    store: &S,
    location: &SubjectLocation,
) -> Result<Option<ErasedHistory>, Unavailable> {
    let Some((line, heads)) = empty_head(store, location).await? else { return Ok(None) };
    let (up_to, mut pages, mut was_none_left) = (line.to_bytes(), 0, false);
    loop {
        let deleted = store.delete_pages(location, &up_to).await?;
        if deleted == 0 && was_none_left {
            return Ok(Some(ErasedHistory { heads, pages }));
        }
        if deleted == 0 {
            // Pages of a transaction may be seen a moment after its head.
            store.pause(PAUSE).await;
        }
        pages += u64::try_from(deleted).unwrap_or(u64::MAX);
        was_none_left = deleted == 0;
    }
}

/// Empties the head, unless it is empty. Gives the line behind which history goes on, and how many heads
/// were emptied.
async fn empty_head<S: Eraser + Clock>(
    store: &S,
    location: &SubjectLocation,
) -> Result<Option<(Position, u64)>, Unavailable> {
    for _ in 0..ATTEMPTS {
        let Some(stored) = store.head(location).await?.answer else { return Ok(None) };
        let head = decode_head(&stored.bytes).map_err(broken)?;
        if head.is_forgotten() {
            return Ok(head.forgotten.map(|line| (line, 0)));
        }
        let empty = head.forget();
        let bytes = encode_head(&empty)
            .map_err(|unwritable| Unavailable::new(Reason::Bug, unwritable.to_string()))?;
        let next = StoredHead { version: empty.version, bytes };
        if store.replace_unlisted(location, &next).await? {
            return Ok(empty.forgotten.map(|line| (line, 1)));
        }
        store.pause(PAUSE).await;
    }
    Err(Unavailable::new(Reason::Contention, "other writers won every attempt at this subject"))
}

#[cfg(test)]
mod tests;
