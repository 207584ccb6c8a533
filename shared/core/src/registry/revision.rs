//! The cached revision document of the registry.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::index::Index;
use super::stored::{broken, read};
use super::ttl_cache::LIFETIME_SECONDS;
use crate::base::error::Unavailable;
use crate::base::time::Timestamp;
use crate::intake::document::{DocumentName, StoredDocument};
use crate::ports::Documents;

/// The cache of the revision document.
#[derive(Debug, Default)]
pub(super) struct Revision {
    last: Mutex<Option<Seen>>,
    /// The newest revision ever seen, even if the stored revision is older now.
    newest: AtomicU64,
}

/// The revision document at one time.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The index of stored contracts.
    pub(super) index: Arc<Index>,
    read_at: Timestamp,
}

impl Revision {
    /// The cached document, read again if it is too old.
    ///
    /// # Errors
    /// The store does not answer, or the document is invalid.
    pub(super) async fn seen(
        &self,
        now: Timestamp,
        documents: &impl Documents,
    ) -> Result<Seen, Unavailable> {
        let seen = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(seen) = seen.filter(|seen| seen.read_at.is_within(LIFETIME_SECONDS, now)) {
            return Ok(seen);
        }
        let stored = read(&DocumentName::Revision, documents).await?;
        self.keep(stored.as_ref(), now)
    }

    /// The fault of the currently stored document, if any.
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
        let index = stored.map(Index::stored).transpose();
        let index = index.map_err(|fault| broken(&DocumentName::Revision, &fault))?;
        let seen = Seen { index: Arc::new(index.unwrap_or_default()), read_at: now };
        let number = stored.map_or(0, |stored| stored.revision);
        self.newest.fetch_max(number, Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen.clone());
        Ok(seen)
    }
}
