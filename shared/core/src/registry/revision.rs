//! The registry's revision document as a warm environment has seen it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::index::Index;
use super::stored::{broken, read};
use super::ttl_cache;
use crate::base::error::{Reason, Unavailable};
use crate::base::time::Timestamp;
use crate::intake::document::{DocumentName, StoredDocument};
use crate::ports::Documents;

/// What was read of the revision document.
#[derive(Debug, Default)]
pub(super) struct Revision {
    last: Mutex<Option<Seen>>,
    /// The newest number that was ever seen here, also where the stored one is older now.
    newest: AtomicU64,
}

/// The revision document as it was at one time.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// 0: there is no document.
    pub(super) number: u64,
    /// Of stored contracts.
    pub(super) index: Arc<Index>,
    read_at: Timestamp,
}

impl Revision {
    /// What was seen last, read again if it is too old for `at_least` or `now`.
    ///
    /// # Errors
    /// No answer, a document that cannot be read, or one that is older than `at_least`.
    pub(super) async fn seen(
        &self,
        at_least: u64,
        now: Timestamp,
        documents: &impl Documents,
    ) -> Result<Seen, Unavailable> {
        let seen = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let fresh = seen.filter(|seen| ttl_cache::is_fresh(seen.read_at, now));
        if let Some(seen) = fresh.filter(|seen| seen.number >= at_least) {
            return Ok(seen);
        }
        let stored = read(&DocumentName::Revision, documents).await?;
        let number = stored.as_ref().map_or(0, |stored| stored.revision);
        if number < at_least {
            let message = format!(
                "the registry is older than the ledger: revision=`{number}` ledger=`{at_least}`"
            );
            return Err(Unavailable::new(Reason::Misconfigured, message));
        }
        self.keep(stored.as_ref(), now)
    }

    /// What is wrong with the document as it is stored now, if anything.
    pub(super) async fn fault(&self, now: Timestamp, documents: &impl Documents) -> Option<String> {
        let seen = self.newest.load(Ordering::Relaxed);
        match read(&DocumentName::Revision, documents).await {
            Err(unavailable) => Some(format!("the registry does not answer: {unavailable}")),
            Ok(None) => Some("the registry has no revision document".to_owned()),
            Ok(Some(stored)) if stored.revision < seen => Some(format!(
                "the registry is older than before: revision=`{}` seen=`{seen}`",
                stored.revision
            )),
            Ok(stored) => self.keep(stored.as_ref(), now).err().map(|broken| broken.message),
        }
    }

    fn keep(&self, stored: Option<&StoredDocument>, now: Timestamp) -> Result<Seen, Unavailable> {
        let number = stored.map_or(0, |stored| stored.revision);
        let index = stored.map(Index::stored).transpose();
        let index = index.map_err(|fault| broken(&DocumentName::Revision, &fault))?;
        let seen = Seen { number, index: Arc::new(index.unwrap_or_default()), read_at: now };
        self.newest.fetch_max(number, Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen.clone());
        Ok(seen)
    }
}
