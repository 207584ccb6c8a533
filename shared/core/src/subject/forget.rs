//! Forgets a subject before its retention ends. [`forget`] empties the head and then deletes the pages;
//! [`forget_letters`] deletes the letters. A [`Receipt`] lists the deleted items and the data that Drover
//! cannot delete.
//!
//! The operation can stop anywhere and can be repeated. A repeated run continues where the previous run
//! stopped: after the head is empty, nothing refers to the pages.
//!
//! A person runs this with their own credentials. No function has the permissions.
//!
//! - `letters`: finds and deletes the letters of the subject
//! - `walk`: reads all letters and chunks of one owner, in order
//! - `search`: searches bytes for the id of a subject
//! - `receipt`: the result

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

/// Maximum number of attempts to replace the head.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// The deleted items of a history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErasedHistory {
    /// The number of emptied heads: 0 if the head was already empty.
    pub heads: u64,
    /// The number of deleted pages.
    pub pages: u64,
}

/// Forgets the history of a subject. `None`: the subject never existed.
///
/// # Errors
/// The store does not answer, or concurrent writers win every attempt. The call can be repeated.
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
            // The pages of a transaction may become visible shortly after its head.
            store.pause(PAUSE).await;
        }
        pages += u64::try_from(deleted).unwrap_or(u64::MAX);
        was_none_left = deleted == 0;
    }
}

/// Empties the head, unless it is already empty. Returns the position after which the history continues, and
/// the number of emptied heads. `None`: there is no head.
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
